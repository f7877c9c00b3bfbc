/** TLS and layer 4 of Gateway API documents, by the running program and independent clients. */
import assert from 'node:assert/strict';
import { createServer as createHttp } from 'node:http';
import { connect, createServer as createTcp } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { test, type TestContext } from 'node:test';
import { EchoClient, grpcService } from '../support/grpc.ts';
import { listening, secureBackend } from '../support/listening.ts';
import { caConfigMap, pem, pemPath, tlsSecret } from '../support/pem.ts';
import { requireProgram } from '../support/programs.ts';
import { freePort } from '../support/ports.ts';
import { curl, openssl, serve } from '../support/served.ts';
import { UdpPeer } from '../support/udp.ts';

const group = 'gateway.networking.k8s.io/v1';
const document = (apiVersion: string, kind: string, name: string, spec: string): string =>
  `---\napiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: ${name}, namespace: default}\nspec: ${spec}\n`;
const gateway = (spec: string): string => document(group, 'Gateway', 'g', `{gatewayClassName: weir, ${spec}}`);
const secrets =
  tlsSecret('default', 'cert', 'server') +
  tlsSecret('default', 'other', 'other') +
  tlsSecret('default', 'client', 'client') +
  caConfigMap('default', 'ca');
const own = 'tls: {certificateRefs: [{name: cert}]}';

/** A Service `name` on port 80 with one endpoint at `port`. */
function service(name: string, port: number, more = ''): string {
  return `${document('v1', 'Service', name, `{ports: [{name: p, port: 80, targetPort: ${port}${more}}]}`)}---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, namespace: default, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{name: p, port: ${port}${more.includes('UDP') ? ', protocol: UDP' : ''}}]
endpoints: [{addresses: [127.0.0.1]}]
`;
}

function route(kind: string, name: string, section: string, spec: string): string {
  return document(group, kind, name, `{parentRefs: [{name: g, sectionName: ${section}}], ${spec}}`);
}

/** Says its name, the host it was asked for, and the scheme. */
function plainBackend(t: TestContext): Promise<number> {
  return listening(
    t,
    createHttp((request, response) => response.end(`plain ${request.headers.host} ${String(request.headers['x-forwarded-proto'])}`)),
  );
}

test('HTTPS: certificates by SNI, HTTP/2, redirect from HTTP, hosts of another listener are misdirected', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const [http, https] = [await freePort(), await freePort()];
  const moved =
    '{matches: [{path: {value: /moved}}], filters: [{type: RequestRedirect, requestRedirect: {path: {type: ReplaceFullPath, replaceFullPath: /new}}}]}';
  const program = await serve(t, {
    'g.yaml': `${gateway(`listeners: [
      {name: http, port: ${http}, protocol: HTTP},
      {name: https, port: ${https}, protocol: HTTPS, hostname: "*.example.com", ${own}},
      {name: special, port: ${https}, protocol: HTTPS, hostname: special.example.com, ${own}},
      {name: other, port: ${https}, protocol: HTTPS, hostname: other.example.org, tls: {certificateRefs: [{name: other}]}},
      {name: closed, port: ${https}, protocol: HTTPS, hostname: closed.example.com, tls: {certificateRefs: [{name: gone}]}}]`)}
${route('HTTPRoute', 'to', 'http', `rules: [{filters: [{type: RequestRedirect, requestRedirect: {scheme: https, port: ${https}}}]}]`)}
${['https', 'special', 'other'].map((name) => route('HTTPRoute', name, name, `rules: [{backendRefs: [{name: app, port: 80}]}, ${moved}]`)).join('')}
${service('app', await plainBackend(t))}${secrets}`,
  });
  assert.equal(await curl(`https://shop.example.com:${https}/`), `200 2 plain shop.example.com:${https} https`);
  assert.equal(await curl(`https://shop.example.com:${https}/`, '--http1.1'), `200 1.1 plain shop.example.com:${https} https`);
  assert.equal(await curl(`https://other.example.org:${https}/`), `200 2 plain other.example.org:${https} https`);
  assert.match(
    await curl(`http://shop.example.com:${http}/x`, '-i'),
    new RegExp(`^302 1.1 .*location: https://shop.example.com:${https}/x`, 'is'),
  );
  assert.match(
    await curl(`https://shop.example.com:${https}/moved`, '-i'),
    new RegExp(`^302 2 .*location: https://shop.example.com:${https}/new`, 'is'),
  );
  // The certificate would fit, and the wildcard listener's connection is not the special one's.
  for (const version of ['--http1.1', '--http2'])
    assert.match(await curl(`https://shop.example.com:${https}/`, version, '-H', 'Host: special.example.com'), /^421 /);
  assert.match(await curl(`https://shop.example.com:${https}/`, '-H', 'Host: other.example.org'), /^421 /);
  assert.match(await curl(`https://closed.example.com:${https}/`), /^curl (35|55|56)/);
  assert.match(await curl(`https://nobody.example.net:${https}/`), /^curl (35|55|56)/);
  const { text } = await program.admin('/api/v1/status');
  assert.match(text, /"InvalidCertificateRef"/);
  const dump = (await program.admin('/config_dump')).text;
  assert.doesNotMatch(dump, /PRIVATE KEY/);
});

test('HTTPRouteHTTPSListenerDetectMisdirectedRequests: the listener of the handshake and the one of the host are one', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const port = await freePort();
  const listener = (name: string, hostname: string): string =>
    `{name: ${name}, port: ${port}, protocol: HTTPS, ${hostname === '' ? '' : `hostname: "${hostname}", `}${own}}`;
  const to = (name: string, host: string): string =>
    route('HTTPRoute', name, name, `hostnames: ["${host}"], rules: [{backendRefs: [{name: app, port: 80}]}]`);
  await serve(t, {
    'g.yaml': `${gateway(`listeners: [${listener('first', '')}, ${listener('second', 'second.example.com')}, ${listener('third', '*.wild.example.com')}, ${listener('fourth', 'fourth.wild.example.com')}]`)}
${to('first', 'first.example.com')}${to('second', 'second.example.com')}${to('third', '*.wild.example.com')}${to('fourth', 'fourth.wild.example.com')}
${service('app', await plainBackend(t))}${secrets}`,
  });
  const rows: readonly (readonly [serverName: string, host: string, status: number])[] = [
    ['first', 'first', 200],
    ['first', 'second', 421],
    ['first', 'unknown', 404],
    ['second', 'second', 200],
    ['second', 'first', 421],
    ['second', 'unknown', 421],
    ['third.wild', 'third.wild', 200],
    ['third.wild', 'fifth.wild', 200],
    ['third.wild', 'fourth.wild', 421],
    ['third.wild', 'second', 421],
    ['third.wild', 'unknown', 421],
    ['fourth.wild', 'fourth.wild', 200],
    ['fourth.wild', 'fifth.wild', 421],
    ['unknown', 'first', 200],
    ['unknown', 'unknown', 404],
  ];
  for (const [serverName, host, status] of rows)
    assert.match(
      await curl(`https://${serverName}.example.com:${port}/`, '-k', '-H', `Host: ${host}.example.com`),
      new RegExp(`^${status} 2`),
      `${serverName}, ${host}`,
    );
});

test('client certificates: valid ones only, or any with AllowInsecureFallback', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const [strict, open] = [await freePort(), await freePort()];
  const validation = (mode: string): string => `{validation: {caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}], mode: ${mode}}}`;
  await serve(t, {
    'g.yaml': `${gateway(`tls: {frontend: {default: ${validation('AllowValidOnly')}, perPort: [{port: ${open}, tls: ${validation('AllowInsecureFallback')}}]}}, listeners: [
      {name: strict, port: ${strict}, protocol: HTTPS, ${own}}, {name: open, port: ${open}, protocol: HTTPS, ${own}}]`)}
${['strict', 'open'].map((name) => route('HTTPRoute', name, name, 'rules: [{backendRefs: [{name: app, port: 80}]}]')).join('')}
${service('app', await plainBackend(t))}${secrets}`,
  });
  const shown = ['--cert', pemPath('client.crt'), '--key', pemPath('client.key')];
  assert.match(await curl(`https://a.example.com:${strict}/`, ...shown), /^200 2 plain/);
  assert.match(await curl(`https://a.example.com:${strict}/`), /^curl (16|35|55|56)/);
  assert.match(await curl(`https://a.example.com:${open}/`, ...shown), /^200 2 plain/);
  assert.match(await curl(`https://a.example.com:${open}/`), /^200 2 plain/);
});

test('BackendTLSPolicy: verified TLS with SNI and the certificate of the Gateway, 5xx for anybody else, never plain text', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const port = await freePort();
  let plain = 0;
  const policy = (name: string, validation: string): string =>
    document(group, 'BackendTLSPolicy', name, `{targetRefs: [{group: "", kind: Service, name: ${name}}], validation: {${validation}}}`);
  const ca = 'caCertificateRefs: [{group: "", kind: ConfigMap, name: ca}]';
  const names = ['good', 'uri', 'impostor', 'plaintext', 'broken'];
  const backend = await secureBackend(t);
  const talker = createTcp((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      if (chunk.toString('latin1').startsWith('GET')) plain++;
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
    });
  });
  const program = await serve(t, {
    'g.yaml': `${gateway(`tls: {backend: {clientCertificateRef: {name: client}}}, listeners: [{name: http, port: ${port}, protocol: HTTP}]`)}
${route('HTTPRoute', 'r', 'http', `rules: [${names.map((name) => `{matches: [{path: {value: /${name}}}], backendRefs: [{name: ${name}, port: 80}]}`).join(', ')}]`)}
${service('good', backend)}${policy('good', `hostname: backend.internal, ${ca}`)}
${service('uri', backend)}${policy('uri', `hostname: anything.example, ${ca}, subjectAltNames: [{type: URI, uri: "spiffe://example.com/backend"}]`)}
${service('impostor', await secureBackend(t, 'other'))}${policy('impostor', `hostname: backend.internal, ${ca}`)}
${service('plaintext', await listening(t, talker))}${policy('plaintext', `hostname: backend.internal, ${ca}`)}
${service('broken', backend)}${policy('broken', 'hostname: backend.internal, caCertificateRefs: [{group: "", kind: ConfigMap, name: gone}]')}
${secrets}`,
  });
  const ask = (name: string): Promise<string> => curl(`http://a.example.com:${port}/${name}`);
  assert.equal(await ask('good'), '200 1.1 secure backend.internal ann');
  assert.equal(await ask('uri'), '200 1.1 secure anything.example ann');
  for (const name of ['impostor', 'plaintext', 'broken']) assert.match(await ask(name), /^50[23] /, name);
  assert.equal(plain, 0);
  assert.match((await program.admin('/api/v1/status')).text, /NoValidCACertificate/);
});

test('GRPCRoute over HTTPS and in plain text; a Service port of h2c', async (t) => {
  const [https, http] = [await freePort(), await freePort()];
  const { port } = await grpcService(t);
  await serve(t, {
    'g.yaml': `${gateway(`listeners: [{name: https, port: ${https}, protocol: HTTPS, ${own}}, {name: http, port: ${http}, protocol: HTTP}]`)}
${document(group, 'GRPCRoute', 'one', '{parentRefs: [{name: g}], hostnames: [a.example.com], rules: [{matches: [{method: {service: test.Echo, method: Unary}}], backendRefs: [{name: rpc, port: 80}]}]}')}
${document(group, 'GRPCRoute', 'any', '{parentRefs: [{name: g}], hostnames: [b.example.com], rules: [{matches: [{method: {type: RegularExpression, method: "C.*"}}], backendRefs: [{name: h2c, port: 80}]}]}')}
${service('rpc', port)}${service('h2c', port, ', appProtocol: kubernetes.io/h2c')}${secrets}`,
  });
  const client = (host: string, at: number, ca: string | null): EchoClient =>
    new EchoClient(t, `127.0.0.1:${at}`, ca, {
      'grpc.default_authority': host,
      ...(ca === null ? {} : { 'grpc.ssl_target_name_override': host }),
    });
  for (const [at, ca] of [
    [https, pem('ca.crt')],
    [http, null],
  ] as const) {
    const one = client('a.example.com', at, ca);
    assert.deepEqual((await one.unary('hello')).texts, ['hello']);
    assert.equal((await one.collect(['x'])).code, 12, 'a method without a route');
    const any = client('b.example.com', at, ca);
    assert.deepEqual((await any.collect(['a', 'b'])).texts, ['a,b']);
    assert.equal((await any.unary('hello')).code, 12);
  }
});

test('TLSRoute, TCPRoute and UDPRoute', async (t) => {
  if (!requireProgram(t, 'openssl')) return;
  const ports = await Promise.all([freePort(), freePort(), freePort()]);
  const [tls, tcp, udp] = ports;
  const echo = (name: string) => (socket: { on(event: 'data', then: (chunk: Buffer) => void): void; end(text: string): void }) =>
    socket.on('data', (chunk) => socket.end(`${name} ${chunk.toString('latin1').trim()}\n`));
  const secret = createTls({ cert: pem('backend.crt'), key: pem('backend.key') }, echo('passed'));
  const dns = await UdpPeer.echo('dns ');
  const client = await UdpPeer.bind();
  t.after(() => {
    dns.close();
    client.close();
  });
  const program = await serve(t, {
    'g.yaml': `${gateway(`listeners: [
      {name: passes, port: ${tls}, protocol: TLS, hostname: backend.internal, tls: {mode: Passthrough}},
      {name: ends, port: ${tls}, protocol: TLS, hostname: "*.example.com", ${own}},
      {name: tcp, port: ${tcp}, protocol: TCP}, {name: udp, port: ${udp}, protocol: UDP}]`)}
${route('TLSRoute', 'passes', 'passes', 'hostnames: [backend.internal], rules: [{backendRefs: [{name: tls, port: 80}]}]')}
${route('TLSRoute', 'ends', 'ends', 'hostnames: [db.example.com], rules: [{backendRefs: [{name: tcp, port: 80}]}]')}
${route('TCPRoute', 'tcp', 'tcp', 'rules: [{backendRefs: [{name: tcp, port: 80}]}]')}
${route('UDPRoute', 'udp', 'udp', 'rules: [{backendRefs: [{name: udp, port: 80}]}]')}
${service('tls', await listening(t, secret))}${service('tcp', await listening(t, createTcp(echo('plain'))))}
${service('udp', dns.port, ', protocol: UDP')}${secrets}`,
  });
  assert.deepEqual(await openssl(tls, 'backend.internal', 'one\n'), { subject: 'CN = backend', reply: 'passed one\n' });
  assert.deepEqual(await openssl(tls, 'db.example.com', 'two\n'), { subject: 'CN = example.com', reply: 'plain two\n' });
  assert.equal(await openssl(tls, 'else.example.com', 'three\n'), null);
  assert.equal(await openssl(tls, 'nobody.example.net', 'four\n'), null);
  const socket = connect(tcp, '127.0.0.1');
  socket.end('five\n');
  let reply = '';
  for await (const chunk of socket) reply += String(chunk);
  assert.equal(reply, 'plain five\n');
  assert.equal(await client.ask('six', udp), 'dns six');
  const { text } = await program.admin('/api/v1/status');
  assert.equal(text.match(/"attachedRoutes": ?1/g)?.length, 4);
});
