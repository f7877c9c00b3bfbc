/** Whatever ends an HTTP/2 connection or stream, and wherever: nothing of it is left. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { atRest, breakOff, levels, still } from '../soak/leak-scenario.ts';
import { chaosClient } from '../support/chaos.ts';
import { block, flag, frame, frameType, get, preface, uint32 } from '../support/h2-frames.ts';
import { requireProgram } from '../support/programs.ts';
import { startRunning } from '../support/running.ts';

const run = promisify(execFile);

/** User-space memory that one stuck response may hold, MiB: a read buffer of 256 KiB, one more under way, and small change. */
const perStreamMiB = 0.75;

await test('200 streams of 4 clients that read nothing of 50 MB each leave memory flat', { timeout: 120_000 }, async (t) => {
  const { program, port } = await startRunning(t, 10, { inside: true });
  const before = program.rss;
  const clients: ClientHttp2Session[] = [];
  t.after(() => clients.forEach((client) => client.destroy()));
  for (let i = 0; i < 4; i++) {
    const client = connectHttp2(`http://127.0.0.1:${port}`);
    client.on('error', () => undefined);
    clients.push(client);
    for (let k = 0; k < 50; k++) {
      const stream = client.request({ ':path': '/stable/big?bytes=52428800', ':authority': 'load.test' });
      stream.on('error', () => undefined);
      await once(stream, 'response');
    }
  }
  await still(() => program.rss);
  const { buffersMiB } = await levels(program);
  t.diagnostic(
    `${Math.round(before)} MiB before, ${Math.round(program.rss)} MiB with 200 streams nobody reads, ${Math.round(buffersMiB)} of it buffers`,
  );
  assert.ok(buffersMiB < 200 * perStreamMiB, `${buffersMiB.toFixed(0)} MiB of buffers for 200 streams`);
  for (const client of clients) client.destroy();
  assert.ok(await atRest(program), 'nothing is left of the streams');
});

const head = (method: string): Buffer => block([[':method', method], ...get('/stable/x', 'load.test').slice(1)]);
const data = (bytes: number, end: boolean, stream: number): Buffer =>
  frame(frameType.data, end ? flag.endStream : 0, stream, Buffer.alloc(bytes, 'u'));
const hello = Buffer.concat([preface, frame(frameType.settings, 0, 0)]);
const ends = flag.endHeaders | flag.endStream;
const conversations: readonly Buffer[] = [
  Buffer.concat([hello, frame(frameType.headers, ends, 1, head('GET'))]),
  Buffer.concat([hello, ...Array.from({ length: 20 }, (_, i) => frame(frameType.headers, ends, 1 + 2 * i, head('GET')))]),
  Buffer.concat([hello, frame(frameType.headers, flag.endHeaders, 1, head('POST')), data(16_000, false, 1), data(16_000, true, 1)]),
  Buffer.concat([
    hello,
    frame(frameType.headers, flag.endHeaders, 1, head('POST')),
    data(9000, false, 1),
    frame(frameType.rstStream, 0, 1, uint32(8)),
  ]),
  Buffer.concat([hello, frame(frameType.headers, ends, 1, head('GET')), frame(frameType.rstStream, 0, 1, uint32(0))]),
  Buffer.concat([
    hello,
    frame(
      frameType.headers,
      flag.endHeaders,
      1,
      block([[':method', 'CONNECT'], [':protocol', 'websocket'], ...get('/stable/x', 'load.test').slice(1)]),
    ),
    data(100, true, 1),
  ]),
  Buffer.concat([
    hello,
    frame(frameType.headers, flag.endHeaders, 1, head('POST')),
    frame(frameType.headers, ends, 1, block([['x-t', 'v']])),
  ]),
  Buffer.concat([
    hello,
    frame(frameType.headers, ends, 1, head('GET')),
    frame(frameType.goaway, 0, 0, Buffer.alloc(8)),
    Buffer.alloc(40, 0xff),
  ]),
];

await test('clients and upstreams that break off at random points leave nothing behind', { timeout: 120_000 }, (t) =>
  breakOff(t, { backendSeed: 5, clientSeed: 23, rounds: 80, client: (port, random) => chaosClient(port, random, conversations, 100_000) }),
);

await test('100,000 requests over HTTP/2 leave memory, sockets and timers flat', { timeout: 180_000 }, async (t) => {
  if (!requireProgram(t, 'h2load')) return;
  const { program, port } = await startRunning(t, 10, { inside: true });
  const load = async (): Promise<void> => {
    const args = ['-n', '10000', '-c', '8', '-m', '32', '-H', ':authority: load.test', `http://127.0.0.1:${port}/stable/x`];
    const { stdout } = await run('h2load', args);
    assert.match(stdout, /10000 succeeded, 0 failed/);
    assert.match(stdout, /10000 2xx/);
  };
  for (let i = 0; i < 5; i++) await load();
  assert.ok(await atRest(program));
  const early = await levels(program);
  for (let i = 0; i < 5; i++) await load();
  assert.ok(await atRest(program));
  const late = await levels(program);
  t.diagnostic(`${JSON.stringify(early)} then ${JSON.stringify(late)}`);
  // The allocator's share goes up and down; what is in use stands in heap and buffers.
  assert.ok(late.heapMiB + late.buffersMiB < early.heapMiB + early.buffersMiB + 10, 'heap and buffers');
  assert.ok(late.rssMiB - early.rssMiB < 60, `memory ${early.rssMiB} MiB, then ${late.rssMiB} MiB`);
  assert.ok(late.timers <= early.timers + 2, `timers ${early.timers}, then ${late.timers}`);
  assert.ok(late.sockets <= early.sockets + 300, `sockets ${early.sockets}, then ${late.sockets}`);
});
