/** Which connections of a socket belong to which listener, and what becomes of them. */
import type { ConnectionChain, L4Forward } from '../../model/chain.ts';
import type { ServerTls } from '../../model/tls.ts';
import { originAt, report, type Context } from './context.ts';
import type { Attachment, ListenerUnit } from './gateways.ts';
import { groupHosts } from './hostnames.ts';
import { forwardOn } from './l4.ts';

/** Best first; none for a socket of plain HTTP. `listeners` share one address and port, `socket` in the model's name for it. */
export function chainsOf(context: Context, listeners: readonly ListenerUnit[], socket: string): readonly ConnectionChain[] {
  return listeners
    .filter(({ protocol }) => protocol !== 'HTTP')
    .toSorted((a, b) => specificity(b) - specificity(a))
    .flatMap((listener) => {
      if (listener.tls?.server === null) return [closed(listener, 'its certificates cannot be used')];
      if (listener.protocol === 'HTTPS') return [httpChain(listener)];
      return listener.protocol === 'TLS' ? tlsChains(context, listener, socket) : [l4Chain(context, listener, socket)];
    });
}

/** Exact names first, then the longest suffix, then the listener for every name. */
function specificity({ hostname }: ListenerUnit): number {
  if (hostname === null) return 0;
  return hostname.startsWith('*.') ? hostname.length : 1000;
}

type Head = Pick<ConnectionChain, 'name' | 'serverNames' | 'sources' | 'destinations' | 'origin'>;

function head(listener: ListenerUnit, name = `${listener.gateway.key}/${listener.spec.name}`): Head {
  return {
    name,
    serverNames: listener.hostname === null ? [] : [listener.hostname],
    sources: [],
    destinations: [],
    origin: originAt(listener.gateway.resource, ['spec', 'listeners', listener.index]),
  };
}

/** A request for a host of another listener is misdirected on this one's connections: 421. */
function httpChain(listener: ListenerUnit): ConnectionChain {
  return { ...head(listener), tls: listener.tls?.server ?? null, forward: null, virtualHosts: [listener.hostname ?? '*'] };
}

/** Connections of the listener that no route takes: closed, so that no wider listener takes them either. */
function closed(listener: ListenerUnit, reason: string): ConnectionChain {
  const place = head(listener);
  const { protocol } = listener;
  const forward: L4Forward = {
    route: place.name,
    destinations: [],
    idleTimeoutMs: 0,
    maxConnections: 0,
    origin: place.origin,
    pending: [],
    blocked: `listener '${listener.spec.name}': ${reason}`,
  };
  return { ...place, ...(protocol === 'HTTPS' || protocol === 'TLS' ? { isTls: true } : {}), tls: null, forward };
}

interface Share {
  readonly attachment: Attachment;
  readonly serverNames: readonly string[];
  readonly rank: number;
  readonly length: number;
}

/** By hostname as HTTPRoutes are, then by age: routes are attached oldest first. */
function tlsChains(context: Context, listener: ListenerUnit, socket: string): readonly ConnectionChain[] {
  const shares = listener.attachments.flatMap((attachment) =>
    groupHosts(attachment.hosts).map(({ patterns, rank, length }): Share => ({ attachment, serverNames: patterns, rank, length })),
  );
  shares.sort((a, b) => a.rank - b.rank || b.length - a.length);
  const taken = new Set<string>();
  const chains: ConnectionChain[] = [];
  for (const { attachment, serverNames } of shares) {
    const wanted = serverNames.length > 0 ? serverNames : listener.hostname === null ? ['*'] : [listener.hostname];
    const free = wanted.filter((name) => !taken.has(name));
    if (free.length < wanted.length)
      reportTaken(
        context,
        listener,
        socket,
        attachment,
        wanted.filter((name) => taken.has(name)),
      );
    if (free.length === 0) continue;
    for (const name of free) taken.add(name);
    chains.push(forwardChain(context, listener, attachment, free.includes('*') ? [] : free, chains.length));
  }
  if (listener.hostname !== null && !taken.has(listener.hostname)) chains.push(closed(listener, 'no route is for this server name'));
  if (chains.length === 0) chains.push(closed(listener, 'no route is attached'));
  return chains;
}

function reportTaken(context: Context, listener: ListenerUnit, socket: string, { unit }: Attachment, names: readonly string[]): void {
  // A listener on several addresses is told once.
  if (listener.sockets[0] !== socket) return;
  const what = names.includes('*') ? 'every connection' : names.join(', ');
  report(
    context,
    'WR0328',
    unit.resource,
    ['spec'],
    `${unit.kind} ${unit.key} gets nothing of ${what} at listener '${listener.spec.name}' of Gateway ${listener.gateway.key}: an older route has it`,
    'give the routes different hostnames, or one of them another listener',
  );
}

function forwardChain(
  context: Context,
  listener: ListenerUnit,
  { unit }: Attachment,
  serverNames: readonly string[],
  index: number,
): ConnectionChain {
  const tls: ServerTls | null = listener.tls?.server ?? null;
  const { gateway } = listener;
  const place = head(listener, `${gateway.key}/${listener.spec.name}/${index}`);
  if (unit.l4 === null) return closed(listener, 'no route is attached');
  const passthrough = listener.protocol === 'TLS' && tls === null;
  const certificate = typeof gateway.clientCertificate === 'string' ? gateway.clientCertificate : null;
  return {
    ...place,
    serverNames,
    ...(passthrough && serverNames.length === 0 ? { isTls: true } : {}),
    tls,
    forward: forwardOn(context, unit.l4, { passthrough, gateway: gateway.key, certificate }),
  };
}

/** TCP and UDP: the oldest route takes everything. */
function l4Chain(context: Context, listener: ListenerUnit, socket: string): ConnectionChain {
  const [first, ...others] = listener.attachments;
  for (const other of others) reportTaken(context, listener, socket, other, ['*']);
  return first === undefined ? closed(listener, 'no route is attached') : forwardChain(context, listener, first, [], 0);
}
