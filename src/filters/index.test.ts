import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FilterConfig } from '../model/filter.ts';
import { filterByName, filters, orderFilters } from './index.ts';
import { orderProblem, type Place, sortByRank } from './order.ts';

const origin = { dialect: 'weir', kind: 'Policy', namespace: 'default', name: 'p', file: 'p.yaml', line: 1, column: 1 } as const;
const config = (name: string, rank?: number): FilterConfig => ({
  name,
  config: {},
  origin,
  stateKey: name,
  ...(rank === undefined ? {} : { rank }),
});

test('names are kebab case, unique and found', () => {
  for (const filter of filters) {
    assert.match(filter.name, /^[a-z]+(-[a-z]+)*$/);
    assert.equal(filterByName(filter.name), filter);
  }
  assert.equal(filterByName('no-such-filter'), null);
  assert.equal(filterByName('constructor'), null);
});

test('authentication runs before limits, limits before header changes, whatever is unknown before all', () => {
  const names = orderFilters([config('header-modifier'), config('oidc'), config('rate-limit'), config('key-auth')]).map(({ name }) => name);
  assert.deepEqual(names, ['oidc', 'key-auth', 'rate-limit', 'header-modifier']);
});

test('a rank of its own moves an instance', () => {
  const ordered = orderFilters([config('key-auth'), config('rate-limit', 2000)]);
  assert.deepEqual(
    ordered.map(({ name }) => name),
    ['rate-limit', 'key-auth'],
  );
});

const rows: readonly { name: string; places: readonly Place[]; is: readonly string[] }[] = [
  {
    name: 'equal ranks keep their order',
    places: [
      { name: 'a', rank: 1 },
      { name: 'b', rank: 1 },
    ],
    is: ['a', 'b'],
  },
  {
    name: 'before beats rank',
    places: [
      { name: 'a', rank: 9 },
      { name: 'b', rank: 1, before: ['a'] },
    ],
    is: ['b', 'a'],
  },
  {
    name: 'after beats rank',
    places: [
      { name: 'a', rank: 9, after: ['b'] },
      { name: 'b', rank: 1 },
      { name: 'c', rank: 5 },
    ],
    is: ['c', 'b', 'a'],
  },
  {
    name: 'a name that is not there forces nothing',
    places: [
      { name: 'a', rank: 1, after: ['x'] },
      { name: 'b', rank: 2 },
    ],
    is: ['b', 'a'],
  },
  {
    name: 'a chain',
    places: [
      { name: 'a', rank: 3, after: ['b'] },
      { name: 'b', rank: 2, after: ['c'] },
      { name: 'c', rank: 1 },
    ],
    is: ['c', 'b', 'a'],
  },
  {
    name: 'two instances of one filter do not wait for one another',
    places: [
      { name: 'a', rank: 1, before: ['b'] },
      { name: 'a', rank: 1, before: ['b'] },
      { name: 'b', rank: 2 },
    ],
    is: ['a', 'a', 'b'],
  },
];
for (const row of rows) {
  test(`order: ${row.name}`, () =>
    assert.deepEqual(
      sortByRank(row.places, (place) => place).map(({ name }) => name),
      row.is,
    ));
}

test('a cycle and a doubled name are named', () => {
  assert.match(
    orderProblem([
      { name: 'a', rank: 1, before: ['b'] },
      { name: 'b', rank: 1, before: ['a'] },
      { name: 'c', rank: 1 },
    ]) ?? '',
    /cycle.*a, b/,
  );
  assert.match(orderProblem([{ name: 'a', rank: 1, after: ['a'] }]) ?? '', /cycle/);
  assert.match(
    orderProblem([
      { name: 'a', rank: 1 },
      { name: 'a', rank: 2 },
    ]) ?? '',
    /two filters are called 'a'/,
  );
  assert.equal(orderProblem(filters), null);
});
