/** Precedence of matches within one listener hostname (HTTPRouteRule.matches, GRPCRouteRule.matches). */
import type { HostGroup } from './hostnames.ts';
import type { GrpcMatch } from './schema/grpc-route.ts';
import type { HttpMatch } from './schema/http-route.ts';

/** Compared number by number, lower wins; then age, `namespace/name`, and place in the route. */
export interface Rank {
  readonly numbers: readonly number[];
  readonly created: number;
  readonly key: string;
  readonly rule: number;
  readonly match: number;
}

export function compareRanks(a: Rank, b: Rank): number {
  for (let i = 0; i < a.numbers.length && i < b.numbers.length; i++) if (a.numbers[i] !== b.numbers[i]) return a.numbers[i] - b.numbers[i];
  if (a.created !== b.created) return a.created < b.created ? -1 : 1;
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  return a.rule - b.rule || a.match - b.match;
}

/** Match part of a rank with its reason in words; the host part is put in front per listener. */
export interface MatchRank {
  readonly numbers: readonly number[];
  readonly reason: string;
}

const pathOrder = { Exact: 0, RegularExpression: 1, PathPrefix: 2 } as const;
const pathWords = { Exact: 'exact path', RegularExpression: 'regular expression', PathPrefix: 'path prefix' } as const;

/**
 * Exact path, then regular expression (the place of expressions is the implementation's choice: here before prefixes,
 * as an expression is written to single out some paths of a prefix), then longest prefix, method, number of headers,
 * number of query parameters.
 */
export function rankHttp(match: HttpMatch): MatchRank {
  const type = match.path?.type ?? 'PathPrefix';
  const length = (match.path?.value ?? '/').length;
  const headers = countNames(match.headers, true);
  const query = countNames(match.queryParams, false);
  return {
    numbers: [pathOrder[type], -length, match.method === undefined ? 1 : 0, -headers, -query],
    reason: [
      `${pathWords[type]}, ${plural(length, 'character')}`,
      ...(match.method === undefined ? [] : ['method']),
      ...(headers === 0 ? [] : [plural(headers, 'header')]),
      ...(query === 0 ? [] : [plural(query, 'query parameter')]),
    ].join(', '),
  };
}

/** Characters of the service, characters of the method, number of headers. */
export function rankGrpc(match: GrpcMatch): MatchRank {
  const service = match.method?.service?.length ?? 0;
  const method = match.method?.method?.length ?? 0;
  const headers = countNames(match.headers, true);
  return {
    numbers: [0, -service, 0, -method, -headers],
    reason: [
      `service, ${plural(service, 'character')}`,
      `method, ${plural(method, 'character')}`,
      ...(headers === 0 ? [] : [plural(headers, 'header')]),
    ].join(', '),
  };
}

/** Words for the host part of a rank. */
export function hostReason(group: HostGroup): string {
  if (group.rank === 0) return 'exact hostname';
  return group.rank === 1 ? `wildcard hostname, ${plural(group.length, 'character')}` : 'any hostname of the listener';
}

/** Only the first entry of a name counts. */
function countNames(list: readonly { readonly name: string }[], ignoreCase: boolean): number {
  return new Set(list.map(({ name }) => (ignoreCase ? name.toLowerCase() : name))).size;
}

function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? '' : 's'}`;
}
