import { destinationRuleKind } from '../../../src/dialects/istio/schema/destination-rule.ts';
import { gatewayKind } from '../../../src/dialects/istio/schema/gateway.ts';
import { proxyConfigKind, sidecarKind, telemetryKind, workloadGroupKind } from '../../../src/dialects/istio/schema/other.ts';
import { authorizationPolicyKind, peerAuthenticationKind, requestAuthenticationKind } from '../../../src/dialects/istio/schema/policies.ts';
import { serviceEntryKind, workloadEntryKind } from '../../../src/dialects/istio/schema/service-entry.ts';
import { virtualServiceKind } from '../../../src/dialects/istio/schema/virtual-service.ts';
import { kubernetesSubject, type WorldKind } from './kubernetes-world.ts';
import type { Part, Subject } from './subject.ts';

const networking = (kind: string, name: string, spec: object, labels?: object): Record<string, unknown> => ({
  apiVersion: 'networking.istio.io/v1',
  kind,
  metadata: { name, namespace: 'default', ...(labels === undefined ? {} : { labels }) },
  spec,
});

const gateway = networking('Gateway', 'edge', {
  selector: { istio: 'ingress' },
  servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
});
const destination = { host: 's.example', port: { number: 80 } };
const virtualService = (rule: object, more: object = {}): Record<string, unknown> =>
  networking('VirtualService', 'shop', { hosts: ['a.example'], gateways: ['edge', 'mesh'], http: [rule], ...more });
const routed = {
  match: [{ uri: { prefix: '/m/' } }],
  route: [{ destination }, { destination: { host: 's.example', subset: 'v1', port: { number: 80 } }, weight: 30 }],
};
const serviceEntry = networking('ServiceEntry', 's', {
  hosts: ['s.example'],
  ports: [
    { number: 80, name: 'http', protocol: 'HTTP' },
    { number: 81, name: 'http-other', protocol: 'HTTP' },
  ],
  resolution: 'STATIC',
  location: 'MESH_EXTERNAL',
  endpoints: [{ address: '10.1.1.1', labels: { v: '1' }, ports: { http: 9000 } }],
});
const selecting = networking('ServiceEntry', 'w', {
  hosts: ['w.example'],
  ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
  resolution: 'STATIC',
  workloadSelector: { labels: { app: 'w' } },
});
const workload = networking('WorkloadEntry', 'w1', { address: '10.2.2.2', labels: { app: 'w' }, ports: { http: 9000 } });
const rule = networking('DestinationRule', 's', { host: 's.example', subsets: [{ name: 'v1', labels: { v: '1' } }] });
const delegated = networking('VirtualService', 'part', { http: [{ match: [{ uri: { prefix: '/m/part' } }], route: [{ destination }] }] });
const workloadRoute = networking('VirtualService', 'w', {
  hosts: ['w.example'],
  gateways: ['edge'],
  http: [{ route: [{ destination: { host: 'w.example' } }] }],
});
const policy = (kind: string, spec: object): Record<string, unknown> => ({
  apiVersion: 'security.istio.io/v1',
  kind,
  metadata: { name: 'p', namespace: 'default' },
  spec,
});

/** Client TLS is refused as a whole, wherever it stands. */
function tlsParts(at: string): readonly Part[] {
  const tls = { mode: 'SIMPLE' };
  const traffic = (policy: object): object =>
    at === 'spec'
      ? { host: 's.example', trafficPolicy: policy }
      : { host: 's.example', subsets: [{ name: 'v1', labels: { v: '1' }, trafficPolicy: policy }] };
  return [
    { prefix: `${at}.trafficPolicy.tls`, state: 'refused', base: networking('DestinationRule', 's', traffic({ tls })) },
    {
      prefix: `${at}.trafficPolicy.portLevelSettings[].tls`,
      state: 'refused',
      base: networking('DestinationRule', 's', traffic({ portLevelSettings: [{ port: { number: 80 }, tls }] })),
    },
  ];
}

const world: readonly object[] = [gateway, virtualService(routed), serviceEntry, selecting, workload, rule, delegated, workloadRoute];

const kinds: readonly WorldKind[] = [
  {
    spec: gatewayKind,
    bases: [gateway],
    values: { 'spec.servers[].port.protocol': ['HTTP', 'HTTP2', 'GRPC', 'HTTPS', 'TLS', 'TCP', 'MONGO'] },
  },
  {
    spec: virtualServiceKind,
    bases: [
      virtualService(routed),
      virtualService({ match: [{ uri: { prefix: '/m/' } }], redirect: { uri: '/n' } }),
      virtualService({ match: [{ uri: { prefix: '/m/' } }], redirect: { authority: 'b.example' } }),
      virtualService({ match: [{ uri: { prefix: '/m/' } }], directResponse: { status: 200 } }),
      virtualService({ match: [{ uri: { prefix: '/m/' } }], delegate: { name: 'part' } }),
      virtualService({ match: [{}], route: [{ destination }] }),
    ],
    parts: [
      {
        prefix: 'spec.http[].fault',
        state: 'pending',
        base: virtualService({ ...routed, fault: { abort: { httpStatus: 503, percentage: { value: 50 } } } }),
      },
    ],
    values: {
      'spec.http[].match[].gateways[]': ['edge', 'mesh'],
      'spec.http[].delegate.name': ['part', 'shop'],
      'spec.http[].delegate.namespace': ['default', 'other'],
      'spec.gateways[]': ['mesh'],
      'spec.http[].directResponse.body.bytes': ['c29tZQ=='],
      'spec.http[].fault.abort.percent': [7],
      'spec.http[].match[].uri.regex': ['/m/[0-9]+'],
      'spec.http[].rewrite.uriRegexRewrite.match': ['/m/([0-9]+)'],
    },
  },
  {
    spec: destinationRuleKind,
    bases: [
      rule,
      networking('DestinationRule', 's', {
        host: 's.example',
        trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, loadBalancer: { simple: 'RANDOM' } }] },
        subsets: [
          {
            name: 'v1',
            labels: { v: '1' },
            trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, loadBalancer: { simple: 'ROUND_ROBIN' } }] },
          },
        ],
      }),
    ],
    values: {
      'spec.host': ['s.example', 'w.example'],
      'spec.trafficPolicy.portLevelSettings[].port.number': [80, 81],
      'spec.subsets[].trafficPolicy.portLevelSettings[].port.number': [80, 81],
      'spec.exportTo[]': ['elsewhere', '.'],
    },
    parts: ['spec', 'spec.subsets[]'].flatMap((at) => tlsParts(at)),
  },
  {
    spec: serviceEntryKind,
    bases: [
      serviceEntry,
      networking('ServiceEntry', 's', {
        hosts: ['s.example'],
        ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
        resolution: 'STATIC',
        workloadSelector: { labels: { app: 'w' } },
      }),
      networking('ServiceEntry', 's', { hosts: ['s.example'], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'DNS' }),
    ],
    values: { 'spec.endpoints[].ports{}': [9001], 'spec.hosts[]': ['s.example', 't.example'] },
  },
  { spec: workloadEntryKind, bases: [workload], values: { 'spec.ports{}': [9001] } },
  { spec: sidecarKind, whole: 'pending', bases: [networking('Sidecar', 'one', { egress: [{ hosts: ['./*'] }] })] },
  { spec: workloadGroupKind, whole: 'pending', bases: [networking('WorkloadGroup', 'one', { template: {} })] },
  {
    spec: proxyConfigKind,
    whole: 'pending',
    bases: [{ apiVersion: 'networking.istio.io/v1beta1', kind: 'ProxyConfig', metadata: { name: 'one' }, spec: {} }],
  },
  {
    spec: telemetryKind,
    whole: 'pending',
    bases: [{ apiVersion: 'telemetry.istio.io/v1', kind: 'Telemetry', metadata: { name: 'one' }, spec: {} }],
  },
  {
    spec: authorizationPolicyKind,
    whole: 'refused',
    bases: [policy('AuthorizationPolicy', {}), policy('AuthorizationPolicy', { rules: [{}] })],
  },
  { spec: peerAuthenticationKind, whole: 'refused', bases: [policy('PeerAuthentication', { mtls: { mode: 'STRICT' } })] },
  {
    spec: requestAuthenticationKind,
    whole: 'refused',
    bases: [policy('RequestAuthentication', { jwtRules: [{ issuer: 'i' }] })],
  },
];

export const istioSubjects: readonly Subject[] = kinds.map((kind) => kubernetesSubject('Istio', world, kind));
