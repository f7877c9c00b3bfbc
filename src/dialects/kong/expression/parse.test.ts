import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Matcher } from '../../../decide/match.ts';
import { fixtureHeaders, fixtureView } from '../../../decide/fixture.ts';
import type { RequestView } from '../../../decide/request.ts';
import { expressionMatches } from './match.ts';
import { maxExpressionLength, parseExpression } from './parse.ts';

for (const text of [
  'http.path == "/a"',
  'http.path ~ r#"^/a/\\d+"#',
  'any(lower(http.headers.x_a)) == "b" && !(http.method == "GET")',
  'net.src.ip in 10.0.0.0/8 || net.src.ip == 2001:db8::1',
  'net.dst.ip not in fd00::/8',
  'net.dst.port >= 0x1f && net.src.port < 070',
  'http.path.segments.0_2 == "a/b" && http.path.segments.len == 3',
  'http.queries.page contains "1"',
  '((tls.sni =^ ".example.com"))',
  'http.path == "a\\"b\\\\c"',
])
  test(`valid: ${text}`, () => assert.equal(parseExpression(text).ok, true));

const invalid: readonly (readonly [text: string, message: RegExp])[] = [
  ['', /empty/],
  ['http.path', /operator is missing/],
  ['http.path ==', /value is missing/],
  ['http.path == /a', /value is missing|not expected/],
  ['http.path == "/a', /not closed/],
  ['http.path = "/a"', /'=' was not expected/],
  ['http.pth == "/a"', /not a field/],
  ['http.path == 1', /cannot be compared/],
  ['net.dst.port == "80"', /cannot be compared/],
  ['net.src.ip ~ "10"', /cannot be compared/],
  ['net.src.ip in 10.0.0.1', /does not apply/],
  ['http.path >= "/a"', /does not apply/],
  ['http.path ~ "("', /./],
  ['!http.path == "/a"', /parenthesis/],
  ['(http.path == "/a"', /'\)' is missing/],
  ['http.path == "/a" http.method == "GET"', /not expected/],
  ['upper(http.path) == "A"', /not a function/],
  ['any(http.path) == "A"', /does not apply/],
  ['lower(lower(http.path)) == "a"', /twice/],
  ['http.path.segments.3_1 == "a"', /not a field/],
  ['http.path == "\\q"', /escape/],
  [`${'('.repeat(100)}http.path == "/a"${')'.repeat(100)}`, /nested/],
  [`http.path == "${'a'.repeat(maxExpressionLength)}"`, /longer/],
];
for (const [text, message] of invalid)
  test(`invalid: ${text.slice(0, 60)}`, () => {
    const parsed = parseExpression(text);
    assert.equal(parsed.ok, false);
    assert.match(parsed.ok ? '' : parsed.error.message, message);
  });

test('|| binds weaker than &&', () => {
  const parsed = parseExpression('http.method == "A" || http.method == "B" && http.method == "C"');
  assert.equal(parsed.ok && parsed.value.kind, 'or');
});

function matches(text: string, view: RequestView): boolean | string {
  const parsed = parseExpression(text);
  if (!parsed.ok) return parsed.error.message;
  const found = expressionMatches(parsed.value);
  return found.ok ? found.value.some(({ match }) => new Matcher(match).matches(view)) : found.error;
}

test('a path is compared in the canonical form of requests', () => {
  assert.equal(matches('http.path ^= "/café/"', fixtureView('/caf%C3%A9/1')), true);
});

const view = fixtureView('/a/items/12', {
  host: 'shop.example.com',
  method: 'POST',
  query: 'page=1&x=',
  localPort: 8000,
  headers: fixtureHeaders([
    ['X-Kind', 'Gold'],
    ['x-list', 'a'],
    ['x-list', 'b'],
  ]),
});
const table: readonly (readonly [text: string, expected: boolean])[] = [
  ['http.path ^= "/a/"', true],
  ['http.path == "/a/"', false],
  ['http.path =^ "/12"', true],
  ['http.path =^ "/1"', false],
  ['http.path contains "items"', true],
  ['http.path contains "i.ems"', false],
  ['http.path ~ "^/a/[a-z]+/\\\\d+"', true],
  ['http.path ~ "^/items"', false],
  ['lower(http.path) ^= "/a/items"', true],
  ['http.host == "shop.example.com"', true],
  ['http.host =^ ".example.com"', true],
  ['http.host ^= "shop."', true],
  ['http.method == "GET" || http.method == "POST"', true],
  ['http.method == "GET" && http.path ^= "/"', false],
  ['any(lower(http.headers.x_kind)) == "gold"', true],
  ['any(http.headers.x_kind) == "gold"', false],
  ['any(http.headers.x_list) == "b"', true],
  ['http.headers.x_kind ~ "^G"', true],
  ['http.queries.page == "1"', true],
  ['http.queries.page == "2"', false],
  ['net.protocol == "http"', true],
  ['net.protocol != "http"', false],
  ['!(net.protocol == "https" || net.protocol == "https")', true],
  ['net.dst.port == 8000', true],
  ['net.dst.port == 8001', false],
  ['tls.sni == "shop.example.com"', false],
];
for (const [text, expected] of table) test(`honoured: ${text}`, () => assert.equal(matches(text, view), expected));

for (const text of [
  'net.src.ip in 10.0.0.0/8',
  'net.src.port == 1',
  'http.path.segments.0 == "a"',
  'http.method != "GET"',
  '!(http.path ^= "/a")',
  'http.path ~ "/anywhere"',
  'http.path ~ "^/a|/b"',
  'http.path ^= "/a" && http.path =^ "/b"',
  'any(http.queries.page) == "1"',
  'net.dst.port > 80',
  'http.host contains "example"',
  'lower(http.method) == "GET"',
])
  test(`left out, never widened: ${text}`, () => assert.equal(typeof matches(text, view), 'string'));

test('alternatives are bounded', () => {
  const pair = '(http.method == "A" || http.method == "B")';
  assert.match(String(matches(Array.from({ length: 8 }, () => pair).join(' && '), view)), /alternatives/);
});
