/**
 * Choosing among weighted things. Nothing here changes state: a pick reads, `advance` is the effect and is applied by
 * whoever acts on the pick. No call allocates.
 */
import type { Balancer } from '../model/cluster.ts';

/** Endpoints as the balancer sees them; the arrays are parallel and owned by the caller. */
export interface EndpointSet {
  readonly count: number;
  /** 0 takes no traffic. */
  readonly weights: ArrayLike<number>;
  /** Requests in flight. */
  readonly active: ArrayLike<number>;
  /** 0: not now (failed in this exchange, unhealthy). */
  readonly usable: ArrayLike<number>;
}

/** Where a round-robin balancer stands; lives as long as the cluster, over any number of revisions. */
export interface Position {
  /** Next index when all weights are equal. */
  turn: number;
  /** Smooth weighted round robin: credit of each endpoint. */
  credit: Float64Array;
}

export function newPosition(count: number): Position {
  return { turn: 0, credit: new Float64Array(count) };
}

/** A random number in [0, 1). */
export type Random = () => number;

/** Index of the chosen endpoint; -1 when none has weight and is usable. */
export function pickEndpoint(balancer: Balancer, set: EndpointSet, position: Position, random: Random): number {
  switch (balancer.policy) {
    case 'round-robin':
      return pickRoundRobin(set, position);
    case 'random':
      return pickRandom(set, random());
    case 'least-request':
      return pickLeastRequest(set, balancer.choices, random);
  }
}

function takes(set: EndpointSet, i: number): boolean {
  return set.weights[i] > 0 && set.usable[i] !== 0;
}

function equalWeights(set: EndpointSet): boolean {
  for (let i = 1; i < set.count; i++) if (set.weights[i] !== set.weights[0]) return false;
  return true;
}

/** nginx's smooth weighted round robin: the order of a weight-5 and two weight-1 endpoints is a a b a c a a. */
function pickRoundRobin(set: EndpointSet, position: Position): number {
  if (equalWeights(set)) {
    for (let step = 0; step < set.count; step++) {
      const i = (position.turn + step) % set.count;
      if (takes(set, i)) return i;
    }
    return -1;
  }
  let best = -1;
  let most = -Infinity;
  for (let i = 0; i < set.count; i++) {
    if (!takes(set, i)) continue;
    const credit = (position.credit[i] ?? 0) + set.weights[i];
    if (credit > most) {
      most = credit;
      best = i;
    }
  }
  return best;
}

/** The effect of a round-robin pick. For other policies there is nothing to apply. */
export function advance(set: EndpointSet, position: Position, picked: number): void {
  if (position.credit.length !== set.count) position.credit = new Float64Array(set.count);
  if (equalWeights(set)) {
    position.turn = (picked + 1) % set.count;
    return;
  }
  let total = 0;
  for (let i = 0; i < set.count; i++) {
    if (!takes(set, i)) continue;
    position.credit[i] += set.weights[i];
    total += set.weights[i];
  }
  position.credit[picked] -= total;
}

/** Proportional to weight. `roll` in [0, 1). */
function pickRandom(set: EndpointSet, roll: number): number {
  let total = 0;
  for (let i = 0; i < set.count; i++) if (takes(set, i)) total += set.weights[i];
  let left = roll * total;
  let last = -1;
  for (let i = 0; i < set.count; i++) {
    if (!takes(set, i)) continue;
    last = i;
    left -= set.weights[i];
    if (left < 0) return i;
  }
  return last;
}

/** Of `choices` picks by weight the one with the fewest requests in flight for its weight; the first among equals. */
function pickLeastRequest(set: EndpointSet, choices: number, random: Random): number {
  let best = pickRandom(set, random());
  for (let n = 1; n < choices && best >= 0; n++) {
    const other = pickRandom(set, random());
    if (set.active[other] * set.weights[best] < set.active[best] * set.weights[other]) best = other;
  }
  return best;
}

/**
 * Index of the destination that takes this request, in proportion to the weights. -1 when every weight is 0.
 * `roll` in [0, 1).
 */
export function pickDestination(destinations: readonly { readonly weight: number }[], roll: number): number {
  let total = 0;
  for (let i = 0; i < destinations.length; i++) total += destinations[i].weight;
  let left = roll * total;
  let last = -1;
  for (let i = 0; i < destinations.length; i++) {
    const { weight } = destinations[i];
    if (weight <= 0) continue;
    last = i;
    left -= weight;
    if (left < 0) return i;
  }
  return last;
}
