import type { RequestView } from '../../decide/request.ts';
import type { MatchEntry, Route } from '../../model/route.ts';
import type { ListenerTable } from '../route/tables.ts';
import type { RouteHit, RouteRuntime } from '../runtime.ts';
import type { Candidate } from './types.ts';

/** Candidates that are listed; the rest is counted. */
export const maxCandidates = 200;

export interface CandidateList {
  readonly candidates: readonly Candidate[];
  readonly omitted: number;
}

/** As access log and explain name a match of a route. */
export function routeName(route: Route, entry: MatchEntry): string {
  return entry.name === undefined || entry.name === '' ? route.name : `${route.name}.${entry.name}`;
}

/**
 * Why each candidate of the listener won or lost. Reads every entry of the picked virtual host in its order and so
 * finds the winner a second time: throws when that is not the one that the look-up found, which would be a bug.
 */
export function listCandidates(table: ListenerTable<RouteRuntime>, view: RequestView, hit: RouteHit | null): CandidateList {
  const candidates: Candidate[] = [];
  let total = 0;
  const add = (candidate: Candidate, force: boolean): void => {
    total++;
    if (candidates.length < maxCandidates || force) candidates.push(candidate);
  };
  const picked = table.pickVirtualHost(view.host);
  let winner: RouteHit | null = null;
  if (picked >= 0) {
    const { first, count } = table.entries(picked);
    const { name: virtualHost, ruledOut = [] } = table.head(picked);
    for (let i = first; i < first + count; i++) {
      const one = table.hit(i, picked);
      const reason = one.matcher.explain(view);
      const wins = reason === null && winner === null;
      if (wins) winner = one;
      const because = wins ? one.entry.rankReason : (reason ?? beaten(one, winner));
      add({ route: routeName(one.route, one.entry), virtualHost, matched: wins, because, origin: one.route.origin }, wins);
    }
    for (const { route, because, origin } of ruledOut) add({ route, virtualHost, matched: false, because, origin }, false);
  }
  if (winner !== hit) throw new Error(`explain found ${describe(winner)} where traffic finds ${describe(hit)}`);
  const hosts = table.virtualHosts();
  for (let i = hosts.first; i < hosts.first + hosts.count; i++) {
    if (i === picked) continue;
    const head = table.head(i);
    const own = picked < 0 ? '' : `; '${table.head(picked).name}' has it more precisely`;
    const because = `host: '${view.host}' is not for ${head.domains.slice(0, 8).join(', ')}${head.domains.length > 8 ? ' …' : ''}${own}`;
    add({ route: null, virtualHost: head.name, matched: false, because, origin: head.origin }, false);
  }
  return { candidates, omitted: total - candidates.length };
}

function beaten({ entry }: RouteHit, winner: RouteHit | null): string {
  // Equal in all that the dialect compares: it says by what it breaks ties.
  const tie = winner !== null && winner.entry.rankReason === entry.rankReason ? ', which is older or comes first by name or order' : '';
  return `matches too, but ${describe(winner)} stands before it${tie}: ${entry.rankReason}`;
}

function describe(hit: RouteHit | null): string {
  return hit === null ? 'no route' : `'${routeName(hit.route, hit.entry)}'`;
}
