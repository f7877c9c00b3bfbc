import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ChunkedDecoder, LAST_CHUNK, defaultChunkLimits, writeChunkHeader, writeLastChunk } from './chunked.ts';

interface Decoded {
  body: string;
  rest: string;
  done: boolean;
  error: string;
  trailers: [string, string][];
}

function decode(text: string, step: number): Decoded {
  const decoder = new ChunkedDecoder();
  decoder.reset();
  const all = Buffer.from(text, 'latin1');
  let body = '';
  let at = 0;
  while (at < all.length && !decoder.done && !decoder.failed) {
    const piece = Buffer.from(all.subarray(at, at + step));
    let pos = 0;
    while (pos < piece.length && !decoder.done && !decoder.failed) {
      pos = decoder.decode(piece, pos, piece.length);
      body += piece.toString('latin1', decoder.dataStart, decoder.dataEnd);
    }
    at += pos;
  }
  const trailers = decoder.trailers?.entries() ?? [];
  return { body, rest: text.slice(at), done: decoder.done, error: decoder.error, trailers };
}

describe('chunked bodies', () => {
  const good: [name: string, text: string, body: string, trailers?: [string, string][]][] = [
    ['empty', '0\r\n\r\n', ''],
    ['two chunks', '3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n', 'abc0123456789'],
    ['CRLF in the data', '4\r\n\r\n\r\n\r\n0\r\n\r\n', '\r\n\r\n'],
    ['leading zeros', '003\r\nabc\r\n000\r\n\r\n', 'abc'],
    ['upper and lower case digits', `0aA\r\n${'x'.repeat(170)}\r\n0\r\n\r\n`, 'x'.repeat(170)],
    ['extensions', '3;a;b=c;d="e;\\"\r"\r\nabc\r\n0;z\r\n\r\n'.replace('\r"', '"'), 'abc'],
    [
      'trailers',
      '0\r\nX-Sum: 1\r\ny: 2 \r\n\r\n',
      '',
      [
        ['X-Sum', '1'],
        ['y', '2'],
      ],
    ],
    [
      'forbidden trailers dropped',
      '0\r\nAuthorization: x\r\nX-Forwarded-For: 1\r\nTE: a\r\nok: 1\r\nContent-Type: a\r\n\r\n',
      '',
      [['ok', '1']],
    ],
  ];
  for (const [name, text, body, trailers] of good) {
    for (const step of [1, 2, 3, 7, 10_000]) {
      it(`${name}, ${step} bytes at a time`, () => {
        assert.deepEqual(decode(`${text}rest`, step), { body, rest: 'rest', done: true, error: '', trailers: trailers ?? [] });
      });
    }
  }

  const bad: [name: string, text: string][] = [
    ['no size', '\r\nabc'],
    ['bare LF after the size', '3\nabc\r\n0\r\n\r\n'],
    ['CR without LF after the size', '3\rabc'],
    ['LF after the data', '3\r\nabc\n0\r\n\r\n'],
    ['data longer than its size', '3\r\nabcd\r\n0\r\n\r\n'],
    ['data shorter than its size', '4\r\nabc\r\n0\r\n\r\n'],
    ['0x prefix', '0x3\r\nabc\r\n'],
    ['minus', '-1\r\n'],
    ['plus', '+1\r\n'],
    ['underscore', '1_0\r\n'],
    ['space before the size', ' 3\r\nabc\r\n'],
    ['space after the size', '3 \r\nabc\r\n'],
    ['tab after the size', '3\t\r\nabc\r\n'],
    ['sixteen digits', '0000000000000003\r\nabc\r\n'],
    ['above 2^53', '20000000000001\r\n'],
    ['bare LF in an extension', '3;a\nabc\r\n0\r\n\r\n'],
    ['CR in an extension', '3;a\rb\r\n'],
    ['empty extension', '3;\r\nabc\r\n'],
    ['extension without value', '3;a=\r\nabc\r\n'],
    ['LF in a quoted extension', '3;a="\n"\r\nabc\r\n'],
    ['bytes after a quoted extension', '3;a="b"c\r\nabc\r\n'],
    ['extensions beyond the bound', `3;${'a'.repeat(defaultChunkLimits.maxExtensionBytes + 1)}\r\nabc\r\n`],
    ['extensions beyond the bound over many chunks', `1;${'a'.repeat(1000)}\r\nx\r\n`.repeat(5)],
    ['bare LF as last line', '0\r\n\n'],
    ['Content-Length in the trailers', '0\r\nContent-Length: 5\r\n\r\n'],
    ['Transfer-Encoding in the trailers', '0\r\nTransfer-Encoding: chunked\r\n\r\n'],
    ['Host in the trailers', '0\r\nHost: a\r\n\r\n'],
    ['folded trailer', '0\r\nX: a\r\n b\r\n\r\n'],
    ['trailers too large', `0\r\nX: ${'y'.repeat(defaultChunkLimits.maxTrailerBytes)}\r\n\r\n`],
    ['too many trailers', `0\r\n${'X: y\r\n'.repeat(33)}\r\n`],
  ];
  for (const [name, text] of bad) {
    for (const step of [1, 5, 100_000]) {
      it(`refuses ${name}, ${step} bytes at a time`, () => {
        const decoded = decode(text, step);
        assert.equal(decoded.done, false);
        assert.match(decoded.error, /^http1\./);
      });
    }
  }

  it('waits for more', () => {
    for (const text of ['', '3', '3\r', '3\r\n', '3\r\nab', '3\r\nabc', '3\r\nabc\r\n0\r\n', '0\r\nX: y\r\n']) {
      const { done, error } = decode(text, 100);
      assert.deepEqual([done, error], [false, ''], JSON.stringify(text));
    }
  });
});

describe('chunk encoding', () => {
  for (const size of [1, 9, 10, 15, 16, 255, 4096, 65_537, 2 ** 40, Number.MAX_SAFE_INTEGER]) {
    it(`writes the size ${size}`, () => {
      const out = Buffer.alloc(16);
      assert.equal(out.toString('latin1', 0, writeChunkHeader(out, 0, size)), `${size.toString(16)}\r\n`);
    });
  }

  it('writes the end with trailers that decode again', () => {
    const decoder = new ChunkedDecoder();
    const body = Buffer.from('0\r\nA: 1\r\nCookie: no\r\nB: 2\r\n\r\n');
    assert.equal(decoder.decode(body, 0, body.length), body.length);
    assert.equal(decoder.trailerBytes?.toString(), 'A: 1\r\nB: 2\r\n');
    const out = Buffer.alloc(100);
    const end = writeLastChunk(out, 0, decoder.trailers);
    assert.equal(out.toString('latin1', 0, end), '0\r\nA: 1\r\nB: 2\r\n\r\n');
    assert.equal(out.toString('latin1', 0, writeLastChunk(out, 0, null)), LAST_CHUNK.toString('latin1'));
    assert.equal(writeLastChunk(Buffer.alloc(4), 0, null), -1);
  });
});
