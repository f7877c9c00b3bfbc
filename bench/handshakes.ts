import { spawn } from 'node:child_process';
import type { LoadResult } from './wrk.ts';

/** Clients at a time. */
const clients = 4;

/**
 * Full handshakes with one request each, by `openssl s_time -new` (wrk resumes its sessions). It tells how many there were and no times.
 */
export async function handshakes(port: number, path: string, seconds: number, cpu: string): Promise<LoadResult> {
  const args = ['-c', cpu, 'openssl', 's_time', '-new', '-connect', `127.0.0.1:${port}`, '-www', path, '-time', String(seconds)];
  const outputs = await Promise.all(Array.from({ length: clients }, () => run('taskset', args)));
  let requests = 0;
  let bytes = 0;
  for (const output of outputs) {
    const found = /^(\d+) connections in \d+ real seconds, (\d+) bytes read per connection$/m.exec(output);
    if (found === null) throw new Error(`openssl s_time did not report:\n${output}`);
    requests += Number(found[1]);
    bytes += Number(found[1]) * Number(found[2]);
  }
  return { requests, seconds, bytes, errors: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 };
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
