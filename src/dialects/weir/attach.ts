import type { FilterConfig } from '../../model/filter.ts';
import type { MatchEntry, Route, RouteAction } from '../../model/route.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { level, type Selection } from './targets.ts';

/** One filter of one Policy on one of its targets. */
export interface Attachment {
  readonly selection: Selection;
  /** Identity of the target, and of the Policy. */
  readonly target: string;
  readonly owner: string;
  readonly filter: FilterConfig;
  /** False: it acts beside others of its name and cannot be replaced (a closed scope). */
  readonly replaceable: boolean;
  /** Called when another Policy on an equally narrow target came first. */
  readonly lost: (to: FilterConfig) => void;
}

/** Filters that act once the destination is known: a service target puts them on the destination. */
const perDestination: ReadonlySet<string> = new Set(['header-modifier']);

/**
 * Puts filters where Policies point. For each route, and each match where it matters, the narrowest target's filters of
 * a name win; of two on one target the first of `attachments`; on different targets of one width (two services of one
 * route) all run. A route that is the target in one place only is split.
 */
export function attach(snapshot: Snapshot, attachments: readonly Attachment[]): Snapshot {
  if (attachments.length === 0) return snapshot;
  const onRoutes = new Map<number, Attachment[]>();
  for (const attachment of attachments) {
    for (const route of attachment.selection.routes) {
      const list = onRoutes.get(route);
      if (list === undefined) onRoutes.set(route, [attachment]);
      else list.push(attachment);
    }
  }
  const onEntries = attachments.filter(({ selection }) => selection.entry !== null);
  const variants = new Variants(snapshot.routes, onRoutes);
  const listeners =
    onEntries.length === 0
      ? snapshot.listeners
      : snapshot.listeners.map((listener) => ({
          ...listener,
          virtualHosts: listener.virtualHosts.map((host) => ({
            ...host,
            matches: host.matches.map((entry): MatchEntry => {
              const narrow = onEntries.filter(({ selection }) => selection.entry?.(listener, host, entry) === true);
              return { ...entry, route: variants.of(entry.route, narrow) };
            }),
          })),
        }));
  return { ...snapshot, listeners, routes: variants.routes(onEntries.length === 0) };
}

/** Routes with their filters; one route becomes several where its matches get different ones. */
class Variants {
  private readonly originals: readonly Route[];
  private readonly onRoutes: ReadonlyMap<number, readonly Attachment[]>;
  private readonly byKey = new Map<string, number>();
  private readonly made: Route[];
  private readonly taken = new Set<number>();

  constructor(originals: readonly Route[], onRoutes: ReadonlyMap<number, readonly Attachment[]>) {
    this.originals = originals;
    this.onRoutes = onRoutes;
    this.made = [...originals];
  }

  /** Index of the route with the filters of its own targets and of `narrow`. */
  of(index: number, narrow: readonly Attachment[]): number {
    const winners = choose([...(this.onRoutes.get(index) ?? []), ...narrow]);
    const key = `${index} ${winners.map(({ filter }) => filter.stateKey).join(' ')}`;
    const known = this.byKey.get(key);
    if (known !== undefined) return known;
    const route = withFilters(this.originals[index], winners);
    let at = index;
    if (this.taken.has(index)) {
      at = this.made.length;
      // Named by what makes it different, so that the name holds over revisions.
      this.made.push({ ...route, id: `${route.id}+${winners.map(({ filter }) => filter.stateKey).join('+')}` });
    } else {
      this.taken.add(index);
      this.made[index] = route;
    }
    this.byKey.set(key, at);
    return at;
  }

  /** `all`: no match was looked at one by one, so whole routes get theirs here. */
  routes(all: boolean): readonly Route[] {
    if (all) for (const index of this.onRoutes.keys()) this.of(index, []);
    return this.made;
  }
}

function choose(attachments: readonly Attachment[]): readonly Attachment[] {
  if (attachments.length < 2) return attachments;
  const narrowest = new Map<string, number>();
  for (const { filter, selection, replaceable } of attachments) {
    if (replaceable) narrowest.set(filter.name, Math.max(selection.level, narrowest.get(filter.name) ?? 0));
  }
  const winners = new Map<string, Attachment>();
  for (const attachment of attachments) {
    const { filter, owner, replaceable, selection, target } = attachment;
    if (replaceable && selection.level < (narrowest.get(filter.name) ?? 0)) continue;
    const key = `${filter.name} ${replaceable ? target : owner}`;
    const held = winners.get(key);
    if (held === undefined) winners.set(key, attachment);
    else if (held.owner !== owner) attachment.lost(held.filter);
  }
  return [...winners.values()];
}

function withFilters(route: Route, winners: readonly Attachment[]): Route {
  const whole = winners.filter((winner) => !isPerDestination(winner));
  const parts = winners.filter(isPerDestination);
  if (winners.length === 0) return route;
  return {
    ...route,
    filters: [...route.filters, ...whole.map(({ filter }) => filter)],
    action: parts.length === 0 ? route.action : onDestinations(route.action, parts),
  };
}

function isPerDestination({ selection, filter }: Attachment): boolean {
  return selection.level === level.service && perDestination.has(filter.name) && selection.clusters !== null && selection.clusters.size > 0;
}

function onDestinations(action: RouteAction, parts: readonly Attachment[]): RouteAction {
  if (action.kind !== 'forward') return action;
  return {
    ...action,
    destinations: action.destinations.map((destination) => {
      const filters = parts.filter(
        ({ selection }) => destination.cluster !== null && selection.clusters?.has(destination.cluster) === true,
      );
      return filters.length === 0
        ? destination
        : { ...destination, filters: [...destination.filters, ...filters.map(({ filter }) => filter)] };
    }),
  };
}
