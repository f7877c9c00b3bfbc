/** Starting, watching and measuring the processes of the bench. Linux only: /proc and taskset. */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync, openSync, closeSync } from 'node:fs';
import { createServer, connect } from 'node:net';
import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';

/** Clock ticks of /proc/PID/stat per second (`getconf CLK_TCK`). */
const ticksPerSecond = Number(spawnSync('getconf', ['CLK_TCK']).stdout.toString()) || 100;

export interface Usage {
  /** Seconds of the whole process tree since it began. */
  readonly user: number;
  readonly system: number;
  /** Bytes resident, of the tree. */
  readonly rss: number;
}

export interface Started {
  readonly pid: number;
  usage(): Usage;
  stop(): Promise<void>;
  /** Resolves with the exit code when the process ends by itself. */
  readonly ended: Promise<number | null>;
}

export interface StartOptions {
  /** CPUs for taskset; null: not pinned. */
  readonly cpu: string | null;
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Where its output goes; it is shown when the process fails to start. */
  readonly log: string;
}

export function start(command: readonly string[], options: StartOptions): Started {
  const out = openSync(options.log, 'w');
  const pinned = options.cpu === null ? command : ['taskset', '-c', options.cpu, ...command];
  const child = spawn(pinned[0], pinned.slice(1), {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', out, out],
  });
  closeSync(out);
  running.add(child);
  const ended = new Promise<number | null>((resolve) => {
    child.once('error', () => resolve(null));
    child.once('exit', (code) => {
      running.delete(child);
      resolve(code);
    });
  });
  const pid = child.pid ?? -1;
  return {
    pid,
    ended,
    usage: () => usage(pid),
    async stop() {
      child.kill('SIGTERM');
      await Promise.race([ended, delay(3000, undefined, { ref: false })]);
      if (running.has(child)) child.kill('SIGKILL');
      await ended;
    },
  };
}

const running = new Set<ChildProcess>();

/** Ends what is left; called when the bench ends, however it ends. */
export function stopAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Waits until something listens on the port, up to `ms`. Shows the process's output when it does not. */
export async function untilListening(port: number, started: Started, log: string, ms = 20_000): Promise<void> {
  const limit = performance.now() + ms;
  let gone = false;
  void started.ended.then(() => (gone = true));
  while (!(await accepts(port))) {
    if (gone || performance.now() > limit) throw new Error(`nothing listens on ${port}:\n${readFileSync(log, 'utf8').slice(-2000)}`);
    await delay(10);
  }
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => (typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no port'))));
    });
  });
}

export function usage(root: number): Usage {
  const total = { user: 0, system: 0, rss: 0 };
  for (const stat of tree(root)) {
    total.user += stat.user / ticksPerSecond;
    total.system += stat.system / ticksPerSecond;
    total.rss += residentBytes(stat.pid);
  }
  return total;
}

interface Stat {
  readonly pid: number;
  readonly parent: number;
  readonly user: number;
  readonly system: number;
}

function readStat(pid: number): Stat | null {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The command name in parentheses may hold spaces; fields are counted behind it (proc(5): state is field 3).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return { pid, parent: Number(fields[1]), user: Number(fields[11]), system: Number(fields[12]) };
}

function residentBytes(pid: number): number {
  try {
    const kib = /^Rss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
    return kib === null ? 0 : Number(kib[1]) * 1024;
  } catch {
    return 0;
  }
}

/** The process and all below it. */
function tree(root: number): readonly Stat[] {
  const all: Stat[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = readStat(Number(name));
    if (stat !== null) all.push(stat);
  }
  const members = new Set([root]);
  for (let grown = true; grown;) {
    grown = false;
    for (const stat of all) {
      if (!members.has(stat.pid) && members.has(stat.parent)) {
        members.add(stat.pid);
        grown = true;
      }
    }
  }
  return all.filter((stat) => members.has(stat.pid));
}
