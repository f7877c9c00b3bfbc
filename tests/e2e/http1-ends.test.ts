import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answering, exchange, RawClient } from '../support/raw.ts';
import { Rig, snapshotOf } from '../support/rig.ts';
import { body, hello, proxied } from '../support/proxied.ts';

await test('large bodies arrive whole in both directions while the reader is slow', async (t) => {
  const size = 8 * 1024 * 1024;
  const pattern = Buffer.alloc(size);
  for (let i = 0; i < size; i += 4) pattern.writeUInt32LE(i, i);
  const { port } = await proxied(t, (connection) => {
    let seen = 0;
    let sum = 0;
    connection.socket.removeAllListeners('data');
    let headDone = false;
    connection.socket.on('data', (text: string) => {
      let part = text;
      if (!headDone) {
        headDone = true;
        part = text.slice(text.indexOf('\r\n\r\n') + 4);
      }
      seen += part.length;
      for (let i = 0; i < part.length; i += 997) sum = (sum + part.charCodeAt(i)) | 0;
      if (seen === size) {
        connection.socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
        connection.socket.write(pattern);
      }
    });
  });
  const client = await RawClient.connect(port);
  client.socket.pause();
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\nConnection: close\r\n\r\n`);
  client.send(pattern);
  client.socket.resume();
  const received = await client.toEnd();
  assert.ok(Buffer.from(body(received), 'latin1').equals(pattern));
});

await test('answers 100 pipelined refusals without piling up and 404 with its own id', async (t) => {
  const rig = await Rig.start((port) => snapshotOf(port, [], [], {}, []));
  t.after(() => rig.close());
  const client = await RawClient.connect(rig.port);
  client.send(
    'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(99) +
      'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAccept: application/problem+json\r\n\r\n',
  );
  const received = await client.toEnd();
  assert.equal(received.split('HTTP/1.1 404 Not Found').length, 101);
  assert.match(received, /"instance":"urn:uuid:/);
});

await test('a drain answers with Connection: close and then lets go', async (t) => {
  const { rig, port } = await proxied(
    t,
    answering(() => hello),
  );
  const client = await RawClient.connect(port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((received) => received.endsWith('hello'));
  const drained = rig.drain();
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const received = await client.toEnd();
  assert.match(received, /connection: close\r\n\r\nhello$/);
  assert.equal(client.reset, false);
  await drained;
});

await test('what a drain cuts at its end is not the client’s doing', async (t) => {
  const upgrade = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n';
  const { rig, port } = await proxied(t, (connection) => {
    connection.socket.on('data', (text: string) => {
      if (/upgrade/i.test(text)) connection.socket.write(upgrade);
      if (text.includes('/half')) connection.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel');
    });
  });
  const [waiting, tunnel, half] = [await RawClient.connect(port), await RawClient.connect(port), await RawClient.connect(port)];
  tunnel.send('GET /ws HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
  await tunnel.until((received) => received.endsWith('\r\n\r\n'));
  half.send('GET /half HTTP/1.1\r\nHost: a\r\n\r\n');
  await half.until((received) => received.endsWith('hel'));
  waiting.send('GET /never HTTP/1.1\r\nHost: a\r\n\r\n');
  await rig.drain(100);
  assert.deepEqual(
    (await rig.logged(3))
      .map((line) => [line['path'], line['response_code'], line['response_flags'], line['response_code_details']])
      .toSorted((a, b) => String(a[0]).localeCompare(String(b[0]))),
    [
      ['/half', 200, '-', 'drained'],
      ['/never', 0, '-', 'drained'],
      ['/ws', 101, '-', 'drained'],
    ],
  );
});

await test('an answer is sent to its end after Connection: close, however slowly the client reads', async (t) => {
  const size = 24 * 1024 * 1024;
  const { port } = await proxied(t, (connection) => {
    void connection
      .until((received) => received.includes('\r\n\r\n'))
      .then(() => {
        connection.socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${size}\r\n\r\n`);
        connection.socket.write(Buffer.alloc(size, 'x'));
      });
  });
  const client = await RawClient.connect(port);
  let bytes = 0;
  client.socket.removeAllListeners('data');
  client.socket.on('data', (text: string) => {
    bytes += text.length;
    client.socket.pause();
    setImmediate(() => client.socket.resume());
  });
  client.send('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  await client.toEnd();
  assert.ok(bytes > size, `${bytes} bytes`);
  assert.equal(client.reset, false);
});

await test('a head whose body is late goes out alone', async (t) => {
  const { backend, port } = await proxied(t, (connection) => {
    void connection
      .until((received) => received.includes('\r\n\r\n'))
      .then(() => connection.socket.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n'));
  });
  const client = await RawClient.connect(port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((received) => received.endsWith('\r\n\r\n'));
  (await backend.connection(0)).socket.write('late');
  await client.until((received) => received.endsWith('late'));
  client.close();
});

await test('a head whose body never comes is a failure of the upstream', async (t) => {
  const { rig, port } = await proxied(t, (connection) => {
    void connection
      .until((received) => received.includes('\r\n\r\n'))
      .then(() => connection.socket.end('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n'));
  });
  assert.match(await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 502 /);
  const [line] = await rig.logged(1);
  assert.equal(line?.['response_flags'], 'UC');
});
