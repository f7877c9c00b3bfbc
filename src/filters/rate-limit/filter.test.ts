import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLimitMemory, SharedLimitStore } from '../../decide/limit-store.ts';
import type { Consumer } from '../../model/consumer.ts';
import { ask, fakeContext, type FakeRequest, fakeRequest } from '../../../tests/support/filter-request.ts';
import type { FilterHooks, FilterRequest } from '../define.ts';
import { rateLimit } from './filter.ts';
import { rateLimitSchema } from './schema.ts';

const alice: Consumer = {
  id: 'a-1',
  username: 'alice',
  customId: null,
  groups: [],
  keys: [],
  origin: { dialect: 'kong', kind: 'Consumer', namespace: null, name: 'alice', file: 'kong.yaml', line: 1, column: 1 },
};

const at = (text: string): number => Date.parse(text);

function hooksOf(config: object, store = new SharedLimitStore(createLimitMemory(4096)), style: 'kong' | 'envoy' = 'kong'): FilterHooks {
  return rateLimit.instantiate(config, fakeContext([], { limits: store, replyStyle: style }));
}

type Fields = Parameters<typeof fakeRequest>[0];

function send(hooks: FilterHooks, fields: Fields = {}): { status: number; request: FakeRequest; headers: Record<string, string> } {
  const request = fakeRequest(fields);
  const reply = ask(hooks, request);
  return {
    status: reply?.status ?? 200,
    request,
    headers: { ...Object.fromEntries(request.sent), ...Object.fromEntries(reply?.headers ?? []) },
  };
}

const one = { requests: 1, per: 'minute' };

/** Two requests against a limit of one: do they share a count? */
const subjects: readonly { name: string; key: object[]; first: Fields; second: Fields; shared: boolean }[] = [
  { name: 'ip: one client', key: [{ ip: true }], first: {}, second: {}, shared: true },
  { name: 'ip: two clients', key: [{ ip: true }], first: {}, second: { remoteAddress: '192.0.2.2' }, shared: false },
  {
    name: 'header: one value',
    key: [{ header: 'X-Key' }],
    first: { lines: [['x-key', 'a']] },
    second: { lines: [['X-KEY', 'a']], remoteAddress: '192.0.2.2' },
    shared: true,
  },
  {
    name: 'header: two values',
    key: [{ header: 'x-key' }],
    first: { lines: [['x-key', 'a']] },
    second: { lines: [['x-key', 'b']] },
    shared: false,
  },
  {
    name: 'header: the first of several lines',
    key: [{ header: 'x-key' }],
    first: { lines: [['x-key', 'a']] },
    second: {
      lines: [
        ['x-key', 'a'],
        ['x-key', 'b'],
      ],
    },
    shared: true,
  },
  { name: 'header: absent, the ip', key: [{ header: 'x-key' }], first: {}, second: {}, shared: true },
  {
    name: "header: a value that looks like another client's ip",
    key: [{ header: 'x-key' }],
    first: { lines: [['x-key', '192.0.2.9']] },
    second: { remoteAddress: '192.0.2.9' },
    shared: false,
  },
  {
    name: 'header: a value that looks like the inner form of an ip',
    key: [{ header: 'x-key' }],
    first: { lines: [['x-key', 'ip 192.0.2.9']] },
    second: { remoteAddress: '192.0.2.9' },
    shared: false,
  },
  {
    name: 'consumer: from two places',
    key: [{ consumer: true }],
    first: { consumer: alice },
    second: { consumer: alice, remoteAddress: '192.0.2.2' },
    shared: true,
  },
  { name: 'consumer: none, the ip', key: [{ consumer: true }], first: {}, second: { remoteAddress: '192.0.2.2' }, shared: false },
  {
    name: 'credential: two of one consumer',
    key: [{ credential: true }],
    first: { consumer: alice, credential: 'c1' },
    second: { consumer: alice, credential: 'c2' },
    shared: false,
  },
  {
    name: 'path given: this path for everybody',
    key: [{ path: '/login' }],
    first: { path: '/login' },
    second: { path: '/login', remoteAddress: '192.0.2.2' },
    shared: true,
  },
  { name: 'path given: other paths by ip', key: [{ path: '/login' }], first: { path: '/a' }, second: { path: '/b' }, shared: true },
  { name: 'path given: no prefix', key: [{ path: '/login' }], first: { path: '/login' }, second: { path: '/login/' }, shared: false },
  { name: 'path: each its own', key: [{ path: true }], first: { path: '/a' }, second: { path: '/b' }, shared: false },
  { name: 'service: all clients', key: [{ service: true }], first: {}, second: { remoteAddress: '192.0.2.2' }, shared: true },
  {
    name: 'service: none, the ip',
    key: [{ service: true }],
    first: { serviceName: '' },
    second: { serviceName: '', remoteAddress: '192.0.2.2' },
    shared: false,
  },
  {
    name: 'two parts: both must agree',
    key: [{ ip: true }, { header: 'k' }],
    first: { lines: [['k', 'a']] },
    second: { lines: [['k', 'a']], remoteAddress: '192.0.2.2' },
    shared: false,
  },
  {
    name: 'two parts: no other cut of the same text',
    key: [{ header: 'a' }, { header: 'b' }],
    first: {
      lines: [
        ['a', 'x;8:header y'],
        ['b', 'z'],
      ],
    },
    second: {
      lines: [
        ['a', 'x'],
        ['b', 'y;8:header z'],
      ],
    },
    shared: false,
  },
];
for (const row of subjects) {
  test(`subject by ${row.name}`, () => {
    const hooks = hooksOf({ limits: [one], key: row.key });
    assert.equal(send(hooks, row.first).status, 200);
    assert.equal(send(hooks, row.second).status, row.shared ? 429 : 200);
  });
}

test("Kong's headers, allowed and refused", () => {
  const hooks = hooksOf({
    limits: [
      { requests: 2, per: 'minute' },
      { requests: 3, per: 'hour' },
    ],
    headers: 'kong',
  });
  const startMs = at('2026-03-01T10:00:15.500Z');
  assert.deepEqual(send(hooks, { startMs }).headers, {
    'X-RateLimit-Limit-Minute': '2',
    'X-RateLimit-Remaining-Minute': '1',
    'X-RateLimit-Limit-Hour': '3',
    'X-RateLimit-Remaining-Hour': '2',
    'RateLimit-Limit': '2',
    'RateLimit-Remaining': '1',
    'RateLimit-Reset': '45',
  });
  send(hooks, { startMs });
  assert.deepEqual(send(hooks, { startMs }).headers, {
    'X-RateLimit-Limit-Minute': '2',
    'X-RateLimit-Remaining-Minute': '0',
    'X-RateLimit-Limit-Hour': '3',
    'X-RateLimit-Remaining-Hour': '1',
    'RateLimit-Limit': '2',
    'RateLimit-Remaining': '0',
    'RateLimit-Reset': '45',
    'Retry-After': '45',
  });
});

test('the draft headers, allowed and refused', () => {
  const hooks = hooksOf({ limits: [one, { requests: 10, per: { seconds: 90 }, algorithm: 'token-bucket', burst: 5 }] });
  assert.deepEqual(send(hooks).headers, {
    'RateLimit-Policy': '"minute";q=1;w=60, "90s-bucket";q=10;w=90',
    RateLimit: '"minute";r=0;t=60, "90s-bucket";r=4;t=9',
  });
  assert.deepEqual(send(hooks).headers['Retry-After'], '60');
});

test('no headers at all', () => {
  const hooks = hooksOf({ limits: [one], headers: 'none' });
  assert.deepEqual([send(hooks).headers, send(hooks).headers], [{}, {}]);
});

test('the refusal: status, text and flag', () => {
  const refusal = (config: object, style: 'kong' | 'envoy') => {
    const hooks = hooksOf({ limits: [one], headers: 'none', ...config }, undefined, style);
    send(hooks);
    return ask(hooks, fakeRequest());
  };
  assert.deepEqual(refusal({}, 'kong'), {
    status: 429,
    headers: [],
    message: 'API rate limit exceeded',
    flag: 'RL',
    details: 'rate_limited',
  });
  assert.equal(refusal({}, 'envoy')?.message, 'local_rate_limited');
  const own = refusal({ status: 503, message: 'slow down' }, 'kong');
  assert.deepEqual([own?.status, own?.message], [503, 'slow down']);
});

test('a calendar month ends with the month', () => {
  const hooks = hooksOf({ limits: [{ requests: 1, per: 'month' }], headers: 'kong' });
  assert.equal(send(hooks, { startMs: at('2026-02-28T23:59:00Z') }).headers['RateLimit-Reset'], '60');
  assert.equal(send(hooks, { startMs: at('2026-02-28T23:59:59Z') }).status, 429);
  assert.equal(send(hooks, { startMs: at('2026-03-01T00:00:00Z') }).status, 200);
});

test('counts belong to the state key: a reload keeps them, another policy has its own', () => {
  const store = new SharedLimitStore(createLimitMemory(64));
  assert.equal(send(hooksOf({ limits: [one] }, store)).status, 200);
  assert.equal(send(hooksOf({ limits: [one] }, store)).status, 429);
  const other = rateLimit.instantiate({ limits: [one] }, fakeContext([], { limits: store, stateKey: 'other' }));
  assert.equal(send(other).status, 200);
});

test('hostile keys: huge ones, millions of them, and a flood that tries to wash a count away', () => {
  const store = new SharedLimitStore(createLimitMemory(256));
  const hooks = hooksOf({ limits: [{ requests: 3, per: 'hour' }], key: [{ header: 'k' }] }, store);
  for (let i = 0; i < 4; i++) send(hooks, { lines: [['k', 'victim']] });
  for (let i = 0; i < 20_000; i++) send(hooks, { lines: [['k', `${i}`]] });
  send(hooks, { lines: [['k', 'x'.repeat(60_000)]] });
  assert.equal(send(hooks, { lines: [['k', 'victim']] }).status, 429);
  assert.ok(store.live(fakeRequest().startMs) <= 256);
});

test('reasons: what is left, what is over, and offline the condition', () => {
  const hooks = hooksOf({
    limits: [
      { requests: 1, per: 'minute' },
      { requests: 9, per: 'hour', algorithm: 'token-bucket' },
    ],
  });
  assert.deepEqual(send(hooks).request.notes, ['within 1 per minute, 9 per hour (bucket of 9) for ip 192.0.2.1: 0, 8 left']);
  assert.deepEqual(send(hooks).request.notes, ['over the limit of 1 per minute for ip 192.0.2.1']);
  const offline = rateLimit.instantiate({ limits: [one] }, fakeContext());
  assert.deepEqual(send(offline).request.notes, ['passes; ip 192.0.2.1 is denied once 1 per minute is used']);
});

const bad: readonly { name: string; config: object }[] = [
  { name: 'no limit', config: { limits: [] } },
  { name: 'zero requests', config: { limits: [{ requests: 0, per: 'minute' }] } },
  { name: 'half a request', config: { limits: [{ requests: 0.5, per: 'minute' }] } },
  { name: 'an unknown period', config: { limits: [{ requests: 1, per: 'fortnight' }] } },
  { name: 'a period of nothing', config: { limits: [{ requests: 1, per: { seconds: 0 } }] } },
  { name: 'a burst of a window', config: { limits: [{ requests: 1, per: 'minute', burst: 2 }] } },
  { name: 'one period twice', config: { limits: [one, { requests: 5, per: 'minute' }] } },
  { name: 'a key of two kinds in one part', config: { limits: [one], key: [{ ip: true, header: 'a' }] } },
  { name: 'a key that is off', config: { limits: [one], key: [{ ip: false }] } },
  { name: 'a status that is no error', config: { limits: [one], status: 200 } },
];
for (const row of bad) test(`refused by the schema: ${row.name}`, () => assert.equal(rateLimitSchema.safeParse(row.config).success, false));

test('the time of the request decides, so that both hooks of an exchange agree', () => {
  const hooks = hooksOf({ limits: [one] });
  const request: FilterRequest = fakeRequest({ startMs: at('2026-03-01T10:00:59.999Z') });
  ask(hooks, request);
  assert.equal(send(hooks, { startMs: at('2026-03-01T10:01:00Z') }).status, 200);
});
