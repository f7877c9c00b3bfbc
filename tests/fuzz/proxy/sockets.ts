/** Sockets in memory with the manners of node:net: what the engine does with a socket runs here thousands of times a second. */
import { syncBuiltinESMExports } from 'node:module';
import net, { Socket, type TcpNetConnectOpts } from 'node:net';

interface PendingWrite {
  readonly chunks: readonly (Uint8Array | string)[];
  readonly done: (status: number) => void;
}

const ECANCELED = -125;
const EBADF = -9;

/** The handle of a socket in memory, named and shaped as Node's: writes that go past the stream end here (upstream/wire.ts). */
class TCP {
  private readonly socket: MemorySocket;
  private readonly takes: (bytes: Uint8Array) => object | number;

  constructor(socket: MemorySocket, takes: (bytes: Uint8Array) => object | number) {
    this.socket = socket;
    this.takes = takes;
  }

  get writeQueueSize(): number {
    return this.socket.heldBytes;
  }

  writeBuffer(_request: null, bytes: Uint8Array): object | number {
    return this.takes(bytes);
  }

  close(closed: () => void): void {
    process.nextTick(closed);
    this.socket.cancelHeld();
  }
}

/** One end of a connection; what the engine writes goes to `sent`, what the peer sends comes in with `deliver`. */
export class MemorySocket extends Socket {
  readonly sent: Buffer[] = [];
  /** The engine ended its side in good order. */
  finished = false;
  /** The engine cut the connection: RST. */
  wasReset = false;
  /** It was closed while a direct write was not taken whole. */
  isCut = false;
  protected readonly inbox: Buffer[] = [];
  protected eof = false;
  protected eofTold = false;
  private readonly slow: boolean;
  private readonly held: PendingWrite[] = [];
  private turns = 0;
  /** Bytes that the system takes at once of direct writes. */
  private room: number;
  private readonly roomy: number;
  private finishing: (() => void) | null = null;
  /** Takes bytes out of a shared buffer, which is written over afterwards; null: `data` events. */
  private shared: { readonly buffer: Buffer; readonly onBytes: (bytes: number) => void } | null = null;

  /**
   * `slow`: bytes queued before a pause is asked for; writes then wait for `release`. 0: the peer reads at once. `direct`: it
   * has a handle, so that small writes go past the stream.
   */
  constructor(slow: number, direct: boolean) {
    const options = { allowHalfOpen: true, writableHighWaterMark: slow === 0 ? 65_536 : slow };
    super(options);
    this.slow = slow !== 0;
    this.roomy = slow === 0 ? Infinity : slow;
    this.room = this.roomy;
    if (direct) Reflect.set(this, '_handle', new TCP(this, (bytes) => this.direct(bytes)));
  }

  /** Bytes come in `buffer` from now on, as an accepted socket's do (listen/accepted.ts). */
  readInto(buffer: Buffer, onBytes: (bytes: number) => void): void {
    this.shared = { buffer, onBytes };
  }

  /** A write past the stream: taken at once as far as there is room, the rest when the peer reads. */
  private direct(bytes: Uint8Array): object | number {
    if (this.destroyed) return EBADF;
    if (this.held.length === 0 && bytes.length <= this.room) {
      this.room -= bytes.length;
      this.sent.push(Buffer.from(bytes));
      return 0;
    }
    const taken = this.held.length === 0 ? this.room : 0;
    this.room = 0;
    if (taken > 0) this.sent.push(Buffer.from(bytes.subarray(0, taken)));
    const write = { writeStatus: null, handle: null, buffer: null, oncomplete: (_status: number): void => undefined };
    this.held.push({ chunks: [bytes.subarray(taken)], done: (status) => write.oncomplete(status) });
    return write;
  }

  get heldBytes(): number {
    let bytes = 0;
    for (const { chunks } of this.held) for (const chunk of chunks) bytes += chunk.length;
    return bytes;
  }

  /** The socket is closed: what the peer did not read is not written any more. */
  cancelHeld(): void {
    this.isCut = this.held.length !== 0;
    for (const { done } of this.held.splice(0)) done(ECANCELED);
  }

  override _read(): void {}

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, done: () => void): void {
    this.hold({ chunks: [chunk], done: () => done() });
  }

  override _writev(chunks: readonly { readonly chunk: Buffer | string }[], done: () => void): void {
    this.hold({ chunks: chunks.map(({ chunk }) => chunk), done: () => done() });
  }

  private hold(write: PendingWrite): void {
    // Looked at when it leaves, not now: a buffer that was used again meanwhile shows.
    if (this.slow) this.held.push(write);
    else this.leave(write);
  }

  private leave({ chunks, done }: PendingWrite): void {
    if (!this.destroyed) this.sent.push(...chunks.map((chunk) => Buffer.from(chunk)));
    done(0);
  }

  override _final(done: () => void): void {
    this.finishing = done;
    this.finish();
  }

  /** FIN goes out behind everything that was written. */
  private finish(): void {
    if (this.finishing === null || this.held.length !== 0) return;
    this.finished = true;
    this.finishing();
    this.finishing = null;
  }

  override resetAndDestroy(): this {
    this.wasReset = true;
    return this.destroy();
  }

  /** A slow peer takes one waiting write every third turn. False: there is none. */
  release(): boolean {
    if (this.held.length === 0) return false;
    if (++this.turns % 3 !== 0) return true;
    const write = this.held.shift();
    if (write !== undefined) this.leave(write);
    if (this.held.length === 0) this.room = this.roomy;
    this.finish();
    return true;
  }

  /** Bytes from the peer. */
  arrive(bytes: Buffer): void {
    this.inbox.push(bytes);
  }

  /** Takes back what has not been read. */
  forget(): void {
    this.inbox.length = 0;
  }

  /** FIN from the peer. */
  arriveEnd(): void {
    this.eof = true;
  }

  /** RST from the peer. */
  arriveReset(): void {
    if (!this.destroyed) this.destroy(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  }

  /** Hands over what has arrived, unless reading is paused. False: nothing to hand over. */
  deliver(): boolean {
    if (this.destroyed || this.isPaused()) return false;
    const chunk = this.inbox.shift();
    if (chunk === undefined) return this.deliverEnd();
    if (this.shared === null) this.push(Buffer.from(chunk));
    else {
      const { buffer, onBytes } = this.shared;
      chunk.copy(buffer);
      onBytes(chunk.length);
      // The next read writes here: whoever kept a slice shows at once.
      buffer.fill(0xee, 0, chunk.length);
    }
    return true;
  }

  protected deliverEnd(): boolean {
    if (!this.eof || this.eofTold) return false;
    this.eofTold = true;
    this.push(null);
    this.read(0);
    return true;
  }

  get received(): Buffer {
    return Buffer.concat(this.sent);
  }
}

for (const name of ['remoteAddress', 'localAddress']) Object.defineProperty(MemorySocket.prototype, name, { value: '127.0.0.1' });
Object.defineProperty(MemorySocket.prototype, 'remoteFamily', { value: 'IPv4' });

/** The engine's side of a connection to an upstream: reads into the buffers that the engine gives (node:net `onread`). */
export class UpstreamSocket extends MemorySocket {
  private readonly onread: NonNullable<TcpNetConnectOpts['onread']>;
  private target: Uint8Array = new Uint8Array(0);

  constructor(options: TcpNetConnectOpts, slow: number, direct: boolean) {
    super(slow, direct);
    if (options.onread === undefined) throw new Error('the engine reads upstreams through onread');
    this.onread = options.onread;
    this.target = this.nextTarget();
  }

  private nextTarget(): Uint8Array {
    const { buffer } = this.onread;
    // Nothing stands for the buffer of the last read, as in node:net.
    const next: Uint8Array | undefined = typeof buffer === 'function' ? buffer() : buffer;
    return next ?? this.target;
  }

  override deliver(): boolean {
    if (this.destroyed || this.isPaused()) return false;
    const chunk = this.inbox[0];
    if (chunk === undefined) return this.deliverEnd();
    const taken = Math.min(chunk.length, this.target.length);
    this.target.set(chunk.subarray(0, taken));
    if (taken === chunk.length) this.inbox.shift();
    else this.inbox[0] = chunk.subarray(taken);
    const used = this.target;
    this.onread.callback(taken, used);
    this.target = this.nextTarget();
    // The next read writes here: whoever kept a slice shows at once.
    if (this.target === used) used.fill(0xee, 0, taken);
    return true;
  }
}

export type Connector = (options: TcpNetConnectOpts) => Socket;

const connectors = new Map<number, Connector>();
let installed = false;

/** Makes node:net's `connect` answer for `port` with `connector`; others go where they always went. */
export function onConnect(port: number, connector: Connector): void {
  connectors.set(port, connector);
  if (installed) return;
  installed = true;
  const real: (options: TcpNetConnectOpts) => Socket = net.connect;
  const connect = (options: TcpNetConnectOpts): Socket => (connectors.get(options.port) ?? real)(options);
  Object.defineProperty(net, 'connect', { value: connect, configurable: true, writable: true });
  syncBuiltinESMExports();
}
