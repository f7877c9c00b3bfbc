/** Listeners of TLS and layer 4, and their routes: after the descriptions of the upstream conformance suite. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { caConfigMap, tlsSecret } from '../../support/pem.ts';
import { backends, conditions, gateway, route, rule, services, world, type World } from './world.ts';

const cert = tlsSecret('infra', 'cert', 'server');
const ca = caConfigMap('infra', 'ca');
const terminate = 'tls: {certificateRefs: [{name: cert}]}';
const passthrough = 'tls: {mode: Passthrough}';
const l4 = (kind: string, name: string, parent: string, spec: string, age = ''): string =>
  route(name, `  ${spec}`, { kind, parent }).replace(
    'namespace: infra}',
    `namespace: infra${age === '' ? '' : `, creationTimestamp: "${age}"`}}`,
  );
const to = (...names: readonly string[]): string =>
  `rules: [{backendRefs: [${names.map((name) => `{name: ${name.split(' ')[0]}, port: 8080${name.includes(' ') ? `, weight: ${name.split(' ')[1]}` : ''}}`).join(', ')}]}]`;
const listeners = (found: World, name = 'g'): readonly string[] =>
  found.status('Gateway', name).listeners.map((one) => conditions(one.conditions));
const parent = (found: World, kind: string, name: string): string => conditions(found.status(kind, name).parents[0].conditions);
const good = 'Accepted=True:Accepted Conflicted=False:NoConflicts ResolvedRefs=True:ResolvedRefs Programmed=True:Programmed';
const attached = 'Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs';
const grant = (from: string, to: string): string =>
  `apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: grant, namespace: other}\nspec: {from: [{group: gateway.networking.k8s.io, kind: ${from}, namespace: infra}], to: [{group: "", kind: ${to}}]}`;

test('HTTPS: listeners of one port are told apart by SNI, exact before the longest suffix', () => {
  const found = world(
    gateway(
      'g',
      `{name: any, port: 443, protocol: HTTPS, ${terminate}}`,
      `{name: wide, port: 443, protocol: HTTPS, hostname: "*.example.com", ${terminate}}`,
      `{name: wider, port: 443, protocol: HTTPS, hostname: "*.com", ${terminate}}`,
      `{name: one, port: 443, protocol: https, hostname: a.example.com, ${terminate}}`,
    ),
    cert,
    backends,
    route('r', `  hostnames: [a.example.com]\n  rules:\n${rule('', 'v1')}`, { parent: '{name: g}' }),
  );
  assert.deepEqual(found.codes(), []);
  const at = (sni?: string): string => found.connect(sni === undefined ? { at: '443' } : { at: '443', sni });
  assert.equal(at('a.example.com'), 'tls http infra/g/one');
  assert.equal(at('b.example.com'), 'tls http infra/g/wide');
  assert.equal(at('c.b.example.com'), 'tls http infra/g/wide');
  assert.equal(at('example.com'), 'tls http infra/g/wider');
  assert.equal(at('example.org'), 'tls http infra/g/any');
  assert.equal(at(''), 'tls http infra/g/any');
  assert.equal(at(), 'closed');
  assert.equal(found.send({ url: 'a.example.com/', port: 443 }), 'v1');
  const [listener] = found.snapshot.listeners;
  assert.equal(listener.protocol, 'http');
  // A request may only reach the virtual host of the listener that its connection was for.
  assert.deepEqual(
    listener.chains?.map((chain) => chain.virtualHosts),
    [['a.example.com'], ['*.example.com'], ['*.com'], ['*']],
  );
  assert.deepEqual(listener.chains?.[0].tls?.alpn, ['h2', 'http/1.1']);
  assert.deepEqual(listener.chains?.[0].tls?.certificates, ['kubernetes/Secret/infra/cert']);
  assert.equal(found.snapshot.secrets?.length, 1);
  assert.ok(listeners(found).every((one) => one === `${good} OverlappingTLSConfig=True:OverlappingHostnames`));
});

test('HTTPS redirect from HTTP names the port of HTTPS', () => {
  const found = world(
    gateway('g', '{name: http, port: 80, protocol: HTTP}', `{name: https, port: 443, protocol: HTTPS, ${terminate}}`),
    cert,
    backends,
    route('to', `  rules:\n  - {filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]}\n`, {
      parent: '{name: g, sectionName: http}',
    }),
    route('app', `  rules:\n${rule('', 'v1')}`, { parent: '{name: g, sectionName: https}' }),
  );
  assert.equal(found.send({ url: 'a.example/x' }), '302 https://a.example/x');
  assert.equal(found.send({ url: 'a.example/x', port: 443 }), 'v1');
});

/** GatewayInvalidTLSConfiguration, GatewaySecretMissingReferenceGrant and their kin. */
const refs: readonly (readonly [name: string, refs: string, reason: string, codes: readonly string[], serves: boolean])[] = [
  ['a Secret that does not exist', '{name: gone}', 'InvalidCertificateRef', ['WR0319'], false],
  ['an unsupported group', '{name: cert, group: example.io}', 'InvalidCertificateRef', ['WR0319'], false],
  ['an unsupported kind', '{name: cert, kind: ConfigMap}', 'InvalidCertificateRef', ['WR0319'], false],
  ['a Secret that is malformed', '{name: malformed}', 'InvalidCertificateRef', ['WR0319'], false],
  ['another namespace without a grant', '{name: far, namespace: other}', 'RefNotPermitted', ['WR0306'], false],
  ['no reference at all', '', 'InvalidCertificateRef', ['WR0319'], false],
  ['a good one among bad ones', '{name: gone}, {name: cert}', 'InvalidCertificateRef', ['WR0319'], true],
];
for (const [name, list, reason, codes, serves] of refs)
  test(`certificateRefs: ${name}`, () => {
    const found = world(
      gateway(
        'g',
        `{name: one, port: 443, protocol: HTTPS, hostname: a.example.com, tls: {certificateRefs: [${list}]}}`,
        `{name: wide, port: 443, protocol: HTTPS, hostname: "*.example.com", ${terminate}}`,
      ),
      cert,
      'apiVersion: v1\nkind: Secret\nmetadata: {name: malformed, namespace: infra}\nstringData: {tls.crt: a}',
      tlsSecret('other', 'far', 'server'),
    );
    assert.deepEqual(
      found.codes().filter((code) => code !== 'WR0331'),
      codes,
    );
    assert.match(
      listeners(found)[0],
      new RegExp(`^Accepted=True:Accepted .*ResolvedRefs=False:${reason} Programmed=${serves ? 'True' : 'False:Invalid'}`),
    );
    assert.match(conditions(found.status('Gateway', 'g').conditions), /ResolvedRefs=False:ListenersNotResolved/);
    // A listener without certificate keeps its name: no wider one answers for it.
    assert.equal(found.connect({ at: '443', sni: 'a.example.com' }), serves ? 'tls http infra/g/one' : 'closed');
    assert.equal(found.connect({ at: '443', sni: 'b.example.com' }), 'tls http infra/g/wide');
  });

test('GatewaySecretReferenceGrant lets a certificate of another namespace serve', () => {
  const listener = '{name: one, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: far, namespace: other}]}}';
  const found = world(gateway('g', listener), tlsSecret('other', 'far', 'server'), grant('Gateway', 'Secret'));
  assert.deepEqual(found.codes(), []);
  assert.deepEqual(listeners(found), [good]);
  assert.equal(found.connect({ at: '443', sni: 'x' }), 'tls http infra/g/one');
});

test('a port whose listeners all lack certificates is not opened', () => {
  const found = world(gateway('g', '{name: one, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: gone}]}}'));
  assert.deepEqual(found.snapshot.listeners, []);
  assert.equal(found.status('Gateway', 'g').listeners[0].listener, null);
  assert.match(conditions(found.status('Gateway', 'g').conditions), /Programmed=False:Invalid/);
});

const frontend = (tls: string, listener = `{name: https, port: 443, protocol: HTTPS, ${terminate}}`): string =>
  gateway('g', '{name: http, port: 80, protocol: HTTP}', listener).replace('  listeners:', `  tls: {frontend: ${tls}}\n  listeners:`);
const validation = (refs: string, more = ''): string => `{validation: {caCertificateRefs: [${refs}]${more}}}`;
const good443 = validation('{group: "", kind: ConfigMap, name: ca}');

/** GatewayFrontendClientCertificateValidation and its kin. */
const clients: readonly (readonly [name: string, tls: string, condition: RegExp, asks: string | null, codes: readonly string[]])[] = [
  ['default', `{default: ${good443}}`, /^Accepted=True.*Programmed=True/, 'require', []],
  [
    'a Secret with the authority',
    `{default: ${validation('{group: "", kind: Secret, name: casecret}')}}`,
    /Programmed=True/,
    'require',
    [],
  ],
  ['its port', `{default: {}, perPort: [{port: 443, tls: ${good443}}]}`, /Programmed=True/, 'require', []],
  ['its port switches the default off', `{default: ${good443}, perPort: [{port: 443, tls: {}}]}`, /Programmed=True/, 'none', []],
  ['another port', `{default: {}, perPort: [{port: 8443, tls: ${good443}}]}`, /Programmed=True/, 'none', ['WR0325']],
  [
    'insecure fallback',
    `{default: ${validation('{group: "", kind: ConfigMap, name: ca}', ', mode: AllowInsecureFallback')}}`,
    /Programmed=True/,
    'ask',
    ['WR0324'],
  ],
  [
    'one good authority of two',
    `{default: ${validation('{group: "", kind: ConfigMap, name: gone}, {group: "", kind: ConfigMap, name: ca}')}}`,
    /^Accepted=True.*ResolvedRefs=False:InvalidCACertificateRef Programmed=True/,
    'require',
    ['WR0323'],
  ],
  [
    'an authority that does not exist',
    `{default: ${validation('{group: "", kind: ConfigMap, name: gone}')}}`,
    /^Accepted=False:NoValidCACertificate.*ResolvedRefs=False:InvalidCACertificateRef Programmed=False/,
    null,
    ['WR0323'],
  ],
  [
    'an authority that is no certificate',
    `{default: ${validation('{group: "", kind: ConfigMap, name: nonsense}')}}`,
    /^Accepted=False:NoValidCACertificate.*ResolvedRefs=False:InvalidCACertificateRef/,
    null,
    ['WR0323'],
  ],
  [
    'an unsupported kind',
    `{default: ${validation('{group: "", kind: Service, name: ca}')}}`,
    /^Accepted=False:NoValidCACertificate.*ResolvedRefs=False:InvalidCACertificateKind/,
    null,
    ['WR0323'],
  ],
  [
    'another namespace without a grant',
    `{default: ${validation('{group: "", kind: ConfigMap, name: ca, namespace: other}')}}`,
    /^Accepted=False:NoValidCACertificate.*ResolvedRefs=False:RefNotPermitted/,
    null,
    ['WR0306'],
  ],
];
const maps = [
  ca,
  caConfigMap('other', 'ca'),
  'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: nonsense, namespace: infra}\ndata: {ca.crt: "no certificate"}',
  caConfigMap('infra', 'casecret').replace('kind: ConfigMap', 'kind: Secret').replace('\ndata:', '\nstringData:'),
];
for (const [name, tls, condition, asks, codes] of clients)
  test(`client certificates: ${name}`, () => {
    const found = world(frontend(tls), cert, ...maps);
    assert.deepEqual(found.codes(), codes);
    // Plain HTTP is never concerned.
    assert.equal(listeners(found)[0], good);
    assert.match(listeners(found)[1], condition);
    const server = found.snapshot.listeners.find((one) => one.port === 443)?.chains?.[0].tls;
    assert.equal(server?.clientCertificate ?? null, asks);
    assert.equal((server?.ca ?? null) === null, asks === null || asks === 'none');
    const insecure = conditions(found.status('Gateway', 'g').conditions).includes(
      'InsecureFrontendValidationMode=True:ConfigurationChanged',
    );
    assert.equal(insecure, asks === 'ask');
  });

test('client certificates: frontendValidation of the listener itself', () => {
  const own = `{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}], frontendValidation: {caCertificateRefs: [{kind: ConfigMap, name: ca}]}}}`;
  const found = world(gateway('g', own), cert, ca);
  assert.deepEqual(found.codes(), []);
  assert.equal(found.snapshot.listeners[0].chains?.[0].tls?.clientCertificate, 'require');
  const none = world(gateway('g', own.replace('[{kind: ConfigMap, name: ca}]', '[]')), cert);
  assert.match(listeners(none)[0], /^Accepted=False:NoValidCACertificate/);
});

test('TLSRoute: passthrough by SNI; what no route names is closed', () => {
  const found = world(
    gateway('g', `{name: tls, port: 443, protocol: TLS, hostname: "*.example.com", ${passthrough}}`),
    backends,
    l4('TLSRoute', 'one', '{name: g}', `hostnames: [a.example.com, other.org]\n  ${to('v1')}`),
    l4('TLSRoute', 'wide', '{name: g}', `hostnames: ["*.b.example.com"]\n  ${to('v2')}`),
    l4('TLSRoute', 'lost', '{name: g}', `hostnames: [other.org]\n  ${to('v3')}`),
  );
  assert.deepEqual(found.codes(), ['WR0304']);
  assert.deepEqual(found.snapshot.listeners[0].protocol, 'tcp');
  assert.equal(found.connect({ at: '443', sni: 'a.example.com' }), 'v1');
  assert.equal(found.connect({ at: '443', sni: 'x.b.example.com' }), 'v2');
  for (const sni of ['c.example.com', 'other.org', '']) assert.equal(found.connect({ at: '443', sni }), 'closed');
  assert.equal(found.connect({ at: '443' }), 'closed');
  assert.equal(parent(found, 'TLSRoute', 'one'), attached);
  assert.match(parent(found, 'TLSRoute', 'lost'), /^Accepted=False:NoMatchingListenerHostname/);
  assert.deepEqual(found.status('Gateway', 'g').listeners[0].supportedKinds, ['TLSRoute']);
  assert.equal(found.status('Gateway', 'g').listeners[0].attachedRoutes, 2);
});

test('TLSRouteModeTerminate and TLSRouteModeMixed: HTTPS, TLS that ends and TLS that passes on one port', () => {
  const found = world(
    gateway(
      'g',
      `{name: web, port: 443, protocol: HTTPS, hostname: web.example.com, ${terminate}}`,
      `{name: ends, port: 443, protocol: TLS, hostname: ends.example.com, ${terminate}}`,
      `{name: passes, port: 443, protocol: TLS, ${passthrough}}`,
    ),
    cert,
    backends,
    l4('TLSRoute', 'ends', '{name: g, sectionName: ends}', `hostnames: [ends.example.com]\n  ${to('v1 9', 'v2 1')}`),
    l4('TLSRoute', 'passes', '{name: g, sectionName: passes}', to('v3')),
    route('r', `  rules:\n${rule('', 'v1')}`, { parent: '{name: g, sectionName: web}' }),
  );
  assert.deepEqual(found.codes(), []);
  assert.equal(found.connect({ at: '443', sni: 'web.example.com' }), 'tls http infra/g/web');
  assert.equal(found.connect({ at: '443', sni: 'ends.example.com' }), 'tls v1 9, v2 1');
  assert.equal(found.connect({ at: '443', sni: 'elsewhere.example.com' }), 'v3');
  assert.equal(found.connect({ at: '443' }), 'closed');
  assert.deepEqual(listeners(found), [good, good, good]);
});

test('a kind that the listener does not serve is refused with its reason', () => {
  const found = world(
    gateway('g', '{name: web, port: 80, protocol: HTTP}', `{name: tls, port: 443, protocol: TLS, ${passthrough}}`),
    backends,
    l4('TLSRoute', 'wrong', '{name: g, sectionName: web}', `hostnames: [a.example]\n  ${to('v1')}`),
    route('r', `  rules:\n${rule('', 'v1')}`, { parent: '{name: g, sectionName: tls}' }),
  );
  assert.match(parent(found, 'TLSRoute', 'wrong'), /^Accepted=False:UnsupportedValue/);
  assert.match(parent(found, 'HTTPRoute', 'r'), /^Accepted=False:NotAllowedByListeners/);
});

test('the older of two TLSRoutes for one name has it; a narrower name of a younger one counts', () => {
  const found = world(
    gateway('g', `{name: tls, port: 443, protocol: TLS, ${passthrough}}`),
    backends,
    l4('TLSRoute', 'young', '{name: g}', `hostnames: [a.example, b.example]\n  ${to('v1')}`, '2024-02-01T00:00:00Z'),
    l4('TLSRoute', 'old', '{name: g}', `hostnames: [a.example, "*.example"]\n  ${to('v2')}`, '2024-01-01T00:00:00Z'),
  );
  assert.deepEqual(found.codes(), ['WR0328']);
  assert.equal(found.connect({ at: '443', sni: 'a.example' }), 'v2');
  assert.equal(found.connect({ at: '443', sni: 'b.example' }), 'v1');
  assert.equal(found.connect({ at: '443', sni: 'c.example' }), 'v2');
});

test('TCPRoute: weights, an invalid backend closes its share, one route for a listener', () => {
  const found = world(
    gateway('g', '{name: tcp, port: 5432, protocol: TCP}', '{name: idle, port: 5433, protocol: TCP}'),
    backends,
    l4('TCPRoute', 'db', '{name: g, sectionName: tcp}', to('v1 8', 'gone 2'), '2024-01-01T00:00:00Z'),
    l4('TCPRoute', 'late', '{name: g, sectionName: tcp}', to('v2')),
  );
  assert.deepEqual(found.codes(), ['WR0305', 'WR0328']);
  assert.equal(found.connect({ at: '5432' }), 'v1 8, closed 2');
  assert.equal(found.connect({ at: '5432', sni: 'a.example' }), 'v1 8, closed 2');
  assert.equal(found.connect({ at: '5433' }), 'closed');
  assert.equal(parent(found, 'TCPRoute', 'db'), 'Accepted=True:Accepted ResolvedRefs=False:BackendNotFound');
  assert.deepEqual(listeners(found), [good, good]);
});

test('a route that gets nothing is told once, however many addresses the Gateway has', () => {
  const found = world(
    gateway('g', '{name: tcp, port: 5432, protocol: TCP}').replace(
      '  listeners:',
      '  addresses: [{value: 127.0.0.1}, {value: 127.0.0.2}]\n  listeners:',
    ),
    backends,
    l4('TCPRoute', 'db', '{name: g}', to('v1'), '2024-01-01T00:00:00Z'),
    l4('TCPRoute', 'late', '{name: g}', to('v2')),
  );
  assert.deepEqual(found.codes(), ['WR0328']);
  assert.deepEqual(
    found.snapshot.listeners.map(({ name, chains = [] }) => [name, chains.map(({ forward }) => forward?.route)]),
    [
      ['127.0.0.1:5432', ['infra/db/0']],
      ['127.0.0.2:5432', ['infra/db/0']],
    ],
  );
});

test('TCPRoute on a TLS listener: TLS ends, whatever the name', () => {
  const found = world(
    gateway('g', `{name: tls, port: 6000, protocol: TLS, ${terminate}}`),
    cert,
    backends,
    l4('TCPRoute', 'db', '{name: g}', to('v1')),
  );
  assert.deepEqual(found.codes(), []);
  assert.equal(found.connect({ at: '6000', sni: 'a.example' }), 'tls v1');
  assert.equal(found.connect({ at: '6000' }), 'closed');
});

test('UDPRoute: a port of UDP beside one of TCP with its number', () => {
  const dns = services('infra', 'dns')
    .replace(
      'ports: [{protocol: TCP, port: 8080, targetPort: 3000}]',
      'ports: [{name: t, port: 8080}, {name: u, protocol: UDP, port: 8080}]',
    )
    .replace('ports: [{port: 3000}]', 'ports: [{name: t, port: 3000}, {name: u, protocol: UDP, port: 3053}]');
  const found = world(
    gateway('g', '{name: tcp, port: 53, protocol: TCP}', '{name: udp, port: 53, protocol: UDP}'),
    dns,
    backends,
    l4('UDPRoute', 'u', '{name: g}', to('dns')),
    l4('TCPRoute', 't', '{name: g}', to('dns')),
  );
  assert.deepEqual(found.codes(), []);
  assert.equal(found.connect({ at: '53/udp' }), 'dns');
  assert.equal(found.connect({ at: '53' }), 'dns');
  assert.deepEqual(
    found.snapshot.listeners.map(({ name, protocol }) => [name, protocol]),
    [
      ['0.0.0.0:53', 'tcp'],
      ['0.0.0.0:53/udp', 'udp'],
    ],
  );
  assert.deepEqual(
    found.snapshot.clusters.map((one) => one.endpoints.map(({ port }) => port)),
    [[3053], [3000]],
  );
  const tcpOnly = world(gateway('g', '{name: udp, port: 53, protocol: UDP}'), backends, l4('UDPRoute', 'u', '{name: g}', to('v1')));
  assert.deepEqual(tcpOnly.codes(), ['WR0308']);
  assert.equal(tcpOnly.connect({ at: '53/udp' }), 'closed');
});

test('routes of layer 4 need a ReferenceGrant for another namespace; further rules are told', () => {
  const far = `rules: [{backendRefs: [{name: v1, namespace: other, port: 8080}]}, {backendRefs: [{name: v2, port: 8080}]}]`;
  const world_ = (...more: readonly string[]): World =>
    world(
      gateway('g', '{name: tcp, port: 5432, protocol: TCP}'),
      services('other', 'v1'),
      backends,
      l4('TCPRoute', 'db', '{name: g}', far),
      ...more,
    );
  const without = world_();
  assert.deepEqual(without.codes().toSorted(), ['WR0306', 'WR0328']);
  assert.match(parent(without, 'TCPRoute', 'db'), /ResolvedRefs=False:RefNotPermitted/);
  assert.equal(without.connect({ at: '5432' }), 'closed');
  assert.equal(world_(grant('TCPRoute', 'Service')).connect({ at: '5432' }), 'v1');
});

test('GRPCRoute reaches its backends by HTTP/2, an HTTPRoute to the same port does not', () => {
  const found = world(
    gateway('g', '{name: web, port: 80, protocol: HTTP}'),
    backends,
    route('grpc', '  hostnames: [g.example]\n  rules: [{backendRefs: [{name: v1, port: 8080}]}]', {
      kind: 'GRPCRoute',
      parent: '{name: g}',
    }),
    route('http', `  hostnames: [h.example]\n  rules:\n${rule('', 'v1')}`, { parent: '{name: g}' }),
  );
  assert.equal(found.upstream({ url: 'g.example/a.B/C' }), 'http2');
  assert.equal(found.upstream({ url: 'h.example/' }), 'http1');
});

test('Gateways share a port of TLS by hostname; the older one keeps a name, and another protocol has no place', () => {
  const found = world(
    gateway('a', `{name: one, port: 443, protocol: HTTPS, hostname: one.example.com, ${terminate}}`),
    gateway(
      'b',
      `{name: two, port: 443, protocol: TLS, hostname: two.example.com, ${passthrough}}`,
      `{name: clash, port: 443, protocol: TLS, hostname: one.example.com, ${passthrough}}`,
    ),
    gateway('c', '{name: plain, port: 443, protocol: HTTP, hostname: three.example.com}', '{name: quic, port: 443, protocol: UDP}'),
    cert,
    backends,
    route('r', `  rules:\n${rule('', 'v1')}`, { parent: '{name: a}' }),
    l4('TLSRoute', 't', '{name: b, sectionName: two}', `hostnames: [two.example.com]\n  ${to('v2')}`),
  );
  assert.deepEqual(found.codes(), ['WR0309', 'WR0309']);
  assert.match(listeners(found, 'b')[1], /Conflicted=True:ProtocolConflict/);
  assert.match(listeners(found, 'c')[0], /Conflicted=True:ProtocolConflict/);
  assert.equal(listeners(found, 'c')[1], good);
  assert.equal(found.connect({ at: '443', sni: 'one.example.com' }), 'tls http infra/a/one');
  assert.equal(found.connect({ at: '443', sni: 'two.example.com' }), 'v2');
  assert.equal(found.connect({ at: '443' }), 'closed');
});
