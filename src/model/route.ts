import type { Origin } from './origin.ts';
import type { RouteMatch } from './match.ts';
import type { FilterConfig } from './filter.ts';

/** How the path (never the query) is rewritten. `matched` is what the winning match's path condition covered. */
export type PathRewrite =
  /** The whole path. */
  | { readonly kind: 'full'; readonly path: string }
  /** The matched string prefix, as bytes (Istio `rewrite.uri` after a prefix match). */
  | { readonly kind: 'prefix'; readonly replacement: string }
  /** The matched path elements (Gateway API ReplacePrefixMatch; table in reference/gateway-api.md §3). */
  | { readonly kind: 'path-prefix'; readonly replacement: string }
  /** First match of an RE2 pattern; `\1` … in the substitution (Istio uriRegexRewrite replaces every match). */
  | { readonly kind: 'regex'; readonly pattern: string; readonly substitution: string }
  /** Kong: service path joined with the request path after stripping the matched prefix or regex match. */
  | { readonly kind: 'kong'; readonly strip: boolean; readonly servicePath: string; readonly handling: 'v0' | 'v1' };

/** Authority sent upstream. */
export type HostRewrite =
  | { readonly kind: 'literal'; readonly value: string }
  /** The chosen endpoint's host name, or its cluster's `hostHeader` (Kong preserve_host: false). */
  | { readonly kind: 'endpoint' };

export interface WeightedDestination {
  /** Name of a cluster in the snapshot; null: an invalid backend whose share is answered with `invalidStatus`. */
  readonly cluster: string | null;
  /** Relative; 0 takes nothing while another is above 0. */
  readonly weight: number;
  /** As the user wrote it, for explain. */
  readonly host: string;
  readonly port: number | null;
  readonly subset: string | null;
  /** Status for this share when `cluster` is null (Gateway API: 500, Istio: 503). */
  readonly invalidStatus?: number;
  /** Why it is invalid. */
  readonly invalidReason?: string;
  /** Filters that run for this destination only (per-destination headers). */
  readonly filters: readonly FilterConfig[];
  readonly hostRewrite?: HostRewrite;
  readonly pathRewrite?: PathRewrite;
  /** This share is redirected instead of forwarded (Gateway API backend-level RequestRedirect). */
  readonly redirect?: RedirectAction;
}

export interface ForwardAction {
  readonly kind: 'forward';
  /** Never empty; when every weight is 0 `allZeroStatus` is answered. */
  readonly destinations: readonly WeightedDestination[];
  /** Gateway API 500; Istio spreads evenly by treating all-zero as error 503. */
  readonly allZeroStatus: number;
  readonly pathRewrite?: PathRewrite;
  readonly hostRewrite?: HostRewrite;
  /** Overall time for the exchange, ms; 0 or absent: none. On expiry 504 UT. */
  readonly timeoutMs?: number;
  /** Longest wait for the next bytes of the upstream's response, ms; 0 or absent: the worker's default. Kong read_timeout. */
  readonly readTimeoutMs?: number;
  /** Longest wait for the upstream to take more bytes, ms. Kong write_timeout. */
  readonly writeTimeoutMs?: number;
  /** Upgrades allowed beside `websocket`. */
  readonly upgrades?: readonly string[];
}

export interface RedirectAction {
  readonly kind: 'redirect';
  readonly status: number;
  /** Absent: keep the request's. */
  readonly scheme?: string;
  /** Host without port; absent: keep the request's. */
  readonly host?: string;
  /** A number; `scheme-default`: none written; `request`: the port of the request's authority; `listener`: the listener's, omitted when it is the scheme's own; absent: keep the authority as it is when the scheme stays, drop it when the scheme changes. */
  readonly port?: number | 'scheme-default' | 'request' | 'listener';
  readonly path?: PathRewrite;
  readonly stripQuery?: boolean;
}

export interface DirectResponseAction {
  readonly kind: 'direct-response';
  readonly status: number;
  /** Base64 when `base64`, else UTF-8 text. */
  readonly body: string;
  readonly base64?: boolean;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** A route that must not run: fail closed with this status (503 unless a dialect says otherwise). */
export interface BlockedAction {
  readonly kind: 'blocked';
  readonly status: number;
  /** For explain and the log, never for the client. */
  readonly reason: string;
}

export type RouteAction = ForwardAction | RedirectAction | DirectResponseAction | BlockedAction;

/** A field that was understood and does not run yet; shown by validate and explain. */
export interface PendingField {
  readonly field: string;
  readonly value: unknown;
  /** True: it restricts access, so its scope answers 503. */
  readonly restricts: boolean;
}

export interface Route {
  /** Unique in the snapshot and stable over revisions: dialect/kind/namespace/name/rule. */
  readonly id: string;
  /** As access log and metrics name it. */
  readonly name: string;
  /** Index of the rule in its resource. */
  readonly rule: number;
  readonly origin: Origin;
  /** The resource and rule that hands requests on to this route's (Istio `delegate`): policies on it hold here, too. */
  readonly parent?: { readonly kind: string; readonly namespace: string | null; readonly name: string; readonly rule: number };
  readonly action: RouteAction;
  /** In no particular order; the chain sorts them by the rank of each filter. */
  readonly filters: readonly FilterConfig[];
  /** Plain-text request answered with this status, plus `Upgrade: TLS/1.2` when it is 426 or a redirect to https (Kong, Istio httpsRedirect). */
  readonly httpsRedirect?: number;
  /** Shape of local replies; absent: the listener's. */
  readonly replyStyle?: ReplyStyle;
  readonly pending: readonly PendingField[];
}

/** How a local reply looks: Envoy's plain text (Istio, Gateway API, Weir) or Kong's JSON. */
export type ReplyStyle = 'envoy' | 'kong';

/** One match of one route. A virtual host lists them best first: the position is the rank. */
export interface MatchEntry {
  /** Index into Snapshot.routes. */
  readonly route: number;
  /** Index of the match in its rule. */
  readonly index: number;
  /** Name of the match (Istio match.name), joined to the route's name. */
  readonly name?: string;
  readonly match: RouteMatch;
  /** Why it stands where it stands ("exact path, 12 characters", "Kong priority 0x…"), for explain. */
  readonly rankReason: string;
}

/** A rule that can match nothing at this listener, whatever the request: kept for explain alone. */
export interface RuledOut {
  /** As log and metrics would name it. */
  readonly route: string;
  readonly because: string;
  readonly origin: Origin;
}

/**
 * The routes that may answer for a set of domains. The request's host picks exactly one virtual host of its listener,
 * the most specific domain (exact, longest `*.suffix`, longest `prefix.*`, `*`); there is no fall back to a wider one.
 */
export interface VirtualHost {
  readonly name: string;
  /** Lower case host patterns as in HostMatcher.pattern, unique in the listener. */
  readonly domains: readonly string[];
  readonly origin: Origin;
  /** Best rank first. */
  readonly matches: readonly MatchEntry[];
  readonly ruledOut?: readonly RuledOut[];
  /** Run for every route of this virtual host. */
  readonly filters: readonly FilterConfig[];
}
