import type { Cluster, Endpoint } from '../model/cluster.ts';
import type { Origin } from '../model/origin.ts';
import type { Resource } from './dialect.ts';
import { istioServices } from './istio/services.ts';
import { kubernetesServices } from './kubernetes/services.ts';
import { kongUpstreamServices } from './kong/services.ts';

export interface ServicePort {
  readonly number: number;
  readonly name: string | null;
  /** `http`, `http2`, `grpc`, `tcp` … as the dialect says; lower case. */
  readonly protocol: string;
  /** Kubernetes `appProtocol` where it is written, lower case. */
  readonly appProtocol?: string;
}

/** A destination that the configuration itself declares, whatever the dialect. */
export interface ServiceDefinition {
  /** Fully qualified, lower case: `reviews.default.svc.cluster.local`, `api.example.com`, a Kong upstream's name. `*.` in front for wildcard ServiceEntries. */
  readonly host: string;
  readonly namespace: string | null;
  readonly ports: readonly ServicePort[];
  readonly discovery: 'static' | 'dns';
  /** Endpoints behind a port, all subsets. Weight 0 is kept. `udp`: the port of that transport, which may share its number with one of TCP. */
  readonly endpoints: (port: number, transport?: 'udp') => readonly Endpoint[];
  /** Other dialects' routes may also use `port`s that are not declared (Kong upstreams). */
  readonly anyPort: boolean;
  /** Namespaces that may see it (Istio exportTo); absent: all. */
  readonly exportTo?: readonly string[];
  /** Of the endpoints' certificates one must be among these names (ServiceEntry `subjectAltNames`); absent: no say. */
  readonly subjectAltNames?: readonly string[];
  readonly origin: Origin;
}

export interface ServiceIndex {
  readonly all: readonly ServiceDefinition[];
  /**
   * A short name first within the namespace (`name`, `name.ns`, `name.ns.svc` → `name.ns.svc.cluster.local`),
   * then as written, then the longest wildcard. Null: not in the configuration (DNS is next).
   */
  resolve(host: string, namespace: string | null): ServiceDefinition | null;
}

export function buildServiceIndex(resources: readonly Resource[]): ServiceIndex {
  const all = [...kubernetesServices(resources), ...istioServices(resources), ...kongUpstreamServices(resources)];
  const byHost = new Map<string, ServiceDefinition>();
  for (const service of all) if (!byHost.has(service.host)) byHost.set(service.host, service);
  const resolve = (host: string, namespace: string | null): ServiceDefinition | null => {
    const name = host.toLowerCase();
    const labels = name.split('.');
    if (namespace !== null && labels.length === 1) {
      const local = byHost.get(`${name}.${namespace}.svc.cluster.local`);
      if (local) return local;
    }
    if (labels.length === 2) {
      const qualified = byHost.get(`${name}.svc.cluster.local`);
      if (qualified) return qualified;
    }
    if (labels.length === 3 && labels[2] === 'svc') {
      const qualified = byHost.get(`${name}.cluster.local`);
      if (qualified) return qualified;
    }
    const asWritten = byHost.get(name);
    if (asWritten) return asWritten;
    for (let i = 1; i < labels.length; i++) {
      const wildcard = byHost.get(`*.${labels.slice(i).join('.')}`);
      if (wildcard) return wildcard;
    }
    return null;
  };
  return { all, resolve };
}

/** Envoy-like cluster name, unique by destination: `host|port|subset`. */
export function clusterName(host: string, port: number, subset: string | null): string {
  return subset === null ? `${host}|${port}` : `${host}|${port}|${subset}`;
}

/** Cluster of a host that the configuration does not declare: an IP literal is static, a name goes to DNS. */
export function undeclaredCluster(host: string, port: number, origin: Origin, isIp: boolean): Cluster {
  return {
    name: clusterName(host, port, null),
    discovery: isIp ? 'static' : 'dns',
    endpoints: [{ address: host, port, weight: 1, labels: {}, locality: '' }],
    balancer: { policy: 'least-request', choices: 2 },
    connectTimeoutMs: 10_000,
    service: host,
    serviceNamespace: null,
    transport: 'plaintext',
    declared: isIp,
    origin,
    pending: [],
  };
}
