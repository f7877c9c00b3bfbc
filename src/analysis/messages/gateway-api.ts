import type { MessageSpec } from '../messages.ts';

/** 03: Gateway API and core Kubernetes kinds. The reasons are those of the Gateway API conditions. */
export const gatewayApiMessages = {
  WR0301: {
    severity: 'warning',
    title: 'Parent of a route does not exist',
    explanation: 'A `parentRef` names a Gateway that is not in the configuration. The route is not served there (`NoMatchingParent`).',
  },
  WR0302: {
    severity: 'error',
    title: 'Parent has no such listener',
    explanation: 'The Gateway exists and has no usable listener with the `sectionName` or `port` of the `parentRef` (`NoMatchingParent`).',
  },
  WR0303: {
    severity: 'error',
    title: 'Listeners do not allow the route',
    explanation: "The listener's `allowedRoutes` excludes the route's namespace or kind (`NotAllowedByListeners`).",
  },
  WR0304: {
    severity: 'error',
    title: 'Route and listener share no hostname',
    explanation: "None of the route's `hostnames` fits the hostname of the listener (`NoMatchingListenerHostname`).",
  },
  WR0305: {
    severity: 'warning',
    title: 'Backend does not exist',
    explanation:
      'A `backendRef` names a Service or a Service port that is not in the configuration. Its share of the requests is answered 500 (`BackendNotFound`).',
  },
  WR0306: {
    severity: 'error',
    title: 'Reference to another namespace is not permitted',
    explanation:
      'A reference crosses namespaces and no ReferenceGrant in the target namespace allows it. Backends answer 500 for their share (`RefNotPermitted`).',
  },
  WR0307: {
    severity: 'error',
    title: 'Reference to a kind that cannot be used here',
    explanation: 'Backends are Services of the core group. Other kinds answer 500 for their share (`InvalidKind`).',
  },
  WR0308: {
    severity: 'warning',
    title: 'Backend protocol does not fit the route',
    explanation:
      'The Service port speaks a protocol that the route cannot carry: UDP under a route of HTTP, or TLS (`appProtocol: https`, `kubernetes.io/wss`) without a BackendTLSPolicy that says which certificate to trust. Plain text is never sent in its place: its share is answered 503, connections are closed (`UnsupportedProtocol`).',
  },
  WR0309: {
    severity: 'error',
    title: 'Listeners conflict',
    explanation:
      'Two listeners on one address and port have the same hostname or protocols that exclude one another. Within one Gateway none of them serves; between Gateways the older one, then the first by namespace and name, keeps the place (`Conflicted`).',
  },
  WR0310: {
    severity: 'error',
    title: 'Listener protocol is not supported',
    explanation: 'The protocol of the listener is none that Weir knows (`UnsupportedProtocol`).',
  },
  WR0312: {
    severity: 'info',
    title: 'GatewayClass names another controller',
    explanation: 'Weir serves Gateways of every class that the configuration holds, whatever controller the class names.',
  },
  WR0313: {
    severity: 'warning',
    title: 'Rule has no backend',
    explanation: 'A rule without `backendRefs` and without a redirect answers 500.',
  },
  WR0314: { severity: 'warning', title: 'All backends have weight 0', explanation: 'No backend takes traffic: the rule answers 500.' },
  WR0315: {
    severity: 'error',
    title: 'Filter cannot be resolved',
    explanation: 'An `ExtensionRef` names nothing that Weir can run. A filter must not be skipped, so the rule answers 500.',
  },
  WR0316: {
    severity: 'error',
    title: 'HTTPRoute and GRPCRoute share a hostname on one listener',
    explanation: 'Only one kind may serve a hostname of a listener: the older route, then the first by namespace and name, keeps it.',
  },
  WR0317: {
    severity: 'error',
    title: 'Gateway address cannot be used',
    explanation: 'Weir binds addresses of type IPAddress with a valid IP (`UnsupportedAddress`, `AddressNotUsable`).',
  },
  WR0318: {
    severity: 'error',
    title: 'Listener allows a route kind that it cannot serve',
    explanation:
      '`allowedRoutes.kinds` names a kind that does not exist or does not fit the protocol of the listener (`InvalidRouteKinds`).',
  },
  WR0319: {
    severity: 'error',
    title: 'Certificate reference is not valid',
    explanation:
      'A `certificateRef` must name a Secret that exists and holds `tls.crt` and `tls.key` (`InvalidCertificateRef`, for the certificate that is shown to backends `InvalidClientCertificateRef`). Other certificates of the listener serve; without any its connections are closed.',
  },
  WR0321: {
    severity: 'error',
    title: 'ExternalName Service without a name',
    explanation: '`spec.externalName` is the DNS name that the Service stands for.',
  },
  WR0322: {
    severity: 'error',
    title: 'Header cannot be changed',
    explanation:
      'The header modifier names a header that carries framing or connection state, or a value that is not valid in HTTP. The rule answers 500, as a filter must not be skipped.',
  },
  WR0323: {
    severity: 'error',
    title: 'Reference to certificate authorities is not valid',
    explanation:
      'A `caCertificateRef` must name a ConfigMap (or a Secret) that exists and holds PEM certificates under `ca.crt` (`InvalidCACertificateRef`, `InvalidCACertificateKind`, `InvalidKind`). The others are trusted; without any, connections of the listener are closed and requests to the backends of a BackendTLSPolicy are answered 503 (`NoValidCACertificate`).',
  },
  WR0324: {
    severity: 'warning',
    title: 'Client certificates are not enforced',
    explanation:
      'With `mode: AllowInsecureFallback` clients without a certificate, or with one that is not valid, are let through; the backend alone decides about them.',
  },
  WR0325: {
    severity: 'warning',
    title: 'TLS settings of a port without HTTPS',
    explanation: '`spec.tls.frontend.perPort` names a port on which the Gateway has no HTTPS listener: the entry has no effect.',
  },
  WR0326: {
    severity: 'error',
    title: 'BackendTLSPolicy is not valid',
    explanation:
      'The policy names no Service of its namespace, a port that the Service does not have, or authorities that Weir does not know (`TargetNotFound`, `Invalid`). What it can be seen to guard is closed: requests to it are answered 503, never in plain text.',
  },
  WR0327: {
    severity: 'error',
    title: 'Two BackendTLSPolicies for one target',
    explanation: 'The older one counts, then the first by name (`Conflicted`).',
  },
  WR0328: {
    severity: 'warning',
    title: 'Route of layer 4 that gets nothing',
    explanation:
      'Connections are told apart by port and server name alone. Another rule or an older route takes all that this one could get.',
  },
} as const satisfies Readonly<Record<string, MessageSpec>>;
