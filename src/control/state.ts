import type { ClusterDescription, CompileOutcome, Binding } from '../model/events.ts';
import type { Diagnostic } from '../model/diagnostic.ts';

/** Revision that serves (or is about to), as the admin address shows it. */
export interface ServingState {
  /** 0: nothing serves yet. */
  readonly revision: number;
  /** ISO time at which the revision was applied on every worker; null before the first. */
  readonly appliedAt: string | null;
  readonly outcome: CompileOutcome | null;
  readonly bindings: readonly Binding[];
  /** Listeners that have no socket, with the reason. */
  readonly unprogrammed: ReadonlyMap<string, string>;
  /** Of the files, of the sockets and of DNS. */
  readonly diagnostics: readonly Diagnostic[];
  /** Resources whose last good version serves, or that are left out. */
  readonly quarantined: number;
  readonly draining: boolean;
}

export const emptyState: ServingState = {
  revision: 0,
  appliedAt: null,
  outcome: null,
  bindings: [],
  unprogrammed: new Map(),
  diagnostics: [],
  quarantined: 0,
  draining: false,
};

/** Live counts of one cluster, summed over workers. */
export function sumClusters(workers: readonly (readonly ClusterDescription[])[]): readonly ClusterDescription[] {
  const clusters = new Map<string, Map<string, ClusterDescription['endpoints'][number]>>();
  for (const described of workers) {
    for (const { name, endpoints } of described) {
      const sums = clusters.get(name) ?? new Map<string, ClusterDescription['endpoints'][number]>();
      clusters.set(name, sums);
      for (const endpoint of endpoints) {
        const key = `${endpoint.address} ${endpoint.port}`;
        const before = sums.get(key);
        sums.set(key, {
          ...endpoint,
          active: endpoint.active + (before?.active ?? 0),
          idle: endpoint.idle + (before?.idle ?? 0),
          connectFailures: endpoint.connectFailures + (before?.connectFailures ?? 0),
          requests: endpoint.requests + (before?.requests ?? 0),
        });
      }
    }
  }
  return [...clusters].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, endpoints]) => ({ name, endpoints: [...endpoints.values()] }));
}
