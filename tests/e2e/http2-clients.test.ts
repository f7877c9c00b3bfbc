/** Clients that others wrote, over HTTP/2: curl and h2load (nghttp2), undici, Chromium. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { Client } from 'undici';
import { WebSocketServer } from 'ws';
import { securedFront } from '../support/http2.ts';
import { requireProgram } from '../support/programs.ts';
import { proxied } from '../support/proxied.ts';
import { answering, portOf } from '../support/raw.ts';

const run = promisify(execFile);

async function backend(t: TestContext, handle: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(handle);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return server;
}

/** Sends back what it got, and says how. */
function mirror(request: IncomingMessage, response: ServerResponse): void {
  const parts: Buffer[] = [];
  request.on('data', (part: Buffer) => parts.push(part));
  request.on('end', () => {
    response.setHeader('x-method', request.method ?? '');
    response.setHeader('x-version', request.httpVersion);
    response.end(Buffer.concat(parts));
  });
}

await test('curl over TLS and with prior knowledge: GET, HEAD, upload, range of sizes', { timeout: 60_000 }, async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const server = await backend(t, mirror);
  const secured = await securedFront(t, portOf(server));
  const plain = await proxied(
    t,
    answering((request) => {
      const body = request.slice(request.indexOf('\r\n\r\n') + 4);
      return `HTTP/1.1 200 OK\r\nx-version: 1.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    }),
  );
  const directory = mkdtempSync(join(tmpdir(), 'weir-curl-'));
  t.after(() => rmSync(directory, { recursive: true }));
  const fronts = [
    ['--http2', '--cacert', secured.caFile, `https://localhost:${secured.port}/`],
    ['--http2-prior-knowledge', `http://127.0.0.1:${plain.port}/`],
  ];
  for (const front of fronts) {
    for (const size of [1, 1000, 65_535, 65_536, 1_000_000]) {
      const file = join(directory, `${size}`);
      writeFileSync(file, 'c'.repeat(size));
      const args = [
        '-sS',
        '-H',
        'Expect:',
        '--data-binary',
        `@${file}`,
        '-o',
        `${file}.back`,
        '-w',
        '%{http_version} %{http_code} %{size_download}',
      ];
      const { stdout } = await run('curl', [...args, ...front]);
      assert.equal(stdout, `2 200 ${size}`);
    }
    const { stdout } = await run('curl', ['-sSI', ...front]);
    assert.match(stdout, /^HTTP\/2 200 /);
  }
});

await test('curl sends many requests at once on one connection', { timeout: 60_000 }, async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const server = await backend(t, mirror);
  const front = await securedFront(t, portOf(server));
  const url = `https://localhost:${front.port}/[1-200]`;
  const args = ['-sS', '--http2', '--parallel', '--parallel-max', '50', '--cacert', front.caFile, '-w', '%{http_version} %{http_code}\n'];
  const { stdout } = await run('curl', [...args, '-d', 'body', url, '-o', '/dev/null']);
  assert.equal(stdout.match(/^2 200$/gm)?.length, 200);
  const lines = await front.rig.logged(200);
  assert.ok(lines.every((line) => line['bytes_received'] === 4 && line['bytes_sent'] === 4));
});

await test('h2load: every request of many is answered', { timeout: 60_000 }, async (t) => {
  if (!requireProgram(t, 'h2load')) return;
  const server = await backend(t, mirror);
  const front = await securedFront(t, portOf(server));
  for (const more of [[], ['-d', '/etc/hostname']]) {
    const { stdout } = await run('h2load', ['-n', '4000', '-c', '8', '-m', '32', ...more, `https://localhost:${front.port}/`]);
    assert.match(stdout, /4000 succeeded, 0 failed, 0 errored, 0 timeout/);
    assert.match(stdout, /4000 2xx/);
    assert.match(stdout, /Application protocol: h2/);
  }
});

await test('undici with allowH2', { timeout: 60_000 }, async (t) => {
  const server = await backend(t, mirror);
  const front = await securedFront(t, portOf(server));
  const client = new Client(`https://localhost:${front.port}`, { allowH2: true, connect: { ca: front.ca } });
  t.after(() => client.destroy());
  const replies = await Promise.all(
    Array.from({ length: 100 }, async (_, i) => {
      const { statusCode, body, headers } = await client.request({ method: 'POST', path: `/${i}`, body: `body ${i}` });
      assert.equal(headers['x-method'], 'POST');
      return `${statusCode} ${await body.text()}`;
    }),
  );
  assert.deepEqual(
    replies,
    Array.from({ length: 100 }, (_, i) => `200 body ${i}`),
  );
  const lines = await front.rig.logged(100);
  assert.ok(lines.every((line) => line['protocol'] === 'HTTP/2'));
});

const page = `<!doctype html><title>page</title><script type="module">
const one = await (await fetch('/one')).text();
const posted = await (await fetch('/mirror', {method: 'POST', body: 'x'.repeat(100000)})).text();
const socket = new WebSocket('wss://' + location.host + '/socket', 'chat');
const echo = await new Promise((resolve, reject) => {
  socket.onopen = () => socket.send('through the tunnel');
  socket.onmessage = (event) => resolve(event.data);
  socket.onerror = () => reject(new Error('WebSocket failed'));
}).catch((error) => error.message);
socket.close();
const hops = performance.getEntriesByType('resource').map((entry) => entry.nextHopProtocol);
await fetch('/report', {method: 'POST', body: JSON.stringify({one, posted: posted.length, echo, protocol: socket.protocol, hops})});
</script>`;

await test('Chromium loads a page over HTTP/2 and opens a WebSocket on the same connection', { timeout: 90_000 }, async (t) => {
  if (!requireProgram(t, 'chromium')) return;
  let report = '';
  let reported = (): void => undefined;
  const done = new Promise<void>((resolve) => (reported = resolve));
  const server = await backend(t, (request, response) => {
    if (request.url === '/') response.setHeader('content-type', 'text/html').end(page);
    else if (request.url === '/one') response.end('first');
    else if (request.url === '/mirror') mirror(request, response);
    else if (request.url === '/report') {
      request.setEncoding('utf8').on('data', (text: string) => (report += text));
      request.on('end', () => {
        response.end();
        reported();
      });
    } else response.writeHead(404).end();
  });
  const sockets = new WebSocketServer({ server, path: '/socket' });
  sockets.on('connection', (socket) => socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })));
  t.after(() => sockets.close());
  const front = await securedFront(t, portOf(server));
  const profile = mkdtempSync(join(tmpdir(), 'weir-chromium-'));
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-dev-shm-usage',
    '--ignore-certificate-errors',
    '--no-first-run',
  ];
  const browser = spawn('chromium', [...flags, `--user-data-dir=${profile}`, `https://localhost:${front.port}/`], { stdio: 'ignore' });
  t.after(async () => {
    browser.kill('SIGKILL');
    if (browser.exitCode === null && browser.signalCode === null) await once(browser, 'exit');
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  });
  await done;
  const said: Record<string, unknown> = JSON.parse(report);
  assert.deepEqual([said['one'], said['posted'], said['echo'], said['protocol']], ['first', 100_000, 'through the tunnel', 'chat']);
  assert.ok(
    Array.isArray(said['hops']) && said['hops'].length > 0 && said['hops'].every((hop) => hop === 'h2'),
    `hops ${String(said['hops'])}`,
  );
  // A connection that the browser opened ahead and did not use has a line of its own, without a request.
  let requests: readonly Readonly<Record<string, unknown>>[] = [];
  const paths = ['/', '/one', '/mirror', '/socket', '/report'];
  const isMissing = (path: string): boolean => !requests.some((line) => line['path'] === path);
  for (let count = paths.length; paths.some(isMissing); count++)
    requests = (await front.rig.logged(count)).filter((line) => line['method'] !== null);
  assert.deepEqual(
    requests.filter((line) => line['protocol'] !== 'HTTP/2'),
    [],
    'the WebSocket too',
  );
  assert.ok(requests.some((line) => line['path'] === '/socket' && line['response_code'] === 200));
});
