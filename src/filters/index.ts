import type { FilterConfig } from '../model/filter.ts';
import type { Filter } from './define.ts';
import { headerModifier } from './header-modifier/filter.ts';
import { keyAuth } from './key-auth/filter.ts';
import { orderProblem, sortByRank } from './order.ts';
import { rateLimit } from './rate-limit/filter.ts';

/** Every filter there is: the only list. A new filter is its folder and one line here. */
export const filters: readonly Filter[] = [keyAuth, rateLimit, headerModifier];

const byName: ReadonlyMap<string, Filter> = new Map(filters.map((filter) => [filter.name, filter]));

// A wrong order would run a limit before the authentication it depends on: refuse to start instead.
const problem = orderProblem(filters);
if (problem !== null) throw new Error(problem);

export function filterByName(name: string): Filter | null {
  return byName.get(name) ?? null;
}

/**
 * The configs of one scope in the order in which requests meet them: by rank, highest first, refined by `before` and
 * `after`; equal ranks keep their order. A name that is not in the list comes first, as it only ever closes its scope.
 */
export function orderFilters(configs: readonly FilterConfig[]): readonly FilterConfig[] {
  return sortByRank(configs, (config) => {
    const filter = byName.get(config.name);
    return {
      name: config.name,
      rank: config.rank ?? filter?.rank ?? Number.MAX_SAFE_INTEGER,
      before: filter?.before,
      after: filter?.after,
    };
  });
}
