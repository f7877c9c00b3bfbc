/** Data workers whose listener has layer 4 chains. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { ConnectionChain } from '../../src/model/chain.ts';
import type { Cluster } from '../../src/model/cluster.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import type { Secret } from '../../src/model/tls.ts';
import { Rig, routeTo, snapshotOf, type RigOptions } from './rig.ts';

export interface Layer4Rig {
  readonly rig: Rig;
  readonly port: number;
  /** The same listener with other chains and clusters. */
  readonly apply: (chains: readonly ConnectionChain[], clusters: readonly Cluster[]) => Promise<void>;
}

/** Asserts at the end that no guard caught a bug. */
export async function layer4Rig(
  t: TestContext,
  chains: readonly ConnectionChain[],
  clusters: readonly Cluster[],
  options: RigOptions = {},
  secrets: readonly Secret[] = [],
): Promise<Layer4Rig> {
  const protocol = options.listener?.protocol ?? 'tcp';
  const make = (port: number, list: readonly ConnectionChain[], known: readonly Cluster[]): Snapshot => ({
    // HTTP where a chain has it: everything goes to the first cluster.
    ...snapshotOf(port, [routeTo(known[0]?.name ?? 'none')], known, {
      ...options,
      listener: { protocol, ...options.listener, chains: list },
    }),
    secrets,
  });
  const rig = await Rig.start((port) => make(port, chains, clusters), options);
  t.after(async () => {
    await rig.close();
    assert.deepEqual(rig.faults, [], 'no bug was caught by a guard');
  });
  return { rig, port: rig.port, apply: (list, known) => rig.apply(make(rig.port, list, known)) };
}
