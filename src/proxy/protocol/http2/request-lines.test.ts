import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestHead } from '../http1/head.ts';
import { RequestLines } from './request-lines.ts';

type Field = readonly [string, string];
const get: readonly Field[] = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/a?b'],
  [':authority', 'a.test'],
];
const limits = { maxHeadBytes: 8192, maxHeaders: 50, maxTargetBytes: 1000 };
const handshake = { key: 'a2V5', accept: '' };

/** What is written, or why it is refused. */
function written(fields: readonly Field[], endsHere = true): string {
  const lines = new RequestLines();
  const head = new RequestHead(limits);
  if (!lines.write(fields.flat(), endsHere, handshake)) return lines.error;
  const status = lines.read(head, endsHere);
  return status === 0 ? lines.bytes.latin1Slice(0, lines.length) : `${-status} ${lines.error}`;
}

const changed = (name: string, value: string): Field[] => get.map(([known, old]) => [known, known === name ? value : old]);
const without = (...names: readonly string[]): Field[] => get.filter(([name]) => !names.includes(name));
const plus = (...more: readonly Field[]): Field[] => [...get, ...more];

const line = 'GET /a?b HTTP/1.1\r\nhost: a.test\r\n';

describe('a request of HTTP/2 as HTTP/1.1', () => {
  const rows: readonly (readonly [name: string, fields: readonly Field[], endsHere: boolean, expected: string])[] = [
    ['the least', get, true, `${line}\r\n`],
    ['fields in their order', plus(['x-b', '2'], ['x-a', '1']), true, `${line}x-b: 2\r\nx-a: 1\r\n\r\n`],
    ['Host instead of :authority', [...without(':authority'), ['host', 'b.test']], true, 'GET /a?b HTTP/1.1\r\nhost: b.test\r\n\r\n'],
    ['the same host twice, in another case', plus(['host', 'A.TEST']), true, `${line}\r\n`],
    [
      'cookies joined where the first stood',
      plus(['cookie', 'a=1'], ['x', 'y'], ['cookie', 'b=2']),
      true,
      `${line}cookie: a=1; b=2\r\nx: y\r\n\r\n`,
    ],
    ['TE: trailers', plus(['te', 'trailers']), true, `${line}te: trailers\r\n\r\n`],
    ['a body of unknown length', get, false, `${line}transfer-encoding: chunked\r\n\r\n`],
    ['a body of known length', plus(['content-length', '3']), false, `${line}content-length: 3\r\n\r\n`],
    ['POST without a body', changed(':method', 'POST'), true, 'POST /a?b HTTP/1.1\r\nhost: a.test\r\ncontent-length: 0\r\n\r\n'],
    [
      'OPTIONS *',
      [
        [':method', 'OPTIONS'],
        [':scheme', 'http'],
        [':path', '*'],
        [':authority', 'a.test'],
      ],
      true,
      'OPTIONS * HTTP/1.1\r\nhost: a.test\r\n\r\n',
    ],
    ['bytes above ASCII in a value', plus(['x', 'caf\xe9']), true, `${line}x: caf\xe9\r\n\r\n`],
    [
      'an extended CONNECT',
      [
        [':method', 'CONNECT'],
        [':protocol', 'websocket'],
        ...get.slice(1),
        ['sec-websocket-key', 'theirs'],
        ['sec-websocket-version', '13'],
      ],
      false,
      `${line}sec-websocket-version: 13\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: a2V5\r\n\r\n`,
    ],
  ];
  for (const [name, fields, endsHere, expected] of rows) it(name, () => assert.equal(written(fields, endsHere), expected));
});

describe('what is refused though node:http2 let it pass', () => {
  const rows: readonly (readonly [name: string, fields: readonly Field[], expected: string, endsHere?: boolean])[] = [
    ['CR LF in a value', plus(['x', 'a\r\ny: b']), '400 http2.malformed_headers'],
    ['an empty line in a value', plus(['x', 'a\r\n\r\nGET /evil HTTP/1.1']), '400 http2.malformed_headers'],
    ['a bare LF', plus(['x', 'a\nb']), '400 http2.bare_lf'],
    ['a bare CR', plus(['x', 'a\rb']), '400 http2.bare_cr'],
    ['NUL', plus(['x', 'a\0b']), '400 http2.header_value_invalid'],
    ['a colon in a name', plus(['x:y', 'a']), 'http2.header_name_invalid'],
    ['a space in a name', plus(['x y', 'a']), 'http2.header_name_invalid'],
    ['CR LF in a name', plus(['x\r\ny', 'a']), 'http2.header_name_invalid'],
    ['upper case in a name', plus(['Xy', 'a']), 'http2.header_name_invalid'],
    ['an empty name', plus(['', 'a']), 'http2.header_name_invalid'],
    ['CR LF in :path', changed(':path', '/ HTTP/1.1\r\nx: y\r\nz:'), '400 http2.malformed_headers'],
    ['a space in :path', changed(':path', '/a b'), '400 http2.version_invalid'],
    ['an absolute :path', changed(':path', 'http://evil.test/'), 'http2.path_invalid'],
    ['* for GET', changed(':path', '*'), 'http2.path_invalid'],
    ['CR LF in :method', changed(':method', 'GET / HTTP/1.1\r\nx:'), '400 http2.malformed_headers'],
    ['a method nobody knows', changed(':method', 'BREW'), '501 http2.method_unknown'],
    ['CR LF in :authority', changed(':authority', 'a.test\r\nx: y'), '400 http2.malformed_headers'],
    ['user information in :authority', changed(':authority', 'u@a.test'), '400 http2.host_invalid'],
    ['another scheme', changed(':scheme', 'javascript'), 'http2.scheme_invalid'],
    [':path twice', plus([':path', '/b']), 'http2.path_invalid'],
    [':method twice', plus([':method', 'GET']), 'http2.pseudo_header_invalid'],
    [':authority twice', plus([':authority', 'a.test']), 'http2.authority_invalid'],
    ['a pseudo-header late', [...without(':path'), ['x', 'y'], [':path', '/']], 'http2.pseudo_header_after_field'],
    ['an unknown pseudo-header', plus([':x', 'y']), 'http2.pseudo_header_invalid'],
    ['no :method', without(':method'), 'http2.pseudo_header_missing'],
    ['no :path', without(':path'), 'http2.pseudo_header_missing'],
    ['no :scheme', without(':scheme'), 'http2.pseudo_header_missing'],
    ['no authority', without(':authority'), '400 http2.host_missing'],
    ['two authorities', plus(['host', 'b.test']), 'http2.authority_mismatch'],
    ['two Hosts', [...without(':authority'), ['host', 'a.test'], ['host', 'a.test']], 'http2.host_repeated'],
    ['Connection', plus(['connection', 'x']), 'http2.connection_header'],
    ['Keep-Alive', plus(['keep-alive', 'x']), 'http2.connection_header'],
    ['Proxy-Connection', plus(['proxy-connection', 'x']), 'http2.connection_header'],
    ['Transfer-Encoding', plus(['transfer-encoding', 'chunked']), 'http2.connection_header', false],
    ['Upgrade', plus(['upgrade', 'h2c']), 'http2.connection_header'],
    ['HTTP2-Settings', plus(['http2-settings', 'x']), 'http2.connection_header'],
    ['another TE', plus(['te', 'gzip']), 'http2.te_invalid'],
    ['TE with more', plus(['te', 'trailers, gzip']), 'http2.te_invalid'],
    ['two lengths', plus(['content-length', '3'], ['content-length', '3']), '400 http2.content_length_repeated', false],
    ['a length that is none', plus(['content-length', '0x3']), '400 http2.content_length_invalid', false],
    ['a length without a body', plus(['content-length', '3']), '400 http2.content_length_mismatch'],
    ['too long a target', changed(':path', `/${'a'.repeat(1000)}`), '414 http2.target_too_long'],
    ['too many fields', plus(...Array.from({ length: 50 }, (_, i): Field => [`x-${i}`, 'v'])), '431 http2.too_many_headers'],
    [':protocol without CONNECT', plus([':protocol', 'websocket']), 'http2.connect_invalid', false],
    [
      'an extended CONNECT that ends at once',
      [[':method', 'CONNECT'], [':protocol', 'websocket'], ...get.slice(1)],
      'http2.connect_invalid',
    ],
    [
      'an extended CONNECT with a length',
      [[':method', 'CONNECT'], [':protocol', 'websocket'], ...get.slice(1), ['content-length', '1']],
      'http2.connect_invalid',
      false,
    ],
    [
      'CONNECT with a path',
      [
        [':method', 'CONNECT'],
        [':path', '/'],
        [':authority', 'a.test:1'],
      ],
      'http2.connect_invalid',
      false,
    ],
  ];
  for (const [name, fields, expected, endsHere = true] of rows) it(name, () => assert.equal(written(fields, endsHere), expected));
});

it('a large head does not keep its buffer', () => {
  const lines = new RequestLines();
  const first = lines.bytes.length;
  assert.ok(lines.write(plus(['x', 'a'.repeat(20_000)]).flat(), true, null));
  assert.ok(lines.bytes.length > 20_000);
  lines.release();
  assert.equal(lines.bytes.length, first);
});
