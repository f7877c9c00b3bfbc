/** Gateway servers → sockets, and which VirtualServices answer for which hosts on them. */
import type { L4Forward } from '../../model/chain.ts';
import type { Listener } from '../../model/listener.ts';
import type { Path, Resource, TranslateOptions } from '../dialect.ts';
import { chainsOf, narrowest } from './chains.ts';
import type { Credentials } from './credentials.ts';
import type { VirtualServiceItem } from './delegates.ts';
import type { DestinationBuilder } from './destinations.ts';
import { gatewayName, type RouteTable } from './entries.ts';
import { covers, intersection, isShort, isVisible, qualify } from './hosts.ts';
import { closedForward, tcpChains, tlsChains, type L4Server, type L4Tools } from './l4-routes.ts';
import { originAt, type Reporter } from './report.ts';
import { gatewayKind, parseEndpoint, type Server } from './schema/gateway.ts';
import { openServer, serverKey, serverLabel, splitHost, type OpenServer, type Role } from './servers.ts';
import { hasLabels } from './services.ts';
import { listenerOf, type Domain, type Socket } from './virtual-hosts.ts';

/** A Gateway that a VirtualService names. */
export interface Parent {
  /** `namespace/name`. */
  readonly gateway: string;
  readonly known: boolean;
  /** One of its servers has a host of the VirtualService. */
  readonly attached: boolean;
}

/** A server as `status` tells of it. */
export interface ServerStatus {
  readonly gateway: Resource;
  readonly name: string;
  /** Name of the model listener; null when the server does not listen. */
  readonly listener: string | null;
  readonly attached: ReadonlySet<VirtualServiceItem>;
}

export interface GatewayTranslation {
  readonly listeners: readonly Listener[];
  readonly servers: readonly ServerStatus[];
  /** For each VirtualService the Gateways it names, and whether one of their servers took a host of it. */
  readonly parents: ReadonlyMap<VirtualServiceItem, readonly Parent[]>;
}

interface BoundServer {
  readonly attached: Set<VirtualServiceItem>;
  readonly gateway: Resource;
  readonly server: Server;
  readonly path: Path;
  readonly selector: Readonly<Record<string, string>>;
  /** Null: another process serves it, or it cannot be served. */
  readonly open: OpenServer | null;
}

export interface GatewayTools extends L4Tools {
  readonly table: RouteTable;
  readonly credentials: Credentials;
  readonly options: TranslateOptions;
}

export function gatewayListeners(
  resources: readonly Resource[],
  items: readonly VirtualServiceItem[],
  tools: GatewayTools,
): GatewayTranslation {
  const { table, options, report, build } = tools;
  const sockets = new Map<string, Socket>();
  const servers = new Map<string, BoundServer[]>();
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
      const open = served ? openServer(resource, server, path, { ...tools, bind: options.bind, sockets }) : null;
      bound.push({ attached: new Set(), gateway: resource, server, path, selector: options.labels ?? selector, open });
      if (open?.role === 'http' && server.tls?.httpsRedirect === true)
        for (const host of open.hosts) domainOf(open.socket, host).redirect ??= originAt(resource, path);
    }
  }
  const parents = new Map(items.map((item) => [item, bindVirtualService(item, servers, tools)]));
  const bound = [...servers.values()].flat();
  for (const one of bound) if (one.open !== null) addDefaults(one, one.open, build);
  return {
    listeners: [...sockets.values()].map((socket) => listenerOf(socket, table, report)),
    servers: bound.map(({ gateway, server, open, attached }) => ({
      gateway,
      name: server.name ?? server.port.name,
      listener: open?.socket.name ?? null,
      attached,
    })),
    parents,
  };
}

function domainOf(socket: Socket, pattern: string): Domain {
  let domain = socket.domains.get(pattern);
  if (domain === undefined) {
    domain = { bindings: new Map(), redirect: null, fallback: null };
    socket.domains.set(pattern, domain);
  }
  return domain;
}

function bindVirtualService(item: VirtualServiceItem, servers: ReadonlyMap<string, readonly BoundServer[]>, tools: GatewayTools): Parent[] {
  const { report } = tools;
  const { resource, service } = item;
  const parents: Parent[] = [];
  const hosts = service.spec.hosts ?? [];
  const reached = new Set<string>();
  let compared = false;
  for (const [index, written] of (service.spec.gateways ?? []).entries()) {
    if (written === 'mesh') continue;
    const name = resolveGateway(written, resource.namespace, servers);
    const bound = servers.get(name);
    if (bound === undefined) {
      report.add('WR0204', resource, ['spec', 'gateways', index], `there is no Gateway '${name}'`, { hint: gatewayHint(name, servers) });
      parents.push({ gateway: name, known: false, attached: false });
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
      bindServer(item, name, one, hosts, reached, { ...tools, named: (gateway) => resolveGateway(gateway, resource.namespace, servers) });
    }
    parents.push({ gateway: name, known: true, attached: bound.some(({ attached }) => attached.has(item)) });
  }
  if (!compared) return parents;
  noticeUnusedRoutes(item, servers, report);
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
  return parents;
}

const listOf = { http: 'http', https: 'http', tcp: 'tcp', tls: 'tcp', passthrough: 'tls' } as const satisfies Record<Role, string>;

/** Lists of routes that no server takes. Whatever the mesh does with them is another matter. */
function noticeUnusedRoutes(item: VirtualServiceItem, servers: ReadonlyMap<string, readonly BoundServer[]>, report: Reporter): void {
  const { spec } = item.service;
  const attached = [...servers.values()].flat().filter((one) => one.open !== null && one.attached.has(item));
  if (attached.length === 0 || spec.gateways?.includes('mesh')) return;
  const used = new Set(attached.flatMap(({ open }) => (open === null ? [] : [listOf[open.role]])));
  for (const list of ['http', 'tls', 'tcp'] as const) {
    if (!spec[list]?.length || used.has(list)) continue;
    const protocols = [...new Set(attached.map(({ server }) => server.port.protocol))].join(', ');
    report.add('WR0217', item.resource, ['spec', list], `no server takes ${list} routes: they speak ${protocols}`, {
      key: true,
      hint: hintFor[list],
    });
  }
}

const hintFor = {
  http: 'http routes run on HTTP servers, and on HTTPS ones that end TLS',
  tls: 'tls routes run where TLS is passed through: protocol: TLS and mode: PASSTHROUGH',
  tcp: 'tcp routes run on TCP servers, and on TLS ones that end TLS',
} as const;

interface BindTools extends L4Tools {
  readonly named: (written: string) => string;
}

function bindServer(
  item: VirtualServiceItem,
  name: string,
  bound: BoundServer,
  hosts: readonly string[],
  reached: Set<string>,
  tools: BindTools,
): void {
  const { gateway, server, selector, open, attached } = bound;
  for (const serverHost of server.hosts) {
    const { namespace, dns } = splitHost(serverHost);
    if (namespace !== '*' && (namespace === '.' ? gateway.namespace : namespace) !== item.resource.namespace) continue;
    for (const host of hosts) {
      const pattern = intersection(dns, qualify(host, item.resource.namespace));
      if (pattern === null) continue;
      reached.add(host);
      attached.add(item);
      if (open === null || (open.role !== 'http' && open.role !== 'https') || !item.service.spec.http?.length) continue;
      if (open.role === 'https' && isAnothers(pattern, open, bound, tools.report)) continue;
      const domain = domainOf(open.socket, pattern);
      // A narrower host of the VirtualService is as much the server's as the one that it names.
      if (open.role === 'http' && server.tls?.httpsRedirect === true) domain.redirect ??= originAt(gateway, bound.path);
      const { bindings } = domain;
      const known = bindings.get(item);
      if (known === undefined) bindings.set(item, { item, gateways: new Set([name]), labels: selector, namespace: gateway.namespace });
      else known.gateways.add(name);
    }
  }
  if (open === null || !attached.has(item)) return;
  const at: L4Server = {
    gateway: name,
    namespace: gateway.namespace,
    labels: selector,
    port: server.port.number,
    hosts: open.hosts,
    tls: open.tls,
    named: tools.named,
  };
  if (open.role === 'passthrough') open.socket.chains.push(...tlsChains(item, at, tools));
  else if (open.role === 'tcp' || open.role === 'tls') open.socket.chains.push(...tcpChains(item, at, tools));
}

/** Connections for the host end at a server with a narrower name: its rules hold for them, and its routes. */
function isAnothers(pattern: string, { socket, hosts }: OpenServer, { gateway, path }: BoundServer, report: Reporter): boolean {
  const holder = narrowest(socket.names, pattern);
  if (holder === null || holder.key === serverKey(gateway, path)) return false;
  // A host that the server lost as a whole has been told.
  if (!hosts.some((host) => covers(host, pattern))) return true;
  report.add('WR0215', gateway, [...path, 'hosts'], `'${pattern}' on ${socket.name} is served by ${holder.label}`, {
    key: true,
    hint: 'bind the VirtualService to the Gateway of that server',
  });
  return true;
}

/** What a server does with connections and requests that no VirtualService takes. */
function addDefaults({ gateway, server, path }: BoundServer, { role, socket, hosts, tls }: OpenServer, build: DestinationBuilder): void {
  const origin = originAt(gateway, [...path, ...(server.defaultEndpoint === undefined ? [] : ['defaultEndpoint'])]);
  const endpoint = server.defaultEndpoint === undefined ? null : parseEndpoint(server.defaultEndpoint);
  const label = serverLabel(gateway, server);
  const cluster = endpoint === null ? null : build.address(`${label}/default`, endpoint, origin);
  if (role === 'http' || role === 'https') {
    for (const host of hosts) {
      const domain = role === 'https' || cluster !== null ? domainOf(socket, host) : null;
      // Wider names belong to other servers: their routes are not this one's.
      if (domain !== null && cluster !== null) domain.fallback ??= { cluster, endpoint: server.defaultEndpoint ?? '', origin };
    }
    return;
  }
  const names = role === 'tcp' ? ['*'] : hosts;
  if (names.length === 0) return;
  const forward: L4Forward = closedForward(label, 'no route of a VirtualService takes the connection', origin);
  const { blocked: _blocked, ...open } = forward;
  socket.chains.push(
    ...chainsOf(label, names, {
      ...(role === 'passthrough' ? { isTls: true } : {}),
      sources: [],
      destinations: [],
      tls,
      forward:
        cluster === null || endpoint === null
          ? forward
          : { ...open, destinations: [{ cluster, weight: 100, host: endpoint.address, port: endpoint.port, subset: null }] },
      origin,
    }),
  );
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
