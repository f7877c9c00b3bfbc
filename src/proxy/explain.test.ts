import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixtureHost, fixtureListener, fixtureOrigin, fixtureRoute, fixtureSnapshot, fixtureView } from '../decide/fixture.ts';
import { OfflineLimitStore } from '../decide/limit.ts';
import type { Cluster } from '../model/cluster.ts';
import type { ClientTls } from '../model/tls.ts';
import type { FilterConfig } from '../model/filter.ts';
import type { RouteMatch } from '../model/match.ts';
import type { ForwardAction, Route, RouteAction, WeightedDestination } from '../model/route.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { listCandidates, maxCandidates } from './explain/candidates.ts';
import { Explainer, explainerOf, type ExplainRequest, type ExplainResult } from './explain.ts';
import { materialise } from './materialise.ts';
import { compileTables } from './route/compile.ts';
import { RouteTables } from './route/tables.ts';
import type { RouteRuntime } from './runtime.ts';
import { ClusterSet } from './upstream/cluster-state.ts';

const any: RouteMatch = { path: { kind: 'prefix', value: '/' } };

function cluster(name: string, overrides: Partial<Cluster> = {}): Cluster {
  return {
    name,
    discovery: 'static',
    endpoints: [{ address: '127.0.0.1', port: 9001, weight: 1, labels: {}, locality: '' }],
    balancer: { policy: 'round-robin' },
    connectTimeoutMs: 1_000,
    service: `${name}.service`,
    serviceNamespace: null,
    transport: 'plaintext',
    declared: true,
    origin: fixtureOrigin,
    pending: [],
    ...overrides,
  };
}

function secured(tls: Partial<ClientTls>): Partial<Cluster> {
  return { transport: 'tls', tls: { sni: null, verify: true, ca: null, subjectAltNames: [], certificate: null, ...tls } };
}

function to(name: string | null, overrides: Partial<WeightedDestination> = {}): WeightedDestination {
  return { cluster: name, weight: 1, host: name ?? 'nowhere', port: 80, subset: null, filters: [], ...overrides };
}

function forward(destinations: readonly WeightedDestination[], overrides: Partial<ForwardAction> = {}): ForwardAction {
  return { kind: 'forward', destinations, allZeroStatus: 500, ...overrides };
}

function headers(config: unknown): FilterConfig {
  return { name: 'header-modifier', config, origin: fixtureOrigin, stateKey: 'test' };
}

/** One listener `:80`, one virtual host `*`, one route named `route`. */
function snapshotOf(
  action: RouteAction,
  overrides: Partial<Route> = {},
  clusters: readonly Cluster[] = [cluster('a'), cluster('b')],
  match: RouteMatch = any,
): Snapshot {
  const route = { ...fixtureRoute('route', action), ...overrides };
  return {
    ...fixtureSnapshot([]),
    listeners: [fixtureListener(':80', [fixtureHost('all', ['*'], [[0, match]])])],
    routes: [route],
    clusters,
  };
}

function explain(snapshot: Snapshot, request: Partial<ExplainRequest> = {}): Promise<ExplainResult> {
  return explainerOf(snapshot).explain({ method: 'GET', url: 'http://a.test/a/b?q=1', headers: [], ...request });
}

interface Row {
  readonly name: string;
  readonly snapshot: Snapshot;
  readonly request?: Partial<ExplainRequest>;
  readonly outcome: ExplainResult['outcome'];
  readonly status: number | null;
  readonly flags?: readonly string[];
  readonly path?: string;
  readonly authority?: string;
  readonly location?: string;
}

const rows: readonly Row[] = [
  { name: 'forwards', snapshot: snapshotOf(forward([to('a')])), outcome: 'forward', status: null, path: '/a/b?q=1', authority: 'a.test' },
  {
    name: 'the path is brought to its canonical form',
    snapshot: snapshotOf(forward([to('a')])),
    request: { url: 'http://A.test/x/../%61//b' },
    outcome: 'forward',
    status: null,
    path: '/a/b',
    authority: 'A.test',
  },
  {
    name: 'Host replaces the authority of the URL',
    snapshot: snapshotOf(forward([to('a')])),
    request: { headers: [['Host', 'b.test']] },
    outcome: 'forward',
    status: null,
    authority: 'b.test',
  },
  {
    name: 'the path is rewritten and keeps its query',
    snapshot: snapshotOf(forward([to('a')], { pathRewrite: { kind: 'full', path: '/n' } })),
    outcome: 'forward',
    status: null,
    path: '/n?q=1',
  },
  {
    name: 'the host is rewritten',
    snapshot: snapshotOf(forward([to('a')], { hostRewrite: { kind: 'literal', value: 'n.test' } })),
    outcome: 'forward',
    status: null,
    authority: 'n.test',
  },
  {
    name: 'the host is the endpoint',
    snapshot: snapshotOf(forward([to('a')], { hostRewrite: { kind: 'endpoint' } })),
    outcome: 'forward',
    status: null,
    authority: '127.0.0.1:9001',
  },
  {
    name: 'redirects',
    snapshot: snapshotOf({ kind: 'redirect', status: 301, scheme: 'https' }),
    outcome: 'redirect',
    status: 301,
    location: 'https://a.test/a/b?q=1',
  },
  {
    name: 'answers',
    snapshot: snapshotOf({ kind: 'direct-response', status: 418, body: 'tea', headers: [] }),
    outcome: 'direct-response',
    status: 418,
  },
  {
    name: 'a blocked route',
    snapshot: snapshotOf({ kind: 'blocked', status: 503, reason: 'broken policy' }),
    outcome: 'error',
    status: 503,
    flags: ['UAEX'],
  },
  {
    name: 'a filter that does not run closes its route',
    snapshot: snapshotOf(forward([to('a')]), { filters: [{ ...headers({}), name: 'no-such-filter' }] }),
    outcome: 'denied',
    status: 503,
    flags: ['UAEX'],
  },
  {
    name: 'https is asked for with 426',
    snapshot: snapshotOf(forward([to('a')]), { httpsRedirect: 426 }),
    outcome: 'direct-response',
    status: 426,
  },
  {
    name: 'https is redirected to',
    snapshot: snapshotOf(forward([to('a')]), { httpsRedirect: 301 }),
    outcome: 'redirect',
    status: 301,
    location: 'https://a.test/a/b?q=1',
  },
  {
    name: 'no route',
    snapshot: snapshotOf(forward([to('a')]), {}, [], { path: { kind: 'exact', value: '/x' } }),
    outcome: 'not-found',
    status: 404,
    flags: ['NR'],
  },
  {
    name: 'an invalid backend',
    snapshot: snapshotOf(forward([to(null, { invalidStatus: 500, invalidReason: 'no such service' })])),
    outcome: 'error',
    status: 500,
    flags: ['NC'],
  },
  { name: 'one valid backend of two', snapshot: snapshotOf(forward([to(null), to('a')])), outcome: 'forward', status: null },
  { name: 'every weight is 0', snapshot: snapshotOf(forward([to('a', { weight: 0 })])), outcome: 'error', status: 500, flags: ['NC'] },
  {
    name: 'no endpoint',
    snapshot: snapshotOf(forward([to('a')]), {}, [cluster('a', { endpoints: [] })]),
    outcome: 'error',
    status: 503,
    flags: ['UH'],
  },
  {
    name: 'a cluster that fails closed',
    snapshot: snapshotOf(forward([to('a')]), {}, [cluster('a', { blocked: 'TLS does not run yet' })]),
    outcome: 'error',
    status: 503,
    flags: ['UAEX'],
  },
  {
    name: 'a cluster whose secret is missing',
    snapshot: snapshotOf(forward([to('a')]), {}, [cluster('a', secured({ ca: 'nobody' }))]),
    outcome: 'error',
    status: 503,
    flags: ['UF'],
  },
  {
    name: 'a cluster with TLS',
    snapshot: snapshotOf(forward([to('a')]), {}, [cluster('a', secured({}))]),
    outcome: 'forward',
    status: null,
  },
  {
    name: 'a host that is not in the configuration is left to DNS',
    snapshot: snapshotOf(forward([to('a')]), {}, [cluster('a', { declared: false, discovery: 'dns' })]),
    outcome: 'forward',
    status: null,
  },
  {
    name: 'nothing listens',
    snapshot: snapshotOf(forward([to('a')])),
    request: { url: 'http://a.test:81/' },
    outcome: 'error',
    status: null,
  },
  {
    name: 'another listener address',
    snapshot: snapshotOf(forward([to('a')])),
    request: { url: 'http://a.test:81/', address: '127.0.0.1:80' },
    outcome: 'forward',
    status: null,
    authority: 'a.test:81',
  },
  {
    name: 'no mesh',
    snapshot: snapshotOf(forward([to('a')])),
    request: { caller: { principal: 'spiffe://x/ns/a/sa/b', namespace: 'a', labels: {} } },
    outcome: 'error',
    status: null,
  },
  {
    name: 'a malformed request',
    snapshot: snapshotOf(forward([to('a')])),
    request: { headers: [['bad name', 'x']] },
    outcome: 'error',
    status: 400,
    flags: ['DPE'],
  },
  {
    name: 'a line break is no header',
    snapshot: snapshotOf(forward([to('a')])),
    request: { headers: [['x', 'a\r\ny: b']] },
    outcome: 'error',
    status: null,
  },
  { name: 'no URL', snapshot: snapshotOf(forward([to('a')])), request: { url: 'shop' }, outcome: 'error', status: null },
];

for (const row of rows) {
  test(`explain: ${row.name}`, async () => {
    const result = await explain(row.snapshot, row.request);
    assert.equal(result.outcome, row.outcome, result.reason);
    assert.equal(result.status, row.status);
    assert.deepEqual(result.flags, row.flags ?? []);
    if (row.path !== undefined) assert.equal(result.request.path, row.path);
    if (row.authority !== undefined) assert.equal(result.request.authority, row.authority);
    assert.equal(result.response.location, row.location ?? null);
    assert.notEqual(result.reason, '');
  });
}

test('headers: what filters change stands in the request and in the response', async () => {
  const filters = [
    headers({
      request: { set: [{ name: 'X-A', value: '1' }], add: [{ name: 'x-b', value: '2' }], remove: ['x-c', 'x-d'] },
      response: { set: [{ name: 'x-r', value: '3' }], remove: ['server'] },
    }),
  ];
  const result = await explain(snapshotOf(forward([to('a')]), { filters }), { headers: [['X-C', 'gone']] });
  assert.deepEqual(result.request.headers, { set: { 'X-A': '1' }, add: { 'x-b': '2' }, remove: ['x-c'] });
  assert.deepEqual(result.response.headers, { set: { 'x-r': '3' }, add: {}, remove: ['server'] });
  assert.deepEqual(
    result.filters.map(({ name, verdict }) => [name, verdict]),
    [['header-modifier', 'continue']],
  );
});

test('headers: those of one destination do not reach another', async () => {
  const own = (value: string): readonly FilterConfig[] => [headers({ request: { set: [{ name: 'x-v', value }] } })];
  const result = await explain(
    snapshotOf(
      forward([to('a', { weight: 3, filters: own('a') }), to('b', { filters: own('b'), pathRewrite: { kind: 'full', path: '/b' } })]),
    ),
  );
  assert.deepEqual(result.request.headers.set, {});
  assert.deepEqual(
    result.destinations.map((one) => [one.host, one.weight, one.headers?.set, one.path]),
    [
      ['a', 3, { 'x-v': 'a' }, undefined],
      ['b', 1, { 'x-v': 'b' }, '/b?q=1'],
    ],
  );
  assert.match(result.reason, /a:80 \(75 %\), b:80 \(25 %\)/);
});

test('headers: those of the only destination are the request’s', async () => {
  const filters = [headers({ request: { set: [{ name: 'x-v', value: 'a' }] } })];
  const result = await explain(snapshotOf(forward([to('a', { filters })])));
  assert.deepEqual(result.request.headers.set, { 'x-v': 'a' });
});

test('headers: what a destination sets or removes undoes what its route did', async () => {
  const filters = [
    headers({
      request: {
        add: [
          { name: 'x-a', value: 'r' },
          { name: 'x-b', value: 'r' },
        ],
        set: [{ name: 'x-c', value: 'r' }],
      },
    }),
  ];
  const own = [headers({ request: { set: [{ name: 'X-A', value: 'd' }], add: [{ name: 'x-b', value: 'd' }], remove: ['x-c'] } })];
  const result = await explain(snapshotOf(forward([to('a', { filters: own })]), { filters }));
  assert.deepEqual(result.request.headers, { set: { 'X-A': 'd' }, add: { 'x-b': ['r', 'd'] }, remove: ['x-c'] });
});

test('headers: a failure of our own is not changed by filters of the response', async () => {
  const filters = [headers({ response: { set: [{ name: 'x-r', value: '1' }] } })];
  const result = await explain(snapshotOf(forward([to('a')]), { filters }, [cluster('a', { endpoints: [] })]));
  assert.deepEqual([result.status, result.response.headers.set['x-r']], [503, undefined]);
});

test('candidates: each one says why it lost', async () => {
  const matches: RouteMatch[] = [
    { path: { kind: 'prefix', value: '/other' } },
    { ...any, methods: [{ kind: 'exact', value: 'POST' }] },
    any,
    any,
  ];
  const snapshot = fixtureSnapshot([
    { domains: ['*'], matches },
    { domains: ['b.test'], matches: [any] },
  ]);
  const result = await explain(snapshot);
  assert.deepEqual(
    result.candidates.map(({ route, matched, because }) => [route, matched, because]),
    [
      ['route-0', false, "path: '/other' is not a prefix of '/a/b'"],
      ['route-1', false, 'method: GET is not POST'],
      ['route-2', true, 'position 2'],
      ['route-3', false, "matches too, but 'route-2' stands before it: position 3"],
      [null, false, "host: 'a.test' is not for b.test; 'host-0' has it more precisely"],
    ],
  );
  assert.equal(result.route?.name, 'route-2');
  assert.equal(result.virtualHost, 'host-0');
});

test('candidates: the list is bounded and the winner is on it', async () => {
  const matches: RouteMatch[] = [
    ...Array.from({ length: maxCandidates + 50 }, (_, i): RouteMatch => ({ path: { kind: 'exact', value: `/${i}` } })),
    any,
  ];
  const result = await explain(fixtureSnapshot([{ domains: ['*'], matches }]));
  assert.equal(result.candidates.length, maxCandidates + 1);
  assert.equal(result.candidatesOmitted, 50);
  assert.equal(result.candidates.at(-1)?.matched, true);
});

test('says how a destination is reached over TLS, and what stands in the way', async () => {
  const tlsOf = async (tls: Partial<ClientTls>, url: string) => {
    const result = await explain(snapshotOf(forward([to('a')]), {}, [cluster('a', secured(tls))]), { url });
    return [result.destinations[0].tls, result.destinations[0].reason];
  };
  const none = { verified: true, clientCertificate: false };
  assert.deepEqual(await tlsOf({}, 'http://A.test/'), [{ ...none, serverName: 'a.test', names: ['a.test'] }, undefined]);
  assert.deepEqual(await tlsOf({}, 'http://10.0.0.1/'), [{ ...none, serverName: null, names: ['10.0.0.1'] }, undefined]);
  assert.deepEqual(await tlsOf({ sni: 's.test', subjectAltNames: ['spiffe://x'], verify: false }, 'http://a.test/'), [
    { serverName: 's.test', verified: false, names: ['spiffe://x'], clientCertificate: false },
    undefined,
  ]);
  assert.deepEqual(await tlsOf({ certificate: 'own' }, 'http://a.test/'), [
    { serverName: 'a.test', verified: true, names: ['a.test'], clientCertificate: true },
    'a: TLS towards it cannot be set up (no_secret:own)',
  ]);
});

test('candidates: a winner that traffic would not choose is a bug and not an answer', () => {
  const snapshot = fixtureSnapshot([{ domains: ['*'], matches: [any] }]);
  const chainContext = {
    limits: { group: () => assert.fail() },
    findKey: () => null,
    findConsumer: () => null,
    replyStyle: 'envoy' as const,
  };
  const tables: RouteTables<RouteRuntime> = new RouteTables<RouteRuntime>(compileTables(snapshot), 1, (context) =>
    materialise({ chainContext, clusters: new ClusterSet() }, tables, context),
  );
  const table = tables.listener(':80');
  assert.ok(table !== null);
  assert.throws(() => listCandidates(table, fixtureView('/a'), null), /explain found 'route-0' where traffic finds no route/);
});

test('pending fields of listener, route and cluster are told with their places', async () => {
  const pending = [{ field: 'retries', value: 1, restricts: false }];
  const result = await explain(
    snapshotOf(forward([to('a')]), { pending }, [cluster('a', { pending: [{ field: 'outlierDetection', value: {}, restricts: false }] })]),
  );
  assert.deepEqual(
    result.pending.map(({ field, origin }) => [field, origin.file]),
    [
      ['retries', 'test.yaml'],
      ['outlierDetection', 'test.yaml'],
    ],
  );
});

test('state: live endpoints take the place of the configured ones', async () => {
  const endpoints = [{ address: '127.0.0.1:7', healthy: false }];
  const explainer = new Explainer(compileTables(snapshotOf(forward([to('a')]))), 1, {
    limits: new OfflineLimitStore(),
    endpoints: () => endpoints,
  });
  const result = await explainer.explain({ method: 'GET', url: 'http://a.test/', headers: [] });
  assert.deepEqual(result.destinations[0]?.endpoints, endpoints);
});

test('state: a name that DNS does not know is answered 503', async () => {
  const snapshot = snapshotOf(forward([to('a')]), {}, [cluster('a', { declared: false, discovery: 'dns' })]);
  const explainer = new Explainer(compileTables(snapshot), 1, { limits: new OfflineLimitStore(), endpoints: () => [] });
  const result = await explainer.explain({ method: 'GET', url: 'http://a.test/', headers: [] });
  assert.deepEqual([result.outcome, result.status, result.flags], ['error', 503, ['NC']]);
});

test("to a gRPC request the proxy's own answers are in gRPC's words", async () => {
  const grpc: Partial<ExplainRequest> = { headers: [['content-type', 'application/grpc+proto']] };
  const none = await explain(snapshotOf(forward([to('a')]), {}, [cluster('a', { endpoints: [] })]), grpc);
  const told = { 'content-type': 'application/grpc', 'grpc-status': '14' };
  assert.deepEqual([none.outcome, none.status, none.flags, none.response.headers.set], ['error', 200, ['UH'], told]);
  const unknown = await explain(snapshotOf(forward([to('a')]), {}, [], { path: { kind: 'exact', value: '/other' } }), grpc);
  assert.deepEqual([unknown.outcome, unknown.status, unknown.response.headers.set['grpc-status']], ['not-found', 200, '12']);
  const sent = await explain(snapshotOf(forward([to('a')])), grpc);
  assert.deepEqual([sent.outcome, sent.status, sent.response.headers.set], ['forward', null, {}]);
});

test('a client of a Kong route is told 502 of an upstream that cannot be reached', async () => {
  const broken = cluster('a', secured({ certificate: 'missing' }));
  const statusOf = async (replyStyle: 'kong' | 'envoy'): Promise<number | null> =>
    (await explain(snapshotOf(forward([to('a')]), { replyStyle }, [broken]))).status;
  assert.deepEqual([await statusOf('kong'), await statusOf('envoy')], [502, 503]);
});

test('a destination shows what is spoken to it', async () => {
  const clusters = [
    cluster('a', { protocol: 'http2', proxyProtocol: 'v2' }),
    cluster('b', { ...secured({}), protocol: 'alpn' }),
    cluster('c'),
  ];
  const upgrade = [
    ['connection', 'upgrade'],
    ['upgrade', 'websocket'],
  ] as const;
  const result = await explain(snapshotOf(forward([to('a'), to('b'), to('c')]), {}, clusters), { headers: upgrade });
  assert.deepEqual(
    result.destinations.map(({ protocol, proxyProtocol }) => [protocol, proxyProtocol]),
    [
      ['http2', 'v2'],
      ['alpn', undefined],
      [undefined, undefined],
    ],
  );
  assert.deepEqual(result.conditions, ["'a' speaks HTTP/2: a WebSocket goes there if it allows extended CONNECT (RFC 8441), else 503 UPE"]);
});
