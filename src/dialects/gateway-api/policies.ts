/** BackendTLSPolicy: the connection to the backend must be TLS, which does not run yet, so the backend answers 503. */
import type { ResourceStatus, Snapshot } from '../../model/snapshot.ts';
import { isRecord } from '../check.ts';
import type { Resource, TranslateInput } from '../dialect.ts';
import { buildServiceIndex, clusterName } from '../services.ts';
import { condition, report, type Context } from './context.ts';
import { backendTlsPolicyKind } from './schema/others.ts';

const pending = 'BackendTLSPolicy does not run yet: its backends answer 503, as plain text must not go where TLS is asked for';

export function reportPolicies(context: Context): readonly ResourceStatus[] {
  return context.input.resources.flatMap((resource) => {
    const policy = resource.dialect === 'gateway-api' ? backendTlsPolicyKind.of(resource) : null;
    if (policy === null) return [];
    report(context, 'WR0109', resource, ['kind'], pending, 'take it out if plain text may go to the backend');
    const { kind, namespace, name, origin } = resource;
    return [
      {
        kind,
        namespace,
        name,
        origin,
        quarantined: resource.stale === true,
        conditions: [condition('Accepted', 'Unknown', 'Pending', pending)],
        listeners: [],
        parents: [],
      },
    ];
  });
}

/** Which clusters a policy closes: by host, all ports or one named port; `*` for a policy whose targets cannot be read. */
interface Target {
  readonly host: string;
  readonly port: string | null;
  readonly reason: string;
}

/** Closes the clusters of every dialect that lead to a policy's target. */
export function blockTlsBackends(snapshot: Snapshot, input: TranslateInput): Snapshot {
  const targets = input.resources
    .filter((resource) => resource.dialect === 'gateway-api' && resource.kind === 'BackendTLSPolicy')
    .flatMap(targetsOf);
  if (targets.length === 0) return snapshot;
  const services = buildServiceIndex(input.resources);
  const clusters = snapshot.clusters.map((cluster) => {
    if (cluster.blocked !== undefined) return cluster;
    const target = targets.find((one) => {
      if (one.host.startsWith('*.')) return cluster.service.endsWith(one.host.slice(1));
      if (one.host !== cluster.service) return false;
      if (one.port === null) return true;
      const ports = services.resolve(one.host, null)?.ports.filter((port) => port.name === one.port) ?? [];
      return ports.some((port) => {
        const name = clusterName(one.host, port.number, null);
        return cluster.name === name || cluster.name.startsWith(`${name}|`);
      });
    });
    return target === undefined ? cluster : { ...cluster, transport: 'tls' as const, blocked: target.reason };
  });
  return { ...snapshot, clusters };
}

/** Reads targets from broken policies too: a mistake in a policy must not open what it guards. */
function targetsOf(resource: Resource): readonly Target[] {
  const namespace = resource.namespace ?? 'default';
  const reason = `BackendTLSPolicy ${namespace}/${resource.name} ${resource.broken ? 'is broken' : 'does not run yet'}`;
  const whole: Target = { host: `*.${namespace}.svc.cluster.local`, port: null, reason };
  const { value } = resource;
  const spec = isRecord(value) && isRecord(value.spec) ? value.spec : null;
  if (spec === null || !Array.isArray(spec.targetRefs) || spec.targetRefs.length === 0) return [whole];
  return spec.targetRefs.map((ref: unknown) => {
    if (!isRecord(ref) || typeof ref.name !== 'string') return whole;
    const port = typeof ref.sectionName === 'string' ? ref.sectionName : null;
    return { host: `${ref.name}.${namespace}.svc.cluster.local`.toLowerCase(), port, reason };
  });
}
