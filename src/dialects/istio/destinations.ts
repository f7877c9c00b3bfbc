/** Destinations → clusters, weights and reasons why a share cannot be served. */
import { isIP } from 'node:net';
import type { Cluster, Endpoint } from '../../model/cluster.ts';
import type { Origin } from '../../model/origin.ts';
import type { WeightedDestination } from '../../model/route.ts';
import type { Path, Resource } from '../dialect.ts';
import { clusterName, undeclaredCluster, type ServiceDefinition, type ServiceIndex } from '../services.ts';
import { translateHeaders } from './headers.ts';
import { isVisible } from './hosts.ts';
import { originAt, type Reporter } from './report.ts';
import type { RuleBook } from './rules.ts';
import type { RouteDestination } from './schema/virtual-service.ts';
import { hasLabels } from './services.ts';

export interface DestinationBuilder {
  readonly clusters: ReadonlyMap<string, Cluster>;
  /**
   * `listenerPort` stands in for a port that the destination leaves out, where the service has it. `routeAuthority`:
   * the rule sets the authority itself, which wins over the destination's.
   */
  build(route: RouteDestination, at: DestinationPlace): WeightedDestination;
  /** Cluster of a declared service, without subset. */
  plain(service: ServiceDefinition, port: number): string;
  /** Cluster of one address; port 0 for a Unix socket. */
  address(name: string, endpoint: { readonly address: string; readonly port: number }, origin: Origin): string;
  /** Ports that can stand in for the one a destination leaves out; null when it needs none, empty when any can. */
  listenerPorts(route: RouteDestination, namespace: string | null): readonly number[] | null;
}

export interface DestinationPlace {
  readonly owner: Resource;
  /** Path of the destination in its resource. */
  readonly path: Path;
  readonly id: string;
  readonly listenerPort: number | null;
  readonly alone: boolean;
  readonly routeAuthority: boolean;
}

export function createDestinations(index: ServiceIndex, rules: RuleBook, report: Reporter): DestinationBuilder {
  const clusters = new Map<string, Cluster>();

  const declaredCluster = (
    service: ServiceDefinition,
    host: string,
    port: number,
    subset: string | null,
    labels: Readonly<Record<string, string>>,
  ): string => {
    const name = clusterName(host, port, subset);
    if (clusters.has(name)) return name;
    const listed = service.endpoints(port);
    // A wildcard service has no endpoints of its own: the name that was asked for goes to DNS.
    const byName = listed.length === 0 && service.discovery === 'dns' && service.host.startsWith('*');
    const all: readonly Endpoint[] = byName ? [{ address: host, port, weight: 1, labels: {}, locality: '' }] : listed;
    clusters.set(name, {
      name,
      discovery: service.discovery,
      endpoints: all.filter((endpoint) => hasLabels(endpoint.labels, labels)),
      balancer: { policy: 'least-request', choices: 2 },
      connectTimeoutMs: 10_000,
      service: host,
      serviceNamespace: service.namespace,
      transport: 'plaintext',
      ...protocolOf(service, port),
      declared: true,
      origin: service.origin,
      pending: [],
    });
    return name;
  };

  const resolve = (host: string, owner: Resource, path: Path): ServiceDefinition | null => {
    const service = index.resolve(host, owner.namespace);
    if (service === null) return null;
    if (isVisible(service.exportTo, service.namespace, owner.namespace)) return service;
    report.add('WR0214', owner, [...path, 'host'], `'${host}' is not exported to namespace '${owner.namespace ?? ''}'`, {
      hint: `add '${owner.namespace ?? ''}' to exportTo of ${service.origin.kind} ${service.origin.name}`,
    });
    return null;
  };

  return {
    clusters,
    plain: (service, port) => declaredCluster(service, service.host, port, null, {}),
    address(name, { address, port }, origin) {
      clusters.set(name, {
        name,
        discovery: 'static',
        endpoints: [{ address, port, weight: 1, labels: {}, locality: '' }],
        balancer: { policy: 'least-request', choices: 2 },
        connectTimeoutMs: 10_000,
        service: address,
        serviceNamespace: null,
        transport: 'plaintext',
        declared: true,
        origin,
        pending: [],
      });
      return name;
    },
    listenerPorts(route, namespace) {
      if (route.destination.port !== undefined) return null;
      const ports = index.resolve(route.destination.host, namespace)?.ports ?? [];
      return ports.length === 1 ? null : ports.map((port) => port.number);
    },
    build(route, at) {
      const { owner, path } = at;
      const { host, subset = null, port: wanted } = route.destination;
      const headers = translateHeaders(route.headers, owner, [...path, 'headers'], at.id, report);
      const common = {
        weight: at.alone ? 100 : (route.weight ?? 0),
        host,
        subset: subset === '' ? null : subset,
        filters: headers.filters,
        ...(headers.authority === null || at.routeAuthority ? {} : { hostRewrite: { kind: 'literal', value: headers.authority } as const }),
      };
      const destinationPath = [...path, 'destination'];
      const invalid = (port: number | null, invalidReason: string): WeightedDestination => ({
        ...common,
        cluster: null,
        port,
        invalidStatus: 503,
        invalidReason,
      });
      const service = resolve(host, owner, destinationPath);
      const name = service === null || service.host.startsWith('*') ? host.toLowerCase() : service.host;
      const port = wanted?.number ?? (service === null ? (at.listenerPort ?? 80) : defaultPort(service, at.listenerPort));
      if (service !== null && port === null) {
        const ports = service.ports.map((one) => one.number).join(', ');
        report.add('WR0208', owner, destinationPath, `'${host}' has the ports ${ports} and the destination names none`, {
          hint: `add port: {number: ${service.ports[0].number}}`,
        });
        return invalid(null, `no port given, ${host} has several`);
      }
      const number = port ?? 80;
      if (service !== null && !service.anyPort && !service.ports.some((one) => one.number === number)) {
        const ports = service.ports.map((one) => one.number).join(', ');
        report.add('WR0208', owner, [...destinationPath, 'port', 'number'], `'${host}' has no port ${number}`, { hint: `it has ${ports}` });
        return invalid(number, `${host} has no port ${number}`);
      }
      let labels: Readonly<Record<string, string>> = {};
      if (common.subset !== null) {
        const found = rules.find(name, service?.namespace ?? null)?.subsets.get(common.subset);
        if (found === undefined) {
          report.add('WR0203', owner, [...destinationPath, 'subset'], `no DestinationRule of '${host}' has a subset '${common.subset}'`, {
            hint: `add a DestinationRule with host: ${host} and subsets: [{name: ${common.subset}, labels: {…}}]`,
          });
          return invalid(number, `subset ${common.subset} of ${host} does not exist`);
        }
        labels = found.value.labels ?? {};
      }
      if (service !== null) return { ...common, cluster: declaredCluster(service, name, number, common.subset, labels), port: number };
      const cluster = clusterName(name, number, common.subset);
      if (!clusters.has(cluster)) {
        const guess = undeclaredCluster(name, number, originAt(owner, [...destinationPath, 'host']), isIP(name) !== 0);
        clusters.set(cluster, {
          ...guess,
          name: cluster,
          endpoints: guess.endpoints.filter((endpoint) => hasLabels(endpoint.labels, labels)),
        });
      }
      return { ...common, cluster, port: number };
    },
  };
}

/** What the port's protocol says of HTTP. */
function protocolOf(service: ServiceDefinition, port: number): { readonly protocol?: 'http2' } {
  const protocol = service.ports.find((one) => one.number === port)?.protocol;
  return protocol !== undefined && http2Protocols.has(protocol) ? { protocol: 'http2' } : {};
}

const http2Protocols: ReadonlySet<string> = new Set(['http2', 'grpc', 'grpc-web', 'kubernetes.io/h2c']);

/** The only port of the service, else the listener's where the service has it. */
function defaultPort(service: ServiceDefinition, listenerPort: number | null): number | null {
  if (service.ports.length === 1) return service.ports[0].number;
  if (service.ports.length === 0) return listenerPort ?? 80;
  return service.ports.some((one) => one.number === listenerPort) ? listenerPort : null;
}
