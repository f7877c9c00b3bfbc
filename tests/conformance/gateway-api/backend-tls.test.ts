/** BackendTLSPolicy and the client certificate of a Gateway: after the descriptions of the upstream conformance suite. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { caConfigMap, tlsSecret } from '../../support/pem.ts';
import { backends, conditions, gateway, route, rule, services, world, type World } from './world.ts';

const ca = caConfigMap('infra', 'ca');
const web = gateway('g', '{name: web, port: 80, protocol: HTTP}');
const routed = route('r', `  rules:\n${rule('{path: {value: /one}}', 'v1')}${rule('', 'v2')}`, { parent: '{name: g}' });
const policy = (name: string, spec: string, age = ''): string =>
  `---\napiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: ${name}, namespace: infra${age === '' ? '' : `, creationTimestamp: "${age}"`}}\nspec: ${spec}\n`;
const target = (name: string, section = ''): string =>
  `{group: "", kind: Service, name: ${name}${section === '' ? '' : `, sectionName: ${section}`}}`;
const caRef = (name: string, kind = 'ConfigMap'): string => `caCertificateRefs: [{group: "", kind: ${kind}, name: ${name}}]`;
const spec = (targets: string, validation: string): string =>
  `{targetRefs: [${targets}], validation: {hostname: v1.example, ${validation}}}`;
const status = (found: World, name: string): string => conditions(found.status('BackendTLSPolicy', name).conditions);
const one = { url: 'a.example/one' };
const two = { url: 'a.example/two' };
const sound = 'Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs';
const trusted = 'tls http1 sni=v1.example ca=kubernetes/ConfigMap/infra/ca#ca';

const rows: readonly {
  readonly name: string;
  readonly spec: string;
  readonly status: string;
  readonly codes: readonly string[];
  readonly one: string;
}[] = [
  { name: 'an authority of its namespace', spec: spec(target('v1'), caRef('ca')), status: sound, codes: [], one: trusted },
  {
    name: "the system's authorities",
    spec: spec(target('v1'), 'wellKnownCACertificates: System'),
    status: sound,
    codes: [],
    one: 'tls http1 sni=v1.example ca=system',
  },
  {
    name: 'subject alternative names: the hostname is SNI alone',
    spec: spec(target('v1'), `${caRef('ca')}, subjectAltNames: [{type: Hostname, hostname: x.example}, {type: URI, uri: "spiffe://a/b"}]`),
    status: sound,
    codes: [],
    one: 'tls http1 sni=v1.example names=x.example,spiffe://a/b ca=kubernetes/ConfigMap/infra/ca#ca',
  },
  {
    name: 'an authority that does not exist',
    spec: spec(target('v1'), caRef('gone')),
    status: 'Accepted=False:NoValidCACertificate ResolvedRefs=False:InvalidCACertificateRef',
    codes: ['WR0323'],
    one: 'blocked',
  },
  {
    name: 'an unsupported kind',
    spec: spec(target('v1'), caRef('ca', 'Service')),
    status: 'Accepted=False:NoValidCACertificate ResolvedRefs=False:InvalidKind',
    codes: ['WR0323'],
    one: 'blocked',
  },
  {
    name: 'a good authority beside a bad one',
    spec: spec(target('v1'), 'caCertificateRefs: [{group: "", kind: ConfigMap, name: gone}, {group: "", kind: ConfigMap, name: ca}]'),
    status: 'Accepted=True:Accepted ResolvedRefs=False:InvalidCACertificateRef',
    codes: ['WR0323'],
    one: trusted,
  },
  {
    name: 'well-known authorities that nobody knows',
    spec: spec(target('v1'), 'wellKnownCACertificates: Mozilla'),
    status: 'Accepted=False:Invalid ResolvedRefs=True:ResolvedRefs',
    codes: ['WR0326'],
    one: 'blocked',
  },
  {
    name: 'a Service that does not exist',
    spec: spec(target('gone'), caRef('ca')),
    status: 'Accepted=False:TargetNotFound ResolvedRefs=True:ResolvedRefs',
    codes: ['WR0326'],
    one: 'http1',
  },
  {
    name: 'a port that the Service does not have: all of them are meant',
    spec: spec(target('v1', 'admin'), caRef('ca')),
    status: 'Accepted=False:TargetNotFound ResolvedRefs=True:ResolvedRefs',
    codes: ['WR0326'],
    one: trusted,
  },
  {
    name: 'a kind that cannot be a target',
    spec: spec('{group: apps, kind: Deployment, name: v1}', caRef('ca')),
    status: 'Accepted=False:TargetNotFound ResolvedRefs=True:ResolvedRefs',
    codes: ['WR0326'],
    one: 'blocked',
  },
];
for (const row of rows)
  test(`BackendTLSPolicy: ${row.name}`, () => {
    const found = world(web, backends, routed, ca, policy('tls', row.spec));
    assert.deepEqual(found.codes(), row.codes);
    assert.equal(status(found, 'tls'), row.status);
    assert.equal(found.upstream(one), row.one);
    assert.equal(found.send(one), row.one === 'blocked' ? '503' : 'v1');
    assert.equal(found.upstream(two), 'http1');
  });

test('BackendTLSPolicy that is broken closes what it names, one that cannot be read its namespace', () => {
  const broken = world(
    web,
    backends,
    routed,
    policy('tls', '{targetRefs: [{group: "", kind: Service, name: v1}], validation: {hostname: v1.example}}'),
  );
  assert.deepEqual(broken.codes(), ['WR0105']);
  assert.deepEqual([broken.send(one), broken.send(two)], ['503', 'v2']);
  const unreadable = world(web, backends, routed, policy('tls', '{targetRefs: v1}'), policy('also', spec(target('v2'), caRef('ca'))), ca);
  assert.deepEqual([unreadable.send(one), unreadable.send(two)], ['503', '503']);
});

test('BackendTLSPolicyConflictResolution: the older, then the first by name; a named port is no conflict', () => {
  const system = 'wellKnownCACertificates: System';
  const port = services('infra', 'v1')
    .replace('{protocol: TCP, port: 8080', '{name: https, protocol: TCP, port: 8080')
    .replace('[{port: 3000}]', '[{name: https, port: 3000}]');
  const found = world(
    web,
    port,
    services('infra', 'v2'),
    routed,
    ca,
    policy('young', spec(target('v2'), caRef('ca')), '2024-02-01T00:00:00Z'),
    policy('old', spec(target('v2'), system), '2024-01-01T00:00:00Z'),
    policy('whole', spec(target('v1'), system)),
    policy('port', spec(target('v1', 'https'), caRef('ca'))),
  );
  assert.deepEqual(found.codes(), ['WR0327']);
  assert.match(status(found, 'young'), /^Accepted=False:Conflicted/);
  assert.equal(status(found, 'old'), sound);
  assert.equal(status(found, 'port'), sound);
  assert.equal(found.upstream(two), 'tls http1 sni=v1.example ca=system');
  assert.equal(found.upstream(one), trusted);
});

test('BackendTLSPolicy goes with appProtocol, GRPCRoute and routes of layer 4; TLS that passes through stays as it is', () => {
  const service = (name: string, protocol: string): string =>
    services('infra', name).replace('{protocol: TCP', `{protocol: TCP, appProtocol: ${protocol}`);
  const l4 = (kind: string, name: string, section: string, more = ''): string =>
    route(name, `  ${more}\n  rules: [{backendRefs: [{name: v1, port: 8080}]}]`, { kind, parent: `{name: g, sectionName: ${section}}` });
  const found = world(
    gateway(
      'g',
      '{name: web, port: 80, protocol: HTTP}',
      '{name: tcp, port: 81, protocol: TCP}',
      '{name: passes, port: 443, protocol: TLS, tls: {mode: Passthrough}}',
      '{name: ends, port: 444, protocol: TLS, tls: {certificateRefs: [{name: cert}]}}',
    ),
    tlsSecret('infra', 'cert', 'server'),
    services('infra', 'v1'),
    service('wss', 'kubernetes.io/wss'),
    service('h2c', 'kubernetes.io/h2c'),
    ca,
    policy('tls', spec([target('v1'), target('wss'), target('h2c')].join(', '), caRef('ca'))),
    route(
      'r',
      `  hostnames: [a.example]\n  rules:\n${['v1', 'wss', 'h2c'].map((name) => rule(`{path: {value: /${name}}}`, name)).join('')}`,
      {
        parent: '{name: g, sectionName: web}',
      },
    ),
    route('grpc', '  hostnames: [g.example]\n  rules: [{backendRefs: [{name: v1, port: 8080}]}]', {
      kind: 'GRPCRoute',
      parent: '{name: g, sectionName: web}',
    }),
    l4('TCPRoute', 'tcp', 'tcp'),
    l4('TLSRoute', 'passes', 'passes', 'hostnames: [p.example]'),
    l4('TLSRoute', 'ends', 'ends', 'hostnames: [e.example]'),
  );
  assert.deepEqual(found.codes(), []);
  assert.deepEqual(
    ['a.example/v1', 'a.example/wss', 'a.example/h2c', 'g.example/x.Y/Z'].map((url) => found.upstream({ url })),
    [trusted, trusted, trusted.replace('http1', 'http2'), trusted.replace('http1', 'http2')],
  );
  assert.equal(found.connect({ at: '81' }), 'v1 over tls');
  assert.equal(found.connect({ at: '443', sni: 'p.example' }), 'v1');
  assert.equal(found.connect({ at: '444', sni: 'e.example' }), 'tls v1 over tls');
});

const withCertificate = (name: string, ref: string): string =>
  gateway(name, `{name: web, port: ${name === 'g' ? 80 : 81}, protocol: HTTP}`).replace(
    '  listeners:',
    `  tls: {backend: {clientCertificateRef: ${ref}}}\n  listeners:`,
  );

test('GatewayBackendClientCertificate: only connections of TLS through this Gateway show it', () => {
  const found = world(
    withCertificate('g', '{name: own}'),
    gateway('plain', '{name: web, port: 81, protocol: HTTP}'),
    tlsSecret('infra', 'own', 'client'),
    backends,
    route('r', `  rules:\n${rule('{path: {value: /one}}', 'v1')}${rule('', 'v2')}`, { parent: '{name: g}, {name: plain}' }),
    ca,
    policy('tls', spec(target('v1'), caRef('ca'))),
  );
  assert.deepEqual(found.codes(), []);
  assert.equal(found.upstream(one), `${trusted} certificate=kubernetes/Secret/infra/own`);
  assert.equal(found.upstream(two), 'http1');
  assert.equal(found.upstream({ ...one, port: 81 }), trusted);
  const ids = found.snapshot.routes.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
});

const badRefs: readonly (readonly [name: string, ref: string, reason: string, code: string])[] = [
  ['does not exist', '{name: gone}', 'InvalidClientCertificateRef', 'WR0319'],
  ['is of another kind', '{name: own, kind: ConfigMap}', 'InvalidClientCertificateRef', 'WR0319'],
  ['is in another namespace', '{name: own, namespace: other}', 'RefNotPermitted', 'WR0306'],
];
for (const [name, ref, reason, code] of badRefs)
  test(`GatewayInvalidTLSBackendConfiguration: a client certificate that ${name}`, () => {
    const found = world(withCertificate('g', ref), tlsSecret('infra', 'own', 'client'), tlsSecret('other', 'own', 'client'));
    assert.deepEqual(found.codes(), [code]);
    assert.equal(
      conditions(found.status('Gateway', 'g').conditions),
      `Accepted=True:Accepted Programmed=True:Programmed ResolvedRefs=False:${reason}`,
    );
  });
