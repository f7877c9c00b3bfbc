/** Listeners of all Gateways as model listeners: one per address and port, one virtual host per listener hostname. */
import { isIP } from 'node:net';
import { defaultLimits, edgeCanonicalisation, type Listener } from '../../model/listener.ts';
import type { MatchEntry, Route, VirtualHost } from '../../model/route.ts';
import { originAt, report, type Context } from './context.ts';
import type { GatewayUnit, ListenerUnit } from './gateways.ts';
import { groupHosts } from './hostnames.ts';
import { compareRanks, hostReason, type Rank } from './rank.ts';

interface Socket {
  readonly address: string;
  readonly port: number;
  readonly owner: GatewayUnit;
  /** By hostname, empty for every host. */
  readonly listeners: Map<string, ListenerUnit>;
}

export function listenerName(address: string, port: number): string {
  return isIP(address) === 6 ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * Decides who holds which hostname of which socket. Between Gateways the older one keeps its place; within one Gateway
 * conflicts were refused before.
 */
export function placeListeners(context: Context, gateways: readonly GatewayUnit[]): ReadonlyMap<string, Socket> {
  const sockets = new Map<string, Socket>();
  for (const gateway of gateways)
    for (const listener of gateway.listeners) {
      if (listener.refused !== null || listener.spec.protocol !== 'HTTP') continue;
      for (const address of gateway.addresses) place(context, sockets, listener, address);
    }
  return sockets;
}

function place(context: Context, sockets: Map<string, Socket>, listener: ListenerUnit, address: string): void {
  const { gateway, spec } = listener;
  const name = listenerName(address, spec.port);
  let socket = sockets.get(name);
  if (socket === undefined) {
    socket = { address, port: spec.port, owner: gateway, listeners: new Map() };
    sockets.set(name, socket);
  }
  const holder = socket.listeners.get(listener.hostname ?? '');
  if (holder === undefined) {
    socket.listeners.set(listener.hostname ?? '', listener);
    listener.sockets.push(name);
    return;
  }
  const message = `Conflicted: listener '${spec.name}' of Gateway ${gateway.key} and listener '${holder.spec.name}' of Gateway ${holder.gateway.key} share ${name} and hostname ${listener.hostname ?? '(any)'}; the latter keeps it`;
  report(context, 'WR0309', gateway.resource, ['spec', 'listeners', listener.index], message, 'give one of them another hostname or port');
  listener.conflicted = true;
  listener.refused = { reason: 'HostnameConflict', message };
}

export function buildListeners(sockets: ReadonlyMap<string, Socket>, routeIndex: ReadonlyMap<Route, number>): readonly Listener[] {
  return [...sockets].map(([name, socket]) => ({
    name,
    kind: 'gateway' as const,
    address: socket.address,
    port: socket.port,
    protocol: 'http' as const,
    dialect: 'gateway-api' as const,
    origin: socket.owner.resource.origin,
    canonicalisation: edgeCanonicalisation,
    limits: defaultLimits,
    trustedHops: 0,
    trustedCidrs: [],
    replyStyle: 'envoy' as const,
    kongHeaders: false,
    virtualHosts: [...socket.listeners.values()].map((listener) => virtualHost(listener, routeIndex)),
    filters: [],
    pending: [],
  }));
}

/** Listener isolation: a request belongs to the most specific listener hostname, whatever its routes say. */
function virtualHost(listener: ListenerUnit, routeIndex: ReadonlyMap<Route, number>): VirtualHost {
  const domain = listener.hostname ?? '*';
  return {
    name: domain,
    domains: [domain],
    origin: originAt(listener.gateway.resource, ['spec', 'listeners', listener.index]),
    matches: rankedMatches(listener, routeIndex),
    filters: [],
  };
}

function rankedMatches(listener: ListenerUnit, routeIndex: ReadonlyMap<Route, number>): readonly MatchEntry[] {
  const ranked: { readonly rank: Rank; readonly entry: MatchEntry }[] = [];
  for (const { unit, hosts } of listener.attachments)
    for (const group of groupHosts(hosts)) {
      const words = hostReason(group);
      const narrower = group.patterns.filter((pattern) => pattern !== listener.hostname);
      const matchers = group.patterns.length === narrower.length ? narrower.map((pattern) => ({ pattern })) : [];
      for (const { route, matches } of unit.rules) {
        const at = routeIndex.get(route);
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
