/** Every file under examples/ runs as its README says; only port 9001 and the ports it listens on are moved to free ones. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Program } from '../support/program.ts';
import { freePort } from '../support/ports.ts';
import { portOf } from '../support/raw.ts';

const examples = fileURLToPath(new URL('../../examples', import.meta.url));
const weir = fileURLToPath(new URL('../../bin/weir', import.meta.url));

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(port: number, path: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, path, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
    });
    outgoing.on('error', reject).end();
  });
}

function run(...words: readonly string[]): Promise<{ readonly code: number; readonly out: string }> {
  return new Promise((resolve) => {
    execFile(weir, [...words], (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, out: stdout + stderr }),
    );
  });
}

/** Runs examples beside a service of ours. */
async function serve(t: TestContext, files: readonly string[], listens: number): Promise<number> {
  const service = createServer((incoming, response) =>
    response.end(`${incoming.method} ${incoming.url} ${String(incoming.headers['x-consumer-username'] ?? '-')}`),
  );
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve));
  const directory = mkdtempSync(join(tmpdir(), 'weir-examples-'));
  for (const file of files) {
    const text = readFileSync(join(examples, file), 'utf8').replaceAll('9001', String(portOf(service)));
    writeFileSync(join(directory, file), text);
  }
  const port = await freePort();
  const program = await Program.start(directory, { workers: 1, args: ['--map-port', `${listens}:${port}`] });
  t.after(async () => {
    program.signal('SIGTERM');
    await program.ended();
    service.close();
    rmSync(directory, { recursive: true });
  });
  return port;
}

await test('istio-gateway.yaml serves with its ServiceEntry', async (t) => {
  const port = await serve(t, ['istio-gateway.yaml', 'istio-gateway.endpoints.yaml'], 80);
  const found = await ask(port, '/example/1', { host: 'shop.example.com' });
  assert.deepEqual([found.status, found.body], [200, 'GET /example/1 -']);
  assert.equal((await ask(port, '/other', { host: 'shop.example.com' })).status, 404);
  assert.equal((await ask(port, '/example/1', { host: 'shop.example.org' })).status, 404);
});

await test('kong.yaml answers 401, 200 and 429 as Kong does', async (t) => {
  const port = await serve(t, ['kong.yaml', 'kong.upstream.yaml'], 8000);
  const host = 'shop.example.com';
  const anonymous = await ask(port, '/example/1', { host });
  assert.equal(anonymous.status, 401);
  assert.match(anonymous.body, /"message":"No API key found in request"/);
  assert.ok(anonymous.headers['www-authenticate']?.startsWith('Key'));
  // A minute may end between the first and the last request: then the count begins again, and 200 are enough for 429.
  const headers = { host, 'example-token': 's3cret-example-token' };
  const first = await ask(port, '/example/1', headers);
  assert.deepEqual([first.status, first.body], [200, 'GET /1 example-consumer']);
  assert.equal(first.headers['x-ratelimit-limit-minute'], '100');
  assert.match(first.headers.via ?? '', /kong/);
  let last = first;
  for (let i = 0; i < 201 && last.status === 200; i++) last = await ask(port, '/example/1', headers);
  assert.equal(last.status, 429);
  assert.match(last.body, /"message":"API rate limit exceeded"/);
  assert.equal(last.headers['ratelimit-remaining'], '0');
  assert.ok(Number(last.headers['retry-after']) > 0);
  assert.match((await ask(port, '/nothing', { host })).body, /no Route matched with those values/);
});

await test('istio-mesh.yaml validates with its retired field reported, and explains for a mesh caller', async () => {
  const file = join(examples, 'istio-mesh.yaml');
  const checked = await run('validate', '-f', file);
  assert.equal(checked.code, 0);
  assert.match(checked.out, /WR0110 consecutiveErrors is retired/);
  const explained = await run('explain', '-f', file, '--from', 'spiffe://cluster.local/ns/default/sa/web', 'http://servicea/serviceA/1');
  assert.equal(explained.code, 0);
  assert.match(explained.out, /^FORWARDED {2}to servicea:80/);
});

await test('gateway-api.yaml rewrites, redirects and splits', async (t) => {
  const port = await serve(t, ['gateway-api.yaml'], 8080);
  const host = 'shop.example.com';
  const cart = await ask(port, '/cart/7', { host });
  assert.deepEqual([cart.status, cart.body, cart.headers['x-served-by']], [200, 'GET /v2/basket/7 -', 'weir']);
  const old = await ask(port, '/old', { host });
  assert.equal(old.status, 301);
  assert.equal((await ask(port, '/', { host })).status, 200);
  assert.equal((await ask(port, '/', { host: 'other.example.org' })).status, 404);
});

await test('policy.yaml passes its own tests and does what they say', async (t) => {
  const tested = await run('test', '-f', join(examples, 'policy.yaml'));
  assert.equal(tested.code, 0, tested.out);
  const port = await serve(t, ['policy.yaml'], 8080);
  assert.equal((await ask(port, '/partners/1', {})).status, 401);
  const partner = await ask(port, '/partners/1', { apikey: 'partner-key' });
  assert.deepEqual([partner.status, partner.body], [200, 'GET /partners/1 acme']);
  assert.equal((await ask(port, '/', {})).status, 200);
});

await test('no example is left out', () => {
  const tested = readFileSync(fileURLToPath(import.meta.url), 'utf8');
  for (const file of readdirSync(examples)) if (file.endsWith('.yaml')) assert.ok(tested.includes(`'${file}'`), file);
});
