/** The rest of a request that was answered early: nobody wants it, and the answer must arrive all the same. */
import assert from 'node:assert/strict';
import { setImmediate as turn } from 'node:timers/promises';
import { test } from 'node:test';
import { Lane } from '../../../../tests/fuzz/proxy/engine.ts';
import { MemorySocket } from '../../../../tests/fuzz/proxy/sockets.ts';
import { proxied } from '../../../../tests/support/proxied.ts';
import { Rig, clusterOf, snapshotOf, routeTo } from '../../../../tests/support/rig.ts';
import { RawClient } from '../../../../tests/support/raw.ts';
import { drainMs } from './state.ts';

/** A client that takes nothing for now, and a clock that can be put forward. */
class SlowLane extends Lane {
  async answeredEarly(request: string, answer: string): Promise<MemorySocket> {
    const slow = 64;
    this.running = {
      pieces: [],
      answers: [{ pieces: [answer], then: 'keep', early: true }],
      clientEnds: false,
      slow,
      listener: 'edge',
      shared: false,
      direct: false,
    };
    const client = new MemorySocket(slow, false);
    const connection = this.listeners.edge.connection(this.worker);
    connection.attach(client);
    client.on('data', (chunk: Buffer) => connection.onChunk(chunk));
    client.resume();
    client.arrive(Buffer.from(request, 'latin1'));
    while (this.ended.length === 0) {
      client.deliver();
      for (const peer of this.peers) peer.step();
      await turn();
    }
    return client;
  }

  later(ms: number): void {
    this.worker.wheel.advance(performance.now() + ms);
  }
}

await test('a request whose rest does not come costs no byte of the answer that the client is still taking', async () => {
  const lane = new SlowLane();
  const body = 'a'.repeat(600);
  const answer = `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  const client = await lane.answeredEarly('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc', answer);
  assert.ok(client.heldBytes > 0, 'the client has not taken all of it');
  lane.later(drainMs + 1000);
  while (client.release()) await turn();
  assert.ok(client.received.toString('latin1').endsWith(body));
  assert.equal(client.finished, true, 'and then the end in good order');
});

await test('a client that reads nothing before it has sent all of a large request gets the answer that refused it', async (t) => {
  const refusing = routeTo('b', { action: { kind: 'direct-response', status: 401, headers: [], body: 'no' } });
  const rig = await Rig.start((port) => snapshotOf(port, [refusing], [clusterOf('b', [1])]));
  t.after(() => rig.close());
  const bytes = 16 * 1024 * 1024;
  const client = await RawClient.connect(rig.port);
  client.socket.pause();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${bytes}\r\n\r\n`);
  await new Promise<void>((resolve) => {
    client.socket.write(Buffer.alloc(bytes), () => resolve());
    client.socket.once('close', resolve);
  });
  client.socket.resume();
  const received = await client.toEnd();
  client.close();
  assert.match(received, /^HTTP\/1\.1 401 /);
  assert.equal(client.reset, false);
  assert.deepEqual(rig.faults, []);
});

await test('a line end behind a body, after the answer has left, costs no byte of it', async (t) => {
  const body = 'a'.repeat(1_500_000);
  const { rig, port } = await proxied(t, ({ socket }) =>
    socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`)),
  );
  const client = await RawClient.connect(port);
  client.socket.pause();
  client.send('POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc');
  await rig.logged(1);
  await new Promise<void>((resolve) => client.socket.write('\r\n', () => resolve()));
  client.socket.resume();
  const received = await client.toEnd();
  client.close();
  assert.equal(received.length - received.indexOf('\r\n\r\n') - 4, body.length);
});
