import assert from 'node:assert/strict';
import { header } from './bench.ts';
import { head, reaches, refused, type Attack, type AttackClass } from './row.ts';

const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a.test\r\n\r\n';
const post = (...lines: readonly string[]): string => head('POST /a HTTP/1.1', ...lines);
const chunkedPost = post('Transfer-Encoding: chunked');

const both = refused(400, 'http1.content_length_with_transfer_encoding');

/** Transfer-Encoding that one reader takes for chunked and the next does not; corpus/request has forty more. */
const hidden: readonly (readonly [line: string, details: string])[] = [
  ['Transfer-Encoding: chunk', 'http1.transfer_encoding_invalid'],
  ['Transfer-Encoding: chunked-', 'http1.transfer_encoding_invalid'],
  ['Transfer-Encoding: \x85chunked', 'http1.transfer_encoding_invalid'],
  ['Transfer-Encoding: \xa0chunked', 'http1.transfer_encoding_invalid'],
  ['Transfer-Encoding: chunked\x1f', 'http1.header_value_invalid'],
  ['Transfer-Encoding: cow\r\nTransfer-Encoding: chunked', 'http1.transfer_encoding_invalid'],
  ['Transfer-Encoding: chunked\r\nTransfer-encoding: cow', 'http1.transfer_encoding_repeated'],
  ['Transfer-Encoding\r\n: chunked', 'http1.header_name_invalid'],
  ['Transfer-Encoding;: chunked', 'http1.header_name_invalid'],
  ['X: y\r\n\rTransfer-Encoding: chunked', 'http1.bare_cr'],
  ['X: y\rTransfer-Encoding: chunked', 'http1.bare_cr'],
  ['\x00Transfer-Encoding: chunked', 'http1.header_name_invalid'],
  ['Transfer\x2dEncoding\x00: chunked', 'http1.header_name_invalid'],
];

/** Content-Length that one reader sees and the next does not. */
const hiddenLength: readonly (readonly [line: string, details: string])[] = [
  [' Content-Length: 42', 'http1.header_name_invalid'],
  ['Content-Length : 42', 'http1.header_name_invalid'],
  ['Content-Length\x00: 42', 'http1.header_name_invalid'],
  ['Content-Length:\r\n 42', 'http1.content_length_invalid'],
  ['Content-Length: 0\r\n 42', 'http1.header_name_invalid'],
  ['X: y\r\n Content-Length: 42', 'http1.header_name_invalid'],
  ['Content-Length: 0, 42', 'http1.content_length_invalid'],
  ['Content-Length: 0\r\nContent-Length: 42', 'http1.content_length_repeated'],
  ['Content-Length: \xef\xbc\x94\xef\xbc\x92', 'http1.content_length_invalid'],
  ['Content-Length: 42\x00', 'http1.header_value_invalid'],
  ['Content-Length: 0x2a', 'http1.content_length_invalid'],
  ['Content-Length: 4_2', 'http1.content_length_invalid'],
];

/** Ends of chunk lines that one reader takes for the end of the line and the next for part of an extension or of the data. */
const chunkLines: readonly (readonly [name: string, body: string, details: string])[] = [
  ['TERM.EXT: a bare LF in an extension', `2;\nxx\r\n2d\r\nab\r\n0\r\n\r\n${smuggled}`, 'http1.chunk_extension_invalid'],
  ['EXT.TERM: a bare CR in an extension', `2;\rxx\r\nab\r\n0\r\n\r\n`, 'http1.chunk_extension_invalid'],
  ['a LF in an extension value', `2;a=b\nc\r\nab\r\n0\r\n\r\n`, 'http1.chunk_extension_invalid'],
  ['a LF in a quoted extension value', `2;a="\n"\r\nab\r\n0\r\n\r\n`, 'http1.chunk_extension_invalid'],
  ['TERM.SPILL: two other bytes behind the data', `5\r\nAAAAAXX2d\r\nab\r\n0\r\n\r\n`, 'http1.chunk_end_invalid'],
  ['SPILL.TERM: nothing behind the data', `5\r\nAAAAA0\r\n\r\n${smuggled}`, 'http1.chunk_end_invalid'],
  ['ONE.TWO: one LF behind the data', `5\r\nAAAAA\n0\r\n\r\n`, 'http1.chunk_end_invalid'],
  ['TWO.ONE: CR CR LF behind the data', `5\r\nAAAAA\r\r\n0\r\n\r\n`, 'http1.chunk_end_invalid'],
  ['a size that wraps in 32 bits', `100000005\r\nAAAAA\r\n0\r\n\r\n`, ''],
  ['a size that wraps in 64 bits', `10000000000000005\r\nAAAAA\r\n0\r\n\r\n`, 'http1.chunk_size_invalid'],
  ['a size with a sign', `+5\r\nAAAAA\r\n0\r\n\r\n`, 'http1.chunk_size_invalid'],
  ['a size in front of a space', `5 \r\nAAAAA\r\n0\r\n\r\n`, 'http1.chunk_size_invalid'],
  ['a size that begins with 0x', `0x5\r\nAAAAA\r\n0\r\n\r\n`, 'http1.chunk_size_invalid'],
  ['a size with an underscore', `0_5\r\nAAAAA\r\n0\r\n\r\n`, 'http1.chunk_size_invalid'],
  ['a last chunk that ends in LF', `5\r\nAAAAA\r\n0\n\n${smuggled}`, 'http1.chunk_size_invalid'],
];

const trailers: readonly (readonly [name: string, line: string, refusedAs: string])[] = [
  ['Content-Length', 'Content-Length: 40', 'http1.trailer_forbidden'],
  ['Transfer-Encoding', 'Transfer-Encoding: chunked', 'http1.trailer_forbidden'],
  ['Host', 'Host: b.test', 'http1.trailer_forbidden'],
  ['Connection', 'Connection: close', 'http1.trailer_forbidden'],
  ['no header line at all', 'GET /smuggled HTTP/1.1', 'http1.header_name_invalid'],
  ['a folded line', 'X: y\r\n folded', 'http1.header_name_invalid'],
  ['a bare LF', 'X: y\nTransfer-Encoding: chunked', 'http1.bare_lf'],
];
const droppedTrailers = [
  'Authorization: x',
  'X-Forwarded-For: 9.9.9.9',
  'X-Request-Id: forged',
  'Cookie: a=b',
  'Forwarded: for=9.9.9.9',
  'Expect: 100-continue',
  'Upgrade: websocket',
];

const nothingOf = (reached: readonly { readonly start: string }[], path: string): void =>
  assert.ok(!reached.some(({ start }) => start.includes(path)), `${path} is no request`);

export const smuggling: readonly AttackClass[] = [
  {
    name: 'CL.TE and TE.CL: Content-Length beside Transfer-Encoding',
    sources: 'Linhart et al. 2005; Kettle, HTTP Desync Attacks 2019; RFC 9112 §6.1',
    done: 'refused, 400',
    attacks: [
      { name: 'CL.TE', send: `${post('Content-Length: 48', 'Transfer-Encoding: chunked')}0\r\n\r\n${smuggled}`, ...both },
      { name: 'TE.CL', send: `${post('Transfer-Encoding: chunked', 'Content-Length: 4')}2b\r\n${smuggled}\r\n0\r\n\r\n`, ...both },
      { name: 'CL.TE with length 0', send: `${post('Content-Length: 0', 'Transfer-Encoding: chunked')}0\r\n\r\n${smuggled}`, ...both },
      {
        name: 'CL.TE in HTTP/1.0',
        send: `POST /a HTTP/1.0\r\nHost: a.test\r\nContent-Length: 48\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
        ...both,
      },
      {
        name: 'chunks in HTTP/1.0',
        send: `POST /a HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
        ...refused(400, 'http1.transfer_encoding_in_http10'),
      },
    ],
  },
  {
    name: 'TE.TE: Transfer-Encoding in disguise',
    sources: 'Kettle 2019; CVE-2019-16785, CVE-2019-15605, CVE-2022-32213',
    done: 'refused, 400 (501 for a coding that is known and not chunked)',
    attacks: hidden.map(([line, details]) => ({
      name: JSON.stringify(line),
      send: `${post('Content-Length: 4', line)}2b\r\n${smuggled}\r\n0\r\n\r\n`,
      ...refused(400, details),
    })),
  },
  {
    name: '0.CL: Content-Length in disguise',
    sources: 'Kettle, HTTP/1.1 Must Die 2025; CVE-2024-27982, CVE-2023-40225; RFC 9112 §5.1, §5.2',
    done: 'refused, 400',
    attacks: hiddenLength.map(([line, details]) => ({
      name: JSON.stringify(line),
      send: `${head('GET /a HTTP/1.1', line)}${smuggled}`,
      ...refused(400, details),
    })),
  },
  {
    name: 'CL.0: a request in a body',
    sources: 'Kettle, Browser-Powered Desync Attacks 2022',
    done: 'the body stays a body, whatever the method and whoever answers; its length is sent on',
    attacks: [
      {
        name: 'behind POST',
        send: `${post(`Content-Length: ${smuggled.length}`)}${smuggled}GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n`,
        ...reaches('POST /a', 'GET /next'),
        also: ({ reached }) => assert.equal(reached[0].body, smuggled),
      },
      {
        name: 'behind GET',
        send: `${head('GET /a HTTP/1.1', `Content-Length: ${smuggled.length}`)}${smuggled}`,
        ...reaches('GET /a'),
        also: ({ reached }) => assert.equal(reached[0].body, smuggled),
      },
      {
        name: 'in the body of what is answered here',
        send: `${head('POST /admin HTTP/1.1', `Content-Length: ${smuggled.length}`)}${smuggled}GET /next HTTP/1.1\r\nHost: a.test\r\n\r\n`,
        also: ({ reached, statuses }) => {
          nothingOf(reached, '/smuggled');
          nothingOf(reached, '/admin');
          assert.equal(statuses[0], 403);
        },
      },
      {
        name: 'a name as long as an integer overflow needs (CVE-2021-40346)',
        send: `${post(`Content-Length0${'a'.repeat(255)}:`, `Content-Length: ${smuggled.length}`)}${smuggled}`,
        ...reaches('POST /a'),
        also: ({ reached }) => assert.equal(reached[0].body, smuggled),
      },
    ],
  },
  {
    name: 'Chunk framing that readers end in different places',
    sources: 'Weikop, Funky Chunks 2025; CVE-2021-22960, CVE-2024-22019, CVE-2013-2028; RFC 9112 §7.1',
    done: 'refused, 400: CRLF only, 15 digits, extensions by the grammar; what is sent on is framed anew, without extensions',
    attacks: [
      ...chunkLines.map(([name, body, details]): Attack => ({
        name,
        send: `${chunkedPost}${body}`,
        also: (outcome) => {
          nothingOf(outcome.reached, '/smuggled');
          assert.ok(
            outcome.reached.every(({ complete }) => !complete),
            'nothing whole reaches the backend',
          );
          if (details !== '') assert.deepEqual(outcome.details, [details]);
        },
      })),
      {
        name: 'an extension by the grammar is dropped',
        send: `${chunkedPost}2;a="\\"x";b\r\nab\r\n0\r\n\r\n`,
        ...reaches('POST /a'),
        also: ({ reached }) => assert.equal(reached[0].body, 'ab'),
      },
      {
        name: 'extensions without end',
        send: `${chunkedPost}2;${'a=b;'.repeat(2000)}\r\nab\r\n0\r\n\r\n`,
        also: (outcome) => {
          assert.deepEqual(outcome.details, ['http1.chunk_extension_too_large']);
          assert.ok(outcome.reached.every(({ complete }) => !complete));
        },
      },
    ],
  },
  {
    name: 'Trailers that would be headers',
    sources: 'RFC 9110 §6.5.1; trailer merging (2025)',
    done: 'framing and Host refused, 400; authentication, routing and forwarding fields dropped',
    attacks: [
      ...trailers.map(([name, line, details]): Attack => ({
        name,
        send: `${chunkedPost}2\r\nab\r\n0\r\n${line}\r\n\r\n${smuggled}`,
        also: (outcome) => {
          nothingOf(outcome.reached, '/smuggled');
          assert.ok(
            outcome.reached.every(({ complete }) => !complete),
            'nothing whole reaches the backend',
          );
          assert.deepEqual(outcome.details, [details]);
        },
      })),
      ...droppedTrailers.map((line): Attack => ({
        name: `${line} is dropped`,
        send: `${chunkedPost}2\r\nab\r\n0\r\n${line}\r\nX-Sum: 1\r\n\r\n`,
        ...reaches('POST /a'),
        also: ({ reached }) => assert.deepEqual(reached[0].trailers, [['X-Sum', '1']]),
      })),
    ],
  },
  {
    name: 'Expect in disguise',
    sources: 'Kettle, HTTP/1.1 Must Die 2025; RFC 9110 §10.1.1',
    done: '100-continue is answered here and not sent on; anything else is refused, 417; in HTTP/1.0 it is dropped',
    attacks: [
      ...['y 100-continue', '100-continue, 100-continue', '100-continue\t;', '\x0b100-continue'].map((value): Attack => ({
        name: JSON.stringify(value),
        send: `${head('GET /a HTTP/1.1', `Expect: ${value}`, `Content-Length: ${smuggled.length}`)}${smuggled}`,
        ...(value.startsWith('\x0b') ? refused(400, 'http1.header_value_invalid') : refused(417, 'http1.expectation_unknown')),
      })),
      {
        name: '100-continue with a body that looks like a request',
        send: `${head('GET /a HTTP/1.1', 'Expect: 100-continue', `Content-Length: ${smuggled.length}`)}${smuggled}`,
        ...reaches('GET /a'),
        also: ({ reached }) => {
          assert.equal(reached[0].body, smuggled);
          assert.equal(header(reached[0], 'expect'), null);
        },
      },
      {
        name: 'HTTP/1.0',
        send: `POST /a HTTP/1.0\r\nHost: a.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab`,
        ...reaches('POST /a'),
        also: ({ reached, statuses }) => {
          assert.equal(header(reached[0], 'expect'), null);
          assert.deepEqual(statuses, [200]);
        },
      },
    ],
  },
  {
    name: 'Upgrades that hide requests',
    sources: 'Bishop Fox, h2c smuggling 2020; 0ang3el, WebSocket smuggling 2019; RFC 9110 §7.8',
    done: 'h2c and HTTP2-Settings are dropped; a tunnel begins with 101 from the backend alone, else the connection ends',
    attacks: [
      {
        name: 'h2c',
        send: `${head('GET /a HTTP/1.1', 'Connection: Upgrade, HTTP2-Settings', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA')}${smuggled}`,
        ...reaches('GET /a'),
        also: ({ reached }) => {
          for (const name of ['upgrade', 'http2-settings', 'connection']) assert.equal(header(reached[0], name), null, name);
        },
      },
      {
        name: 'a websocket that the backend refuses',
        send: `${head('GET /a HTTP/1.1', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 1337', 'Sec-WebSocket-Key: x')}${smuggled}`,
        ...reaches('GET /a'),
        also: ({ statuses }) => assert.deepEqual(statuses, [200]),
      },
    ],
  },
  {
    name: 'The first request of a connection speaks for the rest',
    sources: 'Kettle, Browser-Powered Desync Attacks 2022 (connection state); RFC 9112 §9.3',
    done: 'each request is routed by its own Host and target',
    attacks: [
      {
        name: 'another host behind a good one',
        send: `${head('GET /a HTTP/1.1')}GET /a HTTP/1.1\r\nHost: internal\r\n\r\n${head('GET /admin HTTP/1.1')}`,
        ...reaches('GET /a'),
        also: ({ statuses }) => assert.deepEqual(statuses, [200, 404, 403]),
      },
    ],
  },
  {
    name: 'Line ends and start lines that readers split differently',
    sources: 'Kallus, HTTP Garden 2024; T-Reqs 2021; CVE-2022-32214, CVE-2023-30589; RFC 9112 §2.2',
    done: 'refused, 400 or 505: CRLF only, no folding, one space, version 1.0 or 1.1',
    attacks: [
      ...(
        [
          ['a head that ends in CR CR', 'GET /a HTTP/1.1\r\nHost: a.test\r\n\r\r', 'http1.bare_cr'],
          ['LF only', 'GET /a HTTP/1.1\nHost: a.test\n\n', 'http1.request_line_invalid'],
          ['a tab behind the method', 'GET\t/a HTTP/1.1\r\nHost: a.test\r\n\r\n', 'http1.request_line_invalid'],
          ['two targets', 'GET /a /admin HTTP/1.1\r\nHost: a.test\r\n\r\n', 'http1.version_invalid'],
          ['a version with more behind it', 'GET /a HTTP/1.1 x\r\nHost: a.test\r\n\r\n', 'http1.request_line_invalid'],
          ['a form feed in the line', 'GET /a\x0cHTTP/1.1\r\nHost: a.test\r\n\r\n', 'http1.target_invalid'],
          ['a NUL in the method', 'GE\x00T /a HTTP/1.1\r\nHost: a.test\r\n\r\n', 'http1.request_line_invalid'],
        ] as const
      ).map(([name, send, details]): Attack => ({ name, send: `${send}${smuggled}`, ...refused(400, details) })),
      {
        name: 'HTTP/0.9 behind a good request',
        send: `${head('GET /a HTTP/1.1')}GET /smuggled\r\n`,
        ...reaches('GET /a'),
        also: ({ statuses }) => assert.deepEqual(statuses, [200, 400]),
      },
      { name: 'HTTP/3', send: `GET /a HTTP/3.0\r\nHost: a.test\r\n\r\n${smuggled}`, ...refused(505, 'http1.version_unsupported') },
    ],
  },
];
