import { filterByName, orderFilters } from '../../filters/index.ts';
import type { Filter, FilterContext, FilterHooks, FilterRequest, FilterResponse, LocalReply } from '../../filters/define.ts';
import type { FilterConfig } from '../../model/filter.ts';
import type { Origin } from '../../model/origin.ts';

/** What one filter said, for explain. */
export interface FilterVerdict {
  readonly name: string;
  readonly verdict: 'continue' | 'deny' | 'respond';
  readonly reason: string;
  readonly origin: Origin;
}

/** Which hook of the filters is meant. */
export type Stage = 'onListener' | 'onRequest';

/** What every filter instance of a worker shares. */
export type ChainContext = Omit<FilterContext, 'scope' | 'stateKey'>;

/** One place in the chain: a filter, and the instances that stand in for it when a certain consumer calls. */
class Slot {
  readonly name: string;
  readonly origin: Origin;
  readonly hooks: FilterHooks | null;
  readonly byConsumer: ReadonlyMap<string, FilterHooks> | null;
  readonly protocols: readonly string[] | null;

  constructor(
    name: string,
    origin: Origin,
    hooks: FilterHooks | null,
    byConsumer: ReadonlyMap<string, FilterHooks> | null,
    protocols: readonly string[] | null,
  ) {
    this.name = name;
    this.origin = origin;
    this.hooks = hooks;
    this.byConsumer = byConsumer;
    this.protocols = protocols;
  }

  /** The instance that runs for this request, the consumer's own first (Kong plugin precedence). */
  pick(request: FilterRequest): FilterHooks | null {
    if (this.protocols !== null && !this.protocols.includes(request.scheme)) return null;
    if (this.byConsumer !== null && request.consumer !== null) return this.byConsumer.get(request.consumer.id) ?? this.hooks;
    return this.hooks;
  }
}

/**
 * The filters of one scope in their order. Built when a route is materialised, never per request. Requests run it
 * forwards, responses backwards.
 */
export class Chain {
  private readonly slots: readonly Slot[];
  /** False: nothing to run on responses, so that the hot path skips it. */
  readonly hasResponse: boolean;
  readonly hasAttempt: boolean;
  readonly hasEnd: boolean;

  constructor(slots: readonly Slot[]) {
    this.slots = slots;
    const has = (hook: keyof FilterHooks): boolean =>
      slots.some(
        (slot) =>
          slot.hooks?.[hook] !== undefined ||
          (slot.byConsumer !== null && [...slot.byConsumer.values()].some((hooks) => hooks[hook] !== undefined)),
      );
    this.hasResponse = has('onResponse');
    this.hasAttempt = has('onAttempt');
    this.hasEnd = has('onEnd');
  }

  get size(): number {
    return this.slots.length;
  }

  /**
   * Runs the request hooks until one answers. Returns undefined to go on. A promise only when a filter made one.
   * With a `trail` it also writes down each verdict: explain and traffic are this one loop.
   */
  run(
    stage: Stage,
    request: FilterRequest,
    trail: FilterVerdict[] | null,
    from = 0,
  ): LocalReply | undefined | Promise<LocalReply | undefined> {
    for (let i = from; i < this.slots.length; i++) {
      const slot = this.slots[i];
      const hooks = slot.pick(request);
      const hook = hooks?.[stage];
      if (trail !== null) beginNotes(request);
      const reply = hook === undefined || hooks === null ? undefined : hook.call(hooks, request);
      if (reply instanceof Promise) return reply.then((settled) => settled ?? this.run(stage, request, trail, i + 1));
      if (trail !== null) trail.push(verdictOf(slot, reply, hook !== undefined, endNotes(request)));
      if (reply !== undefined) return reply;
    }
    return undefined;
  }

  /** Per-destination changes, once the destination is known. */
  attempt(request: FilterRequest, trail: FilterVerdict[] | null = null): void {
    for (const slot of this.slots) {
      const hooks = slot.pick(request);
      if (trail !== null) beginNotes(request);
      hooks?.onAttempt?.(request);
      if (trail !== null) trail.push(verdictOf(slot, undefined, hooks?.onAttempt !== undefined, endNotes(request)));
    }
  }

  response(response: FilterResponse): void {
    for (let i = this.slots.length - 1; i >= 0; i--) {
      const hooks = this.slots[i].pick(response.request);
      hooks?.onResponse?.(response);
    }
  }

  end(request: FilterRequest, status: number): void {
    for (const slot of this.slots) slot.pick(request)?.onEnd?.(request, status);
  }
}

export const emptyChain = new Chain([]);

const notes = new WeakMap<FilterRequest, string[]>();

/** Gives the request a place for reasons; RequestContext.note appends to it. */
function beginNotes(request: FilterRequest): void {
  notes.set(request, []);
}

function endNotes(request: FilterRequest): string {
  return (notes.get(request) ?? []).join('; ');
}

/** For RequestContext.note while somebody asks why. */
export function noteFor(request: FilterRequest, reason: string): void {
  notes.get(request)?.push(reason);
}

function verdictOf(slot: Slot, reply: LocalReply | undefined, ran: boolean, reason: string): FilterVerdict {
  if (reply === undefined)
    return {
      name: slot.name,
      verdict: 'continue',
      reason: reason !== '' ? reason : ran ? 'passed' : 'does not act on this request',
      origin: slot.origin,
    };
  const verdict = reply.status >= 400 ? 'deny' : 'respond';
  return { name: slot.name, verdict, reason: reason === '' ? reply.details : reason, origin: slot.origin };
}

/** Hooks of a filter that must not be passed: broken policy, or one that does not run yet. */
function blockedHooks(config: FilterConfig, status: number, reason: string): FilterHooks {
  const reply: LocalReply = {
    status,
    headers: [],
    message: 'Service unavailable',
    flag: 'UAEX',
    details: `${config.name}_blocked: ${reason}`,
  };
  const hook = (request: FilterRequest): LocalReply => {
    request.note?.(reason);
    return reply;
  };
  return { onListener: hook, onRequest: hook };
}

function instantiate(config: FilterConfig, filter: Filter | null, scope: FilterContext['scope'], context: ChainContext): FilterHooks {
  if (config.blocked !== undefined) return blockedHooks(config, config.blocked.status, config.blocked.reason);
  if (filter === null) return blockedHooks(config, 503, `filter '${config.name}' does not run in this version`);
  try {
    return filter.instantiate(config.config, { ...context, scope, stateKey: config.stateKey });
  } catch (error) {
    return blockedHooks(config, 503, `its configuration cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Orders the configs of one scope and makes their hooks. A config that cannot run closes its scope. */
export function buildChain(configs: readonly FilterConfig[], scope: FilterContext['scope'], context: ChainContext): Chain {
  if (configs.length === 0) return emptyChain;
  const slots: Slot[] = [];
  for (const config of orderFilters(configs)) {
    if (config.consumer !== undefined) continue;
    slots.push(makeSlot(config, configs, scope, context));
  }
  // Consumer-only instances whose filter has no general instance still need a place.
  for (const config of orderFilters(configs)) {
    if (config.consumer === undefined || slots.some((slot) => slot.name === config.name)) continue;
    slots.push(makeSlot(config, configs, scope, context));
  }
  if (!configs.some((config) => config.consumer !== undefined)) return new Chain(slots);
  const order = new Map(orderFilters(configs).map((config, index) => [config.name, index]));
  return new Chain(slots.toSorted((a, b) => (order.get(a.name) ?? 0) - (order.get(b.name) ?? 0)));
}

function makeSlot(config: FilterConfig, configs: readonly FilterConfig[], scope: FilterContext['scope'], context: ChainContext): Slot {
  const filter = filterByName(config.name);
  const special = configs.filter((other) => other.name === config.name && other.consumer !== undefined);
  const byConsumer =
    special.length === 0 ? null : new Map(special.map((other) => [other.consumer ?? '', instantiate(other, filter, scope, context)]));
  const hooks = config.consumer === undefined ? instantiate(config, filter, scope, context) : null;
  return new Slot(config.name, config.origin, hooks, byConsumer, config.protocols ?? null);
}
