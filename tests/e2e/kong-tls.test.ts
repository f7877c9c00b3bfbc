/** HTTPS, TLS to upstreams, gRPC and stream routes of Kong documents, by the running program and independent clients. */
import assert from 'node:assert/strict';
import { createServer as createHttp } from 'node:http';
import { connect, createServer as createTcp } from 'node:net';
import { test, type TestContext } from 'node:test';
import { createServer as createTls } from 'node:tls';
import { ServerCredentials } from '@grpc/grpc-js';
import { EchoClient, grpcService } from '../support/grpc.ts';
import { listening, secureBackend } from '../support/listening.ts';
import { pem } from '../support/pem.ts';
import { requireProgram } from '../support/programs.ts';
import { freePort } from '../support/ports.ts';
import { curl, openssl, serve } from '../support/served.ts';
import { UdpPeer } from '../support/udp.ts';

const id = (last: number): string => `1b2b8b1a-0a52-4d1c-8d0a-00000000000${last}`;
const certificate = (pair: 'server' | 'other' | 'client', last: number, ...names: readonly string[]): object => ({
  id: id(last),
  cert: pem(`${pair}.crt`),
  key: pem(`${pair}.key`),
  snis: names.map((name) => ({ name })),
});
const kong = (document: object): string => JSON.stringify({ _format_version: '3.0', ...document });
const everything = {
  certificates: [
    certificate('server', 1, '*.example.com', 'example.com'),
    certificate('other', 2, 'other.example.org'),
    certificate('client', 3),
  ],
  ca_certificates: [{ id: id(4), cert: pem('ca.crt') }],
};

function plainBackend(t: TestContext): Promise<number> {
  return listening(
    t,
    createHttp((request, response) => response.end(`plain ${String(request.headers['x-forwarded-proto'])}`)),
  );
}

/** Kong's own ports on free ones. */
async function served(
  t: TestContext,
  document: object,
): Promise<{ readonly http: number; readonly https: number; readonly dump: () => Promise<string> }> {
  const [http, https] = [await freePort(), await freePort()];
  const program = await serve(t, { 'kong.json': kong(document) }, ['--map-port', `8000:${http}`, '--map-port', `8443:${https}`]);
  return { http, https, dump: async () => (await program.admin('/config_dump')).text };
}

test('port 8443: certificates by SNI, snis of routes, https alone, HTTP/2', async (t) => {
  if (!requireProgram(t, 'curl') || !requireProgram(t, 'openssl')) return;
  const route = (name: string, more: object): object => ({ name, ...more });
  const { http, https, dump } = await served(t, {
    ...everything,
    services: [
      {
        name: 's',
        host: '127.0.0.1',
        port: await plainBackend(t),
        routes: [
          route('secure', { paths: ['/secure'], protocols: ['https'] }),
          route('moved', { paths: ['/moved'], protocols: ['https'], https_redirect_status_code: 301 }),
          route('named', { paths: ['/named'], protocols: ['https'], snis: ['example.com'] }),
          route('both', { paths: ['/both'] }),
        ],
      },
    ],
  });
  assert.equal(await curl(`https://example.com:${https}/secure`), '200 2 plain https');
  assert.equal(await curl(`https://a.example.com:${https}/both`, '--http1.1'), '200 1.1 plain https');
  assert.equal(await curl(`https://other.example.org:${https}/both`), '200 2 plain https');
  assert.equal(await curl(`https://example.com:${https}/named`), '200 2 plain https');
  assert.match(await curl(`https://a.example.com:${https}/named`), /^404 /);
  assert.equal(await curl(`http://example.com:${http}/both`), '200 1.1 plain http');
  assert.match(await curl(`http://example.com:${http}/secure`, '-i'), /^426 1.1 .*upgrade: TLS\/1.2/is);
  assert.match(await curl(`http://example.com:${http}/moved`, '-i'), /^301 1.1 .*location: https:\/\/example.com/is);
  // As Kong is asked by many: the name is the machine's, the host another.
  assert.equal(await curl(`https://localhost:${https}/both`, '-k', '-H', 'Host: shop.test'), '200 2 plain https');
  // Nobody's name: Kong shows a certificate that it signed itself, which no client trusts.
  assert.equal(await curl(`https://nobody.example.net:${https}/both`), 'curl 60');
  assert.equal(await curl(`https://nobody.example.net:${https}/both`, '-k'), '200 2 plain https');
  assert.match((await openssl(https, 'nobody.example.net', 'GET / HTTP/1.0\r\n\r\n'))?.subject ?? '', /Weir development certificate/);
  const text = await dump();
  assert.match(text, /kong\/Certificate/);
  assert.doesNotMatch(text, /PRIVATE KEY/);
});

test('services over TLS: Kong believes anybody unless tls_verify says so; client certificates', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const port = await secureBackend(t);
  const service = (name: string, host: string, more: object): object => ({
    name,
    host,
    port,
    protocol: 'https',
    routes: [{ name, paths: [`/${name}`] }],
    ...more,
  });
  const client = { client_certificate: { id: id(3) } };
  const verified = { tls_verify: true, ca_certificates: [id(4)] };
  const { http } = await served(t, {
    ...everything,
    upstreams: [
      { name: 'backend.internal', host_header: 'backend.internal', targets: [{ target: `127.0.0.1:${port}` }] },
      { name: 'stranger.internal', host_header: 'stranger.internal', targets: [{ target: `127.0.0.1:${port}` }], ...client },
    ],
    services: [
      service('any', '127.0.0.1', {}),
      service('verified', 'backend.internal', { ...verified, ...client }),
      service('system', 'backend.internal', { tls_verify: true }),
      service('stranger', 'stranger.internal', verified),
      service('shown', 'stranger.internal', {}),
    ],
  });
  const ask = (name: string): Promise<string> => curl(`http://a.test:${http}/${name}`);
  assert.match(await ask('any'), /^200 1.1 secure \S+ nobody$/);
  assert.equal(await ask('verified'), '200 1.1 secure backend.internal ann');
  assert.equal(await ask('shown'), '200 1.1 secure stranger.internal ann');
  for (const name of ['system', 'stranger']) assert.match(await ask(name), /^50[23] /, name);
});

test('gRPC: grpcs in, grpc and grpcs out; what is not gRPC is told so', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const plain = await grpcService(t);
  const pair = { private_key: Buffer.from(pem('backend.key')), cert_chain: Buffer.from(pem('backend.crt')) };
  const secure = await grpcService(t, ServerCredentials.createSsl(null, [pair]));
  const { http, https } = await served(t, {
    ...everything,
    services: [
      {
        name: 'plain',
        protocol: 'grpc',
        host: '127.0.0.1',
        port: plain.port,
        routes: [{ name: 'plain', protocols: ['grpc', 'grpcs'], hosts: ['a.example.com'], paths: ['/'], strip_path: false }],
      },
      {
        name: 'secure',
        protocol: 'grpcs',
        host: '127.0.0.1',
        port: secure.port,
        routes: [{ name: 'secure', protocols: ['grpcs'], hosts: ['b.example.com'], paths: ['/'], strip_path: false }],
      },
    ],
  });
  const client = (host: string, ca: string | null, port: number): EchoClient =>
    new EchoClient(t, `127.0.0.1:${port}`, ca, {
      'grpc.default_authority': host,
      ...(ca === null ? {} : { 'grpc.ssl_target_name_override': host }),
    });
  for (const host of ['a.example.com', 'b.example.com']) {
    const echo = client(host, pem('ca.crt'), https);
    assert.deepEqual((await echo.unary('hello')).texts, ['hello'], host);
    assert.equal((await echo.unary('fail 5 gone')).code, 5);
    assert.deepEqual((await echo.collect(['a', 'b'])).texts, ['a,b']);
  }
  assert.deepEqual((await client('a.example.com', null, http).unary('plain')).texts, ['plain']);
  const refused = await client('b.example.com', null, http).unary('plain');
  assert.deepEqual([refused.code, refused.details], [1, 'gRPC request matched gRPCs route']);
  assert.match(await curl(`https://a.example.com:${https}/x`), /^415 2 .*Non-gRPC request matched gRPC route/);
});

test('stream routes: tcp by source and port, tls that ends, tls that passes, udp', async (t) => {
  if (!requireProgram(t, 'openssl')) return;
  const [tcp, tls, udp, idle] = await Promise.all([freePort(), freePort(), freePort(), freePort()]);
  const echo = (name: string) => (socket: { on(event: 'data', then: (chunk: Buffer) => void): void; end(text: string): void }) =>
    socket.on('data', (chunk) => socket.end(`${name} ${chunk.toString('latin1').trim()}\n`));
  const dns = await UdpPeer.echo('dns ');
  const client = await UdpPeer.bind();
  t.after(() => {
    dns.close();
    client.close();
  });
  const backend = await listening(t, createTcp(echo('plain')));
  const secret = await listening(t, createTls({ cert: pem('backend.crt'), key: pem('backend.key') }, echo('passed')));
  const service = (name: string, protocol: string, port: number, ...routes: readonly object[]): object => ({
    name,
    protocol,
    host: '127.0.0.1',
    port,
    routes: routes.map((route, index) => ({ name: `${name}${index}`, ...route })),
  });
  await served(t, {
    ...everything,
    plugins: [{ name: 'ip-restriction', service: { name: 'guarded' }, config: { allow: ['127.0.0.1'] } }],
    services: [
      service('db', 'tcp', backend, { protocols: ['tcp'], sources: [{ ip: '127.0.0.0/8' }], destinations: [{ port: tcp }] }),
      service('far', 'tcp', 1, { protocols: ['tcp'], sources: [{ ip: '192.0.2.0/24' }], destinations: [{ port: tcp }] }),
      service('ended', 'tcp', backend, {
        protocols: ['tls'],
        snis: ['db.example.com', 'nobody.example.net'],
        destinations: [{ port: tls }],
      }),
      service('wrapped', 'tls', secret, { protocols: ['tls'], snis: ['wrap.example.com'], destinations: [{ port: tls }] }),
      service('passed', 'tls_passthrough', secret, {
        protocols: ['tls_passthrough'],
        snis: ['backend.internal'],
        destinations: [{ port: tls }],
      }),
      service('dns', 'udp', dns.port, { protocols: ['udp'], destinations: [{ port: udp }] }),
      service('guarded', 'tcp', backend, { protocols: ['tcp'], destinations: [{ port: idle }] }),
    ],
  });
  const say = async (port: number, text: string): Promise<string> => {
    const socket = connect(port, '127.0.0.1');
    socket.end(text);
    let reply = '';
    try {
      for await (const chunk of socket) reply += String(chunk);
    } catch {
      return 'reset';
    }
    return reply;
  };
  assert.equal(await say(tcp, 'one\n'), 'plain one\n');
  assert.notEqual(await say(idle, 'none\n'), 'plain none\n');
  assert.deepEqual(await openssl(tls, 'db.example.com', 'two\n'), { subject: 'CN = example.com', reply: 'plain two\n' });
  assert.deepEqual(await openssl(tls, 'wrap.example.com', 'three\n'), { subject: 'CN = example.com', reply: 'passed three\n' });
  assert.deepEqual(await openssl(tls, 'backend.internal', 'four\n'), { subject: 'CN = backend', reply: 'passed four\n' });
  assert.equal(await openssl(tls, 'else.example.com', 'five\n'), null);
  assert.match((await openssl(tls, 'nobody.example.net', 'x\n'))?.subject ?? '', /Weir development certificate/);
  assert.equal(await client.ask('six', udp), 'dns six');
});
