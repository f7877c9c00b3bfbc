/** Weir's own Listeners by the running program: TLS from files, bytes, datagrams, protocols told apart, PROXY headers, Unix sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { pemPath, tlsSecret } from '../support/pem.ts';
import { requireProgram } from '../support/programs.ts';
import { freePort } from '../support/ports.ts';
import { portOf } from '../support/raw.ts';
import { curl, serve } from '../support/served.ts';
import { UdpPeer } from '../support/udp.ts';

const listener = (name: string, spec: string): string =>
  `---\napiVersion: weir.dev/v1\nkind: Listener\nmetadata: {name: ${name}}\nspec: {${spec}}\n`;
/** Kong routes are what Weir's listeners serve. */
const kong = `_format_version: "3.0"
services:
- {name: s, url: "http://127.0.0.1:1", routes: [{name: r, paths: [/]}]}
plugins:
- {name: request-termination, route: r, config: {status_code: 200, message: here}}
`;

async function echo(t: TestContext, name: string): Promise<number> {
  const made: Server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (bytes) => socket.end(`${name}: ${bytes.toString()}`));
  });
  made.listen(0, '127.0.0.1');
  await once(made, 'listening');
  t.after(() => made.close());
  return portOf(made);
}

/** All that comes back on one connection. */
async function talk(port: number, text: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.write(text);
  let said = '';
  socket.setEncoding('utf8').on('data', (part: string) => (said += part));
  socket.on('error', () => undefined);
  socket.on('end', () => socket.end());
  await new Promise((resolve) => socket.once('close', resolve));
  return said;
}

const destination = (port: number): string => `forward: {destinations: [{host: 127.0.0.1, port: ${port}}]}`;

test('HTTPS with files and with a Secret, client certificates, HTTP/1.1 alone', async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const [files, secret, mutual] = [await freePort(), await freePort(), await freePort()];
  const pair = `certificateFiles: [{certificate: ${pemPath('server.crt')}, privateKey: ${pemPath('server.key')}}]`;
  await serve(
    t,
    {
      'k.yaml': kong,
      'l.yaml': `${listener('files', `port: ${files}, protocol: HTTPS, http2: false, tls: {${pair}}`)}${listener('secret', `port: ${secret}, protocol: HTTPS, tls: {certificateRefs: [{name: web}]}`)}${listener(
        'mutual',
        `port: ${mutual}, protocol: HTTPS, tls: {${pair}, clientValidation: {caCertificateFile: ${pemPath('ca.crt')}, subjectAltNames: ["spiffe://example.com/ann"]}}`,
      )}${tlsSecret('default', 'web', 'server')}`,
    },
    ['--map-port', `8000:${await freePort()}`, '--map-port', `8443:${await freePort()}`],
  );
  assert.match(await curl(`https://a.example.com:${files}/`), /^200 1\.1 .*here/s);
  assert.match(await curl(`https://a.example.com:${secret}/`), /^200 2 .*here/s);
  assert.match(await curl(`https://a.example.com:${secret}/`, '-H', 'Host: other.example.org'), /^421 /, 'the certificate is not for it');
  assert.match(await curl(`https://a.example.com:${mutual}/`, '--cert', pemPath('client.crt'), '--key', pemPath('client.key')), /^200 2 /);
  assert.match(await curl(`https://a.example.com:${mutual}/`), /^curl \d+$/);
});

test('TCP, UDP, and HTTP or something else on one port', async (t) => {
  const [tcp, udp, both, proxied] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const backend = await echo(t, 'bytes');
  const [datagrams, client] = [await UdpPeer.echo('datagrams: '), await UdpPeer.bind()];
  t.after(() => {
    datagrams.close();
    client.close();
  });
  await serve(
    t,
    {
      'k.yaml': kong,
      'l.yaml':
        listener('tcp', `port: ${tcp}, protocol: TCP, ${destination(backend)}`) +
        listener('udp', `port: ${udp}, protocol: UDP, ${destination(datagrams.port)}`) +
        listener('both', `port: ${both}, detectTimeoutMs: 2000, ${destination(backend)}`) +
        listener('proxied', `port: ${proxied}, protocol: TCP, proxyProtocol: required, ${destination(backend)}`),
    },
    ['--map-port', `8000:${await freePort()}`, '--map-port', `8443:${await freePort()}`],
  );
  assert.equal(await talk(tcp, 'hello'), 'bytes: hello');
  assert.match(await talk(both, 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'), /^HTTP\/1\.1 200 [^]*here/);
  assert.equal(await talk(both, '\u0000\u0001hello'), 'bytes: \u0000\u0001hello');
  assert.equal(await talk(proxied, 'PROXY TCP4 192.0.2.7 192.0.2.8 1 2\r\nhello'), 'bytes: hello');
  assert.equal(await talk(proxied, 'no header at all\r\n'), '');
  assert.equal(await client.ask('hello', udp), 'datagrams: hello');
});

test('a Unix socket', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-unix-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const path = join(directory, 'weir.sock');
  await serve(t, { 'k.yaml': kong, 'l.yaml': listener('local', `address: "unix://${path}", port: 0`) }, [
    '--map-port',
    `8000:${await freePort()}`,
    '--map-port',
    `8443:${await freePort()}`,
  ]);
  const asked = request({ socketPath: path, path: '/', headers: { host: 'a' } });
  asked.end();
  const [response] = await once(asked, 'response');
  response.resume();
  assert.equal(response.statusCode, 200);
});
