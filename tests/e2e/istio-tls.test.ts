/** TLS and bytes of Istio documents, by the running program with curl, openssl and nginx as the other sides. */
import assert from 'node:assert/strict';
import { createServer as createHttp } from 'node:http';
import { connect, createServer as createTcp, type Server } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { test, type TestContext } from 'node:test';
import { nginx } from '../support/daemon.ts';
import { listening } from '../support/listening.ts';
import { pem, pemPath, tlsSecret } from '../support/pem.ts';
import { requireProgram } from '../support/programs.ts';
import { freePort } from '../support/ports.ts';
import { curl, serve } from '../support/served.ts';

const document = (kind: string, name: string, spec: string): string =>
  `---\napiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: {name: ${name}}\nspec: {${spec}}\n`;
const gateway = (servers: readonly string[]): string =>
  document('Gateway', 'g', `selector: {istio: ingressgateway}, servers: [${servers.join(', ')}]`);
const server = (name: string, port: number, protocol: string, hosts: string, tls = ''): string =>
  `{port: {number: ${port}, name: ${name}, protocol: ${protocol}}, hosts: [${hosts}]${tls === '' ? '' : `, tls: {${tls}}`}}`;
const virtual = (name: string, hosts: string, routes: string): string =>
  document('VirtualService', name, `hosts: [${hosts}], gateways: [g], ${routes}`);
const entry = (host: string, port: number, protocol = 'HTTP'): string =>
  document(
    'ServiceEntry',
    host.replace('.', '-'),
    `hosts: [${host}], resolution: STATIC, ports: [{number: 80, name: p, protocol: ${protocol}, targetPort: ${port}}], endpoints: [{address: 127.0.0.1}]`,
  );
const to = (host: string): string => `route: [{destination: {host: ${host}}}]`;
const cacert = `---\napiVersion: v1\nkind: Secret\nmetadata: {name: web-cacert, namespace: default}\nstringData:\n  cacert: |\n${pem('ca.crt').trimEnd().replace(/^/gm, '    ')}\n`;
const web = tlsSecret('default', 'web', 'server');

/** Says its name and what it was asked. */
function backend(t: TestContext, name: string): Promise<number> {
  return listening(
    t,
    createHttp((request, response) => {
      const { host, 'x-forwarded-proto': proto } = request.headers;
      response.end(`${name} ${String(request.url)} ${String(host?.replace(/:\d+$/, ''))} ${String(proto)}`);
    }),
  );
}

test('the shape everybody starts from: HTTPS with a Secret, HTTP redirected to it', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const [http, https] = [await freePort(), await freePort()];
  const program = await serve(t, {
    'a.yaml': `${gateway([
      server('http', http, 'HTTP', '"*.example.com"', 'httpsRedirect: true'),
      server('https', https, 'HTTPS', '"*.example.com"', 'mode: SIMPLE, credentialName: web'),
      server('broken', https, 'HTTPS', 'broken.example.com', 'mode: SIMPLE, credentialName: gone'),
    ])}${virtual('v', '"*.example.com"', `http: [{match: [{uri: {prefix: /example}}], ${to('app.test')}}]`)}${entry('app.test', await backend(t, 'app'))}${web}`,
  });
  assert.equal(await curl(`https://shop.example.com:${https}/example/1`), '200 2 app /example/1 shop.example.com https');
  assert.equal(await curl(`https://shop.example.com:${https}/example/1`, '--http1.1'), '200 1.1 app /example/1 shop.example.com https');
  assert.match(await curl(`https://shop.example.com:${https}/other`), /^404 2/);
  assert.match(
    await curl(`http://shop.example.com:${http}/example?q`, '-i'),
    /^301 1.1 .*location: https:\/\/shop.example.com[^/]*\/example\?q/is,
  );
  assert.match(await curl(`https://broken.example.com:${https}/example`), /^curl (35|56)/, 'its certificate is missing, so it is closed');
  assert.match(await curl(`https://elsewhere.test:${https}/example`), /^curl (35|56)/, 'no server is for this name');
  assert.match(await curl(`https://shop.example.com:${https}/example`, '-H', 'Host: broken.example.com'), /^421 /);
  const { certificates } = JSON.parse((await program.admin('/certs')).text);
  assert.equal(certificates[0].cert_chain[0].path, 'kubernetes/Secret/default/web');
  assert.ok((await program.metric('weir_certificate_expiry_seconds', 'secret="kubernetes/Secret/default/web"')) > 86_400);
});

test('MUTUAL and OPTIONAL_MUTUAL: whose certificate opens the door', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const [must, may, named] = [await freePort(), await freePort(), await freePort()];
  await serve(t, {
    'a.yaml': `${gateway([
      server('must', must, 'HTTPS', '"*.example.com"', 'mode: MUTUAL, credentialName: web'),
      server('may', may, 'HTTPS', '"*.example.com"', 'mode: OPTIONAL_MUTUAL, credentialName: web'),
      server(
        'named',
        named,
        'HTTPS',
        '"*.example.com"',
        'mode: MUTUAL, credentialName: web, subjectAltNames: ["spiffe://example.com/bob"]',
      ),
    ])}${virtual('v', '"*.example.com"', 'http: [{directResponse: {status: 200, body: {string: in}}}]')}${web}${cacert}`,
  });
  const ann = ['--cert', pemPath('client.crt'), '--key', pemPath('client.key')];
  assert.equal(await curl(`https://a.example.com:${must}/`, ...ann), '200 2 in');
  assert.match(await curl(`https://a.example.com:${must}/`), /^curl \d+$/);
  assert.equal(await curl(`https://a.example.com:${may}/`, ...ann), '200 2 in');
  assert.equal(await curl(`https://a.example.com:${may}/`), '200 2 in');
  assert.match(await curl(`https://a.example.com:${named}/`, ...ann), /^curl \d+$/, 'another name is asked for');
});

test('a certificate that one server asks for is not got round by way of another', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const port = await freePort();
  await serve(t, {
    'a.yaml': `${gateway([
      server('open', port, 'HTTPS', '"*"', 'mode: SIMPLE, credentialName: web'),
      server('locked', port, 'HTTPS', 'locked.example.com', 'mode: MUTUAL, credentialName: web'),
    ])}${virtual('o', 'a.example.com', 'http: [{directResponse: {status: 200, body: {string: open}}}]')}${virtual('l', 'locked.example.com', 'http: [{directResponse: {status: 200, body: {string: locked}}}]')}${web}${cacert}`,
  });
  const ann = ['--cert', pemPath('client.crt'), '--key', pemPath('client.key')];
  assert.equal(await curl(`https://locked.example.com:${port}/`, ...ann), '200 2 locked');
  assert.match(await curl(`https://locked.example.com:${port}/`), /^curl \d+$/);
  assert.equal(await curl(`https://a.example.com:${port}/`), '200 2 open');
  for (const version of ['--http1.1', '--http2'])
    for (const host of ['locked.example.com', `LOCKED.example.com:${port}`, 'locked.example.com.'])
      assert.match(await curl(`https://a.example.com:${port}/`, version, '-H', `Host: ${host}`), /^421 /, `${version} ${host}`);
  // Without SNI: curl sends none for an address.
  assert.match(await curl(`https://127.0.0.1:${port}/`, '-k', '-H', 'Host: locked.example.com'), /^421 /);
});

test('TLS passed through beside TLS that ends, on one port', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const port = await freePort();
  const inside = createTls({ cert: pem('other.crt'), key: pem('other.key') }, (socket) => {
    socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\ninside'));
    socket.on('error', () => undefined);
  });
  const program = await serve(t, {
    'a.yaml': `${gateway([
      server('through', port, 'TLS', '"*"', 'mode: PASSTHROUGH'),
      server('ends', port, 'HTTPS', 'shop.example.com', 'mode: SIMPLE, credentialName: web'),
    ])}${virtual('t', 'other.example.org', `tls: [{match: [{sniHosts: [other.example.org]}], ${to('tls.test')}}]`)}${virtual('v', 'shop.example.com', 'http: [{directResponse: {status: 200, body: {string: ended}}}]')}${entry('tls.test', await listening(t, inside), 'TLS')}${web}`,
  });
  assert.equal(await curl(`https://shop.example.com:${port}/`), '200 2 ended');
  assert.equal(await curl(`https://other.example.org:${port}/`), '200 1.1 inside', "the backend's own certificate was shown");
  assert.match(await curl(`https://nobody.example.com:${port}/`), /^curl (35|56)/);
  assert.match(program.stderr, /ready/);
});

/** All that comes back for `text` on one connection. */
async function talk(port: number, text: string): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.end(text);
  let said = '';
  socket.setEncoding('utf8').on('data', (part: string) => (said += part));
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('close', resolve));
  return said;
}

test('tcp routes: by the address of the client, and the first that holds', async (t) => {
  const [first, second, empty] = [await freePort(), await freePort(), await freePort()];
  const echo = (name: string): Server =>
    createTcp({ allowHalfOpen: true }, (socket) => {
      socket.on('error', () => undefined);
      socket.once('data', (bytes) => socket.end(`${name}: ${bytes.toString()}`));
    });
  await serve(t, {
    'a.yaml': `${gateway([server('a', first, 'TCP', '"*"'), server('b', second, 'TCP', '"*"'), server('c', empty, 'TCP', '"*"')])}${virtual(
      'v',
      '"*"',
      `tcp: [{match: [{port: ${first}, sourceSubnet: 10.0.0.0/8}], ${to('one.test')}}, {match: [{port: ${first}}], ${to('two.test')}}, {match: [{port: ${second}}], ${to('one.test')}}]`,
    )}${entry('one.test', await listening(t, echo('one')), 'TCP')}${entry('two.test', await listening(t, echo('two')), 'TCP')}`,
  });
  assert.equal(await talk(first, 'hello'), 'two: hello');
  assert.equal(await talk(second, 'hello'), 'one: hello');
  assert.equal(await talk(empty, 'hello'), '', 'no route: closed');
});

test('TLS towards nginx: SIMPLE verifies it, MUTUAL shows a certificate, nobody else is believed', async (t) => {
  if (!requireProgram(t, 'nginx') || !requireProgram(t, 'curl')) return;
  const [front, upstream, demanding] = [await freePort(), await freePort(), await freePort()];
  const lines = `ssl_certificate ${pemPath('backend.crt')}; ssl_certificate_key ${pemPath('backend.key')};`;
  const says = 'location / { return 200 "$server_port $ssl_server_name $ssl_client_verify"; }';
  await nginx(
    t,
    `server { listen 127.0.0.1:${upstream} ssl; ${lines} ${says} }
     server { listen 127.0.0.1:${demanding} ssl; ${lines} ssl_verify_client on; ssl_client_certificate ${pemPath('ca.crt')}; ${says} }`,
  );
  const rule = (host: string, tls: string): string =>
    document('DestinationRule', host.replace('.', '-'), `host: ${host}, trafficPolicy: {tls: {${tls}}}`);
  const hosts: Readonly<Record<string, readonly [port: number, tls: string]>> = {
    simple: [upstream, `mode: SIMPLE, sni: backend.internal, caCertificates: ${pemPath('ca.crt')}`],
    names: [upstream, `mode: SIMPLE, sni: x.test, subjectAltNames: ["spiffe://example.com/backend"], caCertificates: ${pemPath('ca.crt')}`],
    wrong: [upstream, `mode: SIMPLE, sni: impostor.internal, caCertificates: ${pemPath('ca.crt')}`],
    unknown: [upstream, 'mode: SIMPLE, sni: backend.internal'],
    skip: [upstream, 'mode: SIMPLE, sni: backend.internal, insecureSkipVerify: true'],
    mutual: [demanding, 'mode: MUTUAL, sni: backend.internal, credentialName: client'],
    gone: [upstream, 'mode: MUTUAL, sni: backend.internal, credentialName: gone'],
  };
  const rules = Object.keys(hosts).map((name) => `{match: [{uri: {prefix: /${name}}}], ${to(`${name}.test`)}}`);
  const client = `${tlsSecret('default', 'client', 'client')}${cacert.replace('web-cacert', 'client-cacert')}`;
  await serve(t, {
    'a.yaml': `${gateway([server('http', front, 'HTTP', '"*"')])}${virtual('v', '"*"', `http: [${rules.join(', ')}]`)}${Object.entries(
      hosts,
    )
      .map(([name, [port, tls]]) => entry(`${name}.test`, port) + rule(`${name}.test`, tls))
      .join('')}${client}`,
  });
  const ask = (name: string): Promise<string> => curl(`http://a.example.com:${front}/${name}`);
  assert.equal(await ask('simple'), `200 1.1 ${upstream} backend.internal NONE`);
  assert.equal(await ask('names'), `200 1.1 ${upstream} x.test NONE`);
  assert.equal(await ask('skip'), `200 1.1 ${upstream} backend.internal NONE`);
  assert.equal(await ask('mutual'), `200 1.1 ${demanding} backend.internal SUCCESS`);
  for (const name of ['wrong', 'unknown', 'gone']) assert.match(await ask(name), /^503 /, name);
});
