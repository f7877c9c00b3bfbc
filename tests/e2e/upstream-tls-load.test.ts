/** TLS towards upstreams while things change, and with bodies that do not fit into a record. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { RequestListener } from 'node:http';
import { createSecureServer } from 'node:http2';
import { createServer, type Server } from 'node:https';
import { connect } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { TLSSocket } from 'node:tls';
import { crc32 } from 'node:zlib';
import { WebSocket, WebSocketServer } from 'ws';
import { block, checksum } from '../support/backends.ts';
import { type Issued, Pki, secretOf } from '../support/pki.ts';
import { portOf } from '../support/raw.ts';
import { Relay } from '../support/relay.ts';
import { Reaching, type Reply, tlsCluster } from '../support/upstream-tls.ts';

interface Upstream {
  readonly server: Server;
  readonly port: number;
  /** Common names of the clients of requests, in order. */
  readonly clients: string[];
  connections: number;
}

async function serve(t: TestContext, pki: Pki, own: Issued, handle: RequestListener): Promise<Upstream> {
  const settings = {
    cert: own.certificate,
    key: own.privateKey,
    ca: pki.ca,
    requestCert: true,
    rejectUnauthorized: false,
    keepAliveTimeout: 60_000,
  };
  const server = createServer(settings, (request, response) => {
    const { socket } = request;
    const subject = socket instanceof TLSSocket ? socket.getPeerX509Certificate()?.subject : undefined;
    made.clients.push(/CN=(\w+)/.exec(subject ?? '')?.[1] ?? '');
    handle(request, response);
  });
  server.on('secureConnection', () => made.connections++);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const made: Upstream = { server, port: portOf(server), clients: [], connections: 0 };
  return made;
}

describe('TLS towards an upstream under way', () => {
  it('replaces secrets 60 times under load: no request fails, the last one holds', async (t) => {
    const pki = new Pki(t);
    const server = pki.issue({ names: ['DNS:upstream.test'] });
    const [a, b] = [pki.issue({ names: ['DNS:a.test'], commonName: 'a' }), pki.issue({ names: ['DNS:b.test'], commonName: 'b' })];
    const upstream = await serve(t, pki, server, (request, response) => {
      if (request.url !== '/slow') return void response.end('ok');
      response.write('begun ');
      release.push(() => response.end('done'));
    });
    const release: (() => void)[] = [];
    const cluster = tlsCluster([upstream.port], { certificate: 'own' });
    const reached = (own: Issued) => ({ cluster, secrets: [secretOf('ca', { ca: pki.ca }), secretOf('own', own)] });
    const reaching = await Reaching.start(t, reached(a));
    const slow = reaching.get('/slow');
    while (release.length === 0) await reaching.get();
    const load = { over: false, requests: 0 };
    const client = async (): Promise<void> => {
      while (!load.over) {
        const { status, text } = await reaching.get();
        assert.deepEqual([status, text], [200, 'ok']);
        load.requests++;
      }
    };
    const clients = Array.from({ length: 8 }, client);
    for (let i = 0; i < 60; i++) {
      await reaching.change(reached(i % 2 === 0 ? b : a));
      const goal = load.requests + 3;
      while (load.requests < goal) await new Promise((resolve) => setImmediate(resolve));
    }
    await reaching.change(reached(b));
    load.over = true;
    await Promise.all(clients);
    assert.deepEqual([...new Set(upstream.clients)].toSorted(), ['a', 'b']);
    const from = upstream.clients.length;
    for (let i = 0; i < 5; i++) assert.equal((await reaching.get()).status, 200);
    assert.deepEqual([...new Set(upstream.clients.slice(from))], ['b'], 'no connection made with another secret serves');
    for (const run of release) run();
    const { status, text } = await slow;
    assert.deepEqual([status, text], [200, 'begun done'], 'what was under way finished on its connection');
    assert.equal(reaching.rig.metric('envoy_cluster_ssl_connection_error'), 0);
  });

  it('an authority that is taken away stops new connections at once', async (t) => {
    const pki = new Pki(t);
    const upstream = await serve(t, pki, pki.issue({ names: ['DNS:upstream.test'] }), (_request, response) => response.end('ok'));
    const cluster = tlsCluster([upstream.port]);
    const reaching = await Reaching.start(t, { cluster, secrets: [secretOf('ca', { ca: pki.ca })] });
    assert.equal((await reaching.get()).status, 200);
    await reaching.change({ cluster, secrets: [secretOf('ca', { ca: new Pki(t, 'other').ca })] });
    assert.equal((await reaching.get()).status, 503, 'neither the connection nor its session is used');
    await reaching.change({ cluster, secrets: [] });
    assert.equal((await reaching.get()).status, 503);
    await reaching.change({ cluster, secrets: [secretOf('ca', { ca: pki.ca })] });
    assert.equal((await reaching.get()).status, 200);
  });

  it('passes large bodies both ways, to a client that reads slowly too', async (t) => {
    const bytes = 24 * 1024 * 1024;
    const pki = new Pki(t);
    const upstream = await serve(t, pki, pki.issue({ names: ['DNS:upstream.test'] }), (request, response) => {
      if (request.method === 'POST') {
        let sum = 0;
        let length = 0;
        request.on('data', (part: Buffer) => {
          sum = crc32(part, sum);
          length += part.length;
        });
        request.on('end', () => response.end(`${length} ${sum}`));
        return;
      }
      response.setHeader('content-length', bytes);
      let left = bytes;
      const more = (): void => {
        while (left > 0) {
          const part = left >= block.length ? block : block.subarray(0, left);
          left -= part.length;
          if (!response.write(part)) return void response.once('drain', more);
        }
        response.end();
      };
      more();
    });
    const reaching = await Reaching.start(t, { cluster: tlsCluster([upstream.port]), secrets: [secretOf('ca', { ca: pki.ca })] });
    const body = Buffer.concat(Array.from({ length: 64 }, () => block));
    assert.equal((await reaching.get('/', 'a', { method: 'POST', body })).text, `${body.length} ${checksum(body.length)}`);
    const fast = await reaching.get();
    assert.equal(fast.bytes.length, bytes);
    assert.equal(crc32(fast.bytes), checksum(bytes));
    const socket = connect({ port: reaching.rig.port, host: '127.0.0.1' });
    socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n');
    let sum = 0;
    let length = -1;
    let head = Buffer.alloc(0);
    let reads = 0;
    for await (const part of socket) {
      assert.ok(Buffer.isBuffer(part));
      let rest = part;
      if (length < 0) {
        head = Buffer.concat([head, part]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) continue;
        rest = head.subarray(end + 4);
        length = 0;
      }
      sum = crc32(rest, sum);
      length += rest.length;
      // Gives way to the proxy, so that its side fills.
      if (++reads % 4 === 0) for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual([length, sum], [bytes, checksum(bytes)]);
  });

  it('asks for HTTP/1.1 alone once a server has agreed on that, whatever it could speak by then', async (t) => {
    const pki = new Pki(t);
    const { certificate: cert, privateKey: key } = pki.issue({ names: ['DNS:upstream.test'] });
    const first = createServer({ cert, key }, (_request, response) => response.writeHead(200, { connection: 'close' }).end('first'));
    first.listen(0, '127.0.0.1');
    t.after(() => first.close());
    await once(first, 'listening');
    const port = portOf(first);
    const reaching = await Reaching.start(t, {
      cluster: tlsCluster([port], {}, { protocol: 'alpn' }),
      secrets: [secretOf('ca', { ca: pki.ca })],
    });
    assert.equal((await reaching.get()).text, 'first');
    first.closeAllConnections();
    first.close();
    await once(first, 'close');
    const second = createSecureServer({ cert, key, allowHTTP1: true }, (request, response) =>
      response.end(`second ${request.httpVersion}`),
    );
    second.listen(port, '127.0.0.1');
    await once(second, 'listening');
    t.after(() => second.close());
    assert.equal((await reaching.get()).text, 'second 1.1');
  });

  it('speaks TLS 1.0 and 1.1 with whoever is configured for it, and with nobody else', async (t) => {
    const pki = new Pki(t);
    const own = pki.issue({ names: ['DNS:upstream.test'], kind: 'rsa' });
    for (const version of ['TLSv1', 'TLSv1.1'] as const) {
      const settings = {
        cert: own.certificate,
        key: own.privateKey,
        minVersion: version,
        maxVersion: version,
        ciphers: 'DEFAULT@SECLEVEL=0',
      };
      const server = createServer(settings, (request, response) => {
        response.end(request.socket instanceof TLSSocket ? request.socket.getProtocol() : '');
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.after(() => {
        server.closeAllConnections();
        server.close();
      });
      const secrets = [secretOf('ca', { ca: pki.ca })];
      const port = portOf(server);
      const reaching = await Reaching.start(t, { cluster: tlsCluster([port], { minVersion: version }), secrets });
      assert.equal((await reaching.get()).text, version);
      await reaching.change({ cluster: tlsCluster([port], { minVersion: version, cipherSuites: ['ECDHE-RSA-AES128-SHA'] }), secrets });
      assert.equal((await reaching.get()).text, version);
      await reaching.change({ cluster: tlsCluster([port]), secrets });
      assert.equal((await reaching.get()).status, 503);
    }
  });

  it('carries a WebSocket', async (t) => {
    const pki = new Pki(t);
    const upstream = await serve(t, pki, pki.issue({ names: ['DNS:upstream.test'] }), (_request, response) => response.end());
    const sockets = new WebSocketServer({ server: upstream.server });
    sockets.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));
    const reaching = await Reaching.start(t, { cluster: tlsCluster([upstream.port]), secrets: [secretOf('ca', { ca: pki.ca })] });
    const client = new WebSocket(`ws://127.0.0.1:${reaching.rig.port}/chat`);
    await once(client, 'open');
    for (const size of [1, 100_000, 2_000_000]) {
      client.send(Buffer.alloc(size, 'z'));
      const [data] = await once(client, 'message');
      assert.ok(Buffer.isBuffer(data) && data.length === size && data.every((byte) => byte === 122));
    }
    client.close();
    await once(client, 'close');
  });

  it('cut anywhere in handshake and exchange gives the right answer and leaves nothing', async (t) => {
    const pki = new Pki(t);
    const upstream = await serve(t, pki, pki.issue({ names: ['DNS:upstream.test'] }), (_request, response) => {
      response.shouldKeepAlive = false;
      response.setHeader('content-length', 3000);
      response.write('a'.repeat(1000));
      setImmediate(() => response.end('b'.repeat(2000)));
    });
    const relay = await Relay.start(t, upstream.port);
    const reaching = await Reaching.start(t, { cluster: tlsCluster([relay.port]), secrets: [secretOf('ca', { ca: pki.ca })] });
    assert.equal((await reaching.get()).bytes.length, 3000);
    const whole = relay.passed.server;
    const replies: (Reply | null)[] = [];
    for (let after = 0; after < whole; after += 67) {
      relay.cut = { side: 'server', after, how: replies.length % 2 === 0 ? 'end' : 'reset' };
      replies.push(await reaching.get().catch(() => null));
    }
    const lines = (await reaching.rig.logged(replies.length + 1)).slice(1);
    const seen = new Set<string>();
    for (const [i, reply] of replies.entries()) {
      const line = lines[i];
      const what = `${i * 67}: ${reply?.status} ${JSON.stringify(line)}`;
      seen.add(String(line['flags']));
      if (reply === null) assert.deepEqual([line['flags'], line['code']], ['UC', '200'], what);
      else if (reply.status === 503) {
        assert.ok(line['flags'] === 'UF' || line['flags'] === 'UC', what);
        assert.match(
          String(line['details']),
          /^upstream_reset_before_response_started\{(?:remote_connection_failure|connection_termination)/,
          what,
        );
      } else if (reply.status === 502) assert.equal(line['flags'], 'UC', what);
      // The last bytes are the end of TLS, which nobody has to wait for.
      else assert.deepEqual([reply.status, reply.bytes.length], [200, 3000], what);
    }
    assert.deepEqual([...seen].filter((flags) => flags !== '-').toSorted(), ['UC', 'UF']);
    assert.equal(reaching.rig.metric('envoy_cluster_upstream_cx_active'), 0);
  });
});
