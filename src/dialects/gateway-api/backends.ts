/** backendRefs as weighted destinations and clusters. */
import { nearest } from '../../base/text.ts';
import type { Cluster } from '../../model/cluster.ts';
import type { WeightedDestination } from '../../model/route.ts';
import type { Path, Resource } from '../dialect.ts';
import { clusterName, type ServiceDefinition, type ServicePort } from '../services.ts';
import { backendTls, passthrough, withTls } from './backend-tls.ts';
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
  /** A Service that may have been meant. */
  readonly near?: string;
}

export interface Backend {
  readonly destination: WeightedDestination;
  readonly problem: RefProblem | null;
}

const codes = { InvalidKind: 'WR0307', RefNotPermitted: 'WR0306', BackendNotFound: 'WR0305', UnsupportedProtocol: 'WR0308' } as const;

/** What a route asks of its backends. */
export type BackendUse = 'http' | 'grpc' | 'tcp' | 'udp';

/** appProtocols of HTTP/2 (GEP-1911, and the names that Istio reads). */
const http2: ReadonlySet<string> = new Set(['kubernetes.io/h2c', 'h2c', 'http2', 'grpc', 'kubernetes.io/grpc']);
/** Of TLS: a BackendTLSPolicy must say whom to trust. */
const overTls: ReadonlySet<string> = new Set(['kubernetes.io/wss', 'https', 'tls', 'grpcs']);

export function compileBackend(
  context: Context,
  resource: Resource,
  ref: BackendRef,
  path: Path,
  filters: Filters,
  use: 'http' | 'grpc',
): Backend {
  const base = { ...describe(resource, ref), subset: null };
  const invalid = (status: number, reason: string, problem: RefProblem | null): Backend => ({
    destination: { ...base, cluster: null, invalidStatus: status, invalidReason: reason, filters: [] },
    problem,
  });
  const found = resolveBackend(context, resource, ref, path, use);
  if ('reason' in found) return invalid(found.reason === 'UnsupportedProtocol' ? 503 : 500, found.message, found);
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

/** A backend as the user wrote it. */
export function describe(
  resource: Resource,
  ref: BackendRef,
): { readonly weight: number; readonly host: string; readonly port: number | null } {
  const namespace = ref.namespace ?? resource.namespace ?? 'default';
  const isService = ref.group === '' && ref.kind === 'Service';
  return { weight: ref.weight, host: isService ? `${ref.name}.${namespace}` : ref.name, port: ref.port ?? null };
}

const hints: Readonly<Record<RefProblem['reason'], string>> = {
  InvalidKind: 'refer to a Service of the core group',
  RefNotPermitted: 'add a ReferenceGrant to the namespace of the Service',
  BackendNotFound: 'add the Service document, or correct the name, the namespace or the port',
  UnsupportedProtocol: 'add a BackendTLSPolicy where the port speaks TLS; for other protocols use a route of their kind',
};

/** The cluster, or why there is none, which has been reported. */
export function resolveBackend(context: Context, resource: Resource, ref: BackendRef, path: Path, use: BackendUse): Cluster | RefProblem {
  const found = findBackend(context, resource, ref, use);
  if ('reason' in found) {
    const hint = found.near === undefined ? hints[found.reason] : `did you mean '${found.near}'? Or ${hints[found.reason]}`;
    report(context, codes[found.reason], resource, path, found.message, hint);
  }
  return found;
}

function findBackend(context: Context, resource: Resource, ref: BackendRef, use: BackendUse): Cluster | RefProblem {
  const namespace = ref.namespace ?? resource.namespace ?? 'default';
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
  if (service === null) {
    const near = nearest(ref.name, namesIn(context, namespace));
    const message = `Service ${namespace}/${ref.name} is not in the configuration`;
    return { reason: 'BackendNotFound', message, ...(near === null ? {} : { near }) };
  }
  const number = ref.port ?? 0;
  const ports = service.ports.filter((one) => one.number === number);
  // One number may stand for a port of TCP and for one of UDP.
  const port = ports.find((one) => (one.protocol === 'udp') === (use === 'udp')) ?? ports[0];
  if (port === undefined && !service.anyPort)
    return {
      reason: 'BackendNotFound',
      message: `Service ${namespace}/${ref.name} has no port ${number}; it has ${service.ports.map((one) => one.number).join(', ') || 'none'}`,
    };
  const unspoken = port === undefined ? null : protocolProblem(context, service, port, use);
  if (unspoken !== null)
    return { reason: 'UnsupportedProtocol', message: `port ${number} of Service ${namespace}/${ref.name} ${unspoken}` };
  return clusterOf(context, service, number, port, use);
}

function namesIn({ services }: Context, namespace: string): readonly string[] {
  const end = `.${namespace}.svc.cluster.local`;
  // A search through more, for each reference that leads nowhere, would cost seconds.
  return services.all.length > 200
    ? []
    : services.all.filter(({ host }) => host.endsWith(end)).map(({ host }) => host.slice(0, -end.length));
}

/** Only appProtocol binds: a port that is merely named `http2` or `https` gets plain HTTP, as from other gateways. */
function protocolProblem(context: Context, service: ServiceDefinition, port: ServicePort, use: BackendUse): string | null {
  const { protocol, appProtocol } = port;
  if (appProtocol === undefined && (protocol === 'udp' || protocol === 'sctp'))
    return protocol === use ? null : `is of ${protocol.toUpperCase()}, which this route cannot carry`;
  if (use === 'udp') return 'is of TCP, which a UDPRoute cannot carry';
  if (use === 'tcp' || appProtocol === undefined || !overTls.has(appProtocol)) return null;
  return backendTls(context).find(service.host, port.number) === null
    ? `speaks ${appProtocol}, and no BackendTLSPolicy says which certificate to trust`
    : null;
}

/** Kubernetes has no balancing policy of its own: fewest active requests of two, Istio's and Weir's default. */
function clusterOf(context: Context, service: ServiceDefinition, number: number, port: ServicePort | undefined, use: BackendUse): Cluster {
  const speaksHttp2 = port?.appProtocol !== undefined && http2.has(port.appProtocol);
  const base = clusterName(service.host, number, null);
  const name = use === 'udp' ? variantName(base, 'udp') : use === 'grpc' && !speaksHttp2 ? variantName(base, 'http2') : base;
  const known = context.clusters.get(name);
  if (known !== undefined) return known;
  const cluster: Cluster = {
    name,
    discovery: service.discovery,
    endpoints: service.endpoints(number, use === 'udp' ? 'udp' : undefined),
    balancer: { policy: 'least-request', choices: 2 },
    connectTimeoutMs: 10_000,
    service: service.host,
    serviceNamespace: service.namespace,
    transport: 'plaintext',
    ...(speaksHttp2 || use === 'grpc' ? { protocol: 'http2' as const } : {}),
    declared: true,
    origin: service.origin,
    pending: [],
  };
  const effect = use === 'udp' ? null : backendTls(context).find(service.host, number);
  return effect === null ? cluster : withTls(cluster, effect);
}

/** Name of a cluster that differs from another of the same port in one thing; the third part is Istio's subset. */
export function variantName(base: string, variant: string): string {
  return base.includes('||') ? `${base}+${variant}` : `${base}||${variant}`;
}

/** The same cluster without TLS of our own: the bytes are TLS already. */
export function withoutTls(context: Context, name: string): string {
  const cluster = context.clusters.get(name);
  if (cluster === undefined || cluster.transport !== 'tls') return name;
  const { tls: _tls, blocked: _blocked, ...rest } = cluster;
  const plain: Cluster = { ...rest, name: variantName(name, passthrough), transport: 'plaintext' };
  context.clusters.set(plain.name, plain);
  return plain.name;
}

/** The same cluster with the client certificate of a Gateway; itself where connections are not TLS. */
export function withClientCertificate(context: Context, name: string, gateway: string, certificate: string): string {
  const cluster = context.clusters.get(name);
  if (cluster?.tls === undefined) return name;
  const variant: Cluster = { ...cluster, name: variantName(name, `gateway ${gateway}`), tls: { ...cluster.tls, certificate } };
  context.clusters.set(variant.name, variant);
  return variant.name;
}
