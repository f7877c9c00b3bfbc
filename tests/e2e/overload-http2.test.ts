/** What clients of HTTP/2 leave untaken while memory is tight. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { flag, frame, FrameClient, frameType, get, uint32 } from '../support/h2-frames.ts';
import { proxied } from '../support/proxied.ts';
import type { Tighten } from '../support/tight-worker.ts';

const enhanceYourCalm = 11;
const noWindow = Buffer.concat([Buffer.from([0, 4]), uint32(0)]);

await test('a connection that makes many large responses wait ends while memory is tight, one with a few goes on', async (t) => {
  const body = 'x'.repeat(1_000_000);
  const { rig, port } = await proxied(
    t,
    ({ socket }) => socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`)),
    { entry: new URL('../support/tight-worker.ts', import.meta.url) },
  );
  const many = 60;
  const [hoarder, other] = [await FrameClient.connect(port, noWindow), await FrameClient.connect(port, noWindow)];
  other.request(1, get('/other'));
  for (let i = 0; i < many; i++) hoarder.request(1 + 2 * i, get('/hoarded'));
  for (let i = 0; i < many; i++)
    assert.ok(await hoarder.frame(({ type, stream }) => type === frameType.headers && stream === 1 + 2 * i), 'its responses have begun');
  assert.ok(await other.frame(({ type, stream }) => type === frameType.headers && stream === 1));
  rig.workers[0].postMessage({ type: 'tighten' } satisfies Tighten);
  await hoarder.toEnd();
  assert.equal(hoarder.goawayError, enhanceYourCalm);
  const ended = await rig.logged(many);
  for (const line of ended) assert.deepEqual([line['path'], line['response_flags']], ['/hoarded', 'OM']);
  other.send(frame(frameType.ping, 0, 0, Buffer.alloc(8)));
  assert.ok(await other.frame(({ type, flags }) => type === frameType.ping && flags === flag.ack), 'the other one is there');
  other.socket.destroy();
});
