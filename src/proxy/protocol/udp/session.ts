import { createSocket, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { Deadline } from '../../../base/wheel.ts';
import { joinAddress } from '../../../base/ip.ts';
import type { L4Forward } from '../../../model/chain.ts';
import type { UdpClusterMetrics, UdpRouteMetrics } from '../../../telemetry/layer4-metrics.ts';
import type { LiveConnection } from '../../listen/client.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import type { WorkerRuntime } from '../../runtime.ts';
import type { ClusterState } from '../../upstream/cluster-state.ts';
import type { EndpointState } from '../../upstream/endpoint.ts';
import { layer4Failures } from '../layer4-failures.ts';
import { Layer4Record, type Layer4Ends } from '../layer4-record.ts';

/** Datagrams that wait for the socket to be ready. */
const maxHeld = 64;
/** Bytes that a socket may have queued; beyond it datagrams are dropped, as a router on the way would. */
export const maxQueuedBytes = 1024 * 1024;
/** A session that was silent this long does not hold up a drain, ms. */
const quietMs = 1000;

/** Addresses are literals: no look-up, and no turn of the loop for it. */
export function literalLookup(
  host: string,
  _family: unknown,
  callback: (error: Error | null, address: string, family: number) => void,
): void {
  callback(null, host, isIPv6(host) ? 6 : 4);
}

/** Whoever has the socket that the client sent to. */
export interface SessionOwner {
  /** False: dropped, too much waits already. */
  reply(datagram: Buffer, port: number, address: string, onError: (error: Error | null) => void): boolean;
  onSessionEnd(session: UdpSession): void;
}

/** What a session is made of. */
export interface SessionPlan {
  readonly key: string;
  readonly forward: L4Forward;
  readonly cluster: ClusterState;
  readonly endpoint: EndpointState;
  /** As the socket gave it, for replies. */
  readonly clientAddress: string;
  readonly clientPort: number;
  readonly ends: Layer4Ends;
}

/** All datagrams between one address and port of a client and one endpoint, over a socket of its own. */
export class UdpSession implements LiveConnection {
  readonly key: string;
  readonly cluster: ClusterState;
  readonly endpoint: EndpointState;
  forward: L4Forward;
  private readonly worker: WorkerRuntime;
  private readonly at: ListenerRuntime;
  private readonly owner: SessionOwner;
  readonly clientAddress: string;
  readonly clientPort: number;
  private readonly socket: Socket;
  private readonly record: Layer4Record;
  private readonly route: UdpRouteMetrics;
  private readonly upstream: UdpClusterMetrics;
  private readonly deadline = new Deadline(() => this.onIdle());
  private held: Buffer[] | null = [];
  private lastAt = 0;
  over = false;

  constructor(worker: WorkerRuntime, at: ListenerRuntime, owner: SessionOwner, plan: SessionPlan) {
    const { forward, cluster, endpoint } = plan;
    this.worker = worker;
    this.at = at;
    this.owner = owner;
    this.key = plan.key;
    this.forward = forward;
    this.cluster = cluster;
    this.endpoint = endpoint;
    this.clientAddress = plan.clientAddress;
    this.clientPort = plan.clientPort;
    // Before anything is counted: it may throw.
    this.socket = createSocket({ type: isIPv6(endpoint.address) ? 'udp6' : 'udp4', lookup: literalLookup });
    this.record = new Layer4Record('UDP', worker.revision, at.name, forward, plan.ends);
    this.record.to(cluster);
    this.record.at(endpoint);
    this.route = worker.telemetry.layer4.udpRoute(forward.route);
    this.upstream = worker.telemetry.layer4.udpCluster(cluster.name);
    this.route.total.add(1);
    this.route.active.add(1);
    at.connections.add(this);
    endpoint.active++;
    endpoint.requests++;
    cluster.activeTotal++;
    this.socket.on('error', (error) => this.guard(() => this.onError(error)));
    this.socket.on('message', (datagram) => this.guard(() => this.fromUpstream(datagram)));
    this.socket.on('connect', () => this.guard(() => this.onReady()));
    this.touch();
    this.guard(() => this.socket.connect(endpoint.port, endpoint.address));
  }

  get isIdle(): boolean {
    return performance.now() - this.lastAt > quietMs;
  }

  fromClient(datagram: Buffer): void {
    const { route, record } = this;
    route.rxDatagrams.add(1);
    route.rxBytes.add(datagram.length);
    record.bytesReceived += datagram.length;
    this.touch();
    if (this.held === null) this.send(datagram);
    else if (this.held.length < maxHeld) this.held.push(datagram);
    else route.dropped('queue').add(1);
  }

  private onReady(): void {
    const { held } = this;
    if (held === null || this.over) return;
    const { address, port } = this.socket.address();
    this.record.upstreamLocalAddress = joinAddress(address, port);
    this.held = null;
    for (const datagram of held) this.send(datagram);
  }

  private send(datagram: Buffer): void {
    if (this.over) return;
    if (this.socket.getSendQueueSize() > maxQueuedBytes) return this.route.dropped('queue').add(1);
    this.upstream.txDatagrams.add(1);
    this.upstream.txBytes.add(datagram.length);
    this.socket.send(datagram, this.onSent);
  }

  private readonly onSent = (error: Error | null): void => {
    if (error === null || this.over) return;
    this.upstream.txErrors.add(1);
    this.guard(() => this.onRefused(error));
  };

  private fromUpstream(datagram: Buffer): void {
    if (this.over) return;
    const { route, upstream, record } = this;
    upstream.rxDatagrams.add(1);
    upstream.rxBytes.add(datagram.length);
    this.touch();
    if (!this.owner.reply(datagram, this.clientPort, this.clientAddress, this.onReplied)) return route.dropped('queue').add(1);
    route.txDatagrams.add(1);
    route.txBytes.add(datagram.length);
    record.bytesSent += datagram.length;
  }

  private readonly onReplied = (error: Error | null): void => {
    if (error !== null) this.route.txErrors.add(1);
  };

  private onError(error: Error): void {
    if (this.over) return;
    this.upstream.rxErrors.add(1);
    this.onRefused(error);
  }

  /** Nobody listens there (ICMP): the client's next datagram goes to another endpoint, where there is one. */
  private onRefused(error: Error): void {
    const { endpoint, cluster, record } = this;
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'ERROR';
    record.upstreamTransportFailureReason = code;
    record.fail(layer4Failures.connectFailure);
    endpoint.onConnectFailure(performance.now());
    // Where it is the only one the session stays: a server that starts again is found by the next datagram.
    if (cluster.endpoints.length > 1 || this.held !== null) this.close();
  }

  private touch(): void {
    const { idleTimeoutMs } = this.forward;
    this.lastAt = performance.now();
    this.worker.wheel.arm(this.deadline, idleTimeoutMs > 0 ? this.lastAt + idleTimeoutMs : Infinity);
  }

  private onIdle(): void {
    this.route.idle.add(1);
    this.end(layer4Failures.idle.details);
  }

  /** Why, where nothing failed. */
  end(details: string): void {
    this.record.fail({ flag: '', details });
    this.close();
  }

  /** At once. */
  close(): void {
    if (this.over) return;
    this.over = true;
    const { worker, at, cluster, endpoint, record } = this;
    if (worker.draining) record.fail(layer4Failures.drained);
    worker.wheel.remove(this.deadline);
    this.held = null;
    this.socket.close();
    endpoint.active--;
    cluster.activeTotal--;
    at.connections.delete(this);
    this.route.active.add(-1);
    this.owner.onSessionEnd(this);
    record.end();
    worker.telemetry.log4(record);
  }

  /** A bug ends one session, not the worker. */
  private guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.worker.onFault(error);
      this.close();
    }
  }
}
