import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilterConfig } from '../../model/filter.ts';
import type { Route } from '../../model/route.ts';
import { type Compiled, compileSources, defaultOptions } from '../compile.ts';
import { covers, intersect } from './listeners.ts';
import { extensionFilters } from './policy.ts';
import { routeTests } from './route-test.ts';

const base = `
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: web}
spec:
  servers:
  - {name: shop, port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}
  - {name: other, port: {number: 80, name: http-2, protocol: HTTP}, hosts: ["*.example.org"]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec:
  hosts: [shop.example.com]
  gateways: [web, mesh]
  http:
  - name: checkout
    match: [{name: pay, uri: {prefix: /pay}}, {name: cart, uri: {prefix: /cart}}]
    route:
    - {destination: {host: a.example.net, port: {number: 80}}, weight: 50}
    - {destination: {host: b.example.net, port: {number: 80}}, weight: 50}
  - name: rest
    route: [{destination: {host: b.example.net, port: {number: 80}}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: blog}
spec:
  hosts: [blog.example.org]
  gateways: [web]
  http: [{route: [{destination: {host: b.example.net, port: {number: 80}}}]}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec: {hosts: [a.example.net], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 127.0.0.1}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: b}
spec: {hosts: [b.example.net], ports: [{number: 80, name: http, protocol: HTTP}], resolution: STATIC, endpoints: [{address: 127.0.0.1}]}
---
_format_version: "3.0"
services:
- name: billing
  url: http://127.0.0.1:9000
  routes: [{name: invoices, paths: [/invoices]}]
`;

const limit = 'filters: [{rateLimit: {limits: [{requests: 100, per: minute}]}}]';
const both = 'filters: [{rateLimit: {limits: [{requests: 100, per: minute}]}}, {headerModifier: {request: {remove: [x]}}}]';

function policy(name: string, spec: string, metadata = ''): string {
  return `\n---\napiVersion: weir.dev/v1\nkind: Policy\nmetadata: {name: ${name}${metadata}}\nspec: {${spec}}\n`;
}

async function compile(...texts: readonly string[]): Promise<Compiled> {
  return compileSources([{ file: 'config.yaml', text: base + texts.join('') }], defaultOptions, null);
}

function codes(compiled: Compiled): readonly string[] {
  return compiled.diagnostics
    .filter(({ code }) => code.startsWith('WR05') || (code.startsWith('WR01') && code !== 'WR0108'))
    .map(({ code }) => code);
}

/** Route that a match of a virtual host leads to. */
function routeAt(compiled: Compiled, listener: string, domain: string, path: string): Route {
  const entry = compiled.snapshot.listeners
    .find((one) => one.dialect === listener || one.kind === listener)
    ?.virtualHosts.find((host) => host.domains.includes(domain))
    ?.matches.find(({ match }) => match.path === undefined || ('value' in match.path && match.path.value === path));
  assert.ok(entry, `${listener} ${domain} ${path}`);
  return compiled.snapshot.routes[entry.route];
}

function names(filters: readonly FilterConfig[]): readonly string[] {
  return filters.map(
    (filter) => `${filter.name}${filter.blocked === undefined ? '' : ` blocked ${filter.blocked.status}`} of ${filter.origin.name}`,
  );
}

const pay = (compiled: Compiled): readonly string[] => names(routeAt(compiled, 'istio', 'shop.example.com', '/pay').filters);
const cart = (compiled: Compiled): readonly string[] => names(routeAt(compiled, 'istio', 'shop.example.com', '/cart').filters);
const rest = (compiled: Compiled): readonly string[] => names(routeAt(compiled, 'istio', 'shop.example.com', '').filters);
const blog = (compiled: Compiled): readonly string[] => names(routeAt(compiled, 'istio', 'blog.example.org', '').filters);
const invoices = (compiled: Compiled): readonly string[] => names(routeAt(compiled, 'kong', '*', '/invoices').filters);

const yes = ['rate-limit of p'];
const no: readonly string[] = [];
const targets: readonly { name: string; ref: string; is: readonly (readonly string[])[] }[] = [
  { name: 'VirtualService', ref: 'kind: VirtualService, name: shop', is: [yes, yes, yes, no, no] },
  { name: 'VirtualService, a rule', ref: 'kind: VirtualService, name: shop, sectionName: checkout', is: [yes, yes, no, no, no] },
  { name: 'VirtualService, one match of a rule', ref: 'kind: VirtualService, name: shop, sectionName: pay', is: [yes, no, no, no, no] },
  { name: 'ServiceEntry', ref: 'kind: ServiceEntry, name: a', is: [yes, yes, no, no, no] },
  { name: 'Kong Route', ref: 'kind: Route, name: invoices', is: [no, no, no, no, yes] },
  { name: 'Kong Service', ref: 'kind: Service, name: billing', is: [no, no, no, no, yes] },
  { name: 'Gateway', ref: 'kind: Gateway, name: web', is: [yes, yes, yes, yes, no] },
  { name: 'Gateway, one server', ref: 'kind: Gateway, name: web, sectionName: other', is: [no, no, no, yes, no] },
  { name: 'a namespace that is written out', ref: 'kind: VirtualService, name: blog, namespace: default', is: [no, no, no, yes, no] },
];
for (const row of targets) {
  test(`target: ${row.name}`, async () => {
    const compiled = await compile(policy('p', `targetRefs: [{${row.ref}}], ${limit}`));
    assert.deepEqual(
      [pay, cart, rest, blog, invoices].map((of) => of(compiled)),
      row.is,
    );
    assert.deepEqual(
      codes(compiled).filter((code) => code !== 'WR0507'),
      [],
    );
  });
}

test('a Gateway target leaves the mesh alone, though its routes are the same', async () => {
  const compiled = await compile(policy('p', `targetRefs: [{kind: Gateway, name: web}], ${limit}`));
  assert.deepEqual(pay(compiled), yes);
  assert.deepEqual(names(routeAt(compiled, 'mesh', 'shop.example.com', '/pay').filters), []);
  const ids = compiled.snapshot.routes.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
});

const missing: readonly { name: string; ref: string; says: RegExp }[] = [
  { name: 'no such resource', ref: 'kind: VirtualService, name: shopp', says: /VirtualService default\/shopp does not exist/ },
  { name: 'another namespace', ref: 'kind: VirtualService, name: shop, namespace: prod', says: /prod\/shop does not exist/ },
  { name: 'no such section', ref: 'kind: VirtualService, name: shop, sectionName: nope', says: /no rule or match called 'nope'/ },
  { name: 'no such server', ref: 'kind: Gateway, name: web, sectionName: nope', says: /no listener or server called 'nope'/ },
  { name: 'no such service', ref: 'kind: Service, name: nope', says: /Service default\/nope does not exist/ },
  { name: 'no such listener', ref: 'kind: Listener, name: nope', says: /Listener default\/nope does not exist/ },
];
for (const row of missing) {
  test(`target not found: ${row.name}`, async () => {
    const compiled = await compile(policy('p', `targetRefs: [{${row.ref}}], ${limit}`));
    const found = compiled.diagnostics.filter(({ code }) => code === 'WR0501');
    assert.equal(found.length, 1);
    assert.match(found[0].message, row.says);
    assert.equal(found[0].severity, 'error');
    assert.ok(found[0].line > 0);
    assert.equal(compiled.snapshot.status.find(({ kind }) => kind === 'Policy')?.conditions[0]?.reason, 'TargetNotFound');
  });
}

test('the narrower target wins: match, rule, route, service, gateway', async () => {
  const compiled = await compile(
    policy('gateway', `targetRefs: [{kind: Gateway, name: web}], ${limit}`),
    policy('route', `targetRefs: [{kind: VirtualService, name: shop}], ${limit}`),
    policy('rule', `targetRefs: [{kind: VirtualService, name: shop, sectionName: checkout}], ${limit}`),
    policy('match', `targetRefs: [{kind: VirtualService, name: shop, sectionName: pay}], ${limit}`),
  );
  assert.deepEqual(
    [pay, cart, rest, blog].map((of) => of(compiled)),
    [['rate-limit of match'], ['rate-limit of rule'], ['rate-limit of route'], ['rate-limit of gateway']],
  );
  assert.deepEqual(codes(compiled), []);
});

test('other filters of a wider target stay', async () => {
  const compiled = await compile(
    policy('wide', `targetRefs: [{kind: Gateway, name: web}], ${both}`),
    policy('narrow', `targetRefs: [{kind: VirtualService, name: shop}], ${limit}`),
  );
  assert.deepEqual([...rest(compiled)].sort(), ['header-modifier of wide', 'rate-limit of narrow']);
});

test('two Policies on one target: the older wins, then the first', async () => {
  const first = await compile(
    policy('one', `targetRefs: [{kind: Route, name: invoices}], ${limit}`),
    policy('two', `targetRefs: [{kind: Route, name: invoices}], ${limit}`),
  );
  assert.deepEqual(invoices(first), ['rate-limit of one']);
  assert.deepEqual(codes(first), ['WR0502']);
  assert.match(first.diagnostics.find(({ code }) => code === 'WR0502')?.message ?? '', /default\/one .*already brings rate-limit/);
  const older = await compile(
    policy('one', `targetRefs: [{kind: Route, name: invoices}], ${limit}`, ', creationTimestamp: "2026-02-01T00:00:00Z"'),
    policy('two', `targetRefs: [{kind: Route, name: invoices}], ${limit}`, ', creationTimestamp: "2026-01-01T00:00:00Z"'),
  );
  assert.deepEqual(invoices(older), ['rate-limit of two']);
});

test('one Policy may reach a route twice without a conflict with itself', async () => {
  const compiled = await compile(
    policy('p', `targetRefs: [{kind: ServiceEntry, name: b}, {kind: ServiceEntry, name: a}, {kind: ServiceEntry, name: b}], ${limit}`),
  );
  assert.equal(codes(compiled).includes('WR0502'), false);
  assert.deepEqual(rest(compiled), yes);
});

test('limits of two services of one route both count', async () => {
  const compiled = await compile(
    policy('pa', `targetRefs: [{kind: ServiceEntry, name: a}], ${limit}`),
    policy('pb', `targetRefs: [{kind: ServiceEntry, name: b}], ${limit}`),
  );
  assert.deepEqual(pay(compiled), ['rate-limit of pa', 'rate-limit of pb']);
  assert.ok(codes(compiled).every((code) => code === 'WR0507'));
});

test('headers of a service stand on its destination only', async () => {
  const compiled = await compile(
    policy('p', 'targetRefs: [{kind: ServiceEntry, name: a}], filters: [{headerModifier: {request: {remove: [x]}}}]'),
  );
  const { action, filters } = routeAt(compiled, 'istio', 'shop.example.com', '/pay');
  assert.equal(filters.length, 0);
  assert.deepEqual(action.kind === 'forward' && action.destinations.map((destination) => destination.filters.length), [1, 0]);
  assert.deepEqual(codes(compiled), []);
});

test('state keys name policy, filter and target, never a place in a file', async () => {
  const document = policy('p', `targetRefs: [{kind: Route, name: invoices}], ${limit}`);
  const key = (compiled: Compiled): string | undefined => routeAt(compiled, 'kong', '*', '/invoices').filters[0]?.stateKey;
  assert.equal(key(await compile(document)), 'weir/Policy/default/p/rate-limit/Route//invoices/');
  assert.equal(
    key(await compile(policy('q', `targetRefs: [{kind: Route, name: nope}], ${limit}`), document)),
    key(await compile(document)),
  );
});

test('a broken Policy without an earlier version closes what it names', async () => {
  const compiled = await compile(
    policy('p', 'targetRefs: [{kind: VirtualService, name: shop, sectionName: pay}], filters: [{keyAuth: {nmaes: [a]}}]'),
  );
  assert.deepEqual([pay(compiled), cart(compiled), invoices(compiled)], [['policy blocked 503 of p'], [], []]);
  assert.ok(codes(compiled).includes('WR0503') && codes(compiled).includes('WR0104'));
});

test('a broken Policy whose targets cannot be read closes its namespace', async () => {
  const compiled = await compile(policy('p', 'targetRefs: [{knd: VirtualService}], filters: [{keyAuth: {}}]'));
  for (const at of [pay, cart, rest, blog, invoices]) assert.deepEqual(at(compiled), ['policy blocked 503 of p']);
});

test('a narrower sound Policy does not open what a broken one closes', async () => {
  const compiled = await compile(
    policy('broken', 'targetRefs: [{kind: VirtualService, name: shop}], filters: [{keyAuth: {nmaes: [a]}}]'),
    policy('good', 'targetRefs: [{kind: VirtualService, name: shop, sectionName: pay}], filters: [{keyAuth: {}}]'),
  );
  assert.deepEqual([...pay(compiled)].sort(), ['key-auth of good', 'policy blocked 503 of broken']);
});

test('a broken edit keeps the last good version', async () => {
  const good = await compile(policy('p', `targetRefs: [{kind: Route, name: invoices}], ${limit}`));
  const text = base + policy('p', 'targetRefs: [{kind: Route, name: invoices}], filters: [{rateLimit: {limits: []}}]');
  const bad = await compileSources([{ file: 'config.yaml', text }], defaultOptions, good.memory);
  assert.deepEqual(invoices(bad), yes);
});

test('a key in clear is nowhere in the snapshot or the diagnostics', async () => {
  const compiled = await compile(
    policy('p', 'targetRefs: [{kind: Route, name: invoices}], filters: [{keyAuth: {keys: [{consumer: x, key: very-secret}]}}]'),
  );
  assert.deepEqual(invoices(compiled), ['key-auth of p']);
  assert.ok(!JSON.stringify([compiled.snapshot, compiled.diagnostics]).includes('very-secret'));
});

const broken: readonly { name: string; spec: string; code: string; says: RegExp }[] = [
  {
    name: 'an unknown filter',
    spec: 'targetRefs: [{kind: Route, name: invoices}], filters: [{rateLimits: {}}]',
    code: 'WR0104',
    says: /rateLimits/,
  },
  {
    name: 'two filters in one entry',
    spec: 'targetRefs: [{kind: Route, name: invoices}], filters: [{keyAuth: {}, headerModifier: {}}]',
    code: 'WR0105',
    says: /one filter in each entry/,
  },
  {
    name: 'one filter twice',
    spec: 'targetRefs: [{kind: Route, name: invoices}], filters: [{keyAuth: {}}, {keyAuth: {}}]',
    code: 'WR0105',
    says: /stands twice/,
  },
  { name: 'an unknown target kind', spec: 'targetRefs: [{kind: Pod, name: x}], filters: [{keyAuth: {}}]', code: 'WR0105', says: /kind/ },
  {
    name: 'a header that frames the message',
    spec: 'targetRefs: [{kind: Route, name: invoices}], filters: [{headerModifier: {request: {remove: [Content-Length]}}}]',
    code: 'WR0105',
    says: /framing/,
  },
  { name: 'no filters', spec: 'targetRefs: [{kind: Route, name: invoices}]', code: 'WR0106', says: /filters/ },
];
for (const row of broken) {
  test(`Policy refused: ${row.name}`, async () => {
    const compiled = await compile(policy('p', row.spec));
    const found = compiled.diagnostics.filter(({ code }) => code === row.code);
    assert.match(found.map(({ message }) => message).join('\n'), row.says);
  });
}

function listener(name: string, spec: string): string {
  return `\n---\napiVersion: weir.dev/v1\nkind: Listener\nmetadata: {name: ${name}}\nspec: {${spec}}\n`;
}

test('a Listener opens a port for the routes it asks for, with the limits of the edge', async () => {
  const compiled = await compile(
    listener(
      'public',
      'address: 127.0.0.1, port: 8080, hostnames: ["*.Example.com"], routesFrom: [mesh, kong], limits: {maxHeaders: 20}, canonicalisation: {underscores: drop}',
    ),
  );
  const found = compiled.snapshot.listeners.find(({ dialect }) => dialect === 'weir');
  assert.equal(found?.name, '127.0.0.1:8080');
  assert.deepEqual(
    found.virtualHosts.map(({ domains }) => domains),
    [['shop.example.com'], ['*.example.com']],
  );
  assert.deepEqual(
    [found.limits.maxHeaders, found.limits.requestTimeoutMs, found.canonicalisation.underscores, found.canonicalisation.mergeSlashes],
    [20, 15_000, 'drop', true],
  );
  assert.equal(compiled.snapshot.status.find(({ kind }) => kind === 'Listener')?.listeners[0]?.attachedRoutes, 3);
  assert.deepEqual(codes(compiled), []);
});

test('a Listener alone serves Kong routes as Kong does, and a Policy may name it', async () => {
  const compiled = await compile(
    listener('public', 'port: 8080, protocol: HTTP'),
    policy('p', `targetRefs: [{kind: Listener, name: public}], ${limit}`),
  );
  const found = compiled.snapshot.listeners.find(({ dialect }) => dialect === 'weir');
  assert.deepEqual([found?.replyStyle, found?.address, found?.virtualHosts.length], ['kong', '::', 1]);
  assert.deepEqual(names(routeAt(compiled, 'weir', '*', '/invoices').filters), yes);
  assert.deepEqual(invoices(compiled), no, "the route is open on Kong's own port: the Policy names the Listener");
});

const listeners: readonly { name: string; texts: readonly string[]; code: string }[] = [
  { name: 'TLS', texts: [listener('a', 'port: 8443, protocol: HTTPS')], code: 'WR0504' },
  { name: 'certificates', texts: [listener('a', 'port: 8443, tls: {certificateRefs: [{name: x}]}')], code: 'WR0504' },
  { name: 'the port of another', texts: [listener('a', 'port: 8080'), listener('b', 'port: 8080')], code: 'WR0505' },
  {
    name: 'a route that names it as parent',
    texts: [
      listener('a', 'port: 8080'),
      '\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {parentRefs: [{group: weir.dev, kind: Listener, name: a}], rules: [{backendRefs: [{name: x, port: 80}]}]}\n',
    ],
    code: 'WR0506',
  },
  { name: 'a name for an address', texts: [listener('a', 'address: localhost, port: 8080')], code: 'WR0105' },
  { name: 'no port', texts: [listener('a', 'protocol: HTTP')], code: 'WR0106' },
];
for (const row of listeners) {
  test(`Listener refused: ${row.name}`, async () => {
    assert.ok(codes(await compile(...row.texts)).includes(row.code));
  });
}

const hosts: readonly { wide: string; narrow: string; is: boolean }[] = [
  { wide: '*', narrow: 'a.example.com', is: true },
  { wide: '*.example.com', narrow: 'a.b.example.com', is: true },
  { wide: '*.example.com', narrow: '*.b.example.com', is: true },
  { wide: '*.example.com', narrow: 'example.com', is: false },
  { wide: '*.example.com', narrow: 'badexample.com', is: false },
  { wide: '*.example.com', narrow: '*', is: false },
  { wide: 'example.*', narrow: 'example.org', is: true },
];
for (const row of hosts)
  test(`${row.wide} ${row.is ? 'covers' : 'does not cover'} ${row.narrow}`, () => assert.equal(covers(row.wide, row.narrow), row.is));

test('hosts that overlap meet in the narrower one', () => {
  assert.deepEqual([intersect('*', 'a.b'), intersect('a.b', '*.b'), intersect('a.b', 'c.d')], [['a.b'], ['a.b'], []]);
});

test('ExtensionRef finds sound Policies of its namespace only', async () => {
  const { resources } = await compile(policy('p', both), policy('bad', 'filters: []'));
  const find = (group: string, kind: string, namespace: string, name: string) =>
    extensionFilters(resources, group, kind, namespace, name, 'HTTPRoute/default/r/0')?.map((filter) => filter.name);
  assert.deepEqual(find('weir.dev', 'Policy', 'default', 'p'), ['rate-limit', 'header-modifier']);
  for (const [group, kind, namespace, name] of [
    ['x.dev', 'Policy', 'default', 'p'],
    ['weir.dev', 'Listener', 'default', 'p'],
    ['weir.dev', 'Policy', 'prod', 'p'],
    ['weir.dev', 'Policy', 'default', 'bad'],
  ] as const) {
    assert.equal(find(group, kind, namespace, name), undefined);
  }
});

test('RouteTest: cases with their places', async () => {
  const text = `
---
apiVersion: weir.dev/v1
kind: RouteTest
metadata: {name: shop}
spec:
  cases:
  - name: prefix reaches the service
    request: {url: "http://shop.example.com/pay/1", headers: {a: "1", b: ["2", "3"]}, from: null}
    expect: {outcome: forward, route: checkout}
`;
  const { resources, diagnostics } = await compile(text);
  const [only, ...others] = routeTests(resources);
  assert.equal(others.length, 0);
  assert.deepEqual(only?.request, {
    method: 'GET',
    url: 'http://shop.example.com/pay/1',
    headers: [
      ['a', '1'],
      ['b', '2'],
      ['b', '3'],
    ],
    from: null,
    address: null,
  });
  assert.deepEqual(only.expect, { outcome: 'forward', route: 'checkout' });
  assert.equal(only.line, base.split('\n').length + 7);
  assert.ok(!diagnostics.some(({ resource }) => resource?.kind === 'RouteTest'));
});

for (const [name, expect] of [
  ['expects nothing', '{}'],
  ['an unknown expectation', '{rout: x}'],
  ['an unknown outcome', '{outcome: maybe}'],
] as const) {
  test(`RouteTest refused: ${name}`, async () => {
    const compiled = await compile(
      `\n---\napiVersion: weir.dev/v1\nkind: RouteTest\nmetadata: {name: t}\nspec: {cases: [{name: c, request: {url: "http://a/"}, expect: ${expect}}]}\n`,
    );
    assert.ok(compiled.diagnostics.some(({ resource, severity }) => resource?.kind === 'RouteTest' && severity === 'error'));
    assert.deepEqual(routeTests(compiled.resources), []);
  });
}
