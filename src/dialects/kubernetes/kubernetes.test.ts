import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Resource } from '../dialect.ts';
import { parseText } from '../text.ts';
import { kubernetes } from './index.ts';
import { kubernetesServices } from './services.ts';

function read(...texts: readonly string[]): readonly Resource[] {
  return parseText('x.yaml', texts.join('\n---\n')).documents.flatMap((document) =>
    kubernetes.recognises(document) ? kubernetes.read(document) : [],
  );
}

const head = (kind: string, name: string, apiVersion = 'v1'): string =>
  `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}, namespace: ns}\n`;
const service = (spec: string): string => `${head('Service', 'app')}spec: ${spec}`;
const slice = (ports: string, endpoints: string, type = 'IPv4'): string =>
  `apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: app-1, namespace: ns, labels: {kubernetes.io/service-name: app}}\naddressType: ${type}\nports: ${ports}\nendpoints: ${endpoints}`;
const pod = (name: string, labels: string, status: string): string =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: ns, labels: ${labels}}\nspec: {containers: [{name: c, image: i, ports: [{name: web, containerPort: 8000}]}]}\nstatus: ${status}`;

const rows: readonly { readonly name: string; readonly documents: readonly string[]; readonly endpoints: readonly string[] }[] = [
  {
    name: 'slice port by name',
    documents: [service('{ports: [{name: a, port: 80}]}'), slice('[{name: b, port: 1}, {name: a, port: 2}]', '[{addresses: [10.0.0.1]}]')],
    endpoints: ['10.0.0.1:2'],
  },
  {
    name: 'slice port of another name',
    documents: [service('{ports: [{name: a, port: 80}]}'), slice('[{name: b, port: 1}]', '[{addresses: [10.0.0.1]}]')],
    endpoints: [],
  },
  {
    name: 'a lone slice port without a name',
    documents: [service('{ports: [{name: a, port: 80}]}'), slice('[{port: 1}]', '[{addresses: [10.0.0.1]}]')],
    endpoints: ['10.0.0.1:1'],
  },
  {
    name: 'UDP slice port',
    documents: [service('{ports: [{port: 80}]}'), slice('[{port: 1, protocol: UDP}]', '[{addresses: [10.0.0.1]}]')],
    endpoints: [],
  },
  {
    name: 'unready endpoints are left out',
    documents: [
      service('{ports: [{port: 80}]}'),
      slice('[{port: 1}]', '[{addresses: [10.0.0.1]}, {addresses: [10.0.0.2], conditions: {ready: false}}]'),
    ],
    endpoints: ['10.0.0.1:1'],
  },
  {
    name: 'serving endpoints that terminate step in when nobody is ready',
    documents: [
      service('{ports: [{port: 80}]}'),
      slice(
        '[{port: 1}]',
        '[{addresses: [10.0.0.1], conditions: {ready: false, serving: true, terminating: true}}, {addresses: [10.0.0.2], conditions: {ready: false}}]',
      ),
    ],
    endpoints: ['10.0.0.1:1'],
  },
  {
    name: 'publishNotReadyAddresses',
    documents: [
      service('{publishNotReadyAddresses: true, ports: [{port: 80}]}'),
      slice('[{port: 1}]', '[{addresses: [10.0.0.2], conditions: {ready: false}}]'),
    ],
    endpoints: ['10.0.0.2:1'],
  },
  {
    name: 'one endpoint in two slices counts once',
    documents: [
      service('{ports: [{port: 80}]}'),
      slice('[{port: 1}]', '[{addresses: [10.0.0.1]}]'),
      slice('[{port: 1}]', '[{addresses: [10.0.0.1]}]'),
    ],
    endpoints: ['10.0.0.1:1'],
  },
  {
    name: 'Pods by selector, with a named target port',
    documents: [
      service('{selector: {app: a}, ports: [{port: 80, targetPort: web}]}'),
      pod('p1', '{app: a}', '{podIP: 10.0.0.5}'),
      pod('p2', '{app: b}', '{podIP: 10.0.0.6}'),
    ],
    endpoints: ['10.0.0.5:8000'],
  },
  {
    name: 'slices go before Pods',
    documents: [
      service('{selector: {app: a}, ports: [{port: 80}]}'),
      pod('p1', '{app: a}', '{podIP: 10.0.0.5}'),
      slice('[{port: 1}]', '[{addresses: [10.0.0.1]}]'),
    ],
    endpoints: ['10.0.0.1:1'],
  },
  {
    name: 'a pending Pod takes nothing',
    documents: [service('{selector: {app: a}, ports: [{port: 80}]}'), pod('p1', '{app: a}', '{podIP: 10.0.0.5, phase: Pending}')],
    endpoints: [],
  },
  {
    name: 'no selector finds no Pod',
    documents: [service('{ports: [{port: 80}]}'), pod('p1', '{app: a}', '{podIP: 10.0.0.5}')],
    endpoints: [],
  },
  { name: 'ExternalName', documents: [service('{type: ExternalName, externalName: db.example.net}')], endpoints: ['db.example.net:80'] },
];

for (const row of rows)
  test(`endpoints: ${row.name}`, () => {
    const resources = read(...row.documents);
    assert.deepEqual(
      resources.flatMap((one) => one.diagnostics),
      [],
    );
    const [found] = kubernetesServices(resources);
    assert.equal(found.host, 'app.ns.svc.cluster.local');
    assert.deepEqual(
      found.endpoints(80).map((one) => `${one.address}:${one.port}`),
      row.endpoints,
    );
  });

test('labels come from the Pod behind a slice, zones from both versions of EndpointSlice', () => {
  const resources = read(
    service('{ports: [{port: 80}]}'),
    slice(
      '[{port: 1}]',
      '[{addresses: [10.0.0.5], zone: z1, targetRef: {kind: Pod, name: p1}}, {addresses: [10.0.0.6], deprecatedTopology: {topology.kubernetes.io/zone: z2}}]',
    ),
    pod('p1', '{app: a, version: v1}', '{podIP: 10.0.0.5}'),
  );
  const [found] = kubernetesServices(resources);
  assert.deepEqual(
    found.endpoints(80).map((one) => [one.labels, one.locality]),
    [
      [{ app: 'a', version: 'v1' }, '/z1'],
      [{}, '/z2'],
    ],
  );
});

test('protocols: appProtocol, the name of the port, the transport', () => {
  const [found] = kubernetesServices(
    read(
      service(
        '{ports: [{name: x, port: 1, appProtocol: kubernetes.io/H2C}, {name: grpc-api, port: 2}, {name: z, port: 3, protocol: UDP}, {name: y, port: 4}]}',
      ),
    ),
  );
  assert.deepEqual(
    found.ports.map((port) => port.protocol),
    ['kubernetes.io/h2c', 'grpc', 'udp', 'tcp'],
  );
});

const reports: readonly { readonly name: string; readonly document: string; readonly codes: readonly string[] }[] = [
  { name: 'Ingress does not run', document: `${head('Ingress', 'i', 'networking.k8s.io/v1')}spec: {}`, codes: ['WR0108'] },
  {
    name: 'session affinity does not run',
    document: service('{sessionAffinity: ClientIP, type: ExternalName, externalName: a.b}'),
    codes: ['WR0108'],
  },
  {
    name: 'traffic distribution does not run',
    document: service('{trafficDistribution: PreferClose, type: ExternalName, externalName: a.b}'),
    codes: ['WR0108'],
  },
  {
    name: 'source ranges of the load balancer do not run',
    document: service('{loadBalancerSourceRanges: [10.0.0.0/8], type: ExternalName, externalName: a.b}'),
    codes: ['WR0108'],
  },
  { name: 'ExternalName without a name', document: service('{type: ExternalName}'), codes: ['WR0321'] },
  { name: 'unknown field', document: service('{prots: []}'), codes: ['WR0104'] },
  { name: 'wrong type', document: service('{ports: [{port: http}]}'), codes: ['WR0105'] },
  {
    name: 'hints do not run',
    document: slice('[{port: 1}]', '[{addresses: [10.0.0.1], hints: {forZones: [{name: a}]}}]'),
    codes: ['WR0108'],
  },
  { name: 'Secret of another use', document: `${head('Secret', 's')}type: example.com/x\ndata: {tls.crt: YQ==, a: YQ==}`, codes: [] },
  {
    name: 'Secret without certificates',
    document: `${head('Secret', 's')}type: kubernetes.io/tls\ndata: {tls.crt: YQ==, tls.key: YQ==}`,
    codes: ['WR0331', 'WR0331'],
  },
  { name: 'ConfigMap', document: `${head('ConfigMap', 'c')}data: {a: b}`, codes: [] },
  { name: 'ServiceAccount', document: head('ServiceAccount', 'a'), codes: [] },
  {
    name: 'Pod with everything a kubelet reads',
    document: `${head('Pod', 'p')}spec: {nodeName: n, tolerations: [], containers: [{name: c, env: []}]}`,
    codes: [],
  },
];

for (const row of reports)
  test(`reported: ${row.name}`, () => {
    const resources = read(row.document);
    const { diagnostics } = kubernetes.translate({ resources, options: { bind: '::', labels: null } });
    assert.deepEqual(
      [...resources.flatMap((one) => one.diagnostics), ...diagnostics].map((one) => one.code),
      row.codes,
    );
  });

test('Namespace is no namespaced kind', () => {
  const [resource] = read('apiVersion: v1\nkind: Namespace\nmetadata: {name: web, labels: {a: b}}\nspec: {finalizers: [kubernetes]}');
  assert.equal(resource.namespace, null);
  assert.deepEqual(resource.diagnostics, []);
});
