import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { portOf } from '../../../tests/support/raw.ts';
import { readInto, socketOf, takeHandles } from './accepted.ts';

async function listening(t: TestContext): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return server;
}

async function client(t: TestContext, server: Server): Promise<Socket> {
  const socket = connect(portOf(server), '127.0.0.1');
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate);
}

test('a connection that is taken becomes one socket, which reads into the buffer and writes', async (t) => {
  const server = await listening(t);
  const buffer = Buffer.alloc(64);
  const made = t.mock.fn();
  server.on('connection', made);
  const read = new Promise<string>((resolve) =>
    takeHandles(server, (handle) => {
      const own = socketOf(handle, buffer, (bytes, into) => {
        assert.equal(into, buffer);
        resolve(buffer.toString('latin1', 0, bytes));
        own.end('bye');
      });
      return true;
    }),
  );
  const socket = await client(t, server);
  socket.write('hello');
  assert.equal(await read, 'hello');
  const [answer]: Buffer[] = await once(socket, 'data');
  assert.equal(answer.toString(), 'bye');
  assert.equal(made.mock.callCount(), 0);
});

test('one that is left becomes a socket of node:net, which may still read into a buffer', async (t) => {
  const server = await listening(t);
  takeHandles(server, () => false);
  const buffer = Buffer.alloc(64);
  const read = new Promise<string>((resolve) =>
    server.on('connection', (accepted) => {
      assert.ok(accepted instanceof Socket);
      const own = readInto(accepted, buffer, (bytes) => resolve(buffer.toString('latin1', 0, bytes)));
      assert.ok(own !== null && own !== accepted);
      t.after(() => own.destroy());
    }),
  );
  const socket = await client(t, server);
  socket.write('hello');
  assert.equal(await read, 'hello');
});

test('a paused socket reads nothing, and what came meanwhile once it goes on', async (t) => {
  const server = await listening(t);
  const buffer = Buffer.alloc(4);
  let seen = '';
  const own = new Promise<Socket>((resolve) =>
    takeHandles(server, (handle) => {
      const made = socketOf(handle, buffer, (bytes) => {
        seen += buffer.toString('latin1', 0, bytes);
        // Whoever pauses has had the last bytes.
        made.pause();
      });
      resolve(made);
      return true;
    }),
  );
  const socket = await client(t, server);
  const made = await own;
  t.after(() => made.destroy());
  await new Promise((resolve) => socket.write('12345678', resolve));
  await until(() => seen !== '');
  assert.equal(seen, '1234');
  for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
  assert.equal(seen, '1234');
  made.resume();
  await until(() => seen.length >= 8);
  assert.equal(seen, '12345678');
});

test('a connection that is taken and closed is closed', async (t) => {
  const server = await listening(t);
  takeHandles(server, (handle) => {
    handle.close();
    return true;
  });
  const socket = await client(t, server);
  await once(socket.resume(), 'end');
});
