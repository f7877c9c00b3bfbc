/** Load goes on while the configuration changes a great many times; nothing may be lost. Short in CI, long by hand. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WebSocket } from 'ws';
import { block, checksum, TestBackend } from '../support/backends.ts';
import { Connection, newTally, repeat, runClient, type ClientOptions, type Tally } from '../support/load.ts';
import { eventually, Program } from '../support/program.ts';
import { freePort } from '../support/ports.ts';
import { ChangingFiles, type Moving } from './change-files.ts';

export interface ChangeReport {
  readonly changes: number;
  readonly seconds: number;
  readonly load: Tally;
  readonly transfers: Tally;
  readonly webSockets: { readonly messages: number; readonly problems: readonly string[] };
  /** What a change did not do, or did too late. */
  readonly mistakes: readonly string[];
  readonly limits: { readonly policy: LimitCount; readonly kong: LimitCount };
  /** The sockets of the listener that stays, before and after. */
  readonly listening: { readonly before: readonly string[]; readonly after: readonly string[] };
  readonly exit: { readonly code: number | null; readonly signal: string | null };
  readonly rss: { readonly before: number; readonly after: number };
  readonly stderr: string;
}

export interface LimitCount {
  readonly limit: number;
  readonly allowed: number;
  readonly refused: number;
}

const downloadBytes = 8 * 1024 * 1024;
const uploadBlocks = 64;

/** Runs `changes` changes and then a SIGTERM, all under load, against the real program with two workers. */
export async function runChanges(changes: number, progress: (text: string) => void = () => undefined): Promise<ChangeReport> {
  const directory = mkdtempSync(join(tmpdir(), 'weir-change-'));
  const [a, b, b2] = await Promise.all(['a', 'b', 'b2'].map((name) => TestBackend.start(name)));
  const [main, second, kong] = [await freePort(), await freePort(), await freePort()];
  const limits = { policy: changes * 2 + 100, kong: changes * 2 + 50 };
  const files = new ChangingFiles(directory, { main, second, a: a.port, b: b.port, b2: b2.port }, firstCap(changes), limits.kong);
  const program = await Program.start(directory, { drainTimeout: '20s', args: ['--map-port', `8000:${kong}`] });
  try {
    const scenario = new Scenario(program, files, { main, second, kong }, limits, firstCap(changes));
    return await scenario.run(changes, progress);
  } finally {
    await program.kill();
    for (const backend of [a, b, b2]) backend.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** The limit before it is raised: used up about half-way. */
function firstCap(changes: number): number {
  return changes + 20;
}

class Scenario {
  private readonly program: Program;
  private readonly files: ChangingFiles;
  private readonly ports: { readonly main: number; readonly second: number; readonly kong: number };
  private readonly limits: { readonly policy: number; readonly kong: number };
  private readonly load = newTally();
  private readonly transfers = newTally();
  private readonly mistakes: string[] = [];
  private readonly webSocketProblems: string[] = [];
  private messages = 0;
  private readonly counts = { policy: { allowed: 0, refused: 0 }, kong: { allowed: 0, refused: 0 } };
  /** The end has begun: nobody opens anything new. */
  private ending = false;
  private webSocketsEnd = false;
  private secondEnds = false;
  private secondClients: Promise<unknown> = Promise.resolve();
  /** The policy's limit in the files. */
  private cap: number;
  private readonly expected: { moving: Moving; b: 'b' | 'b2'; extra: string } = { moving: 'a', b: 'b', extra: 'one' };

  constructor(
    program: Program,
    files: ChangingFiles,
    ports: { readonly main: number; readonly second: number; readonly kong: number },
    limits: { readonly policy: number; readonly kong: number },
    cap: number,
  ) {
    this.program = program;
    this.files = files;
    this.ports = ports;
    this.limits = limits;
    this.cap = cap;
  }

  async run(changes: number, progress: (text: string) => void): Promise<ChangeReport> {
    const { program, ports } = this;
    const began = performance.now();
    const before = program.listening(ports.main);
    const running = this.startLoad();
    const rssBefore = program.rss;
    for (let i = 0; i < changes; i++) {
      await this.change(i, i === Math.floor(changes / 2));
      if (i % 50 === 49) progress(`${i + 1} changes, ${this.load.requests} requests, ${Math.round(program.rss)} MiB`);
    }
    if (changes % 10 > 4 && changes % 10 < 7) this.files.gateway(false);
    await this.stopSecond(false);
    await this.useUp('policy', `/limited`, ports.main);
    await this.useUp('kong', '/stable/kong', ports.kong);
    const after = program.listening(ports.main);
    const rssAfter = program.rss;
    const exit = await this.end(running);
    return {
      changes,
      seconds: (performance.now() - began) / 1000,
      load: this.load,
      transfers: this.transfers,
      webSockets: { messages: this.messages, problems: this.webSocketProblems },
      mistakes: this.mistakes,
      limits: {
        policy: { limit: this.limits.policy, ...this.counts.policy },
        kong: { limit: this.limits.kong, ...this.counts.kong },
      },
      listening: { before, after },
      exit,
      rss: { before: rssBefore, after: rssAfter },
      stderr: program.stderr,
    };
  }

  /** SIGTERM while everything goes on. */
  private async end(running: Promise<unknown>): Promise<ChangeReport['exit']> {
    const { program } = this;
    program.signal('SIGTERM');
    const told = await eventually(async () => {
      const { status } = await program.admin('/readyz').catch(() => ({ status: 0 }));
      return this.ending || status !== 200;
    });
    if (!told) this.mistakes.push('/readyz did not turn after SIGTERM');
    this.ending = true;
    // The tunnels go on for a while after everything else was told to end.
    const target = this.messages + 40;
    await eventually(() => this.messages >= target, 5000);
    this.webSocketsEnd = true;
    await running;
    return await program.ended();
  }

  private startLoad(): Promise<unknown> {
    const stopped = (): boolean => this.ending;
    const { main, kong } = this.ports;
    const stable = (more: Partial<ClientOptions>): Promise<void> =>
      runClient(
        {
          port: main,
          keepAlive: true,
          everyMs: 10,
          stopped,
          // A reply with `Connection: close` on a listener that stays means that the program ends.
          onClose: () => (this.ending = true),
          request: (number) => ({ path: `/stable/${number}` }),
          check: (reply, number) =>
            reply.status === 200 && reply.body.toString() === `a /stable/${number}`
              ? null
              : `${reply.status} ${reply.body.toString().slice(0, 80)}`,
          ...more,
        },
        this.load,
      );
    const moving: Partial<ClientOptions> = {
      request: (number) => ({ path: `/moving/${number}` }),
      check: ({ status, body }, number) => {
        const text = body.toString();
        const right = status === 404 || /^(a|b|b2) \/moving\/\d+$/.test(text) || /^a \/rewritten\/\d+$/.test(text);
        return right && (status === 404 || text.endsWith(`/${number}`)) ? null : `${status} ${text.slice(0, 80)}`;
      },
    };
    const limited = (which: 'policy' | 'kong', path: string, port: number): Promise<void> =>
      stable({
        port,
        everyMs: 100,
        request: () => ({ path, headers: 'x-api-key: one\r\n' }),
        check: ({ status }) => this.count(which, status),
      });
    return Promise.all([
      ...[0, 1, 2, 3].map(() => stable({})),
      ...[0, 1].map(() => stable({ keepAlive: false })),
      ...[0, 1].map(() => stable(moving)),
      stable({ ...moving, keepAlive: false }),
      limited('policy', '/limited', main),
      limited('kong', '/stable/kong', kong),
      ...[0, 1].map(() => repeat('slow download', stopped, this.transfers, () => this.download())),
      ...[0, 1].map((which) => repeat('slow upload', stopped, this.transfers, () => this.upload(which === 0))),
      ...[0, 1, 2, 3].map((index) => this.webSocket(index)),
    ]);
  }

  private count(which: 'policy' | 'kong', status: number): string | null {
    if (status === 200) this.counts[which].allowed++;
    else if (status === 429) this.counts[which].refused++;
    return status === 200 || status === 429 ? null : `status ${status}`;
  }

  /** Goes on until the limit refuses, so that its whole count is known. */
  private async useUp(which: 'policy' | 'kong', path: string, port: number): Promise<void> {
    for (let refused = 0; refused < 20;) {
      const connection = await Connection.open(port);
      for (let i = 0; i < 20; i++) {
        const { status } = await connection.get(path, 'x-api-key: one\r\n');
        const wrong = this.count(which, status);
        if (wrong !== null) this.mistakes.push(`${path}: ${wrong}`);
        refused = status === 429 ? refused + 1 : 0;
      }
      connection.end();
    }
  }

  private async download(): Promise<void> {
    const connection = await Connection.open(this.ports.main, 15);
    try {
      const { status, body } = await connection.get(`/stable/big?bytes=${downloadBytes}`);
      let sum = 0;
      for (let at = 0; at < body.length; at += block.length) if (!body.subarray(at, at + block.length).equals(block)) sum++;
      if (status !== 200 || body.length !== downloadBytes || sum !== 0)
        throw new Error(`status ${status}, ${body.length} bytes, ${sum} wrong blocks`);
    } finally {
      connection.end();
    }
  }

  private async upload(chunked: boolean): Promise<void> {
    const connection = await Connection.open(this.ports.main);
    const bytes = uploadBlocks * block.length;
    try {
      const reply = await connection.ask('POST', (socket) => {
        const framing = chunked ? 'transfer-encoding: chunked' : `content-length: ${bytes}`;
        socket.write(`POST /stable/up HTTP/1.1\r\nHost: load.test\r\n${framing}\r\n\r\n`);
        let sent = 0;
        const timer = setInterval(() => {
          if (connection.closed || sent === uploadBlocks) {
            clearInterval(timer);
            if (chunked && !connection.closed) socket.write('0\r\n\r\n');
            return;
          }
          sent++;
          if (chunked) socket.write(`${block.length.toString(16)}\r\n`);
          socket.write(block);
          if (chunked) socket.write('\r\n');
        }, 30);
      });
      const expected = `a ${bytes} ${checksum(bytes)}`;
      if (reply.body.toString() !== expected) throw new Error(`${reply.status} ${reply.body.toString()}, not ${expected}`);
    } finally {
      connection.end();
    }
  }

  /** One tunnel for the whole time: every message comes back, in order, until we close it. */
  private async webSocket(index: number): Promise<void> {
    const problem = (text: string): void => void this.webSocketProblems.push(`WebSocket ${index}: ${text}`);
    const client = new WebSocket(`ws://127.0.0.1:${this.ports.main}/stable/ws`, {
      headers: { host: 'load.test' },
      perMessageDeflate: false,
    });
    client.on('error', (error) => problem(error.message));
    const closed = new Promise<void>((resolve) => {
      client.once('close', (code) => {
        if (!this.webSocketsEnd || code !== 1000) problem(`closed with ${code}`);
        resolve();
      });
    });
    await once(client, 'open').catch(() => undefined);
    for (let number = 0; client.readyState === WebSocket.OPEN && !this.webSocketsEnd; number++) {
      const text = `${number} ${'x'.repeat(number % 3000)}`;
      const echo = Promise.race([once(client, 'message'), closed]);
      client.send(text);
      const got = await echo;
      if (got === undefined) break;
      if (String(got[0]) !== text) problem(`message ${number} came back as ${String(got[0]).slice(0, 40)}`);
      this.messages++;
      await new Promise((resolve) => setTimeout(resolve, 40));
    }
    client.close(1000);
    await closed;
  }

  /** One edit; resolves when every worker serves it and its effect is seen on new connections. */
  private async change(i: number, raise: boolean): Promise<void> {
    const { files, program, expected } = this;
    const before = program.revision;
    if (raise) this.cap = this.limits.policy;
    switch (i % 10) {
      case 0:
        files.routes((expected.moving = 'b'));
        break;
      case 1:
        files.routes((expected.moving = 'none'));
        break;
      case 2:
        files.routes((expected.moving = 'rewritten'));
        break;
      case 3:
        files.routes((expected.moving = 'both'));
        break;
      case 4:
        files.gateway(true);
        break;
      case 5:
        // No YAML: what served before stays, so nothing new is expected.
        files.routes('none', true);
        break;
      case 6:
        files.gateway(false);
        files.routes((expected.moving = 'a'));
        break;
      case 7:
        files.mounted((expected.extra = `word-${i}`));
        break;
      case 8:
        files.services((expected.b = expected.b === 'b' ? 'b2' : 'b') === 'b2');
        files.routes((expected.moving = 'b'));
        break;
      default:
        files.policy(this.cap, i % 20 === 9 ? 'none' : 'draft');
        files.kong(this.limits.kong, `edit-${i}`);
    }
    await program.newRevision(before);
    await this.verify(i);
    if (i % 10 === 4) this.startSecond();
    if (i % 10 === 6) await this.stopSecond(i % 20 === 6);
  }

  /** On several new connections, so that both workers are asked. */
  private async verify(i: number): Promise<void> {
    const { expected } = this;
    let seen = '';
    const right = await eventually(async () => {
      const replies = await Promise.all(Array.from({ length: 6 }, () => this.once('/moving/check', 'load.test')));
      const extra = await this.once('/', 'extra.test');
      seen = [...replies, extra].join(', ');
      return replies.every((text) => isExpected(text, expected.moving, expected.b)) && extra === `200 ${expected.extra}`;
    }, 10_000);
    if (!right) this.mistakes.push(`change ${i}: expected ${JSON.stringify(expected)}, got ${seen}`);
  }

  private async once(path: string, host: string): Promise<string> {
    const connection = await Connection.open(this.ports.main);
    const { status, body } = await connection.ask('GET', (socket) => socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
    connection.end();
    return `${status} ${body.toString()}`;
  }

  private startSecond(): void {
    this.secondEnds = false;
    const client = (keepAlive: boolean): Promise<void> =>
      runClient(
        {
          port: this.ports.second,
          keepAlive,
          everyMs: 15,
          stopped: () => this.secondEnds,
          onClose: () => (this.secondEnds = true),
          request: (number) => ({ path: `/stable/${number}` }),
          check: ({ status, body }, number) => (body.toString() === `a /stable/${number}` ? null : `second listener: ${status}`),
        },
        this.load,
      );
    this.secondClients = Promise.all([client(true), client(true), client(false)]);
  }

  /** The listener is gone from the configuration: its clients are told, answered to the last, and then it listens no more. */
  private async stopSecond(toTheEnd: boolean): Promise<void> {
    await this.secondClients;
    if (!toTheEnd) return;
    const gone = await eventually(() => this.program.listening(this.ports.second).length === 0, 15_000);
    if (!gone) this.mistakes.push('the removed listener still listens');
  }
}

function isExpected(text: string, moving: Moving, b: string): boolean {
  switch (moving) {
    case 'a':
      return text === '200 a /moving/check';
    case 'b':
      return text === `200 ${b} /moving/check`;
    case 'both':
      return text === '200 a /moving/check' || text === `200 ${b} /moving/check`;
    case 'rewritten':
      return text === '200 a /rewritten/check';
    case 'none':
      return text === '404 ';
  }
}
