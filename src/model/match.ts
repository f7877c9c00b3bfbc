/**
 * Conditions of a route match. Every condition present must hold; lists inside one condition are alternatives
 * unless said otherwise. Plain JSON: it is stored as text in the flat tables and read back by a worker.
 */

/** How one string is compared. Regular expressions are RE2 syntax. */
export type StringMatcher =
  | { readonly kind: 'exact'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'prefix'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'suffix'; readonly value: string; readonly ignoreCase?: boolean }
  | { readonly kind: 'contains'; readonly value: string; readonly ignoreCase?: boolean }
  /** `full`: the whole string must match; `start`: anchored at the start only (Kong paths); `search`: anywhere (Kong header regexes). */
  | { readonly kind: 'regex'; readonly value: string; readonly anchor: 'full' | 'start' | 'search'; readonly ignoreCase?: boolean }
  /** Any value, the empty one too, as long as there is one. */
  | { readonly kind: 'present' };

/** How the canonical path (without query) is compared. */
export type PathMatcher =
  | { readonly kind: 'exact'; readonly value: string; readonly ignoreCase?: boolean }
  /** Plain string prefix (Istio, Kong). */
  | { readonly kind: 'prefix'; readonly value: string; readonly ignoreCase?: boolean }
  /** Prefix by whole path elements, a trailing `/` of the value ignored (Gateway API PathPrefix). */
  | { readonly kind: 'path-prefix'; readonly value: string }
  | { readonly kind: 'regex'; readonly value: string; readonly anchor: 'full' | 'start' };

/**
 * A host name as routing sees it, lower case, without port.
 * `pattern`: `a.example.com` exact; `*.example.com` one or more labels in front; `example.*` one or more characters after
 * the dot (Kong); `*` any host. `port`: only when the request's authority names this port (Kong `host:port`).
 */
export interface HostMatcher {
  readonly pattern: string;
  readonly port?: number;
}

export interface HeaderMatcher {
  /** Lower case. */
  readonly name: string;
  /** Any of them. */
  readonly values: readonly StringMatcher[];
  /** True: the condition holds when the header is absent or no value matches (Istio withoutHeaders). */
  readonly invert?: boolean;
  /** Compare each of several lines alone and accept any (Kong); otherwise lines are joined with `,` (Envoy). */
  readonly eachLine?: boolean;
}

export interface QueryMatcher {
  readonly name: string;
  readonly value: StringMatcher;
}

export interface RouteMatch {
  /** Absent: every path. */
  readonly path?: PathMatcher;
  /** Hosts narrower than the virtual host's (Gateway API route hostnames, Kong hosts). Any of them; absent: every host. */
  readonly hosts?: readonly HostMatcher[];
  readonly methods?: readonly StringMatcher[];
  /** `http` or `https`, as the client came. */
  readonly scheme?: StringMatcher;
  /** The authority as sent, with its port (Istio `authority`). */
  readonly authority?: StringMatcher;
  /** All of them. */
  readonly headers?: readonly HeaderMatcher[];
  /** All of them; the first value of a repeated parameter counts. */
  readonly query?: readonly QueryMatcher[];
  /** TLS server names, ignored on plain-text listeners (Kong). */
  readonly snis?: readonly HostMatcher[];
  /** Destination port of a mesh call or port of the listener (Istio `port`). */
  readonly ports?: readonly number[];
  /** Labels of the calling workload; mesh callers only. All of them. */
  readonly sourceLabels?: Readonly<Record<string, string>>;
  /** Namespace of the calling workload; mesh callers only. */
  readonly sourceNamespace?: string;
}
