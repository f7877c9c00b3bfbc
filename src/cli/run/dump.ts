import type { Compiled } from '../../dialects/compile.ts';
import type { ConnectionChain } from '../../model/chain.ts';
import { redacted } from '../../model/tls.ts';
import type { RouteMatch, StringMatcher } from '../../model/match.ts';
import type { RouteAction, WeightedDestination } from '../../model/route.ts';
import type { RouteLine } from './protocol.ts';

/** `/config_dump`: the snapshot in the model's words. Keys of consumers are left out, even hashed. */
export function configDump(compiled: Compiled | null): string {
  if (compiled === null) return JSON.stringify({ configs: [] });
  const { listeners, routes, clusters, consumers, secrets = [] } = compiled.snapshot;
  const withoutKeys = consumers.map(({ keys, ...consumer }) => ({ ...consumer, keys: keys.map(({ id }) => ({ id })) }));
  const hidden = (key: string, value: unknown): unknown => (key === 'sha256' ? undefined : value);
  const configs = [
    { '@type': 'weir.dev/v1.Listeners', listeners },
    { '@type': 'weir.dev/v1.Routes', routes },
    { '@type': 'weir.dev/v1.Clusters', clusters },
    { '@type': 'weir.dev/v1.Consumers', consumers: withoutKeys },
    { '@type': 'weir.dev/v1.Secrets', secrets: secrets.map(redacted) },
  ];
  return JSON.stringify({ configs }, hidden, 1);
}

/** What the first page lists, best rank first within each listener. */
export function routeLines(compiled: Compiled | null, limit: number): readonly RouteLine[] {
  const lines: RouteLine[] = [];
  if (compiled === null) return lines;
  const { listeners, routes } = compiled.snapshot;
  for (const listener of listeners) {
    for (const chain of listener.chains ?? []) {
      if (chain.forward === null || lines.length >= limit) continue;
      const { route, destinations, blocked, origin } = chain.forward;
      const action = blocked === undefined ? destinationsText(destinations) : `closed: ${blocked}`;
      const { file, line } = origin;
      lines.push({
        name: route,
        listener: listener.name,
        hosts: chain.serverNames.join(', '),
        match: chainText(chain),
        action,
        file,
        line,
      });
    }
    for (const host of listener.virtualHosts) {
      for (const entry of host.matches) {
        const route = routes[entry.route];
        if (route === undefined) continue;
        if (lines.length >= limit) return lines;
        const hosts = entry.match.hosts?.map(({ pattern }) => pattern) ?? host.domains;
        const { file, line } = route.origin;
        lines.push({
          name: route.name,
          listener: listener.name,
          hosts: hosts.join(', '),
          match: matchText(entry.match),
          action: actionText(route.action),
          file,
          line,
        });
      }
    }
  }
  return lines;
}

/** What a chain that passes on bytes takes, but for server names. */
function chainText({ isTls, tls, serverNames, sources, destinations }: ConnectionChain): string {
  const kind = tls !== null ? 'TLS, ended' : isTls === true || serverNames.length > 0 ? 'TLS, passed through' : 'bytes';
  const from = sources.length === 0 ? '' : ` from ${sources.join(', ')}`;
  return `${kind}${from}${destinations.length === 0 ? '' : ` at ${destinations.join(', ')}`}`;
}

function matchText(match: RouteMatch): string {
  const parts: string[] = [];
  if (match.methods !== undefined) parts.push(match.methods.map(stringText).join('|'));
  if (match.path === undefined) parts.push('/*');
  else if (match.path.kind === 'regex') parts.push(`~${match.path.value}`);
  else parts.push(match.path.kind === 'exact' ? match.path.value : `${match.path.value}*`);
  for (const header of match.headers ?? [])
    parts.push(`${header.invert === true ? 'not ' : ''}${header.name}: ${header.values.map(stringText).join('|')}`);
  for (const parameter of match.query ?? []) parts.push(`?${parameter.name}=${stringText(parameter.value)}`);
  return parts.join(' ');
}

function stringText(matcher: StringMatcher): string {
  switch (matcher.kind) {
    case 'present':
      return '*';
    case 'exact':
      return matcher.value;
    case 'prefix':
      return `${matcher.value}*`;
    case 'suffix':
      return `*${matcher.value}`;
    case 'contains':
      return `*${matcher.value}*`;
    case 'regex':
      return `~${matcher.value}`;
  }
}

function actionText(action: RouteAction): string {
  switch (action.kind) {
    case 'forward':
      return destinationsText(action.destinations);
    case 'redirect':
      return `redirect ${action.status}`;
    case 'direct-response':
      return `respond ${action.status}`;
    case 'blocked':
      return `blocked ${action.status}: ${action.reason}`;
  }
}

function destinationsText(destinations: readonly Pick<WeightedDestination, 'host' | 'port' | 'subset' | 'weight'>[]): string {
  return destinations
    .map(
      ({ host, port, subset, weight }) =>
        `${host}${port === null ? '' : `:${port}`}${subset === null ? '' : ` ${subset}`}${destinations.length > 1 ? ` (${weight})` : ''}`,
    )
    .join(', ');
}
