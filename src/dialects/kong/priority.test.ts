import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Matcher } from '../../decide/match.ts';
import { fixtureHeaders, fixtureView } from '../../decide/fixture.ts';
import type { RequestView } from '../../decide/request.ts';
import { load } from './fixture.ts';
import { expressionPriority, groupPaths, routePriority } from './priority.ts';
import { routeSchema } from './schemas.ts';

const bits: readonly { readonly name: string; readonly route: object; readonly value: bigint }[] = [
  { name: 'one fixed path: one criterion and its length', route: { paths: ['/abc'] }, value: 0x2000000000000004n },
  { name: 'exact host sets bit 60', route: { hosts: ['a.com'] }, value: 0x3000000000000000n },
  { name: 'exact host with a port is exact', route: { hosts: ['a.com:80'] }, value: 0x3000000000000000n },
  { name: 'one wildcard among the hosts clears bit 60', route: { hosts: ['a.com', '*.a.com'] }, value: 0x2000000000000000n },
  { name: 'each header counts in bits 52 to 59', route: { headers: { a: ['1'], b: ['1', '2'] } }, value: 0x2020000000000000n },
  { name: 'a regular expression sets bit 51 and has no length', route: { paths: ['~/abc'] }, value: 0x2008000000000000n },
  { name: 'regex_priority starts at bit 19', route: { paths: ['~/abc'], regex_priority: 1 }, value: 0x2008000000080000n },
  {
    name: 'regex_priority fills 32 bits',
    route: { paths: ['~/abc'], regex_priority: 4294967295 },
    value: 0x200ffffffff80000n & 0x200fffffffffffffn,
  },
  { name: 'regex_priority of a fixed path does not count', route: { paths: ['/abc'], regex_priority: 9 }, value: 0x2000000000000004n },
  { name: 'length counts bytes', route: { paths: ['/é'] }, value: 0x2000000000000003n },
  {
    name: 'all seven categories fill three bits',
    route: {
      paths: ['/'],
      hosts: ['a'],
      methods: ['GET'],
      headers: { a: ['1'] },
      snis: ['a'],
      sources: [{ port: 1 }],
      destinations: [{ port: 1 }],
    },
    value: 0xf010000000000001n,
  },
  { name: 'an empty list is no criterion', route: { paths: ['/'], methods: [] }, value: 0x2000000000000001n },
];

for (const { name, route, value } of bits)
  test(`priority: ${name}`, () => {
    const parsed = routeSchema().parse(route);
    assert.equal(routePriority(parsed, groupPaths(parsed.paths)[0]).value.toString(16), value.toString(16));
  });

test('priority: an expression stands above everything classic', () => {
  assert.equal(expressionPriority(0).value, 0xff00000000000000n);
  assert.equal(expressionPriority(2 ** 46 - 1).value, 0xff003fffffffffffn);
});

test('paths are grouped by length, regular expressions together', () => {
  assert.deepEqual(groupPaths(['/a', '~/x', '/b', '/long', '~/y']), [
    { paths: ['/a', '/b'], regex: false, length: 2 },
    { paths: ['~/x', '~/y'], regex: true, length: 0 },
    { paths: ['/long'], regex: false, length: 5 },
  ]);
});

/** `routes` is the body of `routes:`; each request is answered by the first match. */
function winner(routes: string, view: RequestView): string | null {
  const { fragment } = load(`_format_version: "3.0"\nroutes:\n${routes}`);
  for (const entry of fragment.listeners[0]?.virtualHosts[0]?.matches ?? [])
    if (new Matcher(entry.match).matches(view)) return fragment.routes[entry.route]?.name ?? null;
  return null;
}

const get = (
  path: string,
  host = 'example.com',
  headers: readonly (readonly [string, string])[] = [],
  port: number | null = null,
): RequestView =>
  fixtureView(path, { host, authority: port === null ? host : `${host}:${port}`, authorityPort: port, headers: fixtureHeaders(headers) });

const rows: readonly { readonly name: string; readonly routes: string; readonly view: RequestView; readonly wins: string | null }[] = [
  {
    name: 'more criteria win, whatever their kind',
    routes: '- {name: host, hosts: [example.com]}\n- {name: host-and-method, hosts: ["*.com"], methods: [GET]}',
    view: get('/'),
    wins: 'host-and-method',
  },
  {
    name: 'an exact host wins over a wildcard',
    routes: '- {name: wild, hosts: ["*.com"]}\n- {name: exact, hosts: [example.com]}',
    view: get('/'),
    wins: 'exact',
  },
  {
    name: 'a wildcard on the right matches',
    routes: '- {name: right, hosts: ["example.*"]}',
    view: get('/', 'example.org'),
    wins: 'right',
  },
  {
    name: 'a wildcard on the left needs a label',
    routes: '- {name: left, hosts: ["*.example.com"]}',
    view: get('/', 'example.com'),
    wins: null,
  },
  {
    name: 'a wildcard on the left takes several labels',
    routes: '- {name: left, hosts: ["*.example.com"]}',
    view: get('/', 'a.b.example.com'),
    wins: 'left',
  },
  {
    name: 'a host with port matches that port',
    routes: '- {name: ported, hosts: ["example.com:8443"]}',
    view: get('/', 'example.com', [], 8443),
    wins: 'ported',
  },
  {
    name: 'a host with port matches no other port',
    routes: '- {name: ported, hosts: ["example.com:8443"]}',
    view: get('/', 'example.com', [], 80),
    wins: null,
  },
  {
    name: 'more headers win',
    routes: '- {name: one, headers: {a: ["1"]}}\n- {name: two, headers: {a: ["1"], b: ["1"]}}',
    view: get('/', 'x', [
      ['a', '1'],
      ['b', '1'],
    ]),
    wins: 'two',
  },
  { name: 'all headers must match', routes: '- {name: two, headers: {a: ["1"], b: ["1"]}}', view: get('/', 'x', [['a', '1']]), wins: null },
  {
    name: 'any value of a header is enough',
    routes: '- {name: any, headers: {a: ["1", "2"]}}',
    view: get('/', 'x', [['a', '2']]),
    wins: 'any',
  },
  {
    name: 'header values are compared without case',
    routes: '- {name: any, headers: {A: [GoLD]}}',
    view: get('/', 'x', [['a', 'gOld']]),
    wins: 'any',
  },
  {
    name: 'one line of a repeated header is enough',
    routes: '- {name: any, headers: {a: ["2"]}}',
    view: get('/', 'x', [
      ['a', '1'],
      ['a', '2'],
    ]),
    wins: 'any',
  },
  {
    name: 'a header with ~* is a regular expression',
    routes: '- {name: re, headers: {a: ["~*^v[0-9]+$"]}}',
    view: get('/', 'x', [['a', 'V12']]),
    wins: 're',
  },
  {
    name: 'a regular expression wins over a longer prefix',
    routes: '- {name: prefix, paths: [/status/very/long]}\n- {name: regex, paths: ["~/status/\\\\w+"]}',
    view: get('/status/very/long'),
    wins: 'regex',
  },
  {
    name: 'regex_priority decides between regular expressions',
    routes: '- {name: low, paths: ["~/a/.*"], regex_priority: 1}\n- {name: high, paths: ["~/a"], regex_priority: 2}',
    view: get('/a/b'),
    wins: 'high',
  },
  {
    name: 'the longer prefix wins',
    routes: '- {name: short, paths: [/a]}\n- {name: long, paths: [/a/b]}',
    view: get('/a/b/c'),
    wins: 'long',
  },
  {
    name: 'each path of a route has its own length',
    routes: '- {name: both, paths: [/a, /very/long/path]}\n- {name: middle, paths: [/a/b]}',
    view: get('/a/b'),
    wins: 'middle',
  },
  { name: 'a prefix is no path element', routes: '- {name: prefix, paths: [/hello]}', view: get('/helloworld'), wins: 'prefix' },
  { name: 'a regular expression is anchored at the start', routes: '- {name: regex, paths: ["~/b"]}', view: get('/a/b'), wins: null },
  {
    name: 'the older of two equal routes wins',
    routes: '- {name: young, paths: [/a], created_at: 20}\n- {name: old, paths: [/b, /a], created_at: 10}',
    view: get('/a'),
    wins: 'old',
  },
  {
    name: 'the first of two equal routes wins',
    routes: '- {name: first, paths: [/a]}\n- {name: second, paths: [/a]}',
    view: get('/a'),
    wins: 'first',
  },
  {
    name: 'an expression wins over classic criteria',
    routes: '- {name: classic, paths: [/a], hosts: [example.com], methods: [GET]}\n- {name: expression, expression: \'http.path ^= "/"\'}',
    view: get('/a'),
    wins: 'expression',
  },
  {
    name: 'a server name is no condition on plain text',
    routes: '- {name: sni, paths: [/a], snis: [a.example.com]}',
    view: get('/a'),
    wins: 'sni',
  },
  {
    name: 'an encoded path is compared in its canonical form',
    routes: '- {name: space, paths: ["/caf%c3%a9/%7Euser"]}',
    view: get('/caf%C3%A9/~user'),
    wins: 'space',
  },
];

for (const { name, routes, view, wins } of rows) test(`routing: ${name}`, () => assert.equal(winner(routes, view), wins));
