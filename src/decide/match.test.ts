import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { RouteMatch } from '../model/match.ts';
import { fixtureHeaders, fixtureView } from './fixture.ts';
import { Matcher, queryValue } from './match.ts';
import type { RequestView } from './request.ts';

const workload = { principal: 'spiffe://cluster.local/ns/shop/sa/web', namespace: 'shop', labels: { app: 'web', version: 'v1' } };

interface Row {
  readonly name: string;
  readonly match: RouteMatch;
  readonly path?: string;
  readonly view?: Partial<RequestView>;
  readonly headers?: readonly (readonly [string, string])[];
  /** Null: it matches. */
  readonly because: string | null;
}

const exact = (value: string, ignoreCase?: boolean) => ({
  kind: 'exact' as const,
  value,
  ...(ignoreCase === undefined ? {} : { ignoreCase }),
});

const rows: readonly Row[] = [
  { name: 'nothing asked', match: {}, because: null },
  {
    name: 'prefix',
    match: { path: { kind: 'prefix', value: '/example' } },
    path: '/other',
    because: "path: '/example' is not a prefix of '/other'",
  },
  { name: 'exact path', match: { path: exact('/a') }, path: '/a/', because: "path: '/a' is not exactly '/a/'" },
  { name: 'exact path, case aside', match: { path: exact('/Ab', true) }, path: '/aB', because: null },
  {
    name: 'path elements',
    match: { path: { kind: 'path-prefix', value: '/abc/' } },
    path: '/abcd',
    because: "path: '/abc/' is not a prefix of whole path elements of '/abcd'",
  },
  {
    name: 'path regex',
    match: { path: { kind: 'regex', value: '/a[0-9]', anchor: 'full' } },
    path: '/a12',
    because: "path: regular expression '/a[0-9]' does not match the whole of '/a12'",
  },
  { name: 'path regex that is not valid', match: { path: { kind: 'regex', value: '(', anchor: 'start' } }, path: '(', because: 'invalid' },
  { name: 'method', match: { methods: [exact('GET')] }, view: { method: 'POST' }, because: 'method: POST is not GET' },
  { name: 'method by case', match: { methods: [exact('GET')] }, view: { method: 'get' }, because: 'method: get is not GET' },
  {
    name: 'one of several methods',
    match: { methods: [exact('GET'), { kind: 'regex', value: 'P.*', anchor: 'full' }] },
    view: { method: 'PUT' },
    because: null,
  },
  {
    name: 'header',
    match: { headers: [{ name: 'x-user', values: [exact('alice')] }] },
    headers: [['X-User', 'bob']],
    because: "header x-user: 'bob' is not exactly 'alice'",
  },
  {
    name: 'header that is absent',
    match: { headers: [{ name: 'x-user', values: [{ kind: 'present' }] }] },
    because: 'header x-user: absent is not present',
  },
  {
    name: 'an empty header is present',
    match: { headers: [{ name: 'x-user', values: [{ kind: 'present' }] }] },
    headers: [['x-user', '']],
    because: null,
  },
  {
    name: 'any of several values',
    match: { headers: [{ name: 'x', values: [exact('a'), exact('b')] }] },
    headers: [['x', 'b']],
    because: null,
  },
  {
    name: 'lines are joined with a bare comma',
    match: { headers: [{ name: 'x', values: [exact('a,b')] }] },
    headers: [
      ['x', 'a'],
      ['x', 'b'],
    ],
    because: null,
  },
  {
    name: 'a comma in one line stays as it is',
    match: { headers: [{ name: 'x', values: [exact('a, b')] }] },
    headers: [['x', 'a, b']],
    because: null,
  },
  {
    name: 'each line alone',
    match: { headers: [{ name: 'x', values: [exact('b')], eachLine: true }] },
    headers: [
      ['x', 'a'],
      ['x', 'b'],
    ],
    because: null,
  },
  { name: 'inverted and absent', match: { headers: [{ name: 'x', values: [exact('a')], invert: true }] }, because: null },
  {
    name: 'inverted and there',
    match: { headers: [{ name: 'x', values: [exact('a')], invert: true }] },
    headers: [['x', 'a']],
    because: "header x: 'a' must not be exactly 'a'",
  },
  {
    name: 'an invalid pattern does not open an inverted header',
    match: { headers: [{ name: 'x', values: [{ kind: 'regex', value: '(', anchor: 'full' }], invert: true }] },
    because: 'invalid',
  },
  {
    name: 'header suffix, case aside',
    match: { headers: [{ name: 'x', values: [{ kind: 'suffix', value: '.TEST', ignoreCase: true }] }] },
    headers: [['x', 'a.test']],
    because: null,
  },
  {
    name: 'header contains',
    match: { headers: [{ name: 'x', values: [{ kind: 'contains', value: 'b' }] }] },
    headers: [['x', 'abc']],
    because: null,
  },
  {
    name: 'header regex anywhere',
    match: { headers: [{ name: 'x', values: [{ kind: 'regex', value: 'B', anchor: 'search', ignoreCase: true }] }] },
    headers: [['x', 'abc']],
    because: null,
  },
  {
    name: 'query',
    match: { query: [{ name: 'v', value: exact('2') }] },
    view: { query: 'v=1&v=2' },
    because: "query v: '1' is not exactly '2'",
  },
  { name: 'query without a value', match: { query: [{ name: 'key', value: exact('') }] }, view: { query: 'a=1&key' }, because: null },
  {
    name: 'query that is absent',
    match: { query: [{ name: 'key', value: { kind: 'present' } }] },
    view: { query: 'akey=1&keyb=2' },
    because: 'query key: absent is not present',
  },
  { name: 'scheme', match: { scheme: exact('https') }, because: "scheme: 'http' is not exactly 'https'" },
  {
    name: 'authority with its port',
    match: { authority: exact('a.example.com:8080') },
    view: { authority: 'a.example.com:8080' },
    because: null,
  },
  {
    name: 'host',
    match: { hosts: [{ pattern: '*.test' }, { pattern: 'b.example.com', port: 81 }] },
    because: "host: 'a.example.com' is none of *.test, b.example.com:81",
  },
  {
    name: 'host with its port',
    match: { hosts: [{ pattern: 'a.example.com', port: 81 }] },
    view: { authorityPort: 80 },
    because: "host: 'a.example.com' with port 80 is none of a.example.com:81",
  },
  { name: 'server name is not looked at in plain text', match: { snis: [{ pattern: 'x.test' }] }, because: null },
  { name: 'server name', match: { snis: [{ pattern: 'x.test' }] }, view: { scheme: 'https' }, because: 'sni: none is none of x.test' },
  { name: 'port', match: { ports: [8080, 8081] }, because: 'port: 80 is not 8080 or 8081' },
  {
    name: 'source namespace',
    match: { sourceNamespace: 'prod' },
    view: { caller: workload },
    because: "source namespace: 'shop' is not 'prod'",
  },
  {
    name: 'source namespace of no workload',
    match: { sourceNamespace: 'prod' },
    because: 'source namespace: the caller is not a mesh workload',
  },
  {
    name: 'source labels',
    match: { sourceLabels: { app: 'web', version: 'v2' } },
    view: { caller: workload },
    because: "source label version: 'v1' is not 'v2'",
  },
  { name: 'source labels that hold', match: { sourceLabels: { app: 'web' } }, view: { caller: workload }, because: null },
  {
    name: 'source labels of no workload',
    match: { sourceLabels: { app: 'web' } },
    because: 'source labels: the caller is not a mesh workload',
  },
  { name: 'no source labels asked', match: { sourceLabels: {} }, because: null },
];

for (const row of rows) {
  test(`match: ${row.name}`, () => {
    const matcher = new Matcher(row.match);
    const view = fixtureView(row.path ?? '/', { ...row.view, headers: fixtureHeaders(row.headers ?? []) });
    const reason = matcher.explain(view);
    assert.equal(matcher.matches(view), reason === null);
    if (row.because === 'invalid') assert.match(reason ?? '', /invalid/);
    else assert.equal(reason, row.because);
  });
}

const covered: readonly { readonly name: string; readonly match: RouteMatch; readonly path: string; readonly length: number }[] = [
  { name: 'no path condition', match: {}, path: '/a', length: 0 },
  { name: 'exact', match: { path: exact('/a') }, path: '/a', length: 2 },
  { name: 'prefix', match: { path: { kind: 'prefix', value: '/a/' } }, path: '/a/b', length: 3 },
  { name: 'path elements without the last slash', match: { path: { kind: 'path-prefix', value: '/a/' } }, path: '/a/b', length: 2 },
  { name: 'the root', match: { path: { kind: 'path-prefix', value: '/' } }, path: '/a', length: 0 },
  { name: 'regex at the start', match: { path: { kind: 'regex', value: '/v[0-9]+', anchor: 'start' } }, path: '/v12/x', length: 4 },
  { name: 'regex over everything', match: { path: { kind: 'regex', value: '/v.*', anchor: 'full' } }, path: '/v12/x', length: 6 },
];
for (const row of covered) test(`covered: ${row.name}`, () => assert.equal(new Matcher(row.match).matchedLength(row.path), row.length));

const queries: readonly (readonly [query: string, name: string, value: string | null])[] = [
  ['', 'a', null],
  ['a=1', 'a', '1'],
  ['ab=1&a=2', 'a', '2'],
  ['a', 'a', ''],
  ['a=', 'a', ''],
  ['a=b=c', 'a', 'b=c'],
  ['b&a=1&a=2', 'a', '1'],
  ['&&a=1', 'a', '1'],
];
for (const [query, name, value] of queries) test(`query '${query}': ${name}`, () => assert.equal(queryValue(query, name), value));
