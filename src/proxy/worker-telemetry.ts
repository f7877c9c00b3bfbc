import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { FromWorker } from '../model/events.ts';
import type { WorkerData } from '../model/worker.ts';
import { LogBatcher, logFormat } from '../telemetry/access-log.ts';
import { type ClusterMetrics, type ClusterTlsMetrics, ExchangeMetrics, type ListenerMetrics } from '../telemetry/exchange-metrics.ts';
import { Layer4Metrics } from '../telemetry/layer4-metrics.ts';
import { IntakeMetrics, type Refusal } from '../telemetry/listener-metrics.ts';
import { type Counter, type Gauge, WorkerMetrics } from '../telemetry/metrics.ts';
import type { ExchangeRecord, LogNeeds, RecordTls } from '../telemetry/record.ts';
import type { Telemetry } from './runtime.ts';
import type { EndpointState } from './upstream/endpoint.ts';
import type { TlsFailureKind } from './upstream/tls/failure.ts';

const noNeeds: LogNeeds = { requestHeaders: [], responseHeaders: [], responseTrailers: [] };

/** Counts and logs of one worker: shared memory for numbers, batches of lines for the log. */
export class WorkerTelemetry implements Telemetry {
  readonly needs: LogNeeds;
  readonly layer4: Layer4Metrics;
  private readonly exchanges: ExchangeMetrics;
  private readonly intake: IntakeMetrics;
  private readonly overloaded: Gauge;
  private readonly faults: Counter;
  private readonly log: LogBatcher | null;
  private readonly listeners = new Map<string, ListenerMetrics>();
  private readonly clusters = new Map<string, ClusterMetrics>();
  private readonly clustersTls = new Map<string, ClusterTlsMetrics>();

  constructor(data: WorkerData, send: (message: FromWorker, transfer?: readonly ArrayBuffer[]) => void) {
    const metrics = new WorkerMetrics(data.metrics, (first, descriptors) => send({ type: 'series', first, descriptors }));
    this.exchanges = new ExchangeMetrics(metrics);
    this.layer4 = new Layer4Metrics(metrics);
    this.intake = new IntakeMetrics(metrics);
    this.overloaded = metrics.gauge('envoy_overload_envoy_overload_actions_stop_accepting_requests_active', {});
    this.faults = metrics.counter('weir_worker_faults_total', {});
    const format = data.options.accessLog === null ? null : logFormat(data.options.accessLog);
    this.needs = format !== null && format.ok ? format.value.needs : noNeeds;
    const hand = (lines: Uint8Array): void => send({ type: 'log', lines }, lines.buffer instanceof ArrayBuffer ? [lines.buffer] : []);
    this.log = format !== null && format.ok ? new LogBatcher(format.value, hand) : null;
  }

  record(record: ExchangeRecord): void {
    this.exchanges.record(record);
    this.log?.add(record);
  }

  log4(record: ExchangeRecord): void {
    this.log?.add(record);
  }

  layer4Opened(listener: string): void {
    const { cxTotal, cxActive } = this.listener(listener);
    cxTotal.add(1);
    cxActive.add(1);
  }

  layer4Closed(listener: string): void {
    this.listener(listener).cxActive.add(-1);
  }

  /** Gauges that are read off at the tick instead of counted at each request. */
  gauge(listener: string, active: number): void {
    this.listener(listener).rqActive.set(active);
  }

  flush(): void {
    this.log?.flush();
  }

  fault(): void {
    this.faults.add(1);
  }

  connectionOpened(listener: string): void {
    const { cxTotal, cxActive, httpCxTotal, httpCxActive } = this.listener(listener);
    cxTotal.add(1);
    cxActive.add(1);
    httpCxTotal.add(1);
    httpCxActive.add(1);
  }

  connectionClosed(listener: string): void {
    const { cxActive, httpCxActive } = this.listener(listener);
    cxActive.add(-1);
    httpCxActive.add(-1);
  }

  connectionRefused(listener: string, refusal: Refusal): void {
    this.intake.refused(listener, refusal);
  }

  connectionHandedOver(listener: string): void {
    const { cxTotal, httpCxTotal } = this.listener(listener);
    cxTotal.add(-1);
    httpCxTotal.add(-1);
  }

  /** This worker refuses new requests, or does so no more. */
  overload(isActive: boolean): void {
    this.overloaded.set(isActive ? 1 : 0);
  }

  handshake(listener: string, tls: RecordTls, isReused: boolean): void {
    this.intake.handshake(listener, tls, isReused);
  }

  upstreamOpened(endpoint: EndpointState, socket?: Socket): void {
    const { cxTotal, cxActive } = this.cluster(endpoint.clusterName);
    cxTotal.add(1);
    cxActive.add(1);
    if (!(socket instanceof TLSSocket)) return;
    const { handshake, reused } = this.clusterTls(endpoint.clusterName);
    handshake.add(1);
    if (socket.isSessionReused()) reused.add(1);
  }

  upstreamClosed(endpoint: EndpointState, failedToConnect: boolean, tlsFailure: TlsFailureKind | null = null): void {
    const metrics = this.cluster(endpoint.clusterName);
    if (failedToConnect) metrics.connectFail.add(1);
    else metrics.cxActive.add(-1);
    if (tlsFailure !== null) this.clusterTls(endpoint.clusterName).failures[tlsFailure].add(1);
  }

  private listener(name: string): ListenerMetrics {
    const known = this.listeners.get(name);
    if (known !== undefined) return known;
    const made = this.exchanges.listener(name);
    this.listeners.set(name, made);
    return made;
  }

  private cluster(name: string): ClusterMetrics {
    const known = this.clusters.get(name);
    if (known !== undefined) return known;
    const made = this.exchanges.cluster(name);
    this.clusters.set(name, made);
    return made;
  }

  private clusterTls(name: string): ClusterTlsMetrics {
    const known = this.clustersTls.get(name);
    if (known !== undefined) return known;
    const made = this.exchanges.clusterTls(name);
    this.clustersTls.set(name, made);
    return made;
  }
}
