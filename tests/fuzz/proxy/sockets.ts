/** Sockets in memory with the manners of node:net: what the engine does with a socket runs here thousands of times a second. */
import { syncBuiltinESMExports } from 'node:module';
import net, { Socket, type TcpNetConnectOpts } from 'node:net';

interface PendingWrite {
  readonly chunks: readonly (Buffer | string)[];
  readonly done: () => void;
}

/** One end of a connection; what the engine writes goes to `sent`, what the peer sends comes in with `deliver`. */
export class MemorySocket extends Socket {
  readonly sent: Buffer[] = [];
  /** The engine ended its side in good order. */
  finished = false;
  /** The engine cut the connection: RST. */
  wasReset = false;
  protected readonly inbox: Buffer[] = [];
  protected eof = false;
  protected eofTold = false;
  private readonly slow: boolean;
  private readonly held: PendingWrite[] = [];
  private turns = 0;

  /** `slow`: bytes queued before a pause is asked for; writes then wait for `release`. 0: the peer reads at once. */
  constructor(slow: number) {
    const options = { allowHalfOpen: true, writableHighWaterMark: slow === 0 ? 65_536 : slow };
    super(options);
    this.slow = slow !== 0;
  }

  override _read(): void {}

  override _write(chunk: Buffer | string, _encoding: BufferEncoding, done: () => void): void {
    this.hold({ chunks: [chunk], done });
  }

  override _writev(chunks: readonly { readonly chunk: Buffer | string }[], done: () => void): void {
    this.hold({ chunks: chunks.map(({ chunk }) => chunk), done });
  }

  private hold(write: PendingWrite): void {
    // Looked at when it leaves, not now: a buffer that was used again meanwhile shows.
    if (this.slow) this.held.push(write);
    else this.leave(write);
  }

  private leave({ chunks, done }: PendingWrite): void {
    if (!this.destroyed) this.sent.push(...chunks.map((chunk) => Buffer.from(chunk)));
    done();
  }

  override _final(done: () => void): void {
    this.finished = true;
    done();
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
    if (chunk !== undefined) {
      this.push(Buffer.from(chunk));
      return true;
    }
    return this.deliverEnd();
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

/** The engine's side of a connection to an upstream: reads into the buffers that the engine gives (node:net `onread`). */
export class UpstreamSocket extends MemorySocket {
  private readonly onread: NonNullable<TcpNetConnectOpts['onread']>;
  private target: Uint8Array;

  constructor(options: TcpNetConnectOpts, slow: number) {
    super(slow);
    if (options.onread === undefined) throw new Error('the engine reads upstreams through onread');
    this.onread = options.onread;
    this.target = this.nextTarget();
  }

  private nextTarget(): Uint8Array {
    const { buffer } = this.onread;
    return typeof buffer === 'function' ? buffer() : buffer;
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
