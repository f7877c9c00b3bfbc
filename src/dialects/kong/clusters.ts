/** Kong services as clusters: an upstream's targets, a service that another dialect declares, an address, or a name. */
import { isIP } from 'node:net';
import type { Balancer, Cluster, Endpoint } from '../../model/cluster.ts';
import type { PendingField } from '../../model/route.ts';
import type { ClientTls } from '../../model/tls.ts';
import type { ServiceDefinition, ServiceIndex } from '../services.ts';
import type { CertificateBook } from './certificates.ts';
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
  readonly book: CertificateBook;
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
  const destination = resolve(service, context);
  const overTls = isSecure(service.protocol);
  const trust = overTls ? clientTls(located, service, destination, context) : null;
  if (trust !== null) pending.push(...trust.pending);
  const blocked = destination.blocked ?? trust?.blocked ?? null;
  return {
    name: kongClusterName(resource.name),
    discovery: destination.endpoints.every((endpoint) => isIP(endpoint.address) !== 0) ? 'static' : 'dns',
    endpoints: destination.endpoints,
    balancer: destination.balancer,
    connectTimeoutMs: service.connect_timeout,
    service: service.host.toLowerCase(),
    serviceNamespace: null,
    ...(destination.hostHeader === undefined ? {} : { hostHeader: destination.hostHeader }),
    transport: overTls ? 'tls' : 'plaintext',
    ...(trust === null || trust.tls === null ? {} : { tls: trust.tls }),
    ...(service.protocol === 'grpc' || service.protocol === 'grpcs' ? { protocol: 'http2' as const } : {}),
    declared: destination.declared,
    origin: resource.origin,
    pending: [...pending, ...destination.pending],
    ...(blocked === null ? {} : { blocked }),
  };
}

/** Of tls_passthrough the client's own bytes are TLS. */
function isSecure(protocol: Service['protocol']): boolean {
  return protocol === 'https' || protocol === 'tls' || protocol === 'grpcs' || protocol === 'wss';
}

interface Trust {
  readonly tls: ClientTls | null;
  readonly blocked: string | null;
  readonly pending: readonly PendingField[];
}

/**
 * As Kong has it: the certificate of the upstream is looked at where `tls_verify` says so, the SNI is the host that is sent,
 * and the service's own client certificate stands before that of the upstream entity (kong/runloop/upstream_ssl.lua).
 */
function clientTls(located: Located, service: Service, destination: Destination, { book, report }: ClusterContext): Trust {
  const { resource, entity } = located;
  const pending: PendingField[] = [];
  const closed = (blocked: string): Trust => ({ tls: null, blocked, pending });
  const verify = service.tls_verify === true;
  if (!verify)
    report.add(
      'WR0416',
      resource,
      service.tls_verify === undefined ? ['protocol'] : ['tls_verify'],
      `the certificate of the upstream of service '${resource.name}' is not looked at: anyone on the way may answer`,
      'write tls_verify: true, with ca_certificates where its authority is your own',
    );
  if (service.tls_verify_depth !== undefined)
    pending.push(report.pending(resource, ['tls_verify_depth'], service.tls_verify_depth, { hint: 'chains of any length are accepted' }));
  const authorities = book.authorities(service.ca_certificates ?? []);
  if (authorities.missing !== null) {
    report.add(
      'WR0401',
      resource,
      ['ca_certificates'],
      `ca_certificates: there is no sound CACertificate '${authorities.missing}'; the routes of service '${resource.name}' answer 503`,
      "add it under 'ca_certificates' with this id",
    );
    return closed(`CA certificate '${authorities.missing}' is not there`);
  }
  const own = entity.refs.client_certificate;
  const reference = own ?? destination.clientCertificate?.entity.refs.client_certificate;
  const certificate = reference === undefined ? null : book.clientCertificate(reference);
  // Of one that is in no document WR0401 has been told already, of a broken one its own errors.
  if (reference !== undefined && certificate === null) return closed('its client certificate is not there or is quarantined');
  // Connections send no host: then it is that of the service (Kong: proxy_ssl_name).
  const host = service.protocol === 'tls' ? (destination.hostHeader ?? service.host).replace(/:\d+$/, '').toLowerCase() : '';
  const sni = host === '' || host.startsWith('[') || isIP(host) !== 0 ? null : host;
  return { tls: { sni, verify, ca: authorities.secret, subjectAltNames: [], certificate }, blocked: null, pending };
}

interface Destination {
  readonly endpoints: readonly Endpoint[];
  readonly balancer: Balancer;
  readonly declared: boolean;
  readonly hostHeader?: string;
  readonly pending: readonly PendingField[];
  readonly blocked?: string;
  /** The upstream entity, whose client certificate stands in for the service's. */
  readonly clientCertificate?: Located;
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
      clientCertificate: upstream,
      ...(hostHeader === undefined ? {} : { hostHeader }),
    };
  }
  const udp = service.protocol === 'udp' ? 'udp' : undefined;
  const declared = context.services.resolve(service.host, null) ?? context.services.resolve(service.host, 'default');
  if (declared !== null)
    return { endpoints: declared.endpoints(service.port, udp), balancer: roundRobin, declared: true, hostHeader: ownHost, pending: [] };
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
  return port === (protocol === 'https' || protocol === 'grpcs' ? 443 : 80) ? name : `${name}:${port}`;
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

function upstreamPending({ resource }: Located, fields: Upstream, report: Report): readonly PendingField[] {
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
  return pending;
}
