import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PathRewrite } from '../model/route.ts';
import { rewritePath } from './rewrite.ts';

// Gateway API, HTTPPathModifier.replacePrefixMatch.
const elements: readonly (readonly [path: string, prefix: string, replace: string, result: string])[] = [
  ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo/', '/foo', '/xyz', '/xyz/'],
  ['/foo/bar', '/foo', '', '/bar'],
  ['/foo/', '/foo', '', '/'],
  ['/foo', '/foo', '', '/'],
  ['/foo/', '/foo', '/', '/'],
  ['/foo', '/foo', '/', '/'],
  ['/bar', '/', '/xyz', '/xyz/bar'],
];
for (const [path, prefix, replacement, result] of elements) {
  test(`path elements: ${path} with ${prefix} replaced by '${replacement}'`, () => {
    const matched = prefix.endsWith('/') ? prefix.length - 1 : prefix.length;
    assert.equal(rewritePath({ kind: 'path-prefix', replacement }, path, matched), result);
  });
}

// Kong's admin API documentation, table of path_handling.
const kong: readonly (readonly [service: string, route: string, strip: boolean, handling: 'v0' | 'v1', path: string, result: string])[] = [
  ['/s', '/fv0', false, 'v0', '/fv0req', '/s/fv0req'],
  ['/s', '/fv1', false, 'v1', '/fv1req', '/sfv1req'],
  ['/s', '/tv0', true, 'v0', '/tv0req', '/s/req'],
  ['/s', '/tv1', true, 'v1', '/tv1req', '/sreq'],
  ['/s', '/fv0/', false, 'v0', '/fv0/req', '/s/fv0/req'],
  ['/s', '/fv1/', false, 'v1', '/fv1/req', '/sfv1/req'],
  ['/s', '/tv0/', true, 'v0', '/tv0/req', '/s/req'],
  ['/s', '/tv1/', true, 'v1', '/tv1/req', '/sreq'],
  ['/s/', '/fv0', false, 'v0', '/fv0req', '/s/fv0req'],
  ['/s/', '/tv0', true, 'v0', '/tv0/req', '/s/req'],
  ['/s/', '/tv1', true, 'v1', '/tv1/req', '/s/req'],
  ['/s/', '/tv0', true, 'v0', '/tv0', '/s'],
  ['/s/', '/tv0/', true, 'v0', '/tv0/', '/s/'],
  ['/s', '/tv0', true, 'v0', '/tv0', '/s'],
  ['/s', '/tv0/', true, 'v0', '/tv0/', '/s/'],
  ['/', '/tv0', true, 'v0', '/tv0', '/'],
  ['/', '/tv0', true, 'v0', '/tv0/x', '/x'],
  ['/', '', true, 'v0', '/x', '/x'],
  ['/s', '', true, 'v0', '/x', '/s/x'],
  ['/s', '/', false, 'v0', '/', '/s'],
  ['', '/a', false, 'v0', '/a/b', '/a/b'],
  ['/s', '/a', true, 'v0', '/a../secret', '/s/secret'],
  ['/s', '/a', true, 'v0', '/a../../secret', '/s/secret'],
  ['/s', '/a', true, 'v0', '/a..', '/s'],
];
for (const [servicePath, route, strip, handling, path, result] of kong) {
  test(`Kong ${handling}: service ${servicePath}, route ${route}, strip ${strip}: ${path}`, () => {
    assert.equal(rewritePath({ kind: 'kong', strip, servicePath, handling }, path, route.length), result);
  });
}

const others: readonly {
  readonly name: string;
  readonly rewrite: PathRewrite;
  readonly path: string;
  readonly matched: number;
  readonly result: string;
}[] = [
  { name: 'the whole path', rewrite: { kind: 'full', path: '/new' }, path: '/a/b', matched: 2, result: '/new' },
  { name: 'a string prefix, as bytes', rewrite: { kind: 'prefix', replacement: '/v2' }, path: '/v1abc', matched: 3, result: '/v2abc' },
  {
    name: 'a prefix replaced by / keeps both slashes, as Envoy does',
    rewrite: { kind: 'prefix', replacement: '/' },
    path: '/a/b',
    matched: 2,
    result: '//b',
  },
  { name: 'nothing left is the root', rewrite: { kind: 'prefix', replacement: '' }, path: '/a', matched: 2, result: '/' },
  { name: 'a slash is put in front', rewrite: { kind: 'full', path: 'new' }, path: '/a', matched: 0, result: '/new' },
  {
    name: 'a rewrite does not make dot segments',
    rewrite: { kind: 'prefix', replacement: '/in/' },
    path: '/a../x',
    matched: 2,
    result: '/x',
  },
  {
    name: 'dot segments that were there stay',
    rewrite: { kind: 'prefix', replacement: '/in' },
    path: '/a/../x',
    matched: 2,
    result: '/in/../x',
  },
  {
    name: 'a name that begins with dots is no dot segment',
    rewrite: { kind: 'prefix', replacement: '/in/' },
    path: '/a..x/y',
    matched: 2,
    result: '/in/..x/y',
  },
  {
    name: 'regular expression',
    rewrite: { kind: 'regex', pattern: '^/a/([^/]+)', substitution: '/b-\\1' },
    path: '/a/x/y',
    matched: 0,
    result: '/b-x/y',
  },
  { name: 'asterisk form', rewrite: { kind: 'full', path: '/new' }, path: '*', matched: 0, result: '*' },
  {
    name: 'what no target may hold goes out as escapes',
    rewrite: { kind: 'full', path: '/\u010daj \r\nX: y#\ud800' },
    path: '/a',
    matched: 0,
    result: '/%C4%8Daj%20%0D%0AX:%20y%23%EF%BF%BD',
  },
  {
    name: 'what a pattern puts in, too; escapes stay',
    rewrite: { kind: 'regex', pattern: '^/a/(.*)', substitution: '/\u010a%20\\1' },
    path: '/a/x',
    matched: 0,
    result: '/%C4%8A%20x',
  },
];
for (const row of others) {
  test(`rewrite: ${row.name}`, () => assert.equal(rewritePath(row.rewrite, row.path, row.matched), row.result));
}
