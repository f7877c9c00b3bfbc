import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

function portOf(address: AddressInfo | string | null): number {
  assert.ok(typeof address === 'object' && address !== null);
  return address.port;
}

/** A running `weir run` whose standard error is read line by line. */
class Weir {
  readonly child: ChildProcess;
  stderr = '';
  stdout = '';
  readonly exited: Promise<number | null>;
  #listeners = new Set<() => void>();

  constructor(args: readonly string[]) {
    this.child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      for (const listener of this.#listeners) listener();
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    this.exited = new Promise((resolve) =>
      this.child.once('close', (code) => {
        for (const listener of this.#listeners) listener();
        resolve(code);
      }),
    );
  }

  /** Waits for a line of standard error; fails when the process ends first. */
  async says(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.stderr);
      if (match !== null) return match;
      assert.equal(this.child.exitCode, null, `ended before it said ${String(pattern)}:\n${this.stderr}`);
      await new Promise<void>((resolve) => {
        const listener = (): void => {
          this.#listeners.delete(listener);
          resolve();
        };
        this.#listeners.add(listener);
      });
    }
  }
}

function get(
  port: number,
  path: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<{ readonly status: number; readonly text: string }> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path, headers, method, agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text }));
    })
      .on('error', reject)
      .end();
  });
}

async function scene(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'weir-run-'));
  const upstream = createServer((incoming, response) => response.end(`upstream ${incoming.url}`)).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const file = join(directory, 'config.yaml');
  const running: Weir[] = [];
  t.after(async () => {
    for (const weir of running) weir.child.kill('SIGKILL');
    upstream.closeAllConnections();
    upstream.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const config = (prefix: string, extra = ''): string => `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  servers:
  - port: {number: 80, name: http, protocol: HTTP}
    hosts: ["*"]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: vs}
spec:
  hosts: ["*"]
  gateways: [gw]
  http:
  - match: [{uri: {prefix: ${prefix}}}]
    route: [{destination: {host: up.test, port: {number: 80}}${extra}}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: up}
spec:
  hosts: [up.test]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints: [{address: 127.0.0.1, ports: {http: ${portOf(upstream.address())}}}]
`;
  const start = (...args: readonly string[]): Weir => {
    const weir = new Weir([
      'run',
      '-f',
      file,
      '--bind',
      '127.0.0.1',
      '--admin',
      '127.0.0.1:0',
      '--workers',
      '1',
      '--data',
      directory,
      ...args,
    ]);
    running.push(weir);
    return weir;
  };
  const ports = async (weir: Weir) => ({
    proxy: Number((await weir.says(/listening on 127\.0\.0\.1:(\d+)/))[1]),
    admin: Number((await weir.says(/admin address http:\/\/127\.0\.0\.1:(\d+)\//))[1]),
  });
  return { file, config, start, ports };
}

test(
  'run serves, applies an edit, keeps the last good version of a bad one, and ends with 0 on SIGTERM',
  { timeout: 60_000 },
  async (t) => {
    const { file, config, start, ports } = await scene(t);
    writeFileSync(file, config('/a'));
    const weir = start('--map-port', '80:0');
    const { proxy, admin } = await ports(weir);
    await weir.says(/ready in/);
    assert.deepEqual(await get(proxy, '/a/1'), { status: 200, text: 'upstream /a/1' });
    assert.equal((await get(proxy, '/b')).status, 404);
    assert.equal((await get(admin, '/readyz')).status, 200);

    writeFileSync(file, config('/b'));
    await weir.says(/revision 2 serves/);
    assert.equal((await get(proxy, '/b')).status, 200);
    assert.equal((await get(proxy, '/a')).status, 404);

    writeFileSync(file, config('/c', ', wieght: 1'));
    await weir.says(/error WR0104/);
    await weir.says(/revision 3 serves .*quarantined=1/);
    assert.equal((await get(proxy, '/b')).status, 200);
    const status = JSON.parse((await get(admin, '/api/v1/status')).text);
    assert.equal(status.quarantined, 1);
    assert.equal(status.resources.find((resource: { name: string }) => resource.name === 'vs').quarantined, true);

    writeFileSync(file, 'kind: [\n');
    await weir.says(/error WR0101/);
    await weir.says(/revision 4 serves/);
    assert.equal((await get(proxy, '/b')).status, 200);

    rmSync(file);
    await weir.says(/error WR0102/);
    assert.equal((await get(proxy, '/b')).status, 200);

    const explained = await get(admin, '/api/v1/explain', {}, 'POST');
    assert.equal(explained.status, 400);
    assert.equal((await get(admin, '/', { host: 'evil.example' })).status, 403);
    assert.match((await get(admin, '/metrics')).text, /^weir_config_revision [45]$/m);
    assert.ok(!(await get(admin, '/config_dump')).text.includes('sha256'));

    weir.child.kill('SIGTERM');
    assert.equal(await weir.exited, 0);
    assert.match(weir.stdout, /"revision":1.*"path":"\/a\/1"/);
  },
);

test('a port taken by another process: exit 3 when nothing else serves', { timeout: 60_000 }, async (t) => {
  const { file, config, start } = await scene(t);
  const other = createTcpServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  t.after(() => other.close());
  const port = portOf(other.address());
  writeFileSync(file, config('/a'));
  const weir = start('--map-port', `80:${port}`);
  assert.equal(await weir.exited, 3);
  assert.match(weir.stderr, new RegExp(`WR0701 127\\.0\\.0\\.1:${port} is taken`));
});

test('a port that comes free is taken after all, and the status says both', { timeout: 60_000 }, async (t) => {
  const { file, config, start, ports } = await scene(t);
  const other = createTcpServer().listen(0, '127.0.0.1');
  await once(other, 'listening');
  const port = portOf(other.address());
  writeFileSync(file, config('/a').replace('servers:', 'servers:\n  - port: {number: 81, name: second, protocol: HTTP}\n    hosts: ["*"]'));
  const weir = start('--map-port', `80:${port}`, '--map-port', '81:0');
  const { admin } = await ports(weir);
  await weir.says(/WR0701/);
  const programmed = async (): Promise<readonly boolean[]> =>
    JSON.parse((await get(admin, '/api/v1/status')).text).listeners.map((listener: { programmed: boolean }) => listener.programmed);
  assert.deepEqual(new Set(await programmed()), new Set([true, false]));
  other.close();
  await weir.says(/revision 2 serves: a port came free/);
  assert.deepEqual(await programmed(), [true, true]);
  assert.equal((await get(port, '/a')).status, 200);
});

const refused: readonly { readonly name: string; readonly args: readonly string[]; readonly code: number; readonly says: RegExp }[] = [
  { name: 'an open admin address without a token', args: ['--admin', '0.0.0.0:0'], code: 2, says: /--admin-token/ },
  { name: 'an unknown flag', args: ['--wrokers', '1'], code: 2, says: /Did you mean --workers/ },
  { name: 'a number of workers that is none', args: ['--workers', 'many'], code: 2, says: /1 to 256/ },
  { name: 'a log format that is none', args: ['--log-format', 'xml'], code: 2, says: /not a log format/ },
  { name: 'an access log that cannot be opened', args: ['--access-log', '/nowhere/access.log'], code: 3, says: /ENOENT/ },
  { name: 'a data directory that is a file', args: ['--data', fileURLToPath(import.meta.url)], code: 3, says: /--data/ },
];
for (const { name, args, code, says } of refused) {
  test(`run refuses ${name} with exit ${code}`, { timeout: 60_000 }, async (t) => {
    const { file, config, start } = await scene(t);
    writeFileSync(file, config('/a'));
    const weir = start('--map-port', '80:0', ...args);
    assert.equal(await weir.exited, code);
    assert.match(weir.stderr, says);
  });
}

test('run without a usable configuration ends with 1', { timeout: 60_000 }, async (t) => {
  const { start } = await scene(t);
  const weir = start();
  assert.equal(await weir.exited, 1);
  assert.match(weir.stderr, /WR0102/);
});
