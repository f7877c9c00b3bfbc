/** Every `tls` of every DestinationRule, looked at once where it stands: whether a host is reached or not. */
import type { Path, Resource } from '../dialect.ts';
import { clientTls, secretNamespaces, type ClientTlsSettings } from './client-tls.ts';
import type { Credentials } from './credentials.ts';
import type { Reporter } from './report.ts';
import { destinationRuleKind, type TrafficPolicy } from './schema/destination-rule.ts';

/** Reports what is wrong, and puts the secrets that are named into `credentials`. */
export function checkClientTls(resources: readonly Resource[], credentials: Credentials, report: Reporter): void {
  for (const resource of resources) {
    const spec = destinationRuleKind.of(resource)?.spec;
    if (spec === undefined) continue;
    const namespaces = secretNamespaces(resource, resources);
    const policies: readonly (readonly [TrafficPolicy | undefined, Path])[] = [
      [spec.trafficPolicy, ['spec', 'trafficPolicy']],
      ...(spec.subsets ?? []).map((subset, index) => [subset.trafficPolicy, ['spec', 'subsets', index, 'trafficPolicy']] as const),
    ];
    const look = (tls: ClientTlsSettings | undefined, path: Path): void => {
      if (tls !== undefined) clientTls(tls, { resource, path: [...path, 'tls'], namespaces }, credentials, report);
    };
    for (const [policy, path] of policies) {
      look(policy?.tls, path);
      for (const [index, level] of (policy?.portLevelSettings ?? []).entries()) look(level.tls, [...path, 'portLevelSettings', index]);
    }
  }
}
