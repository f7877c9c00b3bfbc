/** DestinationRules refine the clusters of every dialect (Istio: TrafficPolicy). */
import type { Balancer, Cluster } from '../../model/cluster.ts';
import type { PendingField } from '../../model/route.ts';
import type { MergedRule, RuleBook } from './rules.ts';
import { durationMs } from './schema/common.ts';
import type { PolicySettings, TrafficPolicy } from './schema/destination-rule.ts';

export function refineClusters(clusters: readonly Cluster[], rules: RuleBook): readonly Cluster[] {
  return clusters.map((cluster) => {
    const rule = rules.find(cluster.service, cluster.serviceNamespace);
    return rule === null ? cluster : refine(cluster, rule);
  });
}

function refine(cluster: Cluster, rule: MergedRule): Cluster {
  const [, portText, subset] = cluster.name.split('|');
  const port = Number(portText);
  const own = subset === undefined ? undefined : rule.subsets.get(subset)?.value.trafficPolicy;
  const settings = merge(merge({}, rule.policy?.value, port), own, port);
  const wide = { ...rule.policy?.value, ...own };
  const timeout = settings.connectionPool?.tcp?.connectTimeout;
  const pending: PendingField[] = [...cluster.pending, ...pendingOf(settings)];
  for (const field of ['tunnel', 'proxyProtocol', 'retryBudget'] as const)
    if (wide[field] !== undefined) pending.push({ field: `trafficPolicy.${field}`, value: wide[field], restricts: false });
  // Of several rules for a host the first policy counts; TLS that another one asks for is not given up for that.
  const other = rule.items.find((item) => item !== rule.policy?.item && asksForTls(merge({}, item.spec.trafficPolicy, port)));
  const tls = settings.tls?.mode ?? (other === undefined ? 'DISABLE' : 'of another rule for the host');
  if (tls !== 'DISABLE') pending.push({ field: 'trafficPolicy.tls', value: settings.tls, restricts: true });
  return {
    ...cluster,
    balancer: balancerOf(settings) ?? cluster.balancer,
    connectTimeoutMs:
      timeout === undefined ? cluster.connectTimeoutMs : Math.max(1, Math.round(durationMs(timeout) ?? cluster.connectTimeoutMs)),
    pending,
    ...(tls === 'DISABLE' ? {} : { blocked: `DestinationRule asks for TLS (${tls}) to ${cluster.service}, which does not run yet` }),
  };
}

function asksForTls({ tls }: PolicySettings): boolean {
  return tls?.mode !== undefined && tls.mode !== 'DISABLE';
}

/** Whole sub-objects override; settings of the port replace all of them, inheriting nothing. */
function merge(base: PolicySettings, policy: TrafficPolicy | undefined, port: number): PolicySettings {
  if (policy === undefined) return base;
  const level = policy.portLevelSettings?.find((one) => one.port.number === port);
  if (level !== undefined)
    return {
      loadBalancer: level.loadBalancer,
      connectionPool: level.connectionPool,
      outlierDetection: level.outlierDetection,
      tls: level.tls,
    };
  return {
    loadBalancer: policy.loadBalancer ?? base.loadBalancer,
    connectionPool: policy.connectionPool ?? base.connectionPool,
    outlierDetection: policy.outlierDetection ?? base.outlierDetection,
    tls: policy.tls ?? base.tls,
  };
}

function balancerOf(settings: PolicySettings): Balancer | null {
  switch (settings.loadBalancer?.simple) {
    case 'ROUND_ROBIN':
      return { policy: 'round-robin' };
    case 'RANDOM':
      return { policy: 'random' };
    case 'LEAST_REQUEST':
    case 'LEAST_CONN':
    case 'UNSPECIFIED':
      return { policy: 'least-request', choices: 2 };
    default:
      return null;
  }
}

function pendingOf({ loadBalancer, connectionPool, outlierDetection }: PolicySettings): PendingField[] {
  const pending: PendingField[] = [];
  const add = (field: string, value: unknown): void => {
    if (value !== undefined) pending.push({ field: `trafficPolicy.${field}`, value, restricts: false });
  };
  if (loadBalancer?.simple === 'PASSTHROUGH') add('loadBalancer.simple', 'PASSTHROUGH');
  for (const field of ['consistentHash', 'localityLbSetting', 'zoneAwareLbSetting', 'warmup'] as const)
    add(`loadBalancer.${field}`, loadBalancer?.[field]);
  // Retired fields are kept as their successors.
  if (loadBalancer?.warmupDurationSecs !== undefined && loadBalancer.warmup === undefined)
    add('loadBalancer.warmup', { duration: loadBalancer.warmupDurationSecs });
  for (const [field, value] of Object.entries(connectionPool?.tcp ?? {}))
    if (field !== 'connectTimeout') add(`connectionPool.tcp.${field}`, value);
  for (const [field, value] of Object.entries(connectionPool?.http ?? {})) add(`connectionPool.http.${field}`, value);
  if (outlierDetection !== undefined) {
    const { consecutiveErrors, ...rest } = outlierDetection;
    add('outlierDetection', consecutiveErrors === undefined ? rest : { consecutiveGatewayErrors: consecutiveErrors, ...rest });
  }
  return pending;
}
