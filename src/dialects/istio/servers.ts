/** A server of a Gateway → its socket, and what becomes of connections there. */
import { isIP } from 'node:net';
import type { ServerTls } from '../../model/tls.ts';
import { fieldName } from '../check.ts';
import type { Path, Resource } from '../dialect.ts';
import { chainsOf } from './chains.ts';
import type { Credentials } from './credentials.ts';
import { originAt, type Reporter } from './report.ts';
import { unixPath, type Server } from './schema/gateway.ts';
import { endTls, noticeUnused } from './server-tls.ts';
import type { Socket } from './virtual-hosts.ts';

/**
 * `http`: plain. `https`: TLS ends, then HTTP. `tcp`: plain bytes. `tls`: TLS ends, then bytes. `passthrough`: TLS goes on
 * as it is, by its server name.
 */
export type Role = 'http' | 'https' | 'tcp' | 'tls' | 'passthrough';

export interface OpenServer {
  readonly role: Role;
  readonly socket: Socket;
  /** Host patterns without namespaces that no server before it has on the socket. */
  readonly hosts: readonly string[];
  /** Null where no TLS ends. */
  readonly tls: ServerTls | null;
}

export interface ServerTools {
  readonly bind: string;
  readonly sockets: Map<string, Socket>;
  readonly credentials: Credentials;
  readonly report: Reporter;
}

const plainProtocols: ReadonlySet<string> = new Set(['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB']);

/** Null after a diagnostic: the server is not served. */
export function openServer(resource: Resource, server: Server, path: Path, tools: ServerTools): OpenServer | null {
  const { report } = tools;
  if (server.port.targetPort !== undefined) report.pending(resource, [...path, 'port', 'targetPort'], 'the server listens on port.number');
  const role = roleOf(resource, server, path, report);
  if (role === null) return null;
  const socket = socketOf(resource, server, path, role, tools);
  if (socket === null) return null;
  const names = server.hosts.map((host) => splitHost(host).dns);
  if (role === 'http' || role === 'tcp') return { role, socket, hosts: names, tls: null };
  const hosts = claim(resource, server, path, socket, names, report);
  const at = { resource, path: [...path, 'tls'], report };
  if (server.tls !== undefined) noticeUnused(server.tls, at);
  const tls =
    role === 'passthrough' || server.tls === undefined
      ? null
      : endTls(server.tls, role === 'https' ? ['h2', 'http/1.1'] : [], at, tools.credentials);
  if (role === 'https' && hosts.length > 0) {
    const label = serverLabel(resource, server);
    const chains = chainsOf(label, hosts, { sources: [], destinations: [], tls, forward: null, origin: originAt(resource, path) });
    for (const chain of chains) {
      socket.chains.push(chain);
      socket.https.set(chain, serverKey(resource, path));
    }
  }
  return { role, socket, hosts, tls };
}

/** `namespace/gateway/server`, for log and explain. */
export function serverLabel({ namespace, name }: Resource, server: Server): string {
  return `${namespace}/${name}/${server.name ?? server.port.name}`;
}

/** Of one server; names may be given twice. */
export function serverKey({ key }: Resource, path: Path): string {
  return `${key}/${path.join('/')}`;
}

function roleOf(resource: Resource, { port: { protocol, number }, tls }: Server, path: Path, report: Reporter): Role | null {
  const { httpsRedirect: _redirect, ...rest } = tls ?? {};
  if (plainProtocols.has(protocol)) {
    for (const [field, value] of Object.entries(rest))
      if (value !== undefined)
        report.add('WR0216', resource, [...path, 'tls', field], `tls.${field} has no effect on ${protocol}`, {
          key: true,
          hint: 'write protocol: HTTPS to serve TLS, or leave it out',
        });
    return 'http';
  }
  if (tls === undefined) {
    if (protocol === 'TCP' || protocol === 'MONGO') return 'tcp';
    report.add('WR0106', resource, path, `${fieldName([...path, 'tls'])} is required on ${protocol}; port ${number} stays closed`, {
      hint: 'write tls: {mode: SIMPLE, credentialName: …}, or mode: PASSTHROUGH',
    });
    return null;
  }
  const { mode = 'PASSTHROUGH' } = tls;
  if (mode === 'AUTO_PASSTHROUGH') {
    report.pending(resource, [...path, 'tls', 'mode'], `AUTO_PASSTHROUGH joins networks of a mesh, the server stays closed`);
    return null;
  }
  return mode === 'PASSTHROUGH' ? 'passthrough' : protocol === 'HTTPS' ? 'https' : 'tls';
}

/** HTTP and its versions share a socket, TLS of all kinds does, TCP does; anything else does not. */
function groupOf(role: Role): Socket['group'] {
  return role === 'http' || role === 'tcp' ? role : 'tls';
}

function socketOf(resource: Resource, server: Server, path: Path, role: Role, { bind, sockets, report }: ServerTools): Socket | null {
  const { number, protocol } = server.port;
  const written = server.bind ?? bind;
  const unix = unixPath(written);
  const address = unix ?? written;
  if (unix === null && isIP(address) === 0) {
    report.add('WR0105', resource, [...path, 'bind'], `bind '${address}' is not an IP address`, {
      hint: 'write an IP address, 0.0.0.0 for all, or unix:///path/to/socket',
    });
    return null;
  }
  const name = unix === null ? `${isIP(address) === 6 ? `[${address}]` : address}:${number}` : `unix:${unix}`;
  const known =
    sockets.get(name) ?? (isAny(address) ? [...sockets.values()].find((one) => one.port === number && isAny(one.address)) : undefined);
  if (known === undefined) {
    const owner = `${resource.namespace}/${resource.name}`;
    const socket: Socket = {
      name,
      address,
      port: unix === null ? number : 0,
      origin: originAt(resource, path),
      group: groupOf(role),
      first: { protocol, gateway: owner },
      domains: new Map(),
      chains: [],
      https: new Map(),
      names: new Map(),
    };
    sockets.set(name, socket);
    return socket;
  }
  if (known.group === groupOf(role)) return known;
  report.add(
    'WR0212',
    resource,
    [...path, 'port'],
    `port ${number} is ${known.first.protocol} for Gateway '${known.first.gateway}' and ${protocol} here; this server is not served`,
    { hint: 'give one of the two another port', key: true },
  );
  return null;
}

function isAny(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** Hosts that no TLS server before this one has on the socket. */
function claim(resource: Resource, server: Server, path: Path, socket: Socket, names: readonly string[], report: Reporter): string[] {
  const [key, label] = [serverKey(resource, path), serverLabel(resource, server)];
  return names.filter((name, index) => {
    const holder = socket.names.get(name);
    if (holder === undefined) {
      socket.names.set(name, { key, label });
      return true;
    }
    if (holder.key !== key)
      report.add('WR0215', resource, [...path, 'hosts', index], `'${name}' on ${socket.name} is served by ${holder.label}`, {
        hint: 'leave the host out of one of the two servers',
      });
    return false;
  });
}

/** `namespace/dns` of a server host; without a namespace every one. */
export function splitHost(host: string): { readonly namespace: string; readonly dns: string } {
  const slash = host.indexOf('/');
  return slash < 0
    ? { namespace: '*', dns: host.toLowerCase() }
    : { namespace: host.slice(0, slash), dns: host.slice(slash + 1).toLowerCase() };
}
