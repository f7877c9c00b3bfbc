/** Sockets towards upstreams: PROXY headers, Unix sockets, what fails and what changes. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Cluster } from '../../src/model/cluster.ts';
import type { ClientTls } from '../../src/model/tls.ts';
import { haproxy, nginx } from '../support/daemon.ts';
import { Pki, secretOf } from '../support/pki.ts';
import { requireProgram } from '../support/programs.ts';
import { freePort } from '../support/ports.ts';
import { answering, portOf, RawBackend, RawClient } from '../support/raw.ts';
import { clusterOf } from '../support/rig.ts';
import { clientTls, Reaching, tlsCluster } from '../support/upstream-tls.ts';

function at(address: string, more: Partial<Cluster> = {}): Cluster {
  return { ...clusterOf('b', [], more), endpoints: [{ address, port: 0, weight: 1, labels: {}, locality: '' }] };
}

const defaults = 'defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\n';
const whoIsIt =
  ' http-request return status 200 content-type text/plain lf-string "src=%[src]:%[src_port] dst=%[dst]:%[dst_port] uid=%ID sni=%[ssl_fc_sni] tls=%[ssl_fc]"';

describe('PROXY header towards an upstream', () => {
  for (const version of ['v1', 'v2'] as const) {
    for (const isTls of [false, true]) {
      it(`tells HAProxy the client (${version}${isTls ? ', then TLS' : ''})`, async (t) => {
        if (!requireProgram(t, 'haproxy')) return;
        const pki = new Pki(t);
        const own = pki.issue({ names: ['DNS:upstream.test'] });
        const port = await freePort();
        await haproxy(
          t,
          `${defaults}frontend f\n bind 127.0.0.1:${port} accept-proxy${isTls ? ` ssl crt ${own.bothFile}` : ''}\n${whoIsIt}\n`,
        );
        const cluster = isTls ? tlsCluster([port], {}, { proxyProtocol: version }) : clusterOf('b', [port], { proxyProtocol: version });
        const reaching = await Reaching.start(t, { cluster, secrets: [secretOf('ca', { ca: pki.ca })] });
        const ask = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
        for (const localAddress of ['127.0.0.1', '127.0.0.7']) {
          const client = await RawClient.connect(reaching.rig.port, true, localAddress);
          const wanted = `src=${localAddress}:${client.socket.localPort} dst=127.0.0.1:${reaching.rig.port} `;
          for (let i = 1; i <= 3; i++) {
            client.send(ask);
            const received = await client.until((text) => text.split(' tls=').length > i);
            assert.ok(received.split('src=').length === i + 1 && received.split(wanted).length === i + 1, received);
          }
          assert.ok(client.received.includes(` tls=${isTls ? 1 : 0}`));
          client.close();
        }
      });
    }
  }

  it('keeps a connection for its client alone', async (t) => {
    const backend = await RawBackend.start(answering(() => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
    t.after(() => backend.close());
    const reaching = await Reaching.start(t, { cluster: clusterOf('b', [backend.port], { proxyProtocol: 'v1' }) });
    const ask = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
    const clients = [await RawClient.connect(reaching.rig.port), await RawClient.connect(reaching.rig.port)];
    for (let i = 1; i <= 3; i++) {
      for (const client of clients) {
        client.send(ask);
        await client.until((text) => text.split('200 OK').length > i);
      }
    }
    assert.equal(backend.connections.length, 2, 'one connection a client');
    for (const [i, { received }] of backend.connections.entries()) {
      assert.equal(
        received.indexOf(`PROXY TCP4 127.0.0.1 127.0.0.1 ${clients[i].socket.localPort} ${reaching.rig.port}\r\nGET `),
        0,
        received,
      );
      assert.equal(received.split('PROXY').length, 2, 'the header comes once');
    }
    for (const client of clients) client.close();
  });
});

describe('Unix sockets as endpoints', () => {
  it('reaches nginx, plain and with TLS, and the log names the path', async (t) => {
    if (!requireProgram(t, 'nginx')) return;
    const pki = new Pki(t);
    const own = pki.issue({ names: ['DNS:upstream.test'] });
    const files = `ssl_certificate ${own.certificateFile}; ssl_certificate_key ${own.keyFile}`;
    const { dir } = await nginx(
      t,
      `server { listen unix:@dir@/plain; return 200 "plain $connection"; } server { listen unix:@dir@/tls ssl; ${files}; return 200 "tls $ssl_server_name"; }`,
    );
    const secrets = [secretOf('ca', { ca: pki.ca })];
    const reaching = await Reaching.start(t, { cluster: at(`${dir}/plain`), secrets });
    const first = await reaching.get();
    assert.match(first.text, /^plain \d+$/);
    assert.equal((await reaching.get()).text, first.text, 'kept');
    assert.equal((await reaching.lastLog(2))['host'], `${dir}/plain`);
    await reaching.change({ cluster: at(`${dir}/tls`, { transport: 'tls', tls: clientTls() }), secrets });
    assert.equal((await reaching.get()).text, 'tls upstream.test');
    await reaching.change({ cluster: at(`${dir}/none`), secrets });
    assert.equal((await reaching.get()).status, 503);
    const line = await reaching.lastLog(4);
    assert.deepEqual([line['flags'], line['reason']], ['UF', 'ENOENT']);
  });

  it('reaches an abstract one, large bodies both ways', async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'weir-abstract-'));
    t.after(() => rmSync(dir, { recursive: true }));
    const server = createHttpServer((request, response) => void request.pipe(response));
    server.listen(`\0${dir}`);
    await once(server, 'listening');
    t.after(() => server.close());
    const reaching = await Reaching.start(t, { cluster: at(`@${dir}`) });
    const body = Buffer.alloc(3_000_000, 'abcdefg');
    const reply = await reaching.get('/', 'a', { method: 'POST', body });
    assert.equal(reply.status, 200);
    assert.ok(reply.bytes.equals(body));
    assert.equal((await reaching.lastLog(1))['host'], `@${dir}`);
    server.closeAllConnections();
  });
});

describe('what fails closed', () => {
  const broken = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';
  const cases: readonly { readonly what: string; readonly tls: Partial<ClientTls> | null; readonly reason: string }[] = [
    { what: 'an authority that is not there', tls: { ca: 'nobody' }, reason: 'TLS_error:no_secret:nobody' },
    { what: 'a secret without authorities', tls: { ca: 'empty' }, reason: 'TLS_error:no_authorities_in_secret:empty' },
    { what: 'a client certificate that is not there', tls: { verify: false, certificate: 'nobody' }, reason: 'TLS_error:no_secret:nobody' },
    {
      what: 'a certificate without its key',
      tls: { verify: false, certificate: 'nokey' },
      reason: 'TLS_error:no_certificate_in_secret:nokey',
    },
    { what: 'text that is no certificate', tls: { verify: false, certificate: 'broken' }, reason: 'TLS_error:bad_secret_or_setting:' },
    { what: 'authorities that are no certificates', tls: { ca: 'broken' }, reason: 'TLS_error:bad_secret_or_setting:' },
    { what: 'a key of another certificate', tls: { verify: false, certificate: 'mixed' }, reason: 'TLS_error:bad_secret_or_setting:' },
    {
      what: 'suites that do not exist',
      tls: { verify: false, cipherSuites: ['NO-SUCH-SUITE'] },
      reason: 'TLS_error:bad_secret_or_setting:',
    },
    { what: 'TLS without settings', tls: null, reason: 'TLS_error:no_tls_settings' },
  ];
  for (const { what, tls, reason } of cases) {
    it(`answers 503 and connects to nobody: ${what}`, async (t) => {
      const backend = await RawBackend.start(answering(() => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'));
      t.after(() => backend.close());
      const pki = new Pki(t);
      const [one, two] = [pki.issue({ names: ['DNS:one.test'] }), pki.issue({ names: ['DNS:two.test'] })];
      const secrets = [
        secretOf('ca', { ca: pki.ca }),
        secretOf('empty', { certificate: one.certificate }),
        secretOf('nokey', { certificate: one.certificate }),
        secretOf('broken', { certificate: broken, privateKey: one.privateKey, ca: broken }),
        secretOf('mixed', { certificate: one.certificate, privateKey: two.privateKey }),
      ];
      const cluster = tls === null ? clusterOf('b', [backend.port], { transport: 'tls' }) : tlsCluster([backend.port], tls);
      const reaching = await Reaching.start(t, { cluster, secrets });
      assert.equal((await reaching.get()).status, 503);
      const line = await reaching.lastLog(1);
      assert.equal(line['flags'], 'UF');
      assert.ok(String(line['reason']).startsWith(reason), String(line['reason']));
      assert.equal(backend.connections.length, 0);
      // The secret comes, and nothing has to be waited for.
      await reaching.change({ cluster: clusterOf('b', [backend.port]), secrets });
      assert.equal((await reaching.get()).text, 'ok');
    });
  }

  it('a server that does not speak TLS, one that says nothing, one that hangs up', async (t) => {
    const pki = new Pki(t);
    const behaviours: readonly [what: string, on: (socket: Socket) => void, details: RegExp, reason: RegExp][] = [
      [
        'plain text',
        (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'),
        /\{remote_connection_failure\|TLS_error:/,
        /WRONG_VERSION_NUMBER|PACKET_LENGTH|RECORD/,
      ],
      ['silence', () => undefined, /\{connection_timeout\}$/, /^TLS_error:handshake_timed_out$/],
      ['a FIN', (socket) => socket.end(), /\{remote_connection_failure\|TLS_error:/, /connection_closed_in_handshake/],
      ['a RST', (socket) => socket.resetAndDestroy(), /\{remote_connection_failure\|TLS_error:/, /connection_closed_in_handshake/],
    ];
    for (const [what, on, details, reason] of behaviours) {
      const server = createServer((socket) => {
        t.after(() => socket.destroy());
        socket.on('error', () => undefined);
        socket.once('data', () => on(socket));
      });
      server.listen(0, '127.0.0.1');
      t.after(() => server.close());
      await once(server, 'listening');
      const reaching = await Reaching.start(t, {
        cluster: tlsCluster([portOf(server)], {}, { connectTimeoutMs: 300 }),
        secrets: [secretOf('ca', { ca: pki.ca })],
      });
      assert.equal((await reaching.get()).status, 503, what);
      const line = await reaching.lastLog(1);
      assert.equal(line['flags'], 'UF', what);
      assert.match(String(line['details']), details, what);
      assert.match(String(line['reason']), reason, what);
    }
  });

  it('a place that no socket can be connected to', async (t) => {
    const pki = new Pki(t);
    const secrets = [secretOf('ca', { ca: pki.ca })];
    const long = `/${'x'.repeat(300)}`;
    const clusters: readonly Cluster[] = [
      clusterOf('b', [70_000]),
      tlsCluster([70_000]),
      tlsCluster([70_000], {}, { proxyProtocol: 'v2' }),
      at(long),
      at(`@${long}`),
      at(long, { transport: 'tls', tls: clientTls() }),
    ];
    const reaching = await Reaching.start(t, { cluster: clusters[0], secrets });
    for (const [i, cluster] of clusters.entries()) {
      await reaching.change({ cluster, secrets });
      assert.equal((await reaching.get()).status, 503);
      const line = await reaching.lastLog(i + 1);
      assert.equal(line['flags'], 'UF');
      assert.match(String(line['reason']), /^(?:ERR_SOCKET_BAD_PORT|EINVAL)$/);
    }
  });

  it('tries another endpoint once when a handshake fails', async (t) => {
    if (!requireProgram(t, 'nginx')) return;
    const pki = new Pki(t);
    const [good, bad] = [pki.issue({ names: ['DNS:upstream.test'] }), pki.issue({ names: ['DNS:other.test'] })];
    const ports = [await freePort(), await freePort()];
    const server = (port: number, { certificateFile, keyFile }: typeof good): string =>
      `server { listen 127.0.0.1:${port} ssl; ssl_certificate ${certificateFile}; ssl_certificate_key ${keyFile}; return 200 "${port}"; }`;
    await nginx(t, server(ports[0], bad) + server(ports[1], good));
    const reaching = await Reaching.start(t, { cluster: tlsCluster(ports), secrets: [secretOf('ca', { ca: pki.ca })] });
    for (let i = 0; i < 4; i++) assert.equal((await reaching.get()).text, String(ports[1]));
    const lines = await reaching.rig.logged(4);
    assert.ok(
      lines.some((line) => line['attempts'] === '2'),
      'the first one was tried',
    );
  });
});

describe('changes of a cluster', () => {
  it('uses no connection of the transport before', async (t) => {
    if (!requireProgram(t, 'nginx')) return;
    const pki = new Pki(t);
    const own = pki.issue({ names: ['DNS:upstream.test', 'DNS:other.test'] });
    const port = await freePort();
    // One port, plain and TLS: nginx answers plain text on a TLS port with 400 and says so.
    const files = `ssl_certificate ${own.certificateFile}; ssl_certificate_key ${own.keyFile}; ssl_verify_client optional_no_ca`;
    await nginx(
      t,
      `server { listen 127.0.0.1:${port} ssl; ${files}; error_page 497 =200 /plain; location / { return 200 "$connection|$ssl_server_name|$ssl_client_s_dn"; } location = /plain { return 200 "$connection|plain|"; } }`,
    );
    const client = pki.issue({ names: ['DNS:c.test'], commonName: 'c' });
    const secrets = [secretOf('ca', { ca: pki.ca }), secretOf('own', client)];
    const steps: readonly [Cluster, string][] = [
      [clusterOf('b', [port]), 'plain|'],
      [tlsCluster([port]), 'upstream.test|'],
      [tlsCluster([port], { sni: 'other.test' }), 'other.test|'],
      [tlsCluster([port], { sni: 'other.test', certificate: 'own' }), 'other.test|CN=c,O=Weir tests,C=DE'],
      [tlsCluster([port], { sni: 'other.test', certificate: 'own', verify: false }), 'other.test|CN=c,O=Weir tests,C=DE'],
      [clusterOf('b', [port]), 'plain|'],
    ];
    const reaching = await Reaching.start(t, { cluster: steps[0][0], secrets });
    const connections: string[] = [];
    for (const [cluster, expected] of steps) {
      await reaching.change({ cluster, secrets });
      for (let i = 0; i < 2; i++) {
        const [connection, ...rest] = (await reaching.get()).text.split('|');
        assert.equal(rest.join('|'), expected);
        if (i === 0) connections.push(connection);
        // nginx closes after plain text on this port.
        else if (cluster.transport === 'tls') assert.equal(connection, connections.at(-1), 'kept while nothing changes');
      }
    }
    assert.equal(new Set(connections).size, steps.length);
    await reaching.change({ cluster: tlsCluster([port]), secrets });
    const [kept] = (await reaching.get()).text.split('|');
    // The same settings in another revision.
    await reaching.change({
      cluster: tlsCluster([port], {}, { connectTimeoutMs: 1234 }),
      secrets: [...secrets, secretOf('more', { ca: pki.ca })],
    });
    assert.equal((await reaching.get()).text.split('|')[0], kept);
  });
});
