import { gatewayClassKind, gatewayKind } from '../../../src/dialects/gateway-api/schema/gateway.ts';
import { grpcRouteKind } from '../../../src/dialects/gateway-api/schema/grpc-route.ts';
import { httpRouteKind } from '../../../src/dialects/gateway-api/schema/http-route.ts';
import {
  backendTlsPolicyKind,
  listenerSetKind,
  referenceGrantKind,
  tcpRouteKind,
  tlsRouteKind,
  udpRouteKind,
} from '../../../src/dialects/gateway-api/schema/others.ts';
import {
  configMapKind,
  endpointSliceKind,
  ingressKind,
  namespaceKind,
  podKind,
  secretKind,
  serviceAccountKind,
  serviceKind,
} from '../../../src/dialects/kubernetes/schema.ts';
import { kubernetesSubject, type WorldKind } from './kubernetes-world.ts';
import { pemText } from './pem.ts';
import type { Part, Subject } from './subject.ts';

const group = 'gateway.networking.k8s.io/v1';
const named = (kind: string, name: string, more: object, apiVersion = group): Record<string, unknown> => ({
  apiVersion,
  kind,
  metadata: { name, namespace: 'default' },
  ...more,
});

const gatewayClass = { apiVersion: group, kind: 'GatewayClass', metadata: { name: 'weir' }, spec: { controllerName: 'weir.dev/gateway' } };
const listener = { name: 'web', port: 80, protocol: 'HTTP' };
const selector = { namespaces: { from: 'Selector', selector: { matchLabels: { team: 'a' } } } };
const gatewayOf = (listeners: readonly object[]): Record<string, unknown> =>
  named('Gateway', 'edge', { spec: { gatewayClassName: 'weir', listeners } });
const gateway = gatewayOf([listener, { name: 'other', port: 81, protocol: 'HTTP', allowedRoutes: selector }]);
const selecting = gatewayOf([{ ...listener, allowedRoutes: selector }]);
const expecting = gatewayOf([
  {
    ...listener,
    allowedRoutes: { namespaces: { from: 'Selector', selector: { matchExpressions: [{ key: 'team', operator: 'In', values: ['a'] }] } } },
  },
]);
const tlsListener = { name: 'tls', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'cert' }] } };
const https = gatewayOf([tlsListener]);
const ends = gatewayOf([{ ...tlsListener, protocol: 'TLS' }]);
const mutual = { validation: { caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] } };
const frontend = (more: object): Record<string, unknown> =>
  named('Gateway', 'edge', { spec: { gatewayClassName: 'weir', tls: { frontend: more }, listeners: [tlsListener] } });
const l4Gateway = named('Gateway', 'l4', {
  spec: {
    gatewayClassName: 'weir',
    listeners: [
      { name: 'tls', port: 8443, protocol: 'TLS', tls: { mode: 'Passthrough' } },
      { name: 'tcp', port: 5432, protocol: 'TCP' },
      { name: 'udp', port: 53, protocol: 'UDP' },
    ],
  },
});
const secureGateway = named('Gateway', 'secure', {
  spec: { gatewayClassName: 'weir', listeners: [tlsListener], tls: { frontend: { default: mutual } } },
});
const pair = { 'tls.crt': pemText('server.crt'), 'tls.key': pemText('server.key') };
const cert = named('Secret', 'cert', { type: 'kubernetes.io/tls', stringData: pair }, 'v1');
const encoded = Object.fromEntries(Object.entries(pair).map(([key, text]) => [key, Buffer.from(text).toString('base64')]));
const encodedCert = named('Secret', 'cert', { type: 'kubernetes.io/tls', data: encoded }, 'v1');
const authority = named('ConfigMap', 'ca', { data: { 'ca.crt': pemText('ca.crt') } }, 'v1');
const parentRefs = [{ name: 'edge' }];
const backendRefs = [{ name: 's', port: 80 }];
const match = { path: { type: 'PathPrefix', value: '/m' } };
const httpRoute = (rule: object, more: object = {}): Record<string, unknown> =>
  named('HTTPRoute', 'shop', { spec: { parentRefs, hostnames: ['a.example'], rules: [rule], ...more } });
const grpcRoute = (rule: object): Record<string, unknown> =>
  named('GRPCRoute', 'rpc', { spec: { parentRefs, hostnames: ['g.example'], rules: [rule] } });
/** A filter of a rule or of a backend, for parts that do not run. */
const filterPart = (
  name: string,
  state: Part['state'],
  filter: object,
  route: (rule: object) => Record<string, unknown>,
): readonly Part[] => [
  { prefix: `spec.rules[].filters[].${name}`, state, base: route({ filters: [filter], backendRefs }) },
  {
    prefix: `spec.rules[].backendRefs[].filters[].${name}`,
    state,
    base: route({ backendRefs: [{ name: 's', port: 80, filters: [filter] }] }),
  },
];
const mirror = { type: 'RequestMirror', requestMirror: { backendRef: { name: 'pods', port: 80 } } };
const external = { type: 'ExternalAuth', externalAuth: { protocol: 'HTTP', backendRef: { name: 'pods', port: 80 } } };
const service = named(
  'Service',
  's',
  {
    spec: {
      ports: [
        { name: 'web', port: 80 },
        { name: 'dns', port: 53, protocol: 'UDP' },
      ],
      selector: { app: 's' },
    },
  },
  'v1',
);
const slice = {
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: 's-1', namespace: 'default', labels: { 'kubernetes.io/service-name': 's' } },
  addressType: 'IPv4',
  endpoints: [{ addresses: ['10.1.1.1'] }, { addresses: ['10.1.1.2'], conditions: { ready: false } }],
  ports: [{ name: 'web', port: 8080 }],
};
const podService = named('Service', 'pods', { spec: { ports: [{ port: 80, targetPort: 'web' }], selector: { app: 'pods' } } }, 'v1');
const pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name: 'pod-1', namespace: 'default', labels: { app: 'pods' } },
  spec: { containers: [{ name: 'c', image: 'i', ports: [{ name: 'web', containerPort: 9000 }] }] },
  status: { podIP: '10.3.3.3', phase: 'Running', conditions: [{ type: 'Ready', status: 'True' }] },
};
const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'default', labels: { team: 'a' } } };
const other = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'far', namespace: 'other' }, spec: { ports: [{ port: 80 }] } };
const grant = {
  apiVersion: 'gateway.networking.k8s.io/v1beta1',
  kind: 'ReferenceGrant',
  metadata: { name: 'from-default', namespace: 'other' },
  spec: { from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default' }], to: [{ group: '', kind: 'Service' }] },
};
const far = named('HTTPRoute', 'far', {
  spec: { parentRefs, hostnames: ['far.example'], rules: [{ backendRefs: [{ name: 'far', namespace: 'other', port: 80 }] }] },
});
const podsRoute = named('HTTPRoute', 'pods', {
  spec: { parentRefs, hostnames: ['pods.example'], rules: [{ backendRefs: [{ name: 'pods', port: 80 }] }] },
});
const policy = {
  apiVersion: 'weir.dev/v1',
  kind: 'Policy',
  metadata: { name: 'limit', namespace: 'default' },
  spec: { filters: [{ rateLimit: { limits: [{ requests: 1, per: 'second' }] } }] },
};

const world: readonly object[] = [
  gatewayClass,
  gateway,
  httpRoute({ matches: [match], backendRefs }),
  grpcRoute({ backendRefs }),
  service,
  slice,
  podService,
  pod,
  namespace,
  other,
  grant,
  far,
  podsRoute,
  policy,
  l4Gateway,
  secureGateway,
  cert,
  authority,
];

const l4 = (kind: string, port = 80): Record<string, unknown> =>
  named(kind, 'l4', {
    spec: {
      parentRefs: [{ name: 'l4' }],
      ...(kind === 'TLSRoute' ? { hostnames: ['t.example'] } : {}),
      rules: [{ backendRefs: [{ name: 's', port }, ...(port === 80 ? [{ name: 'pods', port: 80 }] : [])] }],
    },
  });
const tlsPolicy = (validation: object): Record<string, unknown> =>
  named('BackendTLSPolicy', 'tls', {
    spec: { targetRefs: [{ group: '', kind: 'Service', name: 's' }], validation: { hostname: 's.example', ...validation } },
  });
/** Fields that a route of every kind has, and the values that mean something here. */
const parents = {
  'spec.parentRefs[].sectionName': ['tls', 'tcp', 'udp', 'none'],
  'spec.parentRefs[].port': [8443, 99],
  'spec.parentRefs[].name': ['l4', 'none'],
  'spec.parentRefs[].kind': ['Gateway', 'Service'],
};

const gatewayKinds: readonly WorldKind[] = [
  { spec: gatewayClassKind, bases: [gatewayClass] },
  {
    spec: gatewayKind,
    bases: [
      gateway,
      selecting,
      expecting,
      https,
      ends,
      frontend({ default: mutual }),
      frontend({ default: {}, perPort: [{ port: 443, tls: mutual }] }),
    ],
    values: {
      'spec.listeners[].tls.mode': ['Terminate', 'Passthrough'],
      'spec.listeners[].allowedRoutes.namespaces.from': ['None', 'Same', 'All', 'Selector'],
      'spec.listeners[].protocol': ['HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP'],
      'spec.addresses[].value': ['10.9.8.7'],
      'spec.listeners[].hostname': ['a.example'],
    },
  },
  {
    spec: httpRouteKind,
    parts: [
      ...filterPart('requestMirror', 'pending', mirror, (rule) => httpRoute(rule)),
      ...filterPart('externalAuth', 'refused', external, (rule) => httpRoute(rule)),
    ],
    bases: [
      httpRoute({ matches: [match], backendRefs }),
      httpRoute({ matches: [match], backendRefs: [...backendRefs, { name: 'pods', port: 80 }] }),
      httpRoute({ matches: [match], filters: [{ type: 'RequestRedirect', requestRedirect: { hostname: 'b.example' } }] }),
    ],
    values: {
      'spec.parentRefs[].sectionName': ['web', 'none'],
      'spec.parentRefs[].port': [80, 99],
      'spec.parentRefs[].name': ['edge', 'none'],
      'spec.parentRefs[].kind': ['Gateway', 'Service'],
      'spec.rules[].matches[].path.type': ['Exact', 'PathPrefix', 'RegularExpression'],
      'spec.rules[].filters[].extensionRef.name': ['limit'],
      'spec.rules[].filters[].extensionRef.kind': ['Policy'],
      'spec.rules[].filters[].extensionRef.group': ['weir.dev'],
    },
  },
  {
    spec: grpcRouteKind,
    parts: filterPart('requestMirror', 'pending', mirror, (rule) => grpcRoute(rule)),
    bases: [grpcRoute({ backendRefs }), grpcRoute({ matches: [{ method: { service: 'a.B', method: 'C' } }], backendRefs })],
  },
  {
    spec: referenceGrantKind,
    bases: [grant],
    values: {
      'spec.from[].namespace': ['elsewhere'],
      'spec.to[].name': ['none'],
      'spec.from[].kind': ['GRPCRoute'],
      'spec.to[].kind': ['Secret'],
    },
  },
  { spec: tlsRouteKind, bases: [l4('TLSRoute')], values: parents },
  { spec: tcpRouteKind, bases: [l4('TCPRoute')], values: parents },
  { spec: udpRouteKind, bases: [l4('UDPRoute', 53)], values: { ...parents, 'spec.rules[].backendRefs[].weight': [0, 1] } },
  {
    spec: backendTlsPolicyKind,
    bases: [
      tlsPolicy({ wellKnownCACertificates: 'System' }),
      tlsPolicy({ caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'ca' }] }),
    ],
    values: { 'spec.targetRefs[].sectionName': ['web', 'none'] },
  },
  {
    spec: listenerSetKind,
    whole: 'pending',
    bases: [
      named('ListenerSet', 'more', { spec: { parentRef: { name: 'edge' }, listeners: [{ name: 'x', port: 82, protocol: 'HTTP' }] } }),
    ],
  },
];

const coreKinds: readonly WorldKind[] = [
  {
    spec: serviceKind,
    values: { 'spec.ports[].appProtocol': ['kubernetes.io/h2c', 'https'] },
    bases: [
      service,
      podService,
      named('Service', 's', { spec: { type: 'ExternalName', externalName: 'else.example', ports: [{ port: 80 }] } }, 'v1'),
    ],
  },
  { spec: endpointSliceKind, bases: [slice], values: { addressType: ['FQDN', 'IPv6'] } },
  { spec: podKind, bases: [pod], values: { 'status.phase': ['Failed', 'Succeeded'], 'status.conditions[].type': ['Initialized'] } },
  { spec: namespaceKind, bases: [namespace], values: { 'metadata.labels{}': ['b'] } },
  { spec: secretKind, bases: [cert, encodedCert] },
  { spec: configMapKind, bases: [authority] },
  { spec: serviceAccountKind, bases: [named('ServiceAccount', 'x', {}, 'v1')] },
  {
    spec: ingressKind,
    whole: 'pending',
    bases: [named('Ingress', 'x', { spec: { defaultBackend: { service: { name: 's', port: { number: 80 } } } } }, 'networking.k8s.io/v1')],
  },
];

export const gatewayApiSubjects: readonly Subject[] = [
  ...gatewayKinds.map((kind) => kubernetesSubject('Gateway API', world, kind)),
  ...coreKinds.map((kind) => kubernetesSubject('Kubernetes', world, kind)),
];
