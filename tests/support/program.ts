/** The real program: `bin/weir run` as a child, with everything it says on standard error. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { InsideAnswer, InsideQuestion } from './inside.ts';
import { freePort } from './ports.ts';

const executable = fileURLToPath(new URL('../../bin/weir', import.meta.url));

export interface ProgramOptions {
  /** Default 2. */
  readonly workers?: number;
  readonly drainTimeout?: string;
  readonly args?: readonly string[];
  /** Loads `inside.ts` into every thread, for tests that must look or act inside; see `tell`. */
  readonly inside?: boolean;
}

/** A running `weir run`. Its pid is the program's own: the launcher replaces itself. */
export class Program {
  stderr = '';
  /** Exit status once it ended; `signal` when something killed it. */
  exit: { readonly code: number | null; readonly signal: string | null } | null = null;
  readonly pid: number;
  private readonly child: ChildProcess;
  private readonly waiting = new Set<() => void>();

  private constructor(child: ChildProcess) {
    this.child = child;
    this.pid = child.pid ?? 0;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
      this.wake();
    });
    child.once('exit', (code, signal) => {
      this.exit = { code, signal };
      this.wake();
    });
  }

  /** Starts it on `path` and resolves when it serves; rejects with what it said when it does not. */
  static async start(path: string, options: ProgramOptions = {}): Promise<Program> {
    const { workers = 2, drainTimeout = '45s', args = [] } = options;
    const flags = ['--workers', String(workers), '--admin', '127.0.0.1:0', '--bind', '127.0.0.1', '--drain-timeout', drainTimeout];
    const inside = options.inside === true;
    // Kong documents listen on 8443 too, and tests run side by side.
    if (!args.some((one) => one.startsWith('8443:'))) flags.push('--map-port', `8443:${await freePort()}`);
    const command = ['run', '-f', path, ...flags, '--access-log', 'off', '--log-format', 'text', ...args];
    const child = spawn(executable, command, {
      stdio: ['ignore', 'ignore', 'pipe', ...(inside ? ['ipc' as const] : [])],
      env: inside
        ? { ...process.env, NODE_OPTIONS: `--expose-gc --require ${fileURLToPath(new URL('./inside.ts', import.meta.url))}` }
        : process.env,
    });
    const program = new Program(child);
    await program.until(() => /ready in \d+ ms/.test(program.stderr));
    return program;
  }

  private wake(): void {
    for (const check of this.waiting) check();
  }

  /** Resolves when `condition` holds, looked at after each line and at the end; rejects when the program ended without it. */
  async until(condition: () => boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        if (condition()) resolve();
        else if (this.exit !== null) reject(new Error(`weir ended (${this.exit.code ?? this.exit.signal}): ${this.stderr.slice(-4000)}`));
        else return;
        this.waiting.delete(check);
      };
      this.waiting.add(check);
      check();
    });
  }

  get adminUrl(): string {
    return /admin address (http:\S+)/.exec(this.stderr)?.[1] ?? '';
  }

  /** The newest revision that it says it serves. */
  get revision(): number {
    const at = this.stderr.lastIndexOf('weir: revision ');
    return at < 0 ? 0 : Number.parseInt(this.stderr.slice(at + 'weir: revision '.length), 10);
  }

  /** Resolves when a revision newer than `before` serves on every worker. */
  async newRevision(before: number): Promise<number> {
    await this.until(() => this.revision > before);
    return this.revision;
  }

  async admin(path: string, method = 'GET'): Promise<{ readonly status: number; readonly text: string }> {
    const response = await fetch(new URL(path, this.adminUrl), { method });
    return { status: response.status, text: await response.text() };
  }

  /** Sum of a metric's samples whose labels contain every one of `labels`. */
  async metric(name: string, ...labels: readonly string[]): Promise<number> {
    const { text } = await this.admin('/metrics');
    let sum = 0;
    for (const line of text.split('\n')) {
      if (!line.startsWith(name) || !(line[name.length] === '{' || line[name.length] === ' ')) continue;
      if (labels.every((label) => line.includes(label))) sum += Number(line.slice(line.lastIndexOf(' ') + 1));
    }
    return sum;
  }

  /** Requests under way and connections open to upstreams, over all workers. */
  async upstream(): Promise<{ readonly active: number; readonly connections: number }> {
    const { text } = await this.admin('/clusters');
    const total = (field: string): number => {
      let sum = 0;
      for (const found of text.matchAll(new RegExp(`::${field}::(\\d+)`, 'g'))) sum += Number(found[1]);
      return sum;
    };
    return { active: total('rq_active'), connections: total('cx_active') };
  }

  /** Says something to `inside.ts` in every thread. */
  tell(message: InsideQuestion): void {
    this.child.send(message);
  }

  /** What each data worker answers, by its index. */
  async ask(message: InsideQuestion, workers = 2): Promise<readonly InsideAnswer[]> {
    const answers: InsideAnswer[] = [];
    const listen = (answer: InsideAnswer): void => {
      answers.push(answer);
      this.wake();
    };
    this.child.on('message', listen);
    this.tell(message);
    await this.until(() => answers.length === workers);
    this.child.off('message', listen);
    return answers;
  }

  /** Resident memory, MiB. */
  get rss(): number {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;
  }

  /** Open sockets. */
  get sockets(): number {
    return this.descriptors().filter((target) => target.startsWith('socket:')).length;
  }

  /** What the open file descriptors lead to. */
  descriptors(): readonly string[] {
    const directory = `/proc/${this.pid}/fd`;
    return readdirSync(directory).flatMap((fd) => {
      try {
        return [readlinkSync(`${directory}/${fd}`)];
      } catch {
        return [];
      }
    });
  }

  /** Inodes of its sockets that listen on an IPv4 port, sorted. */
  listening(port: number): readonly string[] {
    const own = new Set(this.descriptors());
    const hex = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
    return readFileSync('/proc/net/tcp', 'utf8')
      .split('\n')
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => fields[1]?.endsWith(hex) === true && fields[3] === '0A' && own.has(`socket:[${fields[9]}]`))
      .map((fields) => fields[9])
      .sort();
  }

  signal(name: NodeJS.Signals): void {
    if (this.exit === null) this.child.kill(name);
  }

  /** Resolves with the exit status. */
  async ended(): Promise<{ readonly code: number | null; readonly signal: string | null }> {
    if (this.exit === null) await once(this.child, 'exit');
    return this.exit ?? { code: null, signal: null };
  }

  /** For the end of a test: gone when it resolves. */
  async kill(): Promise<void> {
    this.signal('SIGKILL');
    await this.ended();
  }
}

/** Looks again and again until `condition` holds; for what no event tells. False: it did not within `budgetMs`. */
export async function eventually(condition: () => boolean | Promise<boolean>, budgetMs = 15_000): Promise<boolean> {
  const end = performance.now() + budgetMs;
  for (;;) {
    if (await condition()) return true;
    if (performance.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
