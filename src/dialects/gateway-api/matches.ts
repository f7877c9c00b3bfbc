/** Route matches of both kinds as model matches. */
import type { HeaderMatcher, QueryMatcher, RouteMatch, StringMatcher } from '../../model/match.ts';
import type { GrpcMatch } from './schema/grpc-route.ts';
import type { HttpMatch } from './schema/http-route.ts';

/** A regular expression that RE2 must accept, and where it stands within the match. */
export interface Pattern {
  readonly pattern: string;
  readonly path: readonly (string | number)[];
}

export function httpMatch(match: HttpMatch): RouteMatch {
  const { path, method, headers, queryParams } = match;
  const type = path?.type ?? 'PathPrefix';
  const value = path?.value ?? '/';
  return {
    path:
      type === 'RegularExpression'
        ? { kind: 'regex', value, anchor: 'full' }
        : type === 'Exact'
          ? { kind: 'exact', value: canonicalEscapes(value) }
          : { kind: 'path-prefix', value: canonicalEscapes(value) },
    ...(method === undefined ? {} : { methods: [{ kind: 'exact', value: method }] }),
    ...(headers.length === 0 ? {} : { headers: headerMatchers(headers) }),
    ...(queryParams.length === 0 ? {} : { query: queryMatchers(queryParams) }),
  };
}

export function httpPatterns(match: HttpMatch): readonly Pattern[] {
  const path: Pattern[] = match.path?.type === 'RegularExpression' ? [{ pattern: match.path.value, path: ['path', 'value'] }] : [];
  return [...path, ...listPatterns(match.headers, 'headers'), ...listPatterns(match.queryParams, 'queryParams')];
}

/** gRPC over HTTP: the path is `/service/method` (gRPC protocol, Requests). */
export function grpcMatch(match: GrpcMatch): RouteMatch {
  const headers = match.headers.length === 0 ? {} : { headers: headerMatchers(match.headers) };
  if (match.method === undefined) return headers;
  const { type, service, method } = match.method;
  if (type === 'RegularExpression')
    return { path: { kind: 'regex', value: `/(?:${service ?? '[^/]+'})/(?:${method ?? '[^/]+'})`, anchor: 'full' }, ...headers };
  if (service !== undefined && method !== undefined) return { path: { kind: 'exact', value: `/${service}/${method}` }, ...headers };
  if (service !== undefined) return { path: { kind: 'prefix', value: `/${service}/` }, ...headers };
  // Exact names are letters, digits and _: nothing to escape.
  return { path: { kind: 'regex', value: `/[^/]+/${method ?? '[^/]+'}`, anchor: 'full' }, ...headers };
}

export function grpcPatterns(match: GrpcMatch): readonly Pattern[] {
  const found: Pattern[] = [];
  if (match.method?.type === 'RegularExpression') {
    if (match.method.service !== undefined) found.push({ pattern: match.method.service, path: ['method', 'service'] });
    if (match.method.method !== undefined) found.push({ pattern: match.method.method, path: ['method', 'method'] });
  }
  return [...found, ...listPatterns(match.headers, 'headers')];
}

interface Named {
  readonly type: 'Exact' | 'RegularExpression';
  readonly name: string;
  readonly value: string;
}

function listPatterns(list: readonly Named[], field: string): readonly Pattern[] {
  return list.flatMap(({ type, value }, index) =>
    type === 'RegularExpression' ? [{ pattern: value, path: [field, index, 'value'] }] : [],
  );
}

/** Header names ignore case; of several entries with one name only the first counts. */
function headerMatchers(list: readonly Named[]): HeaderMatcher[] {
  const found = new Map<string, HeaderMatcher>();
  for (const one of list) {
    const name = one.name.toLowerCase();
    if (!found.has(name)) found.set(name, { name, values: [stringMatcher(one)] });
  }
  return [...found.values()];
}

function queryMatchers(list: readonly Named[]): QueryMatcher[] {
  const found = new Map<string, QueryMatcher>();
  for (const one of list) if (!found.has(one.name)) found.set(one.name, { name: one.name, value: stringMatcher(one) });
  return [...found.values()];
}

function stringMatcher({ type, value }: Named): StringMatcher {
  return type === 'Exact' ? { kind: 'exact', value } : { kind: 'regex', value, anchor: 'full' };
}

/** Paths are compared after canonicalisation: unreserved characters stand plain, other escapes in upper case. */
function canonicalEscapes(path: string): string {
  if (!path.includes('%')) return path;
  return path.replace(/%([0-9a-fA-F]{2})/g, (escape, hex: string) => {
    const character = String.fromCharCode(Number.parseInt(hex, 16));
    return /[A-Za-z0-9\-._~]/.test(character) ? character : escape.toUpperCase();
  });
}
