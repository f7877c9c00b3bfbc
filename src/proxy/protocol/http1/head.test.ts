import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RequestHead, ResponseHead } from './head.ts';

const limits = { maxHeadBytes: 2048, maxHeaders: 8, maxTargetBytes: 64 };

function request(text: string): RequestHead & { result: number } {
  const head = new RequestHead(limits);
  const buf = Buffer.from(text, 'latin1');
  head.reset();
  return Object.assign(head, { result: head.parse(buf, 0, buf.length) });
}

function response(text: string, method = 'GET'): ResponseHead & { result: number } {
  const head = new ResponseHead(limits);
  const buf = Buffer.from(text, 'latin1');
  head.reset(method);
  return Object.assign(head, { result: head.parse(buf, 0, buf.length) });
}

function written(head: RequestHead | ResponseHead): string {
  const out = Buffer.alloc(4096);
  const end = head.writeHeaders(out, 0);
  assert.ok(end >= 0 && end <= head.headersLength);
  return out.toString('latin1', 0, end);
}

const get = (...lines: string[]): string => ['GET / HTTP/1.1', 'Host: a', ...lines, '', ''].join('\r\n');
const ok = (...lines: string[]): string => ['HTTP/1.1 200 OK', ...lines, '', ''].join('\r\n');

describe('request heads that are refused', () => {
  const rows: [name: string, text: string, status: number][] = [
    ['bare LF after the request line', 'GET / HTTP/1.1\nHost: a\r\n\r\n', -400],
    ['bare LF after a header', 'GET / HTTP/1.1\r\nHost: a\n\r\n', -400],
    ['bare LF as blank line', 'GET / HTTP/1.1\r\nHost: a\r\n\n', -400],
    ['bare CR in a value', get('X: a\rb'), -400],
    ['folded line', get('X: a', ' b'), -400],
    ['folded first line', 'GET / HTTP/1.1\r\n Host: a\r\n\r\n', -400],
    ['space before the colon', get('Content-Length : 5'), -400],
    ['tab before the colon', get('Content-Length\t: 5'), -400],
    ['empty name', get(': x'), -400],
    ['no colon', get('abc'), -400],
    ['NUL in a value', get('X: a\0b'), -400],
    ['DEL in a value', get('X: a\x7fb'), -400],
    ['obs-text in a name', get('X\xe9: a'), -400],
    ['Content-Length twice, the same', get('Content-Length: 5', 'Content-Length: 5'), -400],
    ['Content-Length list', get('Content-Length: 5, 5'), -400],
    ['Content-Length with a sign', get('Content-Length: +5'), -400],
    ['Content-Length negative', get('Content-Length: -5'), -400],
    ['Content-Length hexadecimal', get('Content-Length: 0x5'), -400],
    ['Content-Length empty', get('Content-Length:'), -400],
    ['Content-Length above 2^53', get('Content-Length: 9007199254740993'), -400],
    ['Content-Length too long', get('Content-Length: 00000000000000005'), -400],
    ['Transfer-Encoding and Content-Length', get('Transfer-Encoding: chunked', 'Content-Length: 5'), -400],
    ['Transfer-Encoding twice', get('Transfer-Encoding: chunked', 'Transfer-Encoding: chunked'), -400],
    ['Transfer-Encoding identity', get('Transfer-Encoding: identity'), -400],
    ['Transfer-Encoding with vertical tab', get('Transfer-Encoding: \x0bchunked'), -400],
    ['Transfer-Encoding chunked not last', get('Transfer-Encoding: chunked, gzip'), -400],
    ['Transfer-Encoding with a tab behind', get('Transfer-Encoding: chunked \t'), -400],
    ['Transfer-Encoding xchunked', get('Transfer-Encoding: xchunked'), -400],
    ['Transfer-Encoding gzip, chunked', get('Transfer-Encoding: gzip, chunked'), -501],
    ['Transfer-Encoding in HTTP/1.0', 'GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n', -400],
    ['Host twice', get('Host: b'), -400],
    ['Host empty', 'GET / HTTP/1.1\r\nHost: \r\n\r\n', -400],
    ['Host missing', 'GET / HTTP/1.1\r\nX: y\r\n\r\n', -400],
    ['Host with userinfo', 'GET / HTTP/1.1\r\nHost: u@a\r\n\r\n', -400],
    ['Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', -400],
    ['Host with a space', 'GET / HTTP/1.1\r\nHost: a b\r\n\r\n', -400],
    ['Connection names Content-Length', get('Connection: close, content-length'), -400],
    ['Connection names Host', get('Connection: Host'), -400],
    ['Connection is no list of tokens', get('Connection: close; x'), -400],
    ['too many connection options', get(`Connection: ${Array(17).fill('x').join()}`), -400],
    ['HTTP/0.9', 'GET /\r\n\r\n', -400],
    ['HTTP/1.2', 'GET / HTTP/1.2\r\nHost: a\r\n\r\n', -505],
    ['HTTP/2.0', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n', -505],
    ['lower-case version', 'GET / http/1.1\r\nHost: a\r\n\r\n', -400],
    ['two spaces in the request line', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n', -400],
    ['space behind the version', 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n', -400],
    ['tab in the request line', 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n', -400],
    ['fragment in the target', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n', -400],
    ['unknown method', 'FOO / HTTP/1.1\r\nHost: a\r\n\r\n', -501],
    ['lower-case method', 'get / HTTP/1.1\r\nHost: a\r\n\r\n', -501],
    ['very long method', `${'A'.repeat(40)} / HTTP/1.1\r\nHost: a\r\n\r\n`, -501],
    ['bare LF before the request line', '\nGET / HTTP/1.1\r\nHost: a\r\n\r\n', -400],
    ['too many empty lines before', `${'\r\n'.repeat(5)}GET / HTTP/1.1\r\nHost: a\r\n\r\n`, -400],
    ['target too long', `GET /${'a'.repeat(64)} HTTP/1.1\r\nHost: a\r\n\r\n`, -414],
    ['target too long and not whole', `GET /${'a'.repeat(200)}`, -414],
    ['too many headers', get(...Array(8).fill('X: y')), -431],
    ['head too large', get(`X: ${'y'.repeat(2048)}`), -431],
    ['head too large and not whole', `GET / HTTP/1.1\r\nX: ${'y'.repeat(2048)}`, -431],
    ['CONNECT with a body', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n', -400],
    ['TLS hello', '\x16\x03\x01\x02\x00', -400],
  ];
  for (const [name, text, status] of rows) {
    it(name, () => {
      const head = request(text);
      assert.equal(head.result, status, head.error);
      assert.match(head.error, /^http1\.[a-z0-9_]+$/);
    });
  }
});

describe('request heads that are accepted', () => {
  it('reads start line, headers and framing', () => {
    const text = '\r\nPOST /a?b=1 HTTP/1.1\r\nHost: A.example:80\r\nX-Y:  v w\t \r\nContent-Length: 12\r\n\r\nbody';
    const head = request(text);
    assert.equal(head.result, text.length - 4);
    assert.equal(head.headEnd, text.length - 4);
    assert.deepEqual([head.method, head.target, head.host, head.minor], ['POST', '/a?b=1', 'A.example:80', 1]);
    assert.deepEqual([head.bodyKind, head.contentLength, head.keepAlive], ['length', 12, true]);
    assert.equal(head.get('x-y'), 'v w');
    assert.equal(head.get('x-z'), null);
  });

  const connection: [name: string, text: string, keepAlive: boolean, close: boolean][] = [
    ['1.1 without Connection', get(), true, false],
    ['1.1 close', get('Connection: close'), false, true],
    ['1.1 CLOSE in a list', get('Connection: x-a,  CLOSE ,'), false, true],
    ['1.1 close beats keep-alive', get('Connection: close', 'Connection: keep-alive'), false, true],
    ['1.1 that offers an upgrade', get('Connection: upgrade', 'Upgrade: h2c'), false, false],
    ['1.0 without Connection', 'GET / HTTP/1.0\r\n\r\n', false, false],
    ['1.0 keep-alive', 'GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n', true, false],
  ];
  for (const [name, text, keepAlive, close] of connection) {
    it(`keeps the connection or not: ${name}`, () => {
      const head = request(text);
      assert.ok(head.result > 0, head.error);
      assert.deepEqual([head.keepAlive, head.close], [keepAlive, close]);
    });
  }

  it('drops what concerns the connection only, and what Connection names', () => {
    const head = request(
      get(
        'A: 1',
        'Connection: x-hop, Upgrade, authorization',
        'X-Hop: gone',
        'Upgrade: WebSocket',
        'Authorization: Basic eA==',
        'TE: trailers',
        'Z_z: 1',
      ),
    );
    assert.ok(head.result > 0, head.error);
    assert.equal(written(head), 'Host: a\r\nA: 1\r\nAuthorization: Basic eA==\r\nZ_z: 1\r\n');
    assert.equal(head.upgrade, 'websocket');
    assert.equal(head.trailersAllowed, true);
    assert.equal(head.hasUnderscore, true);
    assert.equal(head.get('x-hop'), null);
    assert.equal(head.received('x-hop'), 'gone');
    assert.equal(head.received('x-other'), null);
    head.dropUnderscored();
    assert.equal(written(head), 'Host: a\r\nA: 1\r\nAuthorization: Basic eA==\r\n');
  });

  it('ignores Upgrade and Expect of HTTP/1.0', () => {
    const head = request('GET / HTTP/1.0\r\nConnection: upgrade\r\nUpgrade: websocket\r\nExpect: 100-continue\r\n\r\n');
    assert.ok(head.result > 0, head.error);
    assert.deepEqual([head.upgrade, head.expectContinue], ['', false]);
  });

  it('refuses an expectation that nobody can meet', () => {
    for (const value of ['200-ok', 'y 100-continue', '100-continue, 100-continue', '100-continue;a', '']) {
      const head = request(get(`Expect: ${value}`));
      assert.deepEqual([head.result, head.error], [-417, 'http1.expectation_unknown'], value);
    }
    const old = request('GET / HTTP/1.0\r\nExpect: x\r\nA: 1\r\n\r\n');
    assert.equal(written(old), 'A: 1\r\n', 'means nothing in HTTP/1.0, and goes no further');
  });

  it('sees Expect: 100-continue and chunks', () => {
    const head = request(get('Expect: 100-Continue', 'Transfer-Encoding: Chunked', 'Trailer: x'));
    assert.deepEqual([head.expectContinue, head.chunked, head.bodyKind], [true, true, 'chunked']);
    assert.equal(written(head), 'Host: a\r\nExpect: 100-Continue\r\nTrailer: x\r\n');
  });

  it('reads a head byte by byte, each time in another buffer', () => {
    const text = '\r\nPUT /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nX: y\r\n\r\n';
    const head = new RequestHead(limits);
    head.reset();
    for (let n = 0; n < text.length; n++) {
      const buf = Buffer.from('#'.repeat(n % 7) + text.slice(0, n) + '\n\n', 'latin1');
      assert.equal(head.parse(buf, n % 7, (n % 7) + n), 0, `after ${n} bytes: ${head.error}`);
    }
    const buf = Buffer.from(`###${text}`);
    assert.equal(head.parse(buf, 3, buf.length), text.length);
    assert.deepEqual([head.method, head.target, head.contentLength, head.get('x')], ['PUT', '/x', 3, 'y']);
  });

  it('reads a long line that trickles in once only', () => {
    const big = { maxHeadBytes: 1 << 20, maxHeaders: 8, maxTargetBytes: 64 };
    const text = Buffer.from(get(`X: ${'y'.repeat(60_000)}`));
    const head = new RequestHead(big);
    head.reset();
    let reads = 0;
    const counting = new Proxy(text, {
      get(target, key) {
        if (typeof key === 'string' && key !== 'length') reads++;
        return Reflect.get(target, key, target);
      },
    });
    for (let n = 1; n < text.length; n += 100) assert.equal(head.parse(counting, 0, n), 0);
    assert.ok(reads < 4 * text.length, `${reads} reads of ${text.length} bytes`);
  });

  it('survives the reuse of the buffer after keep()', () => {
    const buf = Buffer.from(get('X: y'));
    const head = new RequestHead(limits);
    head.reset();
    head.parse(buf, 0, buf.length);
    head.keep();
    buf.fill(0);
    assert.deepEqual([head.get('x'), head.target, written(head)], ['y', '/', 'Host: a\r\nX: y\r\n']);
  });

  it('is clean after reset', () => {
    const head = request(get('Connection: close, x', 'X: 1', 'Transfer-Encoding: chunked', 'a_b: 1'));
    head.put('y', '1');
    head.reset();
    const buf = Buffer.from('GET /b HTTP/1.1\r\nHost: c\r\nX: 2\r\nV: 3\r\n\r\n');
    assert.equal(head.parse(buf, 0, buf.length), buf.length);
    assert.deepEqual([head.keepAlive, head.bodyKind, head.hasUnderscore], [true, 'none', false]);
    assert.equal(written(head), 'Host: c\r\nX: 2\r\nV: 3\r\n');
  });

  it('holds more headers than its first arrays', () => {
    const head = new RequestHead({ ...limits, maxHeadBytes: 65536, maxHeaders: 200 });
    const lines = Array.from({ length: 199 }, (_, i) => `X-${i}: ${i}`);
    const buf = Buffer.from(get(...lines));
    head.reset();
    assert.equal(head.parse(buf, 0, buf.length), buf.length);
    assert.equal(head.get('x-198'), '198');
    assert.equal(head.count, 200);
  });
});

describe('patches', () => {
  it('sets, adds, removes and undoes', () => {
    const head = request(get('X: 1', 'Y: 2', 'X: 3'));
    assert.equal(head.get('x'), '1, 3');
    const token = head.mark();
    head.set('X', '9');
    head.add('y', '4');
    head.remove('Host');
    assert.deepEqual(head.lines('y'), ['2', '4']);
    const inner = head.mark();
    head.set('y', 'z');
    assert.equal(head.get('y'), 'z');
    head.rollback(inner);
    assert.equal(written(head), 'Y: 2\r\nX: 9\r\ny: 4\r\n');
    head.rollback(token);
    assert.equal(written(head), 'Host: a\r\nX: 1\r\nY: 2\r\nX: 3\r\n');
    assert.equal(head.headersLength, 'Host: a\r\nX: 1\r\nY: 2\r\nX: 3\r\n'.length);
  });

  const bad: [string, string, string][] = [
    ['CRLF in the value', 'x', 'a\r\nEvil: 1'],
    ['LF in the value', 'x', 'a\nb'],
    ['NUL in the value', 'x', 'a\0b'],
    ['space in the name', 'x y', 'a'],
    ['colon in the name', 'x:', 'a'],
    ['empty name', '', 'a'],
    ['name outside ASCII', 'x\u010a', 'a'],
  ];
  for (const [name, header, value] of bad) {
    it(`never injects: ${name}`, () => {
      const head = request(get('X: spoofed'));
      head.set(header, value);
      head.add(header, value);
      assert.equal(written(head), header === 'x' ? 'Host: a\r\n' : 'Host: a\r\nX: spoofed\r\n');
    });
  }

  it('leaves framing headers to the engine', () => {
    const head = request(get('Content-Length: 3'));
    head.set('Content-Length', '0');
    head.remove('content-length');
    head.add('Transfer-Encoding', 'chunked');
    assert.equal(written(head), 'Host: a\r\nContent-Length: 3\r\n');
    head.drop('content-length');
    assert.equal(head.put('content-length', '4'), true);
    assert.equal(written(head), 'Host: a\r\ncontent-length: 4\r\n');
  });

  it('sends received bytes as they are and other characters as UTF-8', () => {
    const head = request(get('X: caf\xe9'));
    head.set('y', head.get('x') ?? '');
    head.set('z', 'żółw');
    const out = Buffer.alloc(200);
    const text = out.subarray(0, head.writeHeaders(out, 0));
    assert.ok(text.includes(Buffer.from('y: caf\xe9\r\n', 'latin1')));
    assert.ok(text.includes(Buffer.from('z: żółw\r\n', 'utf8')));
  });

  it('says when there is no room', () => {
    const head = request(get());
    assert.equal(head.writeHeaders(Buffer.alloc(8), 0), -1);
    assert.equal(head.writeHeaders(Buffer.alloc(9), 0), 9);
    assert.equal(head.writeHeaders(Buffer.alloc(9), 1), -1);
  });
});

describe('response heads', () => {
  const refused: [name: string, text: string][] = [
    ['ICY', 'ICY 200 OK\r\n\r\n'],
    ['HTTP/2', 'HTTP/2 200 OK\r\n\r\n'],
    ['two-digit status', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['four-digit status', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['status 099', 'HTTP/1.1 099 OK\r\n\r\n'],
    ['bare LF', 'HTTP/1.1 200 OK\n\r\n'],
    ['CR in the reason', 'HTTP/1.1 200 O\rK\r\n\r\n'],
    ['folded header', ok('X: a', '\tb')],
    ['Content-Length twice', ok('Content-Length: 1', 'content-length: 1')],
    ['Transfer-Encoding and Content-Length', ok('Content-Length: 1', 'Transfer-Encoding: chunked')],
    ['Transfer-Encoding gzip', ok('Transfer-Encoding: gzip')],
    ['interim response with a body', 'HTTP/1.1 103 X\r\nContent-Length: 1\r\n\r\n'],
    ['interim response that ends the connection', 'HTTP/1.1 103 X\r\nConnection: close\r\n\r\n'],
    ['interim response of HTTP/1.0', 'HTTP/1.0 100 Continue\r\n\r\n'],
    ['garbage before the status line', '\r\nHTTP/1.1 200 OK\r\n\r\n'],
    ['head too large', ok(`X: ${'y'.repeat(2048)}`)],
  ];
  for (const [name, text] of refused) {
    it(`refuses ${name}`, () => {
      const head = response(text);
      assert.equal(head.result, -502);
      assert.notEqual(head.error, '');
    });
  }

  const framed: [name: string, text: string, method: string, bodyKind: string, keepAlive: boolean][] = [
    ['Content-Length', ok('Content-Length: 5'), 'GET', 'length', true],
    ['Content-Length 0', ok('Content-Length: 0'), 'GET', 'none', true],
    ['chunked', ok('Transfer-Encoding: chunked'), 'GET', 'chunked', true],
    ['neither', ok(), 'GET', 'until-close', false],
    ['HEAD', ok('Content-Length: 5'), 'HEAD', 'none', true],
    ['HEAD without length', ok(), 'HEAD', 'none', true],
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n', 'GET', 'none', true],
    ['204 that announces a body', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n', 'GET', 'none', false],
    ['304 with a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n', 'GET', 'none', true],
    ['304 that announces chunks', 'HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n', 'GET', 'none', false],
    ['1xx', 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n', 'GET', 'none', true],
    ['CONNECT', ok(), 'CONNECT', 'tunnel', true],
    ['1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n', 'GET', 'length', false],
    ['reason missing', 'HTTP/1.1 200\r\nContent-Length: 5\r\n\r\n', 'GET', 'length', true],
  ];
  for (const [name, text, method, bodyKind, keepAlive] of framed) {
    it(`frames ${name}`, () => {
      const head = response(text, method);
      assert.equal(head.result, text.length, head.error);
      assert.deepEqual([head.bodyKind, head.keepAlive], [bodyKind, keepAlive]);
    });
  }

  it('reads status, reason and an upgrade', () => {
    const head = response('HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\nX: y\r\n\r\nzz');
    assert.deepEqual([head.status, head.reason, head.upgrade, head.interim], [101, 'Switching Protocols', 'websocket', false]);
    assert.equal(written(head), 'X: y\r\n');
  });

  it('does not send the length of a 204', () => {
    assert.equal(written(response('HTTP/1.1 204 X\r\nContent-Length: 5\r\nA: b\r\n\r\n')), 'A: b\r\n');
  });
});
