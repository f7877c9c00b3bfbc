/** Istio's and Envoy's metrics of connections and sessions that are not HTTP. */
import { type GatewayIdentity, istioConnectionLabels } from './istio-labels.ts';
import type { Counter, Gauge, Labels, WorkerMetrics } from './metrics.ts';
import type { MetricName } from './metric-names.ts';

/** Where a connection or session goes, as metrics name it. */
export interface Layer4Target {
  readonly route: string;
  readonly cluster: string;
  /** Service host and namespace of the cluster; '' when unknown. */
  readonly service: string;
  readonly namespace: string;
}

/** Handles for the connections of one route, whatever their destination. */
export interface TcpRouteMetrics {
  readonly total: Counter;
  readonly active: Gauge;
  readonly limited: Counter;
  readonly idle: Counter;
}

/** Handles for the connections of one route to one cluster. */
export interface TcpMetrics {
  readonly rx: Counter;
  readonly tx: Counter;
  readonly upstreamRx: Counter;
  readonly upstreamTx: Counter;
  readonly opened: Counter;
  readonly received: Counter;
  readonly sent: Counter;
  /** By response flags. */
  closed(flags: string): Counter;
}

export interface UdpRouteMetrics {
  readonly total: Counter;
  readonly active: Gauge;
  readonly rxBytes: Counter;
  readonly rxDatagrams: Counter;
  readonly rxErrors: Counter;
  readonly txBytes: Counter;
  readonly txDatagrams: Counter;
  readonly txErrors: Counter;
  readonly idle: Counter;
  dropped(reason: UdpDropReason): Counter;
}

export interface UdpClusterMetrics {
  readonly rxBytes: Counter;
  readonly rxDatagrams: Counter;
  readonly rxErrors: Counter;
  readonly txBytes: Counter;
  readonly txDatagrams: Counter;
  readonly txErrors: Counter;
}

export type UdpDropReason = 'sessions' | 'overload' | 'no-route' | 'no-upstream' | 'blocked' | 'queue';

/** Handles kept; names come from configuration, of which there may have been many. */
const maxKept = 10_000;

/** One per worker. Asking twice gives the same handles; connections keep theirs while they live. */
export class Layer4Metrics {
  readonly #metrics: WorkerMetrics;
  readonly #identity: GatewayIdentity;
  readonly #tcpRoutes = new Map<string, TcpRouteMetrics>();
  readonly #tcp = new Map<string, TcpMetrics>();
  readonly #udpRoutes = new Map<string, UdpRouteMetrics>();
  readonly #udpClusters = new Map<string, UdpClusterMetrics>();

  constructor(metrics: WorkerMetrics, identity: GatewayIdentity = { workload: 'weir', namespace: 'unknown' }) {
    this.#metrics = metrics;
    this.#identity = identity;
  }

  tcpRoute(route: string): TcpRouteMetrics {
    return kept(this.#tcpRoutes, route, () => {
      const labels: Labels = { envoy_tcp_prefix: route };
      const limit: Labels = { envoy_connection_limit_prefix: route };
      return {
        total: this.#counter('envoy_tcp_downstream_cx_total', labels),
        idle: this.#counter('envoy_tcp_idle_timeout', labels),
        active: this.#gauge('envoy_connection_limit_active_connections', limit),
        limited: this.#counter('envoy_connection_limit_limited_connections', limit),
      };
    });
  }

  tcp(target: Layer4Target): TcpMetrics {
    return kept(this.#tcp, `${target.route}\n${target.cluster}\n${target.service}\n${target.namespace}`, () => {
      const route: Labels = { envoy_tcp_prefix: target.route };
      const cluster: Labels = { envoy_cluster_name: target.cluster };
      const istio = istioConnectionLabels(this.#identity, target.service, target.namespace, '');
      const byFlags = new Map<string, Counter>();
      return {
        rx: this.#counter('envoy_tcp_downstream_cx_rx_bytes_total', route),
        tx: this.#counter('envoy_tcp_downstream_cx_tx_bytes_total', route),
        upstreamRx: this.#counter('envoy_cluster_upstream_cx_rx_bytes_total', cluster),
        upstreamTx: this.#counter('envoy_cluster_upstream_cx_tx_bytes_total', cluster),
        opened: this.#counter('istio_tcp_connections_opened_total', istio),
        received: this.#counter('istio_tcp_received_bytes_total', istio),
        sent: this.#counter('istio_tcp_sent_bytes_total', istio),
        closed: (flags) =>
          kept(byFlags, flags, () =>
            this.#counter(
              'istio_tcp_connections_closed_total',
              istioConnectionLabels(this.#identity, target.service, target.namespace, flags),
            ),
          ),
      };
    });
  }

  udpRoute(route: string): UdpRouteMetrics {
    return kept(this.#udpRoutes, route, () => {
      const labels: Labels = { envoy_udp_prefix: route };
      const byReason = new Map<string, Counter>();
      return {
        total: this.#counter('envoy_udp_downstream_sess_total', labels),
        active: this.#gauge('envoy_udp_downstream_sess_active', labels),
        rxBytes: this.#counter('envoy_udp_downstream_sess_rx_bytes', labels),
        rxDatagrams: this.#counter('envoy_udp_downstream_sess_rx_datagrams', labels),
        rxErrors: this.#counter('envoy_udp_downstream_sess_rx_errors', labels),
        txBytes: this.#counter('envoy_udp_downstream_sess_tx_bytes', labels),
        txDatagrams: this.#counter('envoy_udp_downstream_sess_tx_datagrams', labels),
        txErrors: this.#counter('envoy_udp_downstream_sess_tx_errors', labels),
        idle: this.#counter('envoy_udp_idle_timeout', labels),
        dropped: (reason) => kept(byReason, reason, () => this.#counter('weir_udp_datagrams_dropped_total', { route, reason })),
      };
    });
  }

  udpCluster(cluster: string): UdpClusterMetrics {
    return kept(this.#udpClusters, cluster, () => {
      const labels: Labels = { envoy_cluster_name: cluster };
      return {
        rxBytes: this.#counter('envoy_cluster_upstream_cx_rx_bytes_total', labels),
        rxDatagrams: this.#counter('envoy_cluster_udp_sess_rx_datagrams', labels),
        rxErrors: this.#counter('envoy_cluster_udp_sess_rx_errors', labels),
        txBytes: this.#counter('envoy_cluster_upstream_cx_tx_bytes_total', labels),
        txDatagrams: this.#counter('envoy_cluster_udp_sess_tx_datagrams', labels),
        txErrors: this.#counter('envoy_cluster_udp_sess_tx_errors', labels),
      };
    });
  }

  #counter(name: MetricName, labels: Labels): Counter {
    return this.#metrics.counter(name, labels);
  }

  #gauge(name: MetricName, labels: Labels): Gauge {
    return this.#metrics.gauge(name, labels);
  }
}

function kept<T>(map: Map<string, T>, key: string, make: () => T): T {
  const known = map.get(key);
  if (known !== undefined) return known;
  if (map.size >= maxKept) map.clear();
  const made = make();
  map.set(key, made);
  return made;
}
