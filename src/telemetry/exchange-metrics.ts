import { type GatewayIdentity, istioLabels } from './istio-labels.ts';
import type { Counter, Gauge, Histogram, Labels, WorkerMetrics } from './metrics.ts';
import type { MetricName } from './metric-names.ts';
import type { ExchangeRecord } from './record.ts';

/** Handles for one listener's connections; the connection code keeps them. */
export interface ListenerMetrics {
  readonly cxTotal: Counter;
  readonly cxActive: Gauge;
  readonly httpCxTotal: Counter;
  readonly httpCxActive: Gauge;
  readonly rqActive: Gauge;
}

/** Handles for one cluster's connections; the pool keeps them. */
export interface ClusterMetrics {
  readonly cxTotal: Counter;
  readonly cxActive: Gauge;
  readonly connectFail: Counter;
}

/** Handles for TLS with one cluster. */
export interface ClusterTlsMetrics {
  readonly handshake: Counter;
  readonly reused: Counter;
  /** By why it failed. */
  readonly failures: { readonly connection: Counter; readonly chain: Counter; readonly name: Counter };
}

/** Handles for one outcome (status and flags) at one destination. */
interface Outcome {
  readonly requests: Counter;
  readonly duration: Histogram;
  readonly requestBytes: Histogram;
  readonly responseBytes: Histogram;
  /** Null when it was not gRPC. */
  readonly requestMessages: Counter | null;
  readonly responseMessages: Counter | null;
  /** Null when no cluster was chosen. */
  readonly clusterCode: Counter | null;
  readonly clusterClass: Counter | null;
}

/** What is the same for every exchange with one destination. */
interface Destination {
  readonly cluster: string;
  readonly service: string;
  readonly namespace: string;
  readonly total: Counter | null;
  readonly time: Histogram | null;
  readonly timeout: Counter | null;
  readonly retry: Counter | null;
  /** By status, for exchanges without flags: the common case is one array look-up. */
  readonly plain: (Outcome | undefined)[];
  /** gRPC exchanges that HTTP calls a success, by gRPC status. */
  readonly grpc: (Outcome | undefined)[];
  readonly flagged: Map<string, Outcome>;
}

interface Manager {
  readonly listener: string;
  readonly total: Counter;
  readonly time: Histogram;
  readonly classes: readonly Counter[];
  readonly noRoute: Counter;
  readonly noCluster: Counter;
  readonly rateLimited: Counter;
  readonly overload: Counter;
}

/** The last code that gRPC knows. */
const maxGrpcStatus = 16;
const classNames = ['0', '1', '2', '3', '4', '5'] as const;

/**
 * Turns finished exchanges into Istio's and Envoy's standard metrics. One per worker. Series are made at the first
 * exchange of their kind; after that an exchange costs array writes only.
 */
export class ExchangeMetrics {
  readonly #metrics: WorkerMetrics;
  readonly #identity: GatewayIdentity;
  readonly #destinations = new Map<string, Destination>();
  readonly #managers = new Map<string, Manager>();
  // Most traffic repeats its listener and destination: comparing two pointers is cheaper than a hash.
  #destination: Destination;
  #manager: Manager | null = null;

  constructor(metrics: WorkerMetrics, identity: GatewayIdentity = { workload: 'weir', namespace: 'unknown' }) {
    this.#metrics = metrics;
    this.#identity = identity;
    this.#destination = this.#makeDestination('', '', '');
  }

  record(record: ExchangeRecord): void {
    let manager = this.#manager;
    if (manager === null || manager.listener !== record.listener) manager = this.#manager = this.#findManager(record.listener);
    let destination = this.#destination;
    if (
      destination.cluster !== record.upstreamCluster ||
      destination.service !== record.upstreamService ||
      destination.namespace !== record.upstreamServiceNamespace
    ) {
      destination = this.#destination = this.#findDestination(record);
    }
    const status = record.responseCode;
    let outcome: Outcome | undefined;
    if (record.isGrpc === true) outcome = this.#grpcOutcome(destination, record);
    else outcome = record.responseFlags === '' ? destination.plain[status] : destination.flagged.get(`${status} ${record.responseFlags}`);
    if (outcome === undefined) outcome = this.#makeOutcome(destination, status, record.responseFlags);

    outcome.requests.add(1);
    outcome.duration.observe(record.durationMs);
    outcome.requestBytes.observe(record.bytesReceived);
    outcome.responseBytes.observe(record.bytesSent);
    if (record.isGrpc === true) {
      outcome.requestMessages?.add(record.requestMessages ?? 0);
      outcome.responseMessages?.add(record.responseMessages ?? 0);
    }
    manager.total.add(1);
    manager.time.observe(record.durationMs);
    const statusClass = (status / 100) | 0;
    manager.classes[statusClass >= 0 && statusClass < 6 ? statusClass : 0].add(1);
    if (destination.total !== null) this.#recordCluster(destination, outcome, record);
    if (record.responseFlags !== '') countFlags(manager, destination, record.responseFlags);
  }

  listener(name: string): ListenerMetrics {
    const byListener: Labels = { envoy_listener_address: name };
    const byManager: Labels = { envoy_http_conn_manager_prefix: name };
    return {
      cxTotal: this.#counter('envoy_listener_downstream_cx_total', byListener),
      cxActive: this.#gauge('envoy_listener_downstream_cx_active', byListener),
      httpCxTotal: this.#counter('envoy_http_downstream_cx_total', byManager),
      httpCxActive: this.#gauge('envoy_http_downstream_cx_active', byManager),
      rqActive: this.#gauge('envoy_http_downstream_rq_active', byManager),
    };
  }

  cluster(name: string): ClusterMetrics {
    const labels: Labels = { envoy_cluster_name: name };
    return {
      cxTotal: this.#counter('envoy_cluster_upstream_cx_total', labels),
      cxActive: this.#gauge('envoy_cluster_upstream_cx_active', labels),
      connectFail: this.#counter('envoy_cluster_upstream_cx_connect_fail', labels),
    };
  }

  clusterTls(name: string): ClusterTlsMetrics {
    const labels: Labels = { envoy_cluster_name: name };
    return {
      handshake: this.#counter('envoy_cluster_ssl_handshake', labels),
      reused: this.#counter('envoy_cluster_ssl_session_reused', labels),
      failures: {
        connection: this.#counter('envoy_cluster_ssl_connection_error', labels),
        chain: this.#counter('envoy_cluster_ssl_fail_verify_error', labels),
        name: this.#counter('envoy_cluster_ssl_fail_verify_san', labels),
      },
    };
  }

  #recordCluster(destination: Destination, outcome: Outcome, record: ExchangeRecord): void {
    destination.total?.add(1);
    outcome.clusterCode?.add(1);
    outcome.clusterClass?.add(1);
    if (record.upstreamServiceTimeMs >= 0) destination.time?.observe(record.upstreamServiceTimeMs);
    if (record.upstreamAttempts > 1) destination.retry?.add(record.upstreamAttempts - 1);
  }

  #findDestination(record: ExchangeRecord): Destination {
    const { upstreamCluster, upstreamService, upstreamServiceNamespace } = record;
    const known = this.#destinations.get(upstreamCluster);
    if (known !== undefined && known.service === upstreamService && known.namespace === upstreamServiceNamespace) return known;
    return this.#makeDestination(upstreamCluster, upstreamService, upstreamServiceNamespace);
  }

  #makeDestination(cluster: string, service: string, namespace: string): Destination {
    const labels: Labels = { envoy_cluster_name: cluster };
    const none = cluster === '';
    const destination: Destination = {
      cluster,
      service,
      namespace,
      total: none ? null : this.#counter('envoy_cluster_upstream_rq_total', labels),
      time: none ? null : this.#metrics.histogram('envoy_cluster_upstream_rq_time', 'milliseconds', labels),
      timeout: none ? null : this.#counter('envoy_cluster_upstream_rq_timeout', labels),
      retry: none ? null : this.#counter('envoy_cluster_upstream_rq_retry', labels),
      plain: [],
      grpc: [],
      flagged: new Map(),
    };
    this.#destinations.set(cluster, destination);
    return destination;
  }

  #findManager(listener: string): Manager {
    const known = this.#managers.get(listener);
    if (known !== undefined) return known;
    const labels: Labels = { envoy_http_conn_manager_prefix: listener };
    const manager: Manager = {
      listener,
      total: this.#counter('envoy_http_downstream_rq_total', labels),
      time: this.#metrics.histogram('envoy_http_downstream_rq_time', 'milliseconds', labels),
      classes: classNames.map((name) => this.#counter('envoy_http_downstream_rq_xx', { ...labels, envoy_response_code_class: name })),
      noRoute: this.#counter('envoy_http_no_route', labels),
      noCluster: this.#counter('envoy_http_no_cluster', labels),
      rateLimited: this.#counter('envoy_http_rate_limited', labels),
      overload: this.#counter('envoy_http_downstream_rq_overload_close', labels),
    };
    this.#managers.set(listener, manager);
    return manager;
  }

  #grpcOutcome(destination: Destination, record: ExchangeRecord): Outcome {
    const { responseCode, responseFlags, grpcStatus = -1 } = record;
    if (responseFlags === '' && responseCode === 200 && grpcStatus >= 0 && grpcStatus <= maxGrpcStatus)
      return (destination.grpc[grpcStatus] ??= this.#outcomeOf(destination, 200, '', grpcStatus));
    const key = `${responseCode} ${responseFlags} ${grpcStatus}`;
    const known = destination.flagged.get(key);
    if (known !== undefined) return known;
    const made = this.#outcomeOf(destination, responseCode, responseFlags, grpcStatus);
    if (destination.flagged.size < 1000) destination.flagged.set(key, made);
    return made;
  }

  #makeOutcome(destination: Destination, status: number, flags: string): Outcome {
    const outcome = this.#outcomeOf(destination, status, flags, null);
    // Status codes are three digits; anything else would make the array sparse without bound.
    if (flags === '' && status >= 0 && status < 1000) destination.plain[status] = outcome;
    else if (destination.flagged.size < 1000) destination.flagged.set(`${status} ${flags}`, outcome);
    return outcome;
  }

  #outcomeOf(destination: Destination, status: number, flags: string, grpcStatus: number | null): Outcome {
    const labels = istioLabels(this.#identity, destination.service, destination.namespace, status, flags, grpcStatus);
    const { cluster } = destination;
    return {
      requests: this.#counter('istio_requests_total', labels),
      duration: this.#metrics.histogram('istio_request_duration_milliseconds', 'milliseconds', labels),
      requestBytes: this.#metrics.histogram('istio_request_bytes', 'bytes', labels),
      responseBytes: this.#metrics.histogram('istio_response_bytes', 'bytes', labels),
      requestMessages: grpcStatus === null ? null : this.#counter('istio_request_messages_total', labels),
      responseMessages: grpcStatus === null ? null : this.#counter('istio_response_messages_total', labels),
      clusterCode:
        cluster === ''
          ? null
          : this.#counter('envoy_cluster_upstream_rq', { envoy_cluster_name: cluster, envoy_response_code: String(status) }),
      clusterClass:
        cluster === ''
          ? null
          : this.#counter('envoy_cluster_upstream_rq_xx', {
              envoy_cluster_name: cluster,
              envoy_response_code_class: String((status / 100) | 0),
            }),
    };
  }

  #counter(name: MetricName, labels: Labels): Counter {
    return this.#metrics.counter(name, labels);
  }

  #gauge(name: MetricName, labels: Labels): Gauge {
    return this.#metrics.gauge(name, labels);
  }
}

function countFlags(manager: Manager, destination: Destination, flags: string): void {
  const list = flags.split(',');
  if (list.includes('NR')) manager.noRoute.add(1);
  if (list.includes('NC')) manager.noCluster.add(1);
  if (list.includes('RL')) manager.rateLimited.add(1);
  if (list.includes('OM')) manager.overload.add(1);
  if (list.includes('UT')) destination.timeout?.add(1);
}
