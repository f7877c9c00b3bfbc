/** Which of two limits ends a wait, seen from outside. The waits are the subject: an upstream stays silent for longer than one of them. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { ForwardAction } from '../../../model/route.ts';
import type { HttpLimits } from '../../../model/listener.ts';
import { exchange, RawBackend, RawClient, type BackendConnection } from '../../../../tests/support/raw.ts';
import { clusterOf, Rig, routeTo, snapshotOf } from '../../../../tests/support/rig.ts';

const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';
const switching = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n';
const upgrade =
  'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';

async function start(
  t: TestContext,
  onHead: (connection: BackendConnection) => void,
  limits: Partial<HttpLimits>,
  forward: Pick<ForwardAction, 'timeoutMs' | 'readTimeoutMs'> = {},
): Promise<Rig> {
  const backend = await RawBackend.start((connection) => connection.socket.once('data', () => onHead(connection)));
  const route = routeTo('b');
  const action = route.action.kind === 'forward' ? { ...route.action, ...forward } : route.action;
  const rig = await Rig.start((port) => snapshotOf(port, [{ ...route, action }], [clusterOf('b', [backend.port])], { limits }));
  t.after(async () => {
    await rig.close();
    backend.close();
    assert.deepEqual(rig.faults, []);
  });
  return rig;
}

const late = (connection: BackendConnection): void => void delay(1200).then(() => connection.socket.write(answer));
const get = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n';

for (const forward of [{ timeoutMs: 20_000 }, { readTimeoutMs: 20_000 }])
  await test(`a wait that a route allows (${Object.keys(forward)[0]}) is no idleness`, { timeout: 20_000 }, async (t) => {
    const rig = await start(t, late, { streamIdleTimeoutMs: 300 }, forward);
    assert.match(await exchange(rig.port, get), /^HTTP\/1\.1 200 /);
  });

await test('a wait that nobody speaks of is', { timeout: 20_000 }, async (t) => {
  const rig = await start(t, late, { streamIdleTimeoutMs: 300 });
  assert.match(await exchange(rig.port, get), /^HTTP\/1\.1 408 /);
  const [line] = await rig.logged(1);
  assert.equal(line['response_flags'], 'SI');
});

await test('a client that does not send its body is idle, whatever the route allows', { timeout: 20_000 }, async (t) => {
  const rig = await start(t, () => undefined, { streamIdleTimeoutMs: 300 }, { readTimeoutMs: 20_000 });
  const text = await exchange(rig.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc');
  assert.match(text, /^HTTP\/1\.1 408 /);
});

await test('a client that takes no answer is idle, whatever the route allows', { timeout: 20_000 }, async (t) => {
  const rig = await start(
    t,
    (connection) => void connection.socket.write(`HTTP/1.1 200 OK\r\ncontent-length: 50000000\r\n\r\n${'x'.repeat(50_000_000)}`),
    { streamIdleTimeoutMs: 300 },
    { readTimeoutMs: 20_000 },
  );
  const client = await RawClient.connect(rig.port);
  client.socket.pause();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const [line] = await rig.logged(1);
  assert.equal(line['response_flags'], 'SI');
  client.close();
});

for (const { name, limits, forward, cut } of [
  { name: 'the route’s time', limits: {}, forward: { readTimeoutMs: 300 }, cut: true },
  { name: 'the route’s longer time', limits: { streamIdleTimeoutMs: 300 }, forward: { readTimeoutMs: 20_000 }, cut: false },
  { name: 'the listener’s own for them', limits: { upgradeIdleTimeoutMs: 300 }, forward: { readTimeoutMs: 20_000 }, cut: true },
])
  await test(`a WebSocket is idle after ${name}`, { timeout: 20_000 }, async (t) => {
    const late = (connection: BackendConnection): void => {
      connection.socket.write(switching);
      void delay(1200).then(() => connection.socket.write('a frame'));
    };
    const rig = await start(t, late, limits, forward);
    const client = await RawClient.connect(rig.port);
    client.send(upgrade);
    if (cut) {
      const [line] = await rig.logged(1);
      assert.equal(line['response_flags'], 'SI');
      assert.ok(!client.received.includes('a frame'));
    } else await client.until((text) => text.endsWith('a frame'));
    client.close();
  });
