import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, compileText, told } from './fixture.ts';

const head =
  'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}\n---\n';
const root = (http: string): string =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: root}\nspec: {hosts: [a.test], gateways: [g], http: [${http}]}\n---\n`;
const child = (http: string, meta = 'name: child', more = ''): string =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {${meta}}\nspec: {${more}http: [${http}]}\n---\n`;
const ok = (body: string, match = ''): string =>
  `{${match === '' ? '' : `match: [${match}], `}directResponse: {status: 200, body: {string: "${body}"}}}`;
const shop = '{match: [{uri: {prefix: /shop}}], delegate: {name: child}}';
const rest = ok('rest');

const rows: readonly {
  readonly name: string;
  readonly config: string;
  readonly requests: readonly (readonly [string, string])[];
  readonly told?: readonly string[];
}[] = [
  {
    name: 'rules of the delegate stand in the place of the root rule, under its match',
    config: root(`${shop}, ${rest}`) + child(`${ok('cart', '{uri: {prefix: /shop/cart}}')}, ${ok('shop')}`),
    requests: [
      ['http://a.test/shop/cart/1', '200 cart'],
      ['http://a.test/shop/x', '200 shop'],
      ['http://a.test/x', '200 rest'],
    ],
  },
  {
    name: 'conditions of other kinds are added to those of the root',
    config: root(`${shop}, ${rest}`) + child(ok('get', '{method: {exact: GET}}')),
    requests: [
      ['http://a.test/shop', '200 get'],
      ['http://a.test/x', '200 rest'],
    ],
  },
  {
    name: 'a match that is not narrower is left out and told',
    config: root(`${shop}, ${rest}`) + child(`${ok('other', '{uri: {prefix: /other}}')}, ${ok('exact', '{uri: {exact: /shop/1}}')}`),
    requests: [
      ['http://a.test/other', '200 rest'],
      ['http://a.test/shop/1', '200 exact'],
      ['http://a.test/shop/2', '200 rest'],
    ],
    told: ["WR0207 warning rule 0 is no subset of the root rule's match and is left out"],
  },
  {
    name: 'a regular expression narrows nothing',
    config: root(`${shop}, ${rest}`) + child(ok('re', '{uri: {regex: "/shop/.*"}}')),
    requests: [['http://a.test/shop/1', '200 rest']],
    told: ["WR0207 warning rule 0 is no subset of the root rule's match and is left out"],
  },
  {
    name: 'ports and header values that differ conflict',
    config:
      root(`{match: [{port: 80, headers: {x-a: {exact: "1"}}}], delegate: {name: child}}, ${rest}`) +
      child(`${ok('p', '{port: 81}')}, ${ok('h', '{headers: {x-a: {exact: "2"}}}')}`),
    requests: [['http://a.test/', '200 rest']],
    told: [
      "WR0207 warning rule 0 is no subset of the root rule's match and is left out",
      "WR0207 warning rule 1 is no subset of the root rule's match and is left out",
    ],
  },
  {
    name: 'the delegate inherits what it leaves out',
    config:
      root('{match: [{uri: {prefix: /shop}}], delegate: {name: child}, rewrite: {uri: /v2}}') +
      child('{route: [{destination: {host: s.test, port: {number: 80}}}]}'),
    requests: [['http://a.test/shop/1', 's.test|80 /v2/1']],
  },
  {
    name: 'short destination hosts are of the namespace of the delegate',
    config:
      'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: r, namespace: team}\nspec: {hosts: [api.team.svc.cluster.local], resolution: STATIC, ports: [{number: 80, name: http}], endpoints: [{address: 10.0.0.1}]}\n---\n' +
      root('{match: [{uri: {prefix: /shop}}], delegate: {name: child, namespace: team}}') +
      child('{route: [{destination: {host: api}}]}', 'name: child, namespace: team'),
    requests: [['http://a.test/shop/1', 'api.team.svc.cluster.local|80 /shop/1']],
  },
  {
    name: 'a delegate that does not exist',
    config: root(`${shop}, ${rest}`),
    requests: [['http://a.test/shop', '200 rest']],
    told: ['WR0206 error delegate default/child does not exist'],
  },
  {
    name: 'a delegate that is broken',
    config: root(`${shop}, ${rest}`) + child('{mach: []}'),
    requests: [['http://a.test/shop', '200 rest']],
    told: ['WR0206 error delegate default/child is not valid'],
  },
  {
    name: 'a delegate with hosts of its own',
    config: root(`${shop}, ${rest}`) + child(ok('c'), 'name: child', 'hosts: [b.test], gateways: [g], '),
    requests: [['http://a.test/shop', '200 rest']],
    told: ['WR0206 error delegate default/child has hosts of its own'],
  },
  {
    name: 'a delegate that is not exported to the root',
    config:
      root(`{match: [{uri: {prefix: /shop}}], delegate: {name: child, namespace: team}}, ${rest}`) +
      child(ok('c'), 'name: child, namespace: team', 'exportTo: ["."], '),
    requests: [['http://a.test/shop', '200 rest']],
    told: ['WR0206 error delegate team/child is not exported to this namespace'],
  },
  {
    name: 'a delegate that delegates further',
    config: root(`${shop}, ${rest}`) + child('{delegate: {name: grandchild}}') + child(ok('c'), 'name: grandchild'),
    requests: [['http://a.test/shop', '200 rest']],
    told: ['WR0206 error a delegate cannot delegate further'],
  },
];

for (const row of rows)
  test(`istio delegate: ${row.name}`, async () => {
    const compiled = await compileText(head + row.config);
    for (const [url, expected] of row.requests) assert.equal(answer(compiled, url), expected, url);
    assert.deepEqual(
      told(compiled, /^WR02/).map((line) => line.replace(/ \d+:\d+ /, ' ')),
      row.told ?? [],
    );
  });

test('istio delegate: names of root and delegate are joined, and the route keeps the place of the delegate', async () => {
  const compiled = await compileText(
    head +
      root('{name: r, match: [{name: m, uri: {prefix: /shop}}], delegate: {name: child}}') +
      child('{name: c, match: [{name: n, method: {exact: GET}}], directResponse: {status: 200}}'),
  );
  const [entry] = compiled.snapshot.listeners[0].virtualHosts[0].matches;
  const route = compiled.snapshot.routes[entry.route];
  assert.deepEqual(
    [route.name, entry.name, route.origin.name, route.id],
    ['r-c', 'm-n', 'child', 'istio/VirtualService/default/root/0>default/child/0'],
  );
});
