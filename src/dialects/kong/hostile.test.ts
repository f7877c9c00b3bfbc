import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assertWhole, goldenDocuments, paths, replaced, strangeValues } from '../../../tests/support/mutations.ts';
import { ChainTable } from '../../decide/chain.ts';
import { load } from './fixture.ts';

const seeds = goldenDocuments(import.meta.dirname).flat();
const strange = fc.constantFrom<unknown>(
  ...strangeValues,
  'a.*',
  '~[',
  '{vault://env/none}',
  { id: 'x' },
  [{}],
  ['tcp'],
  ['tls_passthrough'],
  'https',
  '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----',
);

function run(value: unknown): void {
  const { fragment } = load(JSON.stringify(value));
  assertWhole(fragment);
  for (const { chains = [] } of fragment.listeners) {
    assert.ok(new ChainTable(chains, false));
    for (const { forward } of chains) for (const { cluster } of forward?.destinations ?? []) assert.ok(cluster !== null);
  }
  for (const { action } of fragment.routes)
    if (action.kind === 'forward') for (const { cluster } of action.destinations) assert.ok(cluster !== null);
}

test('no value in any place makes the dialect throw or leave a dangling name', () => {
  const change = fc.tuple(fc.nat(), strange);
  fc.assert(
    fc.property(fc.nat(seeds.length - 1), fc.array(change, { minLength: 1, maxLength: 4 }), (seed, changes) => {
      let value = seeds[seed];
      for (const [place, by] of changes) {
        const candidates = paths(value).filter((path) => path.length > 1);
        if (candidates.length > 0) value = replaced(value, candidates[place % candidates.length], by);
      }
      run(value);
    }),
    { numRuns: 600 },
  );
});

test('the unchanged seeds pass through the same check', () => {
  for (const seed of seeds) run(seed);
});
