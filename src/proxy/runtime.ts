import type { Wheel } from '../base/wheel.ts';
import type { ConnectionCounts } from '../decide/connection-counts.ts';
import type { ForwardAction, Route, WeightedDestination } from '../model/route.ts';
import type { Layer4Metrics } from '../telemetry/layer4-metrics.ts';
import type { Refusal } from '../telemetry/listener-metrics.ts';
import type { ExchangeRecord, LogNeeds, RecordTls } from '../telemetry/record.ts';
import type { Chain, ChainContext } from './chain/chain.ts';
import type { Hit } from './route/tables.ts';
import type { ClusterSet, ClusterState } from './upstream/cluster-state.ts';
import type { Staging } from './upstream/buffers.ts';
import type { UpstreamContext } from './upstream/connection.ts';

/** A destination of a route, ready to be picked. */
export interface DestinationRuntime {
  readonly spec: WeightedDestination;
  readonly cluster: ClusterState | null;
  readonly chain: Chain;
}

/** What a worker makes of a route at first use. A request pins this, not the snapshot. */
export interface RouteRuntime {
  readonly route: Route;
  /** As log and metrics name it. */
  readonly name: string;
  readonly chain: Chain;
  readonly forward: ForwardAction | null;
  readonly destinations: readonly DestinationRuntime[];
  /** Service name for limits by service. */
  readonly serviceName: string;
}

/** A match as it was hit: the same object for every request that it wins. */
export type RouteHit = Hit<RouteRuntime>;

/** Counts and writes finished exchanges. Implemented in worker.ts over telemetry/. */
export interface Telemetry {
  readonly needs: LogNeeds;
  record(record: ExchangeRecord): void;
  connectionOpened(listener: string): void;
  connectionClosed(listener: string): void;
  /** Turned away before it spoke its protocol. */
  connectionRefused(listener: string, refusal: Refusal): void;
  /** Opened for one protocol, and another one opens it anew. */
  connectionHandedOver(listener: string): void;
  /** A client's handshake succeeded. */
  handshake(listener: string, tls: RecordTls, isReused: boolean): void;
  /** Counts of connections and sessions that are not HTTP. */
  readonly layer4: Layer4Metrics;
  /** Writes the line of a connection or session that is over; it is no request. */
  log4(record: ExchangeRecord): void;
  layer4Opened(listener: string): void;
  layer4Closed(listener: string): void;
}

/** What everything in one data worker shares. */
export interface WorkerRuntime extends UpstreamContext {
  readonly staging: Staging;
  readonly wheel: Wheel;
  readonly clusters: ClusterSet;
  readonly telemetry: Telemetry;
  readonly chainContext: ChainContext;
  /** State of a cluster of the snapshot that serves; null: there is none of this name. */
  cluster(name: string): ClusterState | null;
  /** Connections and sessions at a time, over all workers. */
  readonly counts: ConnectionCounts;
  revision: number;
  /** SIGTERM came: answer with Connection: close. */
  draining: boolean;
  /** Memory is tight: new work waits (503) while there is other work under way. */
  overloaded: boolean;
  /** Exchanges under way. */
  active: number;
  /** Monotonic ms of the last request head. */
  lastRequestAt: number;
}
