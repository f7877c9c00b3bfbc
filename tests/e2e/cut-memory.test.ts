/** Connections that are cut, thousands of times, by either side, anywhere: the worker needs no more memory than before. */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import type { Cluster } from '../../src/model/cluster.ts';
import { randomFrom } from '../support/chaos.ts';
import { CutRig, forEach, type How, hows, numbers, sendAndCut } from '../support/cuts.ts';
import { block, flag, frame, frameType, get, preface } from '../support/h2-frames.ts';
import { Http2Upstream } from '../support/http2-upstream.ts';
import { RawBackend } from '../support/raw.ts';
import { clusterOf, routeTo, snapshotOf } from '../support/rig.ts';

const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
const opening = Buffer.concat([preface, frame(frameType.settings, 0, 0)]);
const post = block([[':method', 'POST'], ...get().slice(1)]);
const requests: readonly Buffer[] = [
  Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'),
  Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\nhello world'),
  Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\nX-Sum: 1\r\n\r\n'),
  Buffer.from(
    `GET / HTTP/1.1\r\nHost: a\r\n${upgrade}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\nframes`,
  ),
  Buffer.concat([opening, ...[1, 3, 5].map((id) => frame(frameType.headers, flag.endHeaders | flag.endStream, id, block(get())))]),
  Buffer.concat([
    opening,
    frame(frameType.headers, flag.endHeaders, 1, post),
    frame(frameType.data, 0, 1, Buffer.from('hello world')),
    frame(frameType.headers, flag.endHeaders | flag.endStream, 1, block([['x-sum', '1']])),
  ]),
];
const responses: readonly string[] = [
  'HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\ngood morning',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngood\r\n0\r\nX-Sum: 2\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\ngood morning',
  `HTTP/1.1 101 Switching Protocols\r\n${upgrade}\r\nframes`,
];

/** Sends a part and is gone, or all of it and is gone with the first byte of an answer. */
async function cutClient(port: number, whole: Buffer, bytes: number, how: How): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  const closed = new Promise((resolve) => socket.on('close', resolve));
  socket.on('error', () => undefined);
  socket.on('end', () => socket.destroy());
  socket.on('connect', () => {
    if (bytes < whole.length) return sendAndCut(socket, whole.subarray(0, bytes), how);
    socket.once('data', () => sendAndCut(socket, '', how));
    socket.write(whole);
  });
  socket.resume();
  await closed;
}

/** What pools of the worker's may still grow by, MiB. A cut that left half a kilobyte would need as much. */
const maxGrowthMiB = 1.5;

/** Cuts in four rounds, and what the worker needs after the second and the last. */
async function repeated(t: TestContext, cluster: Cluster, settle: () => void): Promise<void> {
  const cuts = await CutRig.start(t, (port) => snapshotOf(port, [routeTo('b')], [cluster]));
  const round = async (): Promise<void> => {
    for (const whole of requests)
      for (const how of hows) await forEach(numbers(0, whole.length), (bytes) => cutClient(cuts.rig.port, whole, bytes, how));
    await cuts.rig.settled();
    settle();
    await cuts.nothingIsLeft();
  };
  // Pools and V8's young generation grow to their size first.
  await round();
  await round();
  const early = await cuts.memory();
  await round();
  await round();
  const late = await cuts.memory();
  const count = 2 * 2 * requests.reduce((sum, whole) => sum + whole.length + 1, 0);
  t.diagnostic(`${early.toFixed(2)} MiB, ${late.toFixed(2)} MiB after ${count} more cuts`);
  assert.ok(late - early < maxGrowthMiB, `${early.toFixed(2)} MiB, then ${late.toFixed(2)} MiB after ${count} more cuts`);
}

await test('in front of HTTP/1.1', { timeout: 60_000 }, async (t) => {
  const random = randomFrom(3);
  const backend = await RawBackend.start(({ socket }) => {
    socket.on('end', () => socket.end());
    socket.once('data', () => {
      const response = responses[random(responses.length)];
      sendAndCut(socket, response.slice(0, random(response.length + 1)), hows[random(hows.length)]);
    });
  });
  t.after(() => backend.close());
  await repeated(t, clusterOf('b', [backend.port]), () => {
    for (const { socket } of backend.connections.splice(0)) socket.destroy();
  });
});

await test('in front of HTTP/2', { timeout: 60_000 }, async (t) => {
  const random = randomFrom(5);
  const sockets = new Set<Socket>();
  const upstream = await Http2Upstream.start(t, (stream) => {
    stream.resume();
    const end = random(20);
    // Without trailers where it is cut: node:http2 aborts the process for a server that resets a stream while they are due.
    stream.respond({ ':status': 200 }, { waitForTrailers: end > 1 });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': '2' }));
    if (end === 0) stream.session?.destroy();
    else if (end === 1) stream.close(random(14));
    else stream.end('good morning');
  });
  upstream.server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await repeated(t, clusterOf('b', [upstream.port], { protocol: 'http2' }), () => {
    for (const socket of sockets) socket.destroy();
  });
});
