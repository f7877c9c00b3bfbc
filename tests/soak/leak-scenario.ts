/** What must stay flat: memory, sockets, timers, counts. Short in CI, long by hand. */
import type { Program } from '../support/program.ts';
import { eventually } from '../support/program.ts';
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
