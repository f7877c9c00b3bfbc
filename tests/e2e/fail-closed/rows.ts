/** Configurations in which something that restricts access cannot run: none of them may let a request through. */

/** Texts of files; the first one alone is open. */
export interface Row {
  readonly name: string;
  readonly files: readonly string[];
  /** Also sent through a real listener to a real backend. */
  readonly live?: true;
  /** Nothing is wrong: it runs. */
  readonly quiet?: true;
  /** TLS that runs: explain forwards, and an upstream without it is not reached in plain text. */
  readonly encrypted?: true;
}

/** A Kong gateway with one route `r` to `/`; the port of the backend is `BACKEND`. */
export const kong = `_format_version: "3.0"
services:
- name: s
  host: 127.0.0.1
  port: BACKEND
  routes:
  - name: r
    paths: [/]
consumers:
- {username: ann, keyauth_credentials: [{key: k}]}
`;

/** An Istio gateway with one VirtualService `v` to the host a.test. */
export function istio(rule = '- {name: first, route: [{destination: {host: a.test}}]}'): string {
  return `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec: {servers: [{port: {number: 8000, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: a}
spec: {hosts: [a.test], ports: [{number: 80, name: http, protocol: HTTP, targetPort: BACKEND}], resolution: STATIC, endpoints: [{address: 127.0.0.1}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v}
spec:
  hosts: ["*"]
  gateways: [g]
  http:
  ${rule}
`;
}

/** A Gateway API gateway with one HTTPRoute `h` to the Service `svc`. */
export function gatewayApi(filters = ''): string {
  return `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: g}
spec: {gatewayClassName: weir, listeners: [{name: http, port: 8000, protocol: HTTP}]}
---
apiVersion: v1
kind: Service
metadata: {name: svc}
spec: {ports: [{name: http, port: 80, targetPort: BACKEND}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: svc-1, labels: {kubernetes.io/service-name: svc}}
addressType: IPv4
ports: [{name: http, port: BACKEND}]
endpoints: [{addresses: [127.0.0.1]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: h}
spec:
  parentRefs: [{name: g}]
  rules: [{name: first, backendRefs: [{name: svc, port: 80}]${filters === '' ? '' : `, filters: [${filters}]`}}]
`;
}

export function document(apiVersion: string, kind: string, spec: string, name = 'p'): string {
  return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: ${spec}\n`;
}

const weir = (targets: string, filters = keyAuth, name = 'p'): string =>
  document('weir.dev/v1', 'Policy', `{targetRefs: [${targets}], filters: [${filters}]}`, name);
const security = (kind: string, spec: string, version = 'security.istio.io/v1'): string => document(version, kind, spec);
const rule = (spec: string, name = 'p'): string => document('networking.istio.io/v1', 'DestinationRule', spec, name);

const keyAuth = '{keyAuth: {names: [k]}}';
const onV = '{kind: VirtualService, name: v}';
const uuid = '11111111-1111-4111-8111-111111111111';
const plugins = (list: string): string => `_format_version: "3.0"\nplugins:\n${list}\n`;
const tls = '{host: a.test, trafficPolicy: {tls: {mode: SIMPLE}}}';
const backendTls = '{targetRefs: [{group: "", kind: Service, name: svc}], validation: {hostname: x, wellKnownCACertificates: System}}';

const kongRows: readonly Row[] = [
  { name: 'an unknown plugin', files: [kong, plugins('- name: foo-bar')], live: true },
  { name: 'an Enterprise plugin', files: [kong, plugins('- name: openid-connect\n  config: {issuer: x}')] },
  { name: 'a plugin without a name', files: [kong, plugins('- config: {}')] },
  { name: 'plugins as one map', files: [kong, plugins('  name: key-auth')] },
  { name: 'plugins as a text', files: [kong, '_format_version: "3.0"\nplugins: key-auth\n'] },
  { name: 'plugins as a list of names', files: [kong, plugins('- key-auth')], live: true },
  { name: 'a plugin whose enabled is a text', files: [kong, plugins('- {name: key-auth, enabled: "false"}')] },
  { name: 'a misspelled list of plugins', files: [kong, '_format_version: "3.0"\nplugin:\n- name: key-auth\n'] },
  { name: 'a misspelled field of a plugin', files: [kong, plugins('- {name: key-auth, confg: {}}')], live: true },
  { name: 'a plugin for a route, by name', files: [kong, plugins('- {name: ip-restriction, route: r, config: {allow: [192.0.2.1]}}')] },
  { name: 'a plugin whose route cannot be read', files: [kong, plugins('- {name: key-auth, route: {nme: r}}')] },
  { name: 'a plugin for a consumer group', files: [kong, plugins('- {name: key-auth, consumer_group: gold}')] },
  {
    name: 'two plugins of one id',
    quiet: true,
    files: [kong, plugins(['cors', 'key-auth'].map((n) => `- {id: 11111111-1111-4111-8111-111111111111, name: ${n}}`).join('\n'))],
  },
  { name: 'an anonymous consumer that does not exist', files: [kong, plugins('- {name: key-auth, config: {anonymous: nobody}}')] },
  { name: 'a filter chain', files: [kong, '_format_version: "3.0"\nfilter_chains:\n- {service: s, filters: [{name: x}]}\n'] },
  { name: 'plugins without _format_version', files: [kong, 'plugins:\n- {name: key-auth}\n'], live: true },
  { name: 'plugins in a version that does not exist', files: [kong, '_format_version: "9"\nplugins:\n- {name: key-auth}\n'] },
  { name: 'plugins in damaged YAML', files: [kong, plugins('- {name: key-auth, config: {key_names: [a}}')] },
  { name: 'plugins in damaged JSON', files: [kong, '{"_format_version": "3.0", "plugins": [{"name": "key-auth"]}'] },
  { name: 'a service that wants TLS', files: [kong.replace('  port: B', '  protocol: https\n  port: B')], live: true, encrypted: true },
  {
    name: 'a service whose authority is not there',
    files: [kong.replace('  port: B', `  protocol: https\n  tls_verify: true\n  ca_certificates: [${uuid}]\n  port: B`)],
    live: true,
  },
  {
    name: 'a service whose client certificate is broken',
    files: [
      kong.replace('  port: B', `  protocol: https\n  client_certificate: {id: ${uuid}}\n  port: B`),
      `_format_version: "3.0"\ncertificates:\n- {id: ${uuid}, cert: x, key: y}\n`,
    ],
    live: true,
  },
  {
    name: 'a route for requests to a service for connections',
    files: [kong.replace('  port: B', '  protocol: tcp\n  port: B')],
    live: true,
  },
];

const istioRows: readonly Row[] = [
  { name: 'AuthorizationPolicy', files: [istio(), security('AuthorizationPolicy', '{rules: []}')], live: true },
  {
    name: 'AuthorizationPolicy without spec',
    files: [istio(), 'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\n'],
  },
  {
    name: 'AuthorizationPolicy CUSTOM',
    files: [istio(), security('AuthorizationPolicy', '{action: CUSTOM, provider: {name: x}, rules: [{}]}')],
  },
  { name: 'RequestAuthentication', files: [istio(), security('RequestAuthentication', '{jwtRules: [{issuer: x, jwks: "{}"}]}')] },
  { name: 'PeerAuthentication STRICT', files: [istio(), security('PeerAuthentication', '{mtls: {mode: STRICT}}')] },
  { name: 'PeerAuthentication that is broken', files: [istio(), security('PeerAuthentication', '{mtls: {mode: STRCT}}')] },
  { name: 'a misspelled AuthorizationPolicy', files: [istio(), security('AuthorizationPolcy', '{rules: []}')], live: true },
  {
    name: 'AuthorizationPolicy of a version that does not exist',
    files: [istio(), security('AuthorizationPolicy', '{rules: []}', 'security.istio.io/v9')],
  },
  {
    name: 'AuthorizationPolicy of another group',
    files: [istio(), security('AuthorizationPolicy', '{rules: []}', 'networking.istio.io/v1')],
  },
  {
    name: 'AuthorizationPolicy of a misspelled group',
    files: [istio(), security('AuthorizationPolicy', '{rules: []}', 'securty.istio.io/v1')],
  },
  {
    name: 'a second AuthorizationPolicy of one name',
    files: [istio(), security('AuthorizationPolicy', '{action: DENY}'), security('AuthorizationPolicy', '{rules: []}')],
  },
  {
    name: 'AuthorizationPolicy in damaged YAML',
    files: [istio(), 'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec: {rules: [}\n'],
  },
  {
    name: 'AuthorizationPolicy after a colon without a space',
    files: [istio(), 'apiVersion:security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p}\nspec: {rules: []}\n'],
  },
  { name: 'DestinationRule with TLS', files: [istio(), rule(tls)], live: true, encrypted: true },
  { name: 'DestinationRule with TLS of the mesh', files: [istio(), rule(tls.replace('SIMPLE', 'ISTIO_MUTUAL'))], live: true },
  {
    name: 'DestinationRule with TLS whose Secret is missing',
    files: [istio(), rule(tls.replace('SIMPLE', 'SIMPLE, credentialName: gone'))],
    live: true,
  },
  {
    name: 'DestinationRule with TLS whose Secret is broken',
    files: [
      istio(),
      rule(tls.replace('SIMPLE', 'MUTUAL, credentialName: c')),
      'apiVersion: v1\nkind: Secret\nmetadata: {name: c}\ntype: kubernetes.io/tls\nstringData: {tls.crt: x, tls.key: y}\n',
    ],
  },
  {
    name: 'DestinationRule with TLS for the port',
    files: [istio(), rule('{host: a.test, trafficPolicy: {portLevelSettings: [{port: {number: 80}, tls: {mode: MUTUAL}}]}}')],
  },
  {
    name: 'DestinationRule with TLS of a wildcard host',
    files: [istio(), rule(tls.replace('a.test', '"*.test"'))],
    live: true,
    encrypted: true,
  },
  {
    name: 'DestinationRule with TLS and a slip inside',
    files: [istio(), rule('{host: a.test, trafficPolicy: {tls: {mdoe: SIMPLE}}}')],
    live: true,
  },
  { name: 'DestinationRule with misspelled TLS', files: [istio(), rule('{host: a.test, trafficPolicy: {tsl: {mode: SIMPLE}}}')] },
  { name: 'DestinationRule with an unknown TLS mode', files: [istio(), rule('{host: a.test, trafficPolicy: {tls: {mode: MUTUL}}}')] },
  { name: 'DestinationRule with TLS, second of one name', files: [istio(), rule('{host: b.test}'), rule(tls)] },
  {
    name: 'DestinationRule with TLS, second for one host',
    files: [istio(), rule('{host: a.test, trafficPolicy: {loadBalancer: {simple: RANDOM}}}'), rule(tls, 'q')],
  },
  {
    name: 'DestinationRule in damaged YAML',
    files: [
      istio(),
      'apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: p}\nspec:\n  host: a.test\n  trafficPolicy: {tls: [}\n',
    ],
  },
  {
    name: 'a match on a claim',
    files: [istio('- {match: [{headers: {"@request.auth.claims.g": {exact: a}}}], route: [{destination: {host: a.test}}]}')],
    live: true,
  },
  {
    name: 'a match on a missing claim',
    files: [istio('- {match: [{withoutHeaders: {"@request.auth.claims.g": {exact: a}}}], route: [{destination: {host: a.test}}]}')],
  },
  {
    name: 'WasmPlugin',
    files: [istio(), document('extensions.istio.io/v1alpha1', 'WasmPlugin', '{url: "oci://x", phase: AUTHN}')],
    live: true,
  },
  {
    name: 'EnvoyFilter with a rate limit',
    files: [
      istio(),
      document(
        'networking.istio.io/v1alpha3',
        'EnvoyFilter',
        '{configPatches: [{applyTo: HTTP_FILTER, patch: {operation: INSERT_BEFORE, value: {name: envoy.filters.http.local_ratelimit}}}]}',
      ),
    ],
  },
];

const weirRows: readonly Row[] = [
  { name: 'a Policy that runs', quiet: true, files: [istio(), weir(onV)], live: true },
  { name: 'a Policy with an unknown filter', files: [istio(), weir(onV, '{keyAuh: {}}')], live: true },
  { name: 'a Policy without filters', files: [istio(), document('weir.dev/v1', 'Policy', `{targetRefs: [${onV}]}`)] },
  {
    name: 'a Policy with an empty list of targets',
    files: [istio(), document('weir.dev/v1', 'Policy', `{targetRefs: [], filters: [${keyAuth}]}`)],
  },
  { name: 'a Policy with a misspelled kind of target', files: [istio(), weir('{kind: VirtualServce, name: v}')] },
  {
    name: 'a Policy for a rule that does not exist',
    files: [istio(), weir('{kind: VirtualService, name: v, sectionName: x}')],
    live: true,
  },
  { name: 'a Policy for a server that does not exist', files: [istio(), weir('{kind: Gateway, name: g, sectionName: x}')] },
  {
    name: 'a Policy of a misspelled kind',
    files: [istio(), document('weir.dev/v1', 'Polcy', `{targetRefs: [${onV}], filters: [${keyAuth}]}`)],
    live: true,
  },
  {
    name: 'a Policy of a misspelled group',
    files: [istio(), document('wier.dev/v1', 'Policy', `{targetRefs: [${onV}], filters: [${keyAuth}]}`)],
  },
  {
    name: 'a Policy of a version that does not exist',
    files: [istio(), document('weir.dev/v2', 'Policy', `{targetRefs: [${onV}], filters: [${keyAuth}]}`)],
  },
  { name: 'a Policy without spec', files: [istio(), 'apiVersion: weir.dev/v1\nkind: Policy\nmetadata: {name: p}\n'] },
  {
    name: 'a Policy without metadata',
    files: [istio(), `apiVersion: weir.dev/v1\nkind: Policy\nspec: {targetRefs: [${onV}], filters: [${keyAuth}]}\n`],
  },
  { name: 'a second Policy of one name', files: [istio(), weir('{kind: VirtualService, name: other}'), weir(onV)], live: true },
  {
    name: 'a Policy after a tab',
    files: [
      istio(),
      `apiVersion: weir.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  targetRefs: [${onV}]\n  filters:\n\t- keyAuth: {names: [k]}\n`,
    ],
  },
  {
    name: 'a Policy in damaged JSON',
    files: [
      istio(),
      `{"apiVersion":"weir.dev/v1","kind":"Policy","metadata":{"name":"p"},"spec":{"targetRefs":[{"kind":"VirtualService","name":"v"}],"filters":[{"keyAuth":{}}]}`,
    ],
  },
  {
    name: 'a Policy after a colon without a space',
    files: [istio(), `apiVersion:weir.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec: {targetRefs: [${onV}], filters: [${keyAuth}]}\n`],
  },
  {
    name: 'a Policy on the root of a delegate',
    quiet: true,
    files: [
      istio('- {name: first, match: [{uri: {prefix: /}}], delegate: {name: d}}'),
      document('networking.istio.io/v1', 'VirtualService', '{http: [{route: [{destination: {host: a.test}}]}]}', 'd'),
      weir(onV),
    ],
    live: true,
  },
  {
    name: 'a Policy on the rule that delegates',
    quiet: true,
    files: [
      istio('- {name: first, match: [{uri: {prefix: /}}], delegate: {name: d}}'),
      document(
        'networking.istio.io/v1',
        'VirtualService',
        '{http: [{match: [{uri: {prefix: /never}}], route: [{destination: {host: a.test}}]}, {route: [{destination: {host: a.test}}]}]}',
        'd',
      ),
      weir('{kind: VirtualService, name: v, sectionName: first}'),
    ],
  },
  { name: 'a broken Policy on a Kong route', files: [kong, weir('{kind: Route, name: r}', '{rateLimit: {}}')], live: true },
];

const gatewayRows: readonly Row[] = [
  {
    name: 'BackendTLSPolicy',
    files: [gatewayApi(), document('gateway.networking.k8s.io/v1', 'BackendTLSPolicy', backendTls)],
    live: true,
    encrypted: true,
  },
  {
    name: 'BackendTLSPolicy for a port that does not exist: all are meant',
    files: [
      gatewayApi(),
      document('gateway.networking.k8s.io/v1', 'BackendTLSPolicy', backendTls.replace('name: svc', 'name: svc, sectionName: x')),
    ],
    live: true,
    encrypted: true,
  },
  {
    name: 'BackendTLSPolicy whose authority is not there',
    files: [
      gatewayApi(),
      document(
        'gateway.networking.k8s.io/v1',
        'BackendTLSPolicy',
        backendTls.replace('wellKnownCACertificates: System', 'caCertificateRefs: [{group: "", kind: ConfigMap, name: gone}]'),
      ),
    ],
    live: true,
  },
  {
    name: 'BackendTLSPolicy with authorities that nobody knows',
    files: [gatewayApi(), document('gateway.networking.k8s.io/v1', 'BackendTLSPolicy', backendTls.replace('System', 'Mozilla'))],
  },
  {
    name: 'a port that speaks TLS without a BackendTLSPolicy',
    quiet: true,
    files: [gatewayApi().replace('targetPort: BACKEND', 'targetPort: BACKEND, appProtocol: https')],
    live: true,
  },
  {
    name: 'BackendTLSPolicy that is broken',
    files: [gatewayApi(), document('gateway.networking.k8s.io/v1', 'BackendTLSPolicy', backendTls.replace('hostname', 'hostnam'))],
  },
  {
    name: 'BackendTLSPolicy in another spelling',
    files: [gatewayApi(), document('gateway.networking.k8s.io/v1', 'BackendTlsPolicy', backendTls)],
  },
  {
    name: 'an ExternalAuth filter',
    files: [gatewayApi('{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: svc, port: 80}}}')],
  },
  {
    name: 'an ExtensionRef to nothing',
    files: [gatewayApi('{type: ExtensionRef, extensionRef: {group: weir.dev, kind: Policy, name: p}}')],
  },
  {
    name: 'an ExtensionRef of another group',
    files: [gatewayApi('{type: ExtensionRef, extensionRef: {group: acme.example, kind: OIDC, name: p}}')],
  },
  {
    name: 'an ExtensionRef to a broken Policy',
    files: [
      gatewayApi('{type: ExtensionRef, extensionRef: {group: weir.dev, kind: Policy, name: p}}'),
      document('weir.dev/v1', 'Policy', '{filters: [{keyAuth: {nmes: [k]}}]}'),
    ],
    live: true,
  },
  { name: 'a Policy for a rule that does not exist', files: [gatewayApi(), weir('{kind: HTTPRoute, name: h, sectionName: x}')] },
  {
    name: 'AuthorizationPolicy on a Gateway',
    files: [
      gatewayApi(),
      security('AuthorizationPolicy', '{targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}], rules: []}'),
    ],
  },
];

export const rows: readonly Row[] = [
  ...kongRows.map((row) => ({ ...row, name: `Kong: ${row.name}` })),
  ...istioRows.map((row) => ({ ...row, name: `Istio: ${row.name}` })),
  ...weirRows.map((row) => ({ ...row, name: `Weir: ${row.name}` })),
  ...gatewayRows.map((row) => ({ ...row, name: `Gateway API: ${row.name}` })),
];
