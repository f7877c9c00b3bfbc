/** backendRefs as weighted destinations and clusters. */
import type { Cluster } from '../../model/cluster.ts';
import type { WeightedDestination } from '../../model/route.ts';
import type { Path, Resource } from '../dialect.ts';
import { clusterName, type ServiceDefinition } from '../services.ts';
import { permitted, report, type Context } from './context.ts';
import type { Filters } from './filters.ts';
import { gatewayGroup } from './schema/common.ts';

export interface BackendRef {
  readonly group: string;
  readonly kind: string;
  readonly namespace?: string | undefined;
  readonly name: string;
  readonly port?: number | undefined;
  readonly weight: number;
}

/** Why a reference does not resolve, in the words of the ResolvedRefs condition. */
export interface RefProblem {
  readonly reason: 'InvalidKind' | 'RefNotPermitted' | 'BackendNotFound' | 'UnsupportedProtocol';
  readonly message: string;
}

export interface Backend {
  readonly destination: WeightedDestination;
  readonly problem: RefProblem | null;
}

const codes = { InvalidKind: 'WR0307', RefNotPermitted: 'WR0306', BackendNotFound: 'WR0305', UnsupportedProtocol: 'WR0308' } as const;

/** Upstream protocols that need what Weir does not speak yet. HTTP/1.1 and WebSocket over it run. */
const unspoken: ReadonlySet<string> = new Set(['kubernetes.io/h2c', 'kubernetes.io/wss', 'https', 'http2', 'tls', 'udp', 'sctp']);

export function compileBackend(context: Context, resource: Resource, ref: BackendRef, path: Path, filters: Filters): Backend {
  const namespace = ref.namespace ?? resource.namespace ?? 'default';
  const base = {
    weight: ref.weight,
    host: ref.group === '' && ref.kind === 'Service' ? `${ref.name}.${namespace}` : ref.name,
    port: ref.port ?? null,
    subset: null,
  };
  const invalid = (status: number, reason: string, problem: RefProblem | null): Backend => ({
    destination: { ...base, cluster: null, invalidStatus: status, invalidReason: reason, filters: [] },
    problem,
  });
  const found = resolveBackend(context, resource, ref, namespace);
  if ('reason' in found) {
    report(context, codes[found.reason], resource, path, found.message, hints[found.reason]);
    return invalid(found.reason === 'UnsupportedProtocol' ? 503 : 500, found.message, found);
  }
  if (filters.blocked !== undefined) return invalid(filters.blocked.status, filters.blocked.reason, null);
  context.clusters.set(found.name, found);
  return {
    destination: {
      ...base,
      cluster: found.name,
      filters: filters.configs,
      ...(filters.hostRewrite === undefined ? {} : { hostRewrite: filters.hostRewrite }),
      ...(filters.pathRewrite === undefined ? {} : { pathRewrite: filters.pathRewrite }),
      ...(filters.redirect === undefined ? {} : { redirect: filters.redirect }),
    },
    problem: null,
  };
}

const hints: Readonly<Record<RefProblem['reason'], string>> = {
  InvalidKind: 'refer to a Service of the core group',
  RefNotPermitted: 'add a ReferenceGrant to the namespace of the Service',
  BackendNotFound: 'add the Service document, or correct the name, the namespace or the port',
  UnsupportedProtocol: 'an upstream that also speaks HTTP/1.1 works without appProtocol',
};

function resolveBackend(context: Context, resource: Resource, ref: BackendRef, namespace: string): Cluster | RefProblem {
  if (ref.group !== '' || ref.kind !== 'Service')
    return { reason: 'InvalidKind', message: `${ref.kind}${ref.group === '' ? '' : `.${ref.group}`} '${ref.name}' cannot be a backend` };
  // Permission first: an answer about a Service in a foreign namespace would tell what stands there.
  const from = { group: gatewayGroup, kind: resource.kind, namespace: resource.namespace ?? 'default' };
  if (!permitted(context, from, { group: '', kind: 'Service', namespace, name: ref.name }))
    return {
      reason: 'RefNotPermitted',
      message: `no ReferenceGrant in namespace ${namespace} lets ${resource.kind}s of ${from.namespace} refer to Service ${ref.name}`,
    };
  const service = context.services.resolve(`${ref.name}.${namespace}.svc.cluster.local`, namespace);
  if (service === null) return { reason: 'BackendNotFound', message: `Service ${namespace}/${ref.name} is not in the configuration` };
  const number = ref.port ?? 0;
  const port = service.ports.find((one) => one.number === number);
  if (port === undefined && !service.anyPort)
    return {
      reason: 'BackendNotFound',
      message: `Service ${namespace}/${ref.name} has no port ${number}; it has ${service.ports.map((one) => one.number).join(', ') || 'none'}`,
    };
  // Only appProtocol binds: a port that is merely named `http2` or `https` gets plain HTTP, as from other gateways.
  const fromName = port?.name?.toLowerCase().startsWith(port.protocol) === true;
  if (port !== undefined && !fromName && unspoken.has(port.protocol))
    return {
      reason: 'UnsupportedProtocol',
      message: `port ${number} of Service ${namespace}/${ref.name} speaks ${port.protocol}, which does not run yet`,
    };
  return context.clusters.get(clusterName(service.host, number, null)) ?? clusterOf(service, number);
}

/** Kubernetes has no balancing policy of its own: fewest active requests of two, Istio's and Weir's default. */
function clusterOf(service: ServiceDefinition, port: number): Cluster {
  return {
    name: clusterName(service.host, port, null),
    discovery: service.discovery,
    endpoints: service.endpoints(port),
    balancer: { policy: 'least-request', choices: 2 },
    connectTimeoutMs: 10_000,
    service: service.host,
    serviceNamespace: service.namespace,
    transport: 'plaintext',
    declared: true,
    origin: service.origin,
    pending: [],
  };
}
