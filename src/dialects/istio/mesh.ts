/** What a caller inside the mesh sees: VirtualServices of the gateway `mesh` and every other declared service. */
import { edgeListener, type Listener } from '../../model/listener.ts';
import type { RouteMatch } from '../../model/match.ts';
import type { Origin } from '../../model/origin.ts';
import type { MatchEntry, VirtualHost } from '../../model/route.ts';
import type { ServiceDefinition, ServiceIndex } from '../services.ts';
import type { VirtualServiceItem } from './delegates.ts';
import type { DestinationBuilder } from './destinations.ts';
import type { RouteTable } from './entries.ts';
import { aliases, covers, qualify } from './hosts.ts';
import type { Reporter } from './report.ts';

/** Ports that carry HTTP, or may (no protocol declared). */
const httpProtocols: ReadonlySet<string> = new Set(['http', 'http2', 'grpc', 'grpc-web', 'tcp', 'kubernetes.io/h2c', 'kubernetes.io/ws']);

interface Owner {
  readonly domains: readonly string[];
  /** Name under which only callers of `namespace` know it. */
  readonly short: string | null;
  readonly namespace: string | null;
  readonly origin: Origin;
  readonly matches: readonly MatchEntry[];
}

/** Null when nothing in the configuration is for the mesh. */
export function meshListener(
  items: readonly VirtualServiceItem[],
  index: ServiceIndex,
  table: RouteTable,
  build: DestinationBuilder,
  report: Reporter,
): Listener | null {
  const owners: Owner[] = [];
  const taken = new Map<string, VirtualServiceItem>();
  for (const item of items) {
    const { spec } = item.service;
    if (!spec.http?.length || !spec.hosts?.length || (spec.gateways?.length && !spec.gateways.includes('mesh'))) continue;
    const entries = restrict(table.entries(item, { kind: 'mesh' }), spec.exportTo, item.resource.namespace);
    if (entries.length === 0) continue;
    const shared: string[] = [];
    for (const [position, written] of spec.hosts.entries()) {
      const host = hostOf(written, item.resource.namespace, index);
      const first = taken.get(host);
      if (first !== undefined) {
        if (first !== item)
          report.add(
            'WR0211',
            item.resource,
            ['spec', 'hosts', position],
            `VirtualService '${first.resource.namespace}/${first.resource.name}' already answers for '${host}' in the mesh`,
            {
              hint: 'put the rules into one VirtualService, or use delegates',
            },
          );
        continue;
      }
      taken.set(host, item);
      const service = index.resolve(host, null);
      // Callers to whom the VirtualService is not exported reach the service itself.
      const others = isEverywhere(spec.exportTo) || service === null || service.host !== host ? [] : passthrough(service, table, build);
      const names = namesOf(host);
      if (names.short === null && others.length === 0) shared.push(...names.domains);
      else owners.push({ ...names, origin: item.resource.origin, matches: others.length === 0 ? entries : [...entries, ...others] });
    }
    if (shared.length > 0) owners.push({ domains: shared, short: null, namespace: null, origin: item.resource.origin, matches: entries });
  }
  const wildcards = [...taken.keys()].filter((host) => host.startsWith('*'));
  for (const service of index.all) {
    if (
      service.ports.length === 0 ||
      service.origin.dialect === 'kong' ||
      taken.has(service.host) ||
      wildcards.some((pattern) => covers(pattern, service.host))
    )
      continue;
    const matches = passthrough(service, table, build);
    if (matches.length > 0) owners.push({ ...namesOf(service.host), origin: service.origin, matches });
  }
  return owners.length === 0 ? null : listener(hostsOf(owners));
}

function namesOf(host: string): Pick<Owner, 'domains' | 'short' | 'namespace'> {
  const { full, short } = aliases(host);
  return { domains: full, short, namespace: short === null ? null : (host.split('.')[1] ?? null) };
}

/** Name of the service that is meant; a host under a wildcard service stays itself. */
function hostOf(written: string, namespace: string | null, index: ServiceIndex): string {
  const declared = index.resolve(written, namespace)?.host;
  return declared === undefined || declared.startsWith('*') ? qualify(written, namespace) : declared;
}

function isEverywhere(exportTo: readonly string[] | undefined): boolean {
  return exportTo === undefined || exportTo.length === 0 || exportTo.includes('*');
}

/** What is exported to some namespaces matches callers of those alone. */
function restrict(entries: readonly MatchEntry[], exportTo: readonly string[] | undefined, own: string | null): MatchEntry[] {
  if (exportTo === undefined || isEverywhere(exportTo)) return [...entries];
  const namespaces = new Set(exportTo.filter((to) => to !== '~').map((to) => (to === '.' ? (own ?? 'default') : to)));
  return entries.flatMap((entry) => {
    const wanted = entry.match.sourceNamespace;
    const from = wanted === undefined ? [...namespaces] : namespaces.has(wanted) ? [wanted] : [];
    return from.map((sourceNamespace) => withMatch(entry, { sourceNamespace }));
  });
}

function withMatch(entry: MatchEntry, more: Partial<RouteMatch>): MatchEntry {
  return { ...entry, match: { ...entry.match, ...more } };
}

/** Each port of a service leads to its own cluster. */
function passthrough(service: ServiceDefinition, table: RouteTable, build: DestinationBuilder): MatchEntry[] {
  if (service.host.startsWith('*')) return [];
  const entries = service.ports
    .filter((port) => httpProtocols.has(port.protocol))
    .map((port): MatchEntry => {
      const route = table.add({
        id: `istio/mesh/${service.host}/${port.number}`,
        name: 'default',
        rule: 0,
        origin: service.origin,
        action: {
          kind: 'forward',
          destinations: [
            { cluster: build.plain(service, port.number), weight: 100, host: service.host, port: port.number, subset: null, filters: [] },
          ],
          allZeroStatus: 503,
        },
        filters: [],
        pending: [],
      });
      return { route, index: 0, match: { ports: [port.number] }, rankReason: 'no VirtualService: the service itself' };
    });
  return restrict(entries, service.exportTo, service.namespace);
}

/** Domains are unique in the listener: a short name that several namespaces have is decided by the caller's. */
function hostsOf(owners: readonly Owner[]): VirtualHost[] {
  const sharers = new Map<string, Owner[]>();
  for (const owner of owners) {
    if (owner.short === null) continue;
    const known = sharers.get(owner.short);
    if (known === undefined) sharers.set(owner.short, [owner]);
    else known.push(owner);
  }
  const taken = new Set<string>();
  const hosts: VirtualHost[] = [];
  for (const { domains, short, origin, matches } of owners) {
    const alone = short !== null && sharers.get(short)?.length === 1;
    const free = [...domains, ...(alone ? [short] : [])].filter((domain) => !taken.has(domain));
    for (const domain of free) taken.add(domain);
    if (free.length > 0) hosts.push({ name: free[0], domains: free, origin, matches, filters: [] });
  }
  for (const [short, group] of sharers) {
    if (group.length < 2 || taken.has(short)) continue;
    const matches = group.flatMap(({ namespace, matches: entries }) =>
      namespace === null
        ? []
        : entries
            .filter(({ match }) => (match.sourceNamespace ?? namespace) === namespace)
            .map((entry) => withMatch(entry, { sourceNamespace: namespace })),
    );
    hosts.push({ name: short, domains: [short], origin: group[0].origin, matches, filters: [] });
  }
  return hosts;
}

function listener(virtualHosts: readonly VirtualHost[]): Listener {
  return {
    name: 'mesh',
    kind: 'mesh',
    address: '',
    port: 0,
    protocol: 'http',
    dialect: 'istio',
    origin: virtualHosts[0].origin,
    ...edgeListener,
    virtualHosts,
    filters: [],
    pending: [],
  };
}
