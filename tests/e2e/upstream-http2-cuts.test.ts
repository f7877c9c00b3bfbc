/** Connections to HTTP/2 upstreams, and clients before them, that end at every byte: one outcome each, nothing left. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { Http2Upstream, type OnStream } from '../support/http2-upstream.ts';
import { portOf, RawClient } from '../support/raw.ts';
import { clusterOf } from '../support/rig.ts';
import { Reaching } from '../support/upstream-tls.ts';

/** Passes bytes on, and ends each connection after so many bytes from the server. */
class Cutter {
  port = 0;
  after = Infinity;
  reset = false;
  readonly open = new Set<Socket>();
  private readonly waiting: (() => void)[] = [];

  static async start(t: TestContext, target: number): Promise<Cutter> {
    const cutter = new Cutter();
    const server = createServer((socket) => cutter.join(socket, target));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    cutter.port = portOf(server);
    t.after(() => {
      for (const socket of cutter.open) socket.destroy();
      server.close();
    });
    return cutter;
  }

  private join(socket: Socket, target: number): void {
    const behind = connect(target, '127.0.0.1');
    let left = this.after;
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
}

const answer: OnStream = (stream) => {
  stream.on('data', () => undefined);
  stream.respond({ ':status': 200, 'content-type': 'text/plain', 'x-a': 'b' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-end': 'yes' }));
  stream.end('hello, this is a body of some length');
};

const whole = /^HTTP\/1\.1 200 [^]*\r\n\r\n24\r\nhello, this is a body of some length\r\n0\r\nx-end: yes\r\n\r\n$/;

describe('an upstream’s connection that ends', () => {
  for (const reset of [false, true])
    it(`after any byte, ${reset ? 'by a reset' : 'in order'}`, async (t) => {
      const upstream = await Http2Upstream.start(t, answer);
      const cutter = await Cutter.start(t, upstream.port);
      cutter.reset = reset;
      const reach = await Reaching.start(t, { cluster: clusterOf('b', [cutter.port], { protocol: 'http2' }) });
      const seen = new Map<string, number>();
      let count = 0;
      for (let after = 0; after <= 240; after += 3) {
        cutter.after = after;
        const client = await RawClient.connect(reach.rig.port);
        client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
        const text = await client.until(() => false);
        const log = await reach.lastLog(++count);
        const flags = String(log['flags']);
        seen.set(flags, (seen.get(flags) ?? 0) + 1);
        if (flags === '-') assert.match(text, whole, `after ${after} bytes`);
        else if (text !== '') {
          assert.ok(!whole.test(text), `after ${after} bytes, with ${flags}`);
          assert.match(text, /^HTTP\/1\.1 (503|502) |^HTTP\/1\.1 200 /);
          if (!text.startsWith('HTTP/1.1 200')) assert.match(flags, /^(UC|UPE|UF|UR)$/);
          else assert.ok(!text.endsWith('\r\n0\r\n\r\n'), 'a cut body has no end');
        }
        client.close();
      }
      assert.ok((seen.get('UC') ?? 0) > 10 && (seen.get('-') ?? 0) > 1, JSON.stringify([...seen]));
      await reach.rig.settled();
      // The last one lives; it goes with its endpoint.
      await reach.change({ cluster: clusterOf('b', [upstream.port], { protocol: 'http2' }) });
      await cutter.untilClosed();
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
      if (headers[':path'] === '/last') answer(stream, headers, session);
      else stream.on('data', () => undefined);
    });
    const reach = await Reaching.start(t, { cluster: clusterOf('b', [upstream.port], { protocol: 'http2' }) });
    const request =
      'POST /x HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\nX-End: yes\r\n\r\n';
    for (let after = 1; after <= request.length; after += 2) {
      const client = await RawClient.connect(reach.rig.port);
      client.send(request.slice(0, after));
      // The proxy has read it once it answers on another connection.
      await reach.get('/last');
      client.socket.resetAndDestroy();
    }
    assert.equal((await reach.get('/last')).status, 200);
    await reach.rig.settled();
    if (streams > 0) await new Promise<void>((resolve) => (idle = resolve));
    assert.equal(upstream.sessions.length, 1, 'one connection served them all');
  });
});
