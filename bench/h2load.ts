import { spawn } from 'node:child_process';
import type { LoadResult } from './wrk.ts';

export interface H2Load {
  readonly url: string;
  readonly clients: number;
  /** Streams at a time on each connection. */
  readonly streams: number;
  readonly seconds: number;
  readonly headers: readonly string[];
  /** File that is posted; null: GET. */
  readonly data: string | null;
  readonly cpu: string;
}

const units: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000 };
const sizes: Readonly<Record<string, number>> = { B: 1, KB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/** One run of h2load with one thread. Throws when it does not report. It tells the mean and the longest time of requests, no percentiles. */
export async function h2load(load: H2Load): Promise<LoadResult> {
  const args = ['-c', load.cpu, 'h2load', '-t1', `-c${load.clients}`, `-m${load.streams}`, `-D${load.seconds}`, '--warm-up-time=0'];
  for (const header of load.headers) args.push('-H', header);
  if (load.data !== null) args.push('-d', load.data);
  const output = await run('taskset', [...args, load.url]);
  const finished = /^finished in ([\d.]+)(us|ms|s), [\d.]+ req\/s, /m.exec(output);
  const requests = /^requests: \d+ total, \d+ started, (\d+) done, (\d+) succeeded, \d+ failed, \d+ errored, (\d+) timeout$/m.exec(output);
  const traffic = /^traffic: ([\d.]+)(B|KB|MB|GB)? /m.exec(output);
  const times = /^time for request:\s+([\d.]+)(us|ms|s)\s+([\d.]+)(us|ms|s)\s+([\d.]+)(us|ms|s)/m.exec(output);
  if (finished === null || requests === null || traffic === null || times === null) throw new Error(`h2load did not report:\n${output}`);
  const done = Number(requests[1]);
  const good = Number(requests[2]);
  return {
    requests: good,
    seconds: load.seconds,
    bytes: Number(traffic[1]) * sizes[traffic[2] ?? 'B'],
    // Those under way when time was up are no errors.
    errors: done - good + Number(requests[3]),
    p50Ms: Number(times[5]) * units[times[6]],
    p99Ms: Number(times[3]) * units[times[4]],
    maxMs: Number(times[3]) * units[times[4]],
  };
}

function run(command: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
    child.once('error', reject);
    child.once('exit', () => resolve(output));
  });
}
