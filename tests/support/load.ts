/**
 * Clients that count every byte. One connection, one request at a time; what a lost, cut, mixed up or reset exchange
 * would be for a user is a line in `problems`.
 */
import { connect, type Socket } from 'node:net';

export interface Reply {
  readonly status: number;
  readonly head: string;
  readonly body: Buffer;
  /** The connection ends with this reply. */
  readonly close: boolean;
}

interface Waiting {
  readonly method: string;
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

/** An HTTP/1.1 client connection. Requests fail with what happened to the connection. */
export class Connection {
  readonly socket: Socket;
  /** The peer ended or reset it, or we did. */
  closed = false;
  /** Why it ended, for messages. */
  ending = '';
  private chunks: Buffer[] = [];
  private length = 0;
  private need = 0;
  private waiting: Waiting | null = null;
  /** Milliseconds between reads; 0: as fast as it comes. */
  private readonly readEveryMs: number;

  private constructor(port: number, readEveryMs: number) {
    this.readEveryMs = readEveryMs;
    this.socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('data', (chunk: Buffer) => this.take(chunk));
    this.socket.on('end', () => this.over('end of file'));
    this.socket.on('error', (error) => this.over('code' in error ? String(error.code) : error.message));
    this.socket.on('close', () => this.over('closed'));
  }

  static async open(port: number, readEveryMs = 0): Promise<Connection> {
    const connection = new Connection(port, readEveryMs);
    await new Promise<void>((resolve, reject) => {
      connection.socket.once('connect', resolve);
      connection.socket.once('error', reject);
    });
    return connection;
  }

  /** `write` sends the request; it is complete or goes on being written later. */
  ask(method: string, write: (socket: Socket) => void): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.closed) return reject(new Error(`the connection had ended: ${this.ending}`));
      this.waiting = { method, resolve, reject };
      write(this.socket);
    });
  }

  get(path: string, headers = ''): Promise<Reply> {
    return this.ask('GET', (socket) => socket.write(`GET ${path} HTTP/1.1\r\nHost: load.test\r\n${headers}\r\n`));
  }

  private take(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.length += chunk.length;
    if (this.readEveryMs > 0) {
      this.socket.pause();
      setTimeout(() => this.socket.resume(), this.readEveryMs);
    }
    if (this.length < this.need) return;
    const bytes = this.chunks.length === 1 ? this.chunks[0] : Buffer.concat(this.chunks, this.length);
    this.chunks = [bytes];
    const { waiting } = this;
    if (waiting === null) return this.over(`${bytes.length} bytes that nobody asked for`);
    const headEnd = bytes.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = bytes.latin1Slice(0, headEnd + 2);
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
    const length = Number(/\r\ncontent-length: (\d+)\r\n/i.exec(head)?.[1] ?? Number.NaN);
    if (status < 200 || Number.isNaN(length)) return this.over(`a head that was not expected: ${JSON.stringify(head.slice(0, 200))}`);
    const end = headEnd + 4 + (waiting.method === 'HEAD' ? 0 : length);
    if (bytes.length < end) {
      this.need = end;
      return;
    }
    this.need = 0;
    this.waiting = null;
    this.chunks = bytes.length > end ? [bytes.subarray(end)] : [];
    this.length = bytes.length - end;
    if (this.length > 0) this.over(`${this.length} bytes after the response`);
    waiting.resolve({ status, head, body: bytes.subarray(headEnd + 4, end), close: /\r\nconnection: close\r\n/i.test(head) });
  }

  private over(why: string): void {
    if (this.closed) return;
    this.closed = true;
    this.ending = why;
    const { waiting } = this;
    this.waiting = null;
    waiting?.reject(new Error(`${why} after ${this.length} bytes of a response`));
    this.socket.destroy();
  }

  end(): void {
    this.closed = true;
    this.ending = 'by ourselves';
    this.socket.destroy();
  }
}

export interface Tally {
  requests: number;
  connections: number;
  /** Replies by status. */
  readonly statuses: Map<number, number>;
  /** Idle connections that the server closed without `Connection: close` before: allowed, but no request may be lost in it. */
  idleCloses: number;
  readonly problems: string[];
}

export function newTally(): Tally {
  return { requests: 0, connections: 0, statuses: new Map(), idleCloses: 0, problems: [] };
}

export interface ClientOptions {
  readonly port: number;
  /** One connection for many requests, or one for each. */
  readonly keepAlive: boolean;
  /** Pause between requests, ms. */
  readonly everyMs: number;
  /** The request with this number: its path and header lines. */
  readonly request: (number: number) => { readonly path: string; readonly headers?: string };
  /** What is wrong with a reply; null when nothing is. */
  readonly check: (reply: Reply, number: number) => string | null;
  /** No new connection, no new request once this is true. */
  readonly stopped: () => boolean;
  /** A reply came with `Connection: close`; true ends the client. */
  readonly onClose?: () => boolean;
}

let clients = 0;

/** Runs one client until it is stopped. */
export async function runClient(options: ClientOptions, tally: Tally): Promise<void> {
  const name = `client ${++clients}${options.keepAlive ? '' : ' (connection per request)'}`;
  let connection: Connection | null = null;
  for (let number = 0; !options.stopped(); number++) {
    if (connection !== null && connection.closed) {
      tally.idleCloses++;
      connection = null;
    }
    const { path, headers = '' } = options.request(number);
    try {
      if (connection === null) {
        connection = await Connection.open(options.port);
        tally.connections++;
      }
      tally.requests++;
      const reply = await connection.get(path, options.keepAlive ? headers : `${headers}Connection: close\r\n`);
      tally.statuses.set(reply.status, (tally.statuses.get(reply.status) ?? 0) + 1);
      const wrong = options.check(reply, number);
      if (wrong !== null) tally.problems.push(`${name}, ${path}: ${wrong}`);
      if (reply.close) {
        connection.end();
        connection = null;
        if (options.keepAlive && options.onClose?.() === true) break;
      }
    } catch (error) {
      tally.problems.push(`${name}, request ${number}, ${path}: ${error instanceof Error ? error.message : String(error)}`);
      connection?.end();
      connection = null;
    }
    if (options.everyMs > 0) await new Promise((resolve) => setTimeout(resolve, options.everyMs));
  }
  connection?.end();
}

/** Runs `task` again and again until stopped; a rejection is a problem. */
export async function repeat(name: string, stopped: () => boolean, tally: Tally, task: (number: number) => Promise<void>): Promise<void> {
  for (let number = 0; !stopped(); number++) {
    try {
      tally.requests++;
      await task(number);
    } catch (error) {
      tally.problems.push(`${name} ${number}: ${error instanceof Error ? error.message : String(error)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
