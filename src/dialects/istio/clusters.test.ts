import assert from 'node:assert/strict';
import { test } from 'node:test';
import { defaultOptions } from '../compile.ts';
import { compileText, told } from './fixture.ts';

const head = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: s}
spec:
  hosts: [s.default.svc.cluster.local]
  resolution: STATIC
  ports: [{number: 80, name: http}, {number: 8080, name: alt}]
  endpoints:
  - {address: 10.0.0.1, labels: {v: "1"}, weight: 3, locality: eu/a}
  - {address: 10.0.0.2, labels: {v: "2"}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec:
  hosts: [a.test]
  http:
  - route:
    - {destination: {host: s, port: {number: 80}}, weight: 1}
    - {destination: {host: s, port: {number: 80}, subset: v2}, weight: 1}
    - {destination: {host: undeclared.test, port: {number: 80}}, weight: 1}
---
`;
const rule = (spec: string, meta = 'name: d'): string =>
  `apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {${meta}}\nspec: {${spec}}\n---\n`;
const subsets = 'subsets: [{name: v2, labels: {v: "2"}}]';
const plain = 's.default.svc.cluster.local|80';
const alt = 's.default.svc.cluster.local|8080';
const v2 = 's.default.svc.cluster.local|80|v2';

/** Balancer, connect timeout, endpoints, pending fields, blocked. */
type Seen = Readonly<Record<string, string>>;

const rows: readonly {
  readonly name: string;
  readonly config: string;
  readonly expect: Seen;
  readonly labels?: Readonly<Record<string, string>>;
}[] = [
  {
    name: 'defaults are least request and 10 s; a subset takes the endpoints with its labels',
    config: rule(`host: s, ${subsets}`),
    expect: { [plain]: 'least-request 10000 10.0.0.1,10.0.0.2', [v2]: 'least-request 10000 10.0.0.2' },
  },
  {
    name: 'loadBalancer.simple and connectTimeout',
    config: rule(
      `host: s, ${subsets}, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, connectionPool: {tcp: {connectTimeout: 1.5s}}}`,
    ),
    expect: { [plain]: 'round-robin 1500 10.0.0.1,10.0.0.2', [v2]: 'round-robin 1500 10.0.0.2' },
  },
  {
    name: 'RANDOM',
    config: rule('host: s, trafficPolicy: {loadBalancer: {simple: RANDOM}}'),
    expect: { [plain]: 'random 10000 10.0.0.1,10.0.0.2' },
  },
  {
    name: 'LEAST_CONN is LEAST_REQUEST',
    config: rule('host: s, trafficPolicy: {loadBalancer: {simple: LEAST_CONN}}'),
    expect: { [plain]: 'least-request 10000 10.0.0.1,10.0.0.2' },
  },
  {
    name: 'a subset overrides whole sub-objects and keeps the others',
    config: rule(
      'host: s, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, connectionPool: {tcp: {connectTimeout: 1s}}}, subsets: [{name: v2, labels: {v: "2"}, trafficPolicy: {loadBalancer: {simple: RANDOM}}}]',
    ),
    expect: { [plain]: 'round-robin 1000 10.0.0.1,10.0.0.2', [v2]: 'random 1000 10.0.0.2' },
  },
  {
    name: 'portLevelSettings replace everything for their port and inherit nothing',
    config: rule(
      'host: s, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}, connectionPool: {tcp: {connectTimeout: 1s}}, portLevelSettings: [{port: {number: 8080}, loadBalancer: {simple: RANDOM}}]}',
    ),
    expect: { [plain]: 'round-robin 1000 10.0.0.1,10.0.0.2', [alt]: 'random 10000 10.0.0.1,10.0.0.2' },
  },
  {
    name: 'rules of one host and namespace are merged: subsets joined, the first traffic policy counts',
    config:
      rule(`host: s, ${subsets}`, 'name: one') +
      rule('host: s, trafficPolicy: {loadBalancer: {simple: RANDOM}}', 'name: two') +
      rule('host: s, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}', 'name: three'),
    expect: { [plain]: 'random 10000 10.0.0.1,10.0.0.2', [v2]: 'random 10000 10.0.0.2' },
  },
  {
    name: 'the exact host beats a wildcard, the longer wildcard a shorter one',
    config:
      rule('host: "*.local", trafficPolicy: {loadBalancer: {simple: RANDOM}}', 'name: w') +
      rule('host: "*.default.svc.cluster.local", trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}', 'name: x'),
    expect: { [plain]: 'round-robin 10000 10.0.0.1,10.0.0.2' },
  },
  {
    name: 'the namespace of the service comes first',
    config:
      rule('host: s.default.svc.cluster.local, trafficPolicy: {loadBalancer: {simple: RANDOM}}', 'name: a, namespace: other') +
      rule('host: s, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}'),
    expect: { [plain]: 'round-robin 10000 10.0.0.1,10.0.0.2' },
  },
  {
    name: 'exportTo . of another namespace does not count',
    config: rule(
      'host: s.default.svc.cluster.local, exportTo: ["."], trafficPolicy: {loadBalancer: {simple: RANDOM}}',
      'name: a, namespace: other',
    ),
    expect: { [plain]: 'least-request 10000 10.0.0.1,10.0.0.2' },
  },
  {
    name: 'an undeclared host is refined too',
    config: rule('host: undeclared.test, trafficPolicy: {loadBalancer: {simple: RANDOM}}'),
    expect: { 'undeclared.test|80': 'random 10000 undeclared.test' },
  },
  {
    name: "TLS with the mesh's certificates closes the cluster",
    config: rule('host: s, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}'),
    expect: { [plain]: 'least-request 10000 10.0.0.1,10.0.0.2 pending trafficPolicy.tls blocked' },
  },
  {
    name: 'TLS of one port closes that port alone',
    config: rule('host: s, trafficPolicy: {portLevelSettings: [{port: {number: 8080}, tls: {mode: ISTIO_MUTUAL}}]}'),
    expect: {
      [plain]: 'least-request 10000 10.0.0.1,10.0.0.2',
      [alt]: 'least-request 10000 10.0.0.1,10.0.0.2 pending trafficPolicy.tls blocked',
    },
  },
  {
    name: 'TLS DISABLE is what runs',
    config: rule('host: s, trafficPolicy: {tls: {mode: DISABLE}}'),
    expect: { [plain]: 'least-request 10000 10.0.0.1,10.0.0.2' },
  },
  {
    name: 'what does not run yet is kept',
    config: rule(
      'host: s, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true}, warmupDurationSecs: 10s}, outlierDetection: {consecutiveErrors: 1}, connectionPool: {tcp: {maxConnections: 1}, http: {maxRetries: 2}}, tunnel: {targetHost: t, targetPort: 1}}',
    ),
    expect: {
      [plain]:
        'least-request 10000 10.0.0.1,10.0.0.2 pending trafficPolicy.loadBalancer.consistentHash trafficPolicy.loadBalancer.warmup trafficPolicy.connectionPool.http.maxRetries trafficPolicy.outlierDetection trafficPolicy.tunnel trafficPolicy.connectionPool.tcp.maxConnections',
    },
  },
  {
    name: 'workloadSelector: only where the labels of this process are',
    config: rule('host: s, workloadSelector: {matchLabels: {app: edge}}, trafficPolicy: {loadBalancer: {simple: RANDOM}}'),
    labels: { app: 'edge', x: 'y' },
    expect: { [plain]: 'random 10000 10.0.0.1,10.0.0.2' },
  },
  {
    name: 'workloadSelector: not elsewhere',
    config: rule('host: s, workloadSelector: {matchLabels: {app: edge}}, trafficPolicy: {loadBalancer: {simple: RANDOM}}'),
    expect: { [plain]: 'least-request 10000 10.0.0.1,10.0.0.2' },
  },
];

for (const row of rows)
  test(`istio clusters: ${row.name}`, async () => {
    const { snapshot } = await compileText(head + row.config, { ...defaultOptions, labels: row.labels ?? null });
    const seen = Object.fromEntries(
      snapshot.clusters.map((cluster) => [
        cluster.name,
        [
          cluster.balancer.policy,
          String(cluster.connectTimeoutMs),
          cluster.endpoints.map(({ address }) => address).join(','),
          ...(cluster.pending.length === 0 ? [] : ['pending', ...cluster.pending.map(({ field }) => field)]),
          ...(cluster.blocked === undefined ? [] : ['blocked']),
        ].join(' '),
      ]),
    );
    for (const [name, expected] of Object.entries(row.expect)) assert.equal(seen[name], expected, name);
  });

const services: readonly { readonly name: string; readonly spec: string; readonly more?: string; readonly expect: string }[] = [
  {
    name: 'STATIC with port names, target ports, weights and localities',
    spec: 'hosts: [s.test], resolution: STATIC, ports: [{number: 80, name: http, targetPort: 8080}], endpoints: [{address: 10.0.0.1, ports: {http: 9000}, weight: 5, locality: eu/a/1}, {address: 10.0.0.2}]',
    expect: 'static 10.0.0.1:9000*5@eu/a/1 10.0.0.2:8080*1@',
  },
  {
    name: 'weight 0 is protobuf’s "not set"',
    spec: 'hosts: [s.test], resolution: STATIC, ports: [{number: 80, name: http}], endpoints: [{address: 10.0.0.1, weight: 0}]',
    expect: 'static 10.0.0.1:80*1@',
  },
  {
    name: 'DNS without endpoints asks for the host itself',
    spec: 'hosts: [s.test], resolution: DNS, ports: [{number: 80, name: http, targetPort: 8080}]',
    expect: 'dns s.test:8080*1@',
  },
  {
    name: 'DNS with endpoints asks for theirs',
    spec: 'hosts: [s.test], resolution: DNS, ports: [{number: 80, name: http}], endpoints: [{address: b.test}, {address: 10.0.0.1}]',
    expect: 'dns b.test:80*1@ 10.0.0.1:80*1@',
  },
  { name: 'NONE is the host in DNS', spec: 'hosts: [s.test], ports: [{number: 80, name: http}]', expect: 'dns s.test:80*1@' },
  {
    name: 'a wildcard asks for the name that is routed to',
    spec: 'hosts: ["*.test"], ports: [{number: 80, name: http}]',
    expect: 'dns s.test:80*1@',
  },
  {
    name: 'workloadSelector finds WorkloadEntries of its namespace',
    spec: 'hosts: [s.test], resolution: STATIC, ports: [{number: 80, name: http}], workloadSelector: {labels: {app: s}}',
    more: 'apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: w}\nspec: {address: 10.1.0.1, labels: {app: s}, ports: {http: 7000}}\n---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: w, namespace: other}\nspec: {address: 10.1.0.2, labels: {app: s}}\n---\napiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata: {name: x, labels: {app: s}}\nspec: {address: 10.1.0.3}\n---\n',
    expect: 'static 10.1.0.1:7000*1@ 10.1.0.3:80*1@',
  },
  {
    name: 'workloadSelector finds Pods',
    spec: 'hosts: [s.test], resolution: STATIC, ports: [{number: 80, name: http, targetPort: 8080}], workloadSelector: {labels: {app: s}}',
    more: 'apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: s}}\nspec: {containers: []}\nstatus: {podIP: 10.2.0.1}\n---\n',
    expect: 'static 10.2.0.1:8080*1@',
  },
  {
    name: 'a unix socket',
    spec: 'hosts: [s.test], resolution: STATIC, ports: [{number: 80, name: http}], endpoints: [{address: "unix:///run/s"}, {address: 10.0.0.1}]',
    expect: 'static /run/s:0*1@ 10.0.0.1:80*1@',
  },
];

for (const row of services)
  test(`istio ServiceEntry: ${row.name}`, async () => {
    const compiled = await compileText(
      `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s}\nspec: {${row.spec}}\n---\n${row.more ?? ''}apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: v}\nspec: {hosts: [a.test], http: [{route: [{destination: {host: s.test}}]}]}\n`,
    );
    const cluster = compiled.snapshot.clusters.find(({ name }) => name === 's.test|80');
    assert.ok(cluster, told(compiled, /./).join('\n'));
    assert.equal(
      `${cluster.discovery} ${cluster.endpoints.map((one) => `${one.address}:${one.port}*${one.weight}@${one.locality}`).join(' ')}`,
      row.expect,
    );
  });
