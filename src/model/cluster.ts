import type { Origin } from './origin.ts';
import type { PendingField } from './route.ts';
import type { ClientTls } from './tls.ts';

export interface Endpoint {
  /** IP address, host name in a `dns` cluster, or the path of a Unix socket (begins with `/`; `@` for an abstract one; port 0). */
  readonly address: string;
  readonly port: number;
  /** Name that the address was found under, when it was looked up. */
  readonly hostname?: string;
  /** 0 takes no traffic. Default 1 (Kong 100). */
  readonly weight: number;
  readonly labels: Readonly<Record<string, string>>;
  /** `region/zone/subzone` or empty. */
  readonly locality: string;
}

export type Balancer =
  | { readonly policy: 'round-robin' }
  | { readonly policy: 'random' }
  /** Power of `choices` random picks, fewest active requests wins (Envoy LEAST_REQUEST, choice_count 2). */
  | { readonly policy: 'least-request'; readonly choices: number };

export interface Cluster {
  /** Unique in the snapshot: `host|port|subset` in Envoy's manner, or the dialect's name. Identity of pools and balancer state. */
  readonly name: string;
  /** `static`: addresses are IPs. `dns`: each endpoint's address is a name, resolved outside the data path. */
  readonly discovery: 'static' | 'dns';
  readonly endpoints: readonly Endpoint[];
  readonly balancer: Balancer;
  /** Time to connect, ms. */
  readonly connectTimeoutMs: number;
  /** Host name of the service, for metrics (`destination_service`) and explain. */
  readonly service: string;
  readonly serviceNamespace: string | null;
  /** Sent as authority when a route's hostRewrite is `endpoint` (Kong upstream host_header / service host). */
  readonly hostHeader?: string;
  /** `tls`: `tls` says how. */
  readonly transport: 'plaintext' | 'tls';
  readonly tls?: ClientTls;
  /** What the upstream speaks; `alpn`: what its TLS handshake agrees on. Absent: HTTP/1.1. */
  readonly protocol?: 'http1' | 'http2' | 'alpn';
  /** PROXY protocol header at the head of each connection to the upstream; such connections serve one client only. */
  readonly proxyProtocol?: 'v1' | 'v2';
  /** False: the host was found nowhere in the configuration; a failed look-up is 503 NC. */
  readonly declared: boolean;
  readonly origin: Origin;
  readonly pending: readonly PendingField[];
  /** Set: every request is answered 503 and the reason stands in explain and the log. */
  readonly blocked?: string;
}
