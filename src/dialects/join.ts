import { diagnose } from '../analysis/messages.ts';
import type { Cluster } from '../model/cluster.ts';
import type { Consumer } from '../model/consumer.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Listener } from '../model/listener.ts';
import type { Route } from '../model/route.ts';
import type { Secret } from '../model/tls.ts';
import type { Condition, Fragment, ResourceStatus, Snapshot } from '../model/snapshot.ts';

export interface Joined {
  readonly snapshot: Snapshot;
  readonly diagnostics: readonly Diagnostic[];
}

/**
 * Puts the dialects' fragments together: route indexes are shifted, clusters of one name become one, and a socket that
 * two dialects claim goes to the first. `fragments` are in order of precedence.
 */
export function join(fragments: readonly Fragment[]): Joined {
  const listeners: Listener[] = [];
  const routes: Route[] = [];
  const clusters = new Map<string, Cluster>();
  const consumers: Consumer[] = [];
  const secrets = new Map<string, Secret>();
  const status: ResourceStatus[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const fragment of fragments) {
    const shift = routes.length;
    const taken = listeners.slice();
    const lost = new Map<string, Condition>();
    for (const listener of fragment.listeners) {
      const holder =
        listener.kind === 'mesh'
          ? taken.find((other) => other.kind === 'mesh')
          : taken.find((other) => clash(other, listener) && !yields(other, listener));
      if (holder === undefined) {
        listeners.push(shift === 0 ? listener : shifted(listener, shift));
      } else {
        diagnostics.push(conflict(listener, holder));
        lost.set(listener.name, condition('Programmed', `${listener.name} belongs to ${nameOf(holder)}`));
      }
    }
    // One by one: a spread of a hundred thousand arguments overflows the stack.
    for (const route of fragment.routes) routes.push(route);
    for (const cluster of fragment.clusters) {
      const known = clusters.get(cluster.name);
      // A dialect that does not know the host only guesses.
      if (known === undefined || (cluster.declared && !known.declared)) clusters.set(cluster.name, cluster);
    }
    for (const consumer of fragment.consumers) consumers.push(consumer);
    for (const secret of fragment.secrets ?? []) secrets.set(secret.name, secret);
    for (const entry of fragment.status) status.push(lost.size === 0 ? entry : withoutSocket(entry, lost));
  }
  return {
    snapshot: { listeners, routes, clusters: [...clusters.values()], consumers, secrets: [...secrets.values()], status },
    diagnostics,
  };
}

function shifted(listener: Listener, by: number): Listener {
  return {
    ...listener,
    virtualHosts: listener.virtualHosts.map((host) => ({
      ...host,
      matches: host.matches.map((entry) => ({ ...entry, route: entry.route + by })),
    })),
  };
}

/** Kong's own ports are there for want of others: Weir's dialect takes them out once it has their routes. */
export function yields(kong: Listener, weir: Listener): boolean {
  return kong.dialect === 'kong' && weir.dialect === 'weir' && kong.protocol === 'http' && clash(kong, weir);
}

function clash(a: Listener, b: Listener): boolean {
  if (a.kind !== 'gateway' || b.kind !== 'gateway' || a.port !== b.port) return false;
  // UDP has ports of its own.
  if ((a.protocol === 'udp') !== (b.protocol === 'udp')) return false;
  return a.address === b.address || isAny(a.address) || isAny(b.address);
}

function isAny(address: string): boolean {
  return address === '::' || address === '0.0.0.0' || address === '';
}

function conflict(listener: Listener, holder: Listener): Diagnostic {
  const { kind, namespace, name } = listener.origin;
  const ref = { kind, namespace, name };
  if (listener.dialect === 'kong') {
    return diagnose(
      'WR0602',
      listener.origin,
      ref,
      `port ${listener.port} belongs to ${nameOf(holder)}: Kong's routes are not served there`,
      {
        hint: `Give ${holder.origin.kind} ${holder.origin.name} another port: Kong documents listen on Kong's own.`,
      },
    );
  }
  return diagnose(
    'WR0601',
    listener.origin,
    ref,
    `Conflicted: ${nameOf(listener)} and ${nameOf(holder)} both listen on ${overlap(listener, holder)}; the latter keeps it`,
    {
      hint: 'Give one of the two another port or address, or describe both in one dialect: Gateways of one dialect share a socket.',
    },
  );
}

function overlap(listener: Listener, holder: Listener): string {
  if (listener.kind === 'mesh') return 'the mesh';
  return listener.name === holder.name ? listener.name : `port ${listener.port} (${listener.name} and ${holder.name})`;
}

function nameOf(listener: Listener): string {
  const { dialect, kind, namespace, name, file, line } = listener.origin;
  return `${dialect} ${kind} ${namespace === null ? name : `${namespace}/${name}`} (${file}:${line})`;
}

function condition(type: string, message: string): Condition {
  return { type, status: 'False', reason: 'PortUnavailable', message };
}

function withoutSocket(entry: ResourceStatus, lost: ReadonlyMap<string, Condition>): ResourceStatus {
  if (!entry.listeners.some((listener) => listener.listener !== null && lost.has(listener.listener))) return entry;
  return {
    ...entry,
    listeners: entry.listeners.map((listener) => {
      const programmed = listener.listener === null ? undefined : lost.get(listener.listener);
      if (programmed === undefined) return listener;
      const conditions = listener.conditions.filter(({ type }) => type !== 'Accepted' && type !== 'Programmed' && type !== 'Conflicted');
      const conflicted: Condition = { type: 'Conflicted', status: 'True', reason: 'PortUnavailable', message: programmed.message };
      return {
        ...listener,
        listener: null,
        conditions: [...conditions, condition('Accepted', programmed.message), programmed, conflicted],
      };
    }),
  };
}
