import type { SampleServices } from './services.ts';

/** Ports that the sample configuration names; `--map-port` moves them when they are taken. */
export const demoPorts = { istio: 8080, gatewayApi: 8081, kong: 8000, kongTls: 8443 } as const;

/** The key that the sample's consumer shows. */
export const demoKey = 's3cret-demo-key';

/** Sample configuration in three dialects, by file name. */
export function demoFiles(ports: SampleServices['ports']): Readonly<Record<string, string>> {
  return { 'istio.yaml': istio(ports), 'gateway-api.yaml': gatewayApi(ports), 'kong.yaml': kong(ports) };
}

function istio(ports: SampleServices['ports']): string {
  return `# Istio: a canary. One in ten requests for /reviews goes to v2, and everybody who says so.
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: demo}
spec:
  selector: {istio: ingressgateway}
  servers:
  - port: {number: ${demoPorts.istio}, name: http, protocol: HTTP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: demo}
spec:
  hosts: ["*"]
  gateways: [demo]
  http:
  - name: testers
    match:
    - uri: {prefix: /reviews}
      headers: {x-tester: {exact: "yes"}}
    route:
    - destination: {host: reviews.demo, port: {number: 80}, subset: v2}
  - name: canary
    match:
    - uri: {prefix: /reviews}
    route:
    - destination: {host: reviews.demo, port: {number: 80}, subset: v1}
      weight: 90
    - destination: {host: reviews.demo, port: {number: 80}, subset: v2}
      weight: 10
  - name: old-shop
    match:
    - uri: {prefix: /old-shop}
    redirect: {uri: /shop/, redirectCode: 301}
  - name: shop
    match:
    - uri: {prefix: /shop/}
    rewrite: {uri: /}
    headers: {request: {set: {x-from: weir-demo}}}
    route:
    - destination: {host: shop.demo, port: {number: 80}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec:
  host: reviews.demo
  subsets:
  - {name: v1, labels: {version: v1}}
  - {name: v2, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: reviews}
spec:
  hosts: [reviews.demo]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: 127.0.0.1, ports: {http: ${ports['reviews-v1']}}, labels: {version: v1}}
  - {address: 127.0.0.1, ports: {http: ${ports['reviews-v2']}}, labels: {version: v2}}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shop}
spec:
  hosts: [shop.demo]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:
  - {address: 127.0.0.1, ports: {http: ${ports.shop}}}
`;
}

function gatewayApi(ports: SampleServices['ports']): string {
  return `# Kubernetes Gateway API, without Kubernetes: the EndpointSlice says where the Service runs.
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: demo}
spec:
  gatewayClassName: weir
  listeners:
  - {name: http, port: ${demoPorts.gatewayApi}, protocol: HTTP}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: orders}
spec:
  parentRefs: [{name: demo}]
  rules:
  - matches:
    - path: {type: PathPrefix, value: /orders}
    filters:
    - type: ResponseHeaderModifier
      responseHeaderModifier: {set: [{name: x-served-by, value: weir}]}
    backendRefs: [{name: orders, port: 80}]
---
apiVersion: v1
kind: Service
metadata: {name: orders}
spec:
  ports: [{name: http, port: 80, targetPort: ${ports.orders}}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: orders-1
  labels: {kubernetes.io/service-name: orders}
addressType: IPv4
ports: [{name: http, port: ${ports.orders}}]
endpoints:
- addresses: [127.0.0.1]
---
# The same limit for everybody on this route, by address: Weir's own kind, attached the Gateway API way.
apiVersion: weir.dev/v1
kind: Policy
metadata: {name: orders-limit}
spec:
  targetRefs: [{kind: HTTPRoute, name: orders}]
  filters:
  - rateLimit:
      limits: [{requests: 1000, per: minute}]
      key: [{ip: true}]
`;
}

function kong(ports: SampleServices['ports']): string {
  return `# Kong's declarative format: a key and a limit of ten requests a minute.
_format_version: "3.0"
services:
- name: partners
  host: partners
  port: 80
  routes:
  - name: partners
    paths: [/partners]
    strip_path: true
    plugins:
    - name: key-auth
      config: {key_names: [apikey], hide_credentials: true}
    - name: rate-limiting
      config: {minute: 10, policy: local}
upstreams:
- name: partners
  targets:
  - target: 127.0.0.1:${ports.orders}
consumers:
- username: ada
  keyauth_credentials:
  - key: ${demoKey}
`;
}
