import type { Cluster } from '../../model/cluster.ts';
import type { Origin } from '../../model/origin.ts';
import type { MatchEntry, Route, VirtualHost } from '../../model/route.ts';
import type { Listener } from '../../model/listener.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { isRecord } from '../check.ts';
import type { Resource } from '../dialect.ts';
import type { TargetRef } from './kinds.ts';
import type { ChainTest } from './layer4.ts';
import { covers } from './listeners.ts';

/** How narrow a target is: the narrower one's filter replaces the wider one's of the same name. */
export const level = { listener: 1, listenerSection: 2, service: 3, route: 4, rule: 5, match: 6 } as const;

/** What a target reference stands for in the joined snapshot. */
export interface Selection {
  readonly level: number;
  /** Whole routes, by index. */
  readonly routes: readonly number[];
  /** Only these matches of routes: matches by name, routes of one listener. Null: `routes` alone counts. */
  readonly entry: ((listener: Listener, host: VirtualHost, entry: MatchEntry) => boolean) | null;
  /** Clusters of a service target; null for others. */
  readonly clusters: ReadonlySet<string> | null;
  /** Chains that forward connections without looking for requests. */
  readonly chains: ChainTest;
}

/** `scope`: the whole of what exists, where only the section of it does not. */
export type Found = Selection | { readonly problem: string; readonly scope?: Selection };

/** Finds targets; indexes are built once for all Policies. */
export class Targets {
  private readonly snapshot: Snapshot;
  private readonly resources: readonly Resource[];
  private readonly byOwner = new Map<string, number[]>();
  private readonly byCluster = new Map<string, number[]>();
  private readonly owners = new Map<string, Resource>();

  constructor(snapshot: Snapshot, resources: readonly Resource[]) {
    this.snapshot = snapshot;
    this.resources = resources;
    for (const resource of resources) this.owners.set(ownerKey(resource), resource);
    for (const [index, route] of snapshot.routes.entries()) {
      push(this.byOwner, ownerKey(route.origin), index);
      if (route.parent !== undefined) push(this.byOwner, ownerKey(route.parent), index);
      if (route.action.kind !== 'forward') continue;
      for (const cluster of new Set(route.action.destinations.map((destination) => destination.cluster)))
        if (cluster !== null) push(this.byCluster, cluster, index);
    }
  }

  /** `namespace`: where the reference was written. */
  find(ref: TargetRef, namespace: string): Found {
    const at = ref.namespace ?? namespace;
    switch (ref.kind) {
      case 'VirtualService':
      case 'HTTPRoute':
      case 'GRPCRoute':
      case 'Route':
        return this.route(ref, ref.kind === 'Route' ? null : at);
      case 'Service':
      case 'ServiceEntry':
        return this.service(ref, at);
      case 'Gateway':
      case 'Listener':
        return this.listener(ref, at);
    }
  }

  /** Names that a mistaken reference may have meant, for hints: sections of the resource, or resources of the kind. */
  namesLike(ref: TargetRef, namespace: string): readonly string[] {
    const at = ref.namespace ?? namespace;
    const near = this.resources.filter((one) => one.kind === ref.kind && (one.namespace ?? at) === at);
    const owner = near.find((one) => one.name === ref.name);
    const sections =
      owner === undefined || ref.sectionName === undefined
        ? []
        : [
            ...rulesOf(owner.value).flatMap(({ name, matches }) => [name, ...matches]),
            ...(ref.kind === 'Gateway' ? sectionsOf(owner).flatMap(({ names }) => names) : []),
          ];
    const names = owner === undefined ? near.map((one) => one.name) : sections.filter((one) => one !== null);
    return [...new Set(names)].slice(0, 10);
  }

  /** Whatever forwards connections by a resource of the namespace. */
  namespaceChains(namespace: string): ChainTest {
    return (_, { forward }) => (forward?.origin.namespace ?? 'default') === namespace;
  }

  /** Routes of a namespace; Kong's, which have none, belong to `default`. */
  namespaceRoutes(namespace: string): readonly number[] {
    return this.snapshot.routes.flatMap((route, index) => ((route.origin.namespace ?? 'default') === namespace ? [index] : []));
  }

  private route(ref: TargetRef, namespace: string | null): Found {
    const key = `${ref.kind}/${namespace ?? ''}/${ref.name}`;
    const chains: ChainTest = (_, { forward }) => forward !== null && ownerKey(forward.origin) === key;
    const routes = this.byOwner.get(key) ?? (this.hasChain(chains) ? [] : undefined);
    const owner = this.owners.get(key);
    if (routes === undefined)
      return {
        problem: owner === undefined ? `${describe(ref, namespace)} does not exist` : `${describe(ref, namespace)} serves no route`,
      };
    if (ref.sectionName === undefined) return { level: level.route, routes, entry: null, clusters: null, chains };
    const rules = rulesOf(owner?.value);
    const rule = rules.findIndex((candidate) => candidate.name === ref.sectionName);
    if (rule >= 0) {
      const inRule = routes.filter((index) => ruleFor(this.snapshot.routes[index], key) === rule);
      if (inRule.length > 0) return { level: level.rule, routes: inRule, entry: null, clusters: null, chains: none };
    }
    const matches = new Set(
      rules.flatMap(({ matches }, index) => matches.flatMap((name, match) => (name === ref.sectionName ? [`${index} ${match}`] : []))),
    );
    if (matches.size === 0)
      return {
        problem: `${describe(ref, namespace)} has no rule or match called '${ref.sectionName}'`,
        scope: { level: level.route, routes, entry: null, clusters: null, chains },
      };
    const own = new Set(routes);
    const entry = (_: Listener, __: VirtualHost, one: MatchEntry): boolean =>
      own.has(one.route) && matches.has(`${ruleFor(this.snapshot.routes[one.route], key)} ${one.index}`);
    return { level: level.match, routes: [], entry, clusters: null, chains: none };
  }

  private service(ref: TargetRef, namespace: string): Found {
    const clusters = this.snapshot.clusters.filter((cluster) => isService(cluster, ref, namespace)).map((cluster) => cluster.name);
    const routes = new Set(clusters.flatMap((name) => this.byCluster.get(name) ?? []));
    if (ref.kind === 'Service' && ref.group !== '') for (const index of this.kongServiceRoutes(ref.name)) routes.add(index);
    const own = new Set(clusters);
    const chains: ChainTest = (_, { forward }) =>
      forward?.destinations.some(({ cluster }) => cluster !== null && own.has(cluster)) === true;
    if (routes.size > 0 || this.hasChain(chains)) return { level: level.service, routes: [...routes], entry: null, clusters: own, chains };
    const declared = this.resources.some(
      (resource) => resource.kind === ref.kind && resource.name === ref.name && (resource.namespace ?? namespace) === namespace,
    );
    return { problem: `${describe(ref, namespace)} ${declared ? 'is the destination of no route' : 'does not exist'}` };
  }

  /** Routes of a Kong service, whatever they end in: its cluster may be named after an upstream. */
  private kongServiceRoutes(name: string): readonly number[] {
    const service = this.owners.get(`Service//${name}`);
    if (service === undefined || service.dialect !== 'kong') return [];
    const id = isRecord(service.value) && typeof service.value.id === 'string' ? service.value.id : null;
    return this.snapshot.routes.flatMap((route, index) => {
      if (route.origin.dialect !== 'kong') return [];
      const owner = this.owners.get(ownerKey(route.origin));
      const refs = isRecord(owner?.value) && isRecord(owner.value.refs) ? owner.value.refs.service : null;
      return isRecord(refs) && (refs.name === name || (id !== null && refs.id === id)) ? [index] : [];
    });
  }

  private listener(ref: TargetRef, namespace: string): Found {
    const owner = this.resources.find(
      (one) =>
        one.kind === ref.kind &&
        one.name === ref.name &&
        one.namespace === namespace &&
        (ref.group === undefined || groupOf(one) === ref.group),
    );
    if (owner === undefined) return { problem: `${describe(ref, namespace)} does not exist` };
    const sections = sectionsOf(owner).filter((section) => ref.sectionName === undefined || section.names.includes(ref.sectionName));
    if (sections.length === 0) {
      const problem = `${describe(ref, namespace)} has no listener or server called '${ref.sectionName ?? ''}'`;
      const whole = ref.sectionName === undefined ? { problem } : this.listener({ ...ref, sectionName: undefined }, namespace);
      return 'problem' in whole ? { problem } : { problem, scope: whole };
    }
    const own = this.snapshot.listeners.filter(
      (listener) =>
        listener.kind === 'gateway' && listener.dialect === owner.dialect && sections.some((section) => section.port === listener.port),
    );
    if (own.length === 0) return { problem: `${describe(ref, namespace)} opens no port` };
    const entry = (listener: Listener, host: VirtualHost): boolean =>
      own.includes(listener) &&
      sections.some(
        (section) =>
          section.port === listener.port &&
          host.domains.some((domain) => section.hosts.some((wide) => covers(wide, domain) || covers(domain, wide))),
      );
    const names = new Set(own.map(({ name }) => name));
    const chains: ChainTest = (listener, { serverNames }) =>
      names.has(listener.name) &&
      sections.some(
        ({ port, hosts }) =>
          port === listener.port &&
          (serverNames.length === 0 || serverNames.some((name) => hosts.some((wide) => covers(wide, name) || covers(name, wide)))),
      );
    return { level: ref.sectionName === undefined ? level.listener : level.listenerSection, routes: [], entry, clusters: null, chains };
  }

  private hasChain(test: ChainTest): boolean {
    return this.snapshot.listeners.some((listener) => listener.chains?.some((chain) => test(listener, chain)));
  }
}

const none: ChainTest = () => false;

function push(map: Map<string, number[]>, key: string, value: number): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}

/** Index of the rule in the resource with this key that leads to the route: its own, or the one that delegates. */
function ruleFor({ rule, parent }: Route, key: string): number {
  return parent !== undefined && ownerKey(parent) === key ? parent.rule : rule;
}

function ownerKey(of: Pick<Origin, 'kind' | 'namespace' | 'name'>): string {
  return `${of.kind}/${of.namespace ?? ''}/${of.name}`;
}

function describe(ref: TargetRef, namespace: string | null): string {
  return `${ref.kind} ${namespace === null ? ref.name : `${namespace}/${ref.name}`}`;
}

function isService(cluster: Cluster, ref: TargetRef, namespace: string): boolean {
  const { origin } = cluster;
  if (origin.kind === ref.kind && origin.name === ref.name && (origin.namespace === null || origin.namespace === namespace)) return true;
  return ref.kind === 'Service' && cluster.service === `${ref.name}.${namespace}.svc.cluster.local`;
}

function groupOf(resource: Resource): string {
  const apiVersion = isRecord(resource.value) ? resource.value.apiVersion : null;
  return typeof apiVersion === 'string' && apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
}

/** Names of the rules of a route and of their matches, as far as they have any. */
function rulesOf(value: unknown): readonly { readonly name: string | null; readonly matches: readonly (string | null)[] }[] {
  if (!isRecord(value) || !isRecord(value.spec)) return [];
  const rules: unknown = value.spec.http ?? value.spec.rules;
  if (!Array.isArray(rules)) return [];
  return rules.map((rule: unknown) => {
    if (!isRecord(rule)) return { name: null, matches: [] };
    const matches: unknown = rule.match ?? rule.matches;
    return {
      name: text(rule.name),
      matches: Array.isArray(matches) ? matches.map((match: unknown) => (isRecord(match) ? text(match.name) : null)) : [],
    };
  });
}

interface Section {
  readonly names: readonly string[];
  readonly port: number;
  /** Lower-case host patterns. */
  readonly hosts: readonly string[];
}

/** Servers of an Istio Gateway, listeners of a Gateway API Gateway, or the one of a Weir Listener. */
function sectionsOf({ value, name }: Resource): readonly Section[] {
  if (!isRecord(value) || !isRecord(value.spec)) return [];
  const { spec } = value;
  if (Array.isArray(spec.servers)) {
    return spec.servers.flatMap((server: unknown) => {
      if (!isRecord(server) || !isRecord(server.port)) return [];
      // `namespace/host` says whose routes may bind, not which hosts there are.
      const hosts = texts(server.hosts).map((host) => host.slice(host.indexOf('/') + 1).toLowerCase());
      return [
        { names: [text(server.name), text(server.port.name)].filter((one) => one !== null), port: Number(server.port.number), hosts },
      ];
    });
  }
  if (Array.isArray(spec.listeners)) {
    return spec.listeners.flatMap((listener: unknown) => {
      if (!isRecord(listener)) return [];
      return [{ names: texts([listener.name]), port: Number(listener.port), hosts: [text(listener.hostname)?.toLowerCase() ?? '*'] }];
    });
  }
  return [
    {
      names: [name],
      port: Number(spec.port),
      hosts: spec.hostnames === undefined ? ['*'] : texts(spec.hostnames).map((host) => host.toLowerCase()),
    },
  ];
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((one: unknown) => typeof one === 'string') : [];
}
