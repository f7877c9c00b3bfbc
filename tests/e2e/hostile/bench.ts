/** A proxy with a protected path in front of a backend that keeps every byte: what an attack makes of both. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { RequestReader } from '../../fuzz/proxy/backend.ts';
import type { Message } from '../../fuzz/message.ts';
import { oracleRequests } from '../../fuzz/oracle.ts';
import { flag, FrameClient, frameType, get, type Frame } from '../../support/h2-frames.ts';
import { RawBackend, RawClient } from '../../support/raw.ts';
import { clusterOf, origin, Rig, routeTo, snapshotOf, type RigOptions } from '../../support/rig.ts';

/** What became of an attack. */
export interface Outcome {
  /** Everything that the attacker was sent. */
  readonly client: string;
  /** Status codes in it, in order. */
  readonly statuses: readonly number[];
  /** Requests that the backend got, as llhttp reads them; `complete: false` for one that was cut. */
  readonly reached: readonly Message[];
  /** `response_code_details` of the attacker's log lines, in order. */
  readonly details: readonly string[];
}

/** The same of a request over HTTP/2. */
export interface Http2Outcome extends Pick<Outcome, 'reached'> {
  readonly address: string;
  /** The stream was reset, or the connection closed. */
  readonly isReset: boolean;
}

export interface BenchOptions extends RigOptions {
  /** What the backend answers to a head; default: 200 with the request line as body. */
  readonly answer?: (head: string) => string;
}

const victimPath = /^GET \/victim-\d+$/;

function answerWithStart(head: string): string {
  const line = head.slice(0, head.indexOf(' HTTP/1.1'));
  return `HTTP/1.1 200 OK\r\nContent-Length: ${line.length}\r\n\r\n${line}`;
}

/** One path is denied, the rest is forwarded; one endpoint, so that attacker and victim share upstream connections. */
export class Bench {
  readonly rig: Rig;
  readonly backend: RawBackend;
  /** Bytes of each upstream connection that were looked at already. */
  private readonly seen: number[] = [];
  private attacks = 0;

  private constructor(rig: Rig, backend: RawBackend) {
    this.rig = rig;
    this.backend = backend;
  }

  static async start(t: TestContext, options: BenchOptions = {}): Promise<Bench> {
    const answer = options.answer ?? answerWithStart;
    const backend = await RawBackend.start((connection) => {
      const reader = new RequestReader((head) => ({ pieces: [answer(head)], then: 'keep', early: false }));
      connection.socket.on('data', () => {
        reader.read(
          connection.received,
          () => undefined,
          (served) => connection.socket.write(served.answer.pieces.join(''), 'latin1'),
        );
      });
    });
    const rig = await Rig.start((port) => {
      const denied = routeTo('b', {
        id: 'denied',
        name: 'denied',
        action: { kind: 'direct-response', status: 403, body: 'denied', headers: [] },
      });
      const matches = [
        { route: 1, index: 0, match: { path: { kind: 'prefix', value: '/admin' } }, rankReason: 'first' },
        { route: 0, index: 1, match: {}, rankReason: 'second' },
      ] as const;
      const snapshot = snapshotOf(port, [routeTo('b'), denied], [clusterOf('b', [backend.port])], options, matches);
      const [listener] = snapshot.listeners;
      const hosts = [{ name: 'all', domains: ['a.test', '*.a.test', 'b.test', '127.0.0.1'], origin, filters: [], matches }];
      return { ...snapshot, listeners: [{ ...listener, virtualHosts: hosts }] };
    }, options);
    t.after(async () => {
      await rig.close();
      backend.close();
      assert.deepEqual(rig.faults, [], 'no bug was caught by a guard');
    });
    return new Bench(rig, backend);
  }

  /**
   * Sends the pieces on a connection of the attacker's, its end behind them, and waits for the end of the answer; then a victim asks on another
   * connection and must get its own answer; then everything that reached the backend since must be whole requests.
   */
  async attack(pieces: readonly string[]): Promise<Omit<Outcome, 'details'> & { readonly address: string }> {
    const { address, number } = this.next();
    const client = await RawClient.connect(this.rig.port, true, address);
    for (const piece of pieces) {
      if (client.socket.writable) client.send(piece);
      await new Promise((resolve) => setImmediate(resolve));
    }
    client.socket.end();
    await client.toEnd();
    client.close();
    await this.victim(`/victim-${number}`);
    return {
      address,
      client: client.received,
      statuses: [...client.received.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, code]) => Number(code)),
      reached: (await this.reached()).filter(({ start }) => !victimPath.test(start)),
    };
  }

  private next(): { readonly address: string; readonly number: number } {
    const number = this.attacks++;
    return { number, address: `127.3.${number >> 8}.${number & 255}` };
  }

  /** The same with frames of HTTP/2 on the first stream, and an ordinary request on the next one, where the connection still is. */
  async attackHttp2(fields: readonly (readonly [string, string])[], after: readonly Buffer[] = []): Promise<Http2Outcome> {
    const { address, number } = this.next();
    const socket = connect({ host: '127.0.0.1', port: this.rig.port, noDelay: true, localAddress: address });
    await once(socket, 'connect');
    const client = FrameClient.over(socket);
    client.request(1, fields, after.length === 0);
    client.send(...after);
    const isEnd = ({ type, flags, stream }: Frame): boolean =>
      stream === 1 && (type === frameType.rstStream || (type <= frameType.headers && (flags & flag.endStream) !== 0));
    const last = await client.frame(isEnd);
    client.request(3, get(`/next-${number}`));
    await client.frame(({ type, flags, stream }) => stream === 3 && (type === frameType.rstStream || (flags & flag.endStream) !== 0));
    client.close();
    await this.victim(`/victim-${number}`);
    const reached = (await this.reached()).filter(({ start }) => !victimPath.test(start));
    return {
      address,
      isReset: last === null || last.type === frameType.rstStream,
      reached: reached.filter(({ start }) => !start.startsWith('GET /next-')),
    };
  }

  private async victim(path: string): Promise<void> {
    const victim = await RawClient.connect(this.rig.port, true, '127.0.0.1');
    victim.send(`GET ${path} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n`);
    const received = await victim.toEnd();
    victim.close();
    assert.match(received, /^HTTP\/1\.1 200 /, 'the victim is answered');
    assert.ok(received.endsWith(`\r\n\r\nGET ${path}`), `the victim gets its own answer: ${received}`);
  }

  /** Requests that reached the backend since the last call; upstream connections carry whole ones, but for the last before a close. */
  private async reached(): Promise<Message[]> {
    const out: Message[] = [];
    for (const [i, { received, ended }] of this.backend.connections.entries()) {
      const bytes = received.slice(this.seen[i] ?? 0);
      if (bytes === '') continue;
      this.seen[i] = received.length;
      const { messages, error } = await oracleRequests(Buffer.from(bytes, 'latin1'));
      const isCut = error === 'HPE_INVALID_EOF_STATE' && ended;
      assert.ok(error === '' || isCut, `what reached the backend is well formed (${error}): ${JSON.stringify(bytes)}`);
      for (const message of messages)
        assert.ok(message.complete || (isCut && message === messages.at(-1)), `whole: ${JSON.stringify(bytes)}`);
      out.push(...messages);
    }
    return out;
  }

  /** `response_code_details` of everything that was logged, by the client's address; behind the status with `withStatus`. */
  async details(withStatus = false): Promise<Map<string, string[]>> {
    await this.victim('/victim-0');
    for (let lines = this.attacks; ; lines++) {
      const all = await this.rig.logged(lines + 1);
      if (all.filter((line) => line['path'] === '/victim-0').length < 2) {
        lines = all.length - 1;
        continue;
      }
      const out = new Map<string, string[]>();
      for (const line of all) {
        const address = String(line['downstream_remote_address']).split(':')[0];
        const details = String(line['response_code_details']);
        out.set(address, [...(out.get(address) ?? []), withStatus ? `${String(line['response_code'])} ${details}` : details]);
      }
      return out;
    }
  }
}

/** Value of a header of a message, all its lines joined; null without. */
export function header(message: Message, name: string): string | null {
  const values = message.headers.filter(([one]) => one.toLowerCase() === name).map(([, value]) => value);
  return values.length === 0 ? null : values.join(', ');
}
