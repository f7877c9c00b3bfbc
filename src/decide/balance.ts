/** Choosing among weighted things. No call allocates. */
import { hashStep, hashText, mixHash } from '../base/hash.ts';
import type { Balancer } from '../model/cluster.ts';

/** An endpoint as the balancer sees it: live state that outlives revisions. */
export interface BalancedEndpoint {
  /** 0 takes no traffic. */
  readonly weight: number;
  /** Requests in flight. */
  readonly active: number;
  /** Credit of smooth weighted round robin; belongs to the balancer. */
  current: number;
}

/** Where a round-robin balancer stands; lives as long as the cluster. */
export interface BalancerState {
  position: number;
}

/** A random number in [0, 1). */
export type Random = () => number;

/**
 * Index of the chosen endpoint; -1 when none has weight. The pick is final: round robin moves on with it (`position`
 * where all weights are equal, else each endpoint's `current`); the other policies change nothing.
 */
export function pickEndpoint(balancer: Balancer, endpoints: readonly BalancedEndpoint[], state: BalancerState, random: Random): number {
  switch (balancer.policy) {
    case 'round-robin':
      return hasEqualWeights(endpoints) ? pickNext(endpoints, state) : pickByCredit(endpoints);
    case 'random':
      return pickDestination(endpoints, random());
    case 'least-request':
      return pickLeastRequest(endpoints, balancer.choices, random);
  }
}

function hasEqualWeights(endpoints: readonly BalancedEndpoint[]): boolean {
  for (let i = 1; i < endpoints.length; i++) if (endpoints[i].weight !== endpoints[0].weight) return false;
  return true;
}

function pickNext(endpoints: readonly BalancedEndpoint[], state: BalancerState): number {
  if (endpoints.length === 0 || endpoints[0].weight <= 0) return -1;
  const index = state.position % endpoints.length;
  state.position = index + 1;
  return index;
}

/** nginx's smooth weighted round robin: weights 5, 1 and 1 give a a b a c a a. */
function pickByCredit(endpoints: readonly BalancedEndpoint[]): number {
  let best = -1;
  let total = 0;
  for (let i = 0; i < endpoints.length; i++) {
    const endpoint = endpoints[i];
    if (endpoint.weight <= 0) continue;
    endpoint.current += endpoint.weight;
    total += endpoint.weight;
    if (best < 0 || endpoint.current > endpoints[best].current) best = i;
  }
  if (best >= 0) endpoints[best].current -= total;
  return best;
}

/** Of `choices` picks by weight the one with the fewest requests in flight for its weight; the first among equals. */
function pickLeastRequest(endpoints: readonly BalancedEndpoint[], choices: number, random: Random): number {
  let best = pickDestination(endpoints, random());
  for (let n = 1; n < choices && best >= 0; n++) {
    const other = pickDestination(endpoints, random());
    if (endpoints[other].active * endpoints[best].weight < endpoints[best].active * endpoints[other].weight) best = other;
  }
  return best;
}

/**
 * Index of the endpoint that `hash` belongs to, in proportion to the weights; -1 when none has weight. Weighted rendezvous
 * hashing: every caller finds the same one, and an endpoint that comes or goes moves only its own share.
 */
export function pickByHash(endpoints: readonly { readonly weight: number; readonly key: string }[], hash: number): number {
  let best = -1;
  let bestScore = 0;
  for (let i = 0; i < endpoints.length; i++) {
    const { weight, key } = endpoints[i];
    if (weight <= 0) continue;
    const score = -weight / Math.log(rollOf(hashStep(hashText(key), hash)));
    if (best < 0 || score > bestScore) {
      best = i;
      bestScore = score;
    }
  }
  return best;
}

/** A hash as a number above 0 and below 1. */
export function rollOf(hash: number): number {
  return ((mixHash(mixHash(hash)) >>> 0) + 0.5) / 2 ** 32;
}

/**
 * Index of one of several weighted things (destinations of a route, endpoints), in proportion to the weights. -1 when every weight is 0.
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
