/** The domains of a socket → virtual hosts of a listener. */
import type { ConnectionChain } from '../../model/chain.ts';
import { edgeListener, type Listener } from '../../model/listener.ts';
import type { Origin } from '../../model/origin.ts';
import type { MatchEntry, Route, RuledOut, VirtualHost } from '../../model/route.ts';
import { inOrder, narrowest } from './chains.ts';
import type { VirtualServiceItem } from './delegates.ts';
import type { RouteTable } from './entries.ts';
import { isCatchAll } from './match.ts';
import type { Reporter } from './report.ts';

/** A VirtualService on a domain, and the Gateways through which it is reached there. */
interface Binding {
  readonly item: VirtualServiceItem;
  readonly gateways: Set<string>;
  readonly labels: Readonly<Record<string, string>>;
  readonly namespace: string | null;
}

export interface Domain {
  readonly bindings: Map<VirtualServiceItem, Binding>;
  redirect: Origin | null;
  /** `defaultEndpoint` of the server: where requests go that no rule matches. */
  fallback: { readonly cluster: string; readonly endpoint: string; readonly origin: Origin } | null;
}

/** One address and port; Gateways share it. */
export interface Socket {
  readonly name: string;
  /** IP address, or path of a Unix socket. */
  readonly address: string;
  readonly port: number;
  readonly origin: Origin;
  /** What its servers speak; `tls`: whatever begins with a ClientHello. */
  readonly group: 'http' | 'tcp' | 'tls';
  /** The server that decided so. */
  readonly first: { readonly protocol: string; readonly gateway: string };
  readonly domains: Map<string, Domain>;
  /** In the order of the files. */
  readonly chains: ConnectionChain[];
  /** Of the chains above those that end in HTTP, each with the key of its server. */
  readonly https: Map<ConnectionChain, string>;
  /** Host patterns of TLS servers, each with the server that has it. */
  readonly names: Map<string, { readonly key: string; readonly label: string }>;
}

export function listenerOf(socket: Socket, table: RouteTable, report: Reporter): Listener {
  const http = socket.group === 'http' || socket.https.size > 0;
  const hosts = http ? virtualHosts(socket, table, report) : [];
  return {
    name: socket.name,
    kind: 'gateway',
    address: socket.address,
    port: socket.port,
    protocol: http ? 'http' : 'tcp',
    ...(socket.group === 'http' ? {} : { chains: inOrder(withHosts(socket, hosts)) }),
    dialect: 'istio',
    origin: socket.origin,
    ...edgeListener,
    virtualHosts: hosts,
    filters: [],
    pending: [],
  };
}

/** A connection that one server took reaches no host of another: its demands on clients may be weaker. */
function withHosts(socket: Socket, hosts: readonly VirtualHost[]): readonly ConnectionChain[] {
  if (socket.names.size < 2) return socket.chains;
  const byOwner = Map.groupBy(hosts, ({ name }) => ownerOf(socket, name));
  return socket.chains.map((chain) => {
    const key = socket.https.get(chain);
    return key === undefined ? chain : { ...chain, virtualHosts: (byOwner.get(key) ?? []).map(({ name }) => name) };
  });
}

/** Key of the TLS server that takes connections for the host. */
function ownerOf(socket: Socket, host: string): string {
  return narrowest(socket.names, host)?.key ?? '';
}

/** Domains with the same VirtualServices share a virtual host. */
function virtualHosts(socket: Socket, table: RouteTable, report: Reporter): VirtualHost[] {
  const groups = new Map<string, { readonly domains: string[]; readonly domain: Domain }>();
  for (const [pattern, domain] of socket.domains) {
    const key =
      domain.redirect === null
        ? [...domain.bindings.values()]
            .map(({ item, gateways }) => `${item.resource.key}=${[...gateways].toSorted().join(',')}`)
            .concat(domain.fallback?.cluster ?? [], domain.bindings.size === 0 ? pattern : [], ownerOf(socket, pattern))
            .join(';')
        : `redirect ${pattern}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { domains: [pattern], domain });
    else group.domains.push(pattern);
  }
  const hosts: VirtualHost[] = [];
  for (const { domains, domain } of groups.values()) {
    if (domain.redirect !== null) {
      const route = table.add(httpsRedirect(socket, domains[0], domain.redirect));
      hosts.push({
        name: domains[0],
        domains,
        origin: domain.redirect,
        matches: [{ route, index: 0, match: {}, rankReason: 'the server redirects everything to https' }],
        filters: [],
      });
      continue;
    }
    const bindings = [...domain.bindings.values()];
    const ruledOut: RuledOut[] = [];
    const lists = bindings.map(({ item, gateways, labels, namespace }) =>
      table.entries(item, { kind: 'gateway', gateways, port: socket.port, labels, namespace }, ruledOut),
    );
    const rules = lists.length === 1 ? lists[0] : merged(bindings, lists, table, report);
    const matches = domain.fallback === null ? rules : [...rules, fallbackEntry(domain.fallback, table)];
    // As in Istio, hosts without a rule that can hold here are left to wider ones. With TLS they are another server's.
    if (matches.length === 0 && (socket.group === 'http' || socket.names.size < 2)) continue;
    const origin = bindings[0]?.item.resource.origin ?? domain.fallback?.origin ?? socket.origin;
    hosts.push({ name: domains[0], domains, origin, matches, filters: [], ...(ruledOut.length === 0 ? {} : { ruledOut }) });
  }
  return hosts;
}

/**
 * Where VirtualServices share a host, Istio cuts each behind its catch-all and puts the catch-alls last, so that the first
 * one does not hide the others.
 */
function merged(
  bindings: readonly Binding[],
  lists: readonly (readonly MatchEntry[])[],
  table: RouteTable,
  report: Reporter,
): MatchEntry[] {
  const narrow: MatchEntry[] = [];
  const wide: MatchEntry[] = [];
  for (const [index, list] of lists.entries()) {
    const end = list.findIndex((entry) => isCatchAll(entry.match) && table.routes[entry.route].action.kind !== 'blocked');
    for (const [position, entry] of list.entries()) {
      if (end < 0 || position < end) narrow.push(entry);
      else if (position === end) wide.push(entry);
      else cut(bindings[index].item, table.routes[entry.route], report);
    }
  }
  return [...narrow, ...wide];
}

function cut({ resource }: VirtualServiceItem, { origin, rule }: Route, report: Reporter): void {
  const own = origin.kind === resource.kind && origin.name === resource.name && origin.namespace === resource.namespace;
  report.add(
    'WR0209',
    resource,
    own ? ['spec', 'http', rule] : ['spec', 'http'],
    `rule ${rule} is never reached: a rule before it matches every request`,
    { hint: 'move the rule that matches everything to the end' },
  );
}

function fallbackEntry({ cluster, endpoint, origin }: NonNullable<Domain['fallback']>, table: RouteTable): MatchEntry {
  const route = table.add({
    id: `istio/Gateway/${cluster}`,
    name: 'default-endpoint',
    rule: 0,
    origin,
    action: {
      kind: 'forward',
      destinations: [{ cluster, weight: 100, host: endpoint, port: null, subset: null, filters: [] }],
      allZeroStatus: 503,
    },
    filters: [],
    pending: [],
  });
  return { route, index: 0, match: {}, rankReason: 'no rule of a VirtualService: defaultEndpoint of the server' };
}

/** Istio `tls.httpsRedirect`: 301 to the same authority, before any route is looked at. */
function httpsRedirect(socket: Socket, pattern: string, origin: Origin): Route {
  return {
    id: `istio/Gateway/${origin.namespace}/${origin.name}/${socket.name}/${pattern}/https-redirect`,
    name: 'https-redirect',
    rule: 0,
    origin,
    action: { kind: 'redirect', status: 301, scheme: 'https', port: 'request' },
    filters: [],
    pending: [],
  };
}
