import type { Diagnostic } from '../model/diagnostic.ts';
import type { RouteMatch } from '../model/match.ts';
import type { MatchEntry, Route, VirtualHost } from '../model/route.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { diagnose } from './messages.ts';

/**
 * Matches that can never win, because an earlier one of the same virtual host accepts at least the same requests. Only
 * what can be proven by comparing conditions as text counts: equal conditions, or a wider path with the other
 * conditions equal or absent. Each match costs its own length, whatever the number of matches.
 */
export function shadowedRoutes(snapshot: Snapshot): readonly Diagnostic[] {
  const found: Diagnostic[] = [];
  const told = new Set<string>();
  for (const listener of snapshot.listeners) {
    for (const host of listener.virtualHosts) {
      for (const { entry, by } of shadowedEntries(host)) {
        const route = snapshot.routes[entry.route];
        const winner = snapshot.routes[by.route];
        if (route === undefined || winner === undefined) continue;
        const key = `${route.id} ${entry.index}`;
        // A resource on several listeners is told once.
        if (told.has(key)) continue;
        told.add(key);
        found.push(shadowed(route, entry, winner, by, host));
      }
    }
  }
  return found;
}

function shadowed(route: Route, entry: MatchEntry, winner: Route, by: MatchEntry, host: VirtualHost): Diagnostic {
  const { kind, namespace, name } = route.origin;
  const where = `${winner.origin.file}:${winner.origin.line}`;
  const message = `${label(route, entry)} can never be reached for ${host.domains.join(', ')}: ${label(winner, by)} (${where}) stands before it and matches every such request`;
  return diagnose('WR0603', route.origin, { kind, namespace, name }, message, {
    hint: 'Move the narrower one up, give the wider one another condition, or remove one of the two.',
  });
}

function label(route: Route, entry: MatchEntry): string {
  const match = entry.index === 0 && entry.name === undefined ? '' : `, match ${entry.name ?? entry.index}`;
  return `route ${route.name}${match}`;
}

/** Earlier matches with one set of conditions beside the path. */
interface Earlier {
  any: MatchEntry | null;
  readonly exact: Map<string, MatchEntry>;
  /** Plain string prefixes. */
  readonly prefixes: Map<string, MatchEntry>;
  /** Prefixes by path element, without trailing slash. */
  readonly elements: Map<string, MatchEntry>;
  /** Everything else, by its own text. */
  readonly other: Map<string, MatchEntry>;
}

function shadowedEntries(host: VirtualHost): readonly { readonly entry: MatchEntry; readonly by: MatchEntry }[] {
  const earlier = new Map<string, Earlier>();
  const found: { readonly entry: MatchEntry; readonly by: MatchEntry }[] = [];
  for (const entry of host.matches) {
    const { path, ...rest } = entry.match;
    const own = JSON.stringify(rest, sorted);
    const { hosts, ...withoutHosts } = rest;
    const wider = hosts === undefined ? [own, '{}'] : [own, JSON.stringify(withoutHosts, sorted), JSON.stringify({ hosts }, sorted), '{}'];
    const by = firstOf(wider, earlier, path);
    if (by === null) remember(earlier, own, path, entry);
    else found.push({ entry, by });
  }
  return found;
}

function firstOf(keys: readonly string[], earlier: ReadonlyMap<string, Earlier>, path: RouteMatch['path']): MatchEntry | null {
  for (const key of keys) {
    const group = earlier.get(key);
    const by = group === undefined ? null : covering(group, path);
    if (by !== null) return by;
  }
  return null;
}

function covering(group: Earlier, path: RouteMatch['path']): MatchEntry | null {
  if (group.any !== null) return group.any;
  if (path === undefined) return group.prefixes.get('/') ?? group.elements.get('') ?? null;
  if (path.kind === 'regex' || (path.kind !== 'path-prefix' && path.ignoreCase === true)) {
    return group.other.get(JSON.stringify(path)) ?? group.prefixes.get('/') ?? group.elements.get('') ?? null;
  }
  if (path.kind === 'exact') {
    const same = group.exact.get(path.value);
    if (same !== undefined) return same;
  }
  const value = path.kind === 'path-prefix' ? path.value.replace(/\/+$/, '') : path.value;
  for (let end = 0; end <= value.length; end++) {
    const head = value.slice(0, end);
    // A string prefix /shop covers the element prefix /shop and all below it; the other way round only at a border.
    const prefix = group.prefixes.get(head);
    if (prefix !== undefined) return prefix;
    const element = group.elements.get(head);
    if (element === undefined) continue;
    const border = end < value.length ? value[end] === '/' : path.kind !== 'prefix' || head === '';
    if (border) return element;
  }
  return value === '' ? (group.prefixes.get('/') ?? null) : null;
}

function remember(earlier: Map<string, Earlier>, key: string, path: RouteMatch['path'], entry: MatchEntry): void {
  let group = earlier.get(key);
  if (group === undefined) {
    group = { any: null, exact: new Map(), prefixes: new Map(), elements: new Map(), other: new Map() };
    earlier.set(key, group);
  }
  if (path === undefined) group.any = entry;
  else if (path.kind === 'path-prefix') group.elements.set(path.value.replace(/\/+$/, ''), entry);
  else if (path.kind === 'regex' || path.ignoreCase === true) group.other.set(JSON.stringify(path), entry);
  else if (path.kind === 'prefix') group.prefixes.set(path.value, entry);
  else group.exact.set(path.value, entry);
}

/** Same object, same text, whatever the order of its fields. */
function sorted(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
