import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteMatch } from '../model/match.ts';
import type { Origin } from '../model/origin.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { edgeListener } from '../model/listener.ts';
import { shadowedRoutes } from './shadow.ts';

function snapshotOf(matches: readonly RouteMatch[], listeners = 1): Snapshot {
  const origin: Origin = { dialect: 'istio', kind: 'VirtualService', namespace: 'default', name: 'vs', file: 'a.yaml', line: 1, column: 1 };
  const routes = matches.map((_, i) => ({
    id: `r${i}`,
    name: `r${i}`,
    rule: i,
    origin: { ...origin, line: i + 1 },
    action: { kind: 'blocked', status: 503, reason: '' } as const,
    filters: [],
    pending: [],
  }));
  const host = {
    name: '*',
    domains: ['*'],
    origin,
    filters: [],
    matches: matches.map((match, route) => ({ route, index: 0, match, rankReason: '' })),
  };
  const listener = (port: number) => ({
    name: `:::${port}`,
    kind: 'gateway' as const,
    address: '::',
    port,
    protocol: 'http' as const,
    dialect: 'istio' as const,
    origin,
    ...edgeListener,
    virtualHosts: [host],
    filters: [],
    pending: [],
  });
  return { listeners: Array.from({ length: listeners }, (_, i) => listener(80 + i)), routes, clusters: [], consumers: [], status: [] };
}

const prefix = (value: string) => ({ kind: 'prefix', value }) as const;
const elements = (value: string) => ({ kind: 'path-prefix', value }) as const;
const exact = (value: string) => ({ kind: 'exact', value }) as const;
const regex = (value: string) => ({ kind: 'regex', value, anchor: 'full' }) as const;
const header = (value: string) => [{ name: 'x', values: [{ kind: 'exact', value } as const] }];
const hosts = (...patterns: readonly string[]) => patterns.map((pattern) => ({ pattern }));

const rows: readonly { readonly name: string; readonly first: RouteMatch; readonly second: RouteMatch; readonly shadowed: boolean }[] = [
  { name: 'everything first', first: {}, second: { path: exact('/a'), headers: header('1') }, shadowed: true },
  { name: 'prefix / first', first: { path: prefix('/') }, second: { path: regex('/a.*') }, shadowed: true },
  { name: 'prefix / before no path at all', first: { path: prefix('/') }, second: {}, shadowed: true },
  { name: 'wider prefix first', first: { path: prefix('/a') }, second: { path: prefix('/ab') }, shadowed: true },
  { name: 'narrower prefix first', first: { path: prefix('/ab') }, second: { path: prefix('/a') }, shadowed: false },
  { name: 'prefix before its exact path', first: { path: prefix('/a') }, second: { path: exact('/a') }, shadowed: true },
  { name: 'element prefix before a longer word', first: { path: elements('/a') }, second: { path: exact('/ab') }, shadowed: false },
  { name: 'element prefix before an element below', first: { path: elements('/a') }, second: { path: exact('/a/b') }, shadowed: true },
  {
    name: 'element prefix before the same string prefix',
    first: { path: elements('/a') },
    second: { path: prefix('/a') },
    shadowed: false,
  },
  {
    name: 'element prefix before a string prefix below it',
    first: { path: elements('/a') },
    second: { path: prefix('/a/') },
    shadowed: true,
  },
  {
    name: 'element prefix with a trailing slash is the same',
    first: { path: elements('/a/') },
    second: { path: elements('/a') },
    shadowed: true,
  },
  { name: 'the same exact path', first: { path: exact('/a') }, second: { path: exact('/a') }, shadowed: true },
  { name: 'the same regex', first: { path: regex('/a+') }, second: { path: regex('/a+') }, shadowed: true },
  { name: 'a regex that happens to cover', first: { path: regex('/.*') }, second: { path: exact('/a') }, shadowed: false },
  { name: 'another letter case', first: { path: prefix('/a') }, second: { path: { ...prefix('/a'), ignoreCase: true } }, shadowed: false },
  {
    name: 'a header more on the first',
    first: { path: prefix('/'), headers: header('1') },
    second: { path: prefix('/a') },
    shadowed: false,
  },
  {
    name: 'a header more on the second',
    first: { path: prefix('/a') },
    second: { path: prefix('/a'), headers: header('1') },
    shadowed: true,
  },
  {
    name: 'the same header, wider path',
    first: { path: prefix('/'), headers: header('1') },
    second: { path: prefix('/a'), headers: header('1') },
    shadowed: true,
  },
  { name: 'another header value', first: { headers: header('1') }, second: { headers: header('2') }, shadowed: false },
  {
    name: 'hosts on the second only',
    first: { path: prefix('/') },
    second: { path: prefix('/a'), hosts: hosts('a.test') },
    shadowed: true,
  },
  {
    name: 'hosts on the first only',
    first: { path: prefix('/'), hosts: hosts('a.test') },
    second: { path: prefix('/a') },
    shadowed: false,
  },
  {
    name: 'same hosts, header more on the second',
    first: { hosts: hosts('a.test') },
    second: { hosts: hosts('a.test'), headers: header('1') },
    shadowed: true,
  },
];

for (const { name, first, second, shadowed } of rows) {
  test(`shadow: ${name} → ${shadowed ? 'never reached' : 'reached'}`, () => {
    const found = shadowedRoutes(snapshotOf([first, second]));
    assert.equal(found.length, shadowed ? 1 : 0);
    if (!shadowed) return;
    assert.equal(found[0].code, 'WR0603');
    assert.equal(found[0].line, 2);
    assert.match(found[0].message, /route r1 can never be reached .* route r0 \(a\.yaml:1\)/);
  });
}

test('a resource on two listeners is told once', () => {
  assert.equal(shadowedRoutes(snapshotOf([{}, { path: exact('/a') }], 2)).length, 1);
});

test('ten thousand matches are compared in linear time', () => {
  const matches = Array.from({ length: 10_000 }, (_, i) => ({ path: prefix(`/route-${i}/`) }));
  assert.deepEqual(shadowedRoutes(snapshotOf(matches)), []);
});
