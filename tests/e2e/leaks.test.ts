import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { chaosClient } from '../support/chaos.ts';
import { eventually } from '../support/program.ts';
import { requireProgram } from '../support/programs.ts';
import { portOf } from '../support/raw.ts';
import { startRunning } from '../support/running.ts';
import { atRest, breakOff, levels, load, still } from '../soak/leak-scenario.ts';

/** User-space memory that one stuck transfer may hold, MiB: a read buffer of 256 KiB, one more under way, and small change. */
const perTransferMiB = 0.75;
const transfers = 200;

await test('200 clients that read nothing of 50 MB each leave memory flat', { timeout: 120_000 }, async (t) => {
  const { program, port } = await startRunning(t, 10);
  const before = program.rss;
  const clients: Socket[] = [];
  t.after(() => clients.forEach((client) => client.destroy()));
  for (let i = 0; i < transfers; i++) {
    const client = connect({ host: '127.0.0.1', port });
    await once(client, 'connect');
    client.on('error', () => undefined);
    client.pause();
    client.write('GET /stable/big?bytes=52428800 HTTP/1.1\r\nHost: load.test\r\n\r\n');
    clients.push(client);
  }
  assert.ok(await eventually(async () => (await program.upstream()).active === transfers), 'all transfers began');
  await still(() => program.rss);
  const full = program.rss;
  t.diagnostic(`${Math.round(before)} MiB before, ${Math.round(full)} MiB with ${transfers} readers that do not read`);
  assert.ok(full - before < transfers * perTransferMiB, `${(full - before).toFixed(0)} MiB for ${transfers} transfers`);
  for (const client of clients) client.destroy();
  assert.ok(await atRest(program), 'nothing is left of the transfers');
});

await test('200 uploads to a backend that reads nothing leave memory flat', { timeout: 120_000 }, async (t) => {
  const held: Socket[] = [];
  const deaf = createServer({ pauseOnConnect: true }, (socket) => {
    socket.on('error', () => undefined);
    held.push(socket);
  });
  deaf.listen(0, '127.0.0.1');
  await once(deaf, 'listening');
  const { program, port } = await startRunning(t, 10, { inside: true }, portOf(deaf));
  const clients: Socket[] = [];
  t.after(() => {
    for (const socket of [...clients, ...held]) socket.destroy();
    deaf.close();
  });
  const part = Buffer.alloc(1024 * 1024, 'u');
  const waves: number[] = [];
  for (let wave = 0; wave < 4; wave++) {
    for (let i = 0; i < transfers; i++) {
      const client = connect({ host: '127.0.0.1', port });
      await once(client, 'connect');
      client.on('error', () => undefined);
      client.write('POST /stable/up HTTP/1.1\r\nHost: load.test\r\nContent-Length: 52428800\r\n\r\n');
      const more = (): void => {
        while (client.write(part));
      };
      client.on('drain', more);
      more();
      clients.push(client);
    }
    assert.ok(await eventually(async () => (await program.upstream()).active === transfers), 'all transfers began');
    await still(() => program.rss);
    const { buffersMiB } = await levels(program);
    waves.push(Math.round(program.rss));
    t.diagnostic(`wave ${wave}: ${program.rss.toFixed(0)} MiB, ${buffersMiB.toFixed(0)} MiB of it buffers in use`);
    assert.ok(buffersMiB < transfers * perTransferMiB, `${buffersMiB.toFixed(0)} MiB of buffers for ${transfers} transfers`);
    // A client that leaves behind a full window cannot be told from a slow one before the idle time-out: the upstream goes too.
    for (const socket of [...clients.splice(0), ...held.splice(0)]) socket.destroy();
    assert.ok(await atRest(program), 'nothing is left of the transfers');
  }
  // The first waves are the allocator's: what is not given back must not grow either.
  assert.ok(waves[3] - waves[1] < 60, `MiB after each wave: ${waves.join(', ')}`);
});

await test('150,000 requests leave memory, sockets and timers flat', { timeout: 180_000 }, async (t) => {
  if (!requireProgram(t, 'wrk')) return;
  const { program, port } = await startRunning(t, 10, { inside: true });
  const { early, late, failed, requests } = await load(program, port, 150_000);
  t.diagnostic(`${requests} requests: ${JSON.stringify(early)} then ${JSON.stringify(late)}`);
  assert.equal(failed, 0);
  assert.ok(late.heapMiB - early.heapMiB < 5, `heap ${early.heapMiB} MiB, then ${late.heapMiB} MiB`);
  assert.ok(late.buffersMiB - early.buffersMiB < 5, `buffers ${early.buffersMiB} MiB, then ${late.buffersMiB} MiB`);
  assert.ok(late.rssMiB - early.rssMiB < 40, `memory ${early.rssMiB} MiB, then ${late.rssMiB} MiB`);
  assert.ok(late.timers <= early.timers + 2, `timers ${early.timers}, then ${late.timers}`);
  // Idle upstream connections are all that may differ: never more than the clients were.
  assert.ok(late.sockets <= early.sockets + 64, `sockets ${early.sockets}, then ${late.sockets}`);
});

await test('clients and upstreams that break off at random points leave nothing behind', { timeout: 120_000 }, (t) =>
  breakOff(t, { backendSeed: 7, clientSeed: 11, rounds: 100, client: chaosClient }),
);
