/** DestinationRules as a look-up: which subsets and which policy a service has. */
import type { Resource } from '../dialect.ts';
import type { ServiceIndex } from '../services.ts';
import { aliases, covers, qualify } from './hosts.ts';
import { hasLabels } from './services.ts';
import { destinationRuleKind, type DestinationRule } from './schema/destination-rule.ts';

export interface RuleItem {
  readonly resource: Resource;
  readonly spec: DestinationRule['spec'];
}

type Subset = NonNullable<DestinationRule['spec']['subsets']>[number];

/** The rules of one host in one namespace, merged: subsets joined, the first traffic policy counts. */
export interface MergedRule {
  readonly items: readonly RuleItem[];
  readonly policy: { readonly item: RuleItem; readonly value: NonNullable<DestinationRule['spec']['trafficPolicy']> } | null;
  readonly subsets: ReadonlyMap<string, { readonly item: RuleItem; readonly index: number; readonly value: Subset }>;
}

export interface RuleBook {
  /** For a service by its full name (or an undeclared host as it was written); the most specific host wins. */
  find(host: string, namespace: string | null): MergedRule | null;
}

export function buildRuleBook(
  resources: readonly Resource[],
  index: ServiceIndex,
  labels: Readonly<Record<string, string>> | null,
): RuleBook {
  const exact = new Map<string, RuleItem[]>();
  const wildcards = new Map<string, RuleItem[]>();
  for (const resource of resources) {
    if (resource.kind !== 'DestinationRule') continue;
    const rule = destinationRuleKind.of(resource);
    if (rule === null) continue;
    const selector = rule.spec.workloadSelector?.matchLabels;
    // Without labels this process cannot know whether it is meant.
    if (selector !== undefined && !hasLabels(labels ?? {}, selector)) continue;
    const item = { resource, spec: rule.spec };
    const host = rule.spec.host.toLowerCase();
    const table = host.startsWith('*') ? wildcards : exact;
    for (const name of namesOf(host, resource.namespace, index)) {
      const known = table.get(name);
      if (known === undefined) table.set(name, [item]);
      else known.push(item);
    }
  }
  const wide = [...wildcards.keys()].toSorted((a, b) => b.length - a.length);
  const cache = new Map<string, MergedRule | null>();
  return {
    find(host, namespace) {
      const key = `${namespace ?? ''}/${host}`;
      const known = cache.get(key);
      if (known !== undefined) return known;
      let found = merge(exact.get(host) ?? [], namespace);
      for (const pattern of wide) {
        if (found !== null) break;
        if (covers(pattern, host)) found = merge(wildcards.get(pattern) ?? [], namespace);
      }
      cache.set(key, found);
      return found;
    },
  };
}

/** Every name under which a cluster of this host may be asked for. */
export function namesOf(host: string, namespace: string | null, index: ServiceIndex): ReadonlySet<string> {
  if (host.startsWith('*')) return new Set([host]);
  const declared = index.resolve(host, namespace);
  if (declared !== null && !declared.host.startsWith('*')) return new Set([declared.host]);
  const { full, short } = aliases(qualify(host, namespace));
  return new Set([host, ...full, ...(short === null ? [] : [short])]);
}

/** Rules of the service's own namespace come first, then those of the first other namespace that exports its own. */
function merge(items: readonly RuleItem[], namespace: string | null): MergedRule | null {
  const visible = items.filter(({ resource, spec }) => {
    if (spec.exportTo === undefined || spec.exportTo.length === 0) return true;
    const own = namespace === null || namespace === resource.namespace;
    return spec.exportTo.some((to) => (to === '.' ? own : to !== '~'));
  });
  if (visible.length === 0) return null;
  const home = visible.some(({ resource }) => resource.namespace === namespace) ? namespace : visible[0].resource.namespace;
  const chosen = visible.filter(({ resource }) => resource.namespace === home);
  const subsets = new Map<string, { readonly item: RuleItem; readonly index: number; readonly value: Subset }>();
  for (const item of chosen)
    for (const [index, value] of (item.spec.subsets ?? []).entries())
      if (!subsets.has(value.name)) subsets.set(value.name, { item, index, value });
  const first = chosen.find(({ spec }) => spec.trafficPolicy !== undefined);
  return {
    items: chosen,
    subsets,
    policy: first?.spec.trafficPolicy === undefined ? null : { item: first, value: first.spec.trafficPolicy },
  };
}
