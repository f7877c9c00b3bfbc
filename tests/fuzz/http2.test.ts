import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runHttp2Upstream } from './http2/upstream.ts';
import { Http2Bench, readHttp2Corpus, runHttp2 } from './http2/campaign.ts';

describe('frames of HTTP/2 that a client could send', { timeout: 120_000 }, () => {
  it('batches that were found once stay harmless', async (t) => {
    const bench = await Http2Bench.start();
    t.after(() => bench.close());
    for (const [name, cases] of readHttp2Corpus()) assert.equal(await bench.check(cases), '', name);
  });

  it('a short campaign ends no worker, and nothing malformed goes upstream', async () => {
    const { findings, executions } = await runHttp2({ executions: 1500, seed: 20_262, saveTo: null });
    assert.deepEqual(findings, []);
    assert.equal(executions, 1500);
  });

  it('the same from a backend', async () => {
    const { findings, executions } = await runHttp2Upstream({ executions: 1000, seed: 20_262, saveTo: null });
    assert.deepEqual(findings, []);
    assert.equal(executions, 1000);
  });
});
