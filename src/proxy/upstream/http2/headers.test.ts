import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ResponseHead } from '../../protocol/http1/head.ts';
import { Trailers } from '../../protocol/http1/trailers.ts';
import { responseLimits } from '../try.ts';
import { responseBytes, trailerBytes } from './headers.ts';

function textOf(bytes: ReturnType<typeof responseBytes>): string {
  assert.ok(bytes !== null);
  return bytes.buffer.toString('latin1', 0, bytes.length);
}

describe('heads of HTTP/2 as bytes of HTTP/1.1', () => {
  it('leave out pseudo-header fields and keep the order of all others', () => {
    const raw = [':status', '200', 'set-cookie', 'a=1', 'x-a', '', 'set-cookie', 'b=2'];
    assert.equal(
      textOf(responseBytes(raw, 200, 'extra: 1\r\n')),
      'HTTP/1.1 200 \r\nset-cookie: a=1\r\nx-a: \r\nset-cookie: b=2\r\nextra: 1\r\n\r\n',
    );
  });

  it('are read by the parser of HTTP/1.1, which has the last word', () => {
    const rows: readonly (readonly [raw: string[], status: number, error: string, lines?: number])[] = [
      [['content-length', '5'], 200, ''],
      [['content-length', '5', 'content-length', '5'], 200, 'http1.content_length_repeated'],
      [['content-length', '5', 'transfer-encoding', 'chunked'], 200, 'http1.content_length_with_transfer_encoding'],
      // More lines than fields: refused by their number.
      [['x-a', 'b\r\nx-evil: 1'], 200, '', 2],
      [['x a', 'b'], 200, 'http1.header_name_invalid'],
      [[], 99, 'http1.status_line_invalid'],
    ];
    for (const [raw, status, error, lines = raw.length / 2] of rows) {
      const head = new ResponseHead(responseLimits);
      head.reset('GET');
      const bytes = responseBytes(raw, status, '');
      assert.ok(bytes !== null);
      const used = head.parse(bytes.buffer, 0, bytes.length);
      assert.deepEqual([used > 0, head.error], [error === '', error], raw.join(' '));
      if (used > 0) assert.deepEqual([head.count, bytes.lines], [lines, raw.length / 2]);
    }
  });

  it('grow with what they hold, up to a bound', () => {
    const large = responseBytes(['x-a', 'v'.repeat(60_000)], 200, '');
    assert.equal(large?.length, 60_000 + 'HTTP/1.1 200 \r\nx-a: \r\n\r\n'.length);
    assert.equal(responseBytes(['x-a', 'v'.repeat(200_000)], 200, ''), null);
    assert.equal(trailerBytes(['x-a', 'v'.repeat(200_000)]), null);
  });

  it('of trailers are in bytes of their own', () => {
    const read = (raw: readonly string[]): Trailers => {
      const bytes = trailerBytes(raw);
      assert.ok(bytes !== null);
      const trailers = new Trailers(10, 1000);
      trailers.reset();
      assert.equal(trailers.parse(bytes, bytes.length), bytes.length);
      return trailers;
    };
    const first = read(['grpc-status', '0', 'x-a', '1', 'x-a', '2', 'set-cookie', 'no=1']);
    const second = read(['grpc-status', '7']);
    assert.deepEqual([first.get('grpc-status'), second.get('grpc-status')], ['0', '7']);
    assert.equal(first.get('x-a'), '1, 2');
  });
});
