import { destinationRuleKind } from '../../../src/dialects/istio/schema/destination-rule.ts';
import { gatewayKind } from '../../../src/dialects/istio/schema/gateway.ts';
import { proxyConfigKind, sidecarKind, telemetryKind, workloadGroupKind } from '../../../src/dialects/istio/schema/other.ts';
import { authorizationPolicyKind, peerAuthenticationKind, requestAuthenticationKind } from '../../../src/dialects/istio/schema/policies.ts';
import { serviceEntryKind, workloadEntryKind } from '../../../src/dialects/istio/schema/service-entry.ts';
import { virtualServiceKind } from '../../../src/dialects/istio/schema/virtual-service.ts';
import { kubernetesSubject, type WorldKind } from './kubernetes-world.ts';
import { pemText } from './pem.ts';
import type { Subject } from './subject.ts';

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

const secret = (name: string, stringData: object, type = 'Opaque'): Record<string, unknown> => ({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name, namespace: 'default' },
  type,
  stringData,
});
const certificates: readonly object[] = [
  secret('web', { 'tls.crt': pemText('server.crt'), 'tls.key': pemText('server.key') }, 'kubernetes.io/tls'),
  secret('web-cacert', { cacert: pemText('ca.crt') }),
  secret('rsa', { cert: pemText('rsa.crt'), key: pemText('rsa.key') }),
];
const server = (protocol: string, tls: object | undefined, number = 443): object => ({
  port: { number, name: 'p', protocol },
  hosts: ['a.example'],
  ...(tls === undefined ? {} : { tls }),
});
const edge = (...servers: readonly object[]): Record<string, unknown> =>
  networking('Gateway', 'edge', { selector: { istio: 'ingress' }, servers });
const [digest, pin] = ['ab'.repeat(32), `${'A'.repeat(43)}=`];
const serverFiles = { serverCertificate: 'a.crt', privateKey: 'a.key' };

/** TLS of a DestinationRule at one place, by what may be said of it. */
const clientSettings = { mode: 'MUTUAL', clientCertificate: 'a.crt', privateKey: 'a.key', caCertificates: 'ca.crt' };
const rules: readonly Record<string, unknown>[] = [
  { tls: clientSettings },
  { portLevelSettings: [{ port: { number: 80 }, tls: clientSettings }] },
].flatMap((trafficPolicy) => [
  networking('DestinationRule', 's', { host: 's.example', trafficPolicy, subsets: [{ name: 'v1', labels: { v: '1' } }] }),
  networking('DestinationRule', 's', { host: 's.example', subsets: [{ name: 'v1', labels: { v: '1' }, trafficPolicy }] }),
]);
/** Something is forwarded at layer 4, and reached over TLS. */
const bytes: readonly object[] = [
  networking('Gateway', 'bytes', {
    servers: [
      { port: { number: 5432, name: 'tcp', protocol: 'TCP' }, hosts: ['*'] },
      { port: { number: 8443, name: 'tls', protocol: 'TLS' }, hosts: ['*.example'], tls: { mode: 'PASSTHROUGH' } },
    ],
  }),
  networking('ServiceEntry', 'db', {
    hosts: ['db.example'],
    ports: [{ number: 5432, name: 'tcp', protocol: 'TCP' }],
    resolution: 'STATIC',
    endpoints: [{ address: '10.3.3.3' }],
  }),
];
const forwarded = networking('VirtualService', 'bytes', {
  hosts: ['*.example'],
  gateways: ['bytes'],
  tcp: [
    {
      match: [{ port: 5432 }],
      route: [
        { destination: { host: 'db.example' }, weight: 1 },
        { destination, weight: 1 },
      ],
    },
  ],
  tls: [{ match: [{ sniHosts: ['db.example'] }], route: [{ destination: { host: 'db.example' } }, { destination, weight: 1 }] }],
});
/** Settings of connections at the four places where they may stand. */
const anyPool = { connectionPool: { tcp: { connectTimeout: '3s' } } };
const ofPort = { portLevelSettings: [{ port: { number: 5432 }, ...anyPool }] };
const bytesRules: readonly Record<string, unknown>[] = [anyPool, ofPort].map((trafficPolicy) =>
  networking('DestinationRule', 'db', { host: 'db.example', trafficPolicy, subsets: [{ name: 'all', trafficPolicy }] }),
);
const dbRoute = networking('VirtualService', 'db', {
  hosts: ['*'],
  gateways: ['bytes'],
  tcp: [
    { match: [{ port: 5432 }], route: [{ destination: { host: 'db.example' } }] },
    { match: [{ port: 5432 }], route: [{ destination: { host: 'db.example', subset: 'all' } }] },
  ],
});

/** Another host of the service is reached over TLS: its names count there. */
const secured = networking('DestinationRule', 'w', { host: 'w.example', trafficPolicy: { tls: { mode: 'SIMPLE' } } });

const world: readonly object[] = [
  gateway,
  virtualService(routed),
  serviceEntry,
  selecting,
  workload,
  rule,
  delegated,
  workloadRoute,
  ...certificates,
  ...bytes,
  forwarded,
  dbRoute,
  bytesRules[0],
  secured,
];

const kinds: readonly WorldKind[] = [
  {
    spec: gatewayKind,
    bases: [
      gateway,
      edge(server('HTTPS', { mode: 'SIMPLE', credentialName: 'web' })),
      edge(server('HTTPS', { mode: 'MUTUAL', credentialName: 'web' })),
      edge(server('HTTPS', { mode: 'MUTUAL', ...serverFiles, caCertificates: 'ca.crt' })),
      edge(server('HTTPS', { mode: 'MUTUAL', caCertificates: '', tlsCertificates: [{ ...serverFiles, caCertificates: 'b.crt' }] })),
    ],
    values: {
      'spec.servers[].port.protocol': ['HTTP', 'HTTP2', 'GRPC', 'HTTPS', 'TLS', 'TCP', 'MONGO'],
      'spec.servers[].bind': ['10.9.8.7', 'unix:///run/weir.sock'],
      'spec.servers[].defaultEndpoint': ['127.0.0.1:9000', 'unix:///run/app.sock'],
      'spec.servers[].tls.credentialName': ['rsa', 'gone'],
      'spec.servers[].tls.credentialNames[]': ['rsa', 'gone'],
      'spec.servers[].tls.caCertCredentialName': ['web-cacert', 'gone'],
      'spec.servers[].tls.verifyCertificateHash[]': [digest],
      'spec.servers[].tls.verifyCertificateSpki[]': [pin],
      'spec.servers[].tls.cipherSuites[]': ['ECDHE-ECDSA-AES128-GCM-SHA256'],
      'spec.servers[].tls.maxProtocolVersion': ['TLS_AUTO', 'TLSV1_2', 'TLSV1_3'],
    },
  },
  {
    spec: virtualServiceKind,
    bases: [
      forwarded,
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
      'spec.gateways[]': ['edge'],
      'spec.http[].directResponse.body.bytes': ['c29tZQ=='],
      'spec.http[].fault.abort.percent': [7],
      'spec.http[].match[].uri.regex': ['/m/[0-9]+'],
      'spec.http[].rewrite.uriRegexRewrite.match': ['/m/([0-9]+)'],
      'spec.tls[].match[].sniHosts[]': ['db.example', '*.example'],
      'spec.tls[].match[].port': [1],
      'spec.tcp[].match[].port': [1],
    },
  },
  {
    spec: destinationRuleKind,
    bases: [
      ...bytesRules,
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
      ...rules,
    ],
    values: {
      'spec.host': ['s.example', 'w.example'],
      'spec.trafficPolicy.portLevelSettings[].port.number': [80, 81],
      'spec.subsets[].trafficPolicy.portLevelSettings[].port.number': [80, 81],
      'spec.exportTo[]': ['elsewhere', '.'],
      ...Object.fromEntries(
        ['spec.trafficPolicy', 'spec.subsets[].trafficPolicy'].flatMap((at) =>
          [`${at}.tls`, `${at}.portLevelSettings[].tls`].map((tls) => [`${tls}.credentialName`, ['web', 'gone']]),
        ),
      ),
    },
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
      selecting,
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
