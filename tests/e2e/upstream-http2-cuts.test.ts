/** Connections to HTTP/2 upstreams, and clients before them, that end at every byte: one outcome each, nothing left. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { CutRig, hows, numbers } from '../support/cuts.ts';
import { readResponse } from '../support/http1-text.ts';
import { Http2Upstream, type OnStream } from '../support/http2-upstream.ts';
import { exchange, portOf, RawClient } from '../support/raw.ts';
import { clusterOf, routeTo, snapshotOf } from '../support/rig.ts';

/** Passes bytes on, and ends each connection after so many bytes from the server. */
class Cutter {
  port = 0;
  after = Infinity;
  reset = false;
  /** Bytes that passed on the last connection. */
  passed = 0;
  readonly open = new Set<Socket>();
  private readonly waiting: (() => void)[] = [];

  static async start(t: TestContext, target: number): Promise<Cutter> {
    const cutter = new Cutter();
    const server = createServer((socket) => cutter.join(socket, target));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cutter.port = portOf(server);
    t.after(() => {
      cutter.closeAll();
      server.close();
    });
    return cutter;
  }

  private join(socket: Socket, target: number): void {
    const behind = connect(target, '127.0.0.1');
    let left = this.after;
    this.passed = 0;
    this.open.add(socket);
    const end = (): void => {
      behind.destroy();
      if (this.reset) socket.resetAndDestroy();
      else socket.destroy();
    };
    if (left === 0) end();
    socket.on('data', (chunk: Buffer) => behind.write(chunk));
    behind.on('data', (chunk: Buffer) => {
      const part = chunk.subarray(0, left);
      left -= part.length;
      this.passed += part.length;
      socket.write(part, () => {
        if (left === 0) end();
      });
    });
    for (const one of [socket, behind]) one.on('error', () => undefined);
    behind.on('close', () => socket.destroy());
    socket.on('close', () => {
      behind.destroy();
      this.open.delete(socket);
      for (const run of this.waiting.splice(0)) run();
    });
  }

  async untilClosed(): Promise<void> {
    while (this.open.size > 0) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }

  closeAll(): void {
    for (const socket of this.open) socket.destroy();
  }
}

interface Shape {
  readonly name: string;
  /** Of the client, in HTTP/1.1. */
  readonly headers: string;
  readonly answer: OnStream;
  /** Before the response has begun: as a client of this protocol reads it. */
  readonly failed: (text: string) => boolean;
  readonly whole: RegExp;
}

const answering = (headers: Readonly<Record<string, string>>, body: string, trailers: Readonly<Record<string, string>>): OnStream => {
  return (stream) => {
    stream.on('data', () => undefined);
    stream.respond({ ':status': 200, ...headers }, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    stream.end(body);
  };
};

const shapes: readonly Shape[] = [
  {
    name: 'a body and trailers',
    headers: '',
    answer: answering({ 'content-type': 'text/plain', 'x-a': 'b' }, 'hello, this is a body of some length', { 'x-end': 'yes' }),
    failed: (text) => readResponse(text).status === 503,
    whole: /^HTTP\/1\.1 200 [^]*\r\n\r\n24\r\nhello, this is a body of some length\r\n0\r\nx-end: yes\r\n\r\n$/,
  },
  {
    name: 'a gRPC call',
    headers: 'Content-Type: application/grpc\r\nTE: trailers\r\n',
    answer: answering({ 'content-type': 'application/grpc' }, '\0\0\0\0\x06answer', { 'grpc-status': '0' }),
    // A status of gRPC in a good response of HTTP.
    failed: (text) => readResponse(text).status === 200 && /\r\ngrpc-status: 14\r\n/.test(text),
    whole: /^HTTP\/1\.1 200 [^]*\r\n\r\nb\r\n\0{4}\x06answer\r\n0\r\ngrpc-status: 0\r\n\r\n$/,
  },
];

describe('an upstream’s connection that ends', () => {
  for (const { name, headers, answer, failed, whole } of shapes)
    for (const how of hows)
      it(`after any byte of ${name} (${how})`, async (t) => {
        const upstream = await Http2Upstream.start(t, answer);
        const cutter = await Cutter.start(t, upstream.port);
        cutter.reset = how === 'reset';
        const cuts = await CutRig.start(t, (port) =>
          snapshotOf(port, [routeTo('b')], [clusterOf('b', [cutter.port], { protocol: 'http2' })]),
        );
        const { rig } = cuts;
        const ask = (path: string | number): Promise<string> =>
          exchange(rig.port, `GET /${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${headers}\r\n`);
        const first = await ask('first');
        assert.match(first, whole);
        const { passed } = cutter;
        cutter.closeAll();
        await cutter.untilClosed();
        await cuts.nothingIsLeft();
        const texts: string[] = [];
        for (const bytes of numbers(0, passed)) {
          cutter.after = bytes;
          texts.push(await ask(bytes));
          // The connection whose answer is whole is cut too, before the next one is asked for.
          await cutter.untilClosed();
        }
        await cuts.nothingIsLeft();
        const lines = await rig.logged(passed + 2);
        const regions = new Set<string>();
        for (const [bytes, text] of texts.entries()) {
          const line = lines.find(({ path }) => path === `/${bytes}`);
          const { response_code: code, response_flags: flags } = line ?? {};
          const at = `${bytes} of ${passed} bytes: ${String(code)} ${String(flags)}, ${JSON.stringify(text)}`;
          if (flags === '-') {
            assert.match(text, whole, at);
            assert.equal(code, 200, at);
          } else {
            assert.ok(!whole.test(text), at);
            // A reset may overtake the news that there is a connection.
            assert.ok(flags === 'UC' || (flags === 'UF' && how === 'reset' && bytes < passed / 2), at);
            if (readResponse(text).whole) assert.ok(failed(text), at);
          }
          // A response that has begun has the status that it began with, also where its client got nothing of it.
          // All of it was sent, and a reset at once: node:http2 may drop what it has not told of.
          if (how === 'end' || bytes < passed)
            regions.add(`${String(code)} ${flags === '-' ? '-' : 'UC'} ${readResponse(text).whole ? 'whole' : 'cut'}`);
        }
        assert.equal(lines.length, passed + 2);
        const early = name === 'a gRPC call' ? '200 UC whole' : '503 UC whole';
        assert.deepEqual([...regions], [early, '200 UC cut', ...(how === 'end' ? ['200 - whole'] : [])]);
      });
});

describe('an upstream’s connection that ends under a WebSocket', () => {
  for (const how of hows)
    it(`after any byte (${how})`, async (t) => {
      const frames = '\x81\x05hello\x88\x02\x03\xe8';
      const open: OnStream = (stream) => {
        stream.resume();
        stream.respond({ ':status': 200 });
        stream.end(frames, 'latin1');
      };
      const upstream = await Http2Upstream.start(t, open, { settings: { enableConnectProtocol: true } });
      const cutter = await Cutter.start(t, upstream.port);
      cutter.reset = how === 'reset';
      const cuts = await CutRig.start(t, (port) =>
        snapshotOf(port, [routeTo('b')], [clusterOf('b', [cutter.port], { protocol: 'http2' })]),
      );
      const upgrade =
        'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n';
      const ask = async (path: string | number): Promise<RawClient> => {
        const client = await RawClient.connect(cuts.rig.port);
        client.send(`GET /${path} HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`);
        await client.until((text) => readResponse(text).whole);
        // A tunnel ends when both have ended.
        client.socket.end();
        await new Promise<void>((resolve) => (client.closed ? resolve() : client.socket.once('close', () => resolve())));
        return client;
      };
      assert.equal(readResponse((await ask('first')).received).body, frames);
      const { passed } = cutter;
      cutter.closeAll();
      await cutter.untilClosed();
      await cuts.nothingIsLeft();
      const clients: RawClient[] = [];
      for (const bytes of numbers(0, passed)) {
        cutter.after = bytes;
        clients.push(await ask(bytes));
        await cutter.untilClosed();
      }
      await cuts.nothingIsLeft();
      const lines = await cuts.rig.logged(passed + 2);
      const regions = new Set<string>();
      for (const [bytes, client] of clients.entries()) {
        const { response_code: code, response_flags: flags } = lines.find(({ path }) => path === `/${bytes}`) ?? {};
        const { status, body } = readResponse(client.received);
        const at = `${bytes} of ${passed} bytes: ${String(code)} ${String(flags)}, ${JSON.stringify(client.received)}`;
        if (status !== 101 && code !== 101) assert.ok(status === 503 && (flags === 'UC' || (flags === 'UF' && how === 'reset')), at);
        else if (flags === '-') assert.deepEqual([code, body, client.reset], [101, frames, false], at);
        else {
          assert.deepEqual([code, flags, client.reset], [101, 'UC', true], at);
          assert.ok(frames.startsWith(body), at);
        }
        if (how === 'end' || bytes < passed) regions.add(`${String(code)} ${flags === '-' ? '-' : 'UC'}`);
      }
      assert.deepEqual([...regions], ['503 UC', '101 UC', ...(how === 'end' ? ['101 -'] : [])]);
    });
});

describe('a client that ends', () => {
  it('after any byte leaves no stream behind', async (t) => {
    let streams = 0;
    let idle: () => void = () => undefined;
    const upstream = await Http2Upstream.start(t, (stream, headers, session) => {
      streams++;
      stream.on('close', () => {
        if (--streams === 0) idle();
      });
      if (headers[':path'] === '/last') shapes[0].answer(stream, headers, session);
      else stream.on('data', () => undefined);
    });
    const cuts = await CutRig.start(t, (port) =>
      snapshotOf(port, [routeTo('b')], [clusterOf('b', [upstream.port], { protocol: 'http2' })]),
    );
    const last = (): Promise<string> => exchange(cuts.rig.port, 'GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const request =
      'POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\nX-End: yes\r\n\r\n';
    for (const bytes of numbers(0, request.length)) {
      const client = await RawClient.connect(cuts.rig.port);
      client.send(request.slice(0, bytes));
      // The proxy has read it once it answers on another connection.
      assert.match(await last(), shapes[0].whole);
      client.socket.resetAndDestroy();
    }
    await cuts.rig.settled();
    if (streams > 0) await new Promise<void>((resolve) => (idle = resolve));
    assert.equal(upstream.sessions.length, 1, 'one connection served them all');
    for (const session of upstream.sessions) session.destroy();
    await cuts.nothingIsLeft();
  });
});
