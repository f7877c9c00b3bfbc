/** Kong services as clusters: an upstream's targets, a service that another dialect declares, an address, or a name. */
import { isIP } from 'node:net';
import type { Balancer, Cluster, Endpoint } from '../../model/cluster.ts';
import type { PendingField } from '../../model/route.ts';
import type { ServiceDefinition, ServiceIndex } from '../services.ts';
import type { Directory } from './directory.ts';
import type { Located } from './entity.ts';
import type { Report } from './report.ts';
import { upstreamSchema, type Service, type Upstream } from './schemas.ts';

/** Name of a Kong service's cluster: services have timeouts of their own, so two of one host are two clusters. */
export function kongClusterName(serviceName: string): string {
  return `kong/${serviceName}`;
}

export interface ClusterContext {
  readonly directory: Directory;
  readonly services: ServiceIndex;
  /** Upstreams by name, lower case, broken ones included. */
  readonly upstreamsByHost: ReadonlyMap<string, Located>;
  /** Their targets, by the same name. */
  readonly targets: ReadonlyMap<string, ServiceDefinition>;
  readonly report: Report;
  /** Settings of an upstream, reported once however many services use it. */
  readonly upstreams: Map<string, UpstreamSettings>;
}

export interface UpstreamSettings {
  readonly fields: Upstream | null;
  readonly balancer: Balancer;
  readonly pending: readonly PendingField[];
}

export function serviceCluster(located: Located, service: Service, context: ClusterContext): Cluster {
  const { resource } = located;
  const pending: PendingField[] = [];
  if (service.retries !== undefined && service.retries !== 1)
    pending.push(
      context.report.pending(resource, ['retries'], service.retries, {
        hint: 'a connection that fails is tried once more, on another target, when nothing was sent',
      }),
    );
  for (const field of ['tls_verify', 'tls_verify_depth', 'ca_certificates'] as const)
    if (service[field] !== undefined) pending.push(context.report.pending(resource, [field], service[field]));
  if (Object.hasOwn(located.entity.refs, 'client_certificate'))
    pending.push(context.report.pending(resource, ['client_certificate'], '(certificate)'));
  const destination = resolve(service, context);
  const blocked = destination.blocked ?? transportProblem(service);
  if (blocked !== null && destination.blocked === undefined)
    context.report.add(
      'WR0404',
      resource,
      ['protocol'],
      `the upstream protocol '${service.protocol}' does not run yet; the routes of service '${resource.name}' answer 503`,
      'use protocol: http where the upstream takes it',
    );
  return {
    name: kongClusterName(resource.name),
    discovery: destination.endpoints.every((endpoint) => isIP(endpoint.address) !== 0) ? 'static' : 'dns',
    endpoints: destination.endpoints,
    balancer: destination.balancer,
    connectTimeoutMs: service.connect_timeout,
    service: service.host.toLowerCase(),
    serviceNamespace: null,
    ...(destination.hostHeader === undefined ? {} : { hostHeader: destination.hostHeader }),
    transport: ['https', 'tls', 'grpcs', 'wss', 'tls_passthrough'].includes(service.protocol) ? 'tls' : 'plaintext',
    declared: destination.declared,
    origin: resource.origin,
    pending: [...pending, ...destination.pending],
    ...(blocked === null ? {} : { blocked }),
  };
}

function transportProblem(service: Service): string | null {
  return service.protocol === 'http' || service.protocol === 'ws' ? null : `upstream protocol ${service.protocol} does not run yet`;
}

interface Destination {
  readonly endpoints: readonly Endpoint[];
  readonly balancer: Balancer;
  readonly declared: boolean;
  readonly hostHeader?: string;
  readonly pending: readonly PendingField[];
  readonly blocked?: string;
}

/** Order of look-up: Kong upstream, services of other dialects (short names in namespace `default`), IP address, DNS. */
function resolve(service: Service, context: ClusterContext): Destination {
  const roundRobin: Balancer = { policy: 'round-robin' };
  const ownHost = authority(service.host, service.port, service.protocol);
  const upstream = context.upstreamsByHost.get(service.host.toLowerCase());
  if (upstream !== undefined) {
    const settings = upstreamSettings(upstream, context);
    if (settings.fields === null)
      return {
        endpoints: [],
        balancer: roundRobin,
        declared: true,
        pending: [],
        blocked: `upstream '${upstream.resource.name}' is quarantined`,
      };
    const endpoints = context.targets.get(service.host.toLowerCase())?.endpoints(service.port) ?? [];
    const hostHeader = settings.fields.host_header ?? commonHost(endpoints, service);
    return {
      endpoints,
      balancer: settings.balancer,
      declared: true,
      pending: settings.pending,
      ...(hostHeader === undefined ? {} : { hostHeader }),
    };
  }
  const declared = context.services.resolve(service.host, null) ?? context.services.resolve(service.host, 'default');
  if (declared !== null)
    return { endpoints: declared.endpoints(service.port), balancer: roundRobin, declared: true, hostHeader: ownHost, pending: [] };
  const address = service.host.replace(/^\[(.*)\]$/, '$1');
  return {
    endpoints: [
      { address: isIP(address) === 0 ? address.toLowerCase() : address, port: service.port, weight: 100, labels: {}, locality: '' },
    ],
    balancer: roundRobin,
    declared: isIP(address) !== 0,
    hostHeader: ownHost,
    pending: [],
  };
}

/** Host header that Kong sends for an address: with its port, unless it is the scheme's own. */
function authority(host: string, port: number, protocol: string): string {
  const name = isIP(host) === 6 ? `[${host}]` : host;
  return port === (protocol === 'https' ? 443 : 80) ? name : `${name}:${port}`;
}

/** The targets' own host when all of them have one; otherwise each request carries the host of its endpoint. */
function commonHost(endpoints: readonly Endpoint[], service: Service): string | undefined {
  const [first] = endpoints;
  if (first === undefined || !endpoints.every((one) => one.address === first.address && one.port === first.port)) return undefined;
  return authority(first.address, first.port, service.protocol);
}

function upstreamSettings(upstream: Located, context: ClusterContext): UpstreamSettings {
  const known = context.upstreams.get(upstream.resource.key);
  if (known !== undefined) return known;
  const parsed = upstream.entity.fields === null ? null : upstreamSchema().safeParse(upstream.entity.fields);
  const fields = parsed?.success === true ? parsed.data : null;
  const settings: UpstreamSettings = {
    fields,
    balancer: fields?.algorithm === 'least-connections' ? { policy: 'least-request', choices: 2 } : { policy: 'round-robin' },
    pending: fields === null ? [] : upstreamPending(upstream, fields, context.report),
  };
  context.upstreams.set(upstream.resource.key, settings);
  return settings;
}

/** Reports the settings of every upstream, those that no service uses too. */
export function reportUpstreams(context: ClusterContext): void {
  for (const upstream of context.directory.all('Upstream')) upstreamSettings(upstream, context);
}

/** Settings of the hash ring. */
const hashing = [
  'hash_on',
  'hash_fallback',
  'hash_on_header',
  'hash_fallback_header',
  'hash_on_cookie',
  'hash_on_cookie_path',
  'hash_on_query_arg',
  'hash_fallback_query_arg',
  'hash_on_uri_capture',
  'hash_fallback_uri_capture',
  'slots',
] as const;

function upstreamPending({ resource, entity }: Located, fields: Upstream, report: Report): readonly PendingField[] {
  const pending: PendingField[] = [];
  if (fields.algorithm === 'consistent-hashing' || fields.algorithm === 'latency')
    pending.push(
      report.pending(resource, ['algorithm'], fields.algorithm, { hint: 'the targets are used in turn (round-robin) by weight' }),
    );
  for (const field of hashing)
    if (fields[field] !== undefined && fields[field] !== 'none') pending.push(report.pending(resource, [field], fields[field]));
  const { active, passive, threshold } = fields.healthchecks ?? {};
  const positive = (...values: readonly (number | undefined)[]): boolean => values.some((value) => value !== undefined && value > 0);
  if (positive(active?.healthy?.interval, active?.unhealthy?.interval))
    pending.push(report.pending(resource, ['healthchecks', 'active'], active));
  const { unhealthy } = passive ?? {};
  if (positive(passive?.healthy?.successes, unhealthy?.tcp_failures, unhealthy?.timeouts, unhealthy?.http_failures))
    pending.push(report.pending(resource, ['healthchecks', 'passive'], passive));
  if (positive(threshold)) pending.push(report.pending(resource, ['healthchecks', 'threshold'], threshold));
  if (fields.use_srv_name) pending.push(report.pending(resource, ['use_srv_name'], true));
  if (Object.hasOwn(entity.refs, 'client_certificate')) pending.push(report.pending(resource, ['client_certificate'], '(certificate)'));
  return pending;
}
