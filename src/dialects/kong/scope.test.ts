import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PluginTable, type Scope } from './scope.ts';

const scopes: Readonly<Record<string, Scope>> = {
  'route+service+consumer': { route: 'r', service: 's', consumer: 'c' },
  'route+consumer': { route: 'r', service: null, consumer: 'c' },
  'service+consumer': { route: null, service: 's', consumer: 'c' },
  'route+service': { route: 'r', service: 's', consumer: null },
  consumer: { route: null, service: null, consumer: 'c' },
  route: { route: 'r', service: null, consumer: null },
  service: { route: null, service: 's', consumer: null },
  global: { route: null, service: null, consumer: null },
};
const order = Object.keys(scopes);

/** What runs for consumer `c` on route `r` of service `s`, and what for everybody else. */
function running(present: readonly string[]): { readonly known: string | null; readonly others: string | null } {
  const table = new PluginTable<string>();
  for (const name of present.toReversed()) assert.equal(table.add('limit', scopes[name], name), true);
  const winners = table.winners('r', 's')[0] ?? [];
  const others = winners.find((one) => one.consumer === null)?.instance ?? null;
  return { known: winners.find((one) => one.consumer === 'c')?.instance ?? others, others };
}

for (const [index, name] of order.entries())
  test(`plugin precedence: ${name} wins over all below it`, () => assert.equal(running(order.slice(index)).known, name));

for (const [upper, lower] of order.flatMap((upper, index) => order.slice(index + 1).map((lower) => [upper, lower] as const)))
  test(`plugin precedence: ${upper} wins over ${lower}`, () => assert.equal(running([upper, lower]).known, upper));

test('plugin precedence: without the consumer only scopes without one count', () => {
  assert.equal(running(order).others, 'route+service');
  assert.equal(running(['route+consumer', 'consumer', 'service', 'global']).others, 'service');
  assert.equal(running(['consumer']).others, null);
});

test('a second instance of one scope is told', () => {
  const table = new PluginTable<number>();
  assert.equal(table.add('a', scopes.route, 1), true);
  assert.equal(table.add('a', scopes.route, 2), false);
  assert.equal(table.add('b', scopes.route, 3), true);
  assert.deepEqual(table.winners('r', null), [[{ instance: 1, consumer: null }], [{ instance: 3, consumer: null }]]);
});

test('other routes and services do not see an instance', () => {
  const table = new PluginTable<number>();
  table.add('a', scopes.route, 1);
  table.add('b', scopes.service, 2);
  assert.deepEqual(table.winners('other', 'other'), []);
  assert.deepEqual(table.winners('other', 's'), [[{ instance: 2, consumer: null }]]);
});
