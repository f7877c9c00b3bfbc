import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ChangingFiles } from '../soak/change-files.ts';
import { runChanges } from '../soak/change-scenario.ts';
import { lostAnything } from '../soak/change-verdict.ts';
import { TestBackend } from '../support/backends.ts';
import { Connection } from '../support/load.ts';
import { Program } from '../support/program.ts';
import { freePort } from '../support/ports.ts';
import { RawClient } from '../support/raw.ts';

await test(
  '120 changes and a SIGTERM under load lose nothing, reset nothing and keep limits and sockets',
  { timeout: 240_000 },
  async () => {
    const report = await runChanges(120);
    assert.deepEqual(lostAnything(report), []);
    // That the load was there: each kind of client did something.
    assert.ok(report.load.requests > 1000, `${report.load.requests} requests`);
    assert.ok(report.load.connections > 200, `${report.load.connections} connections`);
    assert.ok(report.transfers.requests >= 8, `${report.transfers.requests} transfers`);
    assert.ok(report.webSockets.messages > 100, `${report.webSockets.messages} messages`);
    assert.ok(report.limits.policy.refused > 0 && report.limits.kong.refused > 0, 'both limits were reached');
  },
);

await test('a drain answers what has begun; a second SIGTERM ends at once', { timeout: 60_000 }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-end-'));
  const backend = await TestBackend.start('a');
  const main = await freePort();
  const [second, kong] = [await freePort(), await freePort()];
  new ChangingFiles(directory, { main, second, a: backend.port, b: backend.port, b2: backend.port }, 10, 10);
  const program = await Program.start(directory, { args: ['--map-port', `8000:${kong}`] });
  const clients: { close(): void }[] = [];
  t.after(async () => {
    await program.kill();
    for (const client of clients) client.close();
    backend.close();
    rmSync(directory, { recursive: true, force: true });
  });
  const idle = await RawClient.connect(main);
  const begun = await Connection.open(main);
  const answer = begun.get('/stable/slow?wait=1500');
  // Half a head is a request that was sent, too.
  const half = await RawClient.connect(main);
  clients.push(idle, half);
  half.send('GET /stable/half HTTP/1.1\r\nHo');
  const never = await Connection.open(main);
  const cut = never.get('/stable/never?wait=600000').then(
    () => 'answered',
    () => 'cut',
  );
  while (backend.requests < 2) await once(backend.server, 'request');
  program.signal('SIGTERM');
  await program.until(() => program.stderr.includes('SIGTERM: finishing'));
  const reply = await answer;
  assert.deepEqual([reply.status, reply.close], [200, true]);
  half.send('st: load.test\r\n\r\n');
  assert.match(await half.toEnd(), /^HTTP\/1\.1 200 OK\r\n[^]*connection: close\r\n\r\na \/stable\/half$/i);
  const late = await Connection.open(main);
  assert.equal((await late.get('/stable/late')).close, true, 'new connections are still taken and told to go');
  assert.equal(program.exit, null, 'one request is still under way');
  program.signal('SIGTERM');
  assert.deepEqual(await program.ended(), { code: 128 + 15, signal: null });
  assert.equal(await cut, 'cut');
});
