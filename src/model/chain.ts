import type { Origin } from './origin.ts';
import type { PendingField } from './route.ts';
import type { ServerTls } from './tls.ts';

/** A share of the connections or datagrams of a layer 4 route. */
export interface L4Destination {
  /** Name of a cluster; null: an invalid backend, its share is closed. */
  readonly cluster: string | null;
  readonly weight: number;
  /** As the user wrote it, for explain. */
  readonly host: string;
  readonly port: number | null;
  readonly subset: string | null;
  readonly invalidReason?: string;
}

/** What is done with bytes that are not HTTP. */
export interface L4Forward {
  /** As access log and metrics name it. */
  readonly route: string;
  readonly destinations: readonly L4Destination[];
  /** No byte in either direction, ms; 0: no limit. TCP default 1 h (Envoy idle_timeout), UDP 60 s. */
  readonly idleTimeoutMs: number;
  /** Connections (UDP: sessions) of this route at a time; 0: no limit. */
  readonly maxConnections: number;
  /** UDP: all datagrams of one client go to the endpoint its address hashes to, whichever worker gets them. */
  readonly origin: Origin;
  readonly pending: readonly PendingField[];
  /** Set: connections are closed at once (fail closed); the reason stands in the log. */
  readonly blocked?: string;
}

/**
 * What becomes of a connection (Envoy's filter chain). A listener lists them best first; the first whose conditions all
 * hold is taken, none: the connection is closed.
 */
export interface ConnectionChain {
  /** For log, metrics and explain; unique in the listener. */
  readonly name: string;
  /** SNI, lower case: exact, `*.suffix` or `prefix.*`. Empty: whatever it is, and connections that are not TLS too. */
  readonly serverNames: readonly string[];
  /** Only TLS connections (true), only others (false), both (absent). */
  readonly isTls?: boolean;
  /** CIDRs, each with an optional `#port`, of the client; empty: any. Kong `sources`, Istio `sourceSubnets`. */
  readonly sources: readonly string[];
  /** The same of the address that was connected to. */
  readonly destinations: readonly string[];
  /** TLS that ends here; null: plain text, or passed through as it is. */
  readonly tls: ServerTls | null;
  /** Null: HTTP with the listener's virtual hosts. */
  readonly forward: L4Forward | null;
  /** Names of the virtual hosts that requests on it may reach; one for another is misdirected and gets 421. Absent: all of the listener's. */
  readonly virtualHosts?: readonly string[];
  readonly origin: Origin;
}
