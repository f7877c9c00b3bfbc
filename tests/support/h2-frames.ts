/** HTTP/2 on the wire, frame by frame (RFC 9113 §4): what no well-behaved client would send. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export const frameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const flag = { endStream: 1, ack: 1, endHeaders: 4 } as const;

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export function frame(type: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(value: number): Buffer {
  const out = Buffer.alloc(4);
  out.writeUInt32BE(value);
  return out;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1');
  // HPACK integer with a 7-bit prefix (RFC 7541 §5.1), no Huffman code.
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes]);
  const rest: number[] = [127];
  let left = bytes.length - 127;
  for (; left >= 128; left = left >> 7) rest.push((left & 127) | 128);
  rest.push(left);
  return Buffer.concat([Buffer.from(rest), bytes]);
}

/** A header block of literals that enter no table (RFC 7541 §6.2.2). */
export function block(fields: readonly (readonly [name: string, value: string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]));
}

export const get = (path = '/', authority = 'a.test'): [string, string][] => [
  [':method', 'GET'],
  [':scheme', 'http'],
  [':path', path],
  [':authority', authority],
];

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** One side of a connection: sends what it is told and keeps the frames that come. */
export class FramePeer {
  readonly socket: Socket;
  readonly frames: Frame[] = [];
  closed = false;
  private pending: Buffer = Buffer.alloc(0);
  /** Bytes of the other side's preface that are still to come. */
  private leading: number;
  private readonly waiting: (() => void)[] = [];

  constructor(socket: Socket, leading = 0) {
    this.socket = socket;
    this.leading = leading;
    socket.on('data', (chunk: Buffer) => this.take(chunk));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  /** A frame came, and stands in `frames`. */
  protected onFrame(_frame: Frame): void {}

  private take(chunk: Buffer): void {
    const from = Math.min(this.leading, chunk.length);
    this.leading -= from;
    this.pending = Buffer.concat([this.pending, chunk.subarray(from)]);
    while (this.pending.length >= 9) {
      const length = this.pending.readUIntBE(0, 3);
      if (this.pending.length < 9 + length) break;
      const one: Frame = {
        type: this.pending[3],
        flags: this.pending[4],
        stream: this.pending.readUInt32BE(5) & 0x7fffffff,
        payload: Buffer.from(this.pending.subarray(9, 9 + length)),
      };
      this.frames.push(one);
      this.pending = this.pending.subarray(9 + length);
      this.onFrame(one);
    }
    this.wake();
  }

  private wake(): void {
    for (const run of this.waiting.splice(0)) run();
  }

  send(...parts: readonly Buffer[]): void {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(parts));
  }

  /** Resolves with the first frame that satisfies `is`; null when the connection closed without one. */
  async frame(is: (frame: Frame) => boolean): Promise<Frame | null> {
    for (;;) {
      const found = this.frames.find(is);
      if (found !== undefined) return found;
      if (this.closed) return null;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /** Resolves when the connection is closed. */
  async toEnd(): Promise<void> {
    while (!this.closed) await new Promise<void>((resolve) => this.waiting.push(resolve));
  }
}

/** The client of a connection. */
export class FrameClient extends FramePeer {
  /** Connects and sends the preface with an empty SETTINGS frame, or with `settings`. */
  static async connect(port: number, settings: Buffer = Buffer.alloc(0)): Promise<FrameClient> {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    await once(socket, 'connect');
    return FrameClient.over(socket, settings);
  }

  /** The same on a connected socket. */
  static over(socket: Socket, settings: Buffer = Buffer.alloc(0)): FrameClient {
    const client = new FrameClient(socket);
    client.send(preface, frame(frameType.settings, 0, 0, settings));
    return client;
  }

  request(stream: number, fields: readonly (readonly [string, string])[] = get(), endStream = true): void {
    this.send(frame(frameType.headers, flag.endHeaders | (endStream ? flag.endStream : 0), stream, block(fields)));
  }

  /** Error code of the first GOAWAY that names an error, or null. */
  get goawayError(): number | null {
    for (const { type, payload } of this.frames) {
      if (type === frameType.goaway && payload.readUInt32BE(4) !== 0) return payload.readUInt32BE(4);
    }
    return null;
  }

  close(): void {
    this.socket.destroy();
  }
}
