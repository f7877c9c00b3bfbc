import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { z } from 'zod';
import { requireProgram } from '../support/programs.ts';
import { binaryTargets, readBinaryCorpus, runBinary } from './binary/campaign.ts';
import { corpusDirectory } from './campaign.ts';
import { Random } from './random.ts';

const expectedSchema = z.record(z.string(), z.string());
const update = process.argv.includes('--update') || process.env['UPDATE'] === '1';

for (const target of binaryTargets) {
  const corpus = readBinaryCorpus(target);
  const expectedFile = join(corpusDirectory, target.name, 'expected.json');
  describe(`corpus: ${target.name}`, () => {
    for (const [name, input] of corpus) {
      it(`${name} reads the same in any split`, async (t) => {
        assert.equal(target.check(input, new Random(7)).finding, '');
        if (target.oracle === undefined || !requireProgram(t, 'openssl')) return;
        assert.equal(await target.oracle(input), '');
      });
    }

    it('has the outcomes of expected.json (rewrite: UPDATE=1)', () => {
      const outcomes = Object.fromEntries([...corpus].map(([name, input]) => [name, target.check(input, new Random(7)).outcome]));
      if (update) writeFileSync(expectedFile, `${JSON.stringify(outcomes, null, 2)}\n`);
      assert.deepEqual(outcomes, expectedSchema.parse(JSON.parse(readFileSync(expectedFile, 'utf8'))));
    });

    it('a short campaign finds nothing', async (t) => {
      if (target.oracle !== undefined && !requireProgram(t, 'openssl')) return;
      const result = await runBinary({ target, executions: 8000, seed: 20_261, saveTo: null });
      assert.deepEqual(result.findings, []);
      assert.ok(result.accepted > 800, `only ${result.accepted} inputs were accepted`);
    });
  });
}
