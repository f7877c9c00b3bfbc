import { joinAddress } from '../../base/ip.ts';
import type { Endpoint } from '../../model/cluster.ts';
import type { UpstreamConnection } from './connection.ts';
import type { SessionPool } from './http2/pool.ts';
import { TlsSessions } from './tls/sessions.ts';
import { plaintext, type Transport } from './transport.ts';

/** Idle connections kept per endpoint and worker. */
const maxIdle = 256;
/** How long an idle connection is kept unless the server taught us less, ms (nginx closes after 75 s by default). */
const defaultIdleMs = 60_000;
/** Back-off after a failed connect: doubles from here, ms. */
const firstBackOffMs = 500;
const maxBackOffMs = 10_000;

/** Live state of one address: pool, counts, failures. Its identity is `address:port` (a Unix socket's: its path); it outlives revisions. */
export class EndpointState {
  readonly key: string;
  readonly clusterName: string;
  readonly address: string;
  readonly port: number;
  /** The address is a path: `/…`, or `@…` for an abstract one. */
  readonly isUnix: boolean;
  /** Name that the address was found under. */
  readonly hostname: string | undefined;
  /** How its sockets are made now. */
  transport: Transport = plaintext;
  /** TLS sessions of `transport`. */
  readonly sessions = new TlsSessions();
  /** What a request for this endpoint names as its host, when the route asks for the endpoint's. */
  authority: string;
  weight: number;
  locality: string;
  /** Its HTTP/2 connections; null until one was wanted. */
  http2: SessionPool | null = null;
  /** Exchanges under way. Least request reads it. */
  active = 0;
  /** Smooth weighted round robin's running value. */
  current = 0;
  requests = 0;
  connectFailures = 0;
  /** False once the configuration names it no more: its connections close when they fall idle. */
  listed = true;
  private failuresInARow = 0;
  /** Monotonic ms until which others are preferred, after a failed connect. */
  private avoidUntil = 0;
  private idleMs = defaultIdleMs;
  /** Most recently used last: the warmest is taken first. */
  private readonly idle: UpstreamConnection[] = [];

  constructor(endpoint: Endpoint, clusterName: string) {
    this.clusterName = clusterName;
    this.key = endpointKey(endpoint.address, endpoint.port);
    this.address = endpoint.address;
    this.port = endpoint.port;
    this.isUnix = isUnixAddress(endpoint.address);
    this.hostname = endpoint.hostname;
    this.authority = endpointAuthority(endpoint);
    this.weight = endpoint.weight;
    this.locality = endpoint.locality;
  }

  get idleCount(): number {
    return this.idle.length;
  }

  isAvoided(now: number): boolean {
    return this.avoidUntil > now;
  }

  onConnectFailure(now: number): void {
    this.connectFailures++;
    this.avoidUntil = now + Math.min(maxBackOffMs, firstBackOffMs * 2 ** Math.min(this.failuresInARow, 10));
    this.failuresInARow++;
  }

  onConnectSuccess(): void {
    this.failuresInARow = 0;
    this.avoidUntil = 0;
  }

  /** From now on sockets are made so; connections made otherwise close when they fall idle. */
  setTransport(transport: Transport): void {
    if (transport === this.transport) return;
    this.transport = transport;
    this.authority = endpointAuthority(this, transport.defaultPort);
    this.sessions.clear();
    this.onConnectSuccess();
    this.closeIdle();
  }

  /** An idle connection ready whose `Purpose.key` is this one, or null. */
  take(key = ''): UpstreamConnection | null {
    const { idle } = this;
    for (let i = idle.length - 1; i >= 0; i--) {
      const connection = idle[i];
      if (connection.key !== key) continue;
      if (i === idle.length - 1) idle.pop();
      else idle.splice(i, 1);
      if (connection.spent || connection.closed) continue;
      connection.unpark();
      return connection;
    }
    return null;
  }

  /** Puts a connection back, unless it has ended, is of an earlier transport or the endpoint is gone. The one that waited longest makes room. */
  give(connection: UpstreamConnection, now: number): void {
    connection.user = null;
    if (!this.listed || connection.spent || connection.transport !== this.transport) {
      connection.destroy();
      return;
    }
    if (this.idle.length >= maxIdle) this.idle.shift()?.destroy();
    connection.park(now, this.idleMs);
    this.idle.push(connection);
  }

  forget(connection: UpstreamConnection): void {
    const at = this.idle.lastIndexOf(connection);
    if (at >= 0) this.idle.splice(at, 1);
  }

  /** The server closed an idle connection after this long: close ours earlier from now on. */
  learnIdle(afterMs: number): void {
    if (afterMs >= 1000) this.idleMs = Math.max(500, Math.min(this.idleMs, afterMs * 0.8));
  }

  /** `Keep-Alive: timeout=N` of a response. */
  announceIdle(seconds: number): void {
    this.idleMs = Math.max(500, Math.min(this.idleMs, seconds * 1000 - 1000));
  }

  closeIdle(): void {
    for (const connection of this.idle.splice(0)) connection.destroy();
    this.http2?.retire();
  }

  retire(): void {
    this.listed = false;
    this.closeIdle();
  }
}

function isUnixAddress(address: string): boolean {
  return address.startsWith('/') || address.startsWith('@');
}

export function endpointKey(address: string, port: number): string {
  return isUnixAddress(address) ? address : joinAddress(address, port);
}

/** What is read of an endpoint for its authority. */
interface Named {
  readonly address: string;
  readonly port: number;
  readonly hostname?: string | undefined;
}

/** Authority of an endpoint as Kong sends it: the name it was found under, with a port that is not the scheme's own (80, with TLS 443). */
export function endpointAuthority(endpoint: Named, defaultPort = 80): string {
  const { address, port, hostname } = endpoint;
  if (isUnixAddress(address)) return hostname ?? 'localhost';
  const key = joinAddress(hostname ?? address, port);
  return port === defaultPort ? key.slice(0, key.lastIndexOf(':')) : key;
}
