/** Gateway servers → sockets, and which VirtualServices answer for which hosts on them. */
import { isIP } from 'node:net';
import { defaultLimits, edgeCanonicalisation, type Listener } from '../../model/listener.ts';
import type { Origin } from '../../model/origin.ts';
import type { MatchEntry, Route, VirtualHost } from '../../model/route.ts';
import type { Path, Resource, TranslateOptions } from '../dialect.ts';
import type { VirtualServiceItem } from './delegates.ts';
import { gatewayName, type RouteTable } from './entries.ts';
import { intersection, isShort, isVisible, qualify } from './hosts.ts';
import { isCatchAll } from './match.ts';
import { originAt, type Reporter } from './report.ts';
import { gatewayKind, type Server } from './schema/gateway.ts';
import { hasLabels } from './services.ts';

interface BoundServer {
  readonly gateway: Resource;
  readonly server: Server;
  readonly path: Path;
  readonly selector: Readonly<Record<string, string>>;
  /** Null: the server speaks a protocol that does not run yet. */
  readonly socket: Socket | null;
}

interface Binding {
  readonly item: VirtualServiceItem;
  readonly gateways: Set<string>;
  readonly labels: Readonly<Record<string, string>>;
  readonly namespace: string | null;
}

interface Domain {
  readonly bindings: Map<VirtualServiceItem, Binding>;
  redirect: Origin | null;
}

interface Socket {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly origin: Origin;
  readonly domains: Map<string, Domain>;
}

const plainProtocols: ReadonlySet<string> = new Set(['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB']);

export function gatewayListeners(
  resources: readonly Resource[],
  items: readonly VirtualServiceItem[],
  table: RouteTable,
  options: TranslateOptions,
  report: Reporter,
): Listener[] {
  const sockets = new Map<string, Socket>();
  const servers = new Map<string, BoundServer[]>();
  const protocols = new Map<string, { readonly protocol: string; readonly gateway: string }>();
  for (const resource of resources) {
    if (resource.kind !== 'Gateway' || resource.dialect !== 'istio') continue;
    const bound: BoundServer[] = [];
    servers.set(`${resource.namespace}/${resource.name}`, bound);
    const gateway = gatewayKind.of(resource);
    if (gateway === null) continue;
    const selector = gateway.spec.selector ?? {};
    const served = options.labels === null || hasLabels(options.labels, selector);
    for (const [index, server] of gateway.spec.servers.entries()) {
      const path = ['spec', 'servers', index];
      if (served) checkProtocol(resource, server, path, protocols, report);
      const socket = served ? openSocket(resource, server, path, options.bind, sockets, report) : null;
      bound.push({ gateway: resource, server, path, selector: options.labels ?? selector, socket });
      if (socket !== null && server.tls?.httpsRedirect === true)
        for (const host of server.hosts) domainOf(socket, splitHost(host).dns).redirect ??= originAt(resource, path);
    }
  }
  for (const item of items) bindVirtualService(item, servers, report);
  return [...sockets.values()].map((socket) => listenerOf(socket, table, report));
}

/** HTTP and its versions share a port, anything else does not. */
function checkProtocol(
  resource: Resource,
  server: Server,
  path: Path,
  protocols: Map<string, { readonly protocol: string; readonly gateway: string }>,
  report: Reporter,
): void {
  const { number, protocol } = server.port;
  const key = `${server.bind ?? ''} ${number}`;
  const known = protocols.get(key);
  if (known === undefined) protocols.set(key, { protocol, gateway: `${resource.namespace}/${resource.name}` });
  else if (known.protocol !== protocol && plainProtocols.has(known.protocol) !== plainProtocols.has(protocol))
    report.add(
      'WR0212',
      resource,
      [...path, 'port'],
      `port ${number} is ${known.protocol} for Gateway '${known.gateway}' and ${protocol} here`,
      {
        hint: 'give one of the two another port',
        key: true,
      },
    );
}

function openSocket(
  resource: Resource,
  server: Server,
  path: Path,
  defaultBind: string,
  sockets: Map<string, Socket>,
  report: Reporter,
): Socket | null {
  const { protocol, number } = server.port;
  const { httpsRedirect: _redirect, ...tls } = server.tls ?? {};
  if (server.port.targetPort !== undefined) report.pending(resource, [...path, 'port', 'targetPort'], 'the server listens on port.number');
  if (server.defaultEndpoint !== undefined) report.pending(resource, [...path, 'defaultEndpoint']);
  if (!plainProtocols.has(protocol)) {
    report.pending(resource, [...path, 'port', 'protocol'], `${protocol} listens in a later version, port ${number} stays closed`);
    return null;
  }
  if (protocol !== 'HTTP')
    report.pending(resource, [...path, 'port', 'protocol'], `port ${number} speaks HTTP/1.1, HTTP/2 without TLS comes in a later version`);
  for (const [field, value] of Object.entries(tls))
    if (value !== undefined) report.pending(resource, [...path, 'tls', field], `it has no meaning on ${protocol}`);
  const address = server.bind ?? defaultBind;
  if (isIP(address) === 0) {
    if (address.startsWith('unix://')) report.pending(resource, [...path, 'bind'], 'unix sockets listen in a later version');
    else
      report.add('WR0105', resource, [...path, 'bind'], `bind '${address}' is not an IP address`, {
        hint: 'write an IP address, 0.0.0.0 for all',
      });
    return null;
  }
  const name = `${isIP(address) === 6 ? `[${address}]` : address}:${number}`;
  const known =
    sockets.get(name) ?? (isAny(address) ? [...sockets.values()].find((one) => one.port === number && isAny(one.address)) : undefined);
  if (known !== undefined) return known;
  const socket: Socket = { name, address, port: number, origin: originAt(resource, path), domains: new Map() };
  sockets.set(name, socket);
  return socket;
}

function isAny(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** `namespace/dns` of a server host; without a namespace every one. */
function splitHost(host: string): { readonly namespace: string; readonly dns: string } {
  const slash = host.indexOf('/');
  return slash < 0
    ? { namespace: '*', dns: host.toLowerCase() }
    : { namespace: host.slice(0, slash), dns: host.slice(slash + 1).toLowerCase() };
}

function domainOf(socket: Socket, pattern: string): Domain {
  let domain = socket.domains.get(pattern);
  if (domain === undefined) {
    domain = { bindings: new Map(), redirect: null };
    socket.domains.set(pattern, domain);
  }
  return domain;
}

function bindVirtualService(item: VirtualServiceItem, servers: ReadonlyMap<string, readonly BoundServer[]>, report: Reporter): void {
  const { resource, service } = item;
  const hosts = service.spec.hosts ?? [];
  const reached = new Set<string>();
  let compared = false;
  for (const [index, written] of (service.spec.gateways ?? []).entries()) {
    if (written === 'mesh') continue;
    const name = resolveGateway(written, resource.namespace, servers);
    const bound = servers.get(name);
    if (bound === undefined) {
      report.add('WR0204', resource, ['spec', 'gateways', index], `there is no Gateway '${name}'`, { hint: gatewayHint(name, servers) });
      continue;
    }
    for (const one of bound) {
      compared = true;
      if (!isVisible(service.spec.exportTo, resource.namespace, one.gateway.namespace)) {
        report.add(
          'WR0214',
          resource,
          ['spec', 'exportTo'],
          `the VirtualService is not exported to namespace '${one.gateway.namespace ?? ''}' of Gateway '${name}'`,
          { key: true },
        );
        for (const host of hosts) reached.add(host);
        continue;
      }
      bindServer(item, name, one, hosts, reached);
    }
  }
  if (!compared) return;
  for (const [index, host] of hosts.entries()) {
    if (reached.has(host)) continue;
    const full = qualify(host, resource.namespace);
    if (isShort(host.toLowerCase()))
      report.add('WR0213', resource, ['spec', 'hosts', index], `'${host}' stands for '${full}'`, {
        hint: `a request for '${host}' itself is not matched; write a name with a dot or *`,
      });
    report.add('WR0205', resource, ['spec', 'hosts', index], `no server of the named gateways has a host for '${host}'`, {
      hint: `add '${full}' to hosts of a server, or name another gateway`,
    });
  }
}

function bindServer(
  item: VirtualServiceItem,
  name: string,
  { gateway, server, selector, socket }: BoundServer,
  hosts: readonly string[],
  reached: Set<string>,
): void {
  for (const serverHost of server.hosts) {
    const { namespace, dns } = splitHost(serverHost);
    if (namespace !== '*' && (namespace === '.' ? gateway.namespace : namespace) !== item.resource.namespace) continue;
    for (const host of hosts) {
      const pattern = intersection(dns, qualify(host, item.resource.namespace));
      if (pattern === null) continue;
      reached.add(host);
      if (socket === null || !item.service.spec.http?.length) continue;
      const { bindings } = domainOf(socket, pattern);
      const known = bindings.get(item);
      if (known === undefined) bindings.set(item, { item, gateways: new Set([name]), labels: selector, namespace: gateway.namespace });
      else known.gateways.add(name);
    }
  }
}

/** An old form gives the namespace after a dot; a Gateway whose own name has dots comes first. */
function resolveGateway(written: string, namespace: string | null, servers: ReadonlyMap<string, unknown>): string {
  const name = gatewayName(written, namespace);
  if (servers.has(name) || written.includes('/')) return name;
  const [first, second] = written.split('.');
  const old = `${second ?? ''}/${first}`;
  return servers.has(old) ? old : name;
}

function gatewayHint(name: string, servers: ReadonlyMap<string, unknown>): string {
  const short = name.slice(name.indexOf('/') + 1);
  const elsewhere = [...servers.keys()].find((other) => other.endsWith(`/${short}`));
  if (elsewhere !== undefined) return `did you mean '${elsewhere}'?`;
  return servers.size === 0
    ? 'add a Gateway (networking.istio.io) of that name'
    : `there are: ${[...servers.keys()].slice(0, 5).join(', ')}`;
}

function listenerOf(socket: Socket, table: RouteTable, report: Reporter): Listener {
  return {
    name: socket.name,
    kind: 'gateway',
    address: socket.address,
    port: socket.port,
    protocol: 'http',
    dialect: 'istio',
    origin: socket.origin,
    canonicalisation: edgeCanonicalisation,
    limits: defaultLimits,
    trustedHops: 0,
    trustedCidrs: [],
    replyStyle: 'envoy',
    kongHeaders: false,
    virtualHosts: virtualHosts(socket, table, report),
    filters: [],
    pending: [],
  };
}

/** Domains with the same VirtualServices share a virtual host. */
function virtualHosts(socket: Socket, table: RouteTable, report: Reporter): VirtualHost[] {
  const groups = new Map<string, { readonly domains: string[]; readonly domain: Domain }>();
  for (const [pattern, domain] of socket.domains) {
    const key =
      domain.redirect === null
        ? [...domain.bindings.values()].map(({ item, gateways }) => `${item.resource.key}=${[...gateways].toSorted().join(',')}`).join(';')
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
    const lists = bindings.map(({ item, gateways, labels, namespace }) =>
      table.entries(item, { kind: 'gateway', gateways, port: socket.port, labels, namespace }),
    );
    const matches = lists.length === 1 ? lists[0] : merged(bindings, lists, table, report);
    // As in Istio, hosts without a rule that can hold here are left to wider ones.
    if (matches.length > 0) hosts.push({ name: domains[0], domains, origin: bindings[0].item.resource.origin, matches, filters: [] });
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
