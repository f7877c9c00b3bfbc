import { nearest } from '../base/text.ts';
import type { L4Forward } from '../model/chain.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Listener } from '../model/listener.ts';
import type { Origin } from '../model/origin.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { certificateNames } from './certificates.ts';
import { diagnose } from './messages.ts';
import { shadowedRoutes } from './shadow.ts';

/** Findings of one code that are listed one by one. */
export const maxFindings = 200;

/**
 * Checks that need the whole picture. Linear in the size of the snapshot. `files`: how many there are, readable or not. `hasErrors`: some
 * resource is left out for its own errors, which may be why something is missing here.
 */
export function analyse(snapshot: Snapshot, files: number, hasErrors = false): readonly Diagnostic[] {
  return [
    ...limited(withoutListener(snapshot, files)),
    ...limited(snapshot.listeners.flatMap((listener) => withoutRoutes(listener, hasErrors))),
    ...limited(undeclaredHosts(snapshot)),
    ...limited(withoutEndpoints(snapshot)),
    ...limited(allZero(snapshot)),
    ...limited(shadowedRoutes(snapshot)),
    ...limited(certificateNames(snapshot, 'inline')),
  ];
}

/** The first so many, and how many more there are. */
export function limited(found: readonly Diagnostic[]): readonly Diagnostic[] {
  const last = found[maxFindings - 1];
  if (found.length <= maxFindings || last === undefined) return found;
  const rest = found.length - maxFindings;
  return [
    ...found.slice(0, maxFindings),
    diagnose('WR0609', { file: last.file, line: 0, column: 0 }, null, `${rest} more findings of ${last.code} are not listed`, {
      hint: 'Fix the listed ones and validate again.',
    }),
  ];
}

function withoutListener(snapshot: Snapshot, files: number): readonly Diagnostic[] {
  if (snapshot.listeners.length > 0) return [];
  const first = snapshot.routes[0]?.origin ?? snapshot.status[0]?.origin;
  if (files === 0 && first === undefined) {
    return [
      diagnose('WR0608', { file: '', line: 0, column: 0 }, null, 'the given paths hold no document', {
        hint: 'Point -f at a .yaml, .yml or .json file, or at a directory with such files.',
      }),
    ];
  }
  // Files that cannot be read have their own diagnostic, which says what to do.
  if (first === undefined) return [];
  return [
    diagnose('WR0605', first, null, 'nothing opens a port, so no request can arrive', {
      hint: 'Mend the errors of a Gateway that is there, or add one: an Istio Gateway with servers, a Gateway API Gateway with listeners, or a weir.dev/v1 Listener with a port.',
    }),
  ];
}

function withoutRoutes(listener: Listener, hasErrors: boolean): readonly Diagnostic[] {
  if (listener.kind === 'mesh' || listener.filters.length > 0 || listener.virtualHosts.some((host) => host.matches.length > 0)) return [];
  const { chains = [], name, protocol } = listener;
  // Kong's port without TLS has the same routes, and has told.
  if (listener.dialect === 'kong' && protocol === 'http' && chains.length > 0) return [];
  // A route that is closed is attached all the same, and what closes it has told.
  const isRoute = (forward: L4Forward): boolean => forward.blocked === undefined || forward.destinations.length > 0;
  if (protocol !== 'http' && chains.some(({ forward }) => forward !== null && isRoute(forward))) return [];
  const lost = protocol === 'http' ? 'every request is answered 404' : 'every connection is closed';
  return [
    diagnose('WR0607', listener.origin, refOf(listener.origin), `no route is attached to ${name}: ${lost}`, {
      hint: hasErrors ? 'Mend the errors first: a resource that has one is left out.' : hintFor(listener),
    }),
  ];
}

function hintFor(listener: Listener): string {
  const { kind, name } = listener.origin;
  if (listener.dialect === 'istio') return `Add a VirtualService with "gateways: [${name}]" and hosts that the Gateway admits.`;
  if (listener.dialect === 'gateway-api') return `Add an HTTPRoute with "parentRefs: [{name: ${name}}]".`;
  if (listener.dialect === 'kong') return 'Add routes to a service of the Kong document.';
  return `${kind} ${name} serves the routes of Kong documents, or with "routesFrom: [mesh]" those of the mesh: add one.`;
}

function undeclaredHosts(snapshot: Snapshot): readonly Diagnostic[] {
  const declared = declaredNames(snapshot);
  return snapshot.clusters
    .filter((cluster) => !cluster.declared && cluster.blocked === undefined)
    .map((cluster, index) => {
      // Only findings that are listed are worth the search.
      const near = index < maxFindings ? nearest(cluster.service, declared) : null;
      return diagnose(
        'WR0604',
        cluster.origin,
        refOf(cluster.origin),
        `nothing in the configuration declares the host ${cluster.service}; DNS will be asked for it`,
        {
          severity: near !== null || isClusterName(cluster.service) ? 'warning' : 'info',
          hint: `${near === null ? '' : `did you mean '${near}'? `}If it is one of yours, declare it: a Service with an EndpointSlice, an Istio ServiceEntry with "hosts: [${cluster.service}]" and endpoints, or a Kong upstream of that name.`,
        },
      );
    });
}

/** Hosts that an undeclared one may be a slip of the pen for, Kubernetes services by their short names too. */
function declaredNames(snapshot: Snapshot): readonly string[] {
  const hosts = new Set(snapshot.clusters.filter(({ declared }) => declared).map(({ service }) => service));
  // A search through more would cost seconds.
  if (hosts.size > 500) return [];
  return [...hosts].flatMap((host) => (host.endsWith('.svc.cluster.local') ? [host.slice(0, host.indexOf('.')), host] : [host]));
}

/** A short name or a Kubernetes one is meant to be known here; a domain name may well be DNS's. */
function isClusterName(host: string): boolean {
  return !host.includes('.') || host.endsWith('.local') || host.endsWith('.svc');
}

function withoutEndpoints(snapshot: Snapshot): readonly Diagnostic[] {
  return snapshot.clusters
    .filter((cluster) => cluster.declared && cluster.endpoints.length === 0 && cluster.blocked === undefined)
    .map((cluster) =>
      diagnose('WR0606', cluster.origin, refOf(cluster.origin), `${cluster.name} has no endpoints: requests to it are answered 503`, {
        hint: 'Add an EndpointSlice (label kubernetes.io/service-name), endpoints of the ServiceEntry, or targets of the Kong upstream, and check that ports and subset labels agree.',
      }),
    );
}

function allZero(snapshot: Snapshot): readonly Diagnostic[] {
  return snapshot.routes
    .filter(({ action }) => action.kind === 'forward' && action.destinations.every(({ weight }) => weight === 0))
    .map(({ name, origin }) =>
      diagnose('WR0610', origin, refOf(origin), `every destination of route ${name} has weight 0`, {
        hint: 'Give at least one destination a weight above 0.',
      }),
    );
}

export function refOf({ kind, namespace, name }: Origin): {
  readonly kind: string;
  readonly namespace: string | null;
  readonly name: string;
} {
  return { kind, namespace, name };
}
