import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { L4Forward } from '../../src/model/chain.ts';
import { defaultLimits } from '../../src/model/listener.ts';
import { requireProgram } from '../support/programs.ts';
import { hello, proxied } from '../support/proxied.ts';
import { answering, RawClient } from '../support/raw.ts';
import { origin, Rig, type RigOptions, routeTo, snapshotOf } from '../support/rig.ts';
import { chainOf, runProgram } from '../support/tls.ts';

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

const caps: readonly (readonly [of: string, options: RigOptions])[] = [
  ['the process', { maxConnections: 10 }],
  ['a listener', { listener: { limits: { ...defaultLimits, maxConnections: 10 } } }],
];

for (const [of, options] of caps)
  await test(`over the cap of ${of} connections are closed at once, over all workers, and taken again when others go`, async (t) => {
    const { port, rig } = await proxied(
      t,
      answering(() => hello),
      { workers: 2, ...options },
    );
    const clients = await Promise.all(Array.from({ length: 10 }, () => RawClient.connect(port)));
    for (const client of clients) client.send(get);
    await Promise.all(clients.map((client) => client.until((text) => text.endsWith('hello'))));
    for (let i = 0; i < 5; i++) {
      const refused = await RawClient.connect(port);
      refused.send(get);
      assert.equal(await refused.toEnd(), '');
      refused.close();
    }
    for (const client of clients) client.close();
    // The workers hear of it in their own time: from some attempt on there is room.
    for (;;) {
      const client = await RawClient.connect(port);
      client.send(get);
      const isServed = (await client.until((text) => text.endsWith('hello'))) !== '';
      client.close();
      if (isServed) break;
    }
    assert.deepEqual(rig.faults, []);
  });

await test('when memory is tight new requests get 503 with Retry-After, and those under way go on', async (t) => {
  const { port, backend, rig } = await proxied(t, () => undefined, { maxMemoryBytes: 1024 * 1024 });
  const waiting: RawClient[] = [];
  // A few are let in; from some request on there is a refusal.
  for (;;) {
    const client = await RawClient.connect(port);
    waiting.push(client);
    client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    const isRefused = await Promise.race([client.toEnd().then(() => true), backend.connection(waiting.length - 1).then(() => false)]);
    if (isRefused) break;
    assert.ok(waiting.length < 1000);
  }
  assert.match(waiting.at(-1)?.received ?? '', /^HTTP\/1\.1 503 [^]*\r\nretry-after: 1\r\n/i);
  const [line] = await rig.logged(1);
  assert.deepEqual([line.response_flags, line.response_code_details], ['OM', 'overload']);
  const [first] = waiting;
  (await backend.connection(0)).socket.write(hello);
  assert.match(await first.until((text) => text.endsWith('hello')), /^HTTP\/1\.1 200 /);
  for (const client of waiting) client.close();
});

await test('a connection that is over its time closes after the answer, or at once when it is idle', async (t) => {
  const { port } = await proxied(
    t,
    answering(() => hello),
    { limits: { maxConnectionMs: 300 } },
  );
  const idle = await RawClient.connect(port);
  assert.equal(await idle.toEnd(), '');
  idle.close();
  const busy = await RawClient.connect(port);
  let answers = 0;
  for (;;) {
    busy.send(get);
    const text = await busy.until((received) => received.split('hello').length === answers + 2);
    if (busy.ended || /connection: close/.test(text)) break;
    answers++;
  }
  await busy.toEnd();
  assert.match(busy.received, /hello$/, 'no answer was cut');
  assert.equal(busy.reset, false);
  busy.close();
});

await test('a client that takes no byte of its answer is cut', async (t) => {
  const { port, rig } = await proxied(
    t,
    (connection) => {
      connection.socket.once('data', () => {
        connection.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n');
        const chunk = Buffer.alloc(1024 * 1024);
        const more = (): void => void (connection.socket.writable && connection.socket.write(chunk, more));
        more();
      });
      connection.socket.on('error', () => undefined);
    },
    { limits: { streamIdleTimeoutMs: 300 } },
  );
  const socket = connect({ port, host: '127.0.0.1' });
  socket.pause();
  socket.write(get);
  const [line] = await rig.logged(1);
  assert.match(String(line.response_flags), /SI/);
  socket.destroy();
});

await test('a client that takes none of its answers is cut too, long before it could be idle', async (t) => {
  const direct = routeTo('b', { action: { kind: 'direct-response', status: 200, body: 'x'.repeat(10_000), headers: [] } });
  const rig = await Rig.start((port) => snapshotOf(port, [direct], [], { limits: { streamIdleTimeoutMs: 200 } }));
  t.after(async () => {
    await rig.close();
    assert.deepEqual(rig.faults, []);
  });
  const socket = connect({ port: rig.port, host: '127.0.0.1' });
  socket.pause();
  socket.write(get.repeat(2000));
  // Whoever does not read hears of the end when it writes.
  const timer = setInterval(() => socket.write('G'), 20);
  t.after(() => clearInterval(timer));
  await new Promise((resolve) => socket.once('error', resolve));
});

await test('a client that pipelines without end does not keep others waiting', async (t) => {
  const direct = routeTo('b', { action: { kind: 'direct-response', status: 200, body: 'x', headers: [] } });
  const rig = await Rig.start((port) => snapshotOf(port, [direct], []), { accessLog: '{"port":%DOWNSTREAM_REMOTE_PORT%}\n' });
  t.after(async () => {
    await rig.close();
    assert.deepEqual(rig.faults, []);
  });
  const count = 5000;
  const clients = await Promise.all([RawClient.connect(rig.port), RawClient.connect(rig.port)]);
  for (const client of clients) client.send(get.repeat(count));
  const lines = await rig.logged(2 * count);
  let turns = 0;
  for (let i = 1; i < lines.length; i++) if (lines[i].port !== lines[i - 1].port) turns++;
  // By whole reads of 64 KiB they would take turns a handful of times.
  assert.ok(turns > 50, `they took turns ${turns} times`);
  for (const client of clients) client.close();
});

await test('Unix sockets: one worker accepts, whoever asks by curl is served, and the log says no address', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const dir = mkdtempSync(join(tmpdir(), 'weir-unix-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const path = join(dir, 'listener.sock');
  const rows = [
    { address: path, args: ['--unix-socket', path] },
    { address: `@weir-test-${process.pid}`, args: ['--abstract-unix-socket', `weir-test-${process.pid}`] },
  ];
  for (const { address, args } of rows) {
    const { backend, rig } = await proxied(
      t,
      answering(() => hello),
      { workers: 2, listener: { address, trustedCidrs: ['127.0.0.1/32'] } },
    );
    for (let i = 0; i < 4; i++) assert.equal((await runProgram('curl', ['-sS', ...args, 'http://a.test/'])).stdout, 'hello');
    const sent = backend.connections.map(({ received }) => received).join('');
    assert.doesNotMatch(sent, /x-forwarded-for/);
    const [line] = await rig.logged(4);
    assert.equal(line.downstream_remote_address, null);
  }
});

await test('an upgraded connection ends when it is silent for its own limit, or when its time is over', async (t) => {
  const upgrade =
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n';
  const echo = answering(() => 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n');
  const rows = [
    { limits: { upgradeIdleTimeoutMs: 200 }, flag: 'SI', talks: false },
    { limits: { maxUpgradeMs: 300 }, flag: 'DT', talks: true },
  ];
  for (const { limits, flag, talks } of rows) {
    const { port, rig } = await proxied(t, echo, { limits });
    const client = await RawClient.connect(port);
    client.send(upgrade);
    await client.until((text) => text.includes('\r\n\r\n'));
    const timer = talks ? setInterval(() => client.send('x'), 20) : undefined;
    client.socket.on('error', () => undefined);
    await client.toEnd();
    clearInterval(timer);
    client.close();
    const [line] = await rig.logged(1);
    assert.deepEqual(rig.faults, []);
    assert.deepEqual([line.response_code, line.response_flags], [101, flag]);
  }
});

await test('when memory is tight layer 4 takes no more connections either, but for a few', async (t) => {
  const destination = { cluster: 'b', weight: 1, host: 'b', port: null, subset: null };
  const forward: L4Forward = { route: 'tcp', destinations: [destination], idleTimeoutMs: 0, maxConnections: 0, origin, pending: [] };
  const { port, rig } = await proxied(t, (connection) => connection.socket.write('hello'), {
    maxMemoryBytes: 1024 * 1024,
    listener: { chains: [chainOf('tcp', { forward })] },
    accessLog: '{"flags":"%RESPONSE_FLAGS%","why":"%DOWNSTREAM_TRANSPORT_FAILURE_REASON%"}\n',
  });
  const clients: RawClient[] = [];
  for (;;) {
    const client = await RawClient.connect(port);
    clients.push(client);
    if ((await client.until((text) => text !== '')) === '') break;
    assert.ok(clients.length < 1000);
  }
  assert.ok(clients.length > 8);
  assert.deepEqual(await rig.logged(1), [{ flags: 'OM', why: 'memory is tight' }]);
  assert.equal(rig.metric('weir_listener_refused_total', { reason: 'overload' }), 1);
  for (const client of clients) client.close();
});
