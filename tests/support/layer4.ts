/** What layer 4 needs of a data worker, in this thread, with a clock of its own: to be asked what it holds. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { Wheel } from '../../src/base/wheel.ts';
import { ConnectionCounts } from '../../src/decide/connection-counts.ts';
import { createLimitMemory, SharedLimitStore } from '../../src/decide/limit-store.ts';
import type { ConnectionChain, L4Destination, L4Forward } from '../../src/model/chain.ts';
import type { Cluster } from '../../src/model/cluster.ts';
import type { FromWorker } from '../../src/model/events.ts';
import type { HttpLimits } from '../../src/model/listener.ts';
import { buildChain } from '../../src/proxy/chain/chain.ts';
import type { ClientConnection } from '../../src/proxy/listen/client.ts';
import { Gate } from '../../src/proxy/listen/gate.ts';
import { ListenerRuntime } from '../../src/proxy/listen/listener-runtime.ts';
import { serveTcp } from '../../src/proxy/protocol/tcp/server.ts';
import { UdpServer } from '../../src/proxy/protocol/udp/server.ts';
import { compileTables } from '../../src/proxy/route/compile.ts';
import { type ListenerTable, RouteTables } from '../../src/proxy/route/tables.ts';
import type { RouteRuntime, WorkerRuntime } from '../../src/proxy/runtime.ts';
import { ReadBuffers, Staging } from '../../src/proxy/upstream/buffers.ts';
import { ClusterSet } from '../../src/proxy/upstream/cluster-state.ts';
import { WorkerTelemetry } from '../../src/proxy/worker-telemetry.ts';
import { metricsBytes, type SeriesDescriptor, seriesWidth } from '../../src/telemetry/metrics.ts';
import type { ExchangeRecord } from '../../src/telemetry/record.ts';
import { readLines } from './log-lines.ts';
import { portOf } from './raw.ts';
import { origin, snapshotOf } from './rig.ts';

export function destinationTo(cluster: string | null, weight = 1): L4Destination {
  return { cluster, weight, host: cluster ?? 'nowhere', port: null, subset: null };
}

export function forwardTo(clusters: readonly (string | null)[], more: Partial<L4Forward> = {}): L4Forward {
  return {
    route: 'l4',
    destinations: clusters.map((cluster) => destinationTo(cluster)),
    idleTimeoutMs: 3_600_000,
    maxConnections: 0,
    origin,
    pending: [],
    ...more,
  };
}

class LoudTelemetry extends WorkerTelemetry {
  readonly waiting: (() => void)[] = [];

  override log4(record: ExchangeRecord): void {
    super.log4(record);
    for (const run of this.waiting.splice(0)) run();
  }
}

/** A worker's shared things, real but for the clock. */
export class Layer4Bench {
  readonly faults: string[] = [];
  readonly clusters = new ClusterSet();
  readonly telemetry: LoudTelemetry;
  readonly worker: WorkerRuntime;
  readonly wheel: Wheel;
  private configs = new Map<string, Cluster>();
  private log = '';
  private readonly row: Float64Array;
  private readonly series: { readonly slot: number; readonly of: SeriesDescriptor }[] = [];
  /** Upstream connections that were opened and not closed. */
  open = 0;

  constructor(clusters: readonly Cluster[]) {
    const metrics = new SharedArrayBuffer(metricsBytes);
    const limitMemory = createLimitMemory(1024);
    this.row = new Float64Array(metrics);
    this.telemetry = new LoudTelemetry({ index: 0, limitMemory, metrics, options: { accessLog: 'json' } }, (message) => this.hear(message));
    const onFault = (error: unknown): void =>
      void this.faults.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    this.wheel = new Wheel(50, performance.now(), onFault);
    this.worker = {
      staging: new Staging(),
      reads: new ReadBuffers(),
      wheel: this.wheel,
      clusters: this.clusters,
      cluster: (name) => {
        const config = this.configs.get(name);
        return config === undefined ? null : this.clusters.use(config);
      },
      counts: new ConnectionCounts(limitMemory, 0),
      telemetry: this.telemetry,
      chainContext: { limits: new SharedLimitStore(limitMemory), findKey: () => null, findConsumer: () => null, replyStyle: 'envoy' },
      revision: 1,
      draining: false,
      overloaded: false,
      active: 0,
      lastRequestAt: 0,
      onFault,
      onConnect: (endpoint) => {
        this.open++;
        endpoint.onConnectSuccess();
        this.telemetry.upstreamOpened(endpoint);
      },
      onClose: (endpoint, failed) => {
        if (!failed) this.open--;
        this.telemetry.upstreamClosed(endpoint, failed);
      },
    };
    this.configure(clusters);
  }

  /** Another revision's clusters. */
  configure(clusters: readonly Cluster[]): void {
    this.configs = new Map(clusters.map((cluster) => [cluster.name, cluster]));
  }

  private hear(message: FromWorker): void {
    if (message.type === 'log') this.log += readLines(message.lines);
    if (message.type !== 'series') return;
    let slot = message.first;
    for (const text of message.descriptors) {
      const of: SeriesDescriptor = JSON.parse(text);
      this.series.push({ slot, of });
      slot += seriesWidth(of);
    }
  }

  /** Log lines so far, as objects. */
  lines(): readonly Record<string, unknown>[] {
    this.telemetry.flush();
    return this.log
      .split('\n')
      .filter((line) => line !== '')
      .map((line): Record<string, unknown> => JSON.parse(line));
  }

  /** Log lines, once there are `count`. */
  async ended(count: number): Promise<readonly Record<string, unknown>[]> {
    while (this.lines().length < count) await new Promise<void>((resolve) => this.telemetry.waiting.push(resolve));
    return this.lines();
  }

  /** Sum of a metric over the series that have these labels. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    await Promise.resolve();
    const wanted = this.series.filter(
      ({ of }) => of.name === name && Object.entries(labels).every(([key, value]) => of.labels[key] === value),
    );
    if (wanted.length === 0) throw new Error(`no series ${name} with ${JSON.stringify(labels)}`);
    return wanted.reduce((sum, { slot }) => sum + this.row[slot], 0);
  }
}

/** One socket that hands its connections to `serveTcp`, as a listener's intake does. */
export class TcpLane extends Layer4Bench {
  readonly at: ListenerRuntime;
  readonly server: Server;
  forward: L4Forward;
  /** What the intake knows of each connection beside its addresses. */
  known: Partial<ClientConnection> = {};
  port = 0;

  private constructor(clusters: readonly Cluster[], forward: L4Forward) {
    super(clusters);
    this.forward = forward;
    this.at = new ListenerRuntime(tableOf(forward), buildChain([], 'listener', this.worker.chainContext));
    this.server = createServer({ allowHalfOpen: true, noDelay: true, pauseOnConnect: true }, (socket) => {
      const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = socket;
      const ends = { remoteAddress, remotePort, directRemoteAddress: remoteAddress, directRemotePort: remotePort, localAddress, localPort };
      serveTcp(
        this.worker,
        this.at,
        { socket, ...ends, tls: null, serverName: '', chain: null, peeked: null, ...this.known },
        this.forward,
      );
    });
  }

  static async start(clusters: readonly Cluster[], forward: L4Forward): Promise<TcpLane> {
    const lane = new TcpLane(clusters, forward);
    lane.server.listen(0, '127.0.0.1');
    await once(lane.server, 'listening');
    lane.port = portOf(lane.server);
    return lane;
  }

  close(): void {
    for (const connection of this.at.connections) connection.close();
    this.server.close();
  }
}

/** A listener with one chain that forwards everything. */
function tableOf(forward: L4Forward, limits: Partial<HttpLimits> = {}): ListenerTable<RouteRuntime> {
  const chain: ConnectionChain = { name: 'all', serverNames: [], sources: [], destinations: [], tls: null, forward, origin };
  const snapshot = snapshotOf(1, [], [], { limits, listener: { chains: [chain] } }, []);
  const tables: RouteTables<RouteRuntime> = new RouteTables<RouteRuntime>(compileTables(snapshot), 1, () => {
    throw new Error('no routes here');
  });
  const table = tables.listener(snapshot.listeners[0].name);
  if (table === null) throw new Error('the listener is not in its own tables');
  return table;
}

export interface UdpLimits extends Partial<HttpLimits> {
  /** Of the whole process; 0: no limit. */
  readonly maxProcessConnections?: number;
}

/** One UDP server of a worker. */
export class UdpLane extends Layer4Bench {
  readonly at: ListenerRuntime;
  readonly server: UdpServer;

  private constructor(clusters: readonly Cluster[], forward: L4Forward, { maxProcessConnections = 0, ...limits }: UdpLimits) {
    super(clusters);
    const gate = new Gate(0, maxProcessConnections, undefined);
    const chain = buildChain([], 'listener', this.worker.chainContext);
    this.at = new ListenerRuntime(tableOf(forward, limits), chain, undefined, gate.connections('l4'));
    this.server = new UdpServer(this.worker, gate, this.at, { address: '127.0.0.1', port: 0 });
  }

  static async start(clusters: readonly Cluster[], forward: L4Forward, limits: UdpLimits = {}): Promise<UdpLane> {
    const lane = new UdpLane(clusters, forward, limits);
    const reason = await lane.server.open();
    if (reason !== null) throw new Error(reason);
    return lane;
  }

  get port(): number {
    return this.server.boundPort;
  }

  /** Another revision, as a worker applies it: clusters first. */
  apply(clusters: readonly Cluster[], forward: L4Forward): void {
    this.configure(clusters);
    const secrets = (): null => null;
    this.clusters.apply((name) => clusters.find((cluster) => cluster.name === name) ?? null, secrets);
    this.at.apply(tableOf(forward), buildChain([], 'listener', this.worker.chainContext));
    this.server.apply(this.at);
  }
}
