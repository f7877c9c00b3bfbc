/** Gateway API hostnames: exact names, `*.suffix` for one or more labels in front, or none for every host. */

/** A route's hostname as it applies on one listener. */
export interface HostShare {
  /** What requests must match: the narrower of the two. */
  readonly pattern: string;
  /** The route's own hostname: precedence counts its characters. */
  readonly written: string;
}

/** Does the wildcard `*.suffix` cover `host`, which may itself be a wildcard? */
function covers(wildcard: string, host: string): boolean {
  return wildcard.startsWith('*.') && host.endsWith(wildcard.slice(1));
}

/** Narrower of two hostnames, or null when no host fits both. */
export function intersectHost(a: string, b: string): string | null {
  if (a === b || covers(b, a)) return a;
  return covers(a, b) ? b : null;
}

/**
 * Hostnames of a route on a listener. Null: they share none. An empty list: the route names none and takes every host
 * of the listener.
 */
export function intersectHosts(hostnames: readonly string[], listener: string | null): readonly HostShare[] | null {
  if (hostnames.length === 0) return [];
  const shares: HostShare[] = [];
  for (const written of hostnames) {
    const pattern = listener === null ? written : intersectHost(written, listener);
    if (pattern !== null) shares.push({ pattern, written });
  }
  return shares.length === 0 ? null : shares;
}

/** Could one request belong to both? An empty list stands for every host of the listener. */
export function overlap(a: readonly HostShare[], b: readonly HostShare[]): boolean {
  if (a.length === 0 || b.length === 0) return true;
  return a.some((one) => b.some((other) => intersectHost(one.pattern, other.pattern) !== null));
}

/** Hostnames of one precedence: exact ones never compete with each other, nor do wildcards of one length. */
export interface HostGroup {
  readonly patterns: readonly string[];
  /** Lower is better: 0 exact, 1 wildcard, 2 none. */
  readonly rank: number;
  /** Characters of a wildcard; 0 otherwise. */
  readonly length: number;
}

export function groupHosts(shares: readonly HostShare[]): readonly HostGroup[] {
  if (shares.length === 0) return [{ patterns: [], rank: 2, length: 0 }];
  const groups = new Map<number, { patterns: Set<string>; rank: number; length: number }>();
  for (const { pattern, written } of shares) {
    const length = written.startsWith('*.') ? written.length : 0;
    const group = groups.get(length);
    if (group) group.patterns.add(pattern);
    else groups.set(length, { patterns: new Set([pattern]), rank: length === 0 ? 0 : 1, length });
  }
  return [...groups.values()].map(({ patterns, rank, length }) => ({ patterns: [...patterns], rank, length }));
}
