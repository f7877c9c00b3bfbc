/** Filters of a Policy act on requests; connections and datagrams that no request is made of must not pass them by. */
import type { ConnectionChain } from '../../model/chain.ts';
import type { Listener } from '../../model/listener.ts';
import type { Snapshot } from '../../model/snapshot.ts';

/** Whether a target takes in what a chain forwards. */
export type ChainTest = (listener: Listener, chain: ConnectionChain) => boolean;

export interface Layer4Attachment {
  readonly holds: ChainTest;
  /** For the log. */
  readonly reason: string;
  /** Called once when there is something to close. */
  readonly closed: () => void;
}

/** Closes the layer 4 forwards that a Policy's targets take in. */
export function closeLayer4(snapshot: Snapshot, attachments: readonly Layer4Attachment[]): Snapshot {
  if (attachments.length === 0 || !snapshot.listeners.some(({ chains }) => chains?.some(({ forward }) => forward !== null)))
    return snapshot;
  const told = new Set<Layer4Attachment>();
  const close = (listener: Listener, chain: ConnectionChain): ConnectionChain => {
    if (chain.forward === null) return chain;
    const found = attachments.filter(({ holds }) => holds(listener, chain));
    if (found.length === 0) return chain;
    for (const one of found) {
      if (told.has(one)) continue;
      told.add(one);
      one.closed();
    }
    return { ...chain, forward: { ...chain.forward, blocked: chain.forward.blocked ?? found[0].reason } };
  };
  return {
    ...snapshot,
    listeners: snapshot.listeners.map((listener) =>
      listener.chains === undefined ? listener : { ...listener, chains: listener.chains.map((chain) => close(listener, chain)) },
    ),
  };
}
