/** Request smuggling over HTTP/1.1, class by class: docs/reference/hostile-input.md. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { body, proxied } from '../support/proxied.ts';
import { answering, exchange, RawClient } from '../support/raw.ts';
import { runClasses } from './hostile/run.ts';
import { smuggling } from './hostile/smuggling.ts';

await runClasses('request smuggling over HTTP/1.1', smuggling);

const hello = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello';
const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n';

// Kettle, Browser-Powered Desync Attacks 2022: the body comes after the proxy has given up waiting for it.
await test('a body that comes after its time-out is no request (pause-based desync)', async (t) => {
  const { port, backend } = await proxied(
    t,
    answering(() => hello),
    { limits: { requestTimeoutMs: 150 } },
  );
  const client = await RawClient.connect(port);
  client.send(`POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\n\r\n`);
  await client.until((received) => received.includes('\r\n\r\n'));
  client.send(smuggled + smuggled);
  const received = await client.toEnd();
  assert.match(received, /^HTTP\/1\.1 408 [^]*\r\nconnection: close\r\n/);
  assert.equal(received.split('HTTP/1.1 ').length, 2, 'one answer');
  client.close();
  assert.equal(await exchange(port, 'GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n').then(body), 'hello');
  assert.ok(!backend.connections.some(({ received: bytes }) => bytes.includes('smuggled')), 'nothing of it reached the backend');
});

// The same, with an answer of the backend's in place of the time-out.
await test('a body that comes after an early answer is no request, on neither side', async (t) => {
  const { port, backend } = await proxied(t, (connection) => {
    void connection.until((bytes) => bytes.includes('\r\n\r\n')).then(() => connection.socket.write(hello));
  });
  const client = await RawClient.connect(port);
  client.send(`POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: ${smuggled.length}\r\n\r\n`);
  await client.until((received) => received.includes('hello'));
  client.send(smuggled);
  client.send('GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const received = await client.toEnd();
  assert.ok(received.split('HTTP/1.1 200').length <= 3, 'the body is no third request');
  // What came late went, if anywhere, behind its own head.
  for (const { received: bytes } of backend.connections) {
    if (bytes.includes('/smuggled')) assert.match(bytes, /^POST \/a HTTP\/1\.1\r\n[^]*\r\n\r\nGET \/smuggled/);
  }
});

// 0ang3el 2019: the proxy believes in a tunnel that the backend refused.
await test('a refused WebSocket opens no tunnel', async (t) => {
  const { port, backend } = await proxied(
    t,
    answering(() => 'HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\ncontent-length: 0\r\n\r\n'),
  );
  const client = await RawClient.connect(port);
  client.send(
    'GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 1337\r\nSec-WebSocket-Key: x\r\n\r\n',
  );
  await client.until((received) => received.includes('\r\n\r\n'));
  client.send(smuggled);
  const received = await client.toEnd();
  client.close();
  assert.match(received, /^HTTP\/1\.1 426 /);
  assert.equal(received.split('HTTP/1.1 ').length, 2, 'the connection ends with the answer');
  assert.ok(!backend.connections.some(({ received: bytes }) => bytes.includes('smuggled')));
});

// Kettle 2021 (response queue poisoning): a backend that answers twice.
await test('a second answer to one request is nobody’s', async (t) => {
  const { port } = await proxied(
    t,
    answering((request) => {
      const path = /^GET (\S+)/.exec(request)?.[1] ?? '';
      const one = `HTTP/1.1 200 OK\r\ncontent-length: ${path.length}\r\n\r\n${path}`;
      return path === '/attack' ? one + one.replace('/attack', '/stolen') : one;
    }),
  );
  const got = await Promise.all(
    Array.from({ length: 20 }, (_, i) => (i % 2 === 0 ? '/attack' : `/v${i}`)).map(async (path) => {
      const received = await exchange(port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
      return [path, body(received)] as const;
    }),
  );
  for (const [path, answer] of got) assert.equal(answer, path);
});

// Linhart 2008 (HEAD): the length of an answer to HEAD says nothing of what follows.
await test('an answer to HEAD with a body behind it is not taken for the next answer', async (t) => {
  const { port } = await proxied(
    t,
    answering((request) => {
      const [method, path = ''] = request.split(' ');
      const poison = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison';
      if (method === 'HEAD') return `HTTP/1.1 200 OK\r\ncontent-length: ${poison.length}\r\n\r\n${poison}`;
      return `HTTP/1.1 200 OK\r\ncontent-length: ${path.length}\r\n\r\n${path}`;
    }),
  );
  const client = await RawClient.connect(port);
  client.send('HEAD /a HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((received) => received.includes('\r\n\r\n'));
  client.send('GET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const received = await client.toEnd();
  client.close();
  assert.ok(!received.includes('poison'), received);
  assert.ok(received.endsWith('\r\n\r\n/b'), received);
});
