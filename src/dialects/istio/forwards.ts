/** `connectionPool.tcp` of DestinationRules → layer 4 forwards of every dialect. */
import type { ConnectionChain, L4Forward } from '../../model/chain.ts';
import type { PendingField } from '../../model/route.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import type { TcpSettings } from './clusters.ts';
import type { Reporter } from './report.ts';

/**
 * The idle timeout is that of the first destination, as in Istio; the bound on connections counts where a route has one
 * destination. Where a setting says nothing, because its cluster carries HTTP or one share of several, it is pending.
 */
export function refineForwards(snapshot: Snapshot, tcp: ReadonlyMap<string, TcpSettings>, report: Reporter): Snapshot {
  if (tcp.size === 0) return snapshot;
  const bounded = new Set<string>();
  const timed = new Set<string>();
  const refine = (forward: L4Forward): L4Forward => {
    const first = forward.destinations.at(0);
    const cluster = first?.cluster ?? '';
    const settings = tcp.get(cluster);
    if (settings === undefined) return forward;
    const alone = forward.destinations.length === 1;
    if (settings.idleTimeoutMs !== null) timed.add(cluster);
    if (settings.maxConnections !== null && alone) bounded.add(cluster);
    return {
      ...forward,
      idleTimeoutMs: settings.idleTimeoutMs ?? forward.idleTimeoutMs,
      maxConnections: alone ? (settings.maxConnections ?? forward.maxConnections) : forward.maxConnections,
    };
  };
  const refineChain = (chain: ConnectionChain): ConnectionChain =>
    chain.forward === null ? chain : { ...chain, forward: refine(chain.forward) };
  const listeners = snapshot.listeners.map((listener) =>
    listener.chains === undefined ? listener : { ...listener, chains: listener.chains.map(refineChain) },
  );
  const clusters = snapshot.clusters.map((cluster) => {
    const settings = tcp.get(cluster.name);
    if (settings === undefined) return cluster;
    const pending: PendingField[] = [];
    const add = (field: string, value: number, why: string): void => {
      pending.push({ field: `trafficPolicy.connectionPool.tcp.${field}`, value, restricts: false });
      report.pending(settings.resource, [...settings.path, field], why);
    };
    if (settings.idleTimeoutMs !== null && !timed.has(cluster.name))
      add('idleTimeout', settings.idleTimeoutMs, 'it acts on TCP routes, by their first destination');
    if (settings.maxConnections !== null && !bounded.has(cluster.name))
      add('maxConnections', settings.maxConnections, 'it acts on TCP routes with one destination');
    return pending.length === 0 ? cluster : { ...cluster, pending: [...cluster.pending, ...pending] };
  });
  return { ...snapshot, listeners, clusters };
}
