import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewayNetworkingK8sIo } from '@kubernetes-models/gateway-api';
import type { LocatedDocument, Resource } from '../dialect.ts';
import { gatewayApi } from './index.ts';

function read(value: unknown): Resource {
  const document: LocatedDocument = { file: 'x.yaml', index: 0, value, locate: () => ({ line: 1, column: 1 }) };
  assert.ok(gatewayApi.recognises(document));
  const [resource] = gatewayApi.read(document);
  return resource;
}

const many = <Value>(count: number, make: (index: number) => Value): Value[] => Array.from({ length: count }, (_, index) => make(index));
const backend = { name: 'app', port: 80 };
const httpRoute = (spec: object, apiVersion = 'gateway.networking.k8s.io/v1'): object => ({
  apiVersion,
  kind: 'HTTPRoute',
  metadata: { name: 'r' },
  spec,
});
const httpRule = (rule: object): object => httpRoute({ rules: [{ backendRefs: [backend], ...rule }] });
const httpMatch = (match: object): object => httpRule({ matches: [match] });
const httpPath = (type: string, value: string): object => httpMatch({ path: { type, value } });
const filter = (type: string, field: string, value: object, rule: object = {}): object =>
  httpRule({ filters: [{ type, [field]: value }], ...rule });
const grpcMatch = (method: object): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'GRPCRoute',
  metadata: { name: 'r' },
  spec: { rules: [{ matches: [{ method }] }] },
});
const gateway = (...listeners: object[]): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'g' },
  spec: { gatewayClassName: 'c', listeners },
});
const web = { name: 'web', port: 80, protocol: 'HTTP' };

const mutual = (perPort: readonly object[]): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'Gateway',
  metadata: { name: 'g' },
  spec: { gatewayClassName: 'c', listeners: [web], tls: { frontend: { default: {}, perPort } } },
});
const tlsPolicy = (targets: readonly object[]): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind: 'BackendTLSPolicy',
  metadata: { name: 'p' },
  spec: {
    targetRefs: targets.map((target) => ({ group: '', kind: 'Service', name: 's', ...target })),
    validation: { hostname: 'a.example', wellKnownCACertificates: 'System' },
  },
});
const l4 = (kind: string, rules: readonly object[]): object => ({
  apiVersion: 'gateway.networking.k8s.io/v1',
  kind,
  metadata: { name: 'r' },
  spec: { rules },
});

interface Row {
  readonly name: string;
  readonly value: object;
  /** Codes of the diagnostics; none: the value is accepted. */
  readonly codes: readonly string[];
  /** The CRD cannot say so, or the package's version of it says otherwise. */
  readonly beyondCrd?: boolean;
}

const ok: readonly string[] = [];
const bad = ['WR0105'];

const rows: readonly Row[] = [
  { name: 'smallest HTTPRoute', value: httpRoute({}), codes: ok },
  { name: 'unknown field', value: httpRoute({ hosts: [] }), codes: ['WR0104'], beyondCrd: true },
  { name: 'version that never was', value: httpRoute({}, 'gateway.networking.k8s.io/v2'), codes: bad, beyondCrd: true },
  { name: 'retired version', value: httpRoute({}, 'gateway.networking.k8s.io/v1alpha2'), codes: ['WR0110'], beyondCrd: true },
  { name: '16 hostnames', value: httpRoute({ hostnames: many(16, (i) => `h${i}.example`) }), codes: ok },
  { name: '17 hostnames', value: httpRoute({ hostnames: many(17, (i) => `h${i}.example`) }), codes: bad },
  { name: 'hostname in upper case', value: httpRoute({ hostnames: ['A.example'] }), codes: bad },
  { name: 'hostname with a port', value: httpRoute({ hostnames: ['a.example:80'] }), codes: bad },
  { name: 'hostname with a wildcard inside', value: httpRoute({ hostnames: ['a.*.example'] }), codes: bad },
  { name: 'hostname that is an IP address', value: httpRoute({ hostnames: ['192.0.2.1'] }), codes: bad, beyondCrd: true },
  { name: '16 rules', value: httpRoute({ rules: many(16, () => ({})) }), codes: ok },
  { name: '17 rules', value: httpRoute({ rules: many(17, () => ({})) }), codes: bad },
  { name: '32 parents', value: httpRoute({ parentRefs: many(32, (i) => ({ name: `g${i}` })) }), codes: ok },
  { name: '33 parents', value: httpRoute({ parentRefs: many(33, (i) => ({ name: `g${i}` })) }), codes: bad },
  {
    name: 'one parent twice, by sections',
    value: httpRoute({
      parentRefs: [
        { name: 'g', sectionName: 'a' },
        { name: 'g', sectionName: 'b' },
      ],
    }),
    codes: ok,
  },
  {
    name: 'one parent twice, once without a section',
    value: httpRoute({ parentRefs: [{ name: 'g' }, { name: 'g', sectionName: 'b' }] }),
    codes: bad,
    beyondCrd: true,
  },
  { name: 'parent without a name', value: httpRoute({ parentRefs: [{}] }), codes: ['WR0106'] },
  {
    name: '64 matches in a rule',
    value: httpRule({ matches: many(64, (i) => ({ path: { value: `/${i}` } })) }),
    codes: ok,
    beyondCrd: true,
  },
  { name: '65 matches in a rule', value: httpRule({ matches: many(65, (i) => ({ path: { value: `/${i}` } })) }), codes: bad },
  {
    name: '129 matches in a route',
    value: httpRoute({ rules: many(3, () => ({ matches: many(43, () => ({})) })) }),
    codes: bad,
    beyondCrd: true,
  },
  { name: '16 backends', value: httpRule({ backendRefs: many(16, () => backend) }), codes: ok },
  { name: '17 backends', value: httpRule({ backendRefs: many(17, () => backend) }), codes: bad },
  { name: 'weight 1000000', value: httpRule({ backendRefs: [{ ...backend, weight: 1_000_000 }] }), codes: ok },
  { name: 'weight 1000001', value: httpRule({ backendRefs: [{ ...backend, weight: 1_000_001 }] }), codes: bad },
  { name: 'negative weight', value: httpRule({ backendRefs: [{ ...backend, weight: -1 }] }), codes: bad },
  { name: 'Service without a port', value: httpRule({ backendRefs: [{ name: 'app' }] }), codes: bad, beyondCrd: true },
  { name: 'port 0', value: httpRule({ backendRefs: [{ name: 'app', port: 0 }] }), codes: bad },
  { name: 'path of 1024 characters', value: httpPath('Exact', `/${'a'.repeat(1023)}`), codes: ok },
  { name: 'path of 1025 characters', value: httpPath('Exact', `/${'a'.repeat(1024)}`), codes: bad },
  { name: 'path without a slash', value: httpPath('PathPrefix', 'a'), codes: bad, beyondCrd: true },
  { name: 'path with //', value: httpPath('PathPrefix', '/a//b'), codes: bad, beyondCrd: true },
  { name: 'path with /../', value: httpPath('Exact', '/a/../b'), codes: bad, beyondCrd: true },
  { name: 'path that ends with /.', value: httpPath('Exact', '/a/.'), codes: bad, beyondCrd: true },
  { name: 'path with an encoded slash', value: httpPath('Exact', '/a%2Fb'), codes: bad, beyondCrd: true },
  { name: 'path with a fragment', value: httpPath('Exact', '/a#b'), codes: bad, beyondCrd: true },
  { name: 'path with a space', value: httpPath('Exact', '/a b'), codes: bad, beyondCrd: true },
  { name: 'regular expression of any shape', value: httpPath('RegularExpression', 'a//b#'), codes: ok },
  { name: 'unknown path type', value: httpPath('Suffix', '/a'), codes: bad },
  { name: 'method in lower case', value: httpMatch({ method: 'get' }), codes: bad },
  { name: '17 headers', value: httpMatch({ headers: many(17, (i) => ({ name: `h${i}`, value: 'v' })) }), codes: bad },
  { name: 'header name with a colon', value: httpMatch({ headers: [{ name: ':path', value: 'v' }] }), codes: bad },
  { name: 'empty header value', value: httpMatch({ headers: [{ name: 'h', value: '' }] }), codes: bad },
  { name: 'duration', value: httpRule({ timeouts: { request: '1h30m10s500ms' } }), codes: ok },
  { name: 'duration without a unit', value: httpRule({ timeouts: { request: '10' } }), codes: bad },
  { name: 'fraction of a duration', value: httpRule({ timeouts: { request: '1.5s' } }), codes: bad },
  {
    name: 'backend time over the whole',
    value: httpRule({ timeouts: { request: '1s', backendRequest: '2s' } }),
    codes: bad,
    beyondCrd: true,
  },
  { name: 'redirect beside backends', value: filter('RequestRedirect', 'requestRedirect', {}), codes: bad, beyondCrd: true },
  {
    name: 'redirect with status 304',
    value: filter('RequestRedirect', 'requestRedirect', { statusCode: 304 }, { backendRefs: [] }),
    codes: bad,
  },
  {
    name: 'rewrite with the wrong field for its type',
    value: filter('URLRewrite', 'urlRewrite', { path: { type: 'ReplaceFullPath', replacePrefixMatch: '/' } }),
    codes: ['WR0104', 'WR0106'],
    beyondCrd: true,
  },
  {
    name: 'ReplacePrefixMatch without a prefix match',
    value: filter(
      'URLRewrite',
      'urlRewrite',
      { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } },
      { matches: [{ path: { type: 'Exact', value: '/a' } }] },
    ),
    codes: bad,
    beyondCrd: true,
  },
  {
    name: 'ReplacePrefixMatch with two matches',
    value: filter('URLRewrite', 'urlRewrite', { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/' } }, { matches: [{}, {}] }),
    codes: bad,
    beyondCrd: true,
  },
  {
    name: 'two rewrites',
    value: httpRule({
      filters: [
        { type: 'URLRewrite', urlRewrite: {} },
        { type: 'URLRewrite', urlRewrite: {} },
      ],
    }),
    codes: bad,
    beyondCrd: true,
  },
  { name: 'filter without its body', value: httpRule({ filters: [{ type: 'URLRewrite' }] }), codes: ['WR0106'], beyondCrd: true },
  { name: 'unknown filter', value: httpRule({ filters: [{ type: 'Magic' }] }), codes: bad },
  {
    name: 'header set twice',
    value: filter('RequestHeaderModifier', 'requestHeaderModifier', {
      set: [
        { name: 'A', value: '1' },
        { name: 'a', value: '2' },
      ],
    }),
    codes: bad,
    beyondCrd: true,
  },
  { name: 'two rules of one name', value: httpRoute({ rules: [{ name: 'a' }, { name: 'a' }] }), codes: bad, beyondCrd: true },
  { name: 'gRPC service and method', value: grpcMatch({ service: 'a.B', method: 'C' }), codes: ok, beyondCrd: true },
  { name: 'gRPC method match that names nothing', value: grpcMatch({}), codes: bad, beyondCrd: true },
  { name: 'gRPC service with a slash', value: grpcMatch({ service: 'a/b' }), codes: bad, beyondCrd: true },
  { name: 'Gateway', value: gateway(web), codes: ok },
  { name: 'Gateway without listeners', value: gateway(), codes: bad },
  { name: '65 listeners', value: gateway(...many(65, (i) => ({ ...web, name: `l${i}`, port: 1000 + i }))), codes: bad },
  { name: 'two listeners of one name', value: gateway(web, { ...web, port: 81 }), codes: bad, beyondCrd: true },
  { name: 'tls on HTTP', value: gateway({ ...web, tls: {} }), codes: bad, beyondCrd: true },
  { name: 'hostname on TCP', value: gateway({ ...web, protocol: 'TCP', hostname: 'a.example' }), codes: bad, beyondCrd: true },
  {
    name: 'Passthrough on HTTPS',
    value: gateway({ ...web, protocol: 'HTTPS', tls: { mode: 'Passthrough' } }),
    codes: bad,
    beyondCrd: true,
  },
  {
    name: 'Gateway with client certificates by port',
    value: mutual([
      { port: 443, tls: {} },
      { port: 8443, tls: {} },
    ]),
    codes: ok,
    beyondCrd: true,
  },
  {
    name: 'one port twice',
    value: mutual([
      { port: 443, tls: {} },
      { port: 443, tls: {} },
    ]),
    codes: bad,
    beyondCrd: true,
  },
  { name: 'core protocols in any case', value: gateway({ ...web, protocol: 'http', tls: {} }), codes: bad, beyondCrd: true },
  { name: 'BackendTLSPolicy for two ports', value: tlsPolicy([{ sectionName: 'a' }, { sectionName: 'b' }]), codes: ok, beyondCrd: true },
  {
    name: 'BackendTLSPolicy for one port twice',
    value: tlsPolicy([{ sectionName: 'a' }, { sectionName: 'a' }]),
    codes: bad,
    beyondCrd: true,
  },
  { name: 'BackendTLSPolicy for a Service and its port', value: tlsPolicy([{}, { sectionName: 'a' }]), codes: bad, beyondCrd: true },
  { name: 'TLSRoute without a rule', value: l4('TLSRoute', []), codes: bad, beyondCrd: true },
  { name: 'TCPRoute without a backend', value: l4('TCPRoute', [{ backendRefs: [] }]), codes: bad, beyondCrd: true },
  { name: 'UDPRoute', value: l4('UDPRoute', [{ backendRefs: [backend] }]), codes: ok, beyondCrd: true },
  { name: 'port 65536', value: gateway({ ...web, port: 65_536 }), codes: bad },
  { name: 'null fields are absent ones', value: gateway({ ...web, hostname: null, tls: null }), codes: ok, beyondCrd: true },
];

for (const row of rows)
  test(`schema: ${row.name}`, () =>
    assert.deepEqual([...new Set(read(row.value).diagnostics.map((one) => one.code))].toSorted(), row.codes));

/** The published CRDs (v1.0) as a second opinion, without the rules that they write in CEL. */
const oracles: Readonly<Record<string, (value: object) => { validate(): void }>> = {
  HTTPRoute: (value) => Object.assign(new gatewayNetworkingK8sIo.v1.HTTPRoute({ spec: {} }), value),
  Gateway: (value) => Object.assign(new gatewayNetworkingK8sIo.v1.Gateway({ spec: { gatewayClassName: 'c', listeners: [] } }), value),
};

function oracleAccepts(kind: string, value: object): boolean {
  try {
    oracles[kind](value).validate();
    return true;
  } catch {
    return false;
  }
}

for (const row of rows.filter((one) => one.beyondCrd !== true))
  test(`the CRD agrees: ${row.name}`, () => {
    const { kind } = read(row.value);
    assert.equal(oracleAccepts(kind, row.value), row.codes.length === 0);
  });
