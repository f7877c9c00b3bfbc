/** Exchanges over HTTP/2: what reaches the upstream, what reaches the client, and what is logged. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { block, flag, frame, frameType, get } from '../support/h2-frames.ts';
import { ask, frames, replyOf, securedRig, session } from '../support/http2.ts';
import { answering } from '../support/raw.ts';

const ok = (body = 'hello', more = ''): string => `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n${more}\r\n${body}`;

await test('a request arrives as HTTP/1.1 and its response as HTTP/2; the log says so', async (t) => {
  const seen: string[] = [];
  const rig = await securedRig(
    t,
    answering((request) => {
      seen.push(request);
      return ok('hello', 'X-Upper: Kept\r\nset-cookie: a=1\r\nset-cookie: b=2\r\nkeep-alive: timeout=5\r\nconnection: keep-alive\r\n');
    }),
  );
  const client = await session(t, rig);
  const reply = await ask(client, { ':path': '/x?y=1', 'x-a': ['1', '2'], cookie: ['a=1', 'b=2'] });
  assert.equal(reply.status, 200);
  assert.equal(reply.body, 'hello');
  assert.equal(reply.headers['x-upper'], 'Kept');
  assert.deepEqual(reply.headers['set-cookie'], ['a=1', 'b=2']);
  assert.equal(reply.headers['keep-alive'], undefined);
  assert.equal(reply.headers['connection'], undefined);
  assert.match(seen[0], /^GET \/x\?y=1 HTTP\/1\.1\r\nhost: a\.test\r\n/);
  assert.match(seen[0], /\r\nx-a: 1\r\nx-a: 2\r\n/);
  assert.match(seen[0], /\r\ncookie: a=1; b=2\r\n/);
  assert.match(seen[0], /\r\nx-forwarded-proto: https\r\n/);
  assert.doesNotMatch(seen[0], /\r\n:/);
  const [line] = await rig.rig.logged(1);
  assert.equal(line['protocol'], 'HTTP/2');
  assert.equal(line['method'], 'GET');
  assert.equal(line['authority'], 'a.test');
  assert.equal(line['path'], '/x?y=1');
  assert.equal(line['response_code'], 200);
  assert.equal(line['response_flags'], '-');
  assert.equal(line['bytes_sent'], 5);
});

await test('bodies: with and without a length, empty, and none', async (t) => {
  const seen: string[] = [];
  const rig = await securedRig(t, (connection) => {
    connection.socket.on('data', () => {
      const { received } = connection;
      const whole = received.includes('chunked') ? received.endsWith('0\r\n\r\n') : /\r\n\r\n(...)?$/s.test(received);
      const length = Number(/content-length: (\d+)/.exec(received)?.[1] ?? 0);
      if (!whole || (!received.includes('chunked') && received.length !== received.indexOf('\r\n\r\n') + 4 + length)) return;
      seen.push(received);
      connection.received = '';
      connection.socket.write(ok(''));
    });
  });
  const client = await session(t, rig);
  await ask(client, { ':method': 'POST', ':path': '/' }, 'abc');
  assert.match(seen[0], /\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/);
  await ask(client, { ':method': 'POST', ':path': '/', 'content-length': 3 }, 'abc');
  assert.match(seen[1], /\r\ncontent-length: 3\r\n.*\r\n\r\nabc$/s);
  assert.doesNotMatch(seen[1], /chunked/);
  await ask(client, { ':method': 'POST', ':path': '/' });
  assert.match(seen[2], /\r\ncontent-length: 0\r\n/);
  await ask(client, { ':method': 'POST', ':path': '/' }, '');
  assert.match(seen[3], /chunked\r\n\r\n0\r\n\r\n$/);
  await ask(client, { ':method': 'DELETE', ':path': '/' });
  assert.doesNotMatch(seen[4], /content-length|chunked/);
  assert.deepEqual(
    (await rig.rig.logged(5)).map((line) => line['bytes_received']),
    [3, 3, 0, 0, 0],
  );
});

await test('a body that ends without a byte while the upstream is being connected to ends there too', async (t) => {
  const seen: string[] = [];
  const rig = await securedRig(t, (connection) => {
    connection.socket.on('data', () => {
      if (!connection.received.endsWith('0\r\n\r\n')) return;
      seen.push(connection.received);
      connection.socket.write(ok());
    });
  });
  const client = await frames(rig);
  const post = get().map(([name, value]): [string, string] => [name, name === ':method' ? 'POST' : value]);
  client.send(frame(frameType.headers, flag.endHeaders, 1, block(post)), frame(frameType.data, flag.endStream, 1));
  assert.ok((await client.frame(({ type, stream }) => type === frameType.headers && stream === 1)) !== null);
  assert.match(seen[0], /transfer-encoding: chunked\r\n\r\n0\r\n\r\n$/);
  client.socket.destroy();
});

await test('responses without a body, to HEAD, and of unknown length', async (t) => {
  const replies: Record<string, string> = {
    '/none': 'HTTP/1.1 204 No Content\r\n\r\n',
    '/same': 'HTTP/1.1 304 Not Modified\r\netag: "x"\r\n\r\n',
    '/empty': 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
    '/reset': 'HTTP/1.1 205 Reset Content\r\ncontent-length: 0\r\n\r\n',
    '/chunks': 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n',
    '/close': 'HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nuntil the end',
  };
  const rig = await securedRig(t, (connection) => {
    answering((request) => (request.startsWith('HEAD') ? 'HTTP/1.1 200 OK\r\ncontent-length: 77\r\n\r\n' : replies[request.split(' ')[1]]))(
      connection,
    );
    connection.socket.on('data', () => {
      if (connection.received.includes('/close')) connection.socket.end();
    });
  });
  const client = await session(t, rig);
  const bodies: unknown[] = [];
  for (const path of Object.keys(replies)) {
    const { status, body, code } = await ask(client, { ':path': path });
    bodies.push([status, body, code]);
  }
  assert.deepEqual(bodies, [
    [204, '', 0],
    [304, '', 0],
    [200, '', 0],
    [205, '', 0],
    [200, 'abcdef', 0],
    [200, 'until the end', 0],
  ]);
  const head = await ask(client, { ':method': 'HEAD', ':path': '/' });
  assert.equal(head.headers['content-length'], '77');
  assert.equal(head.body, '');
});

await test('many exchanges at once on one connection end in any order', async (t) => {
  const rig = await securedRig(t, (connection) => {
    connection.socket.on('data', () => {
      const wait = Number(/GET \/(\d+) /.exec(connection.received)?.[1] ?? 0);
      connection.received = '';
      // The later it came the earlier it is answered: all must be under way at the same time.
      held.push(() => connection.socket.write(ok(`reply ${wait}`)));
      if (held.length === 50) for (const run of held.toReversed()) run();
    });
  });
  const held: (() => void)[] = [];
  const client = await session(t, rig);
  const replies = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(client, { ':path': `/${i}` })));
  assert.deepEqual(
    replies.map((reply) => reply.body),
    Array.from({ length: 50 }, (_, i) => `reply ${i}`),
  );
  assert.equal(rig.backend.connections.length, 50);
  held.length = 0;
  const again = await Promise.all(Array.from({ length: 50 }, (_, i) => ask(client, { ':path': `/${i + 50}` })));
  assert.equal(again[49].body, 'reply 99');
  assert.equal(rig.backend.connections.length, 50, 'upstream connections are used again');
});

await test('trailers go both ways', async (t) => {
  let received = '';
  const rig = await securedRig(t, (connection) => {
    connection.socket.on('data', () => {
      if (!connection.received.endsWith('\r\n\r\n') || !/\r\n0\r\n/.test(connection.received)) return;
      received = connection.received;
      connection.socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nx-sum: 8\r\n\r\n');
    });
  });
  const client = await session(t, rig);
  const stream = client.request({ ':method': 'POST', ':path': '/', te: 'trailers' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-check': 'abc' }));
  stream.end('data');
  const reply = await replyOf(stream);
  assert.match(received, /\r\n4\r\ndata\r\n0\r\nx-check: abc\r\n\r\n$/);
  assert.match(received, /\r\nte: trailers\r\n/);
  assert.equal(reply.body, 'ok');
  assert.equal(reply.trailers?.['x-sum'], '7, 8');
});

await test('interim responses and Expect', async (t) => {
  let received = '';
  const rig = await securedRig(t, (connection) => {
    connection.socket.on('data', () => {
      received = connection.received;
      if (!received.endsWith('body')) return;
      connection.socket.write(`HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n${ok()}`);
    });
  });
  const client = await session(t, rig);
  const stream = client.request({ ':method': 'POST', ':path': '/', expect: '100-continue', 'content-length': 4 });
  const interim: unknown[] = [];
  stream.on('headers', (headers) => interim.push([headers[':status'], headers['link']]));
  stream.on('continue', () => stream.end('body'));
  const reply = await replyOf(stream);
  assert.equal(reply.status, 200);
  assert.deepEqual(interim, [
    [100, undefined],
    [103, '</a.css>'],
  ]);
  assert.doesNotMatch(received, /expect/i);
});

await test('an answer of our own before the whole body came leaves the connection usable', async (t) => {
  const rig = await securedRig(
    t,
    answering(() => ok()),
    { limits: { maxBodyBytes: 1000 } },
  );
  const client = await session(t, rig);
  const announced = await ask(client, { ':method': 'POST', ':path': '/', 'content-length': 5000 }, Buffer.alloc(5000));
  assert.equal(announced.status, 413);
  const grown = await ask(client, { ':method': 'POST', ':path': '/' }, Buffer.alloc(200_000));
  assert.equal(grown.status, 413);
  assert.equal((await ask(client, { ':path': '/' })).status, 200);
  const lines = await rig.rig.logged(3);
  assert.deepEqual(
    lines.map((line) => line['response_code_details']),
    ['request_payload_too_large', 'request_payload_too_large', 'via_upstream'],
  );
});

await test('a reset by the client ends the try upstream', async (t) => {
  const rig = await securedRig(t, () => undefined);
  const client = await session(t, rig);
  const stream = client.request({ ':path': '/', ':authority': 'a.test' });
  stream.on('error', () => undefined);
  const connection = await rig.backend.connection(0);
  await connection.until((received) => received.endsWith('\r\n\r\n'));
  stream.close(8);
  await connection.until(() => false);
  assert.ok(connection.ended);
  const [line] = await rig.rig.logged(1);
  assert.equal(line['response_flags'], 'DC');
  assert.equal(line['response_code'], 0);
});

await test('a reset in the middle of an upload ends the try upstream', async (t) => {
  const rig = await securedRig(t, () => undefined);
  const client = await session(t, rig);
  for (const code of [0, 8]) {
    const stream = client.request({ ':path': '/', ':method': 'POST', ':authority': 'a.test' });
    stream.on('error', () => undefined);
    stream.write('some');
    const connection = await rig.backend.connection(code === 0 ? 0 : 1);
    await connection.until((received) => received.includes('some'));
    stream.close(code);
    await connection.until(() => false);
    assert.ok(connection.ended);
  }
  for (const line of await rig.rig.logged(2)) assert.equal(line['response_flags'], 'DC');
});

for (const [name, reply] of [
  ['a length', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npart'],
  ['chunks', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\npart\r\n'],
] as const) {
  await test(`a response with ${name} that its upstream cuts is reset, never ended`, async (t) => {
    const rig = await securedRig(t, (connection) => {
      connection.socket.once('data', () => {
        connection.socket.write(reply, () => connection.socket.end());
      });
    });
    const client = await frames(rig);
    t.after(() => client.close());
    client.request(1);
    const reset = await client.frame((one) => one.type === frameType.rstStream);
    assert.equal(reset?.payload.readUInt32BE(0), 2, 'INTERNAL_ERROR');
    const ends = client.frames.filter((one) => one.stream === 1 && (one.flags & flag.endStream) !== 0 && one.type !== frameType.rstStream);
    assert.deepEqual(ends, [], 'nothing says that the response is whole');
    assert.equal(Buffer.concat(client.frames.filter((one) => one.type === frameType.data).map((one) => one.payload)).toString(), 'part');
    const [line] = await rig.rig.logged(1);
    assert.equal(line['response_flags'], 'UC');
    assert.equal(client.closed, false);
  });
}

await test('an upstream that refuses, is silent, or says nonsense', async (t) => {
  const rig = await securedRig(
    t,
    (connection) => {
      connection.socket.on('data', () => {
        if (connection.received.includes('/nonsense')) connection.socket.write('FTP\r\n\r\n');
        if (connection.received.includes('/gone')) connection.socket.destroy();
        if (connection.received.includes('/odd')) connection.socket.write('HTTP/1.1 799 Odd\r\ncontent-length: 0\r\n\r\n');
      });
    },
    { limits: { streamIdleTimeoutMs: 300 } },
  );
  const client = await session(t, rig);
  const statuses: number[] = [];
  for (const path of ['/nonsense', '/gone', '/odd', '/silent']) statuses.push((await ask(client, { ':path': path })).status);
  assert.deepEqual(statuses, [502, 503, 502, 408]);
  const lines = await rig.rig.logged(4);
  assert.deepEqual(
    lines.map((line) => line['response_flags']),
    ['UPE', 'UC', 'UPE', 'SI'],
  );
});

await test('a head over the limits is answered with 431', async (t) => {
  const rig = await securedRig(
    t,
    answering(() => ok()),
    { limits: { maxHeaders: 10, maxHeadBytes: 2000 } },
  );
  const client = await session(t, rig);
  const many = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`x-${i}`, 'v']));
  assert.equal((await ask(client, { ':path': '/', ...many })).status, 431);
  assert.equal((await ask(client, { ':path': '/', 'x-long': 'a'.repeat(1990) })).status, 431);
  const lines = await rig.rig.logged(2);
  assert.deepEqual(
    lines.map((line) => [line['response_code_details'], line['response_flags']]),
    [
      ['http2.too_many_headers', 'DPE'],
      ['http2.head_too_large', 'DPE'],
    ],
  );
});

await test('SETTINGS say the limits, and no more streams are taken', async (t) => {
  const rig = await securedRig(t, () => undefined, { limits: { maxConcurrentStreams: 2 } });
  const client = await frames(rig);
  const settings = await client.frame((one) => one.type === frameType.settings && (one.flags & flag.ack) === 0);
  const said = new Map<number, number>();
  const payload = settings?.payload ?? Buffer.alloc(0);
  for (let at = 0; at < payload.length; at += 6) said.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  assert.equal(said.get(2), 0, 'no push');
  assert.equal(said.get(3), 2, 'streams');
  assert.equal(said.get(4), 64 * 1024, 'stream window');
  assert.equal(said.get(8), 1, 'extended CONNECT');
  const window = await client.frame((one) => one.type === frameType.windowUpdate && one.stream === 0);
  assert.equal(window?.payload.readUInt32BE(0), 1024 * 1024 - 65_535, 'connection window');
  for (const stream of [1, 3, 5]) client.request(stream, get());
  const refused = await client.frame((one) => one.type === frameType.rstStream);
  assert.equal(refused?.stream, 5);
  assert.equal(refused?.payload.readUInt32BE(0), 7, 'REFUSED_STREAM');
  client.close();
  await once(client.socket, 'close');
});

await test('a response head of the largest size there is goes through, and the connection goes on', async (t) => {
  const many = Array.from({ length: 195 }, (_, i) => `x-${i + 100}: ${'v'.repeat(322)}\r\n`).join('');
  const rig = await securedRig(
    t,
    answering((request) => (request.startsWith('GET /large') ? ok('hello', many) : ok())),
  );
  const client = await session(t, rig, { settings: { maxHeaderListSize: 256 * 1024 }, maxHeaderListPairs: 500 });
  const large = await ask(client, { ':path': '/large' });
  assert.deepEqual([large.status, large.body, large.headers['x-294']], [200, 'hello', 'v'.repeat(322)]);
  assert.equal((await ask(client, { ':path': '/' })).status, 200);
});
