/** A client or an upstream that is killed at any byte of a layer 4 connection leaves nothing behind. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { forwardTo, TcpLane } from '../support/layer4.ts';
import { portOf } from '../support/raw.ts';
import { clusterOf } from '../support/rig.ts';

type How = 'reset' | 'destroy' | 'end';

function cut(socket: Socket, how: How): void {
  if (how === 'reset') socket.resetAndDestroy();
  else if (how === 'destroy') socket.destroy();
  else socket.end();
}

/** Sockets that this process holds. */
function sockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;
}

/** Counts down the bytes that a side takes before it cuts. */
function after(bytes: number, run: () => void): (chunk: Buffer) => void {
  let left = bytes;
  let done = false;
  return (chunk) => {
    left -= chunk.length;
    if (left > 0 || done) return;
    done = true;
    run();
  };
}

const part = Buffer.alloc(300 * 1024, 'c');
/** Borders of reads, of the buffer that is lent, and of what the system queues. */
const points = [0, 1, 2, 3, 16_383, 16_384, 65_535, 65_536, 65_537, 262_143, 262_144, 262_145, 1_000_000, 5_000_000];

for (const side of ['client', 'upstream'] as const) {
  for (const how of ['reset', 'destroy', 'end'] as const) {
    await test(`the ${side} is cut (${how}) at ${points.length} points of a transfer both ways`, { timeout: 60_000 }, async (t) => {
      const before = sockets();
      let at = 0;
      const upstreams = new Set<Socket>();
      const server = createServer({ allowHalfOpen: how === 'end' }, (socket) => {
        upstreams.add(socket);
        socket.on('error', () => undefined);
        socket.on('close', () => upstreams.delete(socket));
        const point = points[at];
        socket.resume();
        // A good end of the other side is answered by one.
        socket.on('end', () => socket.end());
        if (side === 'upstream' && point === 0) return cut(socket, how);
        if (side === 'upstream')
          socket.on(
            'data',
            after(point, () => cut(socket, how)),
          );
        pump(socket);
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const lane = await TcpLane.start([clusterOf('b', [portOf(server)])], forwardTo(['b']));
      t.after(() => {
        lane.close();
        server.close();
      });
      for (at = 0; at < points.length; at++) {
        const point = points[at];
        const client = connect({ port: lane.port, host: '127.0.0.1', allowHalfOpen: how === 'end' });
        client.on('error', () => undefined);
        const closed = new Promise((resolve) => client.on('close', resolve));
        await once(client, 'connect');
        client.resume();
        if (side === 'client' && point === 0) cut(client, how);
        else {
          if (side === 'client')
            client.on(
              'data',
              after(point, () => cut(client, how)),
            );
          else client.resume();
          client.on('end', () => client.end());
          pump(client);
        }
        const lines = await lane.ended(at + 1);
        await closed;
        const { response_flags: flags } = lines[at];
        const known = side === 'client' ? ['-', 'DC', 'UC'] : ['-', 'UC', 'DC', 'UF,URX'];
        assert.ok(known.includes(String(flags)), `${String(flags)} at ${point}`);
      }
      assert.equal(lane.at.connections.size, 0);
      assert.equal(lane.open, 0);
      assert.equal(lane.worker.counts.own('l4'), 0);
      for (const cluster of lane.clusters.all()) assert.equal(cluster.activeTotal, 0);
      assert.deepEqual(lane.faults, []);
      while (upstreams.size > 0 || sockets() > before) await new Promise((resolve) => setImmediate(resolve));
    });
  }
}

/** Writes until the peer has had enough or the socket is gone; never more than 6 MB. */
function pump(socket: Socket): void {
  let left = 20;
  const more = (): void => {
    while (left > 0 && !socket.destroyed && socket.writable) {
      left--;
      if (!socket.write(part)) return void socket.once('drain', more);
    }
    if (left === 0 && socket.writable) socket.end();
  };
  more();
}
