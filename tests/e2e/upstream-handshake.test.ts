/** A handshake with an upstream cut at every byte of either side: one call, one reason, nothing left behind. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import { type Deadline, Wheel } from '../../src/base/wheel.ts';
import type { Cluster } from '../../src/model/cluster.ts';
import type { Secret } from '../../src/model/tls.ts';
import { ReadBuffers } from '../../src/proxy/upstream/buffers.ts';
import { ClusterSet } from '../../src/proxy/upstream/cluster-state.ts';
import { UpstreamConnection, type UpstreamContext, type UpstreamUser } from '../../src/proxy/upstream/connection.ts';
import type { EndpointState } from '../../src/proxy/upstream/endpoint.ts';
import { Pki, secretOf } from '../support/pki.ts';
import { portOf } from '../support/raw.ts';
import { Relay } from '../support/relay.ts';
import { tlsCluster } from '../support/upstream-tls.ts';

/** Knows which deadlines it holds. */
class CountedWheel extends Wheel {
  readonly held = new Set<Deadline>();

  override arm(deadline: Deadline, at: number): void {
    this.held.add(deadline);
    super.arm(deadline, at);
  }

  override remove(deadline: Deadline): void {
    this.held.delete(deadline);
    super.remove(deadline);
  }
}

class Bench {
  readonly faults: unknown[] = [];
  readonly wheel = new CountedWheel(50, performance.now(), (error) => this.faults.push(error));
  opened = 0;
  readonly closed: string[] = [];
  readonly context: UpstreamContext = {
    reads: new ReadBuffers(),
    wheel: this.wheel,
    onFault: (error) => this.faults.push(error),
    onConnect: () => void this.opened++,
    onClose: (_endpoint, failed, tls) => void this.closed.push(`${failed ? 'failed' : 'closed'} ${tls ?? 'plain'}`),
  };
  readonly endpoint: EndpointState;

  constructor(cluster: Cluster, secrets: readonly Secret[]) {
    const clusters = new ClusterSet();
    clusters.apply(
      () => null,
      (name) => secrets.find((secret) => secret.name === name) ?? null,
    );
    [this.endpoint] = clusters.use(cluster).endpoints;
  }

  /** Opens one connection and resolves with what its user heard, once it is gone. */
  async open(onReady: (connection: UpstreamConnection) => void = () => undefined, timeoutMs = 5000): Promise<readonly string[]> {
    const heard: string[] = [];
    await new Promise<void>((resolve) => {
      const connection = new UpstreamConnection(this.endpoint, this.context, timeoutMs, performance.now());
      connection.user = {
        onConnected() {
          heard.push('ready');
          onReady(connection);
        },
        onUpstreamBytes: (buffer, start, end) => void heard.push(buffer.latin1Slice(start, end)),
        onUpstreamDrain: () => undefined,
        onUpstreamEnd: () => connection.socket.destroy(),
        onUpstreamClosed(code) {
          heard.push(`closed ${code}`);
          resolve();
        },
      } satisfies UpstreamUser;
    });
    return heard;
  }
}

async function serve(t: TestContext, pki: Pki): Promise<TlsServer> {
  const own = pki.issue({ names: ['DNS:upstream.test'] });
  const server = createTlsServer({ cert: own.certificate, key: own.privateKey }, (socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => socket.end('bye'));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return server;
}

function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => /^(?:TCPSocketWrap|TLSWrap|PipeWrap)$/.test(name)).length;
}

/** Until there are no more of them than before, and no timers: what leaks runs into the test's time limit. */
async function settled(before: number, { wheel }: Bench): Promise<void> {
  while (sockets() > before || wheel.held.size > 0) await new Promise((resolve) => setImmediate(resolve));
}

describe('a handshake with an upstream', () => {
  it('cut at every byte ends in one failure and leaves nothing', async (t) => {
    const pki = new Pki(t);
    const server = await serve(t, pki);
    const relay = await Relay.start(t, portOf(server));
    const bench = new Bench(tlsCluster([relay.port]), [secretOf('ca', { ca: pki.ca })]);
    const before = sockets();
    let whole = { client: 0, server: 0 };
    const heard = await bench.open((connection) => {
      whole = { ...relay.passed };
      connection.socket.write('x');
    });
    assert.deepEqual(heard, ['ready', 'bye', 'closed ']);
    assert.ok(whole.client > 200 && whole.server > 500, JSON.stringify(whole));
    let readyAfterAll = 0;
    let cuts = 0;
    for (const side of ['client', 'server'] as const) {
      for (let after = 0; after < whole[side]; after++) {
        relay.cut = { side, after, how: after % 2 === 0 ? 'end' : 'reset' };
        bench.endpoint.sessions.clear();
        const said = await bench.open((connection) => connection.socket.write('x'));
        cuts++;
        if (said[0] === 'ready') {
          // The last bytes of the server are tickets, those of the client come after what made it ready.
          readyAfterAll++;
          assert.equal(said.length, 2, `${side} ${after}: ${said.join()}`);
        } else {
          assert.equal(said.length, 1, `${side} ${after}: ${said.join()}`);
          assert.match(said[0], /^closed (?:TLS_error:[A-Za-z0-9_:./-]+|ECONNRESET)$/, `${side} ${after}`);
        }
      }
    }
    assert.ok(readyAfterAll < cuts / 2, `${readyAfterAll} of ${cuts} were ready`);
    assert.deepEqual(bench.faults, []);
    assert.equal(bench.closed.length, cuts + 1, 'each was counted once');
    assert.equal(bench.closed.filter((text) => text.startsWith('closed')).length, bench.opened);
    assert.equal(bench.wheel.held.size, 0, 'no timer is left');
    assert.equal(bench.endpoint.idleCount, 0);
    await settled(before, bench);
  });

  it('with a changed byte never becomes a connection', async (t) => {
    const pki = new Pki(t);
    const server = await serve(t, pki);
    const relay = await Relay.start(t, portOf(server));
    // What is changed in lengths may make the reader wait: the wheel is turned by hand.
    const bench = new Bench(tlsCluster([relay.port], { minVersion: 'TLSv1.3' }), [secretOf('ca', { ca: pki.ca })]);
    let whole = 0;
    await bench.open((connection) => {
      whole = relay.passed.server;
      connection.socket.write('x');
    });
    bench.wheel.start();
    t.after(() => bench.wheel.stop());
    let silent = 0;
    const unseen: number[] = [];
    for (let at = 0; at < whole; at += 3) {
      relay.flip = { at, mask: 1 << (at % 8) };
      bench.endpoint.sessions.clear();
      const said = await bench.open((connection) => connection.socket.write('x'), 400);
      const last = said.at(-1) ?? '';
      if (last.endsWith('handshake_timed_out')) silent++;
      // The version of a record is not looked at (RFC 8446 §5.1), and what comes after the handshake has not been read yet.
      if (said[0] === 'ready') unseen.push(at);
      else assert.match(last, /^closed TLS_error:/, `${at}: ${said.join()}`);
    }
    assert.ok(unseen.length <= 12, unseen.join());
    assert.ok(silent < 20, `${silent} waited`);
    assert.deepEqual(bench.faults, []);
    assert.equal(bench.wheel.held.size, 0);
  });

  it('that never ends is cut by the connect timeout', async (t) => {
    const server = createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => server.emit('hello'));
      t.after(() => socket.destroy());
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const pki = new Pki(t);
    const bench = new Bench(tlsCluster([portOf(server)]), [secretOf('ca', { ca: pki.ca })]);
    const opened = bench.open();
    await once(server, 'hello');
    bench.wheel.advance(performance.now() + 4000);
    bench.wheel.advance(performance.now() + 6000);
    assert.deepEqual(await opened, ['closed TLS_error:handshake_timed_out']);
    assert.equal(bench.wheel.held.size, 0);
  });

  it('given up by its user leaves nothing', async (t) => {
    const pki = new Pki(t);
    const server = await serve(t, pki);
    for (const proxyProtocol of [undefined, 'v1'] as const) {
      const more = proxyProtocol === undefined ? {} : { proxyProtocol };
      const bench = new Bench(tlsCluster([portOf(server)], {}, more), [secretOf('ca', { ca: pki.ca })]);
      const before = sockets();
      for (let i = 0; i < 50; i++) {
        const connection = new UpstreamConnection(bench.endpoint, bench.context, 5000, performance.now());
        for (let turn = 0; turn < i % 10; turn++) await new Promise((resolve) => setImmediate(resolve));
        connection.destroy();
      }
      await settled(before, bench);
      assert.deepEqual(bench.faults, []);
    }
  });
});
