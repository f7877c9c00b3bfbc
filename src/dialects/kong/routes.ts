/** Kong routes as routes and match entries of the model, best rank first. */
import type { FilterConfig } from '../../model/filter.ts';
import type { MatchEntry, PendingField, Route as ModelRoute, RouteAction } from '../../model/route.ts';
import type { Located } from './entity.ts';
import { expressionMatches } from './expression/match.ts';
import { parseExpression } from './expression/parse.ts';
import { routeMatches, type RankedMatch } from './matches.ts';
import { expressionPriority } from './priority.ts';
import type { Report } from './report.ts';
import type { Route } from './schemas.ts';

/** What the service and the plugins of a route contribute. */
export interface RouteParts {
  /** Null: the route has no service. */
  readonly service: {
    readonly cluster: string;
    readonly host: string;
    readonly port: number;
    readonly path: string;
    readonly readTimeoutMs: number;
    readonly writeTimeoutMs: number;
  } | null;
  readonly filters: readonly FilterConfig[];
  readonly pending: readonly PendingField[];
  readonly action: RouteAction | null;
}

export interface PlacedRoute {
  readonly route: ModelRoute;
  readonly matches: readonly RankedMatch[];
  /** Seconds since the epoch; older routes win ties. */
  readonly createdAt: number;
}

const json = 'application/json; charset=utf-8';

/** Null: the route is not served; the report says why. */
export function placeRoute(located: Located, route: Route, parts: RouteParts, report: Report): PlacedRoute | null {
  const { resource } = located;
  const stream = route.protocols.filter((protocol) => ['tcp', 'tls', 'udp', 'tls_passthrough'].includes(protocol));
  if (stream.length > 0) {
    report.add('WR0412', resource, ['protocols'], `routes for ${stream.join(', ')} are not served yet`, 'only http and https routes are');
    return null;
  }
  const pending = [...parts.pending];
  for (const field of ['request_buffering', 'response_buffering'] as const)
    if (route[field] === true)
      pending.push(report.pending(resource, [field], true, { hint: `bodies are streamed; write ${field}: false, or leave it out` }));
  let blocked: RouteAction | null = null;
  const addresses = (['sources', 'destinations'] as const).find((field) =>
    (route[field] ?? []).some((one) => one.ip !== undefined || field === 'sources'),
  );
  if (addresses !== undefined) {
    pending.push(
      report.pending(resource, [addresses], route[addresses], { restricts: true, hint: 'only destinations with a port alone run' }),
    );
    blocked = { kind: 'blocked', status: 503, reason: `'${addresses}' does not run yet` };
  }
  const found =
    route.expression === undefined ? { matches: routeMatches(route), strip: route.strip_path } : placeExpression(located, route, report);
  if (found === null) return null;
  if (addresses !== undefined && found.matches.every((one) => Object.keys(one.match).length === 0)) {
    report.add(
      'WR0408',
      resource,
      [addresses],
      `the route is left out: nothing but '${addresses}' tells its requests apart`,
      'add hosts or paths',
    );
    return null;
  }
  const grpcOnly = route.protocols.every((protocol) => protocol === 'grpc' || protocol === 'grpcs');
  if (grpcOnly)
    report.add('WR0412', resource, ['protocols'], 'routes for grpc alone answer HTTP/1.1 requests with 426', 'HTTP/2 does not run yet');
  const secureOnly = route.protocols.every((protocol) => protocol === 'https' || protocol === 'wss');
  if (secureOnly)
    report.add(
      'WR0410',
      resource,
      ['protocols'],
      `plain-text requests are answered with ${route.https_redirect_status_code}; port 8443 does not run yet`,
    );
  return {
    createdAt: route.created_at ?? Number.MAX_SAFE_INTEGER,
    matches: found.matches,
    route: {
      id: `kong/Route//${resource.name}/0`,
      name: resource.name,
      rule: 0,
      origin: resource.origin,
      action: blocked ?? (grpcOnly ? needsHttp2 : (parts.action ?? forward(route, found.strip, parts))),
      filters: parts.filters,
      ...(secureOnly ? { httpsRedirect: route.https_redirect_status_code } : {}),
      pending,
    },
  };
}

const needsHttp2: RouteAction = {
  kind: 'direct-response',
  status: 426,
  body: '{"message":"Please use HTTP2 protocol"}',
  headers: [['content-type', json]],
};
const noService: RouteAction = {
  kind: 'direct-response',
  status: 503,
  body: '{"message":"no Service found with those values"}',
  headers: [['content-type', json]],
};

function forward(route: Route, strip: boolean, { service }: RouteParts): RouteAction {
  if (service === null) return noService;
  return {
    kind: 'forward',
    destinations: [{ cluster: service.cluster, weight: 1, host: service.host, port: service.port, subset: null, filters: [] }],
    allZeroStatus: 503,
    pathRewrite: { kind: 'kong', strip, servicePath: service.path, handling: route.path_handling },
    ...(route.preserve_host ? {} : { hostRewrite: { kind: 'endpoint' as const } }),
    readTimeoutMs: service.readTimeoutMs,
    writeTimeoutMs: service.writeTimeoutMs,
  };
}

function placeExpression(
  located: Located,
  route: Route,
  report: Report,
): { readonly matches: readonly RankedMatch[]; readonly strip: boolean } | null {
  const parsed = parseExpression(route.expression ?? '');
  if (!parsed.ok) return null;
  const matches = expressionMatches(parsed.value);
  const refuse = (reason: string): null => {
    report.add(
      'WR0408',
      located.resource,
      ['expression'],
      `the route is left out: ${reason} does not run yet`,
      'use ==, ^=, =^, contains and ~ on host, path, method, headers and queries, joined by && and ||',
    );
    return null;
  };
  if (!matches.ok) return refuse(matches.error);
  // An expression strips what a prefix or a regular expression covered, and nothing for the other operators.
  const covering = matches.value.filter((one) => one.covers).length;
  const paths = matches.value.filter((one) => one.match.path !== undefined).length;
  if (route.strip_path && covering > 0 && covering < paths) return refuse('strip_path for some alternatives of the path');
  const priority = expressionPriority(route.priority ?? 0);
  return {
    matches: matches.value.map(({ match }, index) => ({ match, priority, index })),
    strip: route.strip_path && (covering > 0 || paths === 0),
  };
}

/** All match entries in Kong's order: priority, then age, then the order of the documents. */
export function rankEntries(routes: readonly PlacedRoute[]): readonly MatchEntry[] {
  const entries = routes.flatMap((placed, index) => placed.matches.map((ranked) => ({ placed, index, ranked })));
  entries.sort((a, b) => {
    const [left, right] = [a.ranked.priority.value, b.ranked.priority.value];
    if (left !== right) return left < right ? 1 : -1;
    return a.placed.createdAt - b.placed.createdAt || a.index - b.index || a.ranked.index - b.ranked.index;
  });
  return entries.map(({ index, ranked }) => ({
    route: index,
    index: ranked.index,
    match: ranked.match,
    rankReason: ranked.priority.reason,
  }));
}
