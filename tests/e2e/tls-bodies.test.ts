import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:tls';
import { test, type TestContext } from 'node:test';
import { listening } from '../support/listening.ts';
import { Pki, secretOf } from '../support/pki.ts';
import { answering, RawBackend, RawClient } from '../support/raw.ts';
import { clusterOf, Rig, routeTo, snapshotOf } from '../support/rig.ts';
import { chainOf, tlsOf } from '../support/tls.ts';

const megabyte = 1024 * 1024;

/** Bytes that differ at every place and for every seed. */
function pattern(seed: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length);
  for (let i = 0; i < length; i += 4) bytes.writeUInt32LE((i ^ (seed * 2654435761)) >>> 0, i);
  return bytes;
}

const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

await test('bodies over TLS arrive as they were sent, both ways, however slowly they are read and whoever else is served', async (t) => {
  const server = createServer((request, response) => {
    const seed = Number(request.url?.slice(1));
    const hash = createHash('sha256');
    request.on('data', (chunk: Buffer) => hash.update(chunk));
    request.on('end', () => {
      response.writeHead(200, { 'x-got': hash.digest('hex'), ...(seed % 2 === 0 ? { 'content-length': 6 * megabyte } : {}) });
      const bytes = pattern(seed, 6 * megabyte);
      let from = 0;
      const send = (): void => {
        while (from < bytes.length) {
          const size = 1 + ((from * 7 + seed) % 200_000);
          const more = response.write(bytes.subarray(from, from + size));
          from += size;
          if (!more) return void response.once('drain', send);
        }
        response.end();
      };
      send();
    });
  });
  const rig = await secured(t, await listening(t, server));
  const one = async (seed: number): Promise<void> => {
    const socket = connect({ host: '127.0.0.1', port: rig.port, servername: 'a.test', rejectUnauthorized: false });
    const upload = pattern(seed + 100, 3 * megabyte);
    socket.write(`POST /${seed} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\nContent-Length: ${upload.length}\r\n\r\n`);
    socket.write(upload);
    const chunks: Buffer[] = [];
    for await (const chunk of socket) {
      chunks.push(Buffer.from(chunk));
      if (seed % 3 === 0 && chunks.length % 64 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    const all = Buffer.concat(chunks);
    const end = all.indexOf('\r\n\r\n');
    const head = all.toString('latin1', 0, end);
    assert.match(head, new RegExp(`x-got: ${hashOf(upload)}`, 'i'), `upload ${seed}`);
    const body = /transfer-encoding: chunked/i.test(head) ? unchunked(all.subarray(end + 4)) : all.subarray(end + 4);
    assert.equal(body.length, 6 * megabyte, `length ${seed}`);
    assert.equal(hashOf(body), hashOf(pattern(seed, 6 * megabyte)), `body ${seed}`);
  };
  await Promise.all([0, 1, 2, 3, 4, 5].map(one));
});

function unchunked(bytes: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; ;) {
    const line = bytes.indexOf('\r\n', at);
    const size = Number.parseInt(bytes.toString('latin1', at, line), 16);
    if (size === 0) return Buffer.concat(parts);
    parts.push(bytes.subarray(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
}

await test('pipelined answers over TLS come in order and whole', async (t) => {
  const backend = await RawBackend.start(
    answering((request) => {
      const n = Number(/GET \/(\d+)/.exec(request)?.[1]);
      const text = `<${n}>`.repeat(n * 3);
      return `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`;
    }),
  );
  const rig = await secured(t, backend.port);
  t.after(() => backend.close());
  const clients = Array.from({ length: 4 }, async () => {
    const socket = connect({ host: '127.0.0.1', port: rig.port, servername: 'a.test', rejectUnauthorized: false });
    const count = 200;
    for (let i = 1; i <= count; i++)
      socket.write(`GET /${i} HTTP/1.1\r\nHost: a.test\r\n${i === count ? 'Connection: close\r\n' : ''}\r\n`);
    let text = '';
    for await (const chunk of socket) text += Buffer.from(chunk).toString('latin1');
    const bodies = text.split(/HTTP\/1\.1 200 OK\r\n(?:[^\r]+\r\n)*\r\n/).slice(1);
    assert.deepEqual(
      bodies,
      Array.from({ length: count }, (_, i) => `<${i + 1}>`.repeat((i + 1) * 3)),
    );
  });
  await Promise.all(clients);
});

await test('server-sent events pass one by one, with a length or without, while the response goes on', async (t) => {
  const backend = await RawBackend.start(() => undefined);
  const rig = await Rig.start((port) => snapshotOf(port, [routeTo('b')], [clusterOf('b', [backend.port])]));
  t.after(async () => {
    await rig.close();
    backend.close();
  });
  const framings = ['transfer-encoding: chunked\r\n', 'content-length: 100000\r\n', 'content-length: 60\r\n', ''];
  for (const [i, framing] of framings.entries()) {
    const client = await RawClient.connect(rig.port);
    client.send('GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n');
    const { socket } = await backend.connection(i);
    // Each step waits for what the client has got of the one before: nothing may be held back.
    socket.write(`HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n${framing}\r\n`);
    await client.until((text) => text.includes('\r\n\r\n'));
    for (let event = 1; event <= 3; event++) {
      const data = `data: event ${event}\n\n`;
      socket.write(framing.includes('chunked') ? `${data.length.toString(16)}\r\n${data}\r\n` : data);
      await client.until((text) => text.includes(`event ${event}\n\n`));
    }
    client.close();
    socket.destroy();
  }
});

await test('an answer that its upstream cuts is cut for the TLS client too, and never looks whole', async (t) => {
  const heads = ['content-length: 100\r\n', 'transfer-encoding: chunked\r\n'];
  const backend = await RawBackend.start((connection) => {
    connection.socket.once('data', () => {
      const chunked = heads[backend.connections.indexOf(connection)]?.startsWith('transfer');
      connection.socket.write(`HTTP/1.1 200 OK\r\n${chunked ? heads[1] : heads[0]}\r\n${chunked ? '5\r\nbegun\r\n' : 'begun'}`);
      setImmediate(() => connection.socket.resetAndDestroy());
    });
  });
  const rig = await secured(t, backend.port);
  t.after(() => backend.close());
  for (let i = 0; i < heads.length; i++) {
    const socket = connect({ host: '127.0.0.1', port: rig.port, servername: 'a.test', rejectUnauthorized: false });
    let text = '';
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.1\r\nHost: a.test\r\n\r\n');
    await new Promise((resolve) => socket.on('close', resolve));
    assert.doesNotMatch(text, /0\r\n\r\n$/);
    assert.ok(text === '' || text.endsWith('begun') || text.endsWith('begun\r\n') || / 50[23] /.test(text), text);
  }
  assert.equal((await rig.logged(2)).length, 2);
});

await test('a WebSocket passes through TLS, and ends with either side', async (t) => {
  const backend = await RawBackend.start((connection) => {
    connection.socket.once('data', () => {
      connection.socket.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nfirst');
      connection.socket.on('data', (text: string) => connection.socket.write(text.toUpperCase()));
    });
  });
  const rig = await secured(t, backend.port);
  t.after(() => backend.close());
  const open = async () => {
    const socket = connect({ host: '127.0.0.1', port: rig.port, servername: 'a.test', rejectUnauthorized: false });
    socket.setEncoding('latin1');
    let text = '';
    socket.on('data', (chunk: string) => (text += chunk));
    socket.on('error', () => undefined);
    const until = async (end: string): Promise<void> => {
      while (!text.endsWith(end)) await once(socket, 'data');
    };
    socket.write('GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n');
    await until('first');
    socket.write('abc');
    await until('ABC');
    socket.write('x'.repeat(300_000));
    await until('X'.repeat(300_000));
    return socket;
  };
  const one = await open();
  one.destroy();
  const first = await backend.connection(0);
  await first.until(() => false);
  const other = await open();
  const closed = new Promise((resolve) => other.on('close', resolve));
  other.resume();
  (await backend.connection(1)).socket.destroy();
  await closed;
});

/** One listener that ends TLS, in front of one upstream; asserts at the end that no guard caught a bug. */
async function secured(t: TestContext, upstreamPort: number): Promise<Rig> {
  const pki = new Pki(t);
  const rig = await Rig.start((port) => ({
    ...snapshotOf(port, [routeTo('b')], [clusterOf('b', [upstreamPort])], {
      listener: { dialect: 'istio', chains: [chainOf('https', { tls: tlsOf(['c']) })] },
    }),
    secrets: [secretOf('c', pki.issue({ names: ['DNS:a.test'] }))],
  }));
  t.after(async () => {
    await rig.close();
    assert.deepEqual(rig.faults, []);
  });
  return rig;
}
