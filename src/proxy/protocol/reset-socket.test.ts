import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { Wire } from '../upstream/wire.ts';
import { portOf } from '../../../tests/support/raw.ts';
import { resetSocket } from './reset-socket.ts';

/** An accepted socket and the client at its other end, which reads nothing. */
async function pair(t: TestContext): Promise<{ near: Socket; far: Socket }> {
  const server = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const far = connect({ port: portOf(server), host: '127.0.0.1' });
  const [near]: Socket[] = await once(server, 'connection');
  far.pause();
  near.on('error', () => undefined);
  far.on('error', () => undefined);
  t.after(() => {
    far.destroy();
    server.close();
  });
  return { near, far };
}

/** Bytes wait behind the handle, past the stream. */
function fill(socket: Socket): void {
  const wire = new Wire(socket);
  while (!wire.hasUnsent) wire.write(Buffer.alloc(16 * 1024));
}

const open = (): number => process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length;

test('the peer of a socket that is reset hears of a reset', async (t) => {
  const { near, far } = await pair(t);
  far.resume();
  const failed = once(far, 'close').catch((error: unknown) => error);
  resetSocket(near);
  assert.match(String(await failed), /ECONNRESET/);
});

test('a socket whose end waits behind bytes is closed and its handle let go', async (t) => {
  const { near } = await pair(t);
  const before = open();
  fill(near);
  near.end();
  await new Promise((resolve) => setImmediate(resolve));
  resetSocket(near);
  await once(near, 'close');
  while (open() !== before - 1) await new Promise((resolve) => setImmediate(resolve));
  resetSocket(near);
});
