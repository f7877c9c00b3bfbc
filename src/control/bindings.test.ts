import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { freePort } from '../../tests/support/ports.ts';
import { Bindings } from './bindings.ts';

function listener(address: string, port: number, line = 1) {
  return { name: `${address}:${port}`, address, port, dialect: 'istio', hosts: [], routes: 1, file: 'gateway.yaml', line };
}

async function occupied(): Promise<{ readonly port: number; readonly close: () => void }> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  assert.ok(typeof address === 'object' && address !== null);
  return { port: address.port, close: () => server.close() };
}

test('a port that another process holds is an error with its place, the other listeners are bound', async () => {
  const other = await occupied();
  try {
    const bindings = new Bindings(new Map([[81, 0]]));
    const plan = await bindings.plan([listener('127.0.0.1', other.port, 7), listener('127.0.0.1', 81)]);
    assert.deepEqual(
      plan.bindings.map((binding) => binding.listener),
      ['127.0.0.1:81'],
    );
    const [diagnostic] = plan.diagnostics;
    assert.equal(diagnostic.code, 'WR0701');
    assert.equal(diagnostic.line, 7);
    assert.match(diagnostic.hint ?? '', /--map-port/);
    assert.ok(plan.unprogrammed.has(`127.0.0.1:${other.port}`));
    assert.equal(await bindings.wouldChange([listener('127.0.0.1', other.port)]), false);
    other.close();
    assert.equal(await bindings.wouldChange([listener('127.0.0.1', other.port)]), true);
  } finally {
    other.close();
  }
});

test('an address of another machine is an error', async () => {
  const plan = await new Bindings(new Map()).plan([listener('192.0.2.1', 18080)]);
  assert.equal(plan.diagnostics[0].code, 'WR0702');
  assert.match(plan.diagnostics[0].hint ?? '', /does not belong to this machine/);
});

test('port 0 takes a free port and keeps it over later plans', async () => {
  const bindings = new Bindings(new Map([[80, 0]]));
  const first = await bindings.plan([listener('127.0.0.1', 80)]);
  assert.ok(first.bindings[0].port > 0);
  const second = await bindings.plan([listener('127.0.0.1', 80), listener('127.0.0.1', 9, 2)].slice(0, 1));
  assert.deepEqual(second.bindings, first.bindings);
});

test('a socket that the workers hold is not asked for again', async () => {
  const asked: number[] = [];
  const bindings = new Bindings(new Map(), (_address, port) => {
    asked.push(port);
    return Promise.resolve(port);
  });
  await bindings.plan([listener('::', 8080)]);
  await bindings.plan([listener('::', 8080), listener('127.0.0.1', 8080), listener('::', 8081)]);
  assert.deepEqual(asked, [8080, 8081]);
});

test('two listeners mapped to one port: the first keeps it', async () => {
  const bindings = new Bindings(
    new Map([
      [80, 8080],
      [81, 8080],
    ]),
    (_address, port) => Promise.resolve(port),
  );
  const plan = await bindings.plan([listener('::', 80), listener('::', 81)]);
  assert.equal(plan.bindings.length, 1);
  assert.equal(plan.diagnostics[0].code, 'WR0703');
});

test('a listener that comes back finds its own lingering socket, and a stranger there later', async () => {
  const taken = Object.assign(new Error('taken'), { code: 'EADDRINUSE' });
  let now = 0;
  let busy = false;
  const bindings = new Bindings(
    new Map(),
    (_address, port) => (busy ? Promise.reject(taken) : Promise.resolve(port)),
    () => now,
  );
  await bindings.plan([listener('::', 8080)]);
  busy = true;
  await bindings.plan([]);
  now = 11_000;
  assert.equal((await bindings.plan([listener('::', 8080)])).bindings.length, 1);
  await bindings.plan([]);
  now = 30_000;
  assert.equal((await bindings.plan([listener('::', 8080)])).diagnostics[0].code, 'WR0701');
});

test('TCP and UDP share a port number, two of one kind do not', async () => {
  const plain = listener('127.0.0.1', 53);
  const udp = { ...plain, name: '127.0.0.1:53/udp', transport: 'udp' as const };
  const port = await freePort();
  const mapped = new Bindings(new Map([[53, port]]));
  const plan = await mapped.plan([plain, udp]);
  assert.deepEqual(
    plan.bindings.map((binding) => [binding.listener, binding.port, binding.transport]),
    [
      ['127.0.0.1:53', port, 'tcp'],
      ['127.0.0.1:53/udp', port, 'udp'],
    ],
  );
  const twice = await new Bindings(new Map([[53, port]])).plan([udp, { ...udp, name: 'another/udp' }]);
  assert.equal(twice.diagnostics[0].code, 'WR0703');
});

test('a UDP port that another process holds is an error', async () => {
  const port = await freePort();
  const other = createSocket('udp4').bind(port, '127.0.0.1');
  await once(other, 'listening');
  try {
    const bindings = new Bindings(new Map());
    const plan = await bindings.plan([{ ...listener('127.0.0.1', port), transport: 'udp' }]);
    assert.equal(plan.diagnostics[0].code, 'WR0701');
    assert.match(plan.diagnostics[0].message, /\(UDP\) is taken/);
    assert.equal((await bindings.plan([listener('127.0.0.1', port)])).diagnostics.length, 0, 'TCP is free there');
  } finally {
    other.close();
  }
});

test('a Unix socket: one that answers is taken, one that a dead process left is replaced, a file stays', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-bindings-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const at = (name: string) => ({ ...listener(join(dir, name), 0), name: `unix:${name}` });
  const alive = createServer().listen(join(dir, 'alive'));
  await once(alive, 'listening');
  t.after(() => alive.close());
  const program = `require('net').createServer().listen(${JSON.stringify(join(dir, 'dead'))}, () => process.kill(process.pid, 'SIGKILL'))`;
  spawnSync(process.execPath, ['-e', program]);
  assert.equal(existsSync(join(dir, 'dead')), true);
  writeFileSync(join(dir, 'file'), 'precious');
  const plan = await new Bindings(new Map([[0, 9]])).plan([
    at('alive'),
    at('dead'),
    at('file'),
    at('fresh'),
    { ...at('fresh'), name: 'again' },
  ]);
  assert.deepEqual(
    plan.bindings.map(({ listener: name, port }) => [name, port]),
    [
      ['unix:dead', 0],
      ['unix:fresh', 0],
    ],
  );
  assert.deepEqual(
    plan.diagnostics.map(({ code }) => code),
    ['WR0701', 'WR0701', 'WR0703'],
  );
  assert.equal(existsSync(join(dir, 'file')), true);
});
