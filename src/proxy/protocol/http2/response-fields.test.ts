import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ResponseHead } from '../http1/head.ts';
import { fieldsObject, replyFields, responseFields } from './response-fields.ts';
import { readTrailers } from './trailer-lines.ts';
import { isExtendedConnect, webSocketHandshake } from './websocket.ts';

function headOf(lines: string): ResponseHead {
  const bytes = Buffer.from(`HTTP/1.1 200 OK\r\n${lines}\r\n`, 'latin1');
  const head = new ResponseHead({ maxHeadBytes: 8192, maxHeaders: 50, maxTargetBytes: 0 });
  head.reset('GET');
  assert.ok(head.parse(bytes, 0, bytes.length) > 0);
  return head;
}

describe('response fields', () => {
  it('are lower case, in order, and without what belongs to a connection', () => {
    const head = headOf(
      'X-A: 1\r\nConnection: x-gone, keep-alive\r\nx-gone: 1\r\nKeep-Alive: timeout=5\r\nX-A: 2\r\ncontent-length: 0\r\n',
    );
    head.add('Upgrade', 'h2c');
    head.add('TE', 'trailers');
    head.add('X-Added', 'yes');
    const out = ['left', 'over'];
    responseFields(head, 200, out);
    assert.deepEqual(out, [':status', '200', 'x-a', '1', 'x-a', '2', 'content-length', '0', 'x-added', 'yes']);
  });

  it('as an object keep lines of one name apart', () => {
    assert.deepEqual(fieldsObject(headOf('Link: a\r\nlink: b\r\nLINK: c\r\nx: y\r\ncontent-length: 0\r\n'), 103), {
      ':status': 103,
      link: ['a', 'b', 'c'],
      x: 'y',
      'content-length': '0',
    });
  });

  it('of our own replies have the length of their body and nothing that breaks a message', () => {
    const out: string[] = [];
    const headers = [
      ['Location', '/x'],
      ['Connection', 'Upgrade'],
      ['Content-Length', '77'],
      ['x-bad', 'a\r\nb'],
      ['x bad', 'a'],
    ] as const;
    replyFields({ status: 301, headers, body: Buffer.from('moved') }, 'X-Line: v: w\r\nkeep-alive: 1\r\n', out);
    assert.deepEqual(out, [':status', '301', 'location', '/x', 'x-line', 'v: w', 'content-length', '5']);
    const text = [
      ['x-a', '\u010daj'],
      ['x-b', 'a\u0001b'],
    ] as const;
    replyFields({ status: 200, headers: text, body: Buffer.alloc(0) }, '', out);
    assert.deepEqual(out, [':status', '200', 'x-a', '\u00c4\u008daj', 'content-length', '0'], 'UTF-8, and no control characters');
    replyFields({ status: 304, headers: [], body: Buffer.alloc(0) }, '', out);
    assert.deepEqual(out, [':status', '304']);
  });
});

describe('trailers of a request', () => {
  it('are read by the rules of HTTP/1.1', () => {
    const trailers = readTrailers(['x-sum', '7', 'authorization', 'Basic x'], 1000);
    assert.deepEqual(trailers?.entries(), [['x-sum', '7']]);
  });
  for (const [name, fields] of [
    ['framing', ['content-length', '3']],
    ['CR LF', ['x', 'a\r\ny: b']],
    ['too many bytes', ['x', 'a'.repeat(1000)]],
  ] as const)
    it(`with ${name} are refused`, () => assert.equal(readTrailers(fields, 1000), null));
});

describe('WebSocket', () => {
  it('is an extended CONNECT', () => {
    assert.equal(isExtendedConnect([':method', 'CONNECT', ':protocol', 'websocket']), true);
    assert.equal(isExtendedConnect([':method', 'CONNECT', ':authority', 'a', 'x', 'y']), false);
    assert.equal(isExtendedConnect([':method', 'GET', 'x', 'y', ':protocol', 'websocket']), false);
  });
  it('gets another key each time', () => {
    const one = webSocketHandshake();
    assert.equal(Buffer.from(one.key, 'base64').length, 16);
    assert.equal(one.accept.length, 28);
    assert.notEqual(one.key, webSocketHandshake().key);
  });
});
