import type { ServingState } from '../../control/state.ts';
import type { MetricsAggregator } from '../../telemetry/aggregate.ts';
import type { Gauge } from '../../telemetry/metrics.ts';

export interface ProcessNumbers {
  readonly state: ServingState;
  readonly workers: number;
  readonly droppedLogLines: number;
}

/** What the main thread alone knows; read when somebody scrapes. */
export function exposeProcess(metrics: MetricsAggregator, numbers: () => ProcessNumbers): void {
  const { local } = metrics;
  const live = local.gauge('envoy_server_live');
  const uptime = local.gauge('envoy_server_uptime');
  const concurrency = local.gauge('envoy_server_concurrency');
  const memory = local.gauge('envoy_server_memory_allocated');
  const listeners = local.gauge('envoy_listener_manager_total_listeners_active');
  const clusters = local.gauge('envoy_cluster_manager_active_clusters');
  const revision = local.gauge('weir_config_revision');
  const dropped = local.counter('weir_access_log_lines_dropped_total');
  const severities = (['error', 'warning', 'info'] as const).map((severity) => ({
    severity,
    gauge: local.gauge('weir_config_diagnostics', { severity }),
  }));
  let expiries: ReadonlySet<Gauge> = new Set();
  metrics.onCollect(() => {
    const { state, workers, droppedLogLines } = numbers();
    live.set(state.appliedAt !== null && !state.draining ? 1 : 0);
    uptime.set(Math.floor(process.uptime()));
    concurrency.set(workers);
    memory.set(process.memoryUsage.rss());
    listeners.set(state.bindings.length);
    clusters.set(state.outcome?.summary.clusters ?? 0);
    revision.set(state.revision);
    dropped.add(droppedLogLines - dropped.value);
    const inUse = new Set<Gauge>();
    for (const { secret, validTo } of state.outcome?.summary.certificates ?? []) {
      const gauge = local.gauge('weir_certificate_expiry_seconds', { secret });
      gauge.set(Math.floor((validTo - Date.now()) / 1000));
      inUse.add(gauge);
    }
    for (const gauge of expiries) if (!inUse.has(gauge)) gauge.set(Number.NaN);
    expiries = inUse;
    for (const { severity, gauge } of severities)
      gauge.set(state.diagnostics.filter((diagnostic) => diagnostic.severity === severity).length);
  });
}
