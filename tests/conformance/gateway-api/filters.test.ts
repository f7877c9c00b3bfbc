import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backends, conditions, gateway, modifiers, route, rule, sameNamespace, services, world, type World } from './world.ts';

const prefix = (path: string): string => `{path: {value: ${path}}}`;
const redirect = (fields: string): string => `filters: [{type: RequestRedirect, requestRedirect: {${fields}}}]`;
const rewrite = (fields: string): string => `filters: [{type: URLRewrite, urlRewrite: {${fields}}}]`;
const made = (...rules: readonly string[]): World => world(sameNamespace, backends, route('case', `  rules:\n${rules.join('')}`));

function check(found: World, rows: readonly (readonly [url: string, answer: string])[], port = 80): void {
  assert.deepEqual(found.codes(), []);
  for (const [url, answer] of rows) assert.equal(found.send({ url, port }), answer, url);
}

test('HTTPRouteRedirectHostAndStatus, HTTPRoute303, 307, 308Redirect', () => {
  check(
    made(
      rule(prefix('/hostname-redirect'), '', redirect('hostname: example.org')),
      ...[301, 303, 307, 308].map((status) =>
        rule(prefix(`/status-${status}`), '', redirect(`hostname: example.org, statusCode: ${status}`)),
      ),
    ),
    [
      ['example.com/hostname-redirect?a=b', '302 http://example.org/hostname-redirect?a=b'],
      ['example.com/status-301', '301 http://example.org/status-301'],
      ['example.com/status-303', '303 http://example.org/status-303'],
      ['example.com/status-307', '307 http://example.org/status-307'],
      ['example.com/status-308', '308 http://example.org/status-308'],
    ],
  );
});

test('HTTPRouteRedirectPath', () => {
  const replacePrefix = 'path: {type: ReplacePrefixMatch, replacePrefixMatch: /replacement-prefix}';
  const replaceFull = 'path: {type: ReplaceFullPath, replaceFullPath: /replacement-full}';
  check(
    made(
      rule(prefix('/original-prefix'), '', redirect(replacePrefix)),
      rule(prefix('/full'), '', redirect('path: {type: ReplaceFullPath, replaceFullPath: /full-path-replacement}')),
      rule(prefix('/path-and-host'), '', redirect(`hostname: example.org, ${replacePrefix}`)),
      rule(prefix('/path-and-status'), '', redirect(`${replacePrefix}, statusCode: 301`)),
      rule(prefix('/full-path-and-host'), '', redirect(`hostname: example.org, ${replaceFull}`)),
      rule(prefix('/full-path-and-status'), '', redirect(`${replaceFull}, statusCode: 301`)),
    ),
    [
      ['example.com/original-prefix/lemon', '302 http://example.com/replacement-prefix/lemon'],
      ['example.com/full/path/original', '302 http://example.com/full-path-replacement'],
      ['example.com/path-and-host', '302 http://example.org/replacement-prefix'],
      ['example.com/path-and-status', '301 http://example.com/replacement-prefix'],
      ['example.com/full-path-and-host', '302 http://example.org/replacement-full'],
      ['example.com/full-path-and-status', '301 http://example.com/replacement-full'],
    ],
  );
});

test('HTTPRouteRedirectPort, HTTPRouteRedirectScheme, HTTPRouteRedirectPortAndScheme', () => {
  const rules = [
    ['/nil-nil', ''],
    ['/nil-80', 'port: 80'],
    ['/nil-8080', 'port: 8080'],
    ['/https-nil', 'scheme: https'],
    ['/https-443', 'scheme: https, port: 443'],
    ['/https-8443', 'scheme: https, port: 8443'],
  ].map(([path, fields]) => rule(prefix(path), '', redirect(`hostname: example.org${fields === '' ? '' : `, ${fields}`}`)));
  const found = world(
    gateway('same-namespace', '{name: a, port: 80, protocol: HTTP}', '{name: b, port: 8080, protocol: HTTP}'),
    route('case', `  rules:\n${rules.join('')}`),
  );
  check(found, [
    ['example.com/nil-nil', '302 http://example.org/nil-nil'],
    ['example.com/nil-80', '302 http://example.org/nil-80'],
    ['example.com/nil-8080', '302 http://example.org:8080/nil-8080'],
    ['example.com/https-nil', '302 https://example.org/https-nil'],
    ['example.com/https-443', '302 https://example.org/https-443'],
    ['example.com/https-8443', '302 https://example.org:8443/https-8443'],
  ]);
  check(
    found,
    [
      ['example.com:8080/nil-nil', '302 http://example.org:8080/nil-nil'],
      ['example.com:8080/nil-80', '302 http://example.org/nil-80'],
      ['example.com:8080/https-nil', '302 https://example.org/https-nil'],
    ],
    8080,
  );
});

test('HTTPRouteRewritePath, HTTPRouteRewriteHost', () => {
  const to = (kind: 'Prefix' | 'Full', value: string): string =>
    rewrite(
      kind === 'Prefix'
        ? `path: {type: ReplacePrefixMatch, replacePrefixMatch: ${value}}`
        : `path: {type: ReplaceFullPath, replaceFullPath: ${value}}`,
    );
  check(
    made(
      rule(prefix('/prefix/one'), 'v1', to('Prefix', '/one')),
      rule(prefix('/strip-prefix'), 'v1', to('Prefix', '/')),
      rule(prefix('/full/one'), 'v1', to('Full', '/one')),
      rule(prefix('/one'), 'v1', rewrite('hostname: one.example.org')),
    ),
    [
      ['example.com/prefix/one/two', 'v1 as /one/two'],
      ['example.com/strip-prefix/three', 'v1 as /three'],
      ['example.com/strip-prefix', 'v1 as /'],
      ['example.com/full/one/two', 'v1 as /one'],
      ['example.com/one/x', 'v1 as one.example.org/one/x'],
    ],
  );
});

test('HTTPRouteBackendURLRewrite, HTTPRouteBackendRequestRedirect: a filter of one backend acts for its share alone', () => {
  const refs = `  - backendRefs:
    - {name: v1, port: 8080, weight: 1, filters: [{type: URLRewrite, urlRewrite: {hostname: one.example.org, path: {type: ReplaceFullPath, replaceFullPath: /one}}}]}
    - {name: v2, port: 8080, weight: 2, filters: [{type: RequestRedirect, requestRedirect: {hostname: two.example.org}}]}
    - {name: v3, port: 8080, weight: 3}
`;
  check(made(refs), [['example.com/x', 'v1 1 as one.example.org/one, 302 http://two.example.org/x 2, v3 3']]);
});

const headers = 'set: [{name: X-Set, value: new}], add: [{name: X-Add, value: more}], remove: [X-Remove]';

test('HTTPRouteRequestHeaderModifier, HTTPRouteResponseHeaderModifier, GRPCRouteRequestHeaderModifier', () => {
  for (const kind of ['HTTPRoute', 'GRPCRoute']) {
    const filters = `filters: [{type: RequestHeaderModifier, requestHeaderModifier: {${headers}}}, {type: ResponseHeaderModifier, responseHeaderModifier: {${headers}}}]`;
    const found = world(sameNamespace, backends, route('case', `  rules:\n${rule('', 'v1', filters)}`, { kind }));
    assert.deepEqual(found.codes(), []);
    const changes = { set: [{ name: 'X-Set', value: 'new' }], add: [{ name: 'X-Add', value: 'more' }], remove: ['X-Remove'] };
    assert.deepEqual(modifiers(found.route({ url: 'example.com/' })?.filters ?? []), [
      { request: changes, operators: false },
      { response: changes, operators: false },
    ]);
  }
});

test('HTTPRouteBackendRequestHeaderModifier', () => {
  const found = made(`  - backendRefs:
    - {name: v1, port: 8080, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: X-Set, value: one}]}}]}
    - {name: v2, port: 8080}
`);
  assert.deepEqual(found.codes(), []);
  const [first, second] = found.destinations({ url: 'example.com/' });
  assert.deepEqual(modifiers(first.filters), [{ request: { set: [{ name: 'X-Set', value: 'one' }] }, operators: false }]);
  assert.deepEqual(second.filters, []);
  assert.deepEqual(found.route({ url: 'example.com/' })?.filters, []);
});

test('a header modifier that sets Host rewrites the authority; one that breaks framing makes the rule answer 500', () => {
  const modify = (name: string, value = 'other.example'): string =>
    `filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: ${name}, value: "${value}"}]}}]`;
  const found = made(
    rule(prefix('/host'), 'v1', modify('Host')),
    rule(prefix('/framing'), 'v1', modify('Content-Length', '3')),
    rule(prefix('/bad'), 'v1', modify('Host', 'a b')),
  );
  assert.deepEqual(found.codes(), ['WR0322', 'WR0322']);
  assert.equal(found.send({ url: 'example.com/host' }), 'v1 as other.example/host');
  assert.equal(found.send({ url: 'example.com/framing' }), '500');
  assert.equal(found.send({ url: 'example.com/bad' }), '500');
});

test('HTTPRouteTimeoutRequest, HTTPRouteTimeoutBackendRequest', () => {
  const rows = [
    ['/request', 'request: 500ms', 500],
    ['/backend', 'backendRequest: 1m1s', 61_000],
    ['/both', 'request: 1h, backendRequest: 2s', 2_000],
    ['/off', 'request: 0s', undefined],
    ['/off-both', 'request: 0s, backendRequest: 3s', 3_000],
  ] as const;
  const found = made(...rows.map(([path, timeouts]) => rule(prefix(path), 'v1', `timeouts: {${timeouts}}`)));
  assert.deepEqual(found.codes(), []);
  for (const [path, , timeout] of rows) {
    const action = found.route({ url: `example.com${path}` })?.action;
    assert.equal(action?.kind === 'forward' ? action.timeoutMs : null, timeout, path);
  }
});

test('filters that do not run yet: a warning, or 503 where they restrict access, or 500 where they cannot be resolved', () => {
  const backend = 'backendRef: {name: v2, port: 8080}';
  const found = made(
    rule(prefix('/mirror'), 'v1', `filters: [{type: RequestMirror, requestMirror: {${backend}}}]`),
    rule(prefix('/cors'), 'v1', 'filters: [{type: CORS, cors: {allowOrigins: ["https://a.example"]}}]'),
    rule(prefix('/auth'), 'v1', `filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, ${backend}}}]`),
    rule(prefix('/extension'), 'v1', 'filters: [{type: ExtensionRef, extensionRef: {group: example.io, kind: Magic, name: wand}}]'),
    rule(prefix('/retry'), 'v1', 'retry: {attempts: 2}, sessionPersistence: {sessionName: s}'),
    `  - {matches: [${prefix('/share')}], backendRefs: [{name: v1, port: 8080}, {name: v2, port: 8080, filters: [{type: ExtensionRef, extensionRef: {group: example.io, kind: Magic, name: wand}}]}]}\n`,
  );
  assert.deepEqual(found.codes(), ['WR0108', 'WR0108', 'WR0109', 'WR0315', 'WR0108', 'WR0108', 'WR0315']);
  const answers = ['mirror', 'cors', 'auth', 'extension', 'retry', 'share'].map((path) => found.send({ url: `example.com/${path}` }));
  assert.deepEqual(answers, ['v1', 'v1', '503', '500', 'v1', 'v1 1, 500 1']);
  assert.deepEqual(
    found.route({ url: 'example.com/retry' })?.pending.map((one) => one.field),
    ['retry', 'sessionPersistence'],
  );
});

test('HTTPRouteWeight, HTTPRouteAllBackendsWeightZero, HTTPRouteNoBackendRefs', () => {
  const refs = (...weights: readonly number[]): string =>
    `[${weights.map((weight, i) => `{name: v${i + 1}, port: 8080, weight: ${weight}}`).join(', ')}]`;
  const found = made(
    `  - {matches: [${prefix('/weights')}], backendRefs: ${refs(70, 30, 0)}}\n`,
    `  - {matches: [${prefix('/zero')}], backendRefs: ${refs(0, 0)}}\n`,
    rule(prefix('/none'), ''),
  );
  assert.deepEqual(found.codes(), ['WR0314', 'WR0313']);
  assert.equal(found.send({ url: 'example.com/weights' }), 'v1 70, v2 30');
  assert.equal(found.send({ url: 'example.com/zero' }), '500');
  assert.equal(found.send({ url: 'example.com/none' }), '500');
});

test('an HTTPRoute without rules answers 500 everywhere', () => {
  const found = world(sameNamespace, route('bare', ''));
  assert.equal(found.send({ url: 'example.com/' }), '500');
});

test('HTTPRouteBackendProtocolWebSocket, HTTPRouteBackendProtocolH2C; TLS needs a BackendTLSPolicy', () => {
  const service = (name: string, protocol: string): string =>
    services('infra', name).replace('{protocol: TCP', `{name: https, protocol: TCP, appProtocol: ${protocol}`);
  const names = ['ws', 'h2c', 'wss', 'https', 'grpc'];
  const found = world(
    sameNamespace,
    ...names.map((name) => service(name, name.length > 3 ? name : `kubernetes.io/${name}`)),
    route('case', `  rules:\n${names.map((name) => rule(prefix(`/${name}`), name)).join('')}`),
  );
  assert.deepEqual(found.codes(), ['WR0308', 'WR0308']);
  assert.deepEqual(
    names.map((name) => found.upstream({ url: `example.com/${name}` })),
    ['http1', 'http2', 'none', 'none', 'http2'],
  );
  assert.equal(found.send({ url: 'example.com/wss' }), '503');
  assert.equal(
    conditions(found.status('HTTPRoute', 'case').parents[0].conditions),
    'Accepted=True:Accepted ResolvedRefs=False:UnsupportedProtocol',
  );
});

test('an expression that is not RE2 leaves its rule out and the others in place', () => {
  const found = made(rule('{path: {type: RegularExpression, value: "/(?=x)"}}', 'v1'), rule(prefix('/ok'), 'v2'));
  assert.deepEqual(found.codes(), ['WR0111']);
  assert.equal(found.send({ url: 'example.com/ok' }), 'v2');
  assert.match(conditions(found.status('HTTPRoute', 'case').parents[0].conditions), /PartiallyInvalid=True:UnsupportedValue$/);
});

test('ExtensionRef to a Policy of weir.dev: its filters run on the rule; on one backend only header changes can', () => {
  const policy = (name: string, filters: string, namespace = 'infra'): string =>
    `apiVersion: weir.dev/v1\nkind: Policy\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {filters: [${filters}]}`;
  const limit = '{rateLimit: {limits: [{requests: 5, per: minute}]}}';
  const change = '{headerModifier: {request: {remove: [x-a]}}}';
  const ref = (name: string): string => `filters: [{type: ExtensionRef, extensionRef: {group: weir.dev, kind: Policy, name: ${name}}}]`;
  const onBackend = (path: string, name: string): string =>
    `  - {matches: [${prefix(path)}], backendRefs: [{name: v1, port: 8080, ${ref(name)}}]}\n`;
  const found = world(
    sameNamespace,
    backends,
    policy('limit', limit),
    policy('change', change),
    policy('far', limit, 'other'),
    route(
      'case',
      `  rules:\n${rule(prefix('/limit'), 'v1', ref('limit'))}${rule(prefix('/far'), 'v1', ref('far'))}${onBackend('/share-change', 'change')}${onBackend('/share-limit', 'limit')}`,
    ),
  );
  assert.deepEqual(found.codes(), ['WR0315', 'WR0315']);
  const answers = ['limit', 'far', 'share-change', 'share-limit'].map((path) => found.send({ url: `example.com/${path}` }));
  assert.deepEqual(answers, ['v1', '500', 'v1', '500']);
  const [filter] = found.route({ url: 'example.com/limit' })?.filters ?? [];
  assert.equal(filter.name, 'rate-limit');
  assert.match(filter.stateKey, /gateway-api\/HTTPRoute\/infra\/case\/0$/);
  assert.deepEqual(
    found.destinations({ url: 'example.com/share-change' })[0].filters.map((one) => one.name),
    ['header-modifier'],
  );
});
