import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { writeDecimal } from '../../../base/decimal.ts';
import { copyBytes, dateHeader, statusLine, writeAscii, writeHex } from './encode.ts';

describe('encode', () => {
  for (const value of [0, 7, 10, 99, 100, 65_535, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    it(`writes ${value} in decimal and hexadecimal`, () => {
      const out = Buffer.alloc(20);
      assert.equal(out.toString('latin1', 1, writeDecimal(out, 1, value)), String(value));
      assert.equal(out.toString('latin1', 2, writeHex(out, 2, value)), value.toString(16));
    });
  }

  for (const length of [0, 1, 24, 25, 32, 33, 500]) {
    it(`writes and copies ${length} bytes`, () => {
      const text = 'é'.repeat(length);
      const out = Buffer.alloc(600);
      assert.equal(writeAscii(out, 3, text), 3 + length);
      assert.equal(out.toString('latin1', 3, 3 + length), text);
      const copy = Buffer.alloc(600);
      assert.equal(copyBytes(out, 3, 3 + length, copy, 5), 5 + length);
      assert.equal(copy.toString('latin1', 5, 5 + length), text);
    });
  }

  it('makes status lines, also for statuses without a phrase', () => {
    assert.equal(statusLine(404).toString(), 'HTTP/1.1 404 Not Found\r\n');
    assert.equal(statusLine(799).toString(), 'HTTP/1.1 799 \r\n');
    assert.equal(statusLine(404), statusLine(404));
  });

  it('formats the date once a second', () => {
    assert.equal(dateHeader(784_111_777_999).toString(), 'date: Sun, 06 Nov 1994 08:49:37 GMT\r\n');
    assert.equal(dateHeader(784_111_778_000).toString(), 'date: Sun, 06 Nov 1994 08:49:38 GMT\r\n');
  });
});
