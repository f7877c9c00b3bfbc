import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RE2JS } from 're2js';
import { compileRegex, type RegexAnchor } from './regex.ts';
import { readSubset } from './regex-subset.ts';

function lengthOf(pattern: string, anchor: RegexAnchor, text: string, ignoreCase = false): number {
  const compiled = compileRegex(pattern, { anchor, ignoreCase });
  assert.ok(compiled.ok, compiled.ok ? '' : compiled.error);
  assert.equal(compiled.value.test(text), compiled.value.matchLength(text) >= 0);
  return compiled.value.matchLength(text);
}

const matching: readonly {
  readonly name: string;
  readonly pattern: string;
  readonly anchor: RegexAnchor;
  readonly text: string;
  readonly length: number;
  readonly ignoreCase?: boolean;
}[] = [
  { name: 'the whole text must match', pattern: '/a', anchor: 'full', text: '/ab', length: -1 },
  { name: 'the shorter alternative does not hide the longer', pattern: 'a|ab', anchor: 'full', text: 'ab', length: 2 },
  { name: 'at the start the first alternative wins', pattern: 'a|ab', anchor: 'start', text: 'abc', length: 1 },
  { name: 'start does not search', pattern: 'b', anchor: 'start', text: 'ab', length: -1 },
  { name: 'search does', pattern: 'b+', anchor: 'search', text: 'abbc', length: 2 },
  { name: 'a caret of its own', pattern: '^/v[0-9]+$', anchor: 'full', text: '/v12', length: 4 },
  { name: 'a dollar at the start anchor', pattern: '/a/?$', anchor: 'start', text: '/a/b', length: -1 },
  { name: 'a dollar that belongs to one alternative', pattern: '/a|/b$', anchor: 'start', text: '/a/b', length: 2 },
  { name: 'an escaped dollar', pattern: '/a\\$', anchor: 'full', text: '/a$', length: 3 },
  { name: 'POSIX class', pattern: '[[:alpha:]]+', anchor: 'full', text: 'abc', length: 3 },
  { name: 'POSIX class is not a set of its letters', pattern: '[[:alpha:]]', anchor: 'full', text: ':', length: -1 },
  { name: 'text anchors', pattern: '\\A/x\\z', anchor: 'full', text: '/x', length: 2 },
  { name: 'quoted literals', pattern: '\\Qa.b\\E', anchor: 'full', text: 'axb', length: -1 },
  { name: 'quoted literals match themselves', pattern: '\\Qa.b\\E', anchor: 'full', text: 'a.b', length: 3 },
  { name: 'inline flag', pattern: '(?i)/abc', anchor: 'full', text: '/ABC', length: 4 },
  { name: 'Unicode letters', pattern: '\\pL+', anchor: 'full', text: 'aé', length: 2 },
  { name: 'ignoring case', pattern: '/abc', anchor: 'full', text: '/aBc', length: 4, ignoreCase: true },
  { name: '\\s is ASCII', pattern: '\\s', anchor: 'full', text: '\u00a0', length: -1 },
  { name: '. takes a carriage return', pattern: 'a.b', anchor: 'full', text: 'a\rb', length: 3 },
  { name: '. takes no line feed', pattern: 'a.b', anchor: 'full', text: 'a\nb', length: -1 },
  { name: '. takes one code point', pattern: 'a.b', anchor: 'full', text: 'a😀b', length: 4 },
  { name: 'a bracket and a hyphen in a class', pattern: '[a\\]-]+', anchor: 'full', text: 'a]-', length: 3 },
  { name: 'named groups', pattern: '/u/(?P<id>\\d+)/(?<x>[a-z]+)', anchor: 'full', text: '/u/1/a', length: 6 },
  { name: 'bounded repetition', pattern: '/[0-9]{2,3}', anchor: 'full', text: '/1234', length: -1 },
  { name: 'lazy repetition', pattern: '/a+?', anchor: 'start', text: '/aaa', length: 2 },
];
for (const row of matching) {
  test(`match: ${row.name}`, () => assert.equal(lengthOf(row.pattern, row.anchor, row.text, row.ignoreCase), row.length));
}

for (const pattern of [
  '(?=a)',
  '(?<!a)b',
  '(a)\\1',
  '(?P<n>a)(?P<n>b)',
  '(',
  '[a',
  'a**',
  '*a',
  'a{2,1}',
  'a{1,2000}',
  '\\',
  'x'.repeat(9_000),
]) {
  test(`refused as RE2 refuses it: ${pattern.slice(0, 20)}`, () => assert.equal(compileRegex(pattern, { anchor: 'full' }).ok, false));
}

const inV8 = [
  '/api/v[0-9]+/users',
  '/items/[^/]+/reviews',
  '/a/.*',
  '.*\\.example\\.com',
  '^/x$',
  '/(foo|bar)(/.*)?',
  '(/[a-z]+)*',
  '/[0-9]{4}',
  '\\d{1,3}-x',
];
const notInV8 = [
  '(a+)+',
  '(a*)*',
  '(a|a)*',
  'a*a*',
  '(a|ab)(c|bcd)',
  '.*a.*b',
  '(.*)(.*)x',
  '[[:alpha:]]',
  '\\pL',
  '(?i)a',
  'a*?',
  '\\ba',
  '(a?){20}',
  '/a?a?a?aaa',
];
for (const pattern of inV8) test(`V8 may run ${pattern}`, () => assert.notEqual(readSubset(pattern, 'full')?.fast ?? null, null));
for (const pattern of notInV8) test(`V8 must not run ${pattern}`, () => assert.equal(readSubset(pattern, 'full')?.fast ?? null, null));

test('hostile patterns end: a backtracking engine would take longer than the universe', () => {
  const text = `${'a'.repeat(5_000)}!`;
  for (const pattern of ['(a+)+$', '(a|a)*$', '(a|aa)+$', '(.*a){12}$', '([a-z]+)*$', 'a*a*a*a*a*a*$', '(a?){30}(a){30}$']) {
    assert.equal(lengthOf(pattern, 'full', text), -1, pattern);
  }
});

test('what V8 runs means what RE2 means', () => {
  const piece = fc.constantFrom('a', 'b', '/', '.', '[ab]', '[^/]', '(a|b)', '(a|/b)', '\\.', '\\d', '(?:ab)', '[^a]', '(a/|b)');
  const quantifier = fc.constantFrom('', '', '*', '+', '?', '{2}', '{1,3}', '{0,2}');
  const pattern = fc
    .array(fc.tuple(piece, quantifier), { minLength: 1, maxLength: 5 })
    .map((parts) => parts.map(([atom, count]) => (count.startsWith('{') && atom.startsWith('(') ? atom : atom + count)).join(''));
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', '.', '1', '\n'), maxLength: 8 });
  let used = 0;
  fc.assert(
    fc.property(pattern, text, fc.constantFrom('full', 'start'), (source, input, anchor) => {
      const subset = readSubset(source, anchor);
      if (subset === null) return;
      // Throws when RE2 does not accept what the subset does.
      const matcher = RE2JS.compile(source).matcher(input);
      const { fast, literalPrefix } = subset;
      if ((anchor === 'full' ? matcher.matches() : matcher.lookingAt()) && !input.startsWith(literalPrefix))
        assert.fail(`${source} has no prefix ${literalPrefix}`);
      if (fast === null) return;
      used++;
      const found = anchor === 'full' ? matcher.matches() : matcher.lookingAt();
      assert.equal(fast.exec(input)?.[0].length ?? -1, found ? matcher.end() : -1, `${source} on ${JSON.stringify(input)}`);
    }),
    { numRuns: 4_000 },
  );
  assert.ok(used > 500, `only ${used} patterns were in the subset`);
});

const prefixes: readonly (readonly [pattern: string, prefix: string])[] = [
  ['/api/v[0-9]+', '/api/v'],
  ['^/api/.*', '/api/'],
  ['/a|/b', '/'],
  ['/a|b', ''],
  ['/(ab|ac)d', '/a'],
  ['/a+b', '/a'],
  ['[[:alpha:]]a', ''],
  ['^/x(?i)y', '/x'],
  ['/ab?', '/a'],
  ['/a\\.b.*', '/a.b'],
  ['(?i)/abc', '/'],
  ['(/abc)d.*', '/abcd'],
];
for (const [pattern, prefix] of prefixes) {
  test(`literal prefix of ${pattern}`, () => {
    const compiled = compileRegex(pattern, { anchor: 'full' });
    assert.ok(compiled.ok);
    assert.equal(compiled.value.literalPrefix, prefix);
  });
}

const replacing: readonly {
  readonly name: string;
  readonly pattern: string;
  readonly text: string;
  readonly substitution: string;
  readonly result: string;
}[] = [
  {
    name: 'groups change places',
    pattern: '^/service/([^/]+)(/.*)$',
    text: '/service/foo/v1/api',
    substitution: '\\2/instance/\\1',
    result: '/v1/api/instance/foo',
  },
  { name: 'every match', pattern: 'one', text: '/xxx/one/yyy/one/zzz', substitution: 'two', result: '/xxx/two/yyy/two/zzz' },
  { name: 'the whole match', pattern: 'b+', text: 'abbc', substitution: '<\\0>', result: 'a<bb>c' },
  { name: 'an escaped backslash', pattern: 'b', text: 'abc', substitution: '\\\\', result: 'a\\c' },
  { name: 'a dollar means nothing', pattern: 'b', text: 'abc', substitution: '$&$1', result: 'a$&$1c' },
  { name: 'no empty match after a match', pattern: '.*', text: '/abc', substitution: 'x', result: 'x' },
  { name: 'a group that took no part', pattern: 'a(b)?', text: 'ac', substitution: '[\\1]', result: '[]c' },
  { name: 'nothing matches', pattern: 'z', text: '/abc', substitution: 'x', result: '/abc' },
];
for (const row of replacing) {
  test(`replace: ${row.name}`, () => {
    const compiled = compileRegex(row.pattern, { anchor: 'full' });
    assert.ok(compiled.ok);
    assert.equal(compiled.value.replace(row.text, row.substitution), row.result);
  });
}
