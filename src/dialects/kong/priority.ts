/** Order of Kong routes: the 64-bit priority of `router_flavor: traditional_compatible` (Kong 3.9, `kong/router/transform.lua`). */
import { isRegexPath } from './paths.ts';
import type { Route } from './schemas.ts';

const maxHeaders = 255;

export interface Priority {
  /** Higher is matched first. 64 bits. */
  readonly value: bigint;
  readonly reason: string;
}

/** One matcher of a route: its regular expressions together, its fixed paths by length. */
export interface PathGroup {
  readonly paths: readonly string[];
  readonly regex: boolean;
  /** Length of each fixed path, bytes; 0 for regular expressions and for a route without paths. */
  readonly length: number;
}

/** Regular expressions make one group, fixed paths one for each length; a route without paths has one empty group. */
export function groupPaths(paths: readonly string[] | undefined): readonly PathGroup[] {
  if (paths === undefined || paths.length === 0) return [{ paths: [], regex: false, length: 0 }];
  const groups = new Map<number | 'regex', string[]>();
  for (const path of paths) {
    const key = isRegexPath(path) ? 'regex' : Buffer.byteLength(path);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [path]);
    else group.push(path);
  }
  return Array.from(groups, ([key, members]) => ({ paths: members, regex: key === 'regex', length: key === 'regex' ? 0 : key }));
}

/**
 * Bits 63–61 number of criteria, 60 exact hosts only, 59–52 number of headers, 51 regular expression,
 * 50–19 regex_priority (regular expressions only), 18–0 length of the path.
 */
export function routePriority(route: Route, group: PathGroup): Priority {
  const headers = Math.min(Object.keys(route.headers ?? {}).length, maxHeaders);
  const hosts = route.hosts ?? [];
  const exact = route.hosts !== undefined && hosts.every((host) => !host.includes('*'));
  const criteria = [
    (route.methods ?? []).length > 0,
    hosts.length > 0,
    group.paths.length > 0,
    headers > 0,
    (route.snis ?? []).length > 0,
    (route.sources ?? []).length > 0,
    (route.destinations ?? []).length > 0,
  ].filter(Boolean).length;
  const value =
    (BigInt(criteria) << 61n) |
    (exact ? 1n << 60n : 0n) |
    (BigInt(headers) << 52n) |
    (group.regex ? (1n << 51n) | (BigInt(route.regex_priority) << 19n) : 0n) |
    BigInt(group.length & 0x7ffff);
  const details = [
    `${criteria} ${criteria === 1 ? 'criterion' : 'criteria'}`,
    ...(hosts.length === 0 ? [] : [exact ? 'exact host' : 'wildcard host']),
    ...(headers === 0 ? [] : [`${headers} ${headers === 1 ? 'header' : 'headers'}`]),
    ...(group.paths.length === 0
      ? []
      : [group.regex ? `regex path, regex_priority ${route.regex_priority}` : `path length ${group.length}`]),
  ];
  return { value: BigInt.asUintN(64, value), reason: reasonOf(BigInt.asUintN(64, value), details) };
}

/** A route with an expression stands above every classic route: eight high bits set, then its own priority (Kong 3.9). */
export function expressionPriority(priority: number): Priority {
  const value = (0xffn << 56n) | BigInt(priority);
  return { value, reason: reasonOf(value, ['expression', `priority ${priority}`]) };
}

function reasonOf(value: bigint, details: readonly string[]): string {
  return `Kong priority 0x${value.toString(16).padStart(16, '0')}: ${details.join(', ')}`;
}
