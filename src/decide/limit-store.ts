import { digest, type HashKey, hashString } from '../base/keyed-hash.ts';
import { createTableMemory, SharedTable, type TableCounters } from '../base/shared-table.ts';
import {
  type LimitDecision,
  type LimitGroup,
  type LimitRule,
  type LimitStore,
  type LimitVerdict,
  nominalPeriodMs,
  periodName,
  windowEndMs,
  windowStartMs,
} from './limit.ts';

/** Counters kept at the same time, by default: 15 MB of address space, committed as it is used. */
export const defaultLimitCapacity = 262_144;

/** Memory for a store, made once by the main thread and handed to every worker. `capacity`: one per limit and subject. */
export function createLimitMemory(capacity: number = defaultLimitCapacity): SharedArrayBuffer {
  return createTableMemory(capacity);
}

/**
 * Counters in memory that several threads share. Exact: a window of N admits N, whoever asks, at whatever time; a group
 * is asked and taken under one lock, as all its counters of a subject stand in one set.
 *
 * When the subject's set is full: counters that have expired go first, then the one that was asked longest ago. A counter
 * that is refusing stays until it would allow again, so that a flood of new subjects never frees an old one; where all 32
 * of a set refuse, a new subject is refused too. A counter that was evicted starts again.
 */
export class SharedLimitStore implements LimitStore {
  private readonly table: SharedTable;

  constructor(memory: SharedArrayBuffer) {
    this.table = new SharedTable(memory);
  }

  group(stateKey: string, rules: readonly LimitRule[]): LimitGroup {
    return new SharedGroup(this.table, stateKey, rules, true);
  }

  /** The same counters for explain: answers what `take` would, takes nothing. */
  reader(): LimitStore {
    return { group: (stateKey, rules) => new SharedGroup(this.table, stateKey, rules, false) };
  }

  counters(): TableCounters {
    return this.table.counters();
  }

  /** Counters that count at this moment; walks the whole table. */
  live(nowMs: number): number {
    return this.table.live(nowMs);
  }
}

/** What a meter found out and what it would write. One object per rule, reused. */
interface Meter {
  readonly salt: HashKey;
  readonly rule: LimitRule;
  slot: number;
  allowed: boolean;
  remaining: number;
  resetMs: number;
  a: number;
  b: number;
  expiry: number;
  keepUntil: number;
  /** Looks at a counter; `fresh`: there is none yet. */
  look(a: number, b: number, fresh: boolean, nowMs: number): void;
}

class SharedGroup implements LimitGroup {
  private readonly table: SharedTable;
  private readonly key: HashKey;
  private readonly meters: readonly Meter[];
  private readonly takes: boolean;

  constructor(table: SharedTable, stateKey: string, rules: readonly LimitRule[], takes: boolean) {
    this.table = table;
    this.key = table.space(stateKey);
    this.takes = takes;
    this.meters = rules.map((rule) => {
      hashString(`${rule.algorithm} ${periodName(rule.period)}`, this.key);
      const salt = { k0: digest[0], k1: digest[1], k2: digest[2], k3: digest[3] };
      return rule.algorithm === 'fixed-window' ? new WindowMeter(rule, salt) : new BucketMeter(rule, salt);
    });
  }

  take(subject: string, nowMs: number): LimitVerdict {
    const { table, meters } = this;
    const now = Math.floor(nowMs);
    hashString(subject, this.key);
    const set = table.setOf();
    const w0 = digest[0];
    const w1 = digest[1];
    const w2 = digest[2];
    const w3 = digest[3];
    let allowed = true;
    let missing = false;
    const ticket = table.lock(set);
    for (const meter of meters) {
      const { salt } = meter;
      const slot = table.find(set, w0 ^ salt.k0, w1 ^ salt.k1, w2 ^ salt.k2, w3 ^ salt.k3);
      meter.slot = slot;
      if (slot < 0) {
        missing = true;
        meter.look(0, 0, true, now);
      } else meter.look(table.a(slot), table.b(slot), false, now);
      allowed &&= meter.allowed;
    }
    if (this.takes) {
      if (allowed && missing) allowed = this.claimMissing(set, w0, w1, w2, w3, now);
      for (const meter of meters) {
        if (allowed) table.write(meter.slot, meter.a, meter.b, meter.expiry, now, meter.keepUntil);
        else if (meter.slot >= 0) table.touch(meter.slot, now);
      }
    }
    table.unlock(set, ticket);
    const limits: LimitDecision[] = [];
    for (const meter of meters) {
      const remaining = allowed || !meter.allowed ? meter.remaining : meter.remaining + 1;
      limits.push({ allowed: meter.allowed, remaining, resetMs: meter.resetMs, conditional: false });
    }
    return { allowed, limits };
  }

  /** Finds places for counters that do not exist yet. False: there is no room, which refuses. */
  private claimMissing(set: number, w0: number, w1: number, w2: number, w3: number, now: number): boolean {
    let room = true;
    for (const meter of this.meters) if (meter.slot >= 0) this.table.hold(meter.slot);
    for (const meter of this.meters) {
      if (meter.slot >= 0) continue;
      const { salt } = meter;
      meter.slot = this.table.claim(set, w0 ^ salt.k0, w1 ^ salt.k1, w2 ^ salt.k2, w3 ^ salt.k3, now);
      if (meter.slot >= 0) this.table.hold(meter.slot);
      else {
        room = false;
        meter.allowed = false;
        meter.remaining = 0;
      }
    }
    if (!room) this.release();
    return room;
  }

  /** Puts held counters back as they were: nothing was taken. */
  private release(): void {
    for (const meter of this.meters) if (meter.slot >= 0) this.table.letGo(meter.slot);
  }
}

/** Fixed window: `a` start of the window, `b` units used in it. */
class WindowMeter implements Meter {
  readonly rule: LimitRule;
  readonly salt: HashKey;
  slot = -1;
  allowed = true;
  remaining = 0;
  resetMs = 0;
  a = 0;
  b = 0;
  expiry = 0;
  keepUntil = 0;
  private start = 0;
  private end = 0;

  constructor(rule: LimitRule, salt: HashKey) {
    this.rule = rule;
    this.salt = salt;
  }

  look(a: number, b: number, fresh: boolean, now: number): void {
    const { rule } = this;
    if (now < this.start || now >= this.end) {
      this.start = windowStartMs(rule.period, now);
      this.end = windowEndMs(rule.period, this.start);
    }
    let { start, end } = this;
    let used = 0;
    if (!fresh && a === start) used = b;
    else if (!fresh && a === end) {
      // Another thread has begun the next window while this request was on its way: it counts there.
      start = a;
      end = windowEndMs(rule.period, a);
      used = b;
    }
    this.allowed = used < rule.limit;
    this.remaining = this.allowed ? rule.limit - used - 1 : 0;
    this.resetMs = end - now;
    this.a = start;
    this.b = used + 1;
    this.expiry = end;
    this.keepUntil = this.b >= rule.limit ? end : 0;
  }
}

/**
 * Token bucket: `a` time of the last refill, `b` level. The level counts tokens × period ms, so that refilling
 * `limit` × elapsed ms is whole numbers and nothing is lost to rounding.
 */
class BucketMeter implements Meter {
  readonly rule: LimitRule;
  readonly salt: HashKey;
  slot = -1;
  allowed = true;
  remaining = 0;
  resetMs = 0;
  a = 0;
  b = 0;
  expiry = 0;
  keepUntil = 0;
  private readonly token: number;
  private readonly full: number;

  constructor(rule: LimitRule, salt: HashKey) {
    this.rule = rule;
    this.salt = salt;
    this.token = nominalPeriodMs(rule.period);
    this.full = rule.burst * this.token;
  }

  look(a: number, b: number, fresh: boolean, now: number): void {
    const { token, full } = this;
    const gain = this.rule.limit;
    // A clock that was put back further than a request can be late: what was counted in the future means nothing now.
    const none = fresh || a > now + 60_000;
    const last = none ? now : Math.max(a, now);
    const level = none ? full : Math.min(full, b + Math.max(0, now - a) * gain);
    this.allowed = level >= token;
    const left = this.allowed ? level - token : level;
    this.remaining = Math.floor(left / token);
    this.resetMs = Math.ceil((this.allowed ? full - left : token - left) / gain);
    this.a = last;
    this.b = left;
    this.expiry = last + Math.ceil((full - left) / gain);
    this.keepUntil = left >= token ? 0 : last + Math.ceil((token - left) / gain);
  }
}
