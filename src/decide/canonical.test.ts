import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { edgeCanonicalisation, type Canonicalisation } from '../model/listener.ts';
import { parseAuthority } from './authority.ts';
import { applyUnderscores, canonicalise, type Canonical } from './canonical.ts';

const keep: Canonicalisation = { ...edgeCanonicalisation, escapedSlashes: 'keep' };
const forward: Canonicalisation = { ...edgeCanonicalisation, escapedSlashes: 'unescape-and-forward' };
const refuse: Canonicalisation = { ...edgeCanonicalisation, escapedSlashes: 'reject' };
const raw: Canonicalisation = { ...keep, normalizePath: false, mergeSlashes: false };
const noMerge: Canonicalisation = { ...keep, mergeSlashes: false };

function run(target: string, options = edgeCanonicalisation, method = 'GET', host = 'a.example'): Canonical {
  return canonicalise(method, target, host, options, 'http', 8080);
}

/** `path?query`, `STATUS` or `→ location`. */
function shown(result: Canonical): string {
  if (result.kind === 'reject') return String(result.status);
  if (result.kind === 'redirect') return `→ ${result.location}`;
  return result.query === '' ? result.path : `${result.path}?${result.query}`;
}

describe('canonical paths', () => {
  const rows: [name: string, target: string, options: Canonicalisation, expected: string][] = [
    ['nothing to do', '/a/b.c/d-e_f~g?x=/../%2e&y', keep, '/a/b.c/d-e_f~g?x=/../%2e&y'],
    ['unreserved decoded', '/%61%2D%5F%7E%41%30', keep, '/a-_~A0'],
    ['other escapes in upper case', '/a%3ab%c3%a9', keep, '/a%3Ab%C3%A9'],
    ['percent is not decoded twice', '/%2561', keep, '/%2561'],
    ['dot segment', '/a/./b', keep, '/a/b'],
    ['dot-dot segment', '/a/../b', keep, '/b'],
    ['dot-dot at the root', '/../../a', keep, '/a'],
    ['dot-dot at the end', '/a/b/..', keep, '/a/'],
    ['dot at the end', '/a/.', keep, '/a/'],
    ['encoded dot-dot', '/a/%2e%2E/b', keep, '/b'],
    ['half encoded dot-dot', '/a/.%2e/b', keep, '/b'],
    ['three dots', '/a/.../b', keep, '/a/.../b'],
    ['hidden file', '/.well-known/x', keep, '/.well-known/x'],
    ['dots resolve before slashes merge', '/a//../b', keep, '/a/b'],
    ['slashes merged', '//a///b//', keep, '/a/b/'],
    ['slashes kept', '//a//b', noMerge, '//a//b'],
    ['slashes of the query kept', '/a?b=//c', keep, '/a?b=//c'],
    ['escaped slash kept', '/a%2fb', keep, '/a%2Fb'],
    ['escaped slash unescaped', '/a%2fb', forward, '/a/b'],
    ['escaped slash makes a dot segment', '/a%2f..%2fb', forward, '/b'],
    ['kept escaped slash is no dot segment', '/a%2f..%2fb', keep, '/a%2F..%2Fb'],
    ['escaped slash refused', '/a%2fb', refuse, '400'],
    ['escaped slash redirects', '/a%2Fb?c=d', edgeCanonicalisation, '→ /a/b?c=d'],
    ['escaped backslash redirects', '/a%5cb', edgeCanonicalisation, '→ /a/b'],
    ['escaped backslash refused', '/a%5Cb', refuse, '400'],
    ['escaped backslash kept', '/a%5cb', keep, '/a%5Cb'],
    ['backslash is a slash', '/a\\..\\b', keep, '/b'],
    ['backslash refused', '/a\\b', refuse, '400'],
    ['backslash redirects', '/a\\b', edgeCanonicalisation, '→ /a/b'],
    ['escaped slash of the query stays', '/a?b=%2f', edgeCanonicalisation, '/a?b=%2f'],
    [
      'redirect never leads to another host',
      '/%2fevil.example/x',
      { ...noMerge, escapedSlashes: 'unescape-and-redirect' },
      '→ http://a.example//evil.example/x',
    ],
    ['NUL', '/a%00b', keep, '400'],
    ['NUL without normalisation', '/a%00b', raw, '400'],
    ['broken escape', '/a%2', keep, '400'],
    ['broken escape with letters', '/%zz', keep, '400'],
    ['broken escape without normalisation', '/%zz', raw, '/%zz'],
    ['broken escape in the query', '/a?100%', keep, '/a?100%'],
    ['raw control', '/a\tb', keep, '400'],
    ['raw control in the query', '/a?\x01', keep, '400'],
    ['fragment', '/a#b', keep, '400'],
    ['fragment in the query', '/a?b#c', keep, '400'],
    ['character beyond a byte', '/\u0141', keep, '400'],
    ['raw UTF-8 escaped', '/caf\xc3\xa9?q=\xc3\xa9', keep, '/caf%C3%A9?q=%C3%A9'],
    ['braces escaped, one form', '/{a}%7Bb%7D|', keep, '/%7Ba%7D%7Bb%7D%7C'],
    ['braces of the query stay', '/?{a}', keep, '/?{a}'],
    ['dot segment with parameters', '/a/..;/b', keep, '400'],
    ['encoded dot segment with parameters', '/a/%2e%2e;x=y/b', keep, '400'],
    ['dot segment with an encoded semicolon', '/a/..%3bx/b', keep, '400'],
    ['other parameters', '/a;v=1/b', keep, '/a;v=1/b'],
    ['nothing switched on', '//a/%2e%2e/%2f\\{b', raw, '//a/%2e%2e/%2f\\{b'],
    ['second question mark', '/a?b?c', keep, '/a?b?c'],
    ['root', '/', keep, '/'],
    ['no slash at the start', 'a/b', keep, '400'],
    ['empty', '', keep, '400'],
    ['asterisk for GET', '*', keep, '400'],
  ];
  for (const [name, target, options, expected] of rows) {
    it(name, () => assert.equal(shown(run(target, options)), expected));
  }

  it('says when the target is sent on as it came', () => {
    const rewritten = ['/a/../b', '/%61', '//', '/\xe9', '/?\xe9', 'http://b/x'];
    const same = ['/', '/a?', '/a?b', '/.well-known', '/%2F?%', '/%C3%A9'];
    for (const target of rewritten) assert.partialDeepStrictEqual(run(target, keep), { kind: 'ok', unchanged: false }, target);
    for (const target of same) assert.partialDeepStrictEqual(run(target, keep), { kind: 'ok', unchanged: true }, target);
  });
});

describe('target forms', () => {
  it('absolute-form: its authority wins over Host', () => {
    assert.deepEqual(run('HTTP://B.Example:81/x/../y?q', keep), {
      kind: 'ok',
      path: '/y',
      query: 'q',
      authority: 'b.example:81',
      host: 'b.example',
      port: 81,
      authorityFromTarget: true,
      unchanged: false,
    });
  });
  const rows: [name: string, method: string, target: string, expected: string][] = [
    ['absolute-form without path', 'GET', 'http://b', '/'],
    ['absolute-form without path, with query', 'GET', 'http://b?x=/', '/?x=/'],
    ['https', 'GET', 'https://b/x', '/x'],
    ['OPTIONS absolute-form without path', 'OPTIONS', 'http://b', '*'],
    ['OPTIONS absolute-form with path', 'OPTIONS', 'http://b/', '/'],
    ['asterisk-form', 'OPTIONS', '*', '*'],
    ['asterisk and more', 'OPTIONS', '*a', '400'],
    ['another scheme', 'GET', 'ftp://b/', '400'],
    ['scheme only', 'GET', 'http://', '400'],
    ['empty authority', 'GET', 'http:///x', '400'],
    ['userinfo', 'GET', 'http://u:p@b/x', '400'],
    ['one slash', 'GET', 'http:/b/x', '400'],
    ['authority-form', 'GET', 'b:80', '400'],
    ['CONNECT', 'CONNECT', 'b:80', '405'],
    ['CONNECT with a path', 'CONNECT', '/x', '405'],
  ];
  for (const [name, method, target, expected] of rows) {
    it(name, () => assert.equal(shown(run(target, keep, method)), expected));
  }
});

describe('authorities', () => {
  const rows: [text: string, expected: [authority: string, host: string, port: number | null] | null][] = [
    ['A.Example', ['a.example', 'a.example', null]],
    ['a:80', ['a:80', 'a', 80]],
    ['a:', ['a', 'a', null]],
    ['a.example.:8080', ['a.example.:8080', 'a.example.', 8080]],
    ['my_service', ['my_service', 'my_service', null]],
    ['127.0.0.1:1', ['127.0.0.1:1', '127.0.0.1', 1]],
    ['[::1]:443', ['[::1]:443', '[::1]', 443]],
    ['[FE80::A]', ['[fe80::a]', '[fe80::a]', null]],
    ['[fe80::a%25eth0]', null],
    ['[::1', null],
    ['[::1]x', null],
    ['[v1.x]', null],
    ['[127.0.0.1]', null],
    ['::1', null],
    ['a:b', null],
    ['a:0', null],
    ['a:080', null],
    ['a:65536', null],
    ['a:80:80', null],
    [':80', null],
    ['u@a', null],
    ['a,b', null],
    ['a b', null],
    ['a/b', null],
    ['a%41', null],
    ['*', null],
    ['.a', null],
    ['a..b', null],
    ['.', null],
    ['', null],
    [`${'a'.repeat(63)}.b`, [`${'a'.repeat(63)}.b`, `${'a'.repeat(63)}.b`, null]],
    [`${'a'.repeat(64)}.b`, null],
    [`${'a.'.repeat(130)}b`, null],
    ['\u212a', null],
  ];
  for (const [text, expected] of rows) {
    it(JSON.stringify(text).slice(0, 40), () => {
      const wanted = expected && { authority: expected[0], host: expected[1], port: expected[2] };
      assert.deepEqual(parseAuthority(text), wanted);
      assert.deepEqual(parseAuthority(text), wanted, 'the second time too');
    });
  }

  const strip: [name: string, options: Partial<Canonicalisation>, host: string, authority: string, port: number | null][] = [
    ['trailing dot', {}, 'A.:81', 'a:81', 81],
    ['trailing dot kept', { stripTrailingDot: false }, 'a.', 'a.', null],
    ["listener's port", { stripPort: true }, 'a:8080', 'a', null],
    ["another's port", { stripPort: true }, 'a:81', 'a:81', 81],
    ['port kept', {}, 'a:8080', 'a:8080', 8080],
    ['both', { stripPort: true }, 'a.:8080', 'a', null],
    ['no Host', {}, '', '', null],
  ];
  for (const [name, options, host, authority, port] of strip) {
    it(`strips: ${name}`, () => {
      const result = run('/', { ...keep, ...options }, 'GET', host);
      assert.partialDeepStrictEqual(result, { kind: 'ok', authority, port });
    });
  }

  it('refuses a malformed Host', () => {
    assert.deepEqual(run('/', keep, 'GET', 'a@b'), { kind: 'reject', status: 400, details: 'invalid_authority' });
  });
});

describe('underscores in header names', () => {
  it('follows the policy', () => {
    let dropped = 0;
    const head = { hasUnderscore: true, dropUnderscored: () => void dropped++ };
    assert.equal(applyUnderscores('allow', head), null);
    assert.equal(applyUnderscores('reject', { ...head, hasUnderscore: false }), null);
    assert.equal(dropped, 0);
    assert.equal(applyUnderscores('drop', head), null);
    assert.equal(dropped, 1);
    assert.equal(applyUnderscores('reject', head)?.status, 400);
  });
});

describe('properties', () => {
  const piece = fc.constantFrom(
    ...[
      '/',
      '/',
      '.',
      '..',
      '%2e',
      '%2E',
      '%2f',
      '%5C',
      '\\',
      '%25',
      '%',
      '%41',
      '%c3',
      'a',
      'B',
      ';',
      '{',
      '?',
      '\xe9',
      '%00',
      '#',
      ' ',
      '~',
      '%7f',
      '2',
      'f',
    ],
  );
  const target = fc.array(piece, { maxLength: 14 }).map((pieces) => `/${pieces.join('')}`);
  const options = fc.record({
    normalizePath: fc.boolean(),
    mergeSlashes: fc.boolean(),
    escapedSlashes: fc.constantFrom('keep', 'reject', 'unescape-and-redirect', 'unescape-and-forward'),
    underscores: fc.constant('allow'),
    stripPort: fc.boolean(),
    stripTrailingDot: fc.boolean(),
  } as const);
  const host = fc.constantFrom('a', 'A.b.:80', 'a.b.', '[::1]:8080', 'x:8080');

  it('applied to its own output it changes nothing', () => {
    fc.assert(
      fc.property(target, options, host, (text, opts, authority) => {
        const once = run(text, opts, 'GET', authority);
        if (once.kind !== 'ok') return;
        const again = run(shown(once), opts, 'GET', once.authority);
        assert.equal(again.kind, 'ok');
        if (again.kind !== 'ok') return;
        assert.deepEqual({ ...again, unchanged: true }, { ...once, unchanged: true });
        assert.equal(again.unchanged, true);
      }),
      { numRuns: 20_000 },
    );
  });

  it('a redirect leads to a request that is accepted', () => {
    fc.assert(
      fc.property(target, options, (text, opts) => {
        const once = run(text, opts);
        if (once.kind !== 'redirect') return;
        assert.equal(run(once.location, opts).kind, 'ok');
      }),
      { numRuns: 20_000 },
    );
  });

  it('a normalised path has no dot segment, no repeated slash and no escape of an unreserved character', () => {
    fc.assert(
      fc.property(target, (text) => {
        const result = run(text, forward);
        if (result.kind !== 'ok') return;
        assert.doesNotMatch(result.path, /\/\.\.?(\/|$)|\/\/|%2e|%2f|%5c|%[46]1|\\|[^!-~]/i);
      }),
      { numRuns: 20_000 },
    );
  });
});
