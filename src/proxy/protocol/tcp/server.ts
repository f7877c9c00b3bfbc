/** TCP as bytes: weighted destination, endpoint, one more try where the connect failed, then two pipes. */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { Deadline } from '../../../base/wheel.ts';
import { joinAddress } from '../../../base/ip.ts';
import { pickDestination } from '../../../decide/balance.ts';
import type { L4Forward } from '../../../model/chain.ts';
import type { TcpMetrics, TcpRouteMetrics } from '../../../telemetry/layer4-metrics.ts';
import type { Failure } from '../../failure.ts';
import { readInto } from '../../listen/accepted.ts';
import type { ClientConnection, LiveConnection } from '../../listen/client.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import type { WorkerRuntime } from '../../runtime.ts';
import type { ClusterState } from '../../upstream/cluster-state.ts';
import { openSocket, readyEvent } from '../../upstream/connect.ts';
import { factsOf } from '../../upstream/tls/facts.ts';
import { socketFailure, type TlsFailureKind } from '../../upstream/tls/failure.ts';
import type { EndpointState } from '../../upstream/endpoint.ts';
import { Wire } from '../../upstream/wire.ts';
import { layer4Failures } from '../layer4-failures.ts';
import { Layer4Record } from '../layer4-record.ts';
import { resetSocket } from '../reset-socket.ts';
import { Pipe, type PipeOwner } from './pipe.ts';

/** The first connect and one more, to another endpoint. */
const maxAttempts = 2;

type Reason = Pick<Failure, 'flag' | 'details'>;

/** Serves a connection that is not HTTP. It belongs to nobody else from now on. */
export function serveTcp(worker: WorkerRuntime, at: ListenerRuntime, client: ClientConnection, forward: L4Forward): void {
  new TcpConnection(worker, at, client, forward).begin();
}

class TcpConnection implements LiveConnection, PipeOwner {
  /** Bytes on their way are nobody's to lose. */
  readonly isIdle = false;
  private readonly worker: WorkerRuntime;
  private readonly at: ListenerRuntime;
  private readonly forward: L4Forward;
  /** Null once connected: the bytes that it holds are on their way. */
  private client: ClientConnection | null;
  private readonly record: Layer4Record;
  private readonly route: TcpRouteMetrics;
  private metrics: TcpMetrics | null = null;
  private readonly deadline = new Deadline((now) => this.onDeadline(now));
  private readonly up: Pipe;
  private readonly down: Pipe;
  private readonly socket: Socket;
  private readonly wire: Wire;
  private upstream: Socket | null = null;
  private cluster: ClusterState | null = null;
  private endpoint: EndpointState | null = null;
  private failed: EndpointState | null = null;
  private connected = false;
  private counted = false;
  private lastByteAt = 0;
  private over = false;

  constructor(worker: WorkerRuntime, at: ListenerRuntime, client: ClientConnection, forward: L4Forward) {
    this.worker = worker;
    this.at = at;
    this.forward = forward;
    this.client = client;
    this.record = new Layer4Record(protocolOf(client), worker.revision, at.name, forward, client);
    this.route = worker.telemetry.layer4.tcpRoute(forward.route);
    this.up = new Pipe(worker.reads, this);
    this.down = new Pipe(worker.reads, this);
    this.socket = this.adopt(client.socket);
    this.wire = new Wire(this.socket);
  }

  /** Reads the client into our buffers where its socket allows it; nothing is read yet. */
  private adopt(accepted: Socket): Socket {
    const { up } = this;
    const own =
      accepted instanceof TLSSocket ? null : readInto(accepted, up.nextBuffer, (bytes, into) => void this.pass(up, bytes, into), true);
    const socket = own ?? accepted;
    if (own === null) {
      socket.pause();
      socket.on('data', (chunk: Buffer) => void this.pass(up, chunk.length, chunk));
      socket.pause();
    }
    socket.on('end', () => this.guard(() => up.end()));
    socket.on('error', () => this.guard(() => this.onError(layer4Failures.downstreamReset, this.upstream)));
    socket.on('close', () => this.guard(() => this.onClosed()));
    return socket;
  }

  begin(): void {
    const { worker, at, forward } = this;
    at.connections.add(this);
    worker.telemetry.layer4Opened(at.name);
    this.route.total.add(1);
    this.route.active.add(1);
    this.guard(() => {
      const refused = this.admit();
      if (refused !== null) return this.refuse(refused, forward.blocked);
      this.connect();
    });
  }

  /** Null: the connection goes on, `cluster` is set. */
  private admit(): Reason | null {
    const { worker, forward, record } = this;
    if (forward.blocked !== undefined) return layer4Failures.blocked;
    if (worker.overloaded) return layer4Failures.overload;
    this.counted = worker.counts.enter(forward.route, forward.maxConnections, Date.now());
    if (!this.counted) {
      this.route.limited.add(1);
      return layer4Failures.limited;
    }
    const index = pickDestination(forward.destinations, Math.random());
    const name = index < 0 ? null : forward.destinations[index].cluster;
    if (name === null) return layer4Failures.invalidBackend;
    const cluster = worker.cluster(name);
    if (cluster === null) return layer4Failures.clusterNotFound;
    this.cluster = cluster;
    record.to(cluster);
    this.metrics = worker.telemetry.layer4.tcp({
      route: forward.route,
      cluster: cluster.name,
      service: record.upstreamService,
      namespace: record.upstreamServiceNamespace,
    });
    this.metrics.opened.add(1);
    return cluster.config.blocked === undefined ? null : layer4Failures.clusterBlocked;
  }

  private connect(): void {
    const { worker, cluster, record } = this;
    if (cluster === null) return;
    const now = performance.now();
    const endpoint = cluster.pick(now, this.failed);
    if (endpoint === null)
      return this.refuse(cluster.resolveFailure === null ? layer4Failures.noHealthyUpstream : layer4Failures.nameNotResolved);
    this.endpoint = endpoint;
    endpoint.active++;
    endpoint.requests++;
    cluster.activeTotal++;
    record.at(endpoint);
    const { down } = this;
    const upstream = openSocket(endpoint, {
      purpose: { authority: '', client: this.client },
      read: { buffer: down.nextBuffer, callback: (bytes, into) => this.pass(down, bytes, into) },
      alpn: [],
    });
    this.upstream = upstream;
    worker.wheel.arm(this.deadline, cluster.config.connectTimeoutMs > 0 ? now + cluster.config.connectTimeoutMs : Infinity);
    upstream.on(readyEvent(endpoint.transport), () => this.guard(() => this.onConnected(upstream, endpoint)));
    upstream.on('end', () => this.guard(() => this.onUpstreamEnd(upstream)));
    upstream.on('error', (error) => this.guard(() => this.onUpstreamError(upstream, error)));
    upstream.on('close', () => this.guard(() => this.onUpstreamClosed(upstream)));
  }

  private onConnected(upstream: Socket, endpoint: EndpointState): void {
    if (this.over || upstream !== this.upstream) return;
    const { worker, up, down, socket } = this;
    const peeked = this.client?.peeked ?? null;
    this.client = null;
    this.connected = true;
    worker.onConnect(endpoint, upstream);
    if (upstream.localAddress !== undefined) this.record.upstreamLocalAddress = joinAddress(upstream.localAddress, upstream.localPort ?? 0);
    if (worker.telemetry.needs.upstreamConnection === true) this.record.upstreamTls = factsOf(upstream).tls;
    upstream.pause();
    up.join(socket, new Wire(upstream));
    down.join(upstream, this.wire);
    this.touch();
    if (peeked !== null && peeked.length > 0) up.push(peeked);
    up.start();
    down.start();
  }

  onPassed(pipe: Pipe, bytes: number): void {
    const { record, metrics } = this;
    this.touch();
    if (metrics === null) return;
    if (pipe === this.up) {
      record.bytesReceived += bytes;
      metrics.rx.add(bytes);
      metrics.received.add(bytes);
      metrics.upstreamTx.add(bytes);
    } else {
      record.bytesSent += bytes;
      metrics.tx.add(bytes);
      metrics.sent.add(bytes);
      metrics.upstreamRx.add(bytes);
    }
  }

  onEnd(): void {
    this.touch();
  }

  private touch(): void {
    this.lastByteAt = performance.now();
    const { idleTimeoutMs } = this.forward;
    this.worker.wheel.arm(this.deadline, idleTimeoutMs > 0 ? this.lastByteAt + idleTimeoutMs : Infinity);
  }

  private onDeadline(_now: number): void {
    if (!this.connected) return this.fail(layer4Failures.connectTimeout, '');
    this.route.idle.add(1);
    this.record.fail(layer4Failures.idle);
    this.close();
  }

  /** Of a handshake that does not come to its end an error tells. */
  private onUpstreamEnd(upstream: Socket): void {
    if (this.connected && upstream === this.upstream) this.down.end();
  }

  private onUpstreamError(upstream: Socket, error: Error): void {
    const { endpoint, connected } = this;
    if (upstream !== this.upstream || endpoint === null) return;
    const { code, tls } = socketFailure(error, endpoint.transport.tls !== null || endpoint.transport.failure !== null, connected);
    if (connected) {
      this.record.upstreamTransportFailureReason = code;
      this.onError(layer4Failures.upstreamReset, this.socket);
    } else this.fail(layer4Failures.connectFailure, code, tls);
  }

  /** The connect failed and nothing was sent: another endpoint, once. */
  private fail(reason: Reason, code: string, tls: TlsFailureKind | null = null): void {
    const { worker, cluster, endpoint, upstream, record } = this;
    if (endpoint === null || cluster === null) return;
    endpoint.onConnectFailure(performance.now());
    worker.onClose(endpoint, true, tls);
    if (code !== '') record.upstreamTransportFailureReason = code;
    this.release();
    this.upstream = null;
    upstream?.destroy();
    this.failed = endpoint;
    if (record.upstreamAttempts < maxAttempts && cluster.endpoints.length > 1) return this.connect();
    record.fail(reason, code === '' ? reason.details : `${reason.details}{${code}}`);
    this.refuse(layer4Failures.noAttemptLeft);
  }

  /** A side broke: the other one is told as it was told to us. */
  private onError(reason: Reason, other: Socket | null): void {
    // What follows is of our own making.
    if (this.record.responseFlags === '') this.record.fail(reason);
    if (other !== null) resetSocket(other);
  }

  private onUpstreamClosed(upstream: Socket): void {
    if (upstream !== this.upstream) return;
    if (!this.connected && !this.socket.destroyed) return this.fail(layer4Failures.connectFailure, 'CLOSED');
    this.onClosed();
  }

  private onClosed(): void {
    const { socket, upstream, connected } = this;
    // The client went while we were connecting.
    if (!connected && upstream !== null && socket.destroyed) {
      this.record.fail(layer4Failures.downstreamReset);
      upstream.destroy();
    }
    const upstreamGone = upstream === null || upstream.destroyed;
    if (socket.destroyed && upstreamGone) return this.end();
    // A socket closes by itself once both its directions have ended. Closed earlier, it takes the other one along.
    if (socket.destroyed && !this.down.ended) upstream?.destroy();
    else if (upstreamGone && !this.up.ended) socket.destroySoon();
  }

  private refuse(reason: Reason, details?: string): void {
    this.record.fail(reason, details === undefined ? reason.details : `${reason.details}{${details}}`);
    this.close();
  }

  /** At once: time is up, or nothing can be done for the client. */
  close(): void {
    if (this.worker.draining) this.record.fail(layer4Failures.drained);
    this.upstream?.destroy();
    this.socket.destroy();
  }

  private release(): void {
    const { endpoint, cluster } = this;
    this.endpoint = null;
    if (endpoint === null || cluster === null) return;
    endpoint.active--;
    cluster.activeTotal--;
  }

  private end(): void {
    if (this.over) return;
    this.over = true;
    const { worker, at, forward, record, endpoint } = this;
    worker.wheel.remove(this.deadline);
    if (endpoint !== null && this.connected) worker.onClose(endpoint, false);
    this.release();
    this.up.close();
    this.down.close();
    at.connections.delete(this);
    if (this.counted) worker.counts.leave(forward.route, Date.now());
    this.route.active.add(-1);
    this.metrics?.closed(record.responseFlags).add(1);
    worker.telemetry.layer4Closed(at.name);
    record.end();
    worker.telemetry.log4(record);
  }

  /** False: stop reading. */
  private pass(pipe: Pipe, bytes: number, into: Uint8Array): boolean {
    try {
      return pipe.read(bytes, into);
    } catch (error) {
      this.onBug(error);
      return false;
    }
  }

  /** A bug in one connection ends that connection, not the worker. */
  private guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.onBug(error);
    }
  }

  private onBug(error: unknown): void {
    this.worker.onFault(error);
    this.record.fail(layer4Failures.bug);
    this.close();
  }
}

/** TLS that is passed through is known by its name, or by the chain that asked for it. */
function protocolOf({ tls, serverName, chain }: ClientConnection): 'TCP' | 'TLS' {
  if (tls !== null) return 'TCP';
  return serverName !== '' || chain?.isTls === true || (chain !== null && chain.serverNames.length > 0) ? 'TLS' : 'TCP';
}
