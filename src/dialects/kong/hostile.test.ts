import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChainTable } from '../../decide/chain.ts';
import { compileTables } from '../../proxy/route/compile.ts';
import { parseText } from '../text.ts';
import { load } from './fixture.ts';

const folder = join(import.meta.dirname, 'testdata');
const seeds: readonly unknown[] = readdirSync(folder)
  .filter((name) => name.endsWith('.in.yaml'))
  .flatMap((name) => parseText(name, readFileSync(join(folder, name), 'utf8')).documents.map((document) => document.value));

/** Values that stand where others are expected. */
const strange = fc.constantFrom<unknown>(
  null,
  '',
  'x',
  '*',
  '*.',
  'a.*',
  '/',
  '~[',
  '{vault://env/none}',
  -1,
  0,
  1.5,
  1e9,
  true,
  [],
  [null],
  {},
  { name: 7 },
  { id: 'x' },
  [{}],
  ['tcp'],
  ['tls_passthrough'],
  'https',
  '\u0000',
  '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----',
  'a'.repeat(5000),
);

/** Paths of every value below `value`. */
function paths(value: unknown, base: readonly (string | number)[] = []): readonly (readonly (string | number)[])[] {
  if (typeof value !== 'object' || value === null) return [base];
  const inner = Object.entries(value).flatMap(([key, one]) => paths(one, [...base, Array.isArray(value) ? Number(key) : key]));
  return [base, ...inner];
}

function replaced(value: unknown, path: readonly (string | number)[], by: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return by;
  if (Array.isArray(value)) return value.map((one: unknown, index) => (index === step ? replaced(one, rest, by) : one));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]: [string, unknown]) => [key, key === step ? replaced(one, rest, by) : one]),
  );
}

function run(value: unknown): void {
  const { fragment } = load(JSON.stringify(value));
  compileTables(fragment);
  const clusters = new Set(fragment.clusters.map(({ name }) => name));
  const secrets = new Set((fragment.secrets ?? []).map(({ name }) => name));
  const names = fragment.listeners.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length);
  for (const { chains = [], virtualHosts } of fragment.listeners) {
    assert.equal(new Set(chains.map(({ name }) => name)).size, chains.length, 'chains have names of their own');
    assert.ok(new ChainTable(chains, false));
    for (const { tls, forward } of chains) {
      assert.ok(tls === null || (tls.certificates.length > 0 && tls.certificates.every((name) => secrets.has(name))));
      for (const { cluster } of forward?.destinations ?? []) assert.ok(cluster !== null && clusters.has(cluster));
    }
    for (const { route } of virtualHosts.flatMap(({ matches }) => matches)) assert.ok(route < fragment.routes.length);
  }
  for (const { tls } of fragment.clusters)
    for (const name of [tls?.ca, tls?.certificate]) assert.ok(name === undefined || name === null || secrets.has(name));
  for (const { action } of fragment.routes)
    if (action.kind === 'forward') for (const { cluster } of action.destinations) assert.ok(cluster !== null && clusters.has(cluster));
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
