/** Kong 3.9, `router_flavor: traditional_compatible`: priority bits, criteria, path handling, https only. */
import type { Row } from './row.ts';

interface Route {
  readonly name: string;
  readonly [field: string]: unknown;
}

const config = (routes: readonly Route[], service: object = {}): readonly object[] => [
  { _format_version: '3.0', services: [{ name: 'back', url: 'http://127.0.0.1:9001', ...service, routes }] },
];
const routes = (...list: readonly Route[]): readonly object[] => config(list);
const at = (path: string, host = 'a.test'): string => `http://${host}:8000${path}`;

/** service path, strip_path, path_handling, route path, request → what is sent. */
const pathTable: readonly (readonly [
  service: string,
  strip: boolean,
  handling: 'v0' | 'v1',
  route: string,
  request: string,
  sent: string,
])[] = [
  ['/s', false, 'v0', '/fv0', '/fv0/req', '/s/fv0/req'],
  ['/s', false, 'v1', '/fv1', '/fv1/req', '/sfv1/req'],
  ['/s', true, 'v0', '/tv0', '/tv0/req', '/s/req'],
  ['/s', true, 'v1', '/tv1', '/tv1/req', '/s/req'],
  ['/s', true, 'v0', '/tv0/', '/tv0/req', '/s/req'],
  ['/s', true, 'v1', '/tv1/', '/tv1/req', '/sreq'],
  ['/s/', true, 'v0', '/tv0', '/tv0/req', '/s/req'],
  ['/s/', false, 'v0', '/fv0', '/fv0/req', '/s/fv0/req'],
];

export const kongRows: readonly Row[] = [
  {
    name: 'more criteria go before a longer path',
    documents: routes({ name: 'long', paths: ['/a/b/c'] }, { name: 'two', paths: ['/a'], methods: ['GET'] }),
    request: at('/a/b/c'),
    wins: 'two',
    loses: { long: /^matches too, but 'two' stands before it: Kong priority 0x2000000000000006: 1 criterion, path length 6$/ },
  },
  {
    name: 'exact hosts go before wildcards',
    documents: routes({ name: 'wild', hosts: ['*.test'], paths: ['/a/b'] }, { name: 'exact', hosts: ['a.test'], paths: ['/'] }),
    request: at('/a/b'),
    wins: 'exact',
    loses: { wild: /^matches too, but 'exact' stands before it: Kong priority 0x4.*wildcard host/ },
  },
  {
    name: 'more headers',
    documents: routes({ name: 'one', headers: { 'x-a': ['1'] } }, { name: 'two', headers: { 'x-a': ['1'], 'x-b': ['2'] } }),
    request: at('/'),
    headers: [
      ['x-a', '1'],
      ['x-b', '2'],
    ],
    wins: 'two',
    loses: { one: /stands before it: Kong priority 0x2010000000000000: 1 criterion, 1 header$/ },
  },
  {
    name: 'a regular expression goes before a longer prefix',
    documents: routes({ name: 'prefix', paths: ['/a/b/c'] }, { name: 'regex', paths: ['~/a'] }),
    request: at('/a/b/c'),
    wins: 'regex',
    loses: { prefix: /stands before it: .*path length 6$/ },
  },
  {
    name: 'regex_priority',
    documents: routes({ name: 'low', paths: ['~/a.*'] }, { name: 'high', paths: ['~/.*'], regex_priority: 1 }),
    request: at('/abc'),
    wins: 'high',
    loses: { low: /stands before it: .*regex_priority 0$/ },
  },
  {
    name: 'the longer path',
    documents: routes({ name: 'short', paths: ['/a'] }, { name: 'long', paths: ['/a/b'] }),
    request: at('/a/b'),
    wins: 'long',
    loses: { short: /stands before it: .*path length 2$/ },
  },
  {
    name: 'a tie goes to the older route',
    documents: routes({ name: 'young', paths: ['/a'], created_at: 20 }, { name: 'old', paths: ['/a'], created_at: 10 }),
    request: at('/a'),
    wins: 'old',
    loses: { young: /^matches too, but 'old' stands before it, which is older or comes first by name or order: Kong priority / },
  },
  {
    name: 'an expression stands above classic routes',
    documents: routes(
      { name: 'classic', paths: ['/a'], methods: ['GET'], hosts: ['a.test'] },
      { name: 'expression', expression: 'http.path ^= "/a"', priority: 1 },
    ),
    request: at('/a'),
    wins: 'expression',
    loses: { classic: /^matches too, but 'expression' stands before it/ },
  },
  {
    name: 'the higher priority of two expressions',
    documents: routes(
      { name: 'low', expression: 'http.path ^= "/"', priority: 1 },
      { name: 'high', expression: 'http.method == "GET"', priority: 2 },
    ),
    request: at('/'),
    wins: 'high',
    loses: { low: /stands before it: .*expression, priority 1$/ },
  },
  {
    name: 'a path is a string prefix',
    documents: routes({ name: 'a', paths: ['/a'] }, { name: 'b', paths: ['/b'] }),
    request: at('/abc'),
    wins: 'a',
    loses: { b: /^path: '\/b' is not a prefix of '\/abc'$/ },
  },
  {
    name: 'a regular expression is anchored at the start',
    documents: routes({ name: 'inner', paths: ['~/b'] }, { name: 'rest', paths: ['/'] }),
    request: at('/a/b'),
    wins: 'rest',
    loses: { inner: /^path: regular expression '\/b' does not match the beginning of '\/a\/b'$/ },
  },
  { name: 'paths are compared in one form', documents: routes({ name: 'a', paths: ['/a/b'] }), request: at('/x/../%61/b'), wins: 'a' },
  {
    name: 'a wildcard at the left takes labels',
    documents: routes({ name: 'wild', hosts: ['*.a.test'] }),
    request: at('/', 'x.y.a.test'),
    wins: 'wild',
  },
  {
    name: 'a wildcard at the left wants a label',
    documents: routes({ name: 'wild', hosts: ['*.a.test'] }, { name: 'rest', paths: ['/'] }),
    request: at('/'),
    wins: 'rest',
    loses: { wild: /^host: 'a\.test' (with port 8000 )?is none of \*\.a\.test$/ },
  },
  { name: 'a wildcard at the right', documents: routes({ name: 'wild', hosts: ['a.*'] }), request: at('/', 'a.example.org'), wins: 'wild' },
  {
    name: 'a host with another port',
    documents: routes({ name: 'port', hosts: ['a.test:9000'] }, { name: 'rest', paths: ['/'] }),
    request: at('/'),
    wins: 'rest',
    loses: { port: /^host: 'a\.test' with port 8000 is none of a\.test:9000$/ },
  },
  { name: 'a host with this port', documents: routes({ name: 'port', hosts: ['a.test:8000'] }), request: at('/'), wins: 'port' },
  {
    name: 'hosts are compared without case',
    documents: routes({ name: 'host', hosts: ['A.test'] }),
    request: at('/', 'a.TEST'),
    wins: 'host',
  },
  {
    name: 'methods',
    documents: routes({ name: 'write', methods: ['POST', 'PUT'] }, { name: 'rest', paths: ['/'] }),
    request: `GET ${at('/')}`,
    wins: 'rest',
    loses: { write: /^method: GET is not POST or PUT$/ },
  },
  {
    name: 'headers: any value of each, without case',
    documents: routes({ name: 'both', headers: { 'X-A': ['one', 'two'], 'X-B': ['3'] } }),
    request: at('/'),
    headers: [
      ['x-a', 'TWO'],
      ['x-b', '3'],
    ],
    wins: 'both',
  },
  {
    name: 'headers: all of them',
    documents: routes({ name: 'both', headers: { 'x-a': ['1'], 'x-b': ['2'] } }, { name: 'rest', paths: ['/'] }),
    request: at('/'),
    headers: [['x-a', '1']],
    wins: 'rest',
    loses: { both: /^header x-b: absent is not exactly '2'/ },
  },
  {
    name: 'headers: ~* is a regular expression without case',
    documents: routes({ name: 'regex', headers: { 'x-a': ['~*^v[0-9]'] } }),
    request: at('/'),
    headers: [['x-a', 'V2-beta']],
    wins: 'regex',
  },
  {
    name: 'headers: ~* that does not match',
    documents: routes({ name: 'regex', headers: { 'x-a': ['~*^v[0-9]$'] } }, { name: 'rest', paths: ['/'] }),
    request: at('/'),
    headers: [['x-a', 'V2-beta']],
    wins: 'rest',
    loses: { regex: /^header x-a: 'V2-beta' is not .*regular expression '\^v\[0-9\]\$'/ },
  },
  {
    name: 'server names are not looked at on plain text',
    documents: routes({ name: 'sni', snis: ['b.test'], paths: ['/'] }, { name: 'rest', paths: ['/'] }),
    request: at('/'),
    wins: 'sni',
  },
  {
    name: 'https only: 426',
    documents: routes({ name: 'secure', paths: ['/'], protocols: ['https'] }),
    request: at('/'),
    wins: 'secure',
    status: 426,
  },
  {
    name: 'https only: a redirect',
    documents: routes({ name: 'secure', paths: ['/'], protocols: ['https'], https_redirect_status_code: 308 }),
    request: at('/x?q=1'),
    wins: 'secure',
    outcome: 'redirect',
    status: 308,
    location: 'https://a.test/x?q=1',
  },
  { name: 'strip_path', documents: config([{ name: 'r', paths: ['/a'] }]), request: at('/a/b?q=1'), wins: 'r', path: '/b?q=1' },
  {
    name: 'strip_path: false',
    documents: config([{ name: 'r', paths: ['/a'], strip_path: false }]),
    request: at('/a/b'),
    wins: 'r',
    path: '/a/b',
  },
  {
    name: 'strip_path of a regular expression strips all that matched',
    documents: config([{ name: 'r', paths: ['~/a/[0-9]+'] }]),
    request: at('/a/12/b'),
    wins: 'r',
    path: '/b',
  },
  ...pathTable.map(([service, strip, handling, route, request, sent]): Row => ({
    name: `path_handling ${handling}, strip_path ${strip}: ${request} for ${route} on ${service}`,
    documents: config([{ name: 'r', paths: [route], strip_path: strip, path_handling: handling }], {
      url: `http://127.0.0.1:9001${service}`,
    }),
    request: at(request),
    wins: 'r',
    path: sent,
  })),
  {
    name: 'preserve_host: false names the service',
    documents: config([{ name: 'r', paths: ['/'] }], { url: 'http://svc.test' }),
    request: at('/'),
    wins: 'r',
    authority: 'svc.test',
  },
  {
    name: 'preserve_host: true',
    documents: config([{ name: 'r', paths: ['/'], preserve_host: true }], { url: 'http://svc.test' }),
    request: at('/'),
    wins: 'r',
    authority: 'a.test:8000',
  },
  {
    name: 'no route',
    documents: routes({ name: 'a', paths: ['/a'] }),
    request: at('/b'),
    wins: null,
    outcome: 'not-found',
    status: 404,
    loses: { a: /^path: '\/a' is not a prefix of '\/b'$/ },
  },
];
