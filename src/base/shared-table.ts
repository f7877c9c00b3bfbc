import { randomFillSync } from 'node:crypto';
import { deriveKey, digest, type HashKey } from './keyed-hash.ts';

/**
 * Hash table of small records in shared memory, for several threads at once.
 *
 * Set-associative: a key belongs to one set of `ways` slots, found by a keyed hash, and is known by all 128 bits of that
 * hash. Each set has a lock, held for well under a microsecond, so that what happens to the records of one set is
 * atomic. The memory never grows: a full set gives up a record by the rule of `claim`.
 *
 * A slot: 4 × int32 identity; float64 `a`, `b` for the owner's use (integers up to 2^53 are exact), `expiry` (ms since
 * the epoch; 0: free), `touched`, `keepUntil`.
 */
export const ways = 32;

const headerWords = 16;
const magic = 0x57454952;
/** Header words: magic, sets, 4 words of seed, then counters. */
const seedAt = 2;
const counterAt = { expired: 6, evicted: 7, refused: 8, stolen: 9 } as const;

/** Float64 fields of a slot. */
const a = 0;
const b = 1;
const expiry = 2;
const touched = 3;
const keepUntil = 4;
const fields = 5;

/** Spins before a waiting thread sleeps, and 1 ms sleeps before the lock of a dead thread is taken over. */
const spins = 2000;
const patience = 200;

export interface TableCounters {
  /** Slots reused after their record had expired. */
  readonly expired: number;
  /** Live records that made room for another. */
  readonly evicted: number;
  /** Times that a set was full of records that must stay. */
  readonly refused: number;
  /** Locks taken over from a thread that ended while it held one. */
  readonly stolen: number;
}

/** Memory of a table for at least `capacity` records, rounded up to whole sets, 60 bytes each, committed as it is used. */
export function createTableMemory(capacity: number): SharedArrayBuffer {
  const sets = Math.max(1, 2 ** Math.ceil(Math.log2(Math.max(1, capacity) / ways)));
  const memory = new SharedArrayBuffer(layout(sets).bytes);
  const head = new Int32Array(memory, 0, headerWords);
  randomFillSync(new Int32Array(memory, seedAt * 4, 4));
  head[1] = sets;
  Atomics.store(head, 0, magic);
  return memory;
}

function layout(sets: number): { readonly locks: number; readonly keys: number; readonly values: number; readonly bytes: number } {
  const locks = headerWords * 4;
  const keys = locks + sets * 4 + ((sets * 4) % 8);
  const values = keys + sets * ways * 16;
  return { locks, keys, values, bytes: values + sets * ways * fields * 8 };
}

/** One thread's view of a table. */
export class SharedTable {
  readonly sets: number;
  private readonly head: Int32Array;
  private readonly locks: Int32Array;
  private readonly keys: Int32Array;
  private readonly values: Float64Array;
  private readonly seed: HashKey;
  /** Never 0, changes with each acquisition, so that a lock that is held on and on can be told from a busy one. */
  private ticket: number;

  /** Throws when `memory` was not made by `createTableMemory`. */
  constructor(memory: SharedArrayBuffer) {
    this.head = new Int32Array(memory, 0, headerWords);
    if (Atomics.load(this.head, 0) !== magic) throw new Error('not the memory of a shared table');
    this.sets = this.head[1];
    const at = layout(this.sets);
    this.locks = new Int32Array(memory, at.locks, this.sets);
    this.keys = new Int32Array(memory, at.keys, this.sets * ways * 4);
    this.values = new Float64Array(memory, at.values, this.sets * ways * fields);
    this.seed = { k0: this.head[seedAt], k1: this.head[seedAt + 1], k2: this.head[seedAt + 2], k3: this.head[seedAt + 3] };
    this.ticket = randomFillSync(new Int32Array(1))[0] | 1;
  }

  /** Key of a space of names in this table. */
  space(name: string): HashKey {
    return deriveKey(this.seed, name);
  }

  /** Set of the digest that `hashString` left. */
  setOf(): number {
    return digest[0] & (this.sets - 1);
  }

  /** Enters the set; returns the ticket to leave it with. Waits for other threads, never for long. */
  lock(set: number): number {
    this.ticket = (this.ticket + 2) | 1;
    if (Atomics.compareExchange(this.locks, set, 0, this.ticket) !== 0) this.wait(set);
    return this.ticket;
  }

  unlock(set: number, ticket: number): void {
    Atomics.compareExchange(this.locks, set, ticket, 0);
  }

  private wait(set: number): void {
    for (let i = 0; i < spins; i++) {
      if (Atomics.load(this.locks, set) === 0 && Atomics.compareExchange(this.locks, set, 0, this.ticket) === 0) return;
    }
    // The holder was preempted: give it the processor. Sleeps are counted, not timed, so that a stopped process that
    // wakes up does not take every lock for dead.
    let seen = 0;
    for (let sleeps = 0; ;) {
      const holder = Atomics.compareExchange(this.locks, set, 0, this.ticket);
      if (holder === 0) return;
      sleeps = holder === seen ? sleeps + 1 : 0;
      seen = holder;
      if (sleeps > patience && Atomics.compareExchange(this.locks, set, holder, this.ticket) === holder) {
        Atomics.add(this.head, counterAt.stolen, 1);
        return;
      }
      Atomics.wait(this.locks, set, holder, 1);
    }
  }

  /** Slot of the record with this identity, expired or not, or -1. The set must be locked. */
  find(set: number, w0: number, w1: number, w2: number, w3: number): number {
    const first = set * ways;
    for (let slot = first; slot < first + ways; slot++) {
      const at = slot * 4;
      if (this.keys[at] === w0 && this.keys[at + 1] === w1 && this.keys[at + 2] === w2 && this.keys[at + 3] === w3) return slot;
    }
    return -1;
  }

  /**
   * A slot for a new record, its `a` and `b` zero. In this order: a free slot or one whose record has expired, then the
   * record that was touched longest ago among those that need not be kept (`keepUntil`). Every record must be kept: -1.
   * The set must be locked.
   */
  claim(set: number, w0: number, w1: number, w2: number, w3: number, nowMs: number): number {
    const first = set * ways;
    let slot = -1;
    let oldest = Infinity;
    let counter: number = counterAt.evicted;
    for (let candidate = first; candidate < first + ways; candidate++) {
      const at = candidate * fields;
      if (this.values[at + keepUntil] === Infinity) continue;
      const ends = this.values[at + expiry];
      if (ends <= nowMs) {
        slot = candidate;
        counter = ends === 0 ? -1 : counterAt.expired;
        break;
      }
      if (this.values[at + keepUntil] <= nowMs && this.values[at + touched] < oldest) {
        oldest = this.values[at + touched];
        slot = candidate;
      }
    }
    if (slot < 0) {
      Atomics.add(this.head, counterAt.refused, 1);
      return -1;
    }
    if (counter >= 0) Atomics.add(this.head, counter, 1);
    const at = slot * 4;
    // Free while it changes hands: a thread that ends here leaves no half record.
    this.values.fill(0, slot * fields, slot * fields + fields);
    this.keys[at] = w0;
    this.keys[at + 1] = w1;
    this.keys[at + 2] = w2;
    this.keys[at + 3] = w3;
    return slot;
  }

  /** Sum of `b` over live records whose identity begins with these words, but for the slot `except`. The set must be locked. */
  sumOf(set: number, w0: number, w1: number, w2: number, nowMs: number, except: number): number {
    let sum = 0;
    for (let slot = set * ways; slot < (set + 1) * ways; slot++) {
      const at = slot * 4;
      if (slot === except || this.keys[at] !== w0 || this.keys[at + 1] !== w1 || this.keys[at + 2] !== w2) continue;
      if (this.values[slot * fields + expiry] > nowMs) sum += this.values[slot * fields + b];
    }
    return sum;
  }

  a(slot: number): number {
    return this.values[slot * fields + a];
  }

  b(slot: number): number {
    return this.values[slot * fields + b];
  }

  /** Marks a record as used, so that it is not the next to go. */
  touch(slot: number, nowMs: number): void {
    this.values[slot * fields + touched] = nowMs;
  }

  /** Until `write` or `letGo`, no `claim` takes this slot. */
  hold(slot: number): void {
    this.values[slot * fields + keepUntil] = Infinity;
  }

  letGo(slot: number): void {
    this.values[slot * fields + keepUntil] = 0;
  }

  /** Writes a record. Times are ms since the epoch. */
  write(slot: number, valueA: number, valueB: number, expiryMs: number, touchedMs: number, keepUntilMs: number): void {
    const at = slot * fields;
    this.values[at + a] = valueA;
    this.values[at + b] = valueB;
    this.values[at + touched] = touchedMs;
    this.values[at + keepUntil] = keepUntilMs;
    this.values[at + expiry] = expiryMs;
  }

  counters(): TableCounters {
    const read = (at: number): number => Atomics.load(this.head, at) >>> 0;
    return {
      expired: read(counterAt.expired),
      evicted: read(counterAt.evicted),
      refused: read(counterAt.refused),
      stolen: read(counterAt.stolen),
    };
  }

  /** Records that have not expired; walks the whole table. */
  live(nowMs: number): number {
    let count = 0;
    for (let at = expiry; at < this.values.length; at += fields) if (this.values[at] > nowMs) count++;
    return count;
  }
}
