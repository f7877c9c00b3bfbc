import type { MetricType } from './metrics.ts';

export interface MetricInfo {
  readonly type: MetricType;
  readonly help: string;
  readonly labels: readonly string[];
}

const istioLabels = [
  'reporter',
  'source_workload',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'source_canonical_service',
  'source_canonical_revision',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_cluster',
  'destination_service',
  'destination_service_name',
  'destination_service_namespace',
  'destination_canonical_service',
  'destination_canonical_revision',
  'request_protocol',
  'response_code',
  'grpc_response_status',
  'response_flags',
  'connection_security_policy',
] as const;

/** Istio's labels of connections: no status, as there is none. */
const istioTcpLabels = istioLabels.filter((label) => label !== 'response_code' && label !== 'grpc_response_status');
const cluster = ['envoy_cluster_name'] as const;
const tcp = ['envoy_tcp_prefix'] as const;
const udp = ['envoy_udp_prefix'] as const;
const limited = ['envoy_connection_limit_prefix'] as const;
const manager = ['envoy_http_conn_manager_prefix'] as const;
const listener = ['envoy_listener_address'] as const;

/** Every metric Weir exposes: the source of HELP lines and of docs/reference/metrics.md. */
export const metricNames = {
  istio_requests_total: { type: 'counter', labels: istioLabels, help: 'Requests that Weir handled, by destination and outcome.' },
  istio_request_duration_milliseconds: {
    type: 'histogram',
    labels: istioLabels,
    help: 'Time from the first byte of a request to the end of its response, ms.',
  },
  istio_request_bytes: { type: 'histogram', labels: istioLabels, help: 'Body bytes of requests.' },
  istio_response_bytes: { type: 'histogram', labels: istioLabels, help: 'Body bytes of responses.' },
  istio_request_messages_total: { type: 'counter', labels: istioLabels, help: 'Whole messages that gRPC clients sent.' },
  istio_response_messages_total: { type: 'counter', labels: istioLabels, help: 'Whole messages that gRPC clients were sent.' },
  istio_tcp_connections_opened_total: { type: 'counter', labels: istioTcpLabels, help: 'Layer 4 connections that were forwarded.' },
  istio_tcp_connections_closed_total: { type: 'counter', labels: istioTcpLabels, help: 'Layer 4 connections that ended.' },
  istio_tcp_sent_bytes_total: { type: 'counter', labels: istioTcpLabels, help: 'Bytes sent to clients of layer 4 connections.' },
  istio_tcp_received_bytes_total: { type: 'counter', labels: istioTcpLabels, help: 'Bytes received from clients of layer 4 connections.' },

  envoy_cluster_upstream_rq_total: { type: 'counter', labels: cluster, help: 'Requests whose route led to the cluster.' },
  envoy_cluster_upstream_rq: {
    type: 'counter',
    labels: [...cluster, 'envoy_response_code'],
    help: 'Responses of the cluster by status code.',
  },
  envoy_cluster_upstream_rq_xx: {
    type: 'counter',
    labels: [...cluster, 'envoy_response_code_class'],
    help: 'Responses of the cluster by class of status code.',
  },
  envoy_cluster_upstream_rq_time: {
    type: 'histogram',
    labels: cluster,
    help: 'Time from the request sent to the head of the response, ms.',
  },
  envoy_cluster_upstream_rq_timeout: {
    type: 'counter',
    labels: cluster,
    help: 'Requests that ran into a timeout of the route or upstream (flag UT).',
  },
  envoy_cluster_upstream_rq_retry: { type: 'counter', labels: cluster, help: 'Attempts beyond the first one.' },
  envoy_cluster_upstream_cx_total: { type: 'counter', labels: cluster, help: 'Connections opened to the cluster.' },
  envoy_cluster_upstream_cx_active: { type: 'gauge', labels: cluster, help: 'Open connections to the cluster.' },
  envoy_cluster_upstream_cx_connect_fail: {
    type: 'counter',
    labels: cluster,
    help: 'Connections to the cluster that could not be opened.',
  },
  envoy_cluster_upstream_cx_rx_bytes_total: {
    type: 'counter',
    labels: cluster,
    help: 'Bytes that the cluster sent on layer 4 connections and sessions.',
  },
  envoy_cluster_upstream_cx_tx_bytes_total: {
    type: 'counter',
    labels: cluster,
    help: 'Bytes sent to the cluster on layer 4 connections and sessions.',
  },

  envoy_tcp_downstream_cx_total: { type: 'counter', labels: tcp, help: 'Connections of a layer 4 route.' },
  envoy_tcp_downstream_cx_rx_bytes_total: { type: 'counter', labels: tcp, help: 'Bytes received from clients of a layer 4 route.' },
  envoy_tcp_downstream_cx_tx_bytes_total: { type: 'counter', labels: tcp, help: 'Bytes sent to clients of a layer 4 route.' },
  envoy_tcp_idle_timeout: { type: 'counter', labels: tcp, help: 'Connections of a layer 4 route that were closed for silence.' },
  envoy_connection_limit_active_connections: { type: 'gauge', labels: limited, help: 'Open connections of a layer 4 route.' },
  envoy_connection_limit_limited_connections: {
    type: 'counter',
    labels: limited,
    help: 'Connections closed because their layer 4 route had too many (flag UO).',
  },
  envoy_udp_downstream_sess_total: { type: 'counter', labels: udp, help: 'UDP sessions of a route.' },
  envoy_udp_downstream_sess_active: { type: 'gauge', labels: udp, help: 'UDP sessions of a route that are open.' },
  envoy_udp_downstream_sess_rx_bytes: { type: 'counter', labels: udp, help: 'Bytes of datagrams from clients.' },
  envoy_udp_downstream_sess_rx_datagrams: { type: 'counter', labels: udp, help: 'Datagrams from clients.' },
  envoy_udp_downstream_sess_rx_errors: { type: 'counter', labels: udp, help: 'Errors of sockets that receive from clients.' },
  envoy_udp_downstream_sess_tx_bytes: { type: 'counter', labels: udp, help: 'Bytes of datagrams to clients.' },
  envoy_udp_downstream_sess_tx_datagrams: { type: 'counter', labels: udp, help: 'Datagrams to clients.' },
  envoy_udp_downstream_sess_tx_errors: { type: 'counter', labels: udp, help: 'Datagrams that could not be sent to a client.' },
  envoy_udp_idle_timeout: { type: 'counter', labels: udp, help: 'UDP sessions that ended for silence.' },
  envoy_cluster_udp_sess_rx_datagrams: { type: 'counter', labels: cluster, help: 'Datagrams from the cluster.' },
  envoy_cluster_udp_sess_rx_errors: { type: 'counter', labels: cluster, help: 'Refusals (ICMP) and errors from the cluster.' },
  envoy_cluster_udp_sess_tx_datagrams: { type: 'counter', labels: cluster, help: 'Datagrams to the cluster.' },
  envoy_cluster_udp_sess_tx_errors: { type: 'counter', labels: cluster, help: 'Datagrams that could not be sent to the cluster.' },
  weir_udp_datagrams_dropped_total: {
    type: 'counter',
    labels: ['route', 'reason'],
    help: 'Datagrams dropped, by reason: sessions (there are too many), overload (memory is tight), no-route, no-upstream, blocked, queue.',
  },
  envoy_cluster_ssl_handshake: { type: 'counter', labels: cluster, help: 'TLS handshakes with the cluster that succeeded.' },
  envoy_cluster_ssl_session_reused: { type: 'counter', labels: cluster, help: 'Handshakes with the cluster that resumed a session.' },
  envoy_cluster_ssl_connection_error: {
    type: 'counter',
    labels: cluster,
    help: 'TLS connections to the cluster that failed for another reason than its certificate; without a usable secret too.',
  },
  envoy_cluster_ssl_fail_verify_error: {
    type: 'counter',
    labels: cluster,
    help: 'Certificates of the cluster that no trusted authority stands behind, or that are out of date or revoked.',
  },
  envoy_cluster_ssl_fail_verify_san: {
    type: 'counter',
    labels: cluster,
    help: 'Certificates of the cluster with none of the expected names.',
  },

  envoy_http_downstream_rq_total: { type: 'counter', labels: manager, help: 'Requests of a listener.' },
  envoy_http_downstream_rq_xx: {
    type: 'counter',
    labels: [...manager, 'envoy_response_code_class'],
    help: 'Responses of a listener by class of status code.',
  },
  envoy_http_downstream_rq_time: { type: 'histogram', labels: manager, help: 'Whole time of requests of a listener, ms.' },
  envoy_http_downstream_rq_active: { type: 'gauge', labels: manager, help: 'Requests in progress on a listener.' },
  envoy_http_downstream_cx_total: { type: 'counter', labels: manager, help: 'Connections of a listener that spoke HTTP.' },
  envoy_http_downstream_cx_active: { type: 'gauge', labels: manager, help: 'Open HTTP connections of a listener.' },
  envoy_http_no_route: { type: 'counter', labels: manager, help: 'Requests that no route matched (flag NR).' },
  envoy_http_no_cluster: { type: 'counter', labels: manager, help: 'Requests whose cluster does not exist (flag NC).' },
  envoy_http_downstream_rq_overload_close: {
    type: 'counter',
    labels: manager,
    help: 'Requests refused because memory was tight (flag OM).',
  },
  envoy_http_rate_limited: { type: 'counter', labels: manager, help: 'Requests answered by a rate limit (flag RL).' },
  envoy_listener_downstream_cx_total: { type: 'counter', labels: listener, help: 'Connections that a listener accepted.' },
  envoy_listener_downstream_cx_active: { type: 'gauge', labels: listener, help: 'Open connections of a listener.' },
  envoy_listener_downstream_cx_overflow: {
    type: 'counter',
    labels: listener,
    help: 'Connections refused because the listener had too many.',
  },
  envoy_listener_downstream_global_cx_overflow: {
    type: 'counter',
    labels: listener,
    help: 'Connections refused because the whole process had too many.',
  },
  envoy_listener_no_filter_chain_match: { type: 'counter', labels: listener, help: 'Connections closed because no chain was for them.' },
  envoy_listener_downstream_pre_cx_timeout: {
    type: 'counter',
    labels: listener,
    help: 'Connections closed because their first bytes (PROXY header, ClientHello) took too long.',
  },
  envoy_listener_downstream_cx_transport_socket_connect_timeout: {
    type: 'counter',
    labels: listener,
    help: 'Connections closed because their TLS handshake took too long.',
  },
  envoy_listener_ssl_handshake: { type: 'counter', labels: listener, help: 'TLS handshakes that succeeded.' },
  envoy_listener_ssl_versions: {
    type: 'counter',
    labels: [...listener, 'envoy_ssl_version'],
    help: 'TLS handshakes that succeeded, by version.',
  },
  envoy_listener_ssl_ciphers: {
    type: 'counter',
    labels: [...listener, 'envoy_ssl_cipher'],
    help: 'TLS handshakes that succeeded, by cipher.',
  },
  envoy_listener_ssl_session_reused: { type: 'counter', labels: listener, help: 'Handshakes that resumed a session.' },
  envoy_listener_ssl_no_certificate: { type: 'counter', labels: listener, help: 'Handshakes without a client certificate.' },
  envoy_listener_ssl_connection_error: {
    type: 'counter',
    labels: listener,
    help: 'Handshakes that failed for another reason than the client certificate.',
  },
  envoy_listener_ssl_fail_verify_no_cert: {
    type: 'counter',
    labels: listener,
    help: 'Handshakes that failed because a client certificate was missing.',
  },
  envoy_listener_ssl_fail_verify_error: {
    type: 'counter',
    labels: listener,
    help: 'Client certificates that no trusted authority stands behind, or that are out of date or revoked.',
  },
  envoy_listener_ssl_fail_verify_san: { type: 'counter', labels: listener, help: 'Client certificates with none of the accepted names.' },
  envoy_listener_ssl_fail_verify_cert_hash: {
    type: 'counter',
    labels: listener,
    help: 'Client certificates that are not the pinned ones.',
  },
  weir_listener_refused_total: {
    type: 'counter',
    labels: [...listener, 'reason'],
    help: 'Connections turned away before they spoke their protocol, by reason.',
  },

  envoy_overload_envoy_overload_actions_stop_accepting_requests_active: {
    type: 'gauge',
    labels: [],
    help: 'Data workers that refuse new requests because memory is tight.',
  },
  envoy_server_live: { type: 'gauge', labels: [], help: '1 once the server serves and until it drains.' },
  envoy_server_uptime: { type: 'gauge', labels: [], help: 'Seconds since the start.' },
  envoy_server_concurrency: { type: 'gauge', labels: [], help: 'Data workers.' },
  envoy_server_memory_allocated: { type: 'gauge', labels: [], help: 'Resident memory of the process, bytes.' },
  envoy_listener_manager_total_listeners_active: { type: 'gauge', labels: [], help: 'Listeners that serve.' },
  envoy_cluster_manager_active_clusters: { type: 'gauge', labels: [], help: 'Clusters of the revision in force.' },

  weir_config_revision: { type: 'gauge', labels: [], help: 'Revision in force.' },
  weir_config_updates_total: {
    type: 'counter',
    labels: ['result'],
    help: 'Configuration changes, by result: applied, or with-errors when a part stayed as it was.',
  },
  weir_config_diagnostics: { type: 'gauge', labels: ['severity'], help: 'Diagnostics of the revision in force.' },
  weir_config_apply_milliseconds: { type: 'histogram', labels: [], help: 'Time from a change seen to all workers serving it, ms.' },
  weir_certificate_expiry_seconds: {
    type: 'gauge',
    labels: ['secret'],
    help: 'Seconds until the first certificate of the secret expires, negative once it has; NaN when the secret is no longer used.',
  },
  weir_worker_restarts_total: { type: 'counter', labels: [], help: 'Data workers that died and were replaced.' },
  weir_worker_faults_total: { type: 'counter', labels: [], help: 'Bugs that ended one exchange.' },
  weir_access_log_lines_dropped_total: { type: 'counter', labels: [], help: 'Access-log lines dropped because the sink was too slow.' },
  weir_metrics_overflow_total: {
    type: 'counter',
    labels: [],
    help: 'Counts that had no series of their own because there were too many label sets.',
  },
} as const satisfies Readonly<Record<string, MetricInfo>>;

export type MetricName = keyof typeof metricNames;

const infos: ReadonlyMap<string, MetricInfo> = new Map(Object.entries(metricNames));

/** Type and help of a metric; a plain text for a name that a filter made up. */
export function metricInfo(name: string): MetricInfo {
  return infos.get(name) ?? { type: 'counter', help: name.replaceAll('_', ' '), labels: [] };
}
