import type { LineWriter } from './log/line-writer.ts';

/** What the log says of TLS between the client and us. */
export interface RecordTls {
  /** `TLSv1.3` */
  readonly version: string;
  /** OpenSSL name. */
  readonly cipher: string;
  /** SNI; '' without. */
  readonly serverName: string;
  /** Hex; '' without. */
  readonly sessionId: string;
  /** Of the client; null when it showed none. */
  readonly certificate: {
    /** RFC 2253 text. */
    readonly subject: string;
    readonly issuer: string;
    readonly serial: string;
    readonly fingerprint256: string;
    readonly uriSans: readonly string[];
    readonly dnsSans: readonly string[];
  } | null;
}

/** What the log says of TLS between us and the upstream. */
export interface RecordUpstreamTls {
  /** `TLSv1.3` */
  readonly version: string;
  /** OpenSSL name. */
  readonly cipher: string;
  /** Hex; '' while there is none (TLS 1.3 before its first ticket). */
  readonly sessionId: string;
  /** Of the upstream's certificate: RFC 2253 text, PEM, ms since the epoch (-1 without), alternative names. */
  readonly subject: string;
  readonly issuer: string;
  readonly pem: string;
  readonly validFromMs: number;
  readonly validToMs: number;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  readonly ipSans: readonly string[];
}

/**
 * What is known of an exchange when it is over: the only input of access log and metrics. The data plane reuses one
 * object per connection; nothing may keep it.
 */
export interface ExchangeRecord {
  /** Milliseconds since the epoch. */
  startMs: number;
  revision: number;
  method: string;
  /** As the client sent it. */
  authority: string;
  /** Target as the client sent it, with query. */
  originalPath: string;
  /** As sent upstream, with query; the canonical one when nothing was sent. */
  path: string;
  /** `HTTP/1.1`, `HTTP/1.0`; of layer 4 `TCP`, `TLS` (passed through) or `UDP`. */
  protocol: string;
  /** 0 when the client got none. */
  responseCode: number;
  /** Envoy's flags joined with `,`; empty when none. */
  responseFlags: string;
  responseCodeDetails: string;
  /** The request speaks gRPC. */
  isGrpc?: boolean;
  /** gRPC's status of the response; -1 when it came to none. */
  grpcStatus?: number;
  /** Whole messages of gRPC that the client sent, and that it was sent. */
  requestMessages?: number;
  responseMessages?: number;
  /** Body bytes. */
  bytesReceived: number;
  bytesSent: number;
  durationMs: number;
  /** From the first request byte to the last request byte received, ms; -1 unknown. */
  requestDurationMs: number;
  /** To the first response byte from upstream, ms; -1 unknown. */
  responseDurationMs: number;
  /** From request sent to response head, ms; -1 when no upstream answered. */
  upstreamServiceTimeMs: number;
  /** `ip:port` or empty. */
  upstreamHost: string;
  upstreamLocalAddress: string;
  upstreamCluster: string;
  /** Service host and namespace of the cluster, for Istio's metrics. */
  upstreamService: string;
  upstreamServiceNamespace: string;
  upstreamTransportFailureReason: string;
  /** Filled where `LogNeeds.upstreamConnection` asks; absent and null: plain text. */
  upstreamTls?: RecordUpstreamTls | null;
  upstreamAttempts: number;
  routeName: string;
  virtualHost: string;
  listener: string;
  /** `ip:port` of the client after trusted hops (port of the peer). */
  downstreamRemoteAddress: string;
  downstreamDirectRemoteAddress: string;
  downstreamLocalAddress: string;
  /** SNI; empty without. */
  requestedServerName: string;
  connectionId: number;
  /** TLS that ended at the listener; null for plain text. */
  downstreamTls: RecordTls | null;
  /** Why a connection was not taken in: a failed handshake, no chain for it; empty otherwise. */
  downstreamTransportFailure: string;
  requestId: string;
  traceId: string;
  principal: string;
  consumer: string;
  /** Request header as received; null when absent. Lower-case name. */
  requestHeader(name: string): string | null;
  /** Response header as sent; null when absent or not among `LogNeeds.responseHeaders`. Lower-case name. */
  responseHeader(name: string): string | null;
  /** Response trailer; same rule. */
  responseTrailer(name: string): string | null;
}

/** What a format reads that must be captured while it passes. */
export interface LogNeeds {
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly responseTrailers: readonly string[];
  /** `upstreamLocalAddress` and `upstreamTls`. */
  readonly upstreamConnection?: boolean;
}

/** A compiled access-log format: appends one line, without the newline, for a record. */
export interface LineFormat {
  readonly needs: LogNeeds;
  write(record: ExchangeRecord, out: LineWriter): void;
}
