/** HTTPRoute → Route: what happens once a match has won. */
import type { ForwardAction, HostRewrite, PathRewrite, PendingField, RedirectAction, Route, RouteAction } from '../../model/route.ts';
import type { Rule } from './delegates.ts';
import type { DestinationBuilder } from './destinations.ts';
import { translateHeaders } from './headers.ts';
import { originAt, type Reporter } from './report.ts';
import { durationMs } from './schema/common.ts';
import type { HttpRoute, Redirect } from './schema/virtual-service.ts';

/** Fields of a rule that are kept for explain and do not run yet. None of them restricts access. */
export const pendingRuleFields = [
  'retries',
  'fault',
  'mirror',
  'mirrorPercent',
  'mirror_percent',
  'mirrorPercentage',
  'mirrors',
  'corsPolicy',
] as const satisfies readonly (keyof HttpRoute)[];

/** `variant` distinguishes routes of one rule whose destinations take their port from different listeners. */
export function translateRule(
  rule: Rule,
  name: string,
  listenerPort: number | null,
  variant: string,
  build: DestinationBuilder,
  report: Reporter,
): Route {
  const { route, owner, path } = rule;
  const id = `${rule.id}${variant}`;
  const headers = translateHeaders(route.headers, owner, [...path, 'headers'], id, report);
  return {
    id,
    name: route.name || name,
    rule: rule.index,
    origin: originAt(owner, path),
    ...(rule.root === undefined ? {} : { parent: parentOf(rule.root) }),
    action: actionOf(rule, id, headers.authority, listenerPort, build),
    filters: headers.filters,
    pending: pendingRuleFields.flatMap((field): PendingField[] =>
      route[field] === undefined ? [] : [{ field, value: route[field], restricts: false }],
    ),
  };
}

function parentOf({ owner: { kind, namespace, name }, index }: NonNullable<Rule['root']>): NonNullable<Route['parent']> {
  return { kind, namespace, name, rule: index };
}

/** The same rule where a condition that cannot be judged yet restricts access. */
export function blockedRoute(route: Route, reason: string): Route {
  return {
    ...route,
    id: `${route.id}!blocked`,
    action: { kind: 'blocked', status: 503, reason },
    filters: [],
    pending: [...route.pending, { field: 'match', value: reason, restricts: true }],
  };
}

function actionOf(
  rule: Rule,
  id: string,
  headerAuthority: string | null,
  listenerPort: number | null,
  build: DestinationBuilder,
): RouteAction {
  const { route, owner, path } = rule;
  if (route.redirect !== undefined) return redirectAction(route.redirect);
  if (route.directResponse !== undefined) {
    const { status, body } = route.directResponse;
    const text = body?.string ?? '';
    // Envoy labels the body of a direct response as plain text.
    const type = body === undefined ? [] : ([['content-type', 'text/plain']] as const);
    return body?.bytes === undefined
      ? { kind: 'direct-response', status, body: text, headers: type }
      : { kind: 'direct-response', status, body: body.bytes, base64: true, headers: type };
  }
  const destinations = route.route ?? [];
  const authority = route.rewrite?.authority || headerAuthority;
  const pathRewrite = rewriteOf(route);
  const timeoutMs = route.timeout === undefined ? 0 : Math.ceil(durationMs(route.timeout) ?? 0);
  const hostRewrite: HostRewrite | null = authority === null || authority === '' ? null : { kind: 'literal', value: authority };
  return {
    kind: 'forward',
    destinations: destinations.map((one, index) =>
      build.build(one, {
        owner,
        path: [...path, 'route', index],
        id: `${id}/${index}`,
        listenerPort,
        alone: destinations.length === 1,
        routeAuthority: hostRewrite !== null,
      }),
    ),
    allZeroStatus: 503,
    ...(pathRewrite === null ? {} : { pathRewrite }),
    ...(hostRewrite === null ? {} : { hostRewrite }),
    ...(timeoutMs === 0 ? {} : { timeoutMs }),
  } satisfies ForwardAction;
}

function rewriteOf(route: HttpRoute): PathRewrite | null {
  const { rewrite } = route;
  if (rewrite?.uriRegexRewrite !== undefined)
    return { kind: 'regex', pattern: rewrite.uriRegexRewrite.match, substitution: rewrite.uriRegexRewrite.rewrite };
  // Of an exact or regular-expression match the whole path is what matched.
  return rewrite?.uri ? { kind: 'prefix', replacement: rewrite.uri } : null;
}

/** Whether the rule replaces what its path condition matched; without a condition Istio's is the prefix `/`. */
export function rewritesMatchedPath(route: HttpRoute): boolean {
  return Boolean(route.rewrite?.uri) || Boolean(route.redirect?.prefixRewrite);
}

function redirectAction(redirect: Redirect): RedirectAction {
  const { host, port: authorityPort } = splitAuthority(redirect.authority ?? '');
  const scheme = redirect.scheme?.toLowerCase();
  const path: PathRewrite | null = redirect.uri
    ? { kind: 'full', path: redirect.uri }
    : redirect.prefixRewrite
      ? { kind: 'prefix', replacement: redirect.prefixRewrite }
      : null;
  const port = redirectPort(redirect, authorityPort, scheme);
  return {
    kind: 'redirect',
    status: redirect.redirectCode ?? 301,
    ...(scheme === undefined ? {} : { scheme }),
    ...(host === '' ? {} : { host }),
    ...(port === undefined ? {} : { port }),
    ...(path === null ? {} : { path }),
  };
}

/** Envoy writes a port only when it is not the scheme's own, and keeps the request's port when only the scheme changes. */
function redirectPort(redirect: Redirect, authorityPort: number | null, scheme: string | undefined): RedirectAction['port'] {
  if (redirect.port !== undefined) return isDefaultPort(redirect.port, scheme ?? 'http') ? 'scheme-default' : redirect.port;
  if (redirect.derivePort === 'FROM_REQUEST_PORT') return 'listener';
  if (redirect.derivePort === 'FROM_PROTOCOL_DEFAULT') return 'scheme-default';
  return authorityPort ?? undefined;
}

function isDefaultPort(port: number, scheme: string): boolean {
  return (scheme === 'http' && port === 80) || (scheme === 'https' && port === 443);
}

function splitAuthority(authority: string): { readonly host: string; readonly port: number | null } {
  const match = /^(.*[^:]):(\d{1,5})$/.exec(authority);
  return match === null || (match[1].includes(':') && !match[1].startsWith('['))
    ? { host: authority, port: null }
    : { host: match[1], port: Number(match[2]) };
}
