import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { corpusDirectory, readCorpus, run } from './campaign.ts';
import { checkAlone, checkForwarded, checkOracle, compare, methods, onTheWire, targets, type Target } from './check.ts';
import { Random } from './random.ts';
import { cuts } from './mutate.ts';

const expectedSchema = z.record(z.string(), z.string());
const update = process.argv.includes('--update') || process.env['UPDATE'] === '1';

/** What becomes of an input: messages read, and why reading stopped. */
function outcome(target: Target, input: Buffer): string {
  const { reading } = checkAlone(target, onTheWire(target, input), [], 'GET');
  const read = reading.messages.map((m) => `${m.start}${m.complete ? '' : ' …'}`);
  if (reading.error !== '') read.push(reading.error);
  return read.length === 0 ? 'waits' : read.join(' | ');
}

for (const target of targets) {
  const corpus = readCorpus(target);
  const expectedFile = join(corpusDirectory, target, 'expected.json');
  describe(`corpus: ${target}`, () => {
    const random = new Random(7);
    for (const [name, input] of corpus) {
      it(`${name} reads the same in any split, by llhttp, and after it was sent on`, async () => {
        const wire = onTheWire(target, input);
        const each = Array.from({ length: wire.length }, (_, i) => i + 1);
        const splits = [each, ...each.map((i) => [i, wire.length]).slice(0, 2000), cuts(wire.length, random)];
        for (const method of methods) {
          const { reading, finding } = checkAlone(target, wire, splits, method);
          assert.equal(finding, '');
          assert.equal(await checkOracle(target, wire, reading, method), '');
        }
        if (target !== 'response') assert.equal(await checkForwarded(wire), '');
      });
    }

    it('has the outcomes of expected.json (rewrite: UPDATE=1)', () => {
      const outcomes = Object.fromEntries([...corpus].map(([name, input]) => [name, outcome(target, input)]));
      if (update) writeFileSync(expectedFile, `${JSON.stringify(outcomes, null, 2)}\n`);
      assert.deepEqual(outcomes, expectedSchema.parse(JSON.parse(readFileSync(expectedFile, 'utf8'))));
    });
  });

  it(`a short campaign finds nothing: ${target}`, async () => {
    const result = await run({ target, executions: 15_000, seed: 20_260, saveTo: null });
    assert.deepEqual(result.findings, []);
    assert.ok(result.accepted > 1000, `only ${result.accepted} inputs were accepted`);
  });
}

describe('the comparison', () => {
  const message = { start: 'GET /', headers: [], body: 'ab', complete: true, trailers: [] };
  const rows: [name: string, theirs: Partial<typeof message>][] = [
    ['another body', { body: 'abc' }],
    ['another target', { start: 'GET /x' }],
    ['not complete', { complete: false }],
  ];
  for (const [name, theirs] of rows) {
    it(`sees ${name}`, () => {
      const ours = { messages: [message], error: '' };
      assert.equal(compare(ours, { messages: [message], error: '' }), '');
      assert.notEqual(compare(ours, { messages: [{ ...message, ...theirs }], error: '' }), '');
      assert.notEqual(compare(ours, { messages: [], error: 'HPE' }), '');
      assert.notEqual(compare(ours, { messages: [message, message], error: '' }), '');
    });
  }
});
