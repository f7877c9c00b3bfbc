import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { after, describe, it } from 'node:test';
import { Wire } from './wire.ts';

/** Both ends of a loopback connection. */
async function pair(): Promise<{ readonly near: Socket; readonly far: Socket }> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const near = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const [far]: Socket[] = await once(server, 'connection');
  if (near.connecting) await once(near, 'connect');
  server.close();
  near.on('error', () => undefined);
  far.on('error', () => undefined);
  return { near, far };
}

/** Resolves when the socket is closed, with an error or without. */
const closeOf = (socket: Socket): Promise<void> => new Promise((resolve) => socket.once('close', () => resolve()));

const numbered = (from: number, count: number): Buffer => Buffer.from(Array.from({ length: count }, (_, i) => (from + i) & 0xff));

describe('wire', { timeout: 20_000 }, () => {
  let near: Socket;
  let far: Socket;
  after(() => {
    near.destroy();
    far.destroy();
  });

  it('uses the handle on the Node that comes with Weir, past the stream', async (t) => {
    ({ near, far } = await pair());
    far.pause();
    const wire = new Wire(near);
    const throughStream = t.mock.method(near, 'write');
    wire.write(Buffer.from('straight'));
    assert.equal(throughStream.mock.callCount(), 0);
    assert.equal(wire.hasUnsent, false);
    const [chunk]: Buffer[] = await once(far.resume(), 'data');
    assert.equal(chunk.toString(), 'straight');
    near.destroy();
    far.destroy();
  });

  it('keeps the order of direct writes and stream writes behind a peer that does not read', async () => {
    ({ near, far } = await pair());
    far.pause();
    const wire = new Wire(near);
    let sent = 0;
    const size = 10_000;
    // Until the system takes no more, and some beyond: those go through the stream.
    for (let extra = 0; extra < 20; sent += size) {
      wire.write(numbered(sent, size));
      if (wire.hasUnsent) extra++;
      assert.ok(sent < 100e6, 'the system takes no end of bytes');
    }
    assert.ok(wire.unsent > 0);
    assert.ok(wire.isFull, 'what follows a pending write is counted');
    near.end();
    let received = 0;
    for await (const chunk of far) {
      assert.ok(Buffer.isBuffer(chunk));
      assert.ok(chunk.equals(numbered(received, chunk.length)), `bytes from ${received} on are in order`);
      received += chunk.length;
    }
    assert.equal(received, sent);
    assert.equal(wire.hasUnsent, false);
    far.destroy();
  });

  it('tells of bytes that wait until they are taken', async () => {
    ({ near, far } = await pair());
    far.pause();
    const wire = new Wire(near);
    while (!wire.hasUnsent) wire.write(numbered(0, 16 * 1024));
    assert.equal(near.writableLength, 0, 'the write that waits is a direct one');
    assert.ok(wire.unsent > 0);
    far.resume();
    // A write through the stream is done after everything before it.
    await new Promise((resolve) => near.write('last', resolve));
    assert.equal(wire.hasUnsent, false);
    assert.equal(wire.unsent, 0);
    far.destroy();
  });

  it('closes the socket with the error of a write that waits', async () => {
    ({ near, far } = await pair());
    far.pause();
    const wire = new Wire(near);
    while (!wire.hasUnsent) wire.write(numbered(0, 16 * 1024));
    const closed = closeOf(near);
    far.resetAndDestroy();
    await closed;
    assert.equal(wire.hasUnsent, false);
  });

  it('closes the socket with the error of a write that fails at once', async () => {
    ({ near, far } = await pair());
    const wire = new Wire(near);
    near.pause();
    far.resetAndDestroy();
    await closeOf(far);
    const errors: unknown[] = [];
    near.on('error', (error) => errors.push(error));
    const closed = closeOf(near);
    while (!near.destroyed) {
      wire.write(Buffer.from('x'));
      await new Promise(setImmediate);
    }
    await closed;
    assert.ok(errors.length === 1 && errors[0] instanceof Error && /ECONNRESET|EPIPE/.test(errors[0].message), String(errors));
  });

  it('drops what is written to a socket that is gone, at once and ever after', async () => {
    ({ near, far } = await pair());
    const wire = new Wire(near);
    wire.write(Buffer.from('before'));
    const errors: unknown[] = [];
    near.on('error', (error) => errors.push(error));
    const closed = closeOf(near);
    near.destroy();
    assert.equal(wire.write(Buffer.from('after')), true);
    await closed;
    assert.equal(wire.write(Buffer.from('long after')), true);
    await new Promise(setImmediate);
    wire.write(Buffer.alloc(100_000));
    assert.equal(wire.hasUnsent, false);
    assert.deepEqual(errors, []);
    let received = '';
    for await (const chunk of far) received += String(chunk);
    assert.equal(received, 'before');
    far.destroy();
  });

  it('does not touch a destroyed socket after a pending write', async () => {
    ({ near, far } = await pair());
    far.pause();
    const wire = new Wire(near);
    while (!wire.hasUnsent) wire.write(numbered(0, 16 * 1024));
    const closed = closeOf(near);
    wire.destroy();
    await closed;
    await new Promise(setImmediate);
    assert.equal(wire.hasUnsent, false);
  });
});
