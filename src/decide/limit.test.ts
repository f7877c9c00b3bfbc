import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OfflineLimitStore, type Period, periodName, windowEndMs, windowStartMs } from './limit.ts';

const at = (text: string): number => Date.parse(text);

const rows: readonly { name: string; period: Period; now: string; start: string; end: string }[] = [
  { name: 'second', period: 'second', now: '2026-03-01T10:00:00.999Z', start: '2026-03-01T10:00:00Z', end: '2026-03-01T10:00:01Z' },
  {
    name: 'minute, its first instant',
    period: 'minute',
    now: '2026-03-01T10:05:00Z',
    start: '2026-03-01T10:05:00Z',
    end: '2026-03-01T10:06:00Z',
  },
  { name: 'day', period: 'day', now: '2026-03-01T23:59:59.999Z', start: '2026-03-01T00:00:00Z', end: '2026-03-02T00:00:00Z' },
  {
    name: 'february of a leap year',
    period: 'month',
    now: '2028-02-29T12:00:00Z',
    start: '2028-02-01T00:00:00Z',
    end: '2028-03-01T00:00:00Z',
  },
  {
    name: 'december ends in the next year',
    period: 'month',
    now: '2026-12-31T23:59:59Z',
    start: '2026-12-01T00:00:00Z',
    end: '2027-01-01T00:00:00Z',
  },
  { name: 'year', period: 'year', now: '2026-07-01T00:00:00Z', start: '2026-01-01T00:00:00Z', end: '2027-01-01T00:00:00Z' },
  {
    name: '90 seconds, aligned to the epoch',
    period: { seconds: 90 },
    now: '1970-01-01T00:03:01Z',
    start: '1970-01-01T00:03:00Z',
    end: '1970-01-01T00:04:30Z',
  },
];

for (const row of rows) {
  test(`window: ${row.name}`, () => {
    const start = windowStartMs(row.period, at(row.now));
    assert.equal(new Date(start).toISOString(), new Date(row.start).toISOString());
    assert.equal(new Date(windowEndMs(row.period, start)).toISOString(), new Date(row.end).toISOString());
  });
}

test('periods have names', () => {
  assert.deepEqual(
    ['month', { seconds: 90 } as const].map((period) => periodName(period === 'month' ? 'month' : { seconds: 90 })),
    ['month', '90s'],
  );
});

test('offline nothing is taken and every answer is conditional', () => {
  const group = new OfflineLimitStore().group('k', [{ limit: 1, period: 'minute', algorithm: 'fixed-window', burst: 1 }]);
  for (let i = 0; i < 3; i++) {
    const verdict = group.take('ip 192.0.2.1', 0);
    assert.equal(verdict.allowed, true);
    assert.equal(verdict.limits[0]?.conditional, true);
  }
});
