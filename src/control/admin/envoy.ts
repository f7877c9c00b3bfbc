import type { Binding, ClusterDescription } from '../../model/events.ts';
import type { ServingState } from '../state.ts';

/** `/clusters` as Envoy writes it: `name::address::field::value`. */
export function clustersText(clusters: readonly ClusterDescription[]): string {
  const lines: string[] = [];
  for (const { name, endpoints } of clusters) {
    for (const { address, port, weight, active, idle, connectFailures, requests } of endpoints) {
      const at = `${name}::${socket(address, port)}`;
      lines.push(
        `${at}::cx_active::${active + idle}`,
        `${at}::cx_connect_fail::${connectFailures}`,
        `${at}::rq_active::${active}`,
        `${at}::rq_total::${requests}`,
      );
      lines.push(`${at}::health_flags::healthy`, `${at}::weight::${weight}`);
    }
    if (endpoints.length === 0) lines.push(`${name}::no endpoints`);
  }
  return lines.map((line) => `${line}\n`).join('');
}

/** Envoy's `admin.v3.Clusters`, the fields that have a meaning here. */
export function clustersJson(clusters: readonly ClusterDescription[]): string {
  return JSON.stringify({
    cluster_statuses: clusters.map(({ name, endpoints }) => ({
      name,
      added_via_api: true,
      host_statuses: endpoints.map(({ address, port, weight, active, idle, connectFailures, requests }) => ({
        address: addressJson(address, port, undefined),
        stats: [
          { name: 'cx_connect_fail', value: String(connectFailures), type: 'COUNTER' },
          { name: 'rq_total', value: String(requests), type: 'COUNTER' },
          { name: 'cx_active', value: String(active + idle), type: 'GAUGE' },
          { name: 'rq_active', value: String(active), type: 'GAUGE' },
        ],
        health_status: { eds_health_status: 'HEALTHY' },
        weight,
      })),
    })),
  });
}

/** `name::address:port`, bound listeners only. */
export function listenersText({ bindings }: ServingState): string {
  return bindings.map((binding) => `${binding.listener}::${boundTo(binding)}\n`).join('');
}

/** Envoy's `admin.v3.Listeners`. */
export function listenersJson({ bindings }: ServingState): string {
  return JSON.stringify({
    listener_statuses: bindings.map(({ listener, address, port, transport }) => ({
      name: listener,
      local_address: addressJson(address, port, transport),
    })),
  });
}

/** Envoy's `core.v3.Address`. */
function addressJson(address: string, port: number, transport: Binding['transport']): object {
  if (isPath(address)) return { pipe: { path: address } };
  return { socket_address: { ...(transport === 'udp' ? { protocol: 'UDP' } : {}), address, port_value: port } };
}

/** Where a binding listens, for people. */
export function boundTo({ address, port, transport }: Binding): string {
  return transport === 'udp' ? `${socket(address, port)} (UDP)` : socket(address, port);
}

/** A Unix socket: its path, or `@` and an abstract name. */
function isPath(address: string): boolean {
  return address.startsWith('/') || address.startsWith('@');
}

export function socket(address: string, port: number): string {
  if (isPath(address)) return address;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}
