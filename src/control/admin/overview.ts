import type { AdminSource } from './endpoints.ts';

/** The numbers that change while somebody looks. */
export interface Overview {
  readonly revision: number;
  readonly state: 'starting' | 'live' | 'draining';
  readonly workers: number;
  readonly requests: number;
  readonly active: number;
  readonly connections: number;
  readonly noRoute: number;
  readonly rateLimited: number;
  readonly errors: number;
  readonly warnings: number;
  readonly quarantined: number;
  readonly listeners: readonly { readonly name: string; readonly requests: number; readonly connections: number }[];
}

export function overview(source: AdminSource): Overview {
  const { metrics } = source;
  const { revision, draining, diagnostics, quarantined, outcome } = source.state();
  const severity = (wanted: string): number => diagnostics.filter((diagnostic) => diagnostic.severity === wanted).length;
  return {
    revision,
    state: draining ? 'draining' : source.ready() ? 'live' : 'starting',
    workers: source.workersReady(),
    requests: metrics.total('envoy_http_downstream_rq_total'),
    active: metrics.total('envoy_http_downstream_rq_active'),
    connections: metrics.total('envoy_listener_downstream_cx_active'),
    noRoute: metrics.total('envoy_http_no_route'),
    rateLimited: metrics.total('envoy_http_rate_limited'),
    errors: severity('error'),
    warnings: severity('warning'),
    quarantined,
    listeners: (outcome?.summary.listeners ?? []).map(({ name }) => ({
      name,
      requests: metrics.value('envoy_http_downstream_rq_total', { envoy_http_conn_manager_prefix: name }),
      connections: metrics.value('envoy_listener_downstream_cx_active', { envoy_listener_address: name }),
    })),
  };
}
