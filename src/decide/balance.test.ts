import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Balancer } from '../model/cluster.ts';
import { advance, type EndpointSet, newPosition, pickDestination, pickEndpoint } from './balance.ts';

function endpoints(weights: readonly number[], overrides: Partial<EndpointSet> = {}): EndpointSet {
  return { count: weights.length, weights, active: weights.map(() => 0), usable: weights.map(() => 1), ...overrides };
}

/** Rolls given in advance; the last one repeats. */
function rolls(...values: readonly number[]): () => number {
  let i = 0;
  return () => values[Math.min(i++, values.length - 1)];
}

const roundRobin: readonly { readonly name: string; readonly set: EndpointSet; readonly order: readonly number[] }[] = [
  { name: 'equal weights take turns', set: endpoints([1, 1, 1]), order: [0, 1, 2, 0, 1] },
  { name: 'smooth by weight', set: endpoints([5, 1, 1]), order: [0, 0, 1, 0, 2, 0, 0, 0] },
  { name: 'weight 0 takes none', set: endpoints([0, 2, 2]), order: [1, 2, 1, 2] },
  { name: 'what is not usable is left out', set: endpoints([1, 1, 1], { usable: [1, 0, 1] }), order: [0, 2, 0, 2] },
  { name: 'weighted and not usable', set: endpoints([5, 1, 1], { usable: [0, 1, 1] }), order: [1, 2, 1, 2] },
  { name: 'none', set: endpoints([1, 1], { usable: [0, 0] }), order: [-1] },
  { name: 'empty', set: endpoints([]), order: [-1] },
];
for (const row of roundRobin) {
  test(`round robin: ${row.name}`, () => {
    const position = newPosition(row.set.count);
    const order = row.order.map(() => {
      const picked = pickEndpoint({ policy: 'round-robin' }, row.set, position, rolls(0));
      if (picked >= 0) advance(row.set, position, picked);
      return picked;
    });
    assert.deepEqual(order, row.order);
  });
}

test('a pick changes nothing until it is applied', () => {
  const set = endpoints([5, 1, 1]);
  const position = newPosition(3);
  const pick = (): number => pickEndpoint({ policy: 'round-robin' }, set, position, rolls(0));
  assert.equal(pick(), pick());
  assert.deepEqual(position, newPosition(3));
});

test('a position survives endpoints that come', () => {
  const position = newPosition(1);
  const set = endpoints([3, 1]);
  advance(set, position, 0);
  assert.equal(pickEndpoint({ policy: 'round-robin' }, set, position, rolls(0)), 0);
  assert.equal(position.credit.length, 2);
});

const single: readonly {
  readonly name: string;
  readonly balancer: Balancer;
  readonly set: EndpointSet;
  readonly rolls: readonly number[];
  readonly picks: number;
}[] = [
  { name: 'random, first share', balancer: { policy: 'random' }, set: endpoints([1, 3]), rolls: [0.24], picks: 0 },
  { name: 'random, second share', balancer: { policy: 'random' }, set: endpoints([1, 3]), rolls: [0.25], picks: 1 },
  { name: 'random, none', balancer: { policy: 'random' }, set: endpoints([0, 0]), rolls: [0.5], picks: -1 },
  {
    name: 'least request, fewer in flight',
    balancer: { policy: 'least-request', choices: 2 },
    set: endpoints([1, 1], { active: [3, 2] }),
    rolls: [0, 0.9],
    picks: 1,
  },
  {
    name: 'least request, the first among equals',
    balancer: { policy: 'least-request', choices: 2 },
    set: endpoints([1, 1], { active: [2, 2] }),
    rolls: [0.9, 0],
    picks: 1,
  },
  {
    name: 'least request, for its weight',
    balancer: { policy: 'least-request', choices: 2 },
    set: endpoints([4, 1], { active: [3, 1] }),
    rolls: [0.9, 0],
    picks: 0,
  },
  {
    name: 'least request, one choice is random',
    balancer: { policy: 'least-request', choices: 1 },
    set: endpoints([1, 1], { active: [9, 0] }),
    rolls: [0],
    picks: 0,
  },
  { name: 'least request, none', balancer: { policy: 'least-request', choices: 2 }, set: endpoints([]), rolls: [0], picks: -1 },
];
for (const row of single) {
  test(row.name, () => assert.equal(pickEndpoint(row.balancer, row.set, newPosition(row.set.count), rolls(...row.rolls)), row.picks));
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
