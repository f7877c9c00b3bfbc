/** Sound documents with strange values in them, and what must hold of whatever a dialect makes of those. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseText } from '../../src/dialects/text.ts';
import type { Fragment } from '../../src/model/snapshot.ts';
import { compileTables } from '../../src/proxy/route/compile.ts';

/** The documents of each golden input below a dialect's folder. */
export function goldenDocuments(dialect: string): readonly (readonly unknown[])[] {
  const folder = join(dialect, 'testdata');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.in.yaml'))
    .map((name) => parseText(name, readFileSync(join(folder, name), 'utf8')).documents.map((document) => document.value));
}

/** Values that stand where others are expected, whatever the dialect. */
export const strangeValues: readonly unknown[] = [
  null,
  '',
  'x',
  '*',
  '*.',
  '/',
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
];

type Path = readonly (string | number)[];

/** Paths of every value below `value`. */
export function paths(value: unknown, base: Path = []): readonly Path[] {
  if (typeof value !== 'object' || value === null) return [base];
  const inner = Object.entries(value).flatMap(([key, one]) => paths(one, [...base, Array.isArray(value) ? Number(key) : key]));
  return [base, ...inner];
}

export function replaced(value: unknown, path: Path, by: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined) return by;
  if (Array.isArray(value)) return value.map((one: unknown, index) => (index === step ? replaced(one, rest, by) : one));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]: [string, unknown]) => [key, key === step ? replaced(one, rest, by) : one]),
  );
}

/** Every index and every name leads somewhere, and tables can be written. */
export function assertWhole(fragment: Fragment): void {
  compileTables(fragment);
  const clusters = new Set(fragment.clusters.map(({ name }) => name));
  const secrets = new Set((fragment.secrets ?? []).map(({ name }) => name));
  const names = fragment.listeners.map(({ name }) => name);
  assert.equal(new Set(names).size, names.length, 'listeners have names of their own');
  for (const { chains = [], virtualHosts } of fragment.listeners) {
    assert.equal(new Set(chains.map(({ name }) => name)).size, chains.length, 'chains have names of their own');
    const hosts = new Set(virtualHosts.map(({ name }) => name));
    for (const { tls, forward, virtualHosts: reached = [] } of chains) {
      assert.ok(tls === null || tls.certificates.length > 0, 'TLS has a certificate');
      for (const name of [...(tls?.certificates ?? []), ...(tls === null || tls.ca === null ? [] : [tls.ca])])
        assert.ok(secrets.has(name), name);
      for (const { cluster } of forward?.destinations ?? []) assert.ok(cluster === null || clusters.has(cluster), String(cluster));
      for (const name of reached) assert.ok(hosts.has(name), name);
    }
    for (const { route } of virtualHosts.flatMap(({ matches }) => matches)) assert.ok(route < fragment.routes.length);
  }
  for (const { tls } of fragment.clusters)
    for (const name of [tls?.ca, tls?.certificate]) assert.ok(name === undefined || name === null || secrets.has(name), String(name));
  for (const { action } of fragment.routes)
    if (action.kind === 'forward')
      for (const { cluster, invalidStatus = 0 } of action.destinations)
        assert.ok(cluster === null ? invalidStatus >= 500 : clusters.has(cluster), String(cluster));
}
