/** `tcp` and `tls` routes of a VirtualService → chains of a gateway's socket. */
import type { ConnectionChain, L4Destination, L4Forward } from '../../model/chain.ts';
import type { ServerTls } from '../../model/tls.ts';
import type { Path, Resource } from '../dialect.ts';
import { chainsOf } from './chains.ts';
import type { VirtualServiceItem } from './delegates.ts';
import type { DestinationBuilder } from './destinations.ts';
import { intersection, qualify } from './hosts.ts';
import { originAt, type Reporter } from './report.ts';
import type { TcpMatch, TcpRoute, TlsMatch, TlsRoute } from './schema/virtual-service.ts';
import { hasLabels } from './services.ts';

/** Envoy's tcp_proxy idle_timeout, ms. */
export const tcpIdleTimeoutMs = 3_600_000;

/** A server of a Gateway as its routes see it. */
export interface L4Server {
  /** `namespace/name` of the Gateway. */
  readonly gateway: string;
  readonly namespace: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly port: number;
  /** Host patterns that are the server's own on its socket. */
  readonly hosts: readonly string[];
  /** TLS that ends at the server; null: plain text, or passed through. */
  readonly tls: ServerTls | null;
  /** `namespace/name` of a Gateway as the VirtualService writes it. */
  readonly named: (written: string) => string;
}

export interface L4Tools {
  readonly build: DestinationBuilder;
  readonly report: Reporter;
}

/** Chains of the `tcp` routes, in their order: the first one whose conditions hold is taken. */
export function tcpChains(item: VirtualServiceItem, server: L4Server, tools: L4Tools): ConnectionChain[] {
  const chains: ConnectionChain[] = [];
  for (const [index, route] of (item.service.spec.tcp ?? []).entries()) {
    const path = ['spec', 'tcp', index];
    const matches: readonly (TcpMatch | undefined)[] = route.match?.length ? route.match : [undefined];
    for (const [position, match] of matches.entries()) {
      if (match !== undefined && !holdsAt(match, server)) continue;
      const forward = forwardOf(item, route, path, `tcp/${index}`, server.port, tools);
      const name = `${item.resource.namespace}/${item.resource.name}/tcp/${index}${matches.length > 1 ? `/${position}` : ''}`;
      const body = {
        sources: match?.sourceSubnet ? [match.sourceSubnet] : [],
        destinations: match?.destinationSubnets ?? [],
        tls: server.tls,
        forward,
        origin: forward.origin,
      };
      chains.push(...(server.tls === null ? [{ ...body, name, serverNames: [] }] : chainsOf(name, server.hosts, body)));
    }
  }
  return chains;
}

/** Chains of the `tls` routes: TLS is passed on as it is, by its server name. */
export function tlsChains(item: VirtualServiceItem, server: L4Server, tools: L4Tools): ConnectionChain[] {
  const { resource, service } = item;
  const own = (service.spec.hosts ?? []).map((host) => qualify(host, resource.namespace));
  const chains: ConnectionChain[] = [];
  for (const [index, route] of (service.spec.tls ?? []).entries()) {
    const path = ['spec', 'tls', index];
    for (const [position, match] of route.match.entries()) {
      if (!holdsAt(match, server)) continue;
      const names = match.sniHosts.flatMap((written, place) => {
        const sni = written.toLowerCase();
        const allowed = own.flatMap((host) => intersection(host, sni) ?? []);
        if (allowed.length === 0)
          tools.report.add(
            'WR0210',
            resource,
            [...path, 'match', position, 'sniHosts', place],
            `'${written}' is none of the hosts of the VirtualService`,
            { hint: 'add it to spec.hosts' },
          );
        return allowed.flatMap((name) => server.hosts.flatMap((host) => intersection(host, name) ?? []));
      });
      if (names.length === 0) continue;
      const forward = forwardOf(item, route, path, `tls/${index}`, server.port, tools);
      const name = `${resource.namespace}/${resource.name}/tls/${index}${route.match.length > 1 ? `/${position}` : ''}`;
      chains.push(
        ...chainsOf(name, names, {
          isTls: true,
          sources: [],
          destinations: match.destinationSubnets ?? [],
          tls: null,
          forward,
          origin: forward.origin,
        }),
      );
    }
  }
  return chains;
}

/** Conditions on the gateway itself are decided here, not per connection. */
function holdsAt(match: TcpMatch | TlsMatch, server: L4Server): boolean {
  if (match.gateways?.length && !match.gateways.some((name) => name !== 'mesh' && server.named(name) === server.gateway)) return false;
  if (match.port !== undefined && match.port !== server.port) return false;
  if (match.sourceNamespace && match.sourceNamespace !== server.namespace) return false;
  return hasLabels(server.labels, match.sourceLabels ?? {});
}

function forwardOf(
  { resource }: VirtualServiceItem,
  route: TcpRoute | TlsRoute,
  path: Path,
  label: string,
  listenerPort: number,
  { build }: L4Tools,
): L4Forward {
  return {
    route: `${resource.name}/${label}`,
    destinations: route.route.map((one, index) =>
      destinationOf(one, resource, [...path, 'route', index], route.route.length === 1, listenerPort, build),
    ),
    idleTimeoutMs: tcpIdleTimeoutMs,
    maxConnections: 0,
    origin: originAt(resource, path),
    pending: [],
  };
}

function destinationOf(
  one: TcpRoute['route'][number],
  owner: Resource,
  path: Path,
  alone: boolean,
  listenerPort: number,
  build: DestinationBuilder,
): L4Destination {
  const { cluster, weight, host, port, subset, invalidReason } = build.build(one, {
    owner,
    path,
    id: `${owner.key}/${path.join('/')}`,
    listenerPort,
    alone,
    routeAuthority: false,
  });
  return { cluster, weight, host, port, subset, ...(invalidReason === undefined ? {} : { invalidReason }) };
}

/** Nothing takes the connections of this server: they are closed, and the log says why. */
export function closedForward(route: string, reason: string, origin: L4Forward['origin']): L4Forward {
  return { route, destinations: [], idleTimeoutMs: tcpIdleTimeoutMs, maxConnections: 0, origin, pending: [], blocked: reason };
}
