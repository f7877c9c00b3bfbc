import type { ConnectionChain } from './chain.ts';
import type { FilterConfig } from './filter.ts';
import type { DialectName, Origin } from './origin.ts';
import type { PendingField, ReplyStyle, VirtualHost } from './route.ts';

/** How requests are brought to one form, or refused. Names and defaults: Envoy's edge guidance (reference/envoy.md §8). */
export interface Canonicalisation {
  /** Percent-decode unreserved characters, resolve dot segments. */
  readonly normalizePath: boolean;
  readonly mergeSlashes: boolean;
  /** `%2F`, `%5C` and `\`. */
  readonly escapedSlashes: 'keep' | 'reject' | 'unescape-and-redirect' | 'unescape-and-forward';
  readonly underscores: 'allow' | 'reject' | 'drop';
  /** Drop the listener's own port from the authority before matching. */
  readonly stripPort: boolean;
  readonly stripTrailingDot: boolean;
}

/** Bounds of one listener. Bytes and milliseconds; 0 switches a time limit off. */
export interface HttpLimits {
  /** Whole request head. Over it 431. */
  readonly maxHeadBytes: number;
  /** 431 over it. */
  readonly maxHeaders: number;
  /** Request target. 414 over it. */
  readonly maxTargetBytes: number;
  /** 413 over it; 0: no limit. */
  readonly maxBodyBytes: number;
  /** From the first byte of a request to the end of its head: 408. To the first byte on a new connection: closed without a reply (nginx client_header_timeout). */
  readonly headTimeoutMs: number;
  /** From the first byte to the end of the request's body: 408. */
  readonly requestTimeoutMs: number;
  /** Connection without a request. Closed without a reply. */
  readonly idleTimeoutMs: number;
  /** No byte in either direction during an exchange: 408 before, reset after the response began. */
  readonly streamIdleTimeoutMs: number;
  readonly maxConnections: number;
  /** A connection of HTTP at most, and the requests that are then under way, ms; 0 or absent: no limit. */
  readonly maxConnectionMs?: number;
  /** An upgraded connection without a byte, ms; absent: `streamIdleTimeoutMs`. */
  readonly upgradeIdleTimeoutMs?: number;
  /** An upgraded connection at most, ms; 0 or absent: no limit. */
  readonly maxUpgradeMs?: number;
  /** Requests under way on one HTTP/2 connection; absent: 100. */
  readonly maxConcurrentStreams?: number;
}

export interface Listener {
  /** `address:port`; `mesh` for the sidecars' outbound view. Identity of the socket. */
  readonly name: string;
  /** `gateway`: bound by workers. `mesh`: not bound here; what a mesh caller sees (Istio gateway `mesh`). */
  readonly kind: 'gateway' | 'mesh';
  /** IP literal; `::` with `dual` semantics for all interfaces. Empty for `mesh`. */
  readonly address: string;
  /** As configured, before --map-port. 0 for `mesh`. */
  readonly port: number;
  /** `http`: HTTP over TCP, with `chains` also TLS and other protocols. `tcp`, `udp`: no virtual hosts, only `chains`. */
  readonly protocol: 'http' | 'tcp' | 'udp';
  /** Best first. Absent or empty: every connection is plain HTTP. */
  readonly chains?: readonly ConnectionChain[];
  /** PROXY protocol (v1 or v2) at the head of each connection; `optional` only from `trustedCidrs`. Absent: off. */
  readonly proxyProtocol?: 'required' | 'optional';
  /** Connections that do not begin as HTTP or TLS go to the chain with `forward`; one that stays silent this long, ms, counts as such (Envoy listener_filters_timeout). Absent: no detection. */
  readonly detectTimeoutMs?: number;
  /** False: HTTP/2 without TLS (prior knowledge) is refused. Absent: both versions are spoken (Envoy codec AUTO). */
  readonly http2?: boolean;
  readonly dialect: DialectName;
  readonly origin: Origin;
  readonly canonicalisation: Canonicalisation;
  readonly limits: HttpLimits;
  /** Hops in front of Weir whose X-Forwarded-For entries are trusted (Istio numTrustedProxies). */
  readonly trustedHops: number;
  /** Peers whose forwarding headers are kept (Kong trusted_ips). CIDRs. */
  readonly trustedCidrs: readonly string[];
  readonly replyStyle: ReplyStyle;
  /** Kong listeners add Via, Server and latency headers. */
  readonly kongHeaders: boolean;
  readonly virtualHosts: readonly VirtualHost[];
  /** Run before routing, for every request of the listener. */
  readonly filters: readonly FilterConfig[];
  readonly pending: readonly PendingField[];
}

/** Envoy's edge defaults; a dialect overrides what it says itself. */
export const edgeCanonicalisation: Canonicalisation = {
  normalizePath: true,
  mergeSlashes: true,
  escapedSlashes: 'unescape-and-redirect',
  underscores: 'reject',
  stripPort: false,
  stripTrailingDot: true,
};

export const defaultLimits: HttpLimits = {
  maxHeadBytes: 60 * 1024,
  maxHeaders: 100,
  maxTargetBytes: 16 * 1024,
  maxBodyBytes: 0,
  headTimeoutMs: 60_000,
  requestTimeoutMs: 300_000,
  idleTimeoutMs: 3_600_000,
  streamIdleTimeoutMs: 300_000,
  maxConnections: 10_000,
};

/** What a listener is where its configuration says nothing of it. */
export const edgeListener = {
  canonicalisation: edgeCanonicalisation,
  limits: defaultLimits,
  trustedHops: 0,
  trustedCidrs: [],
  replyStyle: 'envoy',
  kongHeaders: false,
} as const satisfies Partial<Listener>;
