import type { Socket } from 'node:net';
import { ConnectionCounts } from '../decide/connection-counts.ts';
import { SharedLimitStore } from '../decide/limit-store.ts';
import { SharedSeed } from '../base/shared-seed.ts';
import { Wheel } from '../base/wheel.ts';
import type { ClusterDescription, FromWorker, ToWorker } from '../model/events.ts';
import type { WorkerData } from '../model/worker.ts';
import { buildChain, type ChainContext } from './chain/chain.ts';
import { Gate } from './listen/gate.ts';
import { ListenerRuntime } from './listen/listener-runtime.ts';
import { MemoryWatch } from './listen/memory-watch.ts';
import { Sockets } from './listen/sockets.ts';
import { Terminators } from './listen/tls/terminators.ts';
import { TicketKeys } from './listen/tls/tickets.ts';
import { materialise } from './materialise.ts';
import { UdpSockets } from './protocol/udp/sockets.ts';
import { RouteTables } from './route/tables.ts';
import type { RouteRuntime, WorkerRuntime } from './runtime.ts';
import { WorkerTelemetry } from './worker-telemetry.ts';
import { ReadBuffers, Staging } from './upstream/buffers.ts';
import { ClusterSet, type ClusterState } from './upstream/cluster-state.ts';
import type { EndpointState } from './upstream/endpoint.ts';
import type { TlsFailureKind } from './upstream/tls/failure.ts';

const tickMs = 50;
/** A drain ends when nothing has been asked for this long. */
const drainQuietMs = 500;
/** Longest wait for sockets that were closed at the end of a drain to say so. */
const lastWordsMs = 1000;

/** One data worker: its sockets, the snapshot it serves, and everything that outlives a snapshot. */
export class DataWorker implements WorkerRuntime {
  readonly staging = new Staging();
  readonly reads = new ReadBuffers();
  readonly wheel: Wheel;
  readonly clusters = new ClusterSet();
  readonly telemetry: WorkerTelemetry;
  readonly limits: SharedLimitStore;
  readonly counts: ConnectionCounts;
  chainContext: ChainContext;
  revision = 0;
  draining = false;
  overloaded = false;
  active = 0;
  lastRequestAt = 0;
  private readonly send: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void;
  private readonly gate: Gate;
  private readonly memory: MemoryWatch;
  private readonly sockets: Sockets;
  private readonly udp: UdpSockets;
  private readonly ticketKeys: TicketKeys;
  private readonly terminators: Terminators;
  private readonly listeners = new Map<string, ListenerRuntime>();
  private tables: RouteTables<RouteRuntime> | null = null;
  /** Applies run one after the other. */
  private queue: Promise<void> = Promise.resolve();

  constructor(data: WorkerData, send: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void) {
    this.send = send;
    this.limits = new SharedLimitStore(data.limitMemory);
    this.counts = new ConnectionCounts(data.limitMemory, data.index);
    this.telemetry = new WorkerTelemetry(data, send);
    this.wheel = new Wheel(tickMs, performance.now(), this.onFault);
    this.chainContext = this.contextOf(null);
    this.gate = new Gate(data.index, data.options.maxConnections ?? 0, data.connectionTotals);
    this.memory = new MemoryWatch(data.options.maxMemoryBytes ?? 0);
    this.sockets = new Sockets(this, this.gate, data.index);
    this.udp = new UdpSockets(this, this.gate);
    this.ticketKeys = new TicketKeys(new SharedSeed(data.ticketSeed));
    this.terminators = new Terminators(this.ticketKeys);
    this.wheel.start();
    setInterval(() => this.tick(), tickMs * 2);
    send({ type: 'ready' });
  }

  readonly onFault = (error: unknown): void => {
    const known = error instanceof Error ? error : new Error(String(error));
    this.telemetry.fault();
    this.send({ type: 'fault', message: known.message, stack: known.stack ?? '' });
  };

  readonly onConnect = (endpoint: EndpointState, socket?: Socket): void => {
    endpoint.onConnectSuccess();
    this.telemetry.upstreamOpened(endpoint, socket);
  };

  readonly onClose = (endpoint: EndpointState, failedToConnect: boolean, tlsFailure: TlsFailureKind | null = null): void => {
    this.telemetry.upstreamClosed(endpoint, failedToConnect, tlsFailure);
  };

  cluster(name: string): ClusterState | null {
    const config = this.tables?.cluster(name) ?? null;
    return config === null ? null : this.clusters.use(config);
  }

  private tick(): void {
    for (const runtime of this.listeners.values()) this.telemetry.gauge(runtime.name, runtime.active);
    this.telemetry.flush();
    this.ticketKeys.refresh();
    this.watchMemory();
    this.counts.confirm(Date.now());
  }

  private watchMemory(): void {
    this.memory.look(performance.now());
    if (this.memory.isTight === this.overloaded) return;
    this.overloaded = this.memory.isTight;
    this.telemetry.overload(this.overloaded);
  }

  onMessage(message: ToWorker): void {
    switch (message.type) {
      case 'apply':
        this.queue = this.queue.then(() => this.apply(message)).catch(this.onFault);
        return;
      case 'endpoints':
        for (const { cluster, endpoints, failure } of message.changed) this.clusters.resolve(cluster, endpoints, failure);
        return;
      case 'drain':
        this.drain(message.timeoutMs);
        return;
      case 'describe':
        this.send({ type: 'description', id: message.id, clusters: this.describe() });
    }
  }

  /** Swaps to a new snapshot: one assignment per listener, sockets and live state stay. */
  private async apply(message: Extract<ToWorker, { readonly type: 'apply' }>): Promise<void> {
    const tables: RouteTables<RouteRuntime> = new RouteTables<RouteRuntime>(message.tables, message.revision, (context) =>
      materialise(this, tables, context),
    );
    for (const { cluster, endpoints, failure } of message.endpoints) this.clusters.resolve(cluster, endpoints, failure);
    this.chainContext = this.contextOf(tables);
    this.clusters.apply(
      (name) => tables.cluster(name),
      (name) => tables.secret(name),
    );
    this.tables = tables;
    this.revision = message.revision;
    const terminatorOf = this.terminators.of((name) => tables.secret(name));
    for (const name of tables.listenerNames()) {
      const table = tables.listener(name);
      if (table === null) continue;
      const chain = buildChain(table.config.filters, 'listener', { ...this.chainContext, replyStyle: table.config.replyStyle });
      const known = this.listeners.get(name);
      if (known === undefined) this.listeners.set(name, new ListenerRuntime(table, chain, terminatorOf, this.gate.connections(name)));
      else known.apply(table, chain, terminatorOf);
    }
    const find = (name: string): ListenerRuntime | null => this.listeners.get(name) ?? null;
    const streams = message.bindings.filter(({ transport }) => transport !== 'udp');
    const datagrams = message.bindings.filter(({ transport }) => transport === 'udp');
    const failed = [...(await this.sockets.apply(streams, find)), ...(await this.udp.apply(datagrams, find))];
    const kept = new Set(tables.listenerNames());
    for (const [name, runtime] of this.listeners) if (!kept.has(name) && runtime.connections.size === 0) this.listeners.delete(name);
    this.send({ type: 'applied', revision: message.revision, failed });
  }

  private contextOf(tables: RouteTables<RouteRuntime> | null): ChainContext {
    return {
      limits: this.limits,
      findKey: (sha256) => tables?.findKey(sha256) ?? null,
      findConsumer: (idOrName) => tables?.findConsumer(idOrName) ?? null,
      replyStyle: 'envoy',
    };
  }

  /**
   * Keeps accepting and answers with `Connection: close`; done when no exchange is under way, no request has begun to
   * arrive and nothing has come for a while, or when time is up. Sockets close last.
   */
  private drain(timeoutMs: number): void {
    if (this.draining) return;
    this.draining = true;
    for (const runtime of this.listeners.values()) for (const connection of runtime.connections) connection.goAway?.();
    const began = performance.now();
    const check = (): void => {
      const now = performance.now();
      const last = Math.max(this.lastRequestAt, this.sockets.lastAccept, began);
      if (now - began < timeoutMs && (this.active > 0 || now - last < drainQuietMs || this.hasBegun())) return;
      clearInterval(timer);
      setImmediate(() => {
        this.sockets.closeAll();
        this.udp.closeAll();
        for (const runtime of this.listeners.values()) for (const connection of runtime.connections) connection.close();
        this.endDrain(performance.now() + lastWordsMs);
      });
    };
    const timer = setInterval(check, 25);
  }

  /** A socket closes in a later turn, and only then stands in log and metrics what it was cut from. */
  private endDrain(last: number): void {
    for (const runtime of this.listeners.values())
      if (runtime.connections.size > 0 && performance.now() < last) return void setTimeout(() => this.endDrain(last), 5);
    this.telemetry.flush();
    this.send({ type: 'drained' });
  }

  /** Whether any client has sent a part of a request, or has not yet taken its last answer. */
  private hasBegun(): boolean {
    for (const runtime of this.listeners.values()) for (const connection of runtime.connections) if (!connection.isIdle) return true;
    return false;
  }

  private describe(): ClusterDescription[] {
    // Clusters nobody has asked for yet have no live state; they are listed all the same.
    for (const name of this.tables?.clusterNames() ?? []) {
      const config = this.tables?.cluster(name);
      if (config !== null && config !== undefined) this.clusters.use(config);
    }
    return [...this.clusters.all()].map((cluster) => ({
      name: cluster.name,
      endpoints: cluster.endpoints.map((endpoint) => ({
        address: endpoint.address,
        port: endpoint.port,
        weight: endpoint.weight,
        active: endpoint.active,
        idle: endpoint.idleCount,
        connectFailures: endpoint.connectFailures,
        requests: endpoint.requests,
      })),
    }));
  }
}
