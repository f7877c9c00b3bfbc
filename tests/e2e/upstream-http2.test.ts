/** HTTP/2 towards upstreams: heads, bodies, connections. */
import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { echo, Http2Upstream, type OnStream } from '../support/http2-upstream.ts';
import { RawClient } from '../support/raw.ts';
import { clusterOf, routeTo } from '../support/rig.ts';
import { Reaching } from '../support/upstream-tls.ts';

async function reaching(t: TestContext, onStream: OnStream, options: Parameters<typeof Http2Upstream.start>[2] = {}) {
  const upstream = await Http2Upstream.start(t, onStream, options);
  const reach = await Reaching.start(t, { cluster: clusterOf('b', [upstream.port], { protocol: 'http2' }) });
  return { upstream, reach };
}

describe('a request over HTTP/2', () => {
  it('has its parts in the pseudo-header fields, and nothing of the connection', async (t) => {
    const { reach } = await reaching(t, echo);
    const client = await RawClient.connect(reach.rig.port);
    client.send(
      'GET /a/b?c=d HTTP/1.1\r\nHost: Shop.test\r\nConnection: x-mine, keep-alive\r\nX-Mine: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers, gzip\r\nX-Kept: one\r\nX-Kept: two\r\nCookie: a=1\r\n\r\n',
    );
    const { headers } = JSON.parse(bodyOf(await client.until((text) => text.endsWith('0\r\n\r\n'))));
    assert.equal(headers[':method'], 'GET');
    assert.equal(headers[':path'], '/a/b?c=d');
    assert.equal(headers[':authority'], 'Shop.test');
    assert.equal(headers[':scheme'], 'http');
    assert.equal(headers['x-kept'], 'one, two');
    assert.equal(headers.cookie, 'a=1');
    assert.equal(headers.te, 'trailers');
    assert.equal(headers['x-forwarded-for'], '127.0.0.1');
    assert.equal(headers['x-forwarded-proto'], 'http');
    assert.match(headers['x-request-id'], /^[0-9a-f-]{36}$/);
    for (const name of ['host', 'connection', 'x-mine', 'keep-alive', 'transfer-encoding']) assert.equal(headers[name], undefined, name);
    client.close();
  });

  for (const size of [0, 1, 16_384, 70_000, 1_000_000])
    it(`carries a body of ${size} bytes with its length`, async (t) => {
      const { reach } = await reaching(t, echo);
      const { status, text } = await reach.get('/', 'a.test', { method: 'POST', body: Buffer.alloc(size, 'x') });
      const got = JSON.parse(text);
      assert.deepEqual([status, got.bytes, got.headers['content-length']], [200, size, String(size)]);
    });

  it('carries chunks, and leaves trailers out', async (t) => {
    const { reach } = await reaching(t, echo);
    const client = await RawClient.connect(reach.rig.port);
    client.send('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n5\r\nhello\r\n');
    client.send('6\r\n world\r\n0\r\nX-Sum: 11\r\n\r\n');
    const got = JSON.parse(bodyOf(await client.until((text) => text.endsWith('0\r\n\r\n'))));
    assert.equal(got.bytes, 11);
    assert.doesNotMatch(JSON.stringify(got), /x-sum/i);
    assert.equal(got.headers['content-length'], undefined);
    client.close();
  });

  it('waits while the upstream takes no more', async (t) => {
    let proceed: () => void = () => undefined;
    const { reach, upstream } = await reaching(t, (stream, headers, session) => {
      if (headers[':path'] !== '/slow') return echo(stream, headers, session);
      stream.pause();
      proceed = () => {
        echo(stream, headers, session);
        stream.resume();
      };
    });
    const client = await RawClient.connect(reach.rig.port);
    const total = 64_000_000;
    client.send(`POST /slow HTTP/1.1\r\nHost: a\r\nContent-Length: ${total}\r\n\r\n`);
    for (let i = 0; i < 64; i++) client.socket.write(Buffer.alloc(total / 64, 'x'));
    await upstream.untilOpen(1);
    await stable(() => client.socket.writableLength);
    assert.ok(client.socket.writableLength > total / 2, `${client.socket.writableLength} bytes wait at the client`);
    assert.equal((await reach.get('/other')).status, 200, 'the connection serves others meanwhile');
    assert.equal(upstream.sessions.length, 1);
    proceed();
    const got = JSON.parse(bodyOf(await client.until((text) => text.endsWith('0\r\n\r\n'))));
    assert.equal(got.bytes, total);
    client.close();
  });
});

describe('a response over HTTP/2', () => {
  it('keeps every line of its head, and its length', async (t) => {
    const { reach } = await reaching(t, (stream) => {
      stream.respond({
        ':status': 201,
        'set-cookie': ['a=1', 'b=2'],
        'content-length': 5,
        'x-a': 'ä',
        date: 'Thu, 01 Jan 1970 00:00:00 GMT',
      });
      stream.end('hello');
    });
    const { status, headers, text } = await reach.get();
    assert.deepEqual([status, text, headers['content-length'], headers['transfer-encoding']], [201, 'hello', '5', undefined]);
    assert.deepEqual(headers['set-cookie'], ['a=1', 'b=2']);
    assert.equal(headers.date, 'Thu, 01 Jan 1970 00:00:00 GMT');
  });

  interface Bodiless {
    readonly name: string;
    readonly method: string;
    readonly status: number;
    readonly headers?: object;
    readonly length?: string;
    /** Of the request's head. */
    readonly line?: string;
  }
  const bodiless: readonly Bodiless[] = [
    { name: 'HEAD with a length', method: 'HEAD', status: 200, headers: { 'content-length': 42 }, length: '42' },
    { name: 'HEAD without one', method: 'HEAD', status: 200 },
    { name: '204', method: 'GET', status: 204 },
    { name: '304', method: 'GET', status: 304, headers: { etag: '"x"' } },
    { name: 'a GET whose head ends the stream', method: 'GET', status: 200, length: '0' },
    {
      name: 'gRPC of an HTTP/1.1 client, whose head ends the stream',
      method: 'GET',
      status: 200,
      headers: { 'content-type': 'application/grpc', 'grpc-status': 12 },
      length: '0',
      line: 'Content-Type: application/grpc\r\n',
    },
  ];
  for (const { name, method, status, headers = {}, length, line = '' } of bodiless)
    it(`may have no body: ${name}`, async (t) => {
      const { reach } = await reaching(t, (stream) => stream.respond({ ':status': status, ...headers }, { endStream: true }));
      const client = await RawClient.connect(reach.rig.port);
      client.send(`${method} / HTTP/1.1\r\nHost: a\r\n${line}\r\n`);
      const text = await client.until((all) => all.includes('\r\n\r\n'));
      assert.match(text, new RegExp(`^HTTP/1.1 ${status} `));
      assert.equal(/content-length: (\d+)/.exec(text)?.[1], length);
      // The connection is in order: another request gets its answer behind it.
      client.send(`${method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
      await client.until((all) => all.split('HTTP/1.1').length === 3);
      client.close();
    });

  it('may be told of before (103), and end with trailers', async (t) => {
    const { reach } = await reaching(t, (stream) => {
      stream.additionalHeaders({ ':status': 103, link: '</a.css>; rel=preload' });
      stream.respond({ ':status': 200, trailer: 'x-sum' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '5', 'set-cookie': 'forbidden=1' }));
      stream.end('hello');
    });
    const client = await RawClient.connect(reach.rig.port);
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    const text = await client.until((all) => all.endsWith('\r\n\r\n') && all.includes('\r\n0\r\n'));
    assert.match(text, /^HTTP\/1\.1 103 [^\r]*\r\nlink: <\/a\.css>; rel=preload\r\n\r\nHTTP\/1\.1 200 OK\r\n/);
    assert.match(text, /\r\n0\r\nx-sum: 5\r\n\r\n$/);
    client.close();
  });

  it('is held back while the client takes nothing', async (t) => {
    let written = 0;
    let stopped: () => void = () => undefined;
    const isStopped = new Promise<void>((resolve) => (stopped = resolve));
    const total = 64 * 1024 * 1024;
    const chunk = Buffer.alloc(256 * 1024, 'x');
    const { reach } = await reaching(t, (stream) => {
      stream.respond({ ':status': 200, 'content-length': total });
      const more = (): void => {
        while (written < total) {
          written += chunk.length;
          if (!stream.write(chunk)) {
            stream.once('drain', more);
            // Nothing more is taken for a while: told by other requests that pass meanwhile.
            stopped();
            return;
          }
        }
        stream.end();
      };
      more();
    });
    const client = await RawClient.connect(reach.rig.port);
    client.socket.pause();
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await isStopped;
    await stable(() => written);
    assert.ok(written < total / 2, `${written} bytes were taken from the upstream for a client that reads nothing`);
    client.socket.resume();
    await new Promise<void>((resolve) => {
      let received = 0;
      client.socket.on('data', (text: string) => {
        received += text.length;
        if (received >= total) resolve();
      });
    });
    client.close();
  });
});

describe('connections over HTTP/2', () => {
  it('carry many requests at a time', async (t) => {
    const waiting: (() => void)[] = [];
    const { reach, upstream } = await reaching(t, (stream, headers, session) => {
      waiting.push(() => echo(stream, headers, session));
      if (waiting.length === 50) for (const run of waiting) run();
    });
    const replies = await Promise.all(Array.from({ length: 50 }, () => reach.get()));
    assert.ok(replies.every((reply) => reply.status === 200));
    assert.equal(upstream.sessions.length, 1);
  });

  it('are not asked for more than the peer takes, before it has said so', async (t) => {
    let most = 0;
    let now = 0;
    const { reach, upstream } = await reaching(
      t,
      (stream, headers, session) => {
        most = Math.max(most, ++now);
        stream.on('close', () => now--);
        setImmediate(() => echo(stream, headers, session));
      },
      { settings: { maxConcurrentStreams: 32 } },
    );
    const replies = await Promise.all(Array.from({ length: 90 }, () => reach.get()));
    assert.ok(replies.every((reply) => reply.status === 200));
    assert.ok(upstream.sessions.length <= 3, `${upstream.sessions.length} connections`);
    assert.ok(most <= 96);
    for (const log of await reach.rig.logged(90)) assert.equal(log['attempts'], '1');
  });

  it('are as many as the peer’s limit of streams asks for', async (t) => {
    const seen: number[] = [];
    const waiting: (() => void)[] = [];
    const { reach, upstream } = await reaching(
      t,
      (stream, headers, session) => {
        seen[session] = (seen[session] ?? 0) + 1;
        waiting.push(() => echo(stream, headers, session));
        if (waiting.length === 10) for (const run of waiting) run();
      },
      { settings: { maxConcurrentStreams: 4 } },
    );
    // The first one learns the limit.
    const first = reach.get();
    await upstream.untilOpen(1);
    while (waiting.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const replies = await Promise.all([first, ...Array.from({ length: 9 }, () => reach.get())]);
    assert.ok(replies.every((reply) => reply.status === 200));
    assert.equal(upstream.sessions.length, 3);
    assert.ok(seen.every((count) => count <= 4));
  });

  it('close when the configuration names the endpoint no more, after what is under way', async (t) => {
    let answer: () => void = () => undefined;
    let arrived: () => void = () => undefined;
    const isThere = new Promise<void>((resolve) => (arrived = resolve));
    const { reach, upstream } = await reaching(t, (stream, headers, session) => {
      answer = () => echo(stream, headers, session);
      arrived();
    });
    const other = await Http2Upstream.start(t, echo);
    const pending = reach.get();
    await isThere;
    await reach.change({ cluster: clusterOf('b', [other.port], { protocol: 'http2' }) });
    assert.equal((await reach.get()).status, 200);
    assert.equal(upstream.open, 1);
    answer();
    assert.equal((await pending).status, 200);
    await upstream.untilOpen(0);
    assert.equal(other.open, 1);
  });

  it('follow a change of protocol', async (t) => {
    const { reach, upstream } = await reaching(t, echo);
    assert.equal((await reach.get()).status, 200);
    await reach.change({ cluster: clusterOf('b', [upstream.port]) });
    // The HTTP/2 server refuses what HTTP/1.1 says.
    const { status } = await reach.get();
    assert.ok(status === 502 || status === 503, `${status}`);
    assert.equal(routeTo('b').name, 'to-b');
  });
});

/** Waits until a number has not changed over many turns of the loop. */
async function stable(read: () => number): Promise<void> {
  for (let before = -1; before !== read();) {
    before = read();
    for (let i = 0; i < 500; i++) await new Promise((resolve) => setImmediate(resolve));
  }
}

function bodyOf(text: string): string {
  let rest = text.slice(text.lastIndexOf('\r\n\r\n', text.length - 6) + 4);
  let body = '';
  while (rest !== '') {
    const end = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.slice(0, end), 16);
    if (size === 0) break;
    body += rest.slice(end + 2, end + 2 + size);
    rest = rest.slice(end + 4 + size);
  }
  return body;
}
