/** HTTP/2 towards upstreams over TLS, by ALPN, with nginx, and with WebSockets in it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { describe, it, type TestContext } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { nginx } from '../support/daemon.ts';
import { echo, Http2Upstream } from '../support/http2-upstream.ts';
import { Pki, type Issued, secretOf } from '../support/pki.ts';
import { requireProgram } from '../support/programs.ts';
import { freePort } from '../support/ports.ts';
import { answering, portOf, RawBackend } from '../support/raw.ts';
import { clusterOf } from '../support/rig.ts';
import { Reaching, tlsCluster } from '../support/upstream-tls.ts';

interface Secured {
  readonly own: Issued;
  readonly secrets: readonly ReturnType<typeof secretOf>[];
  readonly tls: { readonly key: string; readonly cert: string };
}

function secure(t: TestContext): Secured {
  const pki = new Pki(t);
  const own = pki.issue({ names: ['DNS:upstream.test'] });
  return { own, secrets: [secretOf('ca', { ca: pki.ca })], tls: { key: own.privateKey, cert: own.certificate } };
}

describe('HTTP/2 over TLS', () => {
  it('has the scheme https, and one connection', async (t) => {
    const { secrets, tls } = secure(t);
    const upstream = await Http2Upstream.start(t, echo, { tls });
    const reach = await Reaching.start(t, { cluster: tlsCluster([upstream.port], {}, { protocol: 'http2' }), secrets });
    const got = await Promise.all(Array.from({ length: 10 }, () => reach.get()));
    for (const { text } of got) assert.equal(JSON.parse(text).headers[':scheme'], 'https');
    assert.equal(upstream.sessions.length, 1);
    assert.equal(upstream.sessions[0].alpnProtocol, 'h2');
  });

  it('fails with a reason where the certificate is not believed', async (t) => {
    const { tls } = secure(t);
    const upstream = await Http2Upstream.start(t, echo, { tls });
    const secrets = [secretOf('ca', { ca: new Pki(t, 'another').ca })];
    const reach = await Reaching.start(t, { cluster: tlsCluster([upstream.port], {}, { protocol: 'http2' }), secrets });
    assert.equal((await reach.get()).status, 503);
    const log = await reach.lastLog(1);
    assert.equal(log['flags'], 'UF');
    assert.match(String(log['reason']), /^TLS_error:CERTIFICATE_VERIFY_FAILED/);
    await reach.rig.settled();
  });

  it('tells the log of its connection, and asks anew when settings change during the handshake', async (t) => {
    const { secrets, tls } = secure(t);
    const upstream = await Http2Upstream.start(t, echo, { tls });
    // A server that never ends its handshake.
    const mute = await RawBackend.start(() => undefined);
    t.after(() => mute.close());
    const accessLog =
      '{"local":"%UPSTREAM_LOCAL_ADDRESS%","version":"%UPSTREAM_TLS_VERSION%","code":"%RESPONSE_CODE%","remote":"%UPSTREAM_HOST%"}';
    const cluster = (port: number, more: object): ReturnType<typeof tlsCluster> => tlsCluster([port], more, { protocol: 'http2' });
    const reach = await Reaching.start(t, { cluster: cluster(upstream.port, {}), secrets }, { accessLog });
    assert.equal((await reach.get()).status, 200);
    const log = await reach.lastLog(1);
    assert.match(String(log['local']), /^127\.0\.0\.1:\d+$/);
    assert.equal(log['version'], 'TLSv1.3');
    await reach.change({ cluster: cluster(mute.port, {}), secrets });
    const pending = reach.get();
    await mute.connection(0);
    await reach.change({ cluster: cluster(mute.port, { minVersion: 'TLSv1.3' }), secrets });
    await mute.connection(1);
    mute.close();
    assert.equal((await pending).status, 503);
    await reach.rig.settled();
  });

  it('uses new connections once a secret changed, and the old one to the end of what it does', async (t) => {
    const { secrets, tls } = secure(t);
    let answer: () => void = () => undefined;
    let arrived: () => void = () => undefined;
    const isThere = new Promise<void>((resolve) => (arrived = resolve));
    const upstream = await Http2Upstream.start(
      t,
      (stream, headers, session) => {
        if (headers[':path'] !== '/late') return echo(stream, headers, session);
        answer = () => echo(stream, headers, session);
        arrived();
      },
      { tls },
    );
    const cluster = tlsCluster([upstream.port], {}, { protocol: 'http2' });
    const reach = await Reaching.start(t, { cluster, secrets });
    const late = reach.get('/late');
    await isThere;
    await reach.change({ cluster: tlsCluster([upstream.port], { minVersion: 'TLSv1.3' }, { protocol: 'http2' }), secrets });
    assert.equal(JSON.parse((await reach.get()).text).session, 1);
    answer();
    assert.equal(JSON.parse((await late).text).session, 0);
    await upstream.untilOpen(1);
  });
});

describe('connections for one name each', () => {
  it('make room for others when they are too many', async (t) => {
    const pki = new Pki(t);
    const own = pki.issue({ names: ['DNS:*.w.test'] });
    const upstream = await Http2Upstream.start(t, echo, { tls: { key: own.privateKey, cert: own.certificate } });
    const secrets = [secretOf('ca', { ca: pki.ca })];
    const reach = await Reaching.start(t, { cluster: tlsCluster([upstream.port], { sni: null }, { protocol: 'http2' }), secrets });
    for (let i = 0; i < 140; i++) assert.equal((await reach.get('/', `n${i}.w.test`)).status, 200, `name ${i}`);
    assert.equal(upstream.sessions.length, 140);
    await upstream.untilOpen(128);
    await reach.rig.settled();
  });

  it('that are all in use do not keep other names waiting', async (t) => {
    const pki = new Pki(t);
    const own = pki.issue({ names: ['DNS:*.w.test'] });
    const held: (() => void)[] = [];
    let all: () => void = () => undefined;
    const areHeld = new Promise<void>((resolve) => (all = resolve));
    const upstream = await Http2Upstream.start(
      t,
      (stream, headers, session) => {
        if (headers[':path'] !== '/held') return echo(stream, headers, session);
        if (held.push(() => echo(stream, headers, session)) === 130) all();
      },
      { tls: { key: own.privateKey, cert: own.certificate } },
    );
    const secrets = [secretOf('ca', { ca: pki.ca })];
    const reach = await Reaching.start(t, { cluster: tlsCluster([upstream.port], { sni: null }, { protocol: 'http2' }), secrets });
    const holding = Array.from({ length: 130 }, (_, i) => reach.get('/held', `n${i}.w.test`));
    await areHeld;
    assert.equal((await reach.get('/', 'other.w.test')).status, 200);
    for (const answer of held) answer();
    for (const answered of await Promise.all(holding)) assert.equal(answered.status, 200);
    await reach.rig.settled();
  });
});

describe('ALPN', () => {
  it('agrees on HTTP/2 where the server has it', async (t) => {
    const { secrets, tls } = secure(t);
    const upstream = await Http2Upstream.start(t, echo, { tls: { ...tls, allowHTTP1: true } });
    const reach = await Reaching.start(t, { cluster: tlsCluster([upstream.port], {}, { protocol: 'alpn' }), secrets });
    assert.equal((await reach.get()).status, 200);
    assert.equal(upstream.sessions.length, 1);
  });

  it('leaves WebSockets in HTTP/1.1', async (t) => {
    const { secrets, tls } = secure(t);
    const upstream = await Http2Upstream.start(t, echo, { tls: { ...tls, allowHTTP1: true } });
    const sockets = new WebSocketServer({ noServer: true });
    t.after(() => sockets.close());
    upstream.server.on('upgrade', (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (accepted) => accepted.send('in HTTP/1.1'));
    });
    const reach = await Reaching.start(t, { cluster: tlsCluster([upstream.port], {}, { protocol: 'alpn' }), secrets });
    assert.equal((await reach.get()).status, 200);
    const client = new WebSocket(`ws://127.0.0.1:${reach.rig.port}/chat`);
    assert.equal(String((await once(client, 'message'))[0]), 'in HTTP/1.1');
    client.terminate();
    assert.equal(upstream.sessions.length, 1, 'and others in HTTP/2');
  });

  it('has no say without TLS: HTTP/1.1', async (t) => {
    const backend = await RawBackend.start(answering(() => 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello'));
    t.after(() => backend.close());
    const reach = await Reaching.start(t, { cluster: clusterOf('b', [backend.port], { protocol: 'alpn' }) });
    assert.equal((await reach.get()).text, 'hello');
  });

  for (const [name, offered] of [
    ['and where it knows no ALPN', undefined],
    ['where the server has no other', ['http/1.1']],
  ] as const)
    it(`falls back to HTTP/1.1 ${name}`, async (t) => {
      const { secrets, tls } = secure(t);
      let connections = 0;
      const server = createHttpsServer(
        { ...tls, ...(offered === undefined ? {} : { ALPNProtocols: [...offered] }) },
        (request, response) => {
          response.end(`HTTP/${request.httpVersion} ${request.url}`);
        },
      );
      server.on('secureConnection', () => connections++);
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.after(() => {
        server.closeAllConnections();
        server.close();
      });
      const reach = await Reaching.start(t, { cluster: tlsCluster([portOf(server)], {}, { protocol: 'alpn' }), secrets });
      const replies = await Promise.all(Array.from({ length: 5 }, (_, i) => reach.get(`/${i}`)));
      assert.deepEqual(
        replies.map((reply) => reply.text),
        [0, 1, 2, 3, 4].map((i) => `HTTP/1.1 /${i}`),
      );
      const before = connections;
      assert.equal((await reach.get('/again')).text, 'HTTP/1.1 /again');
      assert.equal(connections, before, 'what was learnt is kept, and so is the connection');
      await reach.rig.settled();
    });
});

describe('nginx as an HTTP/2 upstream', () => {
  it('serves files, takes bodies, and closes connections after some requests', async (t) => {
    if (!requireProgram(t, 'nginx')) return;
    const port = await freePort();
    await nginx(
      t,
      `keepalive_requests 5; server { listen 127.0.0.1:${port} http2; client_max_body_size 10m;
       location / { return 200 "$request_method $host $request_uri $connection $server_protocol"; }
       location /body { client_body_buffer_size 4m; proxy_pass http://127.0.0.1:${port}; } }`,
    );
    const reach = await Reaching.start(t, { cluster: clusterOf('b', [port], { protocol: 'http2' }) });
    const connections = new Set<string>();
    // nginx sends GOAWAY after five requests: none may fail.
    for (let round = 0; round < 5; round++) {
      const replies = await Promise.all(Array.from({ length: 8 }, (_, i) => reach.get(`/${round}/${i}`, 'shop.test')));
      for (const [i, { status, text }] of replies.entries()) {
        const [method, host, uri, connection, protocol] = text.split(' ');
        assert.deepEqual([status, method, host, uri, protocol], [200, 'GET', 'shop.test', `/${round}/${i}`, 'HTTP/2.0'], text);
        connections.add(connection);
      }
    }
    assert.ok(connections.size > 1, 'nginx did close connections');
    await reach.rig.settled();
  });
});

describe('a WebSocket over HTTP/2', () => {
  it('is an extended CONNECT where the upstream takes it', async (t) => {
    const upstream = await Http2Upstream.start(
      t,
      (stream, headers) => {
        assert.deepEqual([headers[':method'], headers[':protocol'], headers[':path']], ['CONNECT', 'websocket', '/chat']);
        stream.respond({ ':status': 200 });
        // WebSocket's frames are the library's affair on both ends.
        const socket: WebSocket = Reflect.construct(WebSocket, [null, undefined, {}]);
        const duplex = Object.assign(stream, { setNoDelay: () => undefined, setKeepAlive: () => undefined });
        const options = { allowSynchronousEvents: true, maxPayload: 0, skipUTF8Validation: false };
        Reflect.apply(Reflect.get(socket, 'setSocket'), socket, [duplex, Buffer.alloc(0), options]);
        socket.on('message', (data) => socket.send(Buffer.isBuffer(data) ? `echo ${data.toString()}` : 'no buffer'));
      },
      { settings: { enableConnectProtocol: true } },
    );
    const reach = await Reaching.start(t, { cluster: clusterOf('b', [upstream.port], { protocol: 'http2' }) });
    const client = new WebSocket(`ws://127.0.0.1:${reach.rig.port}/chat`);
    await once(client, 'open');
    for (const text of ['one', 'two', 'x'.repeat(100_000)]) {
      client.send(text);
      const [data] = await once(client, 'message');
      assert.equal(String(data), `echo ${text}`);
    }
    client.close();
    await once(client, 'close');
    assert.equal((await reach.lastLog(1))['code'], '101');
    await reach.rig.settled();
  });

  it('may come by extended CONNECT too', async (t) => {
    const upstream = await Http2Upstream.start(
      t,
      (stream, headers) => {
        assert.deepEqual([headers[':method'], headers[':protocol'], headers[':authority']], ['CONNECT', 'websocket', 'chat.test']);
        stream.respond({ ':status': 200, 'sec-websocket-protocol': 'chat' });
        stream.on('data', (chunk: Buffer) => stream.write(`echo ${chunk.toString()}`));
        stream.on('end', () => stream.end());
      },
      { settings: { enableConnectProtocol: true } },
    );
    const reach = await Reaching.start(t, { cluster: clusterOf('b', [upstream.port], { protocol: 'http2' }) });
    const session = connect(`http://127.0.0.1:${reach.rig.port}`);
    t.after(() => session.destroy());
    const [settings] = await once(session, 'remoteSettings');
    assert.equal(settings.enableConnectProtocol, true);
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':scheme': 'http',
      ':path': '/',
      ':authority': 'chat.test',
      'sec-websocket-version': '13',
    });
    const [headers] = await once(stream, 'response');
    assert.deepEqual([headers[':status'], headers['sec-websocket-protocol']], [200, 'chat']);
    for (const text of ['one', 'two']) {
      stream.write(text);
      assert.equal(String((await once(stream, 'data'))[0]), `echo ${text}`);
    }
    stream.end();
    await once(stream, 'close');
    assert.equal((await reach.lastLog(1))['code'], '200');
    await reach.rig.settled();
  });

  it('is refused with 503 UPE where it does not', async (t) => {
    const upstream = await Http2Upstream.start(t, echo);
    const reach = await Reaching.start(t, { cluster: clusterOf('b', [upstream.port], { protocol: 'http2' }) });
    const client = new WebSocket(`ws://127.0.0.1:${reach.rig.port}/chat`);
    const [error] = await once(client, 'error').catch((thrown: unknown) => [thrown]);
    assert.match(String(error), /503/);
    const log = await reach.lastLog(1);
    assert.deepEqual([log['flags'], log['details']], ['UPE', 'upstream_reset_before_response_started{http2.no_extended_connect}']);
    await reach.rig.settled();
  });
});
