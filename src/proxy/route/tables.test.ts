import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RequestView } from '../../decide/request.ts';
import type { RouteMatch } from '../../model/match.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { compileTables } from './compile.ts';
import { fixtureHeaders, fixtureOrigin, fixtureSnapshot, fixtureView } from '../../decide/fixture.ts';
import { RouteTables } from './tables.ts';

function open(snapshot: Snapshot): RouteTables<number> {
  let made = 0;
  return new RouteTables(compileTables(snapshot), 7, () => ++made);
}

function routeOf(snapshot: Snapshot, view: RequestView): string | null {
  return open(snapshot).listener(':80')?.lookup(view)?.route.name ?? null;
}

const prefix = (value: string, ignoreCase = false): RouteMatch => ({
  path: { kind: 'prefix', value, ...(ignoreCase ? { ignoreCase } : {}) },
});
const exact = (value: string): RouteMatch => ({ path: { kind: 'exact', value } });
const elements = (value: string): RouteMatch => ({ path: { kind: 'path-prefix', value } });
const regex = (value: string, anchor: 'full' | 'start' = 'full'): RouteMatch => ({ path: { kind: 'regex', value, anchor } });

const pathCases: readonly {
  readonly name: string;
  readonly matches: readonly RouteMatch[];
  readonly path: string;
  readonly wins: number | null;
}[] = [
  { name: 'the first of two equal entries', matches: [exact('/a'), exact('/a')], path: '/a', wins: 0 },
  { name: 'a wide prefix that ranks first hides a longer one', matches: [prefix('/'), prefix('/a/b')], path: '/a/b', wins: 0 },
  { name: 'a longer prefix that ranks first', matches: [prefix('/a/b'), prefix('/')], path: '/a/bc', wins: 0 },
  { name: 'a regex before an exact match', matches: [regex('/a/[0-9]+'), exact('/a/1')], path: '/a/1', wins: 0 },
  { name: 'an exact match after a regex that does not fit', matches: [regex('/a/[0-9]+'), exact('/a/x')], path: '/a/x', wins: 1 },
  { name: 'an exact match is no prefix', matches: [exact('/a')], path: '/ab', wins: null },
  { name: 'a label that ends within the path', matches: [exact('/abcdef'), prefix('/abc')], path: '/abcd', wins: 1 },
  { name: 'whole path elements only', matches: [elements('/abc')], path: '/abcd', wins: null },
  { name: 'a trailing slash of a path prefix is ignored', matches: [elements('/abc/')], path: '/abc', wins: 0 },
  { name: 'path prefix / takes everything', matches: [elements('/')], path: '/x', wins: 0 },
  { name: 'no condition at all', matches: [{}], path: '*', wins: 0 },
  { name: 'case is folded where asked', matches: [prefix('/API', true)], path: '/api/x', wins: 0 },
  {
    name: 'a folded entry keeps its rank among the others',
    matches: [exact('/api/y'), prefix('/API', true), prefix('/api')],
    path: '/api/x',
    wins: 1,
  },
  { name: 'case counts where not asked', matches: [prefix('/API')], path: '/api', wins: null },
  { name: 'a regex anchored at the start', matches: [regex('/v[0-9]+', 'start')], path: '/v12/x', wins: 0 },
  { name: 'a regex without a literal prefix', matches: [regex('.*/end')], path: '/long/way/end', wins: 0 },
  { name: 'alternatives share no prefix', matches: [regex('/a|/b')], path: '/b', wins: 0 },
  { name: 'a prefix that is empty', matches: [exact('/q'), prefix('')], path: '/other', wins: 1 },
];

for (const row of pathCases) {
  test(`path: ${row.name}`, () => {
    const snapshot = fixtureSnapshot([{ domains: ['*'], matches: row.matches }]);
    assert.equal(routeOf(snapshot, fixtureView(row.path)), row.wins === null ? null : `route-${row.wins}`);
  });
}

const hosts = ['a.example.com', '*.example.com', '*.b.example.com', 'example.*', '*'];
const hostCases: readonly { readonly name: string; readonly host: string; readonly wins: number }[] = [
  { name: 'exact before any wildcard', host: 'a.example.com', wins: 0 },
  { name: 'one label in front', host: 'x.example.com', wins: 1 },
  { name: 'several labels in front', host: 'x.y.example.com', wins: 1 },
  { name: 'the longest suffix', host: 'x.b.example.com', wins: 2 },
  { name: 'the suffix itself is not below it', host: 'b.example.com', wins: 1 },
  { name: 'the bare domain falls to the prefix wildcard', host: 'example.com', wins: 3 },
  { name: 'a prefix wildcard', host: 'example.org', wins: 3 },
  { name: 'an empty label in front is no label', host: '.example.com', wins: 4 },
  { name: 'any other host', host: 'other.test', wins: 4 },
  { name: 'no host at all', host: '', wins: 4 },
];
for (const row of hostCases) {
  test(`virtual host: ${row.name}`, () => {
    const snapshot = fixtureSnapshot(hosts.map((domain) => ({ domains: [domain], matches: [{}] })));
    assert.equal(routeOf(snapshot, fixtureView('/', { host: row.host })), `route-${row.wins}`);
  });
}

test('virtual host: no fall back to a wider one', () => {
  const snapshot = fixtureSnapshot([
    { domains: ['a.example.com'], matches: [exact('/only')] },
    { domains: ['*'], matches: [prefix('/')] },
  ]);
  assert.equal(routeOf(snapshot, fixtureView('/else')), null);
});

test('hosts within a virtual host: rank decides over every bucket that fits', () => {
  const matches: RouteMatch[] = [
    { hosts: [{ pattern: 'b.example.com' }, { pattern: '*.example.com' }], path: { kind: 'prefix', value: '/x' } },
    { hosts: [{ pattern: 'a.example.com', port: 8000 }] },
    { hosts: [{ pattern: 'a.*' }], methods: [{ kind: 'exact', value: 'POST' }] },
    { hosts: [{ pattern: 'a.example.com' }] },
    {},
  ];
  const snapshot = fixtureSnapshot([{ domains: ['*'], matches }]);
  assert.equal(routeOf(snapshot, fixtureView('/x1')), 'route-0');
  assert.equal(routeOf(snapshot, fixtureView('/y', { authorityPort: 8000 })), 'route-1');
  assert.equal(routeOf(snapshot, fixtureView('/y', { method: 'POST' })), 'route-2');
  assert.equal(routeOf(snapshot, fixtureView('/y')), 'route-3');
  assert.equal(routeOf(snapshot, fixtureView('/y', { host: 'c.test' })), 'route-4');
});

test('other conditions: the next best entry that holds', () => {
  const matches: RouteMatch[] = [
    { ...prefix('/'), headers: [{ name: 'x-user', values: [{ kind: 'exact', value: 'alice' }] }] },
    { ...prefix('/'), query: [{ name: 'v', value: { kind: 'exact', value: '2' } }] },
    prefix('/'),
  ];
  const snapshot = fixtureSnapshot([{ domains: ['*'], matches }]);
  assert.equal(routeOf(snapshot, fixtureView('/', { headers: fixtureHeaders([['X-User', 'alice']]) })), 'route-0');
  assert.equal(routeOf(snapshot, fixtureView('/', { query: 'a=1&v=2' })), 'route-1');
  assert.equal(routeOf(snapshot, fixtureView('/', { headers: fixtureHeaders([['X-User', 'bob']]) })), 'route-2');
});

test('payload: made once for a route of a virtual host, hits are the same object', () => {
  const snapshot = fixtureSnapshot([{ domains: ['*'], matches: [prefix('/')] }]);
  const table = open(snapshot).listener(':80');
  const first = table?.lookup(fixtureView('/1'));
  assert.equal(first?.payload, 1);
  assert.equal(table?.lookup(fixtureView('/2')), first);
});

test('consumers, keys and clusters are found by name and nothing else', () => {
  const consumer = {
    id: 'id-1',
    username: 'alice',
    customId: null,
    groups: [],
    keys: [{ id: 'key-1', sha256: 'abc' }],
    origin: fixtureOrigin,
  };
  const cluster = {
    name: 'svc|80',
    discovery: 'static',
    endpoints: [],
    balancer: { policy: 'random' },
    connectTimeoutMs: 1,
    service: 'svc',
    serviceNamespace: null,
    transport: 'plaintext',
    declared: true,
    origin: fixtureOrigin,
    pending: [],
  } as const;
  const tables = open({ ...fixtureSnapshot([]), consumers: [consumer], clusters: [cluster] });
  assert.deepEqual(tables.findKey('abc'), { consumer, credential: 'key-1' });
  assert.equal(tables.findKey('abd'), null);
  assert.deepEqual(tables.findConsumer('alice'), consumer);
  assert.deepEqual(tables.findConsumer('id-1'), consumer);
  assert.equal(tables.findConsumer('bob'), null);
  assert.deepEqual(tables.cluster('svc|80'), cluster);
  assert.equal(tables.cluster('svc|81'), null);
  assert.deepEqual(tables.clusterNames(), ['svc|80']);
  assert.deepEqual(tables.listenerNames(), [':80']);
  assert.equal(tables.listener(':81'), null);
});

test('an empty snapshot has no listeners', () => {
  assert.deepEqual(open({ listeners: [], routes: [], clusters: [], consumers: [], status: [] }).listenerNames(), []);
});
