import assert from 'node:assert/strict';
import { header, type Outcome } from './bench.ts';
import { head, reaches, refused, type Attack, type AttackClass } from './row.ts';

const get = (...lines: readonly string[]): string => head('GET /a HTTP/1.1', ...lines);

/** A header that reached the backend. */
const sent =
  (name: string, value: string | RegExp | null): ((outcome: Outcome) => void) =>
  ({ reached }) => {
    const found = header(reached[0], name);
    if (value instanceof RegExp) assert.match(found ?? '', value);
    else assert.equal(found, value, name);
  };

const lines: readonly (readonly [name: string, line: string, details: string])[] = [
  ['a CR in a value', 'X: a\rY: b', 'http1.bare_cr'],
  ['a LF in a value', 'X: a\nY: b', 'http1.bare_lf'],
  ['CR CR LF', 'X: a\r\r\nY: b', 'http1.bare_cr'],
  ['a NUL in a value', 'X: a\0b', 'http1.header_value_invalid'],
  ['an escape character in a value', 'X: \x1b[2J', 'http1.header_value_invalid'],
  ['DEL in a value', 'X: a\x7f', 'http1.header_value_invalid'],
  ['a folded value', 'X: a\r\n b', 'http1.header_name_invalid'],
  ['a name with a space', 'X Y: b', 'http1.header_name_invalid'],
  ['a name in front of a space', 'X : b', 'http1.header_name_invalid'],
  ['a name in front of a tab', 'X\t: b', 'http1.header_name_invalid'],
  ['no name (CVE-2023-25725)', ': b', 'http1.header_name_invalid'],
  ['a name beyond ASCII', 'H\xf6st: b', 'http1.header_name_invalid'],
  ['a name with a slash', 'X/Y: b', 'http1.header_name_invalid'],
  ['a line without a colon', 'X', 'http1.header_name_invalid'],
];

const hosts: readonly (readonly [name: string, bytes: string, details: string])[] = [
  ['two hosts', 'GET /a HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n', 'http1.host_repeated'],
  ['the same host twice', 'GET /a HTTP/1.1\r\nHost: a.test\r\nhost: a.test\r\n\r\n', 'http1.host_repeated'],
  ['no host', 'GET /a HTTP/1.1\r\nX: y\r\n\r\n', 'http1.host_missing'],
  ['an empty host', 'GET /a HTTP/1.1\r\nHost:\r\n\r\n', 'http1.host_empty'],
  ['a list of hosts', 'GET /a HTTP/1.1\r\nHost: a.test, b.test\r\n\r\n', 'http1.host_invalid'],
  ['a host with a path', 'GET /a HTTP/1.1\r\nHost: a.test/b\r\n\r\n', 'http1.host_invalid'],
  ['a host with a query', 'GET /a HTTP/1.1\r\nHost: a.test?b\r\n\r\n', 'http1.host_invalid'],
  ['a host with a fragment', 'GET /a HTTP/1.1\r\nHost: a.test#b\r\n\r\n', 'http1.host_invalid'],
  ['a host with userinfo', 'GET /a HTTP/1.1\r\nHost: a.test@b.test\r\n\r\n', 'http1.host_invalid'],
  ['a host with a backslash', 'GET /a HTTP/1.1\r\nHost: a.test\\b\r\n\r\n', 'http1.host_invalid'],
  ['two ports', 'GET /a HTTP/1.1\r\nHost: a.test:80:81\r\n\r\n', 'invalid_authority'],
  ['a port that is none', 'GET /a HTTP/1.1\r\nHost: a.test:80@b\r\n\r\n', 'http1.host_invalid'],
  ['a port too large', 'GET /a HTTP/1.1\r\nHost: a.test:65536\r\n\r\n', 'invalid_authority'],
  ['an escape', 'GET /a HTTP/1.1\r\nHost: a%2etest\r\n\r\n', 'invalid_authority'],
  ['an empty label', 'GET /a HTTP/1.1\r\nHost: a..test\r\n\r\n', 'invalid_authority'],
  ['an IPv6 address without brackets', 'GET /a HTTP/1.1\r\nHost: ::1\r\n\r\n', 'invalid_authority'],
  ['an IPv6 zone', 'GET /a HTTP/1.1\r\nHost: [fe80::1%25eth0]\r\n\r\n', 'invalid_authority'],
  ['a target with userinfo', 'GET http://a.test@b.test/a HTTP/1.1\r\nHost: a.test\r\n\r\n', 'invalid_authority'],
  ['a target without a host', 'GET http:///a HTTP/1.1\r\nHost: a.test\r\n\r\n', 'invalid_authority'],
  ['another scheme', 'GET file:///etc/passwd HTTP/1.1\r\nHost: a.test\r\n\r\n', 'path_normalization_failed'],
  ['a target that begins with @', 'GET @b.test/a HTTP/1.1\r\nHost: a.test\r\n\r\n', 'path_normalization_failed'],
  ['a target that begins with :', 'GET :80/a HTTP/1.1\r\nHost: a.test\r\n\r\n', 'path_normalization_failed'],
];

const named = (...names: readonly string[]): Attack[] =>
  names.map((name) => ({
    name: `Connection: ${name}`,
    send: get(`Connection: close, ${name}`, 'Authorization: Basic eDp5', 'X-Role: user'),
    ...reaches('GET /a'),
    also: ({ reached }) => {
      assert.match(header(reached[0], 'x-forwarded-for') ?? '', /^127\.3\.\d+\.\d+$/);
      assert.equal(header(reached[0], 'x-forwarded-proto'), 'http');
      assert.match(header(reached[0], 'x-request-id') ?? '', /^[0-9a-f-]{36}$/);
      assert.equal(header(reached[0], 'host'), 'a.test');
    },
  }));

export const headers: readonly AttackClass[] = [
  {
    name: 'Bytes in header lines that readers split or trim differently',
    sources: 'RFC 9110 §5.5, RFC 9112 §5; CVE-2021-22959, CVE-2023-25725, CVE-2022-32214',
    done: 'refused, 400',
    attacks: lines.map(([name, line, details]) => ({ name, send: get(line), ...refused(400, details) })),
  },
  {
    name: 'Two readings of whom a request is for',
    sources: 'Kettle, Cracking the Lens 2017; RFC 9112 §3.2; RFC 3986 §3.2',
    done: 'refused, 400; an absolute target replaces Host',
    attacks: [
      ...hosts.map(([name, send, details]): Attack => ({ name, send, ...refused(400, details) })),
      {
        name: 'an absolute target beside another Host',
        send: 'GET http://b.test/a HTTP/1.1\r\nHost: a.test\r\n\r\n',
        ...reaches('GET /a'),
        also: sent('host', 'b.test'),
      },
      {
        name: 'a target with two slashes is a path',
        send: 'GET //b.test/a HTTP/1.1\r\nHost: a.test\r\n\r\n',
        ...reaches('GET /b.test/a'),
        also: sent('host', 'a.test'),
      },
      {
        name: 'Host in upper case with a trailing dot',
        send: 'GET /a HTTP/1.1\r\nHost: A.TEST.\r\n\r\n',
        ...reaches('GET /a'),
      },
      { name: 'a tunnel', send: 'CONNECT b.test:443 HTTP/1.1\r\nHost: b.test:443\r\n\r\n', ...refused(405, 'connect_refused') },
    ],
  },
  {
    name: 'Hop-by-hop fields that take ours with them',
    sources: 'Davison 2019; CVE-2022-31813, CVE-2022-1388; RFC 9110 §7.6.1',
    done: 'a named field is dropped, ours are added behind that; naming framing or Host is refused, 400',
    attacks: [
      ...named('X-Forwarded-For', 'X-Forwarded-Proto', 'X-Request-Id', 'Authorization', 'X-Role', 'Keep-Alive, TE, Trailer'),
      ...['Content-Length', 'Transfer-Encoding', 'Host'].map((name): Attack => ({
        name: `Connection: ${name}`,
        send: head('POST /a HTTP/1.1', `Connection: ${name}`, 'Content-Length: 2') + 'ab',
        ...refused(400, 'http1.connection_names_framing'),
      })),
      {
        name: 'Keep-Alive, Proxy-Connection, TE and Upgrade go no further',
        send: get('Connection: close', 'Keep-Alive: timeout=9', 'Proxy-Connection: keep-alive', 'TE: gzip', 'Upgrade: x'),
        ...reaches('GET /a'),
        also: ({ reached }) => {
          for (const name of ['connection', 'keep-alive', 'proxy-connection', 'te', 'upgrade'])
            assert.equal(header(reached[0], name), null, name);
        },
      },
    ],
  },
  {
    name: 'Forwarding fields that a client makes up',
    sources: 'RFC 7239 §8.1; Envoy edge guidance',
    done: 'from a hop that is not trusted: X-Forwarded-Proto, X-Request-Id and X-Forwarded-Client-Cert replaced or dropped, the peer appended to X-Forwarded-For',
    attacks: [
      {
        name: 'all of them',
        send: get(
          'X-Forwarded-For: 10.0.0.1',
          'X-Forwarded-Proto: https',
          'X-Request-Id: forged',
          'X-Forwarded-Client-Cert: By=spiffe://forged',
          'Weir-Explain: 1',
        ),
        ...reaches('GET /a'),
        also: ({ reached }) => {
          assert.match(header(reached[0], 'x-forwarded-for') ?? '', /^10\.0\.0\.1, 127\.3\.\d+\.\d+$/);
          assert.equal(header(reached[0], 'x-forwarded-proto'), 'http');
          assert.equal(header(reached[0], 'x-forwarded-client-cert'), null);
          assert.equal(header(reached[0], 'weir-explain'), null);
          assert.doesNotMatch(header(reached[0], 'x-request-id') ?? 'forged', /forged/);
        },
      },
    ],
  },
  {
    name: 'Names that CGI and WSGI fold into others',
    sources: 'httpoxy CVE-2016-5385; Envoy headers_with_underscores_action',
    done: 'Proxy is dropped; a name with an underscore is refused, 400 (`underscores`)',
    attacks: [
      { name: 'Proxy', send: get('Proxy: http://evil.test'), ...reaches('GET /a'), also: sent('proxy', null) },
      ...['X_Forwarded_For: 1.1.1.1', 'Content_Length: 4', 'X_Role: admin'].map((line): Attack => ({
        name: line,
        send: get(line),
        ...refused(400, 'http1.unexpected_underscore'),
      })),
    ],
  },
  {
    name: 'More than anybody sends',
    sources: 'CVE-2024-22019, CVE-2018-12121; Envoy edge guidance',
    done: 'refused: 431 for headers and trailers, 414 for the target, 501 for a method nobody knows',
    attacks: [
      { name: '101 fields', send: get(...Array.from({ length: 100 }, (_, i) => `X-${i}: y`)), ...refused(431, 'http1.too_many_headers') },
      { name: '61 KiB of a field', send: get(`X: ${'y'.repeat(61 * 1024)}`), ...refused(431, 'http1.head_too_large') },
      {
        name: 'a field without end',
        send: `GET /a HTTP/1.1\r\nHost: a.test\r\nX: ${'y'.repeat(70_000)}`,
        ...refused(431, 'http1.head_too_large'),
      },
      { name: 'a target of 17 KiB', send: head(`GET /${'a'.repeat(17 * 1024)} HTTP/1.1`), ...refused(414, 'http1.target_too_long') },
      { name: 'a method of 8 KiB', send: head(`${'A'.repeat(8192)} /a HTTP/1.1`), ...refused(501, 'http1.method_unknown') },
      {
        name: '33 trailers',
        send: `${head('POST /a HTTP/1.1', 'Transfer-Encoding: chunked')}0\r\n${Array.from({ length: 33 }, (_, i) => `X-${i}: y\r\n`).join('')}\r\n`,
        also: ({ reached, details }) => {
          assert.deepEqual(details, ['http1.too_many_headers']);
          assert.ok(reached.every(({ complete }) => !complete));
        },
      },
    ],
  },
];
