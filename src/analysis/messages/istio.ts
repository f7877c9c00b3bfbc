import type { MessageSpec } from '../messages.ts';

/** 02: what Istio resources say to one another. istioctl's own code is named where there is one. */
export const istioMessages = {
  WR0201: {
    severity: 'error',
    title: 'Kind that Weir refuses',
    explanation:
      'EnvoyFilter, WasmPlugin and TrafficExtension program Envoy itself. Nothing of them is applied, and where they may keep requests out (a WasmPlugin; an EnvoyFilter with RBAC, external authorization, JWT, rate limits, Lua …) their scope answers 503 (WR0109). Say the same with a VirtualService, a DestinationRule or a `weir.dev/v1` Policy.',
  },
  WR0203: {
    severity: 'error',
    title: 'Subset does not exist',
    explanation:
      'No DestinationRule of the destination host declares this subset (IST0101). The share of this destination is answered with 503.',
  },
  WR0204: {
    severity: 'error',
    title: 'Gateway does not exist',
    explanation:
      'The VirtualService names a Gateway that is nowhere in the configuration (IST0101). Write `name` for the same namespace, `namespace/name` for another.',
  },
  WR0205: {
    severity: 'warning',
    title: 'Host is not served by the gateway',
    explanation:
      'None of the hosts of the Gateway named by the VirtualService covers this host (IST0132): the routes are not reached there. The namespace before a `/` in a server host counts too.',
  },
  WR0206: {
    severity: 'error',
    title: 'Delegate cannot be used',
    explanation:
      'The VirtualService named by `delegate` does not exist, is not exported to this namespace, has hosts of its own, or delegates further. The rule is left out.',
  },
  WR0207: {
    severity: 'warning',
    title: 'Delegate rule conflicts with its root',
    explanation:
      'A match of a delegate must be narrower than one of the matches of the root rule. The delegate rule is left out, as in Istio.',
  },
  WR0208: {
    severity: 'error',
    title: 'Destination port is missing or not exposed',
    explanation:
      'The service has several ports and the destination names none (IST0112), or it names one that the service does not have. The share of this destination is answered with 503.',
  },
  WR0209: {
    severity: 'warning',
    title: 'Rule is never reached',
    explanation:
      'Several VirtualServices share the host, and a rule before this one in its own VirtualService matches every request (IST0130). Within one VirtualService see WR0603.',
  },
  WR0210: {
    severity: 'warning',
    title: 'Match has no effect',
    explanation: 'The match has conditions that Istio does not look at (IST0131).',
  },
  WR0211: {
    severity: 'warning',
    title: 'Two VirtualServices for one host in the mesh',
    explanation: 'In the mesh only one VirtualService counts for a host, the oldest (IST0109). At gateways they are merged.',
  },
  WR0212: {
    severity: 'warning',
    title: 'Gateways disagree about a port',
    explanation:
      'Servers of one address and port speak different protocols (IST0145). The first one in file order counts, the other is not served. HTTPS and TLS servers share a port, and so do HTTP, HTTP2 and GRPC ones.',
  },
  WR0213: {
    severity: 'info',
    title: 'Short host name is expanded',
    explanation:
      'A host without a dot is a service of the namespace: `shop` in namespace `default` answers for `shop.default.svc.cluster.local` and for no request that names just `shop` at a gateway.',
  },
  WR0214: {
    severity: 'warning',
    title: 'Host is not visible here',
    explanation: '`exportTo` of the service or the VirtualService leaves this namespace out; it is treated as if it were not there.',
  },
  WR0215: {
    severity: 'warning',
    title: 'Another server has the host already',
    explanation:
      'Two TLS servers of one address and port have the same host: a connection names it once (SNI), and the first server in file order takes it. The same where the host of a VirtualService is more narrowly that of another server.',
  },
  WR0216: {
    severity: 'warning',
    title: 'TLS field has no effect',
    explanation:
      'The field says nothing in the TLS mode of its server. Without `mode` TLS is passed through (Istio: the mode is PASSTHROUGH), and no certificate of the gateway is used.',
  },
  WR0217: {
    severity: 'warning',
    title: 'Routes do not fit the protocol of the server',
    explanation:
      'The VirtualService reaches only servers that use none of its route lists: `http` runs on HTTP, HTTP2, GRPC and HTTPS servers, `tls` where TLS is passed through, `tcp` on TCP and on TLS that ends at the gateway.',
  },
  WR0218: {
    severity: 'warning',
    title: 'Certificate of the service is not verified',
    explanation:
      '`insecureSkipVerify` of a DestinationRule: the connection is encrypted, and whoever answers it is believed. Name the authorities with `caCertificates` or `credentialName` instead.',
  },
} as const satisfies Readonly<Record<string, MessageSpec>>;
