import { test } from 'node:test';
import fc from 'fast-check';
import { assertWhole, goldenDocuments, paths, replaced, strangeValues } from '../../../tests/support/mutations.ts';
import type { Resource } from '../dialect.ts';
import { kubernetes } from '../kubernetes/index.ts';
import { parseText } from '../text.ts';
import { gatewayApi } from './index.ts';

const seeds = goldenDocuments(import.meta.dirname);
const strange = fc.constantFrom<unknown>(...strangeValues, '[');

function run(values: readonly unknown[]): void {
  const text = values.map((value) => JSON.stringify(value)).join('\n---\n');
  const resources: Resource[] = parseText('x.yaml', text).documents.flatMap((document) =>
    [gatewayApi, kubernetes].filter((dialect) => dialect.recognises(document)).flatMap((dialect) => dialect.read(document)),
  );
  const input = { resources, options: { bind: '::', labels: null } };
  const { fragment } = gatewayApi.translate(input);
  kubernetes.translate(input);
  assertWhole(gatewayApi.finish?.(fragment, input).snapshot ?? fragment);
}

test('no value in any place makes the dialect throw or leave a dangling index', () => {
  const change = fc.tuple(fc.nat(), fc.nat(), strange);
  fc.assert(
    fc.property(fc.nat(seeds.length - 1), fc.array(change, { minLength: 1, maxLength: 4 }), (seed, changes) => {
      const values = [...seeds[seed]];
      for (const [document, place, by] of changes) {
        const at = document % values.length;
        const candidates = paths(values[at]);
        values[at] = replaced(values[at], candidates[place % candidates.length], by);
      }
      run(values);
    }),
    { numRuns: 400 },
  );
});

test('the unchanged seeds pass through the same check', () => {
  for (const seed of seeds) run(seed);
});
