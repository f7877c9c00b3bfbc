/**
 * What a decider may see of a request. The data plane implements it over the bytes that arrived; `explain` and
 * `weir test` put the same bytes through the same parser, so that there is one view.
 */
export interface HeaderView {
  /** Value of a header, several lines joined with `, `; null when absent. `name` is lower case. */
  get(name: string): string | null;
  /** Each line's value, in order. `name` is lower case. */
  lines(name: string): readonly string[];
}

/** Headers that can be changed. Changes are kept as patches over the received bytes. */
export interface Headers extends HeaderView {
  /** Drops every line of that name and writes one. Name in any case; it is sent as given. */
  set(name: string, value: string): void;
  /** Writes one more line. */
  add(name: string, value: string): void;
  /** Drops every line of that name. */
  remove(name: string): void;
}

/** A mesh workload that calls (explain --from, later mTLS). */
export interface Caller {
  /** `spiffe://trust-domain/ns/NAMESPACE/sa/ACCOUNT`. */
  readonly principal: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
}

export interface RequestView {
  readonly method: string;
  readonly scheme: 'http' | 'https';
  /** As sent, lower case, with its port when it had one. */
  readonly authority: string;
  /** Lower case, without port and trailing dot; IPv6 literals keep their brackets. */
  readonly host: string;
  /** Port named by the authority; null when it names none. */
  readonly authorityPort: number | null;
  /** Canonical path, without query; `*` for OPTIONS *. */
  readonly path: string;
  /** Without `?`; empty when there is none. */
  readonly query: string;
  readonly headers: HeaderView;
  /** Port of the listener as configured; for a mesh call the destination's. */
  readonly localPort: number;
  readonly sni: string | null;
  /** The client's IP after trusted hops. */
  readonly remoteAddress: string;
  readonly caller: Caller | null;
}
