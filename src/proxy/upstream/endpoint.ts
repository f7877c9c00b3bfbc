import { joinAddress } from '../../base/ip.ts';
import type { Endpoint } from '../../model/cluster.ts';
import type { UpstreamConnection } from './connection.ts';

/** Idle connections kept per endpoint and worker. */
const maxIdle = 256;
/** How long an idle connection is kept unless the server taught us less, ms (nginx closes after 75 s by default). */
const defaultIdleMs = 60_000;
/** Back-off after a failed connect: doubles from here, ms. */
const firstBackOffMs = 500;
const maxBackOffMs = 10_000;

/** Live state of one address: pool, counts, failures. Its identity is `address:port`; it outlives revisions. */
export class EndpointState {
  readonly key: string;
  readonly clusterName: string;
  readonly address: string;
  readonly port: number;
  /** What a request for this endpoint names as its host, when the route asks for the endpoint's. */
  readonly authority: string;
  weight: number;
  locality: string;
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

  /** An idle connection ready for a request, or null. */
  take(): UpstreamConnection | null {
    for (;;) {
      const connection = this.idle.pop();
      if (connection === undefined) return null;
      if (connection.closed || connection.socket.destroyed || connection.socket.readableEnded) continue;
      connection.unpark();
      return connection;
    }
  }

  /** Puts a connection back, unless the pool is full or the endpoint is gone. */
  give(connection: UpstreamConnection, now: number): void {
    connection.user = null;
    if (!this.listed || this.idle.length >= maxIdle) {
      connection.destroy();
      return;
    }
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
  }

  retire(): void {
    this.listed = false;
    this.closeIdle();
  }
}

export function endpointKey(address: string, port: number): string {
  return joinAddress(address, port);
}

/** Authority of an endpoint as Kong sends it: the name it was found under, with a port that is not http's own. */
export function endpointAuthority(endpoint: Pick<Endpoint, 'address' | 'port' | 'hostname'>): string {
  const key = endpointKey(endpoint.hostname ?? endpoint.address, endpoint.port);
  return endpoint.port === 80 ? key.slice(0, -3) : key;
}
