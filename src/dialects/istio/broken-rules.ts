/** A DestinationRule that cannot be read may ask for TLS: plain text must not go to its host then. */
import { nearest } from '../../base/text.ts';
import { isRecord } from '../check.ts';
import type { Cluster } from '../../model/cluster.ts';
import type { Resource } from '../dialect.ts';
import type { ServiceIndex } from '../services.ts';
import { covers } from './hosts.ts';
import type { Reporter } from './report.ts';
import { namesOf } from './rules.ts';

const known = ['tls', 'loadBalancer', 'connectionPool', 'outlierDetection', 'portLevelSettings', 'tunnel', 'proxyProtocol', 'retryBudget'];

interface Closed {
  readonly names: ReadonlySet<string>;
  readonly reason: string;
}

/** Blocks the clusters of the hosts of broken rules without a last good version, where these may ask for TLS. */
export function closeBrokenRules(
  clusters: readonly Cluster[],
  resources: readonly Resource[],
  index: ServiceIndex,
  report: Reporter,
): readonly Cluster[] {
  const closed: Closed[] = [];
  for (const resource of resources) {
    if (resource.kind !== 'DestinationRule' || !resource.broken || !isRecord(resource.value)) continue;
    const { spec } = resource.value;
    const host = isRecord(spec) && typeof spec.host === 'string' ? spec.host.toLowerCase() : null;
    // Text with a syntax error has lost an unknown part; it has no diagnostics of its own.
    if (host === null || !(resource.diagnostics.length === 0 || mayAskForTls(spec))) continue;
    const reason = `DestinationRule ${resource.namespace}/${resource.name} is broken and may ask for TLS to ${host}`;
    closed.push({ names: namesOf(host, resource.namespace, index), reason });
    report.add('WR0109', resource, ['spec', 'trafficPolicy'], `${reason}; requests to it answer 503`, {
      hint: 'mend the errors of this DestinationRule',
    });
  }
  if (closed.length === 0) return clusters;
  return clusters.map((cluster) => {
    if (cluster.blocked !== undefined) return cluster;
    const found = closed.find(({ names }) =>
      [...names].some((name) => (name.startsWith('*') ? covers(name, cluster.service) : name === cluster.service)),
    );
    return found === undefined ? cluster : { ...cluster, blocked: found.reason };
  });
}

/** Whether some field is `tls`, or is written so that it may have been meant. A mode DISABLE asks for none. */
function mayAskForTls(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(mayAskForTls);
  if (!isRecord(value)) return false;
  return Object.entries(value).some(([key, inner]) => {
    const word = known.includes(key) ? key : nearest(key, known);
    if (word === 'tls') return !(key === 'tls' && isRecord(inner) && inner.mode === 'DISABLE');
    return mayAskForTls(inner);
  });
}
