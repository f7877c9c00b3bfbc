import { isIP } from 'node:net';
import type { z } from 'zod';
import type { Endpoint } from '../../model/cluster.ts';
import type { Resource } from '../dialect.ts';
import type { ServiceDefinition } from '../services.ts';
import { endpointSliceKind, podKind, serviceKind } from './schema.ts';

type Service = z.output<ReturnType<typeof serviceKind.schema>>;
type ServicePortSpec = Service['spec']['ports'][number];
type Slice = z.output<ReturnType<typeof endpointSliceKind.schema>>;
type Pod = z.output<ReturnType<typeof podKind.schema>>;

/** Label that ties an EndpointSlice to its Service (Kubernetes, discovery.k8s.io/v1). */
const sliceLabel = 'kubernetes.io/service-name';

/**
 * Services with the endpoints that EndpointSlices list, else those of the Pods their selector finds. ExternalName is a
 * name for DNS. A Service with neither has no endpoints: requests get 503 UH.
 */
export function kubernetesServices(resources: readonly Resource[]): readonly ServiceDefinition[] {
  const services: { readonly resource: Resource; readonly service: Service }[] = [];
  const slices = new Map<string, Slice[]>();
  const pods = new Map<string, Pod[]>();
  for (const resource of resources) {
    if (resource.dialect !== 'kubernetes') continue;
    if (resource.kind === 'Service') {
      const service = serviceKind.of(resource);
      if (service) services.push({ resource, service });
    } else if (resource.kind === 'EndpointSlice') {
      const slice = endpointSliceKind.of(resource);
      const owner = slice?.metadata.labels?.[sliceLabel];
      if (slice && owner !== undefined) append(slices, `${resource.namespace}/${owner}`, slice);
    } else if (resource.kind === 'Pod') {
      const pod = podKind.of(resource);
      if (pod) append(pods, resource.namespace ?? 'default', pod);
    }
  }
  return services.map(({ resource, service }) => {
    const namespace = resource.namespace ?? 'default';
    const own = slices.get(`${namespace}/${resource.name}`) ?? [];
    return define(resource, service, namespace, own, pods.get(namespace) ?? []);
  });
}

function define(
  resource: Resource,
  service: Service,
  namespace: string,
  slices: readonly Slice[],
  pods: readonly Pod[],
): ServiceDefinition {
  const { spec } = service;
  const external = spec.type === 'ExternalName' ? (spec.externalName ?? null) : null;
  const named = external !== null ? isIP(external) === 0 : slices.some((slice) => slice.addressType === 'FQDN');
  return {
    host: `${resource.name}.${namespace}.svc.cluster.local`.toLowerCase(),
    namespace,
    ports: spec.ports.map((port) => ({
      number: port.port,
      name: port.name ?? null,
      protocol: protocolOf(port),
      ...(port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol.toLowerCase() }),
    })),
    discovery: named ? 'dns' : 'static',
    anyPort: external !== null,
    origin: resource.origin,
    endpoints(number, transport) {
      if (external !== null) return [{ address: external, port: number, weight: 1, labels: {}, locality: '' }];
      const protocol = transport === 'udp' ? 'UDP' : 'TCP';
      const port = spec.ports.find((candidate) => candidate.port === number && candidate.protocol === protocol);
      if (port === undefined) return [];
      return slices.length > 0
        ? fromSlices(slices, port, spec.ports.length === 1, spec.publishNotReadyAddresses, pods)
        : fromPods(pods, port, spec.selector ?? {}, spec.publishNotReadyAddresses);
    },
  };
}

/** appProtocol, else what the port's name says (`http-web`, `grpc`), else the transport; lower case. */
function protocolOf(port: ServicePortSpec): string {
  if (port.appProtocol !== undefined) return port.appProtocol.toLowerCase();
  if (port.protocol !== 'TCP') return port.protocol.toLowerCase();
  const prefix = /^(http2|https|http|grpc-web|grpc|tls|mongo|mysql|redis)(?:-|$)/i.exec(port.name ?? '');
  return prefix === null ? 'tcp' : prefix[1].toLowerCase();
}

function fromSlices(
  slices: readonly Slice[],
  port: ServicePortSpec,
  onlyPort: boolean,
  publishNotReady: boolean,
  pods: readonly Pod[],
): readonly Endpoint[] {
  const byName = new Map(pods.map((pod) => [pod.metadata.name, pod]));
  const ready = new Map<string, Endpoint>();
  const leaving = new Map<string, Endpoint>();
  for (const slice of slices) {
    const target = slicePort(slice, port, onlyPort);
    if (target === null) continue;
    for (const one of slice.endpoints) {
      const state = standing(one, publishNotReady);
      if (state === 'out') continue;
      const list = state === 'ready' ? ready : leaving;
      const pod = one.targetRef?.kind === 'Pod' ? byName.get(one.targetRef.name ?? '') : undefined;
      const labels = pod?.metadata.labels ?? {};
      const zone = one.zone ?? (one.deprecatedTopology ?? one.topology)?.['topology.kubernetes.io/zone'];
      // All addresses of an endpoint are the same backend: the first one is used.
      const address = one.addresses[0];
      list.set(`${address} ${target}`, { address, port: target, weight: 1, labels, locality: zone === undefined ? '' : `/${zone}` });
    }
  }
  // Pods that shut down and still serve take the traffic when nobody else is there (KEP-1669).
  return [...(ready.size > 0 ? ready : leaving).values()];
}

function standing({ conditions = {} }: Slice['endpoints'][number], publishNotReady: boolean): 'ready' | 'leaving' | 'out' {
  // An absent condition means ready (EndpointConditions.ready).
  if (conditions.ready !== false || publishNotReady) return 'ready';
  return conditions.serving === true && conditions.terminating === true ? 'leaving' : 'out';
}

/** Slice ports carry the name of the Service's port. A hand-written pair with one port each needs no name. */
function slicePort(slice: Slice, port: ServicePortSpec, onlyPort: boolean): number | null {
  const candidates = slice.ports.filter((one) => one.protocol === port.protocol);
  const named = candidates.find((one) => (one.name ?? '') === (port.name ?? ''));
  const lone = onlyPort && candidates.length === 1 && (candidates[0].name ?? '') === '' ? candidates[0] : undefined;
  const found = named ?? lone;
  if (found === undefined) return null;
  return found.port ?? (typeof port.targetPort === 'number' ? port.targetPort : port.port);
}

function fromPods(
  pods: readonly Pod[],
  port: ServicePortSpec,
  selector: Readonly<Record<string, string>>,
  publishNotReady: boolean,
): readonly Endpoint[] {
  const wanted = Object.entries(selector);
  if (wanted.length === 0) return [];
  const endpoints: Endpoint[] = [];
  for (const pod of pods) {
    const labels = pod.metadata.labels ?? {};
    const address = pod.status?.podIP;
    if (address === undefined || !wanted.every(([name, value]) => labels[name] === value)) continue;
    if (!publishNotReady && !podReady(pod)) continue;
    const target = podPort(pod, port);
    if (target !== null) endpoints.push({ address, port: target, weight: 1, labels, locality: '' });
  }
  return endpoints;
}

function podReady(pod: Pod): boolean {
  const ready = pod.status?.conditions.find((condition) => condition.type === 'Ready');
  if (ready !== undefined) return ready.status === 'True';
  return pod.status?.phase === undefined || pod.status.phase === 'Running';
}

function podPort(pod: Pod, port: ServicePortSpec): number | null {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target;
  for (const container of pod.spec?.containers ?? [])
    for (const one of container.ports ?? []) if (one.name === target && one.protocol === port.protocol) return one.containerPort;
  return null;
}

function append<Value>(map: Map<string, Value[]>, key: string, value: Value): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
