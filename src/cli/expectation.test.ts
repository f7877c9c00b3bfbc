import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fixtureOrigin } from '../decide/fixture.ts';
import type { RouteTestCase } from '../dialects/weir/route-test.ts';
import type { ExplainResult } from '../proxy/explain.ts';
import { compare } from './expectation.ts';

const result: ExplainResult = {
  outcome: 'forward',
  status: null,
  reason: 'to shop:8080',
  listener: null,
  virtualHost: 'shop.test',
  route: { name: 'shop.v1', id: 'istio/VirtualService/default/shop/0', rule: 0, match: 0, origin: { ...fixtureOrigin, name: 'shop' } },
  request: {
    method: 'GET',
    authority: 'shop.test',
    path: '/a?b',
    headers: { set: { 'X-A': '1' }, add: { 'x-b': ['2', '3'] }, remove: [] },
  },
  destinations: [
    { cluster: 'shop.default.svc.cluster.local|8080', host: 'shop', port: 8080, subset: null, weight: 1, endpoints: [], origin: null },
    { cluster: 'old.default.svc.cluster.local|8080', host: 'old', port: 8080, subset: null, weight: 0, endpoints: [], origin: null },
  ],
  response: { location: null, headers: { set: { Server: 'x' }, add: {}, remove: [] } },
  filters: [],
  candidates: [],
  candidatesOmitted: 0,
  flags: [],
  pending: [],
  conditions: [],
};

const rows: readonly { readonly name: string; readonly expect: RouteTestCase['expect']; readonly problem: string | null }[] = [
  { name: 'outcome', expect: { outcome: 'forward' }, problem: null },
  { name: 'another outcome', expect: { outcome: 'denied' }, problem: "outcome: expected 'denied', got 'forward'" },
  { name: 'no status', expect: { status: null }, problem: null },
  { name: 'a status', expect: { status: 404 }, problem: "status: expected '404', got none" },
  { name: 'route by its name', expect: { route: 'shop.v1' }, problem: null },
  { name: 'route by its resource', expect: { route: 'shop' }, problem: null },
  {
    name: 'another route',
    expect: { route: 'old' },
    problem: "route: expected 'old', got 'shop.v1' or 'shop' or 'istio/VirtualService/default/shop/0'",
  },
  { name: 'virtual host', expect: { virtualHost: 'shop.test' }, problem: null },
  { name: 'destination as written', expect: { destination: 'shop:8080' }, problem: null },
  { name: 'destination in full', expect: { destination: 'shop.default.svc.cluster.local:8080' }, problem: null },
  { name: 'destination without its port', expect: { destination: 'shop' }, problem: null },
  {
    name: 'a destination that takes nothing',
    expect: { destination: 'old:8080' },
    problem:
      "destination: expected 'old:8080', got 'shop:8080' or 'shop' or 'shop.default.svc.cluster.local:8080' or 'shop.default.svc.cluster.local'",
  },
  { name: 'path with its query', expect: { path: '/a?b' }, problem: null },
  { name: 'authority', expect: { authority: 'x' }, problem: "authority: expected 'x', got 'shop.test'" },
  { name: 'no location', expect: { location: null }, problem: null },
  { name: 'request header that is set', expect: { requestHeaders: { 'x-a': '1' } }, problem: null },
  { name: 'one of two lines that are added', expect: { requestHeaders: { 'x-b': '3' } }, problem: null },
  {
    name: 'request header that is not set',
    expect: { requestHeaders: { 'x-c': '1' } },
    problem: "request header x-c: expected '1', got none",
  },
  { name: 'response header', expect: { responseHeaders: { server: 'y' } }, problem: "response header server: expected 'y', got 'x'" },
];
for (const row of rows) {
  test(`expectation: ${row.name}`, () => assert.deepEqual(compare(row.expect, result), row.problem === null ? [] : [row.problem]));
}
