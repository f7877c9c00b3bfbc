import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answering, exchange, RawBackend, RawClient } from '../support/raw.ts';
import { clusterOf, Rig, routeTo, snapshotOf } from '../support/rig.ts';
import { body, hello, proxied } from '../support/proxied.ts';

await test('keeps a client connection over several requests and uses one upstream connection', async (t) => {
  const { backend, port } = await proxied(
    t,
    answering(() => hello),
  );
  const client = await RawClient.connect(port);
  for (let i = 1; i <= 3; i++) {
    client.send(`GET /${i} HTTP/1.1\r\nHost: a.test\r\n\r\n`);
    await client.until((received) => received.split('hello').length === i + 1);
  }
  client.close();
  assert.equal(backend.connections.length, 1);
  assert.deepEqual(
    [...(backend.connections[0]?.received ?? '').matchAll(/GET (\S+) HTTP/g)].map((found) => found[1]),
    ['/1', '/2', '/3'],
  );
});

await test('answers pipelined requests in order, also after a half-close', async (t) => {
  const { port } = await proxied(
    t,
    answering((request) => `HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n${request.slice(4, 6)}`),
  );
  const client = await RawClient.connect(port);
  client.send(['/1', '/2', '/3', '/4'].map((path) => `GET ${path} HTTP/1.1\r\nHost: a\r\n\r\n`).join(''));
  client.socket.end();
  const received = await client.toEnd();
  assert.deepEqual(received.match(/(?<=\r\n\r\n)\/\d/g), ['/1', '/2', '/3', '/4']);
  assert.equal(client.reset, false);
});

await test('sends forwarding headers of its own and drops hop-by-hop ones', async (t) => {
  const { backend, port } = await proxied(
    t,
    answering(() => hello),
  );
  await exchange(
    port,
    'GET /a HTTP/1.1\r\nHost: A.test\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-For: 5.6.7.8\r\nX-Request-Id: forged\r\nX-Keep: yes\r\n\r\n',
  );
  const sent = backend.connections[0]?.received ?? '';
  assert.match(sent, /^GET \/a HTTP\/1\.1\r\nHost: A\.test\r\n/);
  assert.match(sent, /\r\nX-Keep: yes\r\n/);
  assert.match(sent, /\r\nx-forwarded-for: 1\.2\.3\.4, ?5\.6\.7\.8, 127\.0\.0\.1\r\n/);
  assert.match(sent, /\r\nx-forwarded-proto: http\r\n/);
  assert.match(sent, /\r\nx-request-id: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\r\n/);
  assert.doesNotMatch(sent, /forged|X-Hop|Keep-Alive|connection/i);
});

await test('streams a chunked upload as chunks of its own with trailers', async (t) => {
  const { backend, port } = await proxied(t, (connection) => {
    void connection.until((received) => received.includes('\r\n0\r\n')).then(() => connection.socket.end(hello));
  });
  const received = await exchange(
    port,
    'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3;ext="x"\r\nabc\r\n0000002\r\nde\r\n0\r\nX-Sum: 9\r\n\r\n',
  );
  assert.equal(body(received), 'hello');
  const sent = backend.connections[0]?.received ?? '';
  assert.match(sent, /transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 9\r\n\r\n$/);
});

await test('passes a chunked response on as chunks, to HTTP/1.0 as plain bytes', async (t) => {
  const { port } = await proxied(
    t,
    answering(() => 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n'),
  );
  const modern = await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.match(modern, /\r\ntransfer-encoding: chunked\r\n/);
  assert.match(modern, /3\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n$/);
  const old = await exchange(port, 'GET / HTTP/1.0\r\n\r\n');
  assert.equal(body(old), 'abcde');
  assert.doesNotMatch(old, /transfer-encoding/i);
});

await test('turns a response that ends by closing into chunks, and cuts it when the upstream resets', async (t) => {
  const { port } = await proxied(t, (connection, index) => {
    void connection
      .until((received) => received.includes('\r\n\r\n'))
      .then(() => {
        connection.socket.write('HTTP/1.1 200 OK\r\n\r\nto the end');
        if (index === 0) connection.socket.end();
        else connection.socket.once('drain', () => undefined).write('', () => connection.socket.resetAndDestroy());
      });
  });
  const whole = await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.match(whole, /a\r\nto the end\r\n0\r\n\r\n$/);
  const client = await RawClient.connect(port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  const cut = await client.toEnd();
  assert.doesNotMatch(cut, /\r\n0\r\n\r\n$/, 'a cut response never looks whole');
});

const noBody: readonly { name: string; method: string; response: string; expect: RegExp }[] = [
  {
    name: 'HEAD keeps the length and sends no body',
    method: 'HEAD',
    response: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n',
    expect: /content-length: 5\r\n\r\n$/,
  },
  {
    name: '204 has neither body nor length',
    method: 'GET',
    response: 'HTTP/1.1 204 No Content\r\n\r\n',
    expect: /^HTTP\/1\.1 204 No Content\r\n\r\n$/,
  },
  {
    name: '304 keeps its length and sends no body',
    method: 'GET',
    response: 'HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n',
    expect: /content-length: 9\r\n\r\n$/,
  },
];
for (const row of noBody) {
  await test(row.name, async (t) => {
    const { port } = await proxied(
      t,
      answering(() => row.response),
    );
    const client = await RawClient.connect(port);
    client.send(`${row.method} / HTTP/1.1\r\nHost: a\r\n\r\n`);
    const first = await client.until((received) => received.endsWith('\r\n\r\n'));
    assert.match(first.replace(/date: .*\r\n/, '').replace(/\r\n\r\n$/, '\r\n\r\n'), row.expect);
    client.send(`${row.method} / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    const both = await client.toEnd();
    assert.equal(both.split('HTTP/1.1 ').length - 1, 2, 'the connection went on');
  });
}

await test('answers Expect: 100-continue itself once the upstream is there, and not when it refuses', async (t) => {
  const { backend, port } = await proxied(
    t,
    answering(() => hello),
    { limits: { maxBodyBytes: 10 } },
  );
  const client = await RawClient.connect(port);
  client.send('PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n');
  await client.until((received) => received.includes('100 Continue\r\n\r\n'));
  client.send('data');
  assert.match(await client.toEnd(), /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
  assert.doesNotMatch(backend.connections[0]?.received ?? '', /expect/i);
  const refused = await exchange(port, 'PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\nExpect: 100-continue\r\n\r\n');
  assert.match(refused, /^HTTP\/1\.1 413 /);
});

const refusals: readonly { name: string; send: string; status: number }[] = [
  { name: 'a head that is too large', send: `GET / HTTP/1.1\r\nHost: a\r\nX: ${'x'.repeat(5000)}\r\n\r\n`, status: 431 },
  { name: 'too many headers', send: `GET / HTTP/1.1\r\nHost: a\r\n${'X: 1\r\n'.repeat(30)}\r\n`, status: 431 },
  { name: 'a target that is too long', send: `GET /${'x'.repeat(2000)} HTTP/1.1\r\nHost: a\r\n\r\n`, status: 414 },
  { name: 'a body over the limit by its length', send: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2000\r\n\r\n', status: 413 },
  {
    name: 'a chunked body over the limit',
    send: `POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n600\r\n${'x'.repeat(0x600)}\r\n`,
    status: 413,
  },
  { name: 'both framings', send: 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', status: 400 },
  { name: 'a chunk size that is none', send: 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n', status: 400 },
  { name: 'two hosts', send: 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', status: 400 },
  { name: 'an underscore in a header name', send: 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX_Y: b\r\n\r\n', status: 400 },
  { name: 'CONNECT', send: 'CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nConnection: close\r\n\r\n', status: 405 },
  { name: 'a NUL in the path', send: 'GET /a%00b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', status: 400 },
];
await test('refuses what it must not carry, with the right status, and closes', async (t) => {
  const limits = { maxHeadBytes: 4096, maxHeaders: 20, maxTargetBytes: 1024, maxBodyBytes: 1000 };
  const { backend, port } = await proxied(t, (connection) => connection.socket.resume(), { limits });
  for (const row of refusals) {
    const received = await exchange(port, row.send);
    const status = Number(received.slice(9, 12));
    assert.equal(status, row.status, `${row.name}: ${received.slice(0, 60)}`);
    assert.match(received, /\r\nconnection: close\r\n/, row.name);
  }
  assert.equal(backend.connections.filter((connection) => /XYZ|Host: b/.test(connection.received)).length, 0);
});

await test('the preface of HTTP/2 turns a connection to it, in any pieces, unless the listener speaks HTTP/1 only', async (t) => {
  const preface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
  const { port } = await proxied(
    t,
    answering(() => hello),
  );
  const client = await RawClient.connect(port);
  for (const byte of preface) client.send(byte);
  client.send(Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]));
  // SETTINGS, of ours and then the acknowledgement of the client's.
  const received = await client.until((text) => text.includes('\0\0\0\x04\x01'));
  assert.equal(received.charCodeAt(3), 4);
  client.close();
  const later = await RawClient.connect(port);
  later.send(`GET / HTTP/1.1\r\nHost: a\r\n\r\n`);
  await later.until((text) => text.endsWith('hello'));
  later.send(preface);
  assert.match((await later.toEnd()).slice(hello.length), /HTTP\/1\.1 50[15] /, 'not behind a request');
  const plain = await proxied(t, () => undefined, { listener: { http2: false } });
  assert.match(await exchange(plain.port, preface), /^HTTP\/1\.1 50[15] /);
});

await test('408 for a head that does not come to its end, nothing for a silent client', async (t) => {
  const { port } = await proxied(
    t,
    answering(() => hello),
    { limits: { headTimeoutMs: 150, idleTimeoutMs: 150 } },
  );
  assert.match(await exchange(port, 'GET / HTTP/1.1\r\nHost:'), /^HTTP\/1\.1 408 /);
  assert.equal(await exchange(port, ''), '');
});

await test('408 for a body that does not come to its end', async (t) => {
  const { port } = await proxied(t, (connection) => connection.socket.resume(), { limits: { requestTimeoutMs: 150 } });
  assert.match(await exchange(port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc'), /^HTTP\/1\.1 408 /);
});

await test('504 when the route takes longer than its timeout', async (t) => {
  const backend = await RawBackend.start((connection) => connection.socket.resume());
  const route = routeTo('b');
  const action = route.action.kind === 'forward' ? { ...route.action, timeoutMs: 120 } : route.action;
  const rig = await Rig.start((port) => snapshotOf(port, [{ ...route, action }], [clusterOf('b', [backend.port])]));
  t.after(async () => {
    await rig.close();
    backend.close();
  });
  const client = await RawClient.connect(rig.port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.until((received) => received.includes('\r\n\r\n'));
  assert.match(client.received, /^HTTP\/1\.1 504 /);
  assert.doesNotMatch(client.received, /connection: close/, "the client's connection goes on");
  client.close();
  const [line] = await rig.logged(1);
  assert.equal(line?.['response_flags'], 'UT');
});

const brokenUpstreams: readonly { name: string; response: string; status: number; flag: string }[] = [
  { name: 'garbage', response: 'nonsense\r\n\r\n', status: 502, flag: 'UPE' },
  { name: 'two lengths', response: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', status: 502, flag: 'UPE' },
  {
    name: 'length and chunks',
    response: 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    status: 502,
    flag: 'UPE',
  },
  { name: 'a folded header', response: 'HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n', status: 502, flag: 'UPE' },
  {
    name: 'an upgrade nobody asked for',
    response: 'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
    status: 502,
    flag: 'UPE',
  },
  { name: 'nothing and a close', response: '', status: 503, flag: 'UC' },
];
for (const row of brokenUpstreams) {
  await test(`answers ${row.status} when the upstream sends ${row.name}`, async (t) => {
    const { rig, port } = await proxied(t, (connection) => {
      void connection.until((received) => received.includes('\r\n\r\n')).then(() => connection.socket.end(row.response));
    });
    const received = await exchange(port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    assert.match(received, new RegExp(`^HTTP/1\\.1 ${row.status} `));
    const [line] = await rig.logged(1);
    assert.deepEqual([line?.['response_code'], line?.['response_flags']], [row.status, row.flag]);
  });
}

await test('cuts the client off when a response with a length ends early', async (t) => {
  const { rig, port } = await proxied(t, (connection) => {
    void connection
      .until((received) => received.includes('\r\n\r\n'))
      .then(() => connection.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this'));
  });
  const client = await RawClient.connect(port);
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
  await client.toEnd();
  const [line] = await rig.logged(1);
  assert.equal(line?.['response_flags'], 'UC');
  client.close();
});

await test('never reuses an upstream connection that sent more than its response', async (t) => {
  const { backend, port } = await proxied(
    t,
    answering(() => `${hello}HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison`),
  );
  const client = await RawClient.connect(port);
  for (let i = 1; i <= 2; i++) {
    client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    await client.until((received) => received.split('hello').length === i + 1);
  }
  assert.doesNotMatch(client.received, /poison/);
  assert.equal(backend.connections.length, 2);
  client.close();
});

await test('sends a request again when a kept connection had just been closed, but never one that may not be repeated', async (t) => {
  const { backend, port } = await proxied(t, (connection, index) => {
    let served = 0;
    connection.socket.on('data', () => {
      // The second request on a connection finds it closed, without a byte of answer.
      if (served++ > 0 && index !== 1) connection.socket.destroy();
      else connection.socket.write(hello);
    });
  });
  const get = await RawClient.connect(port);
  get.send('GET /1 HTTP/1.1\r\nHost: a\r\n\r\n');
  await get.until((received) => received.endsWith('hello'));
  get.send('GET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.equal((await get.toEnd()).split('200 OK').length, 3, 'GET was repeated on a new connection');
  assert.equal(backend.connections.length, 2);
  backend.connections[1]?.socket.destroy();
  const post = await RawClient.connect(port);
  post.send('POST /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n');
  await post.until((received) => received.endsWith('hello'));
  post.send('POST /4 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  assert.match(await post.toEnd(), /HTTP\/1\.1 503 /);
});

await test('tries another endpoint when one cannot be connected to', async (t) => {
  const backend = await RawBackend.start(answering(() => hello));
  const dead = await RawBackend.start(() => undefined);
  dead.close();
  const rig = await Rig.start((port) => snapshotOf(port, [routeTo('b')], [clusterOf('b', [dead.port, backend.port])]));
  t.after(async () => {
    await rig.close();
    backend.close();
  });
  for (let i = 0; i < 6; i++)
    assert.match(
      await exchange(rig.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab'),
      /^HTTP\/1\.1 200 /,
    );
});

await test('tunnels a WebSocket upgrade byte for byte and survives a half-close', async (t) => {
  const { backend, port } = await proxied(t, (connection) => {
    void connection
      .until((received) => received.includes('\r\n\r\n'))
      .then(() => {
        connection.socket.write(
          'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nfirst',
        );
      });
  });
  const client = await RawClient.connect(port);
  client.send('GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n');
  await client.until((received) => received.endsWith('first'));
  assert.match(client.received, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
  assert.match(client.received, /\r\nconnection: upgrade\r\nupgrade: websocket\r\n/);
  const upstream = await backend.connection(0);
  assert.match(upstream.received, /\r\nconnection: upgrade\r\nupgrade: websocket\r\n/);
  client.send('\0\xffup');
  await upstream.until((received) => received.endsWith('up'));
  upstream.socket.write('down');
  await client.until((received) => received.endsWith('down'));
  client.socket.end();
  await upstream.until(() => false);
  upstream.socket.end('last words');
  assert.match(await client.toEnd(), /last words$/);
});

await test('strips an upgrade that is not allowed', async (t) => {
  const { backend, port } = await proxied(
    t,
    answering(() => hello),
  );
  const received = await exchange(
    port,
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n',
  );
  assert.match(received, /^HTTP\/1\.1 200 /);
  assert.doesNotMatch(backend.connections[0]?.received ?? '', /upgrade|http2-settings/i);
});

await test('absolute-form wins over Host', async (t) => {
  const { backend, port } = await proxied(
    t,
    answering(() => hello),
  );
  await exchange(port, 'GET http://b.test/x?y=1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n');
  assert.match(backend.connections[0]?.received ?? '', /^GET \/x\?y=1 HTTP\/1\.1\r\nhost: b\.test\r\n/);
});

await test('HTTP/1.0 clients: close by default, keep-alive when asked', async (t) => {
  const { port } = await proxied(
    t,
    answering(() => hello),
  );
  assert.match(await exchange(port, 'GET / HTTP/1.0\r\n\r\n'), /connection: close\r\n\r\nhello$/);
  const client = await RawClient.connect(port);
  client.send('GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
  await client.until((received) => received.endsWith('hello'));
  assert.match(client.received, /connection: keep-alive\r\n/);
  client.send('GET / HTTP/1.0\r\n\r\n');
  assert.equal((await client.toEnd()).split('hello').length, 3);
});

await test('an early response ends the upload without losing the answer', async (t) => {
  const { port } = await proxied(t, (connection) => {
    void connection
      .until((received) => received.includes('\r\n\r\n'))
      .then(() => connection.socket.write('HTTP/1.1 401 Unauthorized\r\ncontent-length: 2\r\n\r\nno'));
  });
  const client = await RawClient.connect(port);
  client.send('POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nabc');
  await client.until((received) => received.endsWith('no'));
  client.send('x'.repeat(99_997));
  client.send('GET /next HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  assert.equal((await client.toEnd()).split('401 Unauthorized').length, 3, 'the rest of the body was read off and the connection went on');
});
