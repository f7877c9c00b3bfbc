import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { L4Forward } from '../../../model/chain.ts';
import { destinationTo, forwardTo, TcpLane } from '../../../../tests/support/layer4.ts';
import { freePort } from '../../../../tests/support/ports.ts';
import { portOf, RawBackend, RawClient, type BackendConnection } from '../../../../tests/support/raw.ts';
import { clusterOf } from '../../../../tests/support/rig.ts';

/** One backend behind one TCP route; at the end nothing may be left. */
async function lane(
  t: TestContext,
  onConnection: (connection: BackendConnection) => void = () => undefined,
  more: Partial<L4Forward> = {},
): Promise<{ lane: TcpLane; backend: RawBackend }> {
  const backend = await RawBackend.start(onConnection);
  const made = await TcpLane.start([clusterOf('b', [backend.port])], forwardTo(['b'], more));
  t.after(() => {
    made.close();
    backend.close();
    assert.deepEqual(made.faults, []);
  });
  return { lane: made, backend };
}

/** Nothing is left of any connection. */
function assertNothingLeft(of: TcpLane): void {
  assert.equal(of.at.connections.size, 0);
  assert.equal(of.open, 0, 'upstream connections');
  assert.equal(of.worker.counts.own(of.forward.route), 0);
  for (const cluster of of.clusters.all()) assert.equal(cluster.activeTotal, 0);
}

const echo = (connection: BackendConnection): void => {
  connection.socket.on('data', (text) => connection.socket.write(text, 'latin1'));
  connection.socket.on('end', () => connection.socket.end());
};

describe('serveTcp', () => {
  it('passes bytes both ways and writes one line when both sides have ended', async (t) => {
    const { lane: at } = await lane(t, echo);
    const client = await RawClient.connect(at.port);
    client.send('hello');
    await client.until((text) => text === 'hello');
    client.socket.end();
    await client.toEnd();
    const [line] = await at.ended(1);
    assert.equal(line['protocol'], 'TCP');
    assert.equal(line['bytes_received'], 5);
    assert.equal(line['bytes_sent'], 5);
    assert.equal(line['response_flags'], '-');
    assert.equal(line['upstream_cluster'], 'b');
    assert.equal(line['route_name'], 'l4');
    assert.equal(line['method'], null);
    assert.match(String(line['upstream_host']), /^127\.0\.0\.1:\d+$/);
    assertNothingLeft(at);
  });

  it('the upstream may end first: what the client sends after it still arrives', async (t) => {
    const { lane: at, backend } = await lane(t, (connection) => connection.socket.end('bye'));
    const client = await RawClient.connect(at.port);
    assert.equal(await client.toEnd(), 'bye');
    client.send('late words');
    client.socket.end();
    const connection = await backend.connection(0);
    assert.equal(await connection.until(() => connection.ended), 'late words');
    const [line] = await at.ended(1);
    assert.equal(line['response_flags'], '-');
    assertNothingLeft(at);
  });

  it('the client may end first: what the upstream sends after it still arrives', async (t) => {
    const { lane: at } = await lane(t, (connection) =>
      connection.socket.on('end', () => connection.socket.end(`got ${connection.received}`)),
    );
    const client = await RawClient.connect(at.port);
    client.socket.end('all of it');
    assert.equal(await client.toEnd(), 'got all of it');
    await at.ended(1);
    assertNothingLeft(at);
  });

  it('sends what was read before first', async (t) => {
    const { lane: at } = await lane(t, echo);
    at.known = { peeked: Buffer.from('peeked '), serverName: 'a.example.com' };
    const client = await RawClient.connect(at.port);
    client.send('and more');
    await client.until((text) => text.length >= 15);
    assert.equal(client.received, 'peeked and more');
    client.close();
    const [line] = await at.ended(1);
    assert.equal(line['protocol'], 'TLS');
    assert.equal(line['requested_server_name'], 'a.example.com');
    assert.equal(line['bytes_received'], 15);
  });

  it('a server that speaks first is heard before the client says anything', async (t) => {
    const { lane: at } = await lane(t, (connection) => {
      connection.socket.write('220 ready\r\n');
      connection.socket.on('end', () => connection.socket.end());
    });
    const client = await RawClient.connect(at.port);
    assert.equal(await client.until((text) => text.endsWith('\n')), '220 ready\r\n');
    client.socket.end();
    await at.ended(1);
    assertNothingLeft(at);
  });

  it('a reset of the client reaches the upstream as a reset (DC)', async (t) => {
    const { lane: at, backend } = await lane(t, (connection) => connection.socket.write('x'));
    const client = await RawClient.connect(at.port);
    await client.until((text) => text === 'x');
    const connection = await backend.connection(0);
    const failed = once(connection.socket, 'close').catch((error: unknown) => error);
    client.socket.resetAndDestroy();
    assert.match(String(await failed), /ECONNRESET/);
    const [line] = await at.ended(1);
    assert.equal(line['response_flags'], 'DC');
    assertNothingLeft(at);
  });

  it('a reset of the upstream reaches the client as a reset (UC)', async (t) => {
    const { lane: at } = await lane(t, (connection) => connection.socket.on('data', () => connection.socket.resetAndDestroy()));
    const client = await RawClient.connect(at.port);
    client.send('x');
    await client.toEnd();
    assert.equal(client.reset, true);
    const [line] = await at.ended(1);
    assert.equal(line['response_flags'], 'UC');
    assertNothingLeft(at);
  });

  it('a connect that fails tries another endpoint, once', async (t) => {
    const backend = await RawBackend.start(echo);
    const dead = await freePort();
    const at = await TcpLane.start([clusterOf('b', [dead, backend.port])], forwardTo(['b']));
    t.after(() => {
      at.close();
      backend.close();
    });
    const client = await RawClient.connect(at.port);
    client.send('hello');
    assert.equal(await client.until((text) => text === 'hello'), 'hello');
    client.close();
    const [line] = await at.ended(1);
    assert.equal(line['response_flags'], '-');
    assert.equal(line['upstream_host'], `127.0.0.1:${backend.port}`);
    assertNothingLeft(at);
  });

  it('no endpoint takes the connection: UF,URX', async (t) => {
    const at = await TcpLane.start([clusterOf('b', [await freePort(), await freePort()])], forwardTo(['b']));
    t.after(() => at.close());
    const client = await RawClient.connect(at.port);
    assert.equal(await client.toEnd(), '');
    const [line] = await at.ended(1);
    assert.equal(line['response_flags'], 'UF,URX');
    assert.equal(line['response_code_details'], 'upstream_connection_failure{ECONNREFUSED}');
    assertNothingLeft(at);
  });

  const refusals: readonly (readonly [name: string, forward: L4Forward, flags: string, details: string])[] = [
    ['a blocked route', forwardTo(['b'], { blocked: 'broken policy' }), 'UAEX', 'route_blocked{broken policy}'],
    ['an invalid backend', forwardTo([null]), 'NC', 'invalid_backend'],
    ['no weight', forwardTo([], { destinations: [destinationTo('b', 0)] }), 'NC', 'invalid_backend'],
    ['a cluster that is not there', forwardTo(['gone']), 'NC', 'cluster_not_found'],
    ['a blocked cluster', forwardTo(['blocked']), 'UAEX', 'cluster_blocked'],
    ['no endpoint', forwardTo(['empty']), 'UH', 'no_healthy_upstream'],
  ];
  for (const [name, forward, flags, details] of refusals) {
    it(`closes at once: ${name} (${flags})`, async (t) => {
      const clusters = [clusterOf('b', [1]), clusterOf('empty', []), clusterOf('blocked', [1], { blocked: 'why' })];
      const at = await TcpLane.start(clusters, forward);
      t.after(() => at.close());
      const client = await RawClient.connect(at.port);
      assert.equal(await client.toEnd(), '');
      const [line] = await at.ended(1);
      assert.equal(line['response_flags'], flags);
      assert.equal(line['response_code_details'], details);
      assertNothingLeft(at);
    });
  }

  it('holds the limit of the route (UO) and takes connections again afterwards', async (t) => {
    const { lane: at } = await lane(t, echo, { maxConnections: 2 });
    const kept = [await RawClient.connect(at.port), await RawClient.connect(at.port)];
    for (const client of kept) {
      client.send('x');
      await client.until((text) => text === 'x');
    }
    const refused = await RawClient.connect(at.port);
    await refused.toEnd();
    const [line] = await at.ended(1);
    assert.equal(line['response_flags'], 'UO');
    assert.equal(await at.metric('envoy_connection_limit_limited_connections', { envoy_connection_limit_prefix: 'l4' }), 1);
    kept[0].close();
    await at.ended(2);
    const again = await RawClient.connect(at.port);
    again.send('y');
    assert.equal(await again.until((text) => text === 'y'), 'y');
    again.close();
    kept[1].close();
    await at.ended(4);
    assertNothingLeft(at);
  });

  it('takes no connection while memory is tight (OM), and serves those that are there', async (t) => {
    const { lane: at } = await lane(t, echo);
    const known = await RawClient.connect(at.port);
    known.send('1');
    await known.until((text) => text === '1');
    Reflect.set(at.worker, 'overloaded', true);
    const late = await RawClient.connect(at.port);
    await late.toEnd();
    const [line] = await at.ended(1);
    assert.equal(line['response_flags'], 'OM');
    known.send('2');
    assert.equal(await known.until((text) => text === '12'), '12');
    known.socket.end();
    await at.ended(2);
    assertNothingLeft(at);
  });

  it('closes after silence both ways, and not while either side speaks', async (t) => {
    const { lane: at, backend } = await lane(t, () => undefined, { idleTimeoutMs: 60_000 });
    const client = await RawClient.connect(at.port);
    client.send('x');
    const connection = await backend.connection(0);
    await connection.until((text) => text === 'x');
    let now = performance.now();
    at.wheel.advance((now += 50_000));
    assert.equal(at.at.connections.size, 1);
    connection.socket.write('y');
    await client.until((text) => text === 'y');
    // The byte moved the deadline on the real clock; the wheel is ahead of it by 50 s.
    at.wheel.advance(performance.now() + 59_000);
    assert.equal(at.at.connections.size, 1);
    at.wheel.advance(performance.now() + 61_000);
    await client.toEnd();
    const [line] = await at.ended(1);
    assert.equal(line['response_flags'], 'SI');
    assert.equal(await at.metric('envoy_tcp_idle_timeout'), 1);
    assertNothingLeft(at);
  });

  it('gives a connect up when its time is over (UF,URX)', async (t) => {
    // A process that is stopped and whose queue is full: the system answers no more connects.
    const program = "const s = require('net').createServer(); s.listen(0, '127.0.0.1', 1, () => console.log(s.address().port))";
    const stopped = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
    const [text]: unknown[] = await once(stopped.stdout, 'data');
    const port = Number(String(text));
    stopped.kill('SIGSTOP');
    const fillers = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => undefined));
    const at = await TcpLane.start([clusterOf('b', [port], { connectTimeoutMs: 5000 })], forwardTo(['b']));
    t.after(() => {
      at.close();
      for (const filler of fillers) filler.destroy();
      stopped.kill('SIGKILL');
    });
    await Promise.all(fillers.slice(0, 2).map((filler) => once(filler, 'connect')));
    const client = await RawClient.connect(at.port);
    while (at.at.connections.size === 0) await new Promise((resolve) => setImmediate(resolve));
    at.wheel.advance(performance.now() + 4000);
    assert.equal(at.at.connections.size, 1);
    at.wheel.advance(performance.now() + 6000);
    await client.toEnd();
    const [line] = await at.ended(1);
    assert.equal(line['response_flags'], 'UF,URX');
    assert.equal(line['response_code_details'], 'upstream_connection_timeout');
    assertNothingLeft(at);
  });

  it('a slow reader costs a bounded amount of memory, and gets every byte', async (t) => {
    const total = 64 * 1024 * 1024;
    const block = Buffer.alloc(1024 * 1024, 'z');
    let sent = 0;
    const { lane: at } = await lane(t, ({ socket }) => {
      const fill = (): void => {
        while (sent < total) {
          sent += block.length;
          if (!socket.write(block)) return void socket.once('drain', fill);
        }
        socket.end();
      };
      fill();
    });
    const client = connect({ port: at.port, host: '127.0.0.1' });
    client.pause();
    client.on('data', (bytes: Buffer) => (received += bytes.length));
    client.pause();
    let received = 0;
    // Until the whole path is full the backend writes on; then it stops by itself.
    let before = -1;
    while (before !== (await at.metric('envoy_cluster_upstream_cx_rx_bytes_total').catch(() => -1)) || before <= 0) {
      before = await at.metric('envoy_cluster_upstream_cx_rx_bytes_total').catch(() => -1);
      for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(before < total / 2, `${before} bytes were read for a client that reads nothing`);
    client.resume();
    await once(client, 'close');
    assert.equal(received, total);
    const [line] = await at.ended(1);
    assert.equal(line['bytes_sent'], total);
    assertNothingLeft(at);
  });

  it('connections that fell idle after large transfers keep few buffers', { timeout: 60_000 }, async (t) => {
    const bytes = 1024 * 1024 + 1000;
    const block = Buffer.alloc(bytes, 'b');
    const backend = createServer((socket) => socket.write(block));
    backend.listen(0, '127.0.0.1');
    await once(backend, 'listening');
    const at = await TcpLane.start([clusterOf('b', [portOf(backend)])], forwardTo(['b']));
    const clients: Socket[] = [];
    t.after(() => {
      for (const client of clients) client.destroy();
      at.close();
      backend.close();
    });
    const { arrayBuffers } = process.memoryUsage();
    for (let i = 0; i < 400; i++) {
      const client = connect({ port: at.port, host: '127.0.0.1' });
      clients.push(client);
      for (let got = 0; got < bytes;) {
        const [chunk]: Buffer[] = await once(client, 'data');
        got += chunk.length;
      }
    }
    assert.equal(at.at.connections.size, 400);
    setFlagsFromString('--expose-gc');
    runInNewContext('gc')();
    // A buffer of 256 KiB each would be 100 MiB.
    const grown = (process.memoryUsage().arrayBuffers - arrayBuffers) / 2 ** 20;
    assert.ok(grown < 50, `${grown.toFixed(0)} MiB`);
  });

  it('counts bytes while the connection lives, and both ends of it', async (t) => {
    const { lane: at } = await lane(t, echo);
    const client = await RawClient.connect(at.port);
    client.send('12345');
    await client.until((text) => text.length === 5);
    const labels = { destination_service: 'b.test', request_protocol: 'tcp', response_flags: '-' };
    assert.equal(await at.metric('istio_tcp_received_bytes_total', labels), 5);
    assert.equal(await at.metric('istio_tcp_sent_bytes_total', labels), 5);
    assert.equal(await at.metric('istio_tcp_connections_opened_total', labels), 1);
    assert.equal(await at.metric('envoy_tcp_downstream_cx_rx_bytes_total', { envoy_tcp_prefix: 'l4' }), 5);
    assert.equal(await at.metric('envoy_cluster_upstream_cx_tx_bytes_total', { envoy_cluster_name: 'b' }), 5);
    assert.equal(await at.metric('envoy_cluster_upstream_cx_active', { envoy_cluster_name: 'b' }), 1);
    assert.equal(await at.metric('envoy_listener_downstream_cx_active'), 1);
    client.socket.end();
    await at.ended(1);
    assert.equal(await at.metric('istio_tcp_connections_closed_total', labels), 1);
    assert.equal(await at.metric('envoy_listener_downstream_cx_active'), 0);
    assert.equal(await at.metric('envoy_cluster_upstream_cx_active', { envoy_cluster_name: 'b' }), 0);
    assert.equal(await at.metric('envoy_connection_limit_active_connections'), 0);
  });

  it('shares connections by weight', async (t) => {
    const backends = await Promise.all([RawBackend.start(echo), RawBackend.start(echo)]);
    const clusters = backends.map(({ port }, i) => clusterOf(`c${i}`, [port]));
    const destinations = [destinationTo('c0', 90), destinationTo('c1', 10), destinationTo('c2', 0)];
    const at = await TcpLane.start(clusters, forwardTo([], { destinations }));
    t.after(() => {
      at.close();
      for (const backend of backends) backend.close();
    });
    for (let i = 0; i < 200; i++) {
      const client = await RawClient.connect(at.port);
      client.socket.end('x');
      await client.toEnd();
    }
    await at.ended(200);
    const [first, second] = backends.map(({ connections }) => connections.length);
    assert.equal(first + second, 200);
    assert.ok(second > 3 && second < 50, `${second} of 200 with weight 10 of 100`);
    assertNothingLeft(at);
  });

  it('a client that goes while we connect leaves nothing (DC)', async (t) => {
    const { lane: at } = await lane(t);
    const client = await RawClient.connect(at.port);
    client.socket.resetAndDestroy();
    await at.ended(1);
    assertNothingLeft(at);
  });
});
