import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Connection } from '../support/load.ts';
import { requireProgram } from '../support/programs.ts';
import { startRunning } from '../support/running.ts';
import { wrk } from '../support/wrk.ts';

const second = 1000;
const key = ['-H', 'Host: load.test', '-H', 'x-api-key: one'];

/** Resolves in the middle of a second of the clock: windows end far from there. */
function middleOfSecond(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, second + 500 - (Date.now() % second)));
}

await test('a fixed window of 1,000 a second lets 1,000 through in each, whichever worker is asked', { timeout: 60_000 }, async (t) => {
  if (!requireProgram(t, 'wrk')) return;
  const { program, backend, files, port } = await startRunning(t, 10);
  const before = program.revision;
  files.limit('requests: 1000, per: second');
  await program.newRevision(before);
  await middleOfSecond();
  const first = Math.floor(Date.now() / second);
  const result = await wrk(`http://127.0.0.1:${port}/limited`, 5, 32, key);
  const windows = Math.floor(Date.now() / second) - first + 1;
  t.diagnostic(`${backend.requests} of ${result.requests} requests passed in ${windows} windows`);
  assert.equal(result.errors, 0);
  assert.ok(result.requests > windows * 2000, `the load was no test: ${result.requests} requests`);
  assert.ok(Math.abs(backend.requests - windows * 1000) <= windows * 10, `${backend.requests} in ${windows} windows`);
});

await test('a token bucket of 1,000 a second fills at 1,000 a second', { timeout: 60_000 }, async (t) => {
  if (!requireProgram(t, 'wrk')) return;
  const { program, backend, files, port } = await startRunning(t, 10);
  const before = program.revision;
  // Large enough that a machine that stalls for a moment does not let it overflow, which would be right and fewer.
  const burst = 1000;
  files.limit(`requests: 1000, per: second, algorithm: token-bucket, burst: ${burst}`);
  await program.newRevision(before);
  const times: number[] = [];
  backend.server.on('request', () => times.push(performance.now()));
  const result = await wrk(`http://127.0.0.1:${port}/limited`, 5, 32, key);
  const elapsed = (times[times.length - 1] - times[0]) / second;
  const expected = burst + elapsed * 1000;
  t.diagnostic(
    `${times.length} of ${result.requests} requests passed in ${elapsed.toFixed(3)} s: ${((times.length / expected - 1) * 100).toFixed(2)} %`,
  );
  assert.ok(result.requests > times.length * 2, `the load was no test: ${result.requests} requests`);
  assert.ok(Math.abs(times.length - expected) <= expected / 100, `${times.length}, expected ${expected.toFixed(0)}`);
});

await test('each key has its own count, asked by many connections at once', { timeout: 60_000 }, async (t) => {
  const { port } = await startRunning(t, 50);
  const passed = new Map<string, number>();
  const client = async (name: string): Promise<void> => {
    const connection = await Connection.open(port);
    for (let i = 0; i < 25; i++) {
      const { status } = await connection.get('/limited', `x-api-key: ${name}\r\n`);
      if (status === 200) passed.set(name, (passed.get(name) ?? 0) + 1);
    }
    connection.end();
  };
  const names = ['a', 'b', 'c', 'd', 'e'];
  await Promise.all(names.flatMap((name) => Array.from({ length: 5 }, () => client(name))));
  assert.deepEqual(Object.fromEntries(passed), { a: 50, b: 50, c: 50, d: 50, e: 50 });
});

await test('hostile keys neither grow memory nor wash a count away', { timeout: 90_000 }, async (t) => {
  if (!requireProgram(t, 'wrk')) return;
  const { program, port } = await startRunning(t, 5);
  const script = join(tmpdir(), `weir-keys-${process.pid}.lua`);
  writeFileSync(
    script,
    'local n = 0\nlocal long = string.rep("k", 2000)\nfunction request()\n  n = n + 1\n  return wrk.format("GET", "/limited", {["Host"] = "load.test", ["x-api-key"] = n .. long})\nend\n',
  );
  t.after(() => rmSync(script));
  const flood = (seconds: number): ReturnType<typeof wrk> => wrk(`http://127.0.0.1:${port}/limited`, seconds, 16, ['-s', script]);
  const victim = await Connection.open(port);
  const statuses: number[] = [];
  for (let i = 0; i < 6; i++) statuses.push((await victim.get('/limited', 'x-api-key: victim\r\n')).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429]);
  await flood(4);
  const before = program.rss;
  const { requests } = await flood(8);
  const grown = program.rss - before;
  t.diagnostic(`${requests} requests with keys of 2 kB: ${grown.toFixed(1)} MiB`);
  // The whole table of limits is 15 MiB; 2 kB for each key would be far more than the rest.
  assert.ok(grown < 40, `memory grew by ${grown.toFixed(1)} MiB in ${requests} requests`);
  assert.equal((await victim.get('/limited', 'x-api-key: victim\r\n')).status, 429);
  victim.end();
});
