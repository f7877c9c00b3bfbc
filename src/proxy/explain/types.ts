import type { Caller } from '../../decide/request.ts';
import type { Origin } from '../../model/origin.ts';
import type { PendingField } from '../../model/route.ts';

/** A request to be explained; nothing of it is sent. */
export interface ExplainRequest {
  readonly method: string;
  /** `http://host[:port]/path?query`; its port picks the listener, its authority becomes Host. Taken as written, not normalised. */
  readonly url: string;
  /** Further header lines; `Host` replaces the URL's authority. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** `host:port` of the listener when it is not the URL's. */
  readonly address?: string | null;
  /** A mesh workload that calls; picks the mesh listener. */
  readonly caller?: Caller | null;
  /** Bytes of the request's body; 0 without one. */
  readonly bodyBytes?: number;
}

export type Outcome = 'forward' | 'redirect' | 'direct-response' | 'denied' | 'not-found' | 'error';

/** Changes to header lines; several added lines of one name are an array. */
export interface HeaderChanges {
  readonly set: Readonly<Record<string, string>>;
  readonly add: Readonly<Record<string, string | readonly string[]>>;
  readonly remove: readonly string[];
}

/** TLS towards a destination's endpoints. */
export interface ExplainedTls {
  /** Asked for by SNI; null: none is sent (an address). */
  readonly serverName: string | null;
  /** False: the certificate is not looked at. */
  readonly verified: boolean;
  /** One of them must be in the certificate. */
  readonly names: readonly string[];
  /** We show one. */
  readonly clientCertificate: boolean;
}

/** How a destination's endpoints are spoken to. */
export interface ExplainedTransport {
  /** Absent: plain text. */
  readonly tls?: ExplainedTls;
  /** Absent: HTTP/1.1, or bytes; `alpn`: what the TLS handshake agrees on. */
  readonly protocol?: 'http2' | 'alpn';
  /** A PROXY header goes before everything else. */
  readonly proxyProtocol?: 'v1' | 'v2';
}

export interface ExplainedDestination extends ExplainedTransport {
  readonly cluster: string | null;
  readonly host: string;
  readonly port: number | null;
  readonly subset: string | null;
  readonly weight: number;
  readonly endpoints: readonly { readonly address: string; readonly healthy: boolean }[];
  /** Set: what is answered instead of forwarding this share, and why. */
  readonly status?: number;
  readonly reason?: string;
  /** Where this destination differs from `request`. */
  readonly path?: string;
  readonly authority?: string;
  readonly headers?: HeaderChanges;
  /** Changes to the response that only this destination brings; `response.headers` come on top. */
  readonly responseHeaders?: HeaderChanges;
  readonly location?: string;
  readonly origin: Origin | null;
}

export interface ExplainedFilter {
  readonly name: string;
  readonly verdict: 'continue' | 'deny' | 'respond';
  readonly reason: string;
  readonly origin: Origin;
}

export interface Candidate {
  /** Name of the route; null for a whole virtual host that was not picked. */
  readonly route: string | null;
  readonly virtualHost: string;
  readonly matched: boolean;
  /** Why it lost; for the winner, why it stands where it stands. */
  readonly because: string;
  readonly origin: Origin;
}

/** What `weir explain --format json` prints. */
export interface ExplainResult {
  readonly outcome: Outcome;
  /** What the proxy itself sends; null when it forwards. */
  readonly status: number | null;
  /** The decision in one sentence. */
  readonly reason: string;
  readonly listener: { readonly address: string; readonly origin: Origin } | null;
  readonly virtualHost: string | null;
  readonly route: {
    readonly name: string;
    readonly id: string;
    readonly rule: number;
    readonly match: number;
    readonly origin: Origin;
  } | null;
  /** As it leaves: after rewrite and header changes. */
  readonly request: { readonly method: string; readonly authority: string; readonly path: string; readonly headers: HeaderChanges };
  readonly destinations: readonly ExplainedDestination[];
  readonly response: { readonly location: string | null; readonly headers: HeaderChanges };
  readonly filters: readonly ExplainedFilter[];
  readonly candidates: readonly Candidate[];
  /** Candidates that were left out of the list. */
  readonly candidatesOmitted: number;
  /** Response flags as Envoy writes them. */
  readonly flags: readonly string[];
  /** Fields on the request's way that are understood and do not run yet. */
  readonly pending: readonly (PendingField & { readonly origin: Origin })[];
  /** What the outcome depends on and explain cannot know. */
  readonly conditions: readonly string[];
}
