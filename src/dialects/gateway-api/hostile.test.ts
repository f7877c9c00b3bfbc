import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileTables } from '../../proxy/route/compile.ts';
import type { Resource } from '../dialect.ts';
import { kubernetes } from '../kubernetes/index.ts';
import { parseText } from '../text.ts';
import { gatewayApi } from './index.ts';

const folder = join(import.meta.dirname, 'testdata');
const seeds: readonly unknown[][] = readdirSync(folder)
  .filter((name) => name.endsWith('.in.yaml'))
  .map((name) => parseText(name, readFileSync(join(folder, name), 'utf8')).documents.map((document) => document.value));

/** Values that stand where others are expected. */
const strange = fc.constantFrom<unknown>(
  null,
  '',
  'x',
  '*',
  '*.',
  '/',
  '[',
  -1,
  0,
  1.5,
  1e9,
  true,
  [],
  [null],
  {},
  { name: 7 },
  '\u0000',
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

function run(values: readonly unknown[]): void {
  const text = values.map((value) => JSON.stringify(value)).join('\n---\n');
  const resources: Resource[] = parseText('x.yaml', text).documents.flatMap((document) =>
    [gatewayApi, kubernetes].filter((dialect) => dialect.recognises(document)).flatMap((dialect) => dialect.read(document)),
  );
  const input = { resources, options: { bind: '::', labels: null } };
  const { fragment } = gatewayApi.translate(input);
  kubernetes.translate(input);
  const snapshot = gatewayApi.finish?.(fragment, input).snapshot ?? fragment;
  compileTables(snapshot);
  for (const host of snapshot.listeners.flatMap((listener) => listener.virtualHosts))
    for (const entry of host.matches) assert.ok(entry.route < snapshot.routes.length);
  const secrets = new Set((snapshot.secrets ?? []).map(({ name }) => name));
  for (const { chains = [], virtualHosts } of snapshot.listeners) {
    assert.equal(new Set(chains.map(({ name }) => name)).size, chains.length, 'chains have names of their own');
    for (const { tls, forward, virtualHosts: reached = [] } of chains) {
      assert.ok(tls === null || tls.certificates.length > 0);
      for (const name of [...(tls?.certificates ?? []), ...(tls === null || tls.ca === null ? [] : [tls.ca])]) assert.ok(secrets.has(name));
      for (const { cluster } of forward?.destinations ?? [])
        assert.ok(cluster === null || snapshot.clusters.some((one) => one.name === cluster));
      for (const name of reached) assert.ok(virtualHosts.some((host) => host.name === name));
    }
  }
  for (const { tls } of snapshot.clusters)
    for (const name of [tls?.ca, tls?.certificate]) assert.ok(name === undefined || name === null || secrets.has(name));
  for (const { action } of snapshot.routes)
    if (action.kind === 'forward')
      for (const { cluster, invalidStatus } of action.destinations)
        assert.ok(cluster === null ? (invalidStatus ?? 0) >= 500 : snapshot.clusters.some((one) => one.name === cluster));
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
