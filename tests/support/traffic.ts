/** Real configuration on one running rig: many snapshots one after the other, raw requests, and what reached the backends. */
import type { Snapshot } from '../../src/model/snapshot.ts';
import { compileTables } from '../../src/proxy/route/compile.ts';
import { freePort } from './ports.ts';
import { answering, RawBackend, RawClient } from './raw.ts';
import { Rig } from './rig.ts';

export interface Message {
  /** Request line or status line. */
  readonly start: string;
  /** As they came. */
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** A request as a backend received it. */
export interface Arrival extends Message {
  readonly port: number;
}

export interface Answer extends Message {
  readonly status: number;
  readonly body: string;
}

/** Everything that one request led to. */
export interface Exchanged {
  readonly answer: Answer;
  readonly arrivals: readonly Arrival[];
}

/** What backends answer beside their own number. */
export const backendHeaders: readonly (readonly [name: string, value: string])[] = [
  ['Server', 'backend'],
  ['X-H', 'from-backend'],
  ['x-gone', '1'],
];

export function readMessage(text: string): Message {
  const [start = '', ...lines] = text.split('\r\n\r\n', 1)[0].split('\r\n');
  return {
    start,
    headers: lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon), line.slice(colon + 1).trim()] as const;
    }),
  };
}

export class Traffic {
  readonly rig: Rig;
  readonly backends: readonly RawBackend[];
  /** Port of the configuration → port that is bound. */
  private readonly ports: ReadonlyMap<number, number>;
  private readonly arrivals: Arrival[];
  private readonly clients = new Map<string, RawClient>();
  private listeners = new Map<number, string>();

  private constructor(rig: Rig, backends: readonly RawBackend[], ports: ReadonlyMap<number, number>, arrivals: Arrival[]) {
    this.rig = rig;
    this.backends = backends;
    this.ports = ports;
    this.arrivals = arrivals;
  }

  static async start(backendCount: number, configPorts: readonly number[]): Promise<Traffic> {
    const arrivals: Arrival[] = [];
    const fixed = backendHeaders.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    const backends: RawBackend[] = [];
    for (let i = 0; i < backendCount; i++) {
      const backend = await RawBackend.start(
        answering((request) => {
          arrivals.push({ ...readMessage(request), port: backend.port });
          const body = request.startsWith('HEAD ') ? '' : String(i);
          return `HTTP/1.1 200 OK\r\n${fixed}content-length: 1\r\n\r\n${body}`;
        }),
      );
      backends.push(backend);
    }
    const rig = await Rig.start(() => ({ listeners: [], routes: [], clusters: [], consumers: [], status: [] }));
    const ports = new Map<number, number>();
    for (const port of configPorts) ports.set(port, await freePort());
    return new Traffic(rig, backends, ports, arrivals);
  }

  /** Resolves when the worker serves the snapshot. Gateway listeners on ports that are not mapped stay unbound. */
  async serve(snapshot: Snapshot): Promise<void> {
    const bindings = snapshot.listeners.flatMap(({ name, kind, port }) => {
      const real = this.ports.get(port);
      return kind !== 'gateway' || real === undefined ? [] : [{ listener: name, address: '127.0.0.1', port: real, configured: port }];
    });
    this.listeners = new Map(bindings.map(({ configured, listener }) => [configured, listener]));
    await this.rig.applyTables(compileTables(snapshot), bindings);
  }

  /** Whether something listens on a port of the configuration. */
  listens(port: number): boolean {
    return this.listeners.has(port);
  }

  /** Sends one request without a body to the listener on a port of the configuration; keeps connections. */
  async send(port: number, bytes: string): Promise<Exchanged> {
    const key = `${port} ${this.listeners.get(port) ?? ''}`;
    let client = this.clients.get(key);
    if (client === undefined || client.closed || client.ended) {
      client = await RawClient.connect(this.ports.get(port) ?? 0, false);
      this.clients.set(key, client);
    }
    client.received = '';
    this.arrivals.length = 0;
    client.socket.write(bytes, 'utf8');
    const isHead = bytes.startsWith('HEAD ');
    const text = await client.until((received) => isWhole(received, isHead));
    const message = readMessage(text);
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(message.start)?.[1] ?? 0);
    if (status === 0 || message.headers.some(([name, value]) => name.toLowerCase() === 'connection' && /close/i.test(value))) {
      client.close();
      this.clients.delete(key);
    }
    const body = text.slice(text.indexOf('\r\n\r\n') + 4);
    return { answer: { ...message, status, body }, arrivals: [...this.arrivals] };
  }

  async close(): Promise<void> {
    for (const client of this.clients.values()) client.close();
    for (const backend of this.backends) backend.close();
    await this.rig.close();
  }
}

/** Answers here have Content-Length, or no body at all. */
function isWhole(received: string, isHead: boolean): boolean {
  const end = received.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const length = isHead ? 0 : Number(/\r\ncontent-length: (\d+)/i.exec(received.slice(0, end + 2))?.[1] ?? 0);
  return received.length >= end + 4 + length;
}
