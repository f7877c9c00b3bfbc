/** DestinationRules refine the clusters of every dialect (Istio: TrafficPolicy). */
import type { Balancer, Cluster } from '../../model/cluster.ts';
import type { PendingField } from '../../model/route.ts';
import type { Path, Resource } from '../dialect.ts';
import { clientTls, secretNamespaces } from './client-tls.ts';
import type { Credentials } from './credentials.ts';
import type { Reporter } from './report.ts';
import type { MergedRule, RuleBook } from './rules.ts';
import { durationMs } from './schema/common.ts';
import type { PolicySettings, TrafficPolicy } from './schema/destination-rule.ts';

/** Fields of `connectionPool.tcp` that run; the last two for layer 4, see `refineForwards`. */
export const runningTcpFields: ReadonlySet<string> = new Set(['connectTimeout', 'idleTimeout', 'maxConnections']);

export interface RefineTools {
  readonly rules: RuleBook;
  readonly resources: readonly Resource[];
  readonly credentials: Credentials;
  /** SANs that a ServiceEntry asks of its endpoints. */
  readonly subjectAltNames: (service: string) => readonly string[];
  /** Told already, when the rules themselves were looked at. */
  readonly muted: Reporter;
  /** For what shows only when rules meet. */
  readonly report: Reporter;
}

/** What a rule says of layer 4 alone; told for each cluster, used by `refineForwards`. */
export interface TcpSettings {
  readonly idleTimeoutMs: number | null;
  readonly maxConnections: number | null;
  readonly resource: Resource;
  /** Of `connectionPool.tcp`. */
  readonly path: Path;
}

export interface Refined {
  readonly clusters: readonly Cluster[];
  readonly tcp: ReadonlyMap<string, TcpSettings>;
}

export function refineClusters(clusters: readonly Cluster[], tools: RefineTools): Refined {
  const tcp = new Map<string, TcpSettings>();
  const refined = clusters.map((cluster) => {
    const rule = tools.rules.find(cluster.service, cluster.serviceNamespace);
    return rule === null ? cluster : refine(cluster, rule, tools, tcp);
  });
  return { clusters: refined, tcp };
}

function refine(cluster: Cluster, rule: MergedRule, tools: RefineTools, tcp: Map<string, TcpSettings>): Cluster {
  const [, portText, subsetName] = cluster.name.split('|');
  const port = Number(portText);
  const subset = subsetName === undefined ? undefined : rule.subsets.get(subsetName);
  const wide = rule.policy === null ? {} : place(rule.policy.value, port, rule.policy.item.resource, ['spec', 'trafficPolicy']);
  const own =
    subset?.value.trafficPolicy === undefined
      ? {}
      : place(subset.value.trafficPolicy, port, subset.item.resource, ['spec', 'subsets', subset.index, 'trafficPolicy']);
  const settings: Placed = { ...wide, ...own };
  const pool = settings.connectionPool;
  const timeout = pool?.value.tcp?.connectTimeout;
  const { proxyProtocol, tunnel, retryBudget } = { ...rule.policy?.value, ...subset?.value.trafficPolicy };
  const pending: PendingField[] = [...cluster.pending, ...pendingOf(settings)];
  for (const [field, value] of Object.entries({ tunnel, retryBudget }))
    if (value !== undefined) pending.push({ field: `trafficPolicy.${field}`, value, restricts: false });
  if (pool?.value.tcp !== undefined) {
    const { idleTimeout, maxConnections } = pool.value.tcp;
    tcp.set(cluster.name, {
      idleTimeoutMs: idleTimeout === undefined ? null : Math.ceil(durationMs(idleTimeout) ?? 0),
      maxConnections: maxConnections ?? null,
      resource: pool.resource,
      path: [...pool.path, 'tcp'],
    });
  }
  return {
    ...cluster,
    balancer: balancerOf(settings) ?? cluster.balancer,
    connectTimeoutMs:
      timeout === undefined ? cluster.connectTimeoutMs : Math.max(1, Math.round(durationMs(timeout) ?? cluster.connectTimeoutMs)),
    ...(pool?.value.http?.h2UpgradePolicy === 'UPGRADE' ? { protocol: 'http2' } : {}),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol: proxyProtocol.version === 'V2' ? 'v2' : 'v1' }),
    ...transportOf(cluster, settings, rule, port, pending, tools),
    pending,
  };
}

function transportOf(
  cluster: Cluster,
  settings: Placed,
  rule: MergedRule,
  port: number,
  pending: PendingField[],
  { credentials, muted, report, resources, subjectAltNames }: RefineTools,
): Partial<Cluster> {
  const block = (value: unknown, blocked: string): Partial<Cluster> => {
    pending.push({ field: 'trafficPolicy.tls', value, restricts: true });
    return { blocked };
  };
  if (settings.tls === undefined) {
    // Of several rules for a host the first policy counts; TLS that another one asks for is not given up for that.
    const other = rule.items.find((item) => item !== rule.policy?.item && asksForTls(item.spec.trafficPolicy, port));
    if (other === undefined) return {};
    const why = `DestinationRule ${other.resource.namespace}/${other.resource.name} asks for TLS, and another rule for the host counts`;
    report.add('WR0109', other.resource, ['spec', 'trafficPolicy'], `${why}; requests answer 503`, {
      hint: 'put everything for the host into one DestinationRule',
      key: true,
    });
    return block(undefined, why);
  }
  const { value, resource, path } = settings.tls;
  if (value.mode !== undefined && value.mode !== 'DISABLE' && cluster.name.endsWith('||udp'))
    return block(value, `DestinationRule ${resource.namespace}/${resource.name} asks for TLS, which UDP has not`);
  const tls = clientTls(value, { resource, path, namespaces: secretNamespaces(resource, resources) }, credentials, muted);
  if (tls === null) return {};
  if ('blocked' in tls) return block(value, tls.blocked);
  const names = tls.subjectAltNames.length > 0 ? tls.subjectAltNames : subjectAltNames(cluster.service);
  return { transport: 'tls', tls: { ...tls, subjectAltNames: names } };
}

/** Whether a rule that is not looked at for its other settings asks for TLS to the port. */
export function asksForTls(policy: TrafficPolicy | undefined, port: number): boolean {
  if (policy === undefined) return false;
  const level = policy.portLevelSettings?.find((one) => one.port.number === port);
  const mode = (level ?? policy).tls?.mode;
  return mode !== undefined && mode !== 'DISABLE';
}

/** Sub-objects of a policy, each with its place. */
type Placed = {
  readonly [Key in keyof PolicySettings]?:
    | { readonly value: NonNullable<PolicySettings[Key]>; readonly resource: Resource; readonly path: Path }
    | undefined;
};

/** Whole sub-objects override; settings of the port replace all of them, inheriting nothing. */
function place(policy: TrafficPolicy, port: number, resource: Resource, path: Path): Placed {
  const level = policy.portLevelSettings?.findIndex((one) => one.port.number === port) ?? -1;
  const chosen: PolicySettings | undefined = level < 0 ? policy : policy.portLevelSettings?.[level];
  const at = level < 0 ? path : [...path, 'portLevelSettings', level];
  const { loadBalancer, connectionPool, outlierDetection, tls } = chosen ?? policy;
  const placed = {
    ...(loadBalancer === undefined ? {} : { loadBalancer: { value: loadBalancer, resource, path: [...at, 'loadBalancer'] } }),
    ...(connectionPool === undefined ? {} : { connectionPool: { value: connectionPool, resource, path: [...at, 'connectionPool'] } }),
    ...(outlierDetection === undefined
      ? {}
      : { outlierDetection: { value: outlierDetection, resource, path: [...at, 'outlierDetection'] } }),
    ...(tls === undefined ? {} : { tls: { value: tls, resource, path: [...at, 'tls'] } }),
  };
  return level < 0
    ? placed
    : { loadBalancer: undefined, connectionPool: undefined, outlierDetection: undefined, tls: undefined, ...placed };
}

function balancerOf(settings: Placed): Balancer | null {
  switch (settings.loadBalancer?.value.simple) {
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

function pendingOf(settings: Placed): PendingField[] {
  const [loadBalancer, connectionPool, outlierDetection] = [
    settings.loadBalancer?.value,
    settings.connectionPool?.value,
    settings.outlierDetection?.value,
  ];
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
    if (!runningTcpFields.has(field)) add(`connectionPool.tcp.${field}`, value);
  for (const [field, value] of Object.entries(connectionPool?.http ?? {}))
    if (field !== 'h2UpgradePolicy') add(`connectionPool.http.${field}`, value);
  if (outlierDetection !== undefined) {
    const { consecutiveErrors, ...rest } = outlierDetection;
    add('outlierDetection', consecutiveErrors === undefined ? rest : { consecutiveGatewayErrors: consecutiveErrors, ...rest });
  }
  return pending;
}
