import { isIP } from 'node:net';
import type { Endpoint } from '../../model/cluster.ts';
import { isRecord } from '../check.ts';
import type { Resource } from '../dialect.ts';
import type { ServiceDefinition, ServicePort } from '../services.ts';
import { qualify } from './hosts.ts';
import { unixPath } from './schema/gateway.ts';
import { serviceEntryKind, workloadEntryKind, type ServiceEntry, type Workload } from './schema/service-entry.ts';

type EntryPort = NonNullable<ServiceEntry['spec']['ports']>[number];

/** ServiceEntries with their endpoints: listed, selected among WorkloadEntries and Pods, or the host's own name in DNS. */
export function istioServices(resources: readonly Resource[]): readonly ServiceDefinition[] {
  const selectable = new Map<string, Workload[]>();
  const entries: { readonly resource: Resource; readonly entry: ServiceEntry }[] = [];
  for (const resource of resources) {
    if (resource.kind === 'ServiceEntry') {
      const entry = serviceEntryKind.of(resource);
      if (entry !== null) entries.push({ resource, entry });
    } else if (resource.kind === 'WorkloadEntry' || resource.kind === 'Pod') {
      const workload = workloadOf(resource);
      if (workload === null) continue;
      const namespace = resource.namespace ?? 'default';
      const known = selectable.get(namespace);
      if (known === undefined) selectable.set(namespace, [workload]);
      else known.push(workload);
    }
  }
  return entries.flatMap(({ resource, entry }) => define(resource, entry, selectable.get(resource.namespace ?? 'default') ?? []));
}

function workloadOf(resource: Resource): Workload | null {
  const entry = workloadEntryKind.of(resource);
  if (entry !== null) return { ...entry.spec, labels: { ...entry.metadata.labels, ...entry.spec.labels } };
  if (resource.kind !== 'Pod' || !isRecord(resource.value)) return null;
  const { metadata, status } = resource.value;
  if (!isRecord(status) || typeof status.podIP !== 'string') return null;
  const labels: Record<string, string> = {};
  if (isRecord(metadata) && isRecord(metadata.labels))
    for (const [name, value] of Object.entries(metadata.labels)) if (typeof value === 'string') labels[name] = value;
  return { address: status.podIP, labels };
}

function define(resource: Resource, entry: ServiceEntry, selectable: readonly Workload[]): ServiceDefinition[] {
  const { spec } = entry;
  const resolution = spec.resolution ?? 'NONE';
  const selector = spec.workloadSelector?.labels;
  const workloads = selector === undefined ? (spec.endpoints ?? []) : selectable.filter((one) => hasLabels(one.labels ?? {}, selector));
  const ports = (spec.ports ?? []).map((port): ServicePort => ({
    number: port.number,
    name: port.name,
    protocol: port.protocol?.toLowerCase() ?? protocolByName(port.name),
  }));
  return spec.hosts.map((written) => {
    const host = qualify(written, resource.namespace);
    const own = selector === undefined && workloads.length === 0 && resolution !== 'STATIC';
    const addresses = workloads.map((one) => one.address ?? '').filter((address) => unixPath(address) === null);
    return {
      host,
      namespace: resource.namespace,
      ports,
      discovery: own || addresses.some((address) => isIP(address) === 0) ? 'dns' : 'static',
      endpoints: (number) => {
        const port = spec.ports?.find((one) => one.number === number);
        // Istio's NONE keeps the address the caller dialled; without interception that is what DNS says for the name.
        if (own)
          return host.startsWith('*') ? [] : [{ address: host, port: port?.targetPort ?? number, weight: 1, labels: {}, locality: '' }];
        return workloads.flatMap((one) => endpointOf(one, port, number));
      },
      anyPort: ports.length === 0,
      exportTo: spec.exportTo ?? ['*'],
      ...(spec.subjectAltNames?.length ? { subjectAltNames: spec.subjectAltNames } : {}),
      origin: resource.origin,
    };
  });
}

/** Istio's port names: `http`, `grpc-api` …; anything else is TCP. */
export function protocolByName(name: string): string {
  const prefix = /^(http2|https|http|grpc-web|grpc|tcp|tls|mongo|mysql|redis)(?:-|$)/i.exec(name);
  return prefix === null ? 'tcp' : prefix[1].toLowerCase();
}

function endpointOf(workload: Workload, port: EntryPort | undefined, number: number): Endpoint[] {
  const { address } = workload;
  if (address === undefined || address === '') return [];
  const path = unixPath(address);
  if (path === null && address.startsWith('unix://')) return [];
  return [
    {
      address: path ?? address,
      port: path !== null ? 0 : ((port === undefined ? undefined : (workload.ports?.[port.name] ?? port.targetPort)) ?? number),
      // In protobuf 0 is "not set".
      weight: workload.weight || 1,
      labels: workload.labels ?? {},
      locality: workload.locality ?? workload.labels?.['istio-locality'] ?? '',
    },
  ];
}

/** Whether all labels of the selector are there. */
export function hasLabels(labels: Readonly<Record<string, string>>, selector: Readonly<Record<string, string>>): boolean {
  for (const [name, value] of Object.entries(selector)) if (labels[name] !== value) return false;
  return true;
}
