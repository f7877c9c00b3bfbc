import { performance } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { Wheel } from '../../../src/base/wheel.ts';
import { ConnectionCounts } from '../../../src/decide/connection-counts.ts';
import { createLimitMemory, SharedLimitStore } from '../../../src/decide/limit-store.ts';
import { edgeCanonicalisation, type Canonicalisation } from '../../../src/model/listener.ts';
import { buildChain } from '../../../src/proxy/chain/chain.ts';
import { ListenerRuntime } from '../../../src/proxy/listen/listener-runtime.ts';
import { materialise } from '../../../src/proxy/materialise.ts';
import { compileTables } from '../../../src/proxy/route/compile.ts';
import { RouteTables } from '../../../src/proxy/route/tables.ts';
import type { RouteRuntime, WorkerRuntime } from '../../../src/proxy/runtime.ts';
import { ReadBuffers, Staging } from '../../../src/proxy/upstream/buffers.ts';
import { ClusterSet } from '../../../src/proxy/upstream/cluster-state.ts';
import { Layer4Metrics } from '../../../src/telemetry/layer4-metrics.ts';
import { WorkerMetrics } from '../../../src/telemetry/metrics.ts';
import type { ExchangeRecord } from '../../../src/telemetry/record.ts';
import { clusterOf, routeTo, snapshotOf } from '../../support/rig.ts';
import { BackendPeer } from './backend.ts';
import type { ProxyCase } from './case.ts';
import { MemorySocket, onConnect, UpstreamSocket } from './sockets.ts';

/** The canonicalisation of each listener. */
export const canonicalisations: Readonly<Record<ProxyCase['listener'], Canonicalisation>> = {
  edge: edgeCanonicalisation,
  open: { ...edgeCanonicalisation, escapedSlashes: 'keep', underscores: 'allow', mergeSlashes: false },
};

/** Port of every listener in memory. */
export const LISTENER_PORT = 80;

/** What the judge needs of an exchange that is over. */
export type Ended = Pick<
  ExchangeRecord,
  'method' | 'originalPath' | 'protocol' | 'responseCode' | 'responseFlags' | 'responseCodeDetails' | 'requestId' | 'upstreamHost'
>;

/** What became of a case. */
export interface Outcome {
  readonly ended: readonly Ended[];
  /** The client's side of its connection. */
  readonly client: Buffer;
  readonly clientReset: boolean;
  readonly clientFinished: boolean;
  readonly peers: readonly BackendPeer[];
  /** Exchanges that were over when neither peer had anything more to say, and the connection was open; -1: it was closing. */
  readonly settled: number;
  /** Another was under way then. */
  readonly waited: boolean;
  /** Guards and books that are wrong. */
  readonly faults: readonly string[];
}

// One set of buffers for all lanes, as connections of one worker have: a slice that is kept too long shows in another lane.
const staging = new Staging();
const reads = new ReadBuffers();
const limits = new SharedLimitStore(createLimitMemory(64));
let lanes = 0;

/** A worker of its own, with one listener of each kind and one cluster, that runs cases one after the other. */
export class Lane {
  protected readonly worker: WorkerRuntime;
  protected readonly listeners: Readonly<Record<ProxyCase['listener'], ListenerRuntime>>;
  private readonly faults: string[] = [];
  protected ended: Ended[] = [];
  protected peers: BackendPeer[] = [];
  private answers = 0;
  protected running: ProxyCase | null = null;
  private connections = 0;

  constructor() {
    const port = ++lanes;
    const onFault = (error: unknown): void =>
      void this.faults.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
    this.worker = {
      staging,
      reads,
      wheel: new Wheel(50, performance.now(), onFault),
      clusters: new ClusterSet(),
      cluster: () => null,
      counts: new ConnectionCounts(createLimitMemory(32), 0),
      telemetry: {
        needs: { requestHeaders: [], responseHeaders: [], responseTrailers: [] },
        record: (record) => this.record(record),
        connectionOpened: () => void this.connections++,
        connectionClosed: () => void this.connections--,
        connectionRefused: () => undefined,
        layer4: new Layer4Metrics(new WorkerMetrics(new SharedArrayBuffer(8 * 1024), () => undefined)),
        log4: () => undefined,
        layer4Opened: () => undefined,
        layer4Closed: () => undefined,
        connectionHandedOver: () => undefined,
        handshake: () => undefined,
      },
      chainContext: { limits, findKey: () => null, findConsumer: () => null, replyStyle: 'envoy' },
      revision: 1,
      draining: false,
      overloaded: false,
      active: 0,
      lastRequestAt: 0,
      onFault,
      onConnect: (endpoint) => endpoint.onConnectSuccess(),
      onClose: () => undefined,
    };
    const runtime = (kind: ProxyCase['listener']): ListenerRuntime => {
      // HTTP/1.1 alone: what follows HTTP/2's preface would be frames.
      const options = { listener: { canonicalisation: canonicalisations[kind], http2: false } };
      const snapshot = snapshotOf(LISTENER_PORT, [routeTo('b')], [clusterOf('b', [port])], options);
      const tables: RouteTables<RouteRuntime> = new RouteTables<RouteRuntime>(compileTables(snapshot), 1, (context) =>
        materialise(this.worker, tables, context),
      );
      const table = tables.listener(snapshot.listeners[0].name);
      if (table === null) throw new Error('the listener is not in its own tables');
      return new ListenerRuntime(table, buildChain([], 'listener', this.worker.chainContext));
    };
    this.listeners = { edge: runtime('edge'), open: runtime('open') };
    onConnect(port, (options) => this.connect(new UpstreamSocket(options, this.running?.slow ?? 0, this.running?.direct ?? false)));
  }

  private connect(socket: UpstreamSocket): UpstreamSocket {
    const live = (): number => (this.worker.active > 0 ? this.ended.length : -1);
    const peer = new BackendPeer(socket, live, () => {
      const { answers } = this.running ?? { answers: [] };
      return answers[this.answers++ % answers.length];
    });
    this.peers.push(peer);
    return socket;
  }

  private record(record: ExchangeRecord): void {
    const { method, originalPath, protocol, responseCode, responseFlags, responseCodeDetails, requestId, upstreamHost } = record;
    this.ended.push({ method, originalPath, protocol, responseCode, responseFlags, responseCodeDetails, requestId, upstreamHost });
  }

  /** Runs one case to the end of both sides. */
  async run(given: ProxyCase): Promise<Outcome> {
    this.running = given;
    this.ended = [];
    this.peers = [];
    this.answers = 0;
    this.faults.length = 0;
    const client = new MemorySocket(given.slow, given.direct);
    const connection = this.listeners[given.listener].connection(this.worker);
    connection.attach(client);
    if (given.shared) client.readInto(reads.shared, (bytes) => connection.onShared(reads.shared, bytes));
    else {
      client.on('data', (chunk: Buffer) => connection.onChunk(chunk));
      client.resume();
    }
    for (const piece of given.pieces) {
      client.arrive(Buffer.from(piece, 'latin1'));
      this.step(client);
      await turn();
    }
    if (given.clientEnds) client.arriveEnd();
    await this.settle(client);
    const settled = client.finished || client.destroyed ? -1 : this.ended.length;
    const waited = this.worker.active > 0;
    // Then each side closes in turn; nothing may be left of the case.
    client.arriveEnd();
    await this.settle(client);
    for (const peer of this.peers) peer.end();
    await this.settle(client);
    const clientFinished = client.finished;
    const received = client.received;
    const clientReset = client.wasReset;
    client.destroy();
    for (const peer of this.peers) {
      peer.read();
      peer.socket.arriveReset();
    }
    await this.settle(client);
    return {
      ended: this.ended,
      client: received,
      clientReset,
      clientFinished,
      peers: this.peers,
      settled,
      waited,
      faults: [...this.faults, ...this.books()],
    };
  }

  /** Goes on until nothing moves any more. */
  private async settle(client: MemorySocket): Promise<void> {
    let quiet = 0;
    for (let turns = 0; turns < 20_000 && quiet < 3; turns++) {
      quiet = this.step(client) ? 0 : quiet + 1;
      if (quiet === 3 && this.peers.some((peer) => peer.settleReset())) quiet = 0;
      await turn();
    }
  }

  private step(client: MemorySocket): boolean {
    let moved = client.release();
    if (client.deliver()) moved = true;
    for (const peer of this.peers) if (peer.step()) moved = true;
    return moved;
  }

  /** Counts that must be zero when everything is closed. */
  private books(): string[] {
    const wrong: string[] = [];
    if (this.worker.active !== 0) wrong.push(`${this.worker.active} exchanges are under way after the end`);
    if (this.connections !== 0) wrong.push(`${this.connections} client connections are counted after the end`);
    for (const cluster of this.worker.clusters.all()) {
      if (cluster.activeTotal !== 0) wrong.push(`cluster counts ${cluster.activeTotal} exchanges after the end`);
      for (const endpoint of cluster.endpoints) {
        if (endpoint.active !== 0 || endpoint.idleCount !== 0)
          wrong.push(`endpoint counts ${endpoint.active} active, ${endpoint.idleCount} idle after the end`);
      }
    }
    return wrong;
  }
}
