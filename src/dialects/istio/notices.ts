/** What each resource asks for that does not run yet, is retired or is refused, told once where it stands. */
import type { Path, Resource } from '../dialect.ts';
import { pendingRuleFields } from './actions.ts';
import { ignoredHeaderKeys } from './match.ts';
import { runningTcpFields } from './clusters.ts';
import type { Reporter } from './report.ts';
import { destinationRuleKind, type DestinationRule } from './schema/destination-rule.ts';
import { unixPath } from './schema/gateway.ts';
import { serviceEntryKind, workloadEntryKind, type Workload } from './schema/service-entry.ts';
import { virtualServiceKind, type HttpRoute, type VirtualService } from './schema/virtual-service.ts';

const refused: ReadonlySet<string> = new Set(['EnvoyFilter', 'WasmPlugin', 'TrafficExtension']);
const dormant: Readonly<Record<string, string>> = {
  Sidecar: 'sidecars come in a later version; every service is visible to every caller',
  WorkloadGroup: 'workloads register in a later version',
  ProxyConfig: 'Weir has its own settings: --workers and WEIR_*',
  Telemetry: 'metrics and access logs keep their defaults',
};

export function noticeResource(resource: Resource, report: Reporter): void {
  const retired = (path: Path, instead: string): void =>
    report.add('WR0110', resource, path, `${String(path.at(-1))} is retired`, { hint: instead, key: true });
  if (refused.has(resource.kind)) {
    report.add('WR0201', resource, ['kind'], `${resource.kind} programs Envoy itself; nothing of it is applied`, {
      hint: 'say it with a VirtualService, a DestinationRule or a weir.dev/v1 Policy',
    });
    return;
  }
  const sleeping = dormant[resource.kind];
  if (sleeping !== undefined && !resource.broken)
    report.add('WR0108', resource, ['kind'], `${resource.kind} does not run yet: ${sleeping}`);
  const service = virtualServiceKind.of(resource);
  if (service !== null) return noticeVirtualService(resource, service, report, retired);
  const rule = destinationRuleKind.of(resource);
  if (rule !== null) return noticeDestinationRule(resource, rule, report, retired);
  const entry = serviceEntryKind.of(resource);
  if (entry !== null) {
    if (entry.spec.addresses?.length) report.pending(resource, ['spec', 'addresses'], 'traffic is routed by host name, not by address');
    for (const [index, endpoint] of (entry.spec.endpoints ?? []).entries())
      noticeWorkload(resource, endpoint, ['spec', 'endpoints', index], report);
    return;
  }
  const workload = workloadEntryKind.of(resource);
  if (workload !== null) noticeWorkload(resource, workload.spec, ['spec'], report);
}

function noticeWorkload(resource: Resource, workload: Workload, path: Path, report: Reporter): void {
  if (workload.address?.startsWith('unix://') && unixPath(workload.address) === null)
    report.add(
      'WR0105',
      resource,
      [...path, 'address'],
      `'${workload.address}' is not the path of a Unix socket; the endpoint is left out`,
      {
        hint: 'write unix:///path/to/socket',
      },
    );
  if (workload.network) report.pending(resource, [...path, 'network'], 'endpoints are reached by their address');
  if (workload.serviceAccount) report.pending(resource, [...path, 'serviceAccount'], 'identities come in a later version');
}

type Retired = (path: Path, instead: string) => void;

function noticeVirtualService(resource: Resource, { spec }: VirtualService, report: Reporter, retired: Retired): void {
  const inMesh = spec.hosts?.length && (!spec.gateways?.length || spec.gateways.includes('mesh'));
  for (const list of ['tls', 'tcp'] as const)
    if (inMesh && spec[list]?.length) report.pending(resource, ['spec', list], 'in the mesh; at gateways it runs');
  for (const [index, rule] of (spec.http ?? []).entries()) {
    const path = ['spec', 'http', index];
    for (const field of pendingRuleFields) if (rule[field] !== undefined) report.pending(resource, [...path, field]);
    for (const [position, match] of (rule.match ?? []).entries()) {
      const at = [...path, 'match', position];
      if (match.statPrefix !== undefined) report.pending(resource, [...at, 'statPrefix'], 'metrics name the route');
      for (const key of Object.keys(match.headers ?? {}))
        if (ignoredHeaderKeys.has(key.toLowerCase()))
          report.add('WR0210', resource, [...at, 'headers', key], `the header '${key}' is not looked at`, {
            hint: `write ${key}: beside headers:`,
            key: true,
          });
      if (match.gateways?.length && (Object.keys(match.sourceLabels ?? {}).length > 0 || match.sourceNamespace))
        report.add(
          'WR0210',
          resource,
          [...at, match.sourceNamespace ? 'sourceNamespace' : 'sourceLabels'],
          'source conditions are not looked at in a match that names gateways',
          { key: true, hint: 'use two matches, one for the gateways and one for the callers' },
        );
      if (match.ignoreUriCase === true && match.uri?.regex !== undefined)
        report.add('WR0210', resource, [...at, 'ignoreUriCase'], 'ignoreUriCase has no effect on a regular expression', {
          key: true,
          hint: 'start the expression with (?i)',
        });
    }
    noticeRetired(rule, path, retired);
  }
}

function noticeRetired(rule: HttpRoute, path: Path, retired: Retired): void {
  if (rule.mirrorPercent !== undefined) retired([...path, 'mirrorPercent'], `write mirrorPercentage: {value: ${rule.mirrorPercent}}`);
  if (rule.mirror_percent !== undefined) retired([...path, 'mirror_percent'], `write mirrorPercentage: {value: ${rule.mirror_percent}}`);
  if (rule.corsPolicy?.allowOrigin !== undefined) retired([...path, 'corsPolicy', 'allowOrigin'], 'write allowOrigins: [{exact: …}]');
  for (const part of ['delay', 'abort'] as const) {
    const percent = rule.fault?.[part]?.percent;
    if (percent !== undefined) retired([...path, 'fault', part, 'percent'], `write percentage: {value: ${percent}}`);
  }
}

const runningHttpFields: ReadonlySet<string> = new Set(['h2UpgradePolicy']);

type Policy = NonNullable<DestinationRule['spec']['trafficPolicy']>;
type PortPolicy = NonNullable<Policy['portLevelSettings']>[number];

function noticeDestinationRule(resource: Resource, { spec }: DestinationRule, report: Reporter, retired: Retired): void {
  if (spec.workloadSelector !== undefined)
    report.pending(resource, ['spec', 'workloadSelector'], 'the rule counts only where --labels has these labels');
  const policies: { readonly policy: Policy | PortPolicy | undefined; readonly path: Path }[] = [
    { policy: spec.trafficPolicy, path: ['spec', 'trafficPolicy'] },
    ...(spec.subsets ?? []).map((subset, index) => ({ policy: subset.trafficPolicy, path: ['spec', 'subsets', index, 'trafficPolicy'] })),
  ];
  for (const { policy, path } of policies) {
    if (policy === undefined) continue;
    noticePolicy(resource, policy, path, report, retired);
    if (!('portLevelSettings' in policy)) continue;
    for (const [index, settings] of (policy.portLevelSettings ?? []).entries())
      noticePolicy(resource, settings, [...path, 'portLevelSettings', index], report, retired);
  }
}

function noticePolicy(resource: Resource, policy: Policy | PortPolicy, path: Path, report: Reporter, retired: Retired): void {
  const { loadBalancer, connectionPool, outlierDetection } = policy;
  if (loadBalancer !== undefined) {
    const at = [...path, 'loadBalancer'];
    if (loadBalancer.simple === 'PASSTHROUGH') report.pending(resource, [...at, 'simple'], 'endpoints are chosen by LEAST_REQUEST instead');
    if (loadBalancer.simple === 'LEAST_CONN')
      report.add('WR0110', resource, [...at, 'simple'], 'LEAST_CONN is retired', { hint: 'write LEAST_REQUEST' });
    for (const field of ['consistentHash', 'localityLbSetting', 'zoneAwareLbSetting', 'warmup', 'warmupDurationSecs'] as const)
      if (loadBalancer[field] !== undefined) report.pending(resource, [...at, field]);
    if (loadBalancer.warmupDurationSecs !== undefined)
      retired([...at, 'warmupDurationSecs'], `write warmup: {duration: ${loadBalancer.warmupDurationSecs}}`);
    const ring = loadBalancer.consistentHash?.minimumRingSize;
    if (ring !== undefined) retired([...at, 'consistentHash', 'minimumRingSize'], `write ringHash: {minimumRingSize: ${ring}}`);
  }
  for (const [group, fields, running] of [
    ['tcp', connectionPool?.tcp, runningTcpFields],
    ['http', connectionPool?.http, runningHttpFields],
  ] as const)
    for (const [field, value] of Object.entries(fields ?? {}))
      if (value !== undefined && !running.has(field)) report.pending(resource, [...path, 'connectionPool', group, field]);
  if (outlierDetection !== undefined) {
    report.pending(resource, [...path, 'outlierDetection']);
    const errors = outlierDetection.consecutiveErrors;
    if (errors !== undefined)
      retired(
        [...path, 'outlierDetection', 'consecutiveErrors'],
        `write consecutiveGatewayErrors: ${errors} (counts 502, 503 and 504, as it did), or consecutive5xxErrors: ${errors}`,
      );
  }
  for (const field of ['tunnel', 'retryBudget'] as const) if (field in policy) report.pending(resource, [...path, field]);
}
