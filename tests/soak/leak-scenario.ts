/** What must stay flat: memory, sockets, timers, counts. Short in CI, long by hand. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { chaosBackend, randomFrom } from '../support/chaos.ts';
import type { Program } from '../support/program.ts';
import { eventually } from '../support/program.ts';
import { portOf } from '../support/raw.ts';
import { startRunning } from '../support/running.ts';
import { wrk } from '../support/wrk.ts';

export interface Levels {
  readonly rssMiB: number;
  readonly heapMiB: number;
  /** Buffers in use, of all data workers. */
  readonly buffersMiB: number;
  readonly sockets: number;
  readonly timers: number;
}

/** What the program holds now; it must have been started with `inside`. */
export async function levels(program: Program): Promise<Levels> {
  const inside = await program.ask({ type: 'count' });
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  return {
    rssMiB: program.rss,
    heapMiB: sum(inside.map(({ heapMiB }) => heapMiB)),
    buffersMiB: sum(inside.map(({ buffersMiB }) => buffersMiB)),
    sockets: program.sockets,
    timers: sum(inside.map(({ timers }) => timers)),
  };
}

/** Waits until no client is connected and no request is under way. */
export async function atRest(program: Program): Promise<boolean> {
  return await eventually(async () => {
    const [clients, { active }] = await Promise.all([program.metric('envoy_http_downstream_cx_active'), program.upstream()]);
    return clients === 0 && active === 0;
  }, 20_000);
}

/** Resolves when the level has not moved for a second. */
export async function still(level: () => number): Promise<void> {
  let last = level();
  let since = performance.now();
  await eventually(() => {
    const now = level();
    if (Math.abs(now - last) > 1) {
      last = now;
      since = performance.now();
    }
    return performance.now() - since > 1000;
  });
}

export interface BreakingOff {
  readonly backendSeed: number;
  readonly clientSeed: number;
  /** Of each of 24 clients. */
  readonly rounds: number;
  /** One connection, from its begin to its end. */
  client(port: number, random: (below: number) => number): Promise<void>;
}

/** Clients and upstreams break off at random points: nothing of them may be left. */
export async function breakOff(t: TestContext, { backendSeed, clientSeed, rounds, client }: BreakingOff): Promise<void> {
  const chaos = await chaosBackend(backendSeed);
  const upstreams = new Set<Socket>();
  chaos.on('connection', (socket) => upstreams.add(socket));
  t.after(() => chaos.close());
  const { program, port } = await startRunning(t, 10, { inside: true }, portOf(chaos));
  assert.ok(await atRest(program));
  const before = await levels(program);
  const random = randomFrom(clientSeed);
  const crowd = async (): Promise<void> => {
    for (let i = 0; i < rounds; i++) await client(port, random);
  };
  await Promise.all(Array.from({ length: 24 }, crowd));
  assert.ok(await atRest(program), `still under way: ${JSON.stringify(await program.upstream())}`);
  for (const socket of upstreams) socket.destroy();
  assert.ok(
    await eventually(async () => (await program.upstream()).connections === 0),
    'the upstream connections are gone with their server',
  );
  // The admin address's own connections come and go.
  const same = await eventually(() => program.sockets <= before.sockets + 2);
  assert.ok(same, `${before.sockets} sockets before, ${program.sockets} after`);
  assert.equal((await levels(program)).timers, before.timers);
  assert.doesNotMatch(program.stderr, /a bug ended one exchange|worker died/);
}

/** Loads until `requests` were answered, and gives the levels after a third of them and at the end. */
export async function load(
  program: Program,
  port: number,
  requests: number,
  progress: (text: string) => void = () => undefined,
): Promise<{ readonly early: Levels; readonly late: Levels; readonly requests: number; readonly failed: number }> {
  let done = 0;
  let failed = 0;
  let early: Levels | null = null;
  // At least four rounds follow the early look, so that there is something to compare.
  let rest = 4;
  for (let round = 0; done < requests || rest > 0; round++) {
    if (early !== null) rest--;
    // One round in four with a connection for each request: sockets come and go.
    const args = ['-H', 'Host: load.test', ...(round % 4 === 3 ? ['-H', 'Connection: close'] : [])];
    const result = await wrk(`http://127.0.0.1:${port}/stable/x`, 2, 32, args);
    done += result.requests;
    // With `Connection: close`, wrk counts the close of each connection as a read error.
    failed += result.refused + (round % 4 === 3 ? 0 : result.errors);
    // After two rounds of new connections V8's young generations have grown to their size.
    if (early === null && done >= requests / 3 && round >= 7) {
      await atRest(program);
      early = await levels(program);
      progress(`${done} requests: ${JSON.stringify(early)}`);
    }
  }
  await atRest(program);
  const late = await levels(program);
  return { early: early ?? late, late, requests: done, failed };
}
