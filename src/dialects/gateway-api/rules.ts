/** One rule of a route as a model Route with its ranked matches. */
import { compileRegex } from '../../decide/regex.ts';
import type { RouteMatch } from '../../model/match.ts';
import type { ForwardAction, PendingField, Route, RouteAction } from '../../model/route.ts';
import type { Path, Resource } from '../dialect.ts';
import { compileBackend, type Backend, type RefProblem } from './backends.ts';
import { originAt, report, type Context } from './context.ts';
import { compileFilters, type Filters, type ResolveExtension } from './filters.ts';
import { grpcMatch, grpcPatterns, httpMatch, httpPatterns, type Pattern } from './matches.ts';
import { rankGrpc, rankHttp, type MatchRank } from './rank.ts';
import { durationMs } from './schema/common.ts';
import type { HttpFilter } from './schema/filters.ts';
import type { GrpcMatch, GrpcRule } from './schema/grpc-route.ts';
import type { HttpMatch, HttpRule } from './schema/http-route.ts';

export interface CompiledMatch {
  readonly index: number;
  readonly match: RouteMatch;
  readonly rank: MatchRank;
}

export interface CompiledRule {
  readonly route: Route;
  readonly matches: readonly CompiledMatch[];
  readonly problems: readonly RefProblem[];
  /** Regular expressions that RE2 refuses; the rule does not serve. */
  readonly unsupported: string | null;
}

export interface RouteHead {
  readonly context: Context;
  readonly resource: Resource;
  readonly resolve: ResolveExtension;
}

const everyHttpPath: HttpMatch = { headers: [], queryParams: [] };
const everyGrpcMethod: GrpcMatch = { headers: [] };

export function compileHttpRule(head: RouteHead, rule: HttpRule, index: number): CompiledRule {
  const matches = rule.matches === undefined || rule.matches.length === 0 ? [everyHttpPath] : rule.matches;
  const timeouts = rule.timeouts ?? {};
  const limits = [timeouts.request, timeouts.backendRequest].flatMap((text) => {
    const ms = text === undefined ? 0 : durationMs(text);
    return ms === 0 ? [] : [ms];
  });
  return compileRule(head, rule, index, {
    use: 'http',
    // One attempt per request: the time of an attempt bounds the request as well.
    timeoutMs: limits.length === 0 ? 0 : Math.min(...limits),
    pending: [...pendingOf(head, index, 'retry', rule.retry, 'requests are tried once'), ...session(head, index, rule.sessionPersistence)],
    matches: matches.map((match, at) => ({ index: at, match: httpMatch(match), rank: rankHttp(match) })),
    patterns: matches.flatMap((match, at) => located(httpPatterns(match), index, at)),
  });
}

export function compileGrpcRule(head: RouteHead, rule: GrpcRule, index: number): CompiledRule {
  const matches = rule.matches === undefined || rule.matches.length === 0 ? [everyGrpcMethod] : rule.matches;
  return compileRule(head, rule, index, {
    use: 'grpc',
    timeoutMs: 0,
    pending: session(head, index, rule.sessionPersistence),
    matches: matches.map((match, at) => ({ index: at, match: grpcMatch(match), rank: rankGrpc(match) })),
    patterns: matches.flatMap((match, at) => located(grpcPatterns(match), index, at)),
  });
}

interface Parts {
  readonly use: 'http' | 'grpc';
  readonly timeoutMs: number;
  readonly pending: readonly PendingField[];
  readonly matches: readonly CompiledMatch[];
  readonly patterns: readonly Pattern[];
}

interface CommonRule {
  readonly name?: string | undefined;
  readonly filters: readonly HttpFilter[];
  readonly backendRefs: readonly (Parameters<typeof compileBackend>[2] & { readonly filters: readonly HttpFilter[] })[];
}

function compileRule(head: RouteHead, rule: CommonRule, index: number, parts: Parts): CompiledRule {
  const { context, resource, resolve } = head;
  const path: Path = ['spec', 'rules', index];
  const id = `${resource.key}/${index}`;
  const filters = compileFilters(context, resource, rule.filters, [...path, 'filters'], id, resolve);
  const unsupported = badPattern(head, parts.patterns);
  const backends = filters.redirect === undefined ? compileBackends(head, rule, path, id, parts.use) : [];
  const backendPending = backends.flatMap((backend) => backend.pending);
  return {
    route: {
      id,
      name: `${resource.namespace ?? 'default'}/${resource.name}/${rule.name ?? index}`,
      rule: index,
      origin: originAt(resource, path),
      action:
        unsupported === null
          ? actionOf(head, path, filters, backends, parts.timeoutMs)
          : { kind: 'blocked', status: 500, reason: unsupported },
      filters: filters.configs,
      pending: [...filters.pending, ...backendPending, ...parts.pending],
    },
    // A match that cannot be compiled is left out: it would never hold.
    matches: unsupported === null ? parts.matches : [],
    problems: backends.flatMap((backend) => (backend.problem === null ? [] : [backend.problem])),
    unsupported,
  };
}

type BackendWithPending = Backend & { readonly pending: readonly PendingField[] };

function compileBackends(
  { context, resource, resolve }: RouteHead,
  rule: CommonRule,
  path: Path,
  id: string,
  use: Parts['use'],
): BackendWithPending[] {
  return rule.backendRefs.map((ref, at) => {
    const place = [...path, 'backendRefs', at];
    const filters = compileFilters(context, resource, ref.filters, [...place, 'filters'], `${id}/backend/${at}`, resolve);
    return { ...compileBackend(context, resource, ref, place, filters, use), pending: filters.pending };
  });
}

function actionOf(head: RouteHead, path: Path, filters: Filters, backends: readonly Backend[], timeoutMs: number): RouteAction {
  const { context, resource } = head;
  if (filters.blocked !== undefined) return { kind: 'blocked', ...filters.blocked };
  if (filters.redirect !== undefined) return filters.redirect;
  if (backends.length === 0) {
    report(
      context,
      'WR0313',
      resource,
      path,
      'the rule has no backendRefs: its requests get 500',
      'add backendRefs, or a RequestRedirect filter',
    );
    return { kind: 'blocked', status: 500, reason: 'the rule has no backendRefs' };
  }
  if (backends.every(({ destination }) => destination.weight === 0))
    report(context, 'WR0314', resource, [...path, 'backendRefs'], 'every backend has weight 0: the requests of this rule get 500');
  const action: ForwardAction = {
    kind: 'forward',
    destinations: backends.map(({ destination }) => destination),
    allZeroStatus: 500,
    ...(filters.pathRewrite === undefined ? {} : { pathRewrite: filters.pathRewrite }),
    ...(filters.hostRewrite === undefined ? {} : { hostRewrite: filters.hostRewrite }),
    ...(timeoutMs === 0 ? {} : { timeoutMs }),
  };
  return action;
}

function located(patterns: readonly Pattern[], rule: number, match: number): Pattern[] {
  return patterns.map(({ pattern, path }) => ({ pattern, path: ['spec', 'rules', rule, 'matches', match, ...path] }));
}

function badPattern({ context, resource }: RouteHead, patterns: readonly Pattern[]): string | null {
  let first: string | null = null;
  for (const { pattern, path } of patterns) {
    const result = compileRegex(pattern, { anchor: 'full' });
    if (result.ok) continue;
    report(
      context,
      'WR0111',
      resource,
      path,
      `'${pattern}' is not a valid RE2 expression: ${result.error}`,
      'RE2 has no look-around and no back-references',
    );
    first ??= `'${pattern}' is not a valid RE2 expression`;
  }
  return first;
}

function session(head: RouteHead, rule: number, value: unknown): PendingField[] {
  return pendingOf(head, rule, 'sessionPersistence', value, 'requests of one session may reach different endpoints');
}

function pendingOf({ context, resource }: RouteHead, rule: number, field: string, value: unknown, effect: string): PendingField[] {
  if (value === undefined) return [];
  report(context, 'WR0108', resource, ['spec', 'rules', rule, field], `${field} does not run yet: ${effect}`);
  return [{ field, value, restricts: false }];
}
