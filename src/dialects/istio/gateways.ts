/** Gateway servers → sockets, and which VirtualServices answer for which hosts on them. */
import { isIP } from 'node:net';
import type { Listener } from '../../model/listener.ts';
import type { Path, Resource, TranslateOptions } from '../dialect.ts';
import type { VirtualServiceItem } from './delegates.ts';
import { gatewayName, type RouteTable } from './entries.ts';
import { intersection, isShort, isVisible, qualify } from './hosts.ts';
import { originAt, type Reporter } from './report.ts';
import { gatewayKind, type Server } from './schema/gateway.ts';
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
  /** Null: the server speaks a protocol that does not run yet. */
  readonly socket: Socket | null;
}

const plainProtocols: ReadonlySet<string> = new Set(['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB']);

export function gatewayListeners(
  resources: readonly Resource[],
  items: readonly VirtualServiceItem[],
  table: RouteTable,
  options: TranslateOptions,
  report: Reporter,
): GatewayTranslation {
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
      bound.push({ attached: new Set(), gateway: resource, server, path, selector: options.labels ?? selector, socket });
      if (socket !== null && server.tls?.httpsRedirect === true)
        for (const host of server.hosts) domainOf(socket, splitHost(host).dns).redirect ??= originAt(resource, path);
    }
  }
  const parents = new Map(items.map((item) => [item, bindVirtualService(item, servers, report)]));
  const bound = [...servers.values()].flat();
  return {
    listeners: [...sockets.values()].map((socket) => listenerOf(socket, table, report)),
    servers: bound.map(({ gateway, server, socket, attached }) => ({
      gateway,
      name: server.name ?? server.port.name,
      listener: socket?.name ?? null,
      attached,
    })),
    parents,
  };
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

function bindVirtualService(item: VirtualServiceItem, servers: ReadonlyMap<string, readonly BoundServer[]>, report: Reporter): Parent[] {
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
      bindServer(item, name, one, hosts, reached);
    }
    parents.push({ gateway: name, known: true, attached: bound.some(({ attached }) => attached.has(item)) });
  }
  if (!compared) return parents;
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

function bindServer(
  item: VirtualServiceItem,
  name: string,
  { gateway, server, selector, socket, attached }: BoundServer,
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
      attached.add(item);
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
