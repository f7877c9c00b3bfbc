/** Connection chains of a socket: server names in the order in which Envoy would match them. */
import type { ConnectionChain } from '../../model/chain.ts';

/** A chain without its name and its server names. */
export type ChainBody = Omit<ConnectionChain, 'name' | 'serverNames'>;

/**
 * One chain, or several where the names are of different rank: exact ones, wildcards of each length, any. `names` are host
 * patterns; `*` is every connection, with or without a server name.
 */
export function chainsOf(name: string, names: readonly string[], body: ChainBody): ConnectionChain[] {
  const groups = Map.groupBy(new Set(names), rankOf);
  return [...groups].map(([rank, group]) => ({
    ...body,
    name: groups.size === 1 ? name : `${name} ${rank === anyRank ? '*' : group[0]}`,
    serverNames: rank === anyRank ? [] : group,
    ...(rank === anyRank && (body.tls !== null || body.isTls === true) ? { isTls: true } : {}),
  }));
}

/** The narrowest server names first, as Envoy matches them; else as they stand. Names become unique. */
export function inOrder(chains: readonly ConnectionChain[]): ConnectionChain[] {
  const seen = new Map<string, number>();
  return chains
    .toSorted((a, b) => rankOf(b.serverNames[0] ?? '*') - rankOf(a.serverNames[0] ?? '*'))
    .map((chain) => {
      const before = seen.get(chain.name) ?? 0;
      seen.set(chain.name, before + 1);
      return before === 0 ? chain : { ...chain, name: `${chain.name} #${before + 1}` };
    });
}

const anyRank = 0;

/** A wildcard ranks by its length, every exact name above all of them. */
function rankOf(pattern: string): number {
  return pattern === '*' ? anyRank : pattern.startsWith('*') ? pattern.length : 1000;
}

/** Which of the patterns would take a connection for `host` (itself exact or a wildcard); null: none. */
export function narrowest<Value>(patterns: ReadonlyMap<string, Value>, host: string): Value | null {
  const exact = patterns.get(host);
  if (exact !== undefined) return exact;
  for (let dot = host.indexOf('.', host.startsWith('*.') ? 2 : 1); dot >= 0; dot = host.indexOf('.', dot + 1)) {
    const found = patterns.get(`*${host.slice(dot)}`);
    if (found !== undefined) return found;
  }
  return patterns.get('*') ?? null;
}
