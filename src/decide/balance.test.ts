import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Balancer } from '../model/cluster.ts';
import { type BalancedEndpoint, pickDestination, pickEndpoint } from './balance.ts';

function endpoints(weights: readonly number[], active: readonly number[] = []): BalancedEndpoint[] {
  return weights.map((weight, i) => ({ weight, active: active[i] ?? 0, current: 0 }));
}

/** Rolls given in advance; the last one repeats. */
function rolls(...values: readonly number[]): () => number {
  let i = 0;
  return () => values[Math.min(i++, values.length - 1)];
}

const roundRobin: readonly { readonly name: string; readonly weights: readonly number[]; readonly order: readonly number[] }[] = [
  { name: 'equal weights take turns', weights: [1, 1, 1], order: [0, 1, 2, 0, 1] },
  { name: 'smooth by weight', weights: [5, 1, 1], order: [0, 0, 1, 0, 2, 0, 0, 0] },
  { name: 'weight 0 takes none', weights: [0, 2, 2], order: [1, 2, 1, 2] },
  { name: 'all 0', weights: [0, 0], order: [-1] },
  { name: 'empty', weights: [], order: [-1] },
];
for (const row of roundRobin) {
  test(`round robin: ${row.name}`, () => {
    const list = endpoints(row.weights);
    const state = { position: 0 };
    assert.deepEqual(
      row.order.map(() => pickEndpoint({ policy: 'round-robin' }, list, state, rolls(0))),
      row.order,
    );
  });
}

test('round robin goes on where it was when an endpoint is left out', () => {
  const state = { position: 0 };
  const [a, b, c] = endpoints([1, 1, 1]);
  const list = [a, b, c];
  assert.equal(pickEndpoint({ policy: 'round-robin' }, list, state, rolls(0)), 0);
  assert.equal(pickEndpoint({ policy: 'round-robin' }, [a, c], state, rolls(0)), 1);
  assert.equal(pickEndpoint({ policy: 'round-robin' }, list, state, rolls(0)), 2);
});

const single: readonly {
  readonly name: string;
  readonly balancer: Balancer;
  readonly set: BalancedEndpoint[];
  readonly rolls: readonly number[];
  readonly picks: number;
}[] = [
  { name: 'random, first share', balancer: { policy: 'random' }, set: endpoints([1, 3]), rolls: [0.24], picks: 0 },
  { name: 'random, second share', balancer: { policy: 'random' }, set: endpoints([1, 3]), rolls: [0.25], picks: 1 },
  { name: 'random, none', balancer: { policy: 'random' }, set: endpoints([0, 0]), rolls: [0.5], picks: -1 },
  {
    name: 'least request, fewer in flight',
    balancer: { policy: 'least-request', choices: 2 },
    set: endpoints([1, 1], [3, 2]),
    rolls: [0, 0.9],
    picks: 1,
  },
  {
    name: 'least request, the first among equals',
    balancer: { policy: 'least-request', choices: 2 },
    set: endpoints([1, 1], [2, 2]),
    rolls: [0.9, 0],
    picks: 1,
  },
  {
    name: 'least request, for its weight',
    balancer: { policy: 'least-request', choices: 2 },
    set: endpoints([4, 1], [3, 1]),
    rolls: [0.9, 0],
    picks: 0,
  },
  {
    name: 'least request, one choice is random',
    balancer: { policy: 'least-request', choices: 1 },
    set: endpoints([1, 1], [9, 0]),
    rolls: [0],
    picks: 0,
  },
  { name: 'least request, none', balancer: { policy: 'least-request', choices: 2 }, set: endpoints([]), rolls: [0], picks: -1 },
];
for (const row of single) {
  test(row.name, () => assert.equal(pickEndpoint(row.balancer, row.set, { position: 0 }, rolls(...row.rolls)), row.picks));
}

const destinations: readonly {
  readonly name: string;
  readonly weights: readonly number[];
  readonly roll: number;
  readonly picks: number;
}[] = [
  { name: 'one takes all', weights: [100], roll: 0.99, picks: 0 },
  { name: 'share below the edge', weights: [75, 25], roll: 0.7499, picks: 0 },
  { name: 'share at the edge', weights: [75, 25], roll: 0.75, picks: 1 },
  { name: 'weight 0 takes none', weights: [0, 1], roll: 0, picks: 1 },
  { name: 'all 0', weights: [0, 0], roll: 0.5, picks: -1 },
  { name: 'rounding never falls off the end', weights: [0.1, 0.2, 0], roll: 0.9999999999999999, picks: 1 },
];
for (const row of destinations) {
  test(`destination: ${row.name}`, () =>
    assert.equal(
      pickDestination(
        row.weights.map((weight) => ({ weight })),
        row.roll,
      ),
      row.picks,
    ));
}
