import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Cluster } from '../../model/cluster.ts';
import { compileSources, defaultOptions, type LastGood } from '../compile.ts';
import { codes, load } from './fixture.ts';
import { parseTarget } from './targets.ts';

const head = '_format_version: "3.0"\n';
const uuid = '1b2b8b1a-0a52-4d1c-8d0a-000000000001';

const rows: readonly { readonly name: string; readonly text: string; readonly codes: readonly string[] }[] = [
  { name: 'a service that is not there', text: 'routes: [{name: r, paths: [/], service: x}]', codes: ['WR0401'] },
  { name: 'a reference of a wrong form', text: 'routes: [{name: r, paths: [/], service: [x]}]', codes: ['WR0105'] },
  { name: 'a target without its upstream', text: 'targets: [{target: "a:1", upstream: x}]', codes: ['WR0401'] },
  { name: 'a route without criteria', text: 'routes: [{name: r}]', codes: ['WR0402'] },
  { name: 'protocols that exclude one another', text: 'routes: [{name: r, paths: [/], protocols: [http, tcp]}]', codes: ['WR0105'] },
  { name: 'server names on plain text', text: 'routes: [{name: r, protocols: [http], snis: [a]}]', codes: ['WR0402'] },
  { name: 'paths on TCP', text: 'routes: [{name: r, protocols: [tcp], paths: [/]}]', codes: ['WR0402', 'WR0402'] },
  { name: 'criteria beside an expression', text: 'routes: [{name: r, hosts: [a], expression: \'http.path == "/"\'}]', codes: ['WR0402'] },
  { name: 'priority without an expression', text: 'routes: [{name: r, paths: [/], priority: 1}]', codes: ['WR0402'] },
  { name: 'a path on a gRPC service', text: 'services: [{name: s, host: h, protocol: grpc, path: /a}]', codes: ['WR0402'] },
  { name: 'a TLS setting on a plain service', text: 'services: [{name: s, host: h, tls_verify: true}]', codes: ['WR0402'] },
  { name: 'an upstream over TLS that nobody looks at', text: 'services: [{name: s, host: h, protocol: https}]', codes: ['WR0416'] },
  { name: 'an upstream over TLS', text: 'services: [{name: s, host: h, protocol: https, tls_verify: true}]', codes: [] },
  {
    name: 'TLS settings that do not run',
    text: 'services: [{name: s, host: h, protocol: https, tls_verify: true, tls_verify_depth: 2}]',
    codes: ['WR0108'],
  },
  {
    name: 'an authority that is not there',
    text: `services: [{name: s, host: h, protocol: https, tls_verify: true, ca_certificates: [${uuid}]}]`,
    codes: ['WR0401'],
  },
  {
    name: 'requests to a service for connections',
    text: 'services: [{name: s, host: h, protocol: tcp, routes: [{name: r, paths: [/]}]}]',
    codes: ['WR0404'],
  },
  { name: 'an expression that is not valid', text: "routes: [{name: r, expression: 'http.path'}]", codes: ['WR0407'] },
  { name: 'an expression that does not run', text: "routes: [{name: r, expression: 'net.src.ip == 10.0.0.1'}]", codes: ['WR0408'] },
  { name: 'a route for https alone', text: 'routes: [{name: r, paths: [/], protocols: [https]}]', codes: ['WR0410'] },
  { name: 'a certificate that is none', text: 'certificates: [{cert: c, key: k}]', codes: ['WR0331', 'WR0331'] },
  { name: 'an SNI that is none', text: `snis: [{name: "a..b", certificate: {id: ${uuid}}}]`, codes: ['WR0105', 'WR0401'] },
  { name: 'a route for TCP', text: 'routes: [{name: r, protocols: [tcp], destinations: [{port: 9000}]}]', codes: [] },
  {
    name: 'a stream route with an expression',
    text: "routes: [{name: r, protocols: [tcp], expression: 'net.dst.port == 9000'}, {name: o, protocols: [tcp], destinations: [{port: 9000}]}]",
    codes: ['WR0408'],
  },
  { name: 'a route for TCP without a port', text: 'routes: [{name: r, protocols: [tcp], sources: [{ip: 10.0.0.1}]}]', codes: ['WR0412'] },
  {
    name: 'a route for TLS without a certificate',
    text: 'routes: [{name: r, protocols: [tls], snis: [a.example], destinations: [{port: 9000}]}]',
    codes: ['WR0417'],
  },
  {
    name: 'a plugin that restricts connections',
    text: 'routes: [{name: r, protocols: [tcp], destinations: [{port: 9000}]}]\nplugins: [{name: ip-restriction, config: {allow: [10.0.0.1]}}]',
    codes: ['WR0109', 'WR0109'],
  },
  { name: 'a disabled service', text: 'services: [{name: s, host: h, enabled: false, routes: [{paths: [/]}]}]', codes: ['WR0413'] },
  { name: 'a key that expires', text: 'consumers: [{username: a, keyauth_credentials: [{key: k, ttl: 10}]}]', codes: ['WR0414'] },
  { name: 'a key that never expires', text: 'consumers: [{username: a, keyauth_credentials: [{key: k, ttl: 0}]}]', codes: [] },
  { name: 'a key without consumer', text: 'keyauth_credentials: [{key: k}]', codes: ['WR0106'] },
  { name: 'an upstream without targets', text: 'upstreams: [{name: u}]', codes: ['WR0415'] },
  { name: 'client addresses', text: 'routes: [{name: r, paths: [/], sources: [{port: 1}]}]', codes: ['WR0109'] },
  { name: 'retries', text: 'services: [{name: s, host: h, retries: 5}]', codes: ['WR0108'] },
  { name: 'retries as they run', text: 'services: [{name: s, host: h, retries: 1}]', codes: [] },
  {
    name: 'buffering that was asked for',
    text: 'routes: [{name: r, paths: [/], request_buffering: true, response_buffering: false}]',
    codes: ['WR0108'],
  },
  {
    name: 'health checks that are switched off',
    text: 'upstreams: [{name: u, healthchecks: {threshold: 0, active: {healthy: {interval: 0}}, passive: {unhealthy: {http_failures: 0}}}, targets: [{target: a}]}]',
    codes: [],
  },
  {
    name: 'health checks and the hash ring',
    text: 'upstreams: [{name: u, slots: 100, hash_on: ip, healthchecks: {threshold: 5, passive: {unhealthy: {timeouts: 1}}}, targets: [{target: a}]}]',
    codes: ['WR0108', 'WR0108', 'WR0108', 'WR0108'],
  },
  { name: 'the vault that runs', text: 'vaults: [{name: env, prefix: my-env, config: {prefix: X_}}]', codes: [] },
  { name: 'a vault that does not run', text: 'vaults: [{name: hcv, prefix: my-hcv, config: {host: h}}]', codes: ['WR0108'] },
  { name: 'keys of key sets', text: 'key_sets: [{name: k, keys: [{kid: a, jwk: "{}"}]}]', codes: ['WR0108', 'WR0108'] },
];
for (const { name, text, codes: expected } of rows) test(`diagnostics: ${name}`, () => assert.deepEqual(codes(head + text), expected));

test('regular expressions of format 2.1 are told', () => {
  assert.deepEqual(codes('_format_version: "2.1"\nroutes: [{name: r, paths: ["/a+"]}]'), ['WR0411']);
});

const only = (text: string): Cluster | undefined =>
  load(`${head}services: [{name: s, ${text.split('\n')[0]}, routes: [{name: r, paths: [/]}]}]\n${text.split('\n').slice(1).join('\n')}`)
    .fragment.clusters[0];

const clusters: readonly { readonly name: string; readonly text: string; readonly expect: Partial<Cluster> }[] = [
  { name: 'an address', text: 'host: 10.0.0.1, port: 81', expect: { discovery: 'static', declared: true, hostHeader: '10.0.0.1:81' } },
  { name: 'an IPv6 address', text: 'host: "::1"', expect: { discovery: 'static', declared: true, hostHeader: '[::1]' } },
  { name: 'a name', text: 'host: Some.Name', expect: { discovery: 'dns', declared: false, service: 'some.name' } },
  {
    name: 'an upstream, its weights kept',
    text: 'host: u\nupstreams: [{name: u, targets: [{target: "10.0.0.1:1", weight: 7}, {target: "10.0.0.2", weight: 0}]}]',
    expect: {
      declared: true,
      discovery: 'static',
      endpoints: [
        { address: '10.0.0.1', port: 1, weight: 7, labels: {}, locality: '' },
        { address: '10.0.0.2', port: 8000, weight: 0, labels: {}, locality: '' },
      ],
      balancer: { policy: 'round-robin' },
    },
  },
  {
    name: 'an upstream of names, with its own host header',
    text: 'host: u\nupstreams: [{name: u, algorithm: least-connections, host_header: h.example.com}]\ntargets: [{upstream: u, target: "a.b:1"}]',
    expect: { discovery: 'dns', hostHeader: 'h.example.com', balancer: { policy: 'least-request', choices: 2 } },
  },
  {
    name: 'an upstream without targets has no endpoints',
    text: 'host: u\nupstreams: [{name: u}]',
    expect: { endpoints: [], declared: true },
  },
  {
    name: 'a broken upstream is not looked up elsewhere',
    text: 'host: u\nupstreams: [{name: u, slots: 1}]',
    expect: { endpoints: [], blocked: "upstream 'u' is quarantined" },
  },
  {
    name: 'TLS as Kong has it by default',
    text: 'host: h, protocol: https, port: 443',
    expect: { transport: 'tls', hostHeader: 'h', tls: { sni: null, verify: false, ca: null, subjectAltNames: [], certificate: null } },
  },
  {
    name: 'TLS that is verified',
    text: 'host: h, protocol: https, tls_verify: true',
    expect: { transport: 'tls', tls: { sni: null, verify: true, ca: null, subjectAltNames: [], certificate: null } },
  },
  { name: 'gRPC', text: 'host: h, protocol: grpc', expect: { transport: 'plaintext', protocol: 'http2' } },
  { name: 'gRPC over TLS', text: 'host: h, protocol: grpcs, port: 443', expect: { transport: 'tls', protocol: 'http2', hostHeader: 'h' } },
  {
    name: 'an authority that is not there closes it',
    text: `host: h, protocol: https, tls_verify: true, ca_certificates: [${uuid}]`,
    expect: { transport: 'tls', blocked: `CA certificate '${uuid}' is not there` },
  },
  {
    name: 'a client certificate that is broken closes it',
    text: `host: h, protocol: https, client_certificate: {id: ${uuid}}\ncertificates: [{id: ${uuid}, cert: c, key: k}]`,
    expect: { transport: 'tls', blocked: 'its client certificate is not there or is quarantined' },
  },
];
for (const { name, text, expect } of clusters)
  test(`cluster: ${name}`, () => {
    const cluster = only(text);
    assert.deepEqual(
      cluster === undefined ? null : Object.fromEntries(Object.entries(cluster).filter(([key]) => Object.hasOwn(expect, key))),
      expect,
    );
  });

for (const [target, address, port] of [
  ['a', 'a', 8000],
  ['A.b:1', 'a.b', 1],
  ['[::1]', '::1', 8000],
  ['[::1]:2', '::1', 2],
  ['::1', '::1', 8000],
] as const)
  test(`target ${target}`, () => assert.deepEqual(parseTarget(target), { address, port }));

const compile = (texts: readonly string[], memory: LastGood | null = null) =>
  compileSources(
    texts.map((text, index) => ({ file: `${index}.yaml`, text })),
    defaultOptions,
    memory,
  );

test('a service of another dialect answers for its name', async () => {
  const entry = `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: e, namespace: default}
spec:
  hosts: [example-service]
  ports: [{number: 8080, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 127.0.0.1, ports: {http: 9001}}]
`;
  const kong = `${head}services: [{name: s, host: example-service, port: 8080, routes: [{paths: [/]}]}]`;
  const { snapshot } = await compile([entry, kong]);
  const cluster = snapshot.clusters.find((one) => one.name === 'kong/s');
  assert.deepEqual(
    cluster?.endpoints.map(({ address, port }) => [address, port]),
    [['127.0.0.1', 9001]],
  );
  assert.equal(cluster?.hostHeader, 'example-service:8080');
});

test('upstreams alone open no port', () => {
  assert.deepEqual(load(`${head}upstreams: [{name: u, targets: [{target: "a:1"}]}]`).fragment.listeners, []);
  assert.equal(load(`${head}consumers: [{username: a}]`).fragment.listeners.length, 2);
});

const served = (plugin: string): string =>
  `${head}services: [{name: s, host: 127.0.0.1, routes: [{name: r, paths: [/], plugins: [${plugin}]}, {name: other, paths: [/o]}]}]`;

test('a broken plugin keeps its last good version', async () => {
  const first = await compile([served('{name: rate-limiting, config: {minute: 5}}')]);
  const second = await compile([served('{name: rate-limiting, config: {minute: five}}')], first.memory);
  const filter = second.snapshot.routes.find((one) => one.name === 'r')?.filters[0];
  assert.equal(filter?.blocked, undefined);
  assert.match(JSON.stringify(filter?.config), /"requests":5/);
  assert.equal(second.snapshot.status.find((one) => one.kind === 'Plugin')?.quarantined, true);
});

test('a broken plugin without a last good version closes its route alone', async () => {
  const { snapshot } = await compile([served('{name: rate-limiting, config: {minute: five}}')]);
  assert.equal(snapshot.routes.find((one) => one.name === 'r')?.filters[0]?.blocked?.status, 503);
  assert.deepEqual(snapshot.routes.find((one) => one.name === 'other')?.filters, []);
});

test('a file that no longer parses keeps what it held', async () => {
  const first = await compile([served('{name: key-auth}')]);
  const { snapshot } = await compile([`${served('{name: key-auth}')}\n  - [`], first.memory);
  assert.equal(snapshot.routes.length, 2);
  assert.equal(snapshot.routes[0]?.filters[0]?.name, 'key-auth');
});

test('what can be read of a damaged file is never applied', async () => {
  const { snapshot } = await compile([`${head}services:\n- {name: s, host: h, routes: [{name: r, paths: [/]}]}\nconsumers:\n  - {\n`]);
  assert.deepEqual(snapshot.routes, []);
});

test('references by id, and entities of several documents, come together', async () => {
  const { snapshot } = await compile([
    `${head}services: [{id: ${uuid}, host: 127.0.0.1}]`,
    `${head}routes: [{name: r, paths: [/], service: {id: ${uuid.toUpperCase()}}}]\nplugins: [{name: key-auth, service: ${uuid}}]`,
  ]);
  const route = snapshot.routes.find((one) => one.name === 'r');
  assert.equal(route?.action.kind, 'forward');
  assert.equal(route?.filters[0]?.name, 'key-auth');
});

test('ten thousand routes translate without looking at each other', () => {
  const routes = Array.from({ length: 10_000 }, (_, index) => ({ name: `r${index}`, paths: [`/p${index}`], service: 's' }));
  const { fragment } = load(
    JSON.stringify({ _format_version: '3.0', services: [{ name: 's', host: '127.0.0.1' }], routes, plugins: [{ name: 'key-auth' }] }),
  );
  assert.equal(fragment.routes.length, 10_000);
  assert.equal(fragment.routes[0]?.filters[0], fragment.routes[9_999]?.filters[0]);
});
