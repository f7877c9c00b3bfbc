/** `forward` of a Weir Listener: layer 4 without routes of another dialect. */
import { isIP } from 'node:net';
import type { L4Destination, L4Forward } from '../../model/chain.ts';
import type { Cluster } from '../../model/cluster.ts';
import type { Resource } from '../dialect.ts';
import { clusterName, type ServiceIndex, undeclaredCluster } from '../services.ts';
import type { ListenerSpec } from './kinds.ts';

/** Envoy's tcp_proxy and udp_proxy idle timeouts, ms. */
const idleTimeoutMs = { tcp: 3_600_000, udp: 60_000 } as const;

/** Its clusters go into `clusters`. */
export function listenerForward(
  resource: Resource,
  forward: NonNullable<ListenerSpec['forward']>,
  transport: 'tcp' | 'udp',
  index: ServiceIndex,
  clusters: Map<string, Cluster>,
): L4Forward {
  const destinations = forward.destinations.map(({ host, port, weight }, place): L4Destination => {
    const origin = { ...resource.origin, ...resource.document.locate([...resource.path, 'spec', 'forward', 'destinations', place]) };
    const cluster = clusterFor(host, port, transport, resource.namespace, origin, index);
    if (typeof cluster === 'string') return { cluster: null, weight, host, port, subset: null, invalidReason: cluster };
    if (!clusters.has(cluster.name)) clusters.set(cluster.name, cluster);
    return { cluster: cluster.name, weight, host, port, subset: null };
  });
  return {
    route: resource.name,
    destinations,
    idleTimeoutMs: forward.idleTimeoutMs ?? idleTimeoutMs[transport],
    maxConnections: forward.maxConnections,
    origin: { ...resource.origin, ...resource.document.locate([...resource.path, 'spec', 'forward']) },
    pending: [],
  };
}

/** The cluster, or why there is none. */
function clusterFor(
  host: string,
  port: number,
  transport: 'tcp' | 'udp',
  namespace: string | null,
  origin: Resource['origin'],
  index: ServiceIndex,
): Cluster | string {
  const service = index.resolve(host, namespace);
  const suffix = transport === 'udp' ? '||udp' : '';
  if (service === null) {
    const cluster = undeclaredCluster(host.toLowerCase(), port, origin, isIP(host) !== 0);
    return { ...cluster, name: `${cluster.name}${suffix}` };
  }
  if (!service.anyPort && !service.ports.some((one) => one.number === port)) return `${host} has no port ${port}`;
  const name = service.host.startsWith('*') ? host.toLowerCase() : service.host;
  return {
    ...undeclaredCluster(name, port, service.origin, false),
    name: `${clusterName(name, port, null)}${suffix}`,
    discovery: service.discovery,
    endpoints: service.endpoints(port, transport === 'udp' ? 'udp' : undefined),
    serviceNamespace: service.namespace,
    declared: true,
  };
}
