import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Load {
  readonly url: string;
  readonly connections: number;
  readonly seconds: number;
  readonly headers: readonly string[];
  /** CPU of the load generator. */
  readonly cpu: string;
  readonly directory: string;
  /** Lua text put before the report: a `request` function for varied requests. */
  readonly script?: string;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  /** Responses that were not 2xx or 3xx, and socket errors. */
  readonly errors: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

const report = `
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("\\nRESULT %d %d %d %d %d %d %d\\n", summary.requests, summary.duration, summary.bytes,
    e.connect + e.read + e.write + e.status + e.timeout, latency:percentile(50), latency:percentile(99), latency.max))
end
`;

/** One run of wrk with one thread. Throws when wrk does not report. */
export async function wrk(load: Load): Promise<LoadResult> {
  const script = join(load.directory, 'wrk.lua');
  writeFileSync(script, (load.script ?? '') + report);
  const headers = load.headers.flatMap((header) => ['-H', header]);
  const args = [
    '-c',
    load.cpu,
    'wrk',
    '-t1',
    `-c${load.connections}`,
    `-d${load.seconds}s`,
    '--timeout',
    '10s',
    '-s',
    script,
    ...headers,
    load.url,
  ];
  const output = await run('taskset', args);
  const match = /^RESULT (\d+) (\d+) (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(output);
  if (match === null) throw new Error(`wrk did not report:\n${output}`);
  const [requests, microseconds, bytes, errors, p50, p99, max] = match.slice(1).map(Number);
  return { requests, seconds: microseconds / 1e6, bytes, errors, p50Ms: p50 / 1000, p99Ms: p99 / 1000, maxMs: max / 1000 };
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
