/** Kong routes as routes and match entries of the model, best rank first. */
import type { FilterConfig } from '../../model/filter.ts';
import type { HeaderMatcher, RouteMatch } from '../../model/match.ts';
import type { MatchEntry, PendingField, Route as ModelRoute, RouteAction } from '../../model/route.ts';
import type { Resource } from '../dialect.ts';
import type { Located } from './entity.ts';
import { expressionMatches } from './expression/match.ts';
import { parseExpression } from './expression/parse.ts';
import { routeMatches, type RankedMatch } from './matches.ts';
import { expressionPriority } from './priority.ts';
import type { Report } from './report.ts';
import type { Route, Service } from './schemas.ts';
import { streamProtocols } from './stream.ts';

/** What the service and the plugins of a route contribute. */
export interface RouteParts {
  /** Null: the route has no service. */
  readonly service: {
    readonly cluster: string;
    readonly protocol: Service['protocol'];
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
  readonly resource: Resource;
  readonly route: ModelRoute;
  readonly matches: readonly RankedMatch[];
  /** Takes a part of the same requests before the route does, or after. */
  readonly beside?: readonly { readonly route: ModelRoute; readonly match: RouteMatch }[];
  /** Seconds since the epoch; older routes win ties. */
  readonly createdAt: number;
}

const json = 'application/json; charset=utf-8';

/** Null: the route is not served; the report says why. */
export function placeRoute(located: Located, route: Route, parts: RouteParts, report: Report): PlacedRoute | null {
  const { resource } = located;
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
  const grpc = route.protocols.some((protocol) => protocol === 'grpc' || protocol === 'grpcs');
  const secureOnly = route.protocols.every((protocol) => protocol === 'https' || protocol === 'wss');
  const wrongService = parts.service === null ? null : serviceProblem(parts.service.protocol);
  if (wrongService !== null && parts.action === null && blocked === null) {
    report.add('WR0404', resource, ['service'], `the route answers 503: ${wrongService}`, 'use protocol: http or https for the service');
    blocked = { kind: 'blocked', status: 503, reason: wrongService };
  }
  const id = `kong/Route//${resource.name}/0`;
  const head = { name: resource.name, rule: 0, origin: resource.origin };
  return {
    resource,
    createdAt: route.created_at ?? Number.MAX_SAFE_INTEGER,
    matches: found.matches,
    ...(grpc ? { beside: mismatches(route, id, head) } : {}),
    route: {
      id,
      ...head,
      action: blocked ?? parts.action ?? forward(route, found.strip, parts),
      filters: parts.filters,
      ...(secureOnly ? { httpsRedirect: route.https_redirect_status_code } : {}),
      pending,
    },
  };
}

/** What is not gRPC, and what is gRPC in plain text on a route for grpcs: Kong answers before any plugin does. */
function mismatches(
  { protocols }: Route,
  id: string,
  head: Pick<ModelRoute, 'name' | 'rule' | 'origin'>,
): NonNullable<PlacedRoute['beside']> {
  const answer = (name: string, action: RouteAction): ModelRoute => ({ ...head, id: `${id}/${name}`, action, filters: [], pending: [] });
  const plain = protocols.includes('grpc')
    ? []
    : [{ route: answer('plain', grpcInPlainText), match: { ...isGrpc, scheme: { kind: 'exact' as const, value: 'http' } } }];
  return [...plain, { route: answer('other', notGrpc), match: { headers: [{ ...contentType, invert: true }] } }];
}

const contentType: HeaderMatcher = { name: 'content-type', values: [{ kind: 'prefix', value: 'application/grpc' }] };
const isGrpc: RouteMatch = { headers: [contentType] };
const grpcInPlainText: RouteAction = {
  kind: 'direct-response',
  status: 200,
  body: '',
  headers: [
    ['content-type', 'application/grpc'],
    ['grpc-status', '1'],
    ['grpc-message', 'gRPC request matched gRPCs route'],
  ],
};
const notGrpc: RouteAction = {
  kind: 'direct-response',
  status: 415,
  body: '{"message":"Non-gRPC request matched gRPC route"}',
  headers: [['content-type', json]],
};
const noService: RouteAction = {
  kind: 'direct-response',
  status: 503,
  body: '{"message":"no Service found with those values"}',
  headers: [['content-type', json]],
};

function serviceProblem(protocol: Service['protocol']): string | null {
  return streamProtocols.some((one) => one === protocol) ? `the protocol of its service is ${protocol}, which carries no requests` : null;
}

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

/** All match entries in Kong's order: priority, then age, then the order of the documents. `routes` get their place in the same order. */
export function rankEntries(placed: readonly PlacedRoute[]): {
  readonly routes: readonly ModelRoute[];
  readonly entries: readonly MatchEntry[];
} {
  const routes: ModelRoute[] = [];
  const places = placed.map(({ route, beside = [] }) => {
    const at = routes.push(route) - 1;
    return { at, beside: beside.map((one) => ({ at: routes.push(one.route) - 1, match: one.match })) };
  });
  const entries = placed.flatMap((one, index) => one.matches.map((ranked) => ({ one, index, ranked })));
  entries.sort((a, b) => {
    const [left, right] = [a.ranked.priority.value, b.ranked.priority.value];
    if (left !== right) return left < right ? 1 : -1;
    return a.one.createdAt - b.one.createdAt || a.index - b.index || a.ranked.index - b.ranked.index;
  });
  return {
    routes,
    entries: entries.flatMap(({ index, ranked }) => {
      const { at, beside } = places[index];
      const entry = (route: number, match: RouteMatch): MatchEntry => ({
        route,
        index: ranked.index,
        match,
        rankReason: ranked.priority.reason,
      });
      return [...beside.map((other) => entry(other.at, joined(ranked.match, other.match))), entry(at, ranked.match)];
    }),
  };
}

function joined(match: RouteMatch, other: RouteMatch): RouteMatch {
  return { ...match, ...other, headers: [...(match.headers ?? []), ...(other.headers ?? [])] };
}
