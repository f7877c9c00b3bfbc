/** Data workers without a control plane: a snapshot in, sockets out. */
import { Worker } from 'node:worker_threads';
import { SharedSeed } from '../../src/base/shared-seed.ts';
import { createLimitMemory } from '../../src/decide/limit-store.ts';
import type { Binding, ClusterDescription, FlatTables, FromWorker, ToWorker } from '../../src/model/events.ts';
import { edgeListener, type HttpLimits, type Listener } from '../../src/model/listener.ts';
import type { Cluster } from '../../src/model/cluster.ts';
import type { Origin } from '../../src/model/origin.ts';
import type { MatchEntry, Route } from '../../src/model/route.ts';
import type { WorkerData } from '../../src/model/worker.ts';
import { gateBytes } from '../../src/proxy/listen/gate.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { compileTables } from '../../src/proxy/route/compile.ts';
import { metricsBytes, type SeriesDescriptor, seriesWidth } from '../../src/telemetry/metrics.ts';
import { readLines } from './log-lines.ts';
import { freePort } from './ports.ts';

export const origin: Origin = { dialect: 'weir', kind: 'Test', namespace: null, name: 'test', file: 'test.yaml', line: 1, column: 1 };

export interface RigOptions {
  readonly limits?: Partial<HttpLimits>;
  readonly listener?: Partial<Listener>;
  readonly workers?: number;
  /** Of all workers. */
  readonly maxConnections?: number;
  readonly maxMemoryBytes?: number;
  /** Format of the log; `logged` reads lines that are JSON. Default: Weir's own. */
  readonly accessLog?: string;
  /** What runs in the threads; default: the program's own. */
  readonly entry?: URL;
}

/** A cluster of loopback ports. */
export function clusterOf(name: string, ports: readonly number[], more: Partial<Cluster> = {}): Cluster {
  return {
    name,
    discovery: 'static',
    endpoints: ports.map((port) => ({ address: '127.0.0.1', port, weight: 1, labels: {}, locality: '' })),
    balancer: { policy: 'round-robin' },
    connectTimeoutMs: 2000,
    service: `${name}.test`,
    serviceNamespace: null,
    transport: 'plaintext',
    declared: true,
    origin,
    pending: [],
    ...more,
  };
}

/** A route that sends everything it gets to one cluster. */
export function routeTo(cluster: string, more: Partial<Route> = {}): Route {
  return {
    id: `to-${cluster}`,
    name: `to-${cluster}`,
    rule: 0,
    origin,
    action: {
      kind: 'forward',
      destinations: [{ cluster, weight: 1, host: cluster, port: null, subset: null, filters: [] }],
      allZeroStatus: 503,
    },
    filters: [],
    pending: [],
    ...more,
  };
}

/** One listener, one virtual host; by default every path goes to the first route. */
export function snapshotOf(
  port: number,
  routes: readonly Route[],
  clusters: readonly Cluster[],
  options: RigOptions = {},
  matches?: readonly MatchEntry[],
): Snapshot {
  const entries = matches ?? [{ route: 0, index: 0, match: {}, rankReason: 'only one' }];
  const listener: Listener = {
    name: `127.0.0.1:${port}`,
    kind: 'gateway',
    address: '127.0.0.1',
    port,
    protocol: 'http',
    dialect: 'weir',
    origin,
    ...edgeListener,
    limits: { ...edgeListener.limits, ...options.limits },
    virtualHosts: [{ name: 'all', domains: ['*'], origin, filters: [], matches: entries }],
    filters: [],
    pending: [],
    ...options.listener,
  };
  return { listeners: [listener], routes, clusters, consumers: [], status: [] };
}

const workerEntry = new URL('../../src/proxy/worker.ts', import.meta.url);

/** Runs data workers and keeps what they say. */
export class Rig {
  readonly port: number;
  readonly faults: string[] = [];
  readonly workers: Worker[] = [];
  private readonly waiting: (() => void)[] = [];
  private log = '';
  private readonly series: { readonly row: Float64Array; readonly slot: number; readonly of: SeriesDescriptor }[] = [];
  private revision = 0;
  private readonly applied = new Map<number, number>();
  /** Where the workers' session ticket keys come from. */
  readonly tickets = new SharedSeed();
  private drained = 0;
  private descriptions = 0;
  private readonly described = new Map<number, ClusterDescription[][]>();
  /** Exit code of the first worker that ended. */
  private exited: number | null = null;

  private constructor(port: number) {
    this.port = port;
  }

  static async start(make: (port: number) => Snapshot, options: RigOptions = {}): Promise<Rig> {
    const rig = new Rig(await freePort());
    const limitMemory = createLimitMemory(4096);
    const count = options.workers ?? 1;
    const { accessLog = 'json', maxConnections = 0, maxMemoryBytes = 0, entry = workerEntry } = options;
    const connectionTotals = new SharedArrayBuffer(gateBytes(count));
    const shared = {
      limitMemory,
      connectionTotals,
      ticketSeed: rig.tickets.memory,
      options: { accessLog, maxConnections, maxMemoryBytes },
    };
    const ready = Array.from({ length: count }, (_, index) =>
      rig.spawn(entry, { index, metrics: new SharedArrayBuffer(metricsBytes), ...shared }),
    );
    await Promise.all(ready);
    await rig.apply(make(rig.port));
    return rig;
  }

  private spawn(entry: URL, workerData: WorkerData): Promise<void> {
    const { index, metrics } = workerData;
    const row = new Float64Array(metrics);
    const worker = new Worker(entry, { workerData });
    this.workers.push(worker);
    return new Promise((resolve, reject) => {
      worker.on('error', (error) => {
        this.faults.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
        reject(error instanceof Error ? error : new Error(String(error)));
      });
      worker.on('exit', (code) => {
        this.exited ??= code;
        for (const run of this.waiting.splice(0)) run();
      });
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'ready') resolve();
        else if (message.type === 'applied') this.applied.set(index, message.revision);
        else if (message.type === 'fault') this.faults.push(message.stack);
        else if (message.type === 'log') this.log += readLines(message.lines);
        else if (message.type === 'drained') this.drained++;
        else if (message.type === 'series') this.learn(row, message);
        else if (message.type === 'description') this.described.get(message.id)?.push([...message.clusters]);
        for (const run of this.waiting.splice(0)) run();
      });
    });
  }

  private learn(row: Float64Array, { first, descriptors }: Extract<FromWorker, { readonly type: 'series' }>): void {
    let slot = first;
    for (const text of descriptors) {
      const of: SeriesDescriptor = JSON.parse(text);
      this.series.push({ row, slot, of });
      slot += seriesWidth(of);
    }
  }

  /** Sum of a counter or gauge over workers and series with these labels; 0 while there is none. */
  metric(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const isWanted = ({ of }: { readonly of: SeriesDescriptor }): boolean =>
      of.name === name && Object.entries(labels).every(([key, value]) => of.labels[key] === value);
    return this.series.filter(isWanted).reduce((sum, { row, slot }) => sum + row[slot], 0);
  }

  private async until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.exited !== null && this.drained < this.workers.length)
        throw new Error(`a worker ended with ${this.exited}: ${this.faults.join('\n')}`);
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  private broadcast(message: ToWorker): void {
    for (const worker of this.workers) worker.postMessage(message);
  }

  async apply(snapshot: Snapshot): Promise<void> {
    const bindings = snapshot.listeners.map(({ name, address, port, protocol }) => ({
      listener: name,
      address,
      port,
      transport: protocol === 'udp' ? ('udp' as const) : ('tcp' as const),
    }));
    await this.applyTables(compileTables(snapshot), bindings);
  }

  /** Compiled tables, bound where the caller says: ports of real configuration are mapped to free ones. */
  async applyTables(tables: FlatTables, bindings: readonly Binding[]): Promise<void> {
    const revision = ++this.revision;
    this.broadcast({ type: 'apply', revision, tables, bindings, endpoints: [] });
    await this.until(() => this.workers.every((_, index) => this.applied.get(index) === revision));
  }

  /** Log lines as objects, once there are `count`. */
  async logged(count: number): Promise<readonly Record<string, unknown>[]> {
    const lines = (): string[] => this.log.split('\n').filter((line) => line !== '');
    await this.until(() => lines().length >= count);
    return lines().map((line): Record<string, unknown> => JSON.parse(line));
  }

  /** Exchanges under way at upstreams, over all workers. */
  async activeUpstream(): Promise<number> {
    const id = ++this.descriptions;
    this.described.set(id, []);
    this.broadcast({ type: 'describe', id });
    const found = (): readonly ClusterDescription[][] => this.described.get(id) ?? [];
    await this.until(() => found().length === this.workers.length);
    let active = 0;
    for (const cluster of found().flat()) for (const endpoint of cluster.endpoints) active += endpoint.active;
    return active;
  }

  /** Resolves once no exchange is under way at any upstream. */
  async settled(): Promise<void> {
    while ((await this.activeUpstream()) !== 0) await new Promise((resolve) => setImmediate(resolve));
  }

  async drain(timeoutMs = 5000): Promise<void> {
    this.broadcast({ type: 'drain', timeoutMs });
    await this.until(() => this.drained === this.workers.length);
  }

  async close(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.terminate()));
  }
}
