/** Rules of a VirtualService with its delegates merged in (Istio: VirtualService `delegate`, one level). */
import type { Path, Resource } from '../dialect.ts';
import { isVisible } from './hosts.ts';
import type { Reporter } from './report.ts';
import type { StringMatch } from './schema/common.ts';
import type { HttpMatch, HttpRoute, VirtualService } from './schema/virtual-service.ts';

export interface VirtualServiceItem {
  readonly resource: Resource;
  readonly service: VirtualService;
}

/** One rule as it runs. */
export interface Rule {
  readonly route: HttpRoute;
  /** Where the rule stands: the delegate for delegated rules. Short host names are of its namespace. */
  readonly owner: Resource;
  readonly index: number;
  readonly path: Path;
  /** Unique and stable over revisions. */
  readonly id: string;
  /** The rule that delegates to this one. */
  readonly root?: { readonly owner: Resource; readonly index: number };
}

/** A VirtualService by namespace and name; `broken` when its text cannot be used. */
export type FindDelegate = (namespace: string, name: string) => VirtualServiceItem | 'broken' | null;

export function rulesOf(item: VirtualServiceItem, find: FindDelegate, report: Reporter): Rule[] {
  const rules: Rule[] = [];
  for (const [index, route] of (item.service.spec.http ?? []).entries()) {
    const path = ['spec', 'http', index];
    const id = `${item.resource.key}/${index}`;
    if (route.delegate === undefined) {
      rules.push({ route, owner: item.resource, index, path, id });
      continue;
    }
    const { name, namespace = item.resource.namespace ?? 'default' } = route.delegate;
    const problem = (why: string, hint?: string): void =>
      report.add(
        'WR0206',
        item.resource,
        [...path, 'delegate'],
        `delegate ${namespace}/${name} ${why}`,
        hint === undefined ? {} : { hint },
      );
    const child = find(namespace, name);
    if (child === null) problem('does not exist', 'check the name; the namespace is that of the root unless delegate.namespace is set');
    else if (child === 'broken') problem('is not valid');
    else if (child.service.spec.hosts?.length) problem('has hosts of its own', 'leave spec.hosts of a delegate empty');
    else if (!isVisible(child.service.spec.exportTo, child.resource.namespace, item.resource.namespace))
      problem('is not exported to this namespace', `add '${item.resource.namespace}' to its exportTo`);
    else rules.push(...delegated(id, { owner: item.resource, index, route }, child, report));
  }
  return rules;
}

interface Root {
  readonly owner: Resource;
  readonly index: number;
  readonly route: HttpRoute;
}

function delegated(rootId: string, from: Root, child: VirtualServiceItem, report: Reporter): Rule[] {
  const { route: root, owner, index: rule } = from;
  const rules: Rule[] = [];
  for (const [index, route] of (child.service.spec.http ?? []).entries()) {
    const path = ['spec', 'http', index];
    if (route.delegate !== undefined) {
      report.add('WR0206', child.resource, [...path, 'delegate'], 'a delegate cannot delegate further', {
        hint: 'name the last VirtualService in the root rule',
      });
      continue;
    }
    const match = mergeMatches(root.match ?? [], route.match ?? []);
    if (match === null) {
      report.add(
        'WR0207',
        child.resource,
        route.match === undefined ? path : [...path, 'match'],
        `rule ${index} is no subset of the root rule's match and is left out`,
        {
          hint: 'make each match narrower than one of the root: a longer prefix, an exact value under the prefix',
        },
      );
      continue;
    }
    rules.push({
      route: mergeRoute(root, route, match),
      owner: child.resource,
      index,
      path,
      id: `${rootId}>${child.resource.namespace}/${child.resource.name}/${index}`,
      root: { owner, index: rule },
    });
  }
  return rules;
}

/** What the delegate leaves out comes from the root. */
function mergeRoute(root: HttpRoute, child: HttpRoute, match: HttpMatch[]): HttpRoute {
  const { delegate: _delegate, match: _match, ...inherited } = root;
  const kept = Object.fromEntries(Object.entries(child).filter(([, value]) => value !== undefined));
  const name = joinNames(root.name, child.name);
  const { name: _name, ...merged }: HttpRoute = { ...inherited, ...kept };
  return { ...merged, ...(name === undefined ? {} : { name }), ...(match.length === 0 ? { match: undefined } : { match }) };
}

function joinNames(root: string | undefined, child: string | undefined): string | undefined {
  return root && child ? `${root}-${child}` : child || root;
}

/** Each match of the delegate under each root match it does not conflict with; null when one has none. */
function mergeMatches(root: readonly HttpMatch[], child: readonly HttpMatch[]): HttpMatch[] | null {
  if (root.length === 0 || child.length === 0) return [...root, ...child];
  const merged: HttpMatch[] = [];
  for (const leaf of child) {
    const parents = root.filter((parent) => !conflicts(parent, leaf));
    if (parents.length === 0) return null;
    for (const parent of parents) merged.push(mergeMatch(parent, leaf));
  }
  return merged;
}

function mergeMatch(root: HttpMatch, leaf: HttpMatch): HttpMatch {
  const maps = <Value>(a: Record<string, Value> | undefined, b: Record<string, Value> | undefined): Record<string, Value> | undefined =>
    a || b ? { ...a, ...b } : undefined;
  return {
    name: joinNames(root.name, leaf.name),
    uri: leaf.uri ?? root.uri,
    scheme: leaf.scheme ?? root.scheme,
    method: leaf.method ?? root.method,
    authority: leaf.authority ?? root.authority,
    headers: maps(root.headers, leaf.headers),
    withoutHeaders: maps(root.withoutHeaders, leaf.withoutHeaders),
    queryParams: maps(root.queryParams, leaf.queryParams),
    port: leaf.port ?? root.port,
    sourceLabels: maps(root.sourceLabels, leaf.sourceLabels),
    sourceNamespace: leaf.sourceNamespace ?? root.sourceNamespace,
    gateways: leaf.gateways?.length ? leaf.gateways : root.gateways,
    ignoreUriCase: leaf.ignoreUriCase,
    statPrefix: leaf.statPrefix ?? root.statPrefix,
  };
}

function conflicts(root: HttpMatch, leaf: HttpMatch): boolean {
  if (
    textConflicts(root.uri, leaf.uri) ||
    textConflicts(root.scheme, leaf.scheme) ||
    textConflicts(root.method, leaf.method) ||
    textConflicts(root.authority, leaf.authority)
  )
    return true;
  for (const field of ['headers', 'withoutHeaders', 'queryParams'] as const)
    for (const [key, value] of Object.entries(leaf[field] ?? {})) if (textConflicts(root[field]?.[key], value)) return true;
  if ((root.ignoreUriCase ?? false) !== (leaf.ignoreUriCase ?? false)) return true;
  if (root.port !== undefined && leaf.port !== undefined && root.port !== leaf.port) return true;
  if (root.sourceNamespace && leaf.sourceNamespace !== root.sourceNamespace) return true;
  for (const [key, value] of Object.entries(leaf.sourceLabels ?? {})) {
    const wanted = root.sourceLabels?.[key];
    if (wanted !== undefined && wanted !== value) return true;
  }
  if (root.gateways?.length && leaf.gateways?.length) return !leaf.gateways.every((name) => root.gateways?.includes(name));
  return false;
}

/** Whether `leaf` is surely no narrowing of `root`; a regular expression narrows nothing and is narrowed by nothing. */
function textConflicts(root: StringMatch | undefined, leaf: StringMatch | undefined): boolean {
  if (root === undefined || leaf === undefined) return false;
  const { exact, prefix, regex } = leaf;
  if (regex || root.regex) return true;
  if (root.exact) return exact !== root.exact;
  if (root.prefix) return !(prefix || exact || '').startsWith(root.prefix);
  return true;
}
