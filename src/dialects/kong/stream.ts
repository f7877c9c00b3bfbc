/** Kong routes for tcp, tls, tls_passthrough and udp: listeners on the ports that their destinations name. */
import { isIP } from 'node:net';
import type { ConnectionChain, L4Forward } from '../../model/chain.ts';
import { isDevelopmentSecret } from '../development-certificate.ts';
import type { CertificateBook } from './certificates.ts';
import { terminatingChains, type ChainBase } from './chains.ts';
import type { Located } from './entity.ts';
import { parseSni } from './hosts.ts';
import type { Report } from './report.ts';
import type { Route } from './schemas.ts';

export const streamProtocols = ['tcp', 'tls', 'udp', 'tls_passthrough'] as const;

export function isStream(route: Pick<Route, 'protocols'>): boolean {
  return route.protocols.some((protocol) => streamProtocols.some((one) => one === protocol));
}

/** One stream route with what its service contributes. */
export interface StreamRoute {
  readonly located: Located;
  readonly route: Route;
  readonly service: {
    readonly cluster: string;
    readonly host: string;
    readonly port: number;
    readonly idleTimeoutMs: number;
  } | null;
  /** Set: its connections are closed. */
  readonly blocked: string | null;
}

export interface StreamPort {
  readonly port: number;
  readonly udp: boolean;
  readonly chains: readonly ConnectionChain[];
  readonly located: Located;
}

/** UDP sessions end after this long without a datagram, ms, whatever the service's timeouts say. */
const udpIdleMs = 60_000;

export function streamPorts(routes: readonly StreamRoute[], book: CertificateBook, report: Report): readonly StreamPort[] {
  const ports: StreamPort[] = [];
  for (const udp of [false, true]) {
    const own = routes.filter(({ route }) => route.protocols.some((protocol) => (protocol === 'udp') === udp));
    const numbers = new Set(own.flatMap(({ route }) => (route.destinations ?? []).flatMap((one) => one.port ?? [])));
    for (const one of own) tellPorts(one, numbers, report);
    for (const port of [...numbers].toSorted((a, b) => a - b)) {
      const placed = own
        .filter(({ route }) => admits(route, port))
        .toSorted((a, b) => compare(priorityOf(b.route), priorityOf(a.route)) || ageOf(a.route) - ageOf(b.route));
      const chains = placed.flatMap((one) => chainsOn(one, port, udp, book, report));
      const owner = placed.find(({ route }) => route.destinations?.some((one) => one.port === port) === true);
      if (owner !== undefined && chains.length > 0) ports.push({ port, udp, chains, located: owner.located });
    }
  }
  return ports;
}

/** Kong's `stream_listen` stands in kong.conf: here the destinations of routes say which ports are opened. */
function tellPorts({ located, route }: StreamRoute, numbers: ReadonlySet<number>, report: Report): void {
  if (route.destinations?.some((one) => one.port !== undefined) === true) return;
  const served = [...numbers].filter((port) => admits(route, port));
  report.add(
    'WR0412',
    located.resource,
    [],
    served.length === 0
      ? 'the route is not served: no port is known for it'
      : `the route names no port: it is served on ${served.join(', ')}, which other routes name`,
    'write destinations: [{port: 9000}]',
  );
}

function admits(route: Route, port: number): boolean {
  const list = route.destinations ?? [];
  return list.length === 0 || list.some((one) => one.port === undefined || one.port === port);
}

function ageOf(route: Route): number {
  return route.created_at ?? Number.MAX_SAFE_INTEGER;
}

function compare(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Kong 3.9, stream_get_priority: server names, or sources and destinations together, stand first; then address, port, network. */
export function priorityOf({ snis = [], sources = [], destinations = [] }: Pick<Route, 'snis' | 'sources' | 'destinations'>): bigint {
  const weight = (list: NonNullable<Route['sources']>): number =>
    list.reduce((bits, { ip, port }) => bits | (ip === undefined ? 0 : ip.includes('/') ? 1 : 8) | (port === undefined ? 0 : 4), 0);
  const first = snis.length > 0 || (sources.length > 0 && destinations.length > 0) ? 1n << 61n : 0n;
  return first | BigInt((weight(sources) << 4) | weight(destinations));
}

function chainsOn(one: StreamRoute, port: number, udp: boolean, book: CertificateBook, report: Report): readonly ConnectionChain[] {
  const { located, route } = one;
  const { resource } = located;
  const snis = (route.snis ?? []).flatMap((sni) => {
    const parsed = parseSni(sni);
    return parsed.ok ? [parsed.value.pattern] : [];
  });
  const base: ChainBase = {
    name: resource.name,
    sources: (route.sources ?? []).map((source) => `${source.ip ?? ''}${source.port === undefined ? '' : `#${source.port}`}`),
    destinations: addressesAt(route, port),
    forward: forwardOf(one, udp),
    origin: resource.origin,
  };
  const chains: ConnectionChain[] = [];
  for (const protocol of route.protocols) {
    if ((protocol === 'udp') !== udp) continue;
    if (protocol === 'tls') {
      const ended = terminatingChains(book, { ...base, name: `${base.name}/tls` }, snis);
      if (snis.length > 0 && ended.some((chain) => chain.tls?.certificates.some(isDevelopmentSecret) === true))
        report.add(
          'WR0417',
          resource,
          ['snis'],
          'names without a certificate are shown one that Weir signed itself, which no client trusts',
          certificateHint,
        );
      chains.push(...ended);
    } else if (protocol === 'tls_passthrough') chains.push({ ...base, serverNames: snis, isTls: true, tls: null });
    // Kong looks at server names of TLS alone; plain connections match without them.
    else
      chains.push({
        ...base,
        name: protocol === 'tcp' ? base.name : `${base.name}/${protocol}`,
        serverNames: [],
        tls: null,
        ...plainOnly(route),
      });
  }
  return chains;
}

export const certificateHint = 'add a certificate with snis: [{name: example.com}], or with the name "*" for all';

/** Beside tls a tcp route takes what is not TLS. */
function plainOnly(route: Route): { readonly isTls?: false } {
  return route.protocols.includes('tls') || (route.snis ?? []).length > 0 ? { isTls: false } : {};
}

/** Addresses that the route wants on this port; none: any. */
function addressesAt(route: Route, port: number): readonly string[] {
  const here = (route.destinations ?? []).filter((one) => one.port === undefined || one.port === port);
  return here.some((one) => one.ip === undefined) ? [] : here.flatMap((one) => one.ip ?? []);
}

function forwardOf({ located, service, blocked }: StreamRoute, udp: boolean): L4Forward {
  const { name, origin } = located.resource;
  const why = blocked ?? (service === null ? 'the route has no service' : null);
  return {
    route: name,
    destinations: service === null ? [] : [{ cluster: service.cluster, weight: 1, host: service.host, port: service.port, subset: null }],
    idleTimeoutMs: udp ? udpIdleMs : (service?.idleTimeoutMs ?? 0),
    maxConnections: 0,
    origin,
    pending: [],
    ...(why === null ? {} : { blocked: why }),
  };
}

/** `address:port`, with `/udp` where that is the transport. */
export function socketName(address: string, port: number, udp = false): string {
  return `${isIP(address) === 6 ? `[${address}]` : address}:${port}${udp ? '/udp' : ''}`;
}
