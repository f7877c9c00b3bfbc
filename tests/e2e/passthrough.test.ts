import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectPlain, createServer as createPlainServer } from 'node:net';
import { Duplex } from 'node:stream';
import { connect as connectTls, createServer, type TLSSocket } from 'node:tls';
import { describe, it, type TestContext } from 'node:test';
import { nginx } from '../support/daemon.ts';
import { forwardTo } from '../support/layer4.ts';
import { layer4Rig, type Layer4Rig } from '../support/layer4-rig.ts';
import { Pki, secretOf } from '../support/pki.ts';
import { requireProgram } from '../support/programs.ts';
import { freePort } from '../support/ports.ts';
import { portOf, RawBackend, RawClient } from '../support/raw.ts';
import { clusterOf } from '../support/rig.ts';
import { chainOf, runProgram, tlsOf } from '../support/tls.ts';

interface World extends Layer4Rig {
  readonly pki: Pki;
  /** curl for https://HOST/ through the listener, trusting the authority of the upstreams. */
  readonly curl: (host: string, ...more: readonly string[]) => ReturnType<typeof runProgram>;
}

/** Two nginx servers that end TLS for a.test and any name under b.test, told apart by SNI alone. */
async function world(t: TestContext): Promise<World> {
  const pki = new Pki(t);
  const ports = await Promise.all([freePort(), freePort()]);
  const servers = ['DNS:a.test', 'DNS:*.b.test'].map((name, i) => {
    const { certificateFile, keyFile } = pki.issue({ names: [name] });
    return `server { listen 127.0.0.1:${ports[i]} ssl http2; ssl_certificate ${certificateFile}; ssl_certificate_key ${keyFile};
      location / { return 200 "${i === 0 ? 'server a' : 'server b'} \\$server_protocol \\$ssl_server_name"; } }`.replaceAll('\\$', '$');
  });
  await nginx(t, servers.join('\n'));
  const chains = [
    chainOf('a', { serverNames: ['a.test'], forward: forwardTo(['a'], { route: 'to-a' }) }),
    chainOf('b', { serverNames: ['*.b.test'], forward: forwardTo(['b'], { route: 'to-b' }) }),
  ];
  const clusters = ports.map((port, i) => clusterOf(i === 0 ? 'a' : 'b', [port]));
  const rig = await layer4Rig(t, chains, clusters);
  const curl: World['curl'] = (host, ...more) =>
    runProgram('curl', [
      '-sS',
      '--cacert',
      pki.caFile,
      '--resolve',
      `${host}:${rig.port}:127.0.0.1`,
      ...more,
      `https://${host}:${rig.port}/`,
    ]);
  return { ...rig, pki, curl };
}

const programs = (t: TestContext): boolean => requireProgram(t, 'nginx') && requireProgram(t, 'curl') && requireProgram(t, 'openssl');

describe('TLS passthrough', () => {
  it('the name in the ClientHello picks the server, whose own certificate the client sees', async (t) => {
    if (!programs(t)) return;
    const { curl, rig } = await world(t);
    assert.equal((await curl('a.test', '--http1.1')).stdout, 'server a HTTP/1.1 a.test');
    assert.equal((await curl('deep.x.b.test', '--http1.1', '-k')).stdout, 'server b HTTP/1.1 deep.x.b.test');
    assert.equal((await curl('x.b.test')).stdout, 'server b HTTP/2.0 x.b.test', 'ALPN is between client and server');
    const lines = await rig.logged(3);
    assert.deepEqual(
      lines.map((line) => [line['protocol'], line['requested_server_name'], line['route_name'], line['response_flags'], line['method']]),
      [
        ['TLS', 'a.test', 'to-a', '-', null],
        ['TLS', 'deep.x.b.test', 'to-b', '-', null],
        ['TLS', 'x.b.test', 'to-b', '-', null],
      ],
    );
    assert.ok(lines.every((line) => Number(line['bytes_received']) > 300 && Number(line['bytes_sent']) > 700));
  });

  it('a name that no chain is for, no name, and no TLS are closed and logged', async (t) => {
    if (!programs(t)) return;
    const { port, rig } = await world(t);
    for (const args of [['-servername', 'c.test'], ['-noservername']]) {
      const { stdout } = await runProgram('openssl', ['s_client', '-connect', `127.0.0.1:${port}`, ...args]);
      assert.match(stdout, /no peer certificate available/);
    }
    const client = await RawClient.connect(port);
    client.send('GET / HTTP/1.1\r\n\r\n');
    assert.equal(await client.toEnd(), '');
    const lines = await rig.logged(3);
    assert.deepEqual(
      lines.map((line) => [line['response_flags'], line['requested_server_name'] ?? '']),
      [
        ['NR', 'c.test'],
        ['NR', ''],
        ['NR', ''],
      ],
    );
  });

  it('openssl verifies the server behind it, resumes its session, and closes in good order', async (t) => {
    if (!programs(t)) return;
    const { port, pki, rig } = await world(t);
    const session = `${pki.dir}/session.pem`;
    const args = [
      's_client',
      '-connect',
      `127.0.0.1:${port}`,
      '-servername',
      'a.test',
      '-CAfile',
      pki.caFile,
      '-verify_return_error',
      '-tls1_2',
    ];
    const first = await runProgram('openssl', [...args, '-sess_out', session], 'Q\n');
    assert.match(first.stdout, /Verify return code: 0 \(ok\)/);
    assert.match(first.stdout, /^New, /m);
    const second = await runProgram('openssl', [...args, '-sess_in', session], 'Q\n');
    assert.match(second.stdout, /^Reused, /m);
    const lines = await rig.logged(2);
    assert.ok(lines.every((line) => line['response_flags'] === '-'));
  });

  it('a ClientHello that trickles in byte by byte arrives whole', async (t) => {
    if (!programs(t)) return;
    const { port, pki } = await world(t);
    const raw = connectPlain({ port, host: '127.0.0.1', noDelay: true });
    await once(raw, 'connect');
    // Each byte goes on the wire by itself: the next one leaves only after the one before was written.
    let first = true;
    const trickle = (bytes: Buffer, done: () => void): void => {
      let at = 0;
      const next = (): void => {
        if (at === bytes.length) return done();
        raw.write(bytes.subarray(at, ++at), () => setImmediate(next));
      };
      next();
    };
    const between = new Duplex({
      read: () => undefined,
      write: (bytes: Buffer, _encoding, done: () => void) => {
        if (!first) return void raw.write(bytes, () => done());
        first = false;
        trickle(bytes, done);
      },
      final: (done) => {
        raw.end();
        done();
      },
    });
    raw.on('data', (bytes: Buffer) => between.push(bytes));
    raw.on('end', () => between.push(null));
    const socket = connectTls({ socket: between, servername: 'a.test', ca: pki.ca });
    socket.on('error', () => undefined);
    await once(socket, 'secureConnect');
    socket.write('GET / HTTP/1.0\r\n\r\n');
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
    await once(socket, 'end');
    assert.match(text, /server a HTTP\/1\.0 a\.test$/);
    raw.destroy();
  });
});

/** Resolves when a count that grows has come to rest. */
async function stalled(count: () => number): Promise<void> {
  for (let before = -1; ;) {
    const now = count();
    if (now > 0 && now === before) return;
    before = now;
    for (let i = 0; i < 200; i++) await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('TLS that ends here, TCP behind it', () => {
  it('passes on what was inside, both ways, with half-close', async (t) => {
    const pki = new Pki(t);
    const { certificate, privateKey } = pki.issue({ names: ['DNS:db.test'] });
    const backend = await RawBackend.start((connection) =>
      connection.socket.on('end', () => connection.socket.end(`plain ${connection.received}`)),
    );
    t.after(() => backend.close());
    const chains = [chainOf('db', { tls: tlsOf(['c'], { alpn: [] }), forward: forwardTo(['db']) })];
    const secrets = [secretOf('c', { certificate, privateKey })];
    const { port, rig } = await layer4Rig(t, chains, [clusterOf('db', [backend.port])], {}, secrets);
    const options = { port, host: '127.0.0.1', servername: 'db.test', ca: pki.ca, allowHalfOpen: true };
    const socket = connectTls(options);
    socket.end('secret words');
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
    await once(socket, 'end');
    assert.equal(text, 'plain secret words');
    const [line] = await rig.logged(1);
    assert.equal(line['protocol'], 'TCP');
    assert.equal(line['requested_server_name'], 'db.test');
    assert.equal(line['bytes_received'], 12);
    assert.equal(line['bytes_sent'], 18);
    socket.destroy();
  });

  it('a client that reads nothing stops the backend; then it gets every byte', { timeout: 60_000 }, async (t) => {
    const total = 32 * 1024 * 1024;
    const pki = new Pki(t);
    const { certificate, privateKey } = pki.issue({ names: ['DNS:db.test'] });
    let written = 0;
    const backend = await RawBackend.start(({ socket }) => {
      const part = Buffer.alloc(256 * 1024, 'p');
      const more = (): void => {
        while (written < total) {
          written += part.length;
          if (!socket.write(part)) return void socket.once('drain', more);
        }
        socket.end();
      };
      more();
    });
    t.after(() => backend.close());
    const chains = [chainOf('db', { tls: tlsOf(['c'], { alpn: [] }), forward: forwardTo(['db']) })];
    const { port, rig } = await layer4Rig(t, chains, [clusterOf('db', [backend.port])], {}, [secretOf('c', { certificate, privateKey })]);
    const socket: TLSSocket = connectTls({ port, host: '127.0.0.1', servername: 'db.test', ca: pki.ca });
    await once(socket, 'secureConnect');
    socket.pause();
    await stalled(() => written);
    assert.ok(written < total, 'the backend was stopped');
    let received = 0;
    socket.on('data', (bytes: Buffer) => (received += bytes.length));
    socket.resume();
    await once(socket, 'end');
    assert.equal(received, total);
    socket.end();
    const [line] = await rig.logged(1);
    assert.equal(line['bytes_sent'], total);
  });
});

describe('TCP, TLS towards the upstream', () => {
  it('verifies the upstream and tells why it did not', async (t) => {
    const pki = new Pki(t);
    const { certificate, privateKey } = pki.issue({ names: ['DNS:db.test'] });
    const server = createServer({ cert: certificate, key: privateKey }, (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (bytes: Buffer) => socket.write(`${bytes.toString()} over ${String(socket.getProtocol())}`));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
    const address = server.address();
    assert.ok(typeof address === 'object' && address !== null);
    const to = (name: string, sni: string) =>
      clusterOf(name, [address.port], {
        transport: 'tls',
        tls: { sni, verify: true, ca: 'ca', subjectAltNames: [], certificate: null },
      });
    const chains = [
      { ...chainOf('bad', { forward: forwardTo(['bad']) }), sources: ['127.0.0.2/32'] },
      chainOf('good', { forward: forwardTo(['good']) }),
    ];
    const { port, rig } = await layer4Rig(t, chains, [to('good', 'db.test'), to('bad', 'other.test')], {}, [
      secretOf('ca', { ca: pki.ca }),
    ]);
    const client = await RawClient.connect(port);
    client.send('hello');
    assert.equal(await client.until((text) => text.endsWith('v1.3')), 'hello over TLSv1.3');
    client.close();
    const refused = await RawClient.connect(port, true, '127.0.0.2');
    assert.equal(await refused.toEnd(), '');
    const lines = await rig.logged(2);
    const bad = lines.find((line) => line['upstream_cluster'] === 'bad');
    assert.equal(bad?.['response_flags'], 'UF,URX');
    assert.match(String(bad?.['response_code_details']), /^upstream_connection_failure\{TLS_error:CERTIFICATE_VERIFY_FAILED/);
  });

  it('a server that ends in the handshake is left for another one, and ends still pass both ways', async (t) => {
    const pki = new Pki(t);
    const { certificate, privateKey } = pki.issue({ names: ['DNS:db.test'] });
    const rude = createPlainServer((socket) => socket.end()).listen(0, '127.0.0.1');
    const options = { cert: certificate, key: privateKey, allowHalfOpen: true };
    const server = createServer(options, (socket) => {
      socket.on('error', () => undefined);
      let text = '';
      socket.on('data', (bytes: Buffer) => (text += bytes.toString()));
      socket.on('end', () => socket.end(`got ${text}`));
    }).listen(0, '127.0.0.1');
    await Promise.all([once(rude, 'listening'), once(server, 'listening')]);
    t.after(() => [rude, server].forEach((one) => one.close()));
    const cluster = clusterOf('db', [portOf(rude), portOf(server)], {
      transport: 'tls',
      tls: { sni: 'db.test', verify: true, ca: 'ca', subjectAltNames: [], certificate: null },
    });
    const { port, rig } = await layer4Rig(t, [chainOf('db', { forward: forwardTo(['db']) })], [cluster], {}, [
      secretOf('ca', { ca: pki.ca }),
    ]);
    for (let i = 0; i < 4; i++) {
      const client = await RawClient.connect(port);
      client.socket.end('words');
      assert.equal(await client.toEnd(), 'got words');
    }
    const lines = await rig.logged(4);
    assert.ok(lines.every((line) => line['response_flags'] === '-' && line['upstream_host'] === `127.0.0.1:${portOf(server)}`));
  });
});
