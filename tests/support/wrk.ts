import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface WrkResult {
  readonly requests: number;
  /** Replies that were neither 2xx nor 3xx. */
  readonly refused: number;
  /** Connect, read, write and time-out errors. */
  readonly errors: number;
}

/** Runs wrk with one thread; rejects when it fails. `script`: a Lua file. */
export async function wrk(url: string, seconds: number, connections: number, args: readonly string[] = []): Promise<WrkResult> {
  const child = spawn('wrk', ['-t1', `-c${connections}`, `-d${seconds}s`, ...args, url], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part));
  await once(child, 'close');
  const found = /(\d+) requests in/.exec(text);
  if (found === null) throw new Error(`wrk said: ${text}`);
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)?.slice(1) ?? [];
  return {
    requests: Number(found[1]),
    refused: Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0),
    errors: errors.reduce((sum, count) => sum + Number(count), 0),
  };
}
