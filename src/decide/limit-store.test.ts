import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { SharedTable, ways } from '../base/shared-table.ts';
import type { LimitGroup, LimitRule } from './limit.ts';
import { createLimitMemory, SharedLimitStore } from './limit-store.ts';

const t0 = Date.parse('2026-03-01T10:00:00Z');
const window = (limit: number, period: LimitRule['period']): LimitRule => ({ limit, period, algorithm: 'fixed-window', burst: limit });
const bucket = (limit: number, period: LimitRule['period'], burst: number): LimitRule => ({
  limit,
  period,
  algorithm: 'token-bucket',
  burst,
});

function fresh(rules: readonly LimitRule[], capacity = 4096): LimitGroup {
  return new SharedLimitStore(createLimitMemory(capacity)).group('policy', rules);
}

function admit(group: LimitGroup, subject: string, nowMs: number, times: number): number {
  let admitted = 0;
  for (let i = 0; i < times; i++) if (group.take(subject, nowMs).allowed) admitted++;
  return admitted;
}

test('a window admits its limit and no more, and starts again on the clock', () => {
  const group = fresh([window(3, 'minute')]);
  assert.deepEqual(group.take('a', t0), { allowed: true, limits: [{ allowed: true, remaining: 2, resetMs: 60_000, conditional: false }] });
  assert.equal(admit(group, 'a', t0 + 59_999, 5), 2);
  assert.deepEqual(group.take('a', t0 + 59_000).limits[0], { allowed: false, remaining: 0, resetMs: 1000, conditional: false });
  assert.equal(admit(group, 'b', t0, 5), 3, 'another subject has its own count');
  assert.equal(admit(group, 'a', t0 + 60_000, 5), 3);
});

test('a request that comes late from the window before counts in the newer one', () => {
  const group = fresh([window(2, 'second')]);
  assert.equal(admit(group, 'a', t0 + 1000, 1), 1);
  assert.equal(admit(group, 'a', t0 + 999, 5), 1);
  assert.equal(admit(group, 'a', t0 + 1000, 5), 0);
});

test('a clock that is put back does not lock anybody out', () => {
  const hour = 3_600_000;
  const group = fresh([window(2, 'second'), bucket(2, 'second', 2)]);
  assert.equal(admit(group, 'a', t0 + hour, 5), 2);
  assert.equal(admit(group, 'a', t0, 5), 2);
  assert.equal(admit(group, 'a', t0 + 1, 5), 0);
  assert.equal(admit(group, 'a', t0 + 1000, 5), 2);
});

test('a bucket holds its burst and refills evenly', () => {
  const group = fresh([bucket(10, 'second', 5)]);
  assert.equal(admit(group, 'a', t0, 20), 5);
  assert.equal(group.take('a', t0 + 99).limits[0]?.resetMs, 1);
  assert.equal(admit(group, 'a', t0 + 100, 20), 1);
  assert.equal(admit(group, 'a', t0 + 250, 20), 1);
  assert.equal(admit(group, 'a', t0 + 300, 20), 1, 'half a token was kept');
  assert.equal(admit(group, 'a', t0 + 10_000, 20), 5);
});

test('a bucket of 3 per second admits exactly 3 per second over an hour of requests, one each millisecond', () => {
  const group = fresh([bucket(3, 'second', 1)]);
  let admitted = 0;
  for (let ms = 0; ms < 3_600_000; ms += 7) if (group.take('a', t0 + ms).allowed) admitted++;
  assert.ok(admitted <= 3 * 3600 + 1 && admitted > 3 * 3600 * 0.97, `${admitted}`);
});

test('several limits: all or none is taken', () => {
  const group = fresh([window(2, 'second'), window(5, 'minute')]);
  assert.equal(admit(group, 'a', t0, 10), 2);
  const refused = group.take('a', t0);
  assert.deepEqual(
    refused.limits.map(({ allowed, remaining }) => [allowed, remaining]),
    [
      [false, 0],
      [true, 3],
    ],
  );
  assert.equal(admit(group, 'a', t0 + 1000, 10), 2);
  assert.equal(admit(group, 'a', t0 + 2000, 10), 1, 'refused requests have used nothing of the minute');
});

test('counts survive: a new group of the same identity goes on, whatever the limit is now', () => {
  const memory = createLimitMemory(64);
  assert.equal(admit(new SharedLimitStore(memory).group('policy', [window(3, 'minute')]), 'a', t0, 9), 3);
  const reloaded = new SharedLimitStore(memory).group('policy', [window(5, 'minute')]);
  assert.equal(admit(reloaded, 'a', t0, 9), 2);
  assert.equal(admit(new SharedLimitStore(memory).group('other', [window(5, 'minute')]), 'a', t0, 9), 5);
});

test('a reader answers as take would and takes nothing', () => {
  const store = new SharedLimitStore(createLimitMemory(64));
  const look = store.reader().group('policy', [window(1, 'minute')]);
  const take = store.group('policy', [window(1, 'minute')]);
  assert.equal(admit(look, 'a', t0, 5), 5);
  assert.equal(admit(take, 'a', t0, 5), 1);
  assert.equal(look.take('a', t0).allowed, false);
});

test('hostile subjects: memory is bounded, whoever is refused stays refused', () => {
  const store = new SharedLimitStore(createLimitMemory(ways));
  const group = store.group('policy', [window(2, 'minute')]);
  assert.equal(admit(group, 'attacker', t0, 9), 2);
  for (let i = 0; i < 10_000; i++) group.take(`header ${i}`, t0 + 1);
  assert.equal(group.take('attacker', t0 + 2).allowed, false);
  assert.ok(store.live(t0 + 2) <= ways);
  assert.ok(store.counters().evicted >= 9000);
});

test('a set full of refusing counters refuses a new subject and says so; it heals when they expire', () => {
  const store = new SharedLimitStore(createLimitMemory(ways));
  const group = store.group('policy', [window(1, 'minute')]);
  for (let i = 0; i < ways; i++) assert.equal(group.take(`s${i}`, t0).allowed, true);
  const refused = group.take('one more', t0);
  assert.deepEqual(refused, { allowed: false, limits: [{ allowed: false, remaining: 0, resetMs: 60_000, conditional: false }] });
  assert.equal(store.counters().refused, 1);
  assert.equal(group.take('one more', t0 + 60_000).allowed, true);
});

test('a group that finds room for only some of its counters takes nothing and leaves no trace', () => {
  const store = new SharedLimitStore(createLimitMemory(ways));
  const one = store.group('one', [window(1, 'minute')]);
  for (let i = 0; i < ways - 1; i++) one.take(`s${i}`, t0);
  const two = store.group('two', [window(9, 'minute'), window(9, 'hour')]);
  assert.equal(two.take('x', t0).allowed, false);
  assert.equal(store.live(t0), ways - 1);
  assert.equal(one.take('last place', t0).allowed, true);
});

test('the touched stay: eviction takes whoever was asked longest ago', () => {
  const store = new SharedLimitStore(createLimitMemory(ways));
  const group = store.group('policy', [window(100, 'minute')]);
  for (let i = 0; i < ways; i++) group.take(`s${i}`, t0 + i);
  group.take('s0', t0 + 100);
  group.take('new', t0 + 101);
  assert.equal(group.take('s0', t0 + 102).limits[0]?.remaining, 97);
  assert.equal(group.take('s1', t0 + 103).limits[0]?.remaining, 99, 's1 was the oldest and starts again');
});

test('two stores place the same subject differently: the seed is random', () => {
  const places = new Set(Array.from({ length: 8 }, () => new SharedTable(createLimitMemory(1_000_000)).space('policy').k0));
  assert.ok(places.size > 1);
});

test('a lock left by a dead thread is taken over', () => {
  const memory = createLimitMemory(ways);
  const dead = new SharedTable(memory);
  dead.lock(0);
  const store = new SharedLimitStore(memory);
  assert.equal(store.group('policy', [window(1, 'minute')]).take('a', t0).allowed, true);
  assert.equal(store.counters().stolen, 1);
});

test('memory of something else is refused', () => {
  assert.throws(() => new SharedLimitStore(new SharedArrayBuffer(4096)), /not the memory/);
});

for (const rules of [[window(1000, 'minute')], [window(5000, 'second'), window(700, 'minute')], [bucket(1000, 'minute', 900)]]) {
  const limit = Math.min(...rules.map((rule) => (rule.algorithm === 'token-bucket' ? rule.burst : rule.limit)));
  test(`threads: ${limit} admitted exactly under contention (${rules.map((rule) => rule.algorithm).join(', ')})`, async () => {
    const threads = 3;
    const task = { memory: createLimitMemory(ways), gate: new SharedArrayBuffer(4), threads, rules, subjects: 3, asks: 30_000, nowMs: t0 };
    const workers = Array.from(
      { length: threads },
      () => new Worker(new URL('./limit-store.worker.ts', import.meta.url), { workerData: task }),
    );
    const results = await Promise.all(workers.map(async (worker) => (await once(worker, 'message'))[0] as unknown));
    await Promise.all(workers.map((worker) => worker.terminate()));
    const totals = [0, 1, 2].map((subject) =>
      results.reduce<number>((sum, result) => sum + (Array.isArray(result) ? Number(result[subject]) : Number.NaN), 0),
    );
    assert.deepEqual(totals, [limit, limit, limit]);
  });
}

test('property: never more than the limit in any window, and a refusal only when it is used up', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 2 })), { maxLength: 60 }),
      (limit, steps) => {
        const group = fresh([window(limit, 'second')], ways);
        const used = new Map<string, number>();
        let now = t0;
        for (const [wait, subject] of steps) {
          now += wait;
          const slot = `${subject} ${Math.floor(now / 1000)}`;
          const before = used.get(slot) ?? 0;
          assert.equal(group.take(String(subject), now).allowed, before < limit);
          if (before < limit) used.set(slot, before + 1);
        }
      },
    ),
  );
});
