/** Windows, time limits and the end of HTTP/2 connections. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { eventually } from '../support/program.ts';
import { frame, frameType, uint32 } from '../support/h2-frames.ts';
import { ask, frames, replyOf, securedRig, session } from '../support/http2.ts';
import { answering } from '../support/raw.ts';

const ok = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';
const megabyte = 1024 * 1024;

await test('an upstream waits while the client opens no window, and all arrives once it does', async (t) => {
  const size = 64 * megabyte;
  let sent = 0;
  const rig = await securedRig(t, (connection) => {
    connection.socket.once('data', () => {
      connection.socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
      const part = Buffer.alloc(64 * 1024, 'x');
      const more = (): void => {
        while (sent < size) {
          sent += part.length;
          if (!connection.socket.write(part)) return;
        }
      };
      connection.socket.on('drain', more);
      more();
    });
  });
  const client = await session(t, rig);
  const stream = client.request({ ':path': '/', ':authority': 'a.test' });
  await once(stream, 'response');
  assert.ok((await still(() => sent)) < size / 2, `${sent} bytes left the upstream though nobody took any`);
  let received = 0;
  stream.on('data', (chunk: Buffer) => (received += chunk.length));
  await once(stream, 'end');
  assert.equal(received, size);
});

/** Resolves once the level has stood still for a second. */
async function still(level: () => number): Promise<number> {
  let last = level();
  let since = performance.now();
  await eventually(() => {
    const now = level();
    if (now !== last) since = performance.now();
    last = now;
    return performance.now() - since > 1000;
  });
  return last;
}

await test('a client waits while the upstream takes nothing, and other streams go on', async (t) => {
  const size = 64 * megabyte;
  const rig = await securedRig(t, (connection) => {
    connection.socket.once('data', () => {
      if (!connection.received.startsWith('POST')) return void connection.socket.write(ok);
      connection.socket.pause();
      connection.socket.on('data', () => {
        if (connection.received.length > size) connection.socket.write(ok);
      });
    });
  });
  const client = await session(t, rig);
  const stream = client.request({ ':path': '/', ':method': 'POST', ':authority': 'a.test', 'content-length': size });
  let sent = 0;
  const part = Buffer.alloc(64 * 1024, 'u');
  const more = (): void => {
    while (sent < size) {
      sent += part.length;
      if (!stream.write(part)) return;
    }
    if (!stream.writableEnded) stream.end();
  };
  stream.on('drain', more);
  more();
  assert.ok((await still(() => sent)) < size / 2, `${sent} bytes were taken from the client though the upstream took none`);
  assert.equal((await ask(client, { ':path': '/other' })).status, 200);
  (await rig.backend.connection(0)).socket.resume();
  assert.equal((await replyOf(stream)).status, 200);
  const lines = await rig.rig.logged(2);
  assert.equal(lines.find((line) => line['method'] === 'POST')?.['bytes_received'], size);
});

await test('a client that takes nothing of its response is cut off', async (t) => {
  const body = 'x'.repeat(256 * 1024);
  const limits = { streamIdleTimeoutMs: 300 };
  const reply = `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
  const rig = await securedRig(
    t,
    answering(() => reply),
    { limits },
  );
  // No window at all: SETTINGS_INITIAL_WINDOW_SIZE 0.
  const client = await frames(rig, Buffer.from([0, 4, 0, 0, 0, 0]));
  t.after(() => client.close());
  client.request(1);
  const reset = await client.frame((one) => one.type === frameType.rstStream && one.stream === 1);
  assert.notEqual(reset, null);
  assert.equal(
    client.frames.find((one) => one.type === frameType.data && one.payload.length > 0),
    undefined,
  );
  await rig.rig.logged(1);
  assert.equal(client.closed, false, 'the connection goes on');
});

await test('the same for a small response that was handed over whole', async (t) => {
  const rig = await securedRig(
    t,
    answering(() => ok),
    { limits: { streamIdleTimeoutMs: 300 } },
  );
  const client = await frames(rig, Buffer.from([0, 4, 0, 0, 0, 0]));
  t.after(() => client.close());
  client.request(1);
  assert.notEqual(await client.frame((one) => one.type === frameType.rstStream && one.stream === 1), null);
  const [line] = await rig.rig.logged(1);
  assert.equal(line['response_code'], 200);
});

await test('an idle connection ends with GOAWAY', async (t) => {
  const rig = await securedRig(
    t,
    answering(() => ok),
    { limits: { idleTimeoutMs: 200 } },
  );
  const client = await frames(rig);
  client.request(1);
  const goaway = await client.frame((one) => one.type === frameType.goaway);
  assert.equal(goaway?.payload.readUInt32BE(0), 1);
  assert.equal(goaway?.payload.readUInt32BE(4), 0);
  await client.toEnd();
});

await test('a connection lives no longer than maxConnectionMs; what is under way ends first', async (t) => {
  const rig = await securedRig(t, () => undefined, { limits: { maxConnectionMs: 200 } });
  const client = await session(t, rig);
  const stream = client.request({ ':path': '/', ':authority': 'a.test' });
  const reply = replyOf(stream);
  const connection = await rig.backend.connection(0);
  await connection.until((received) => received.endsWith('\r\n\r\n'));
  const [code] = await once(client, 'goaway');
  assert.equal(code, 0);
  connection.socket.write(ok);
  assert.equal((await reply).body, 'hello');
  await once(client, 'close');
});

await test('GOAWAY names the last stream that is served, and those are served', async (t) => {
  const rig = await securedRig(t, () => undefined, { limits: { maxConnectionMs: 200 } });
  const client = await frames(rig);
  t.after(() => client.close());
  client.request(1);
  client.request(3);
  await rig.backend.connection(1);
  const goaway = await client.frame((one) => one.type === frameType.goaway);
  assert.equal(goaway?.payload.readUInt32BE(0), 3);
  assert.equal(goaway?.payload.readUInt32BE(4), 0);
  // Too late: not served, and not the end of the others.
  client.request(5);
  for (const { socket } of rig.backend.connections) socket.write(ok);
  await client.toEnd();
  for (const stream of [1, 3]) assert.ok(client.frames.some((one) => one.type === frameType.data && one.stream === stream));
  assert.equal(rig.backend.connections.length, 2);
});

await test('a client that says nothing more after the end does not hold the socket', async (t) => {
  const rig = await securedRig(
    t,
    answering(() => ok),
    { limits: { idleTimeoutMs: 200 } },
  );
  const client = await frames(rig);
  // Without its own listeners the client answers our FIN with nothing.
  client.socket.removeAllListeners('end');
  client.request(1);
  await client.frame((one) => one.type === frameType.goaway);
  // A socket that is still open over there would take these for ever.
  const timer = setInterval(() => client.send(frame(frameType.ping, 0, 0, Buffer.alloc(8))), 50);
  t.after(() => clearInterval(timer));
  await client.toEnd();
});

await test('a client that never sends the preface is let go', async (t) => {
  const rig = await securedRig(
    t,
    answering(() => ok),
    { limits: { headTimeoutMs: 200 } },
  );
  const client = await frames(rig);
  client.close();
  const { connect } = await import('node:tls');
  const silent = connect({ port: rig.port, host: '127.0.0.1', ca: rig.ca, servername: 'localhost', ALPNProtocols: ['h2'] });
  silent.on('error', () => undefined);
  silent.resume();
  await once(silent, 'close');
});

await test('a drain ends connections once their exchanges are over', async (t) => {
  const rig = await securedRig(t, () => undefined);
  const client = await session(t, rig);
  const reply = ask(client, { ':path': '/' });
  const connection = await rig.backend.connection(0);
  await connection.until((received) => received.endsWith('\r\n\r\n'));
  const drained = rig.rig.drain();
  connection.socket.write(ok);
  assert.equal((await reply).body, 'hello');
  await drained;
  if (!client.destroyed) await once(client, 'close');
});

await test('what a drain cuts at its end is not the client’s doing', async (t) => {
  const rig = await securedRig(t, (connection) => {
    connection.socket.on('data', (text: string) => {
      if (text.includes('/half')) connection.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel');
    });
  });
  const client = await session(t, rig);
  const half = client.request({ ':path': '/half', ':authority': 'a.test' });
  half.on('error', () => undefined);
  await once(half, 'response');
  const never = ask(client, { ':path': '/never' });
  await (await rig.backend.connection(1)).until((received) => received.endsWith('\r\n\r\n'));
  await rig.rig.drain(100);
  await never;
  const lines = await rig.rig.logged(2);
  assert.deepEqual(
    lines
      .map((line) => [line['path'], line['response_code'], line['response_flags'], line['response_code_details']])
      .toSorted((a, b) => String(a[0]).localeCompare(String(b[0]))),
    [
      ['/half', 200, '-', 'drained'],
      ['/never', 0, '-', 'drained'],
    ],
  );
});

await test('window updates of zero and of too much end the stream or the connection', async (t) => {
  const rig = await securedRig(t, () => undefined);
  const zero = await frames(rig);
  t.after(() => zero.close());
  zero.request(1);
  zero.send(frame(frameType.windowUpdate, 0, 1, uint32(0)));
  // Null: the connection ended.
  const end = await zero.frame((one) => one.type === frameType.rstStream || one.type === frameType.goaway);
  if (end?.type === frameType.rstStream) assert.equal(end.payload.readUInt32BE(0), 1, 'PROTOCOL_ERROR');
  const large = await frames(rig);
  large.send(frame(frameType.windowUpdate, 0, 0, uint32(0x7fffffff)));
  await large.toEnd();
  assert.ok([null, 3].includes(large.goawayError), 'FLOW_CONTROL_ERROR, if it still came through');
});
