import type { SnapshotSummary } from '../model/events.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { factsOf } from './certificates.ts';

/** What the main thread needs of a snapshot: sockets to open, names to resolve, numbers to show. */
export function summarise(snapshot: Snapshot): SnapshotSummary {
  return {
    listeners: snapshot.listeners
      .filter(({ kind }) => kind === 'gateway')
      .map(({ name, address, port, protocol, chains = [], dialect, virtualHosts, origin }) => ({
        name,
        address,
        port,
        ...(protocol === 'udp' ? { transport: protocol } : {}),
        dialect,
        hosts: [
          ...virtualHosts.flatMap(({ domains }) => domains),
          ...chains.flatMap(({ forward, serverNames }) => (forward === null ? [] : serverNames)),
        ].slice(0, maxHosts),
        routes:
          new Set(virtualHosts.flatMap(({ matches }) => matches.map(({ route }) => route))).size +
          new Set(chains.flatMap(({ forward }) => forward?.route ?? [])).size,
        file: origin.file,
        line: origin.line,
      })),
    routes: routeCount(snapshot),
    clusters: snapshot.clusters.length,
    certificates: (snapshot.secrets ?? []).flatMap(({ name, certificate, ca }) => {
      const ends = factsOf(certificate ?? ca ?? '').map(({ validTo }) => validTo);
      if (ends.length === 0) return [];
      // A chain is as good as its weakest part, a bundle as its best.
      return [{ secret: name, validTo: certificate === null ? Math.max(...ends) : Math.min(...ends) }];
    }),
    dns: snapshot.clusters
      .filter(({ discovery }) => discovery === 'dns')
      .map(({ name, declared, endpoints }) => ({
        cluster: name,
        declared,
        names: endpoints.map(({ address, port, weight }) => ({ host: address, port, weight })),
      })),
  };
}

/** Routes of requests and of layer 4. */
export function routeCount({ routes, listeners }: Snapshot): number {
  const forwards = listeners.flatMap(({ chains = [] }) => chains.flatMap(({ forward }) => forward ?? []));
  // Without a destination it only says that nothing is there.
  return routes.length + new Set(forwards.flatMap(({ route, destinations }) => (destinations.length === 0 ? [] : route))).size;
}

/** Hosts of one listener that are shown. */
const maxHosts = 100;
