import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { looksLike } from './detect.ts';

const rows: readonly (readonly [bytes: string, expected: ReturnType<typeof looksLike>])[] = [
  ['', 'need-more'],
  ['\x16', 'need-more'],
  ['\x16\x03', 'need-more'],
  ['\x16\x03\x01', 'tls'],
  ['\x16\x02', 'other'],
  ['\x16\x03\x07', 'other'],
  ['P', 'need-more'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r', 'need-more'],
  ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0', 'http2-preface'],
  // The decoder of HTTP/1 refuses it.
  ['PRI * HTTP/2.0\r\n\r\nXX', 'http1'],
  ['POST /', 'need-more'],
  ['GET / HTTP/1.1\r\n', 'http1'],
  ['GET / HTTP/1.1\n', 'http1'],
  ['\r\nGET / HTTP/1.1\r\n', 'http1'],
  ['\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n', 'http1'],
  ['\r\n\r\n\r\n\r\n\r\n', 'other'],
  ['get /  HTTP/1.1 \r\n', 'http1'],
  ['M-SEARCH * HTTP/1.1\r\n', 'http1'],
  ['GET / HTTP/1.1', 'need-more'],
  [`GET /${'a'.repeat(8000)}`, 'need-more'],
  [`GET /${'a'.repeat(9000)}`, 'http1'],
  [`GET /${'a'.repeat(9000)}\r\n`, 'http1'],
  [`GET /${'a'.repeat(7000)} HTTP/1.1\r\n`, 'http1'],
  // Inline command of Redis, SMTP, SSH, HTTP/0.9, an answer instead of a request.
  ['GET key\r\n', 'other'],
  ['EHLO a.example\r\n', 'other'],
  ['SSH-2.0-OpenSSH_9.9\r\n', 'other'],
  ['GET /\r\n', 'other'],
  ['HTTP/1.1 200 OK\r\n', 'other'],
  ['A'.repeat(65), 'other'],
  ['\0\0\0\x01', 'other'],
  [' GET / HTTP/1.1\r\n', 'other'],
];

describe('what a connection looks like', () => {
  for (const [text, expected] of rows) {
    it(`${JSON.stringify(text.length > 50 ? `${text.slice(0, 20)}… (${text.length})` : text)}: ${expected}`, () => {
      const bytes = Buffer.from(`##${text}##`, 'latin1');
      assert.equal(looksLike(bytes, 2, bytes.length - 2), expected);
      // Said once, it holds however the bytes came.
      let first: string = 'need-more';
      for (let i = 1; i <= text.length && first === 'need-more'; i++) first = looksLike(bytes, 2, 2 + i);
      assert.equal(first, expected);
    });
  }
});
