import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rewritePath } from '../../decide/rewrite.ts';
import { parseHost, parseSni } from './hosts.ts';
import { migratePath, normalizePath, pathProblem, regexOf } from './paths.ts';

for (const [before, after] of [
  ['/plain/path-1.0_~', '/plain/path-1.0_~'],
  ['/a%20b', '/a%20b'],
  ['/a//b/./c/../d', '/a/b/d'],
  ['/items/\\d+', '~/items/\\d+'],
  ['/a(b)?', '~/a(b)?'],
  ['/a+b', '~/a+b'],
] as const)
  test(`path of format 2.1: ${before}`, () => assert.equal(migratePath(before), after));

for (const [before, after] of [
  ['/%7euser', '/~user'],
  ['/%2f', '/%2F'],
  ['/é', '/%C3%A9'],
  ['/a/..', '/'],
  ['/../a', '/a'],
  ['/a/.', '/a/'],
  ['/', '/'],
] as const)
  test(`normal form of ${before}`, () => assert.equal(normalizePath(before), after));

for (const path of ['a', '~a', '~^/a', '/a//b', '/a/../b', '/a/%2e%2E/b', '/a?b', '/a b', '/%zz', '~/(', '~/(?=a)'])
  test(`path ${path} is refused with a hint`, () => assert.match(pathProblem(path)?.hint ?? '', /./));

for (const path of ['/', '/a', '/a.b', '/..a', '~/a', '~/[0-9]+$', '/%2F', '/é', '~/(?<name>a)'])
  test(`path ${path} is allowed`, () => assert.equal(pathProblem(path), null));

test('named groups take the spelling of RE2', () => assert.equal(regexOf('~/(?<a>x)'), '/(?P<a>x)'));

for (const [text, expected] of [
  ['Example.COM', { pattern: 'example.com' }],
  ['*.example.com', { pattern: '*.example.com' }],
  ['example.*:8080', { pattern: 'example.*', port: 8080 }],
  ['10.0.0.1', { pattern: '10.0.0.1' }],
  ['[::1]:80', { pattern: '[::1]', port: 80 }],
  ['*', { pattern: '*' }],
  ['a_b.c', { pattern: 'a_b.c' }],
] as const)
  test(`host ${text}`, () => assert.deepEqual(parseHost(text), { ok: true, value: expected }));

for (const text of ['', 'a..b', '*.*', 'a.*.b', '*a.com', 'a.com:0', 'a.com:70000', 'a b', 'a.com:x', '-a.com'])
  test(`host '${text}' is refused`, () => assert.equal(parseHost(text).ok, false));

test('a server name loses its trailing dot and has no port', () => {
  assert.deepEqual(parseSni('a.example.com.'), { ok: true, value: { pattern: 'a.example.com' } });
  assert.equal(parseSni('a.example.com:443').ok, false);
});

/** Kong's documentation of path_handling: service path, route path, strip_path, handling, request → upstream path. */
const joins: readonly (readonly [
  service: string,
  route: string,
  strip: boolean,
  handling: 'v0' | 'v1',
  request: string,
  upstream: string,
])[] = [
  ['/s', '/fv0', false, 'v0', '/fv0req', '/s/fv0req'],
  ['/s', '/fv0', false, 'v0', '/fv0/req', '/s/fv0/req'],
  ['/s', '/fv1', false, 'v1', '/fv1req', '/sfv1req'],
  ['/s', '/fv1', false, 'v1', '/fv1/req', '/sfv1/req'],
  ['/s', '/tv0', true, 'v0', '/tv0req', '/s/req'],
  ['/s', '/tv0', true, 'v0', '/tv0/req', '/s/req'],
  ['/s', '/tv1', true, 'v1', '/tv1req', '/sreq'],
  ['/s', '/tv1', true, 'v1', '/tv1/req', '/s/req'],
  ['/s', '/fv0/', false, 'v0', '/fv0/req', '/s/fv0/req'],
  ['/s', '/tv0/', true, 'v0', '/tv0/req', '/s/req'],
  ['/s', '/fv1/', false, 'v1', '/fv1/req', '/sfv1/req'],
  ['/s', '/tv1/', true, 'v1', '/tv1/req', '/sreq'],
  ['/', '/a', true, 'v0', '/a', '/'],
  ['/', '/a', true, 'v0', '/a/b', '/b'],
  ['/', '/a', false, 'v0', '/a/b', '/a/b'],
  ['/s/', '/a', true, 'v0', '/a', '/s'],
  ['/s/', '/a', true, 'v0', '/a/', '/s/'],
  ['/s', '/a', true, 'v0', '/a', '/s'],
];

for (const [servicePath, route, strip, handling, request, upstream] of joins)
  test(`path_handling ${handling}: service ${servicePath}, route ${route}, ${strip ? 'stripped' : 'kept'}, ${request} becomes ${upstream}`, () =>
    assert.equal(rewritePath({ kind: 'kong', strip, servicePath, handling }, request, route.length), upstream));
