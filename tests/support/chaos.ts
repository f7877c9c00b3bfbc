/** Peers that break off at random points. Repeatable: the points come from a seed. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';

/** Numbers from 0 (included) to `below` (not). */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed | 1;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

const response = `HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n${'r'.repeat(100_000)}`;

/** A backend whose connections answer, die at some point of an answer, or answer late. */
export async function chaosBackend(seed: number): Promise<Server> {
  const random = randomFrom(seed);
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', () => {
      const fate = random(8);
      if (fate === 0) socket.resetAndDestroy();
      else if (fate === 1) socket.destroy();
      else if (fate === 2) socket.write(response.slice(0, random(60)), () => socket.destroy());
      else if (fate === 3) socket.write(response.slice(0, random(response.length)), () => socket.resetAndDestroy());
      else if (fate === 4) socket.write('nonsense\r\n\r\n');
      // Late: by then the client may be gone. A client that half-closed is owed its answer, so silence would be waited for.
      else if (fate === 5) setTimeout(() => socket.destroyed || socket.write(response), 200).unref();
      else socket.write(response);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const requests: readonly Buffer[] = [
  'GET /stable/x HTTP/1.1\r\nHost: load.test\r\n\r\n',
  `POST /stable/x HTTP/1.1\r\nHost: load.test\r\nContent-Length: 50000\r\n\r\n${'u'.repeat(50_000)}`,
  `POST /stable/x HTTP/1.1\r\nHost: load.test\r\nTransfer-Encoding: chunked\r\n\r\n4000\r\n${'c'.repeat(0x4000)}\r\n0\r\n\r\n`,
  'GET /stable/x HTTP/1.1\r\nHost: load.test\r\n\r\nGET /stable/y HTTP/1.1\r\nHost: load.test\r\n\r\n',
  'GET /stable/x HTTP/1.1\r\nHost: load.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'));

/**
 * A client that sends a part of a conversation or all of it, takes a part of the answer, below `most` bytes, and is gone by a
 * FIN, a reset or both ways.
 */
export async function chaosClient(
  port: number,
  random: (below: number) => number,
  conversations: readonly Buffer[] = requests,
  most = 120_000,
): Promise<void> {
  const socket: Socket = connect({ host: '127.0.0.1', port, allowHalfOpen: random(4) === 0 });
  socket.on('error', () => undefined);
  const whole = conversations[random(conversations.length)];
  const part = random(2) === 0 ? whole : whole.subarray(0, random(whole.length));
  const enough = random(3) === 0 ? 0 : random(most);
  const patienceMs = random(60);
  const end = random(3);
  const leave = (): void => {
    if (end === 0) socket.resetAndDestroy();
    else if (end === 1) socket.destroy();
    else {
      socket.end();
      setTimeout(() => socket.destroy(), 20);
    }
  };
  let taken = 0;
  socket.on('connect', () => socket.write(part));
  socket.on('data', (chunk: Buffer) => {
    taken += chunk.length;
    if (taken >= enough) leave();
  });
  socket.on('end', leave);
  setTimeout(leave, patienceMs);
  await once(socket, 'close').catch(() => undefined);
}
