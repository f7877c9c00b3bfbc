/** Listeners of all Gateways as model listeners: one per address and port, one virtual host per hostname of an HTTP listener. */
import { isIP } from 'node:net';
import { edgeListener, type Listener } from '../../model/listener.ts';
import type { MatchEntry, Route, VirtualHost } from '../../model/route.ts';
import { originAt, report, type Context } from './context.ts';
import { chainsOf } from './chains.ts';
import { clashOf, familyOf, type GatewayUnit, type ListenerUnit } from './gateways.ts';
import { groupHosts } from './hostnames.ts';
import { compareRanks, hostReason, type Rank } from './rank.ts';

interface Socket {
  readonly address: string;
  readonly port: number;
  readonly owner: GatewayUnit;
  readonly listeners: ListenerUnit[];
  /** By hostname, empty for every host. */
  readonly byHost: Map<string, ListenerUnit>;
}

export function listenerName(address: string, port: number): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

/** UDP has ports of its own. */
function socketName(address: string, port: number, protocol: string): string {
  return protocol === 'UDP' ? `${listenerName(address, port)}/udp` : listenerName(address, port);
}

/**
 * Decides who holds which hostname of which socket. Between Gateways the older one keeps its place; within one Gateway
 * conflicts were refused before. A listener whose TLS cannot be served keeps its names: no wider one may take them.
 */
export function placeListeners(context: Context, gateways: readonly GatewayUnit[]): ReadonlyMap<string, Socket> {
  const sockets = new Map<string, Socket>();
  for (const gateway of gateways)
    for (const listener of gateway.listeners) {
      if (listener.refused !== null && (listener.conflicted || listener.tls?.server !== null)) continue;
      for (const address of gateway.addresses) place(context, sockets, listener, address);
    }
  return sockets;
}

function place(context: Context, sockets: Map<string, Socket>, listener: ListenerUnit, address: string): void {
  const { gateway, spec, protocol } = listener;
  const name = socketName(address, spec.port, protocol);
  let socket = sockets.get(name);
  if (socket === undefined) {
    socket = { address, port: spec.port, owner: gateway, listeners: [], byHost: new Map() };
    sockets.set(name, socket);
  }
  const [first] = socket.listeners;
  const holder =
    first !== undefined && familyOf(first.protocol) !== familyOf(protocol) ? first : socket.byHost.get(listener.hostname ?? '');
  if (holder === undefined) {
    socket.listeners.push(listener);
    socket.byHost.set(listener.hostname ?? '', listener);
    if (listener.tls?.server !== null) listener.sockets.push(name);
    return;
  }
  const reason = clashOf(holder, listener) ?? 'HostnameConflict';
  const shared =
    reason === 'ProtocolConflict' ? `with protocols ${protocol} and ${holder.protocol}` : `and hostname ${listener.hostname ?? '(any)'}`;
  const message = `Conflicted: listener '${spec.name}' of Gateway ${gateway.key} and listener '${holder.spec.name}' of Gateway ${holder.gateway.key} share ${name} ${shared}; the latter keeps it`;
  report(context, 'WR0309', gateway.resource, ['spec', 'listeners', listener.index], message, 'give one of them another hostname or port');
  listener.conflicted = true;
  listener.refused = { reason, message };
}

/** `routeOn`: place of a route among the routes, as the Gateway of the listener carries it. */
export type RouteOn = (route: Route, gateway: GatewayUnit) => number | undefined;

export function buildListeners(context: Context, sockets: ReadonlyMap<string, Socket>, routeOn: RouteOn): readonly Listener[] {
  return [...sockets].flatMap(([name, socket]) => {
    // A socket that only closes connections is not opened.
    if (!socket.listeners.some((one) => one.tls?.server !== null)) return [];
    const chains = chainsOf(context, socket.listeners, name);
    return [
      {
        name,
        kind: 'gateway' as const,
        address: socket.address,
        port: socket.port,
        protocol: protocolOf(socket.listeners),
        ...(chains.length === 0 ? {} : { chains }),
        dialect: 'gateway-api' as const,
        origin: socket.owner.resource.origin,
        ...edgeListener,
        virtualHosts: socket.listeners.filter(servesHttp).map((listener) => virtualHost(listener, routeOn)),
        filters: [],
        pending: [],
      },
    ];
  });
}

function servesHttp({ protocol, tls }: ListenerUnit): boolean {
  return protocol === 'HTTP' || (protocol === 'HTTPS' && tls?.server !== null);
}

function protocolOf(listeners: readonly ListenerUnit[]): Listener['protocol'] {
  if (listeners.some(servesHttp)) return 'http';
  return listeners.some(({ protocol }) => protocol === 'UDP') ? 'udp' : 'tcp';
}

/** Listener isolation: a request belongs to the most specific listener hostname, whatever its routes say. */
function virtualHost(listener: ListenerUnit, routeOn: RouteOn): VirtualHost {
  const domain = listener.hostname ?? '*';
  return {
    name: domain,
    domains: [domain],
    origin: originAt(listener.gateway.resource, ['spec', 'listeners', listener.index]),
    matches: rankedMatches(listener, routeOn),
    filters: [],
  };
}

function rankedMatches(listener: ListenerUnit, routeOn: RouteOn): readonly MatchEntry[] {
  const ranked: { readonly rank: Rank; readonly entry: MatchEntry }[] = [];
  for (const { unit, hosts } of listener.attachments)
    for (const group of groupHosts(hosts)) {
      const words = hostReason(group);
      const narrower = group.patterns.filter((pattern) => pattern !== listener.hostname);
      const matchers = group.patterns.length === narrower.length ? narrower.map((pattern) => ({ pattern })) : [];
      for (const { route, matches } of unit.rules) {
        const at = routeOn(route, listener.gateway);
        if (at === undefined) continue;
        for (const { index, match, rank } of matches)
          ranked.push({
            rank: {
              numbers: [group.rank, -group.length, ...rank.numbers],
              created: unit.created,
              key: unit.key,
              rule: route.rule,
              match: index,
            },
            entry: {
              route: at,
              index,
              match: matchers.length === 0 ? match : { ...match, hosts: matchers },
              rankReason: `${words}; ${rank.reason}`,
            },
          });
      }
    }
  return ranked.sort((a, b) => compareRanks(a.rank, b.rank)).map(({ entry }) => entry);
}
