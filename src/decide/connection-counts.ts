import { digest, hashString } from '../base/keyed-hash.ts';
import { SharedTable } from '../base/shared-table.ts';

/** How long a worker's count is believed without being confirmed, ms; what a worker that died held is free after it. */
const believedMs = 15_000;
const confirmMs = 3_000;

/** One name in one worker. */
interface Held {
  readonly set: number;
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  own: number;
  /** Others read this worker's count: the name has a limit. */
  shared: boolean;
}

/**
 * Connections at a time, by name, exact over all workers: each keeps its own count in shared memory and reads the sum. The
 * count of a worker that died is overwritten by its replacement or forgotten.
 */
export class ConnectionCounts {
  private readonly table: SharedTable;
  private readonly worker: number;
  private readonly held = new Map<string, Held>();
  private confirmedAt = 0;

  /** `memory`: of `createTableMemory`; `worker`: this worker's index. */
  constructor(memory: SharedArrayBuffer, worker: number) {
    this.table = new SharedTable(memory);
    this.worker = worker;
  }

  /** Counts one more. False: there are `limit` of this name already (0: no limit) and nothing is counted. */
  enter(name: string, limit: number, nowMs: number): boolean {
    const held = this.find(name);
    if (limit > 0) {
      held.shared = true;
      if (!this.publish(held, held.own + 1, limit, nowMs)) {
        if (held.own === 0) this.held.delete(name);
        return false;
      }
    }
    held.own++;
    return true;
  }

  leave(name: string, nowMs: number): void {
    const held = this.held.get(name);
    if (held === undefined) return;
    held.own--;
    if (held.shared) this.publish(held, held.own, 0, nowMs);
    if (held.own <= 0) this.held.delete(name);
  }

  /** This worker's own. */
  own(name: string): number {
    return this.held.get(name)?.own ?? 0;
  }

  /** Confirms what is held; the caller's tick calls it. */
  confirm(nowMs: number): void {
    if (nowMs - this.confirmedAt < confirmMs && nowMs >= this.confirmedAt) return;
    this.confirmedAt = nowMs;
    for (const held of this.held.values()) if (held.shared) this.publish(held, held.own, 0, nowMs);
  }

  private publish(held: Held, own: number, limit: number, now: number): boolean {
    const { table } = this;
    const { set, w0, w1, w2, w3 } = held;
    const ticket = table.lock(set);
    let slot = table.find(set, w0, w1, w2, w3);
    const others = limit > 0 ? table.sumOf(set, w0, w1, w2, now, slot) : 0;
    const admitted = limit === 0 || others + own <= limit;
    if (admitted) {
      if (slot < 0 && own > 0) slot = table.claim(set, w0, w1, w2, w3, now);
      const until = own > 0 ? now + believedMs : 0;
      if (slot >= 0) table.write(slot, 0, own, until, now, until);
    }
    table.unlock(set, ticket);
    // No room for a count: a limit that cannot be kept admits nobody.
    return admitted && (slot >= 0 || own === 0 || limit === 0);
  }

  private find(name: string): Held {
    const known = this.held.get(name);
    if (known !== undefined) return known;
    hashString(name, this.table.space('connections'));
    const [w0 = 0, w1 = 0, w2 = 0, w3 = 0] = digest;
    const made: Held = { set: this.table.setOf(), w0, w1, w2, w3: w3 ^ (this.worker + 1), own: 0, shared: false };
    this.held.set(name, made);
    return made;
  }
}
