import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { getSystemErrorName } from 'node:util';

/** What Node's handle of a TCP or Unix socket does for a write. No documented property: looked at before it is used. */
interface Handle {
  /** 0 when the system has taken all of it, its error, or an object for a write that goes on. */
  writeBuffer(request: null, bytes: Uint8Array): unknown;
  /** Bytes that the system has not taken yet. */
  readonly writeQueueSize: number;
}

/** A write that goes on after the call. */
interface PendingWrite {
  handle: object;
  buffer: Uint8Array;
  oncomplete: (status: number) => void;
  /** Set when it ended before `oncomplete` was there. */
  writeStatus: number | null;
}

/** Direct writes are not counted by the stream: larger messages go through it, for its backpressure. */
const maxDirectBytes = 16 * 1024;

/** Handles are Node's own affair: only where they are known to be as described here, and not in a release nobody has tried. */
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const isKnownNode = major === 26 && minor >= 10;

const handleNames: ReadonlySet<string> = new Set(['TCP', 'Pipe']);

function isHandle(value: unknown): value is Handle & object {
  if (!isKnownNode || typeof value !== 'object' || value === null || !handleNames.has(value.constructor.name)) return false;
  return 'writeBuffer' in value && typeof value.writeBuffer === 'function' && 'writeQueueSize' in value && value.writeQueueSize === 0;
}

function isPending(value: unknown): value is PendingWrite {
  return typeof value === 'object' && value !== null && 'writeStatus' in value;
}

/**
 * The writing side of one socket. Small messages go straight to the socket's handle: no queue of the stream's and no
 * callback for bytes that the system takes at once, as it does nearly always. Whatever it does not take is queued by Node
 * behind the handle, in order with all writes through the stream. Where the handle is not as expected (TLS, another
 * Node) everything goes through the stream (docs/decisions/0007).
 */
export class Wire {
  readonly socket: Socket;
  private handle: (Handle & object) | null = null;
  private isTls = false;
  /** A direct write has not been taken whole. */
  private pending = false;
  /** Something went through the stream: it is asked whether any of it is left. Its own getters are no fields. */
  private streamed = true;

  /** `socket` is connected, or `onConnected` is called once it is. */
  constructor(socket: Socket) {
    this.socket = socket;
    if (!socket.connecting) this.onConnected();
  }

  onConnected(): void {
    const handle: unknown = Reflect.get(this.socket, '_handle');
    if (isHandle(handle)) this.handle = handle;
    this.isTls = this.socket instanceof TLSSocket;
  }

  private get isQueued(): boolean {
    if (this.streamed) this.streamed = this.socket.writableLength !== 0;
    return this.streamed;
  }

  /** Bytes wait to be taken: what they are in must not change, and the socket must not be thrown away. */
  get hasUnsent(): boolean {
    return this.pending || this.isQueued;
  }

  /** Bytes that the system has not taken yet. */
  get unsent(): number {
    return this.socket.writableLength + (this.pending ? (this.handle?.writeQueueSize ?? 0) : 0);
  }

  destroy(): void {
    this.socket.destroy();
  }

  /** Closes our side behind everything written. `soon`: the peer's too once that is sent, as it sends nothing more. */
  end(soon: boolean): void {
    const { socket } = this;
    if (socket.destroyed) return;
    if (!soon) socket.end();
    // TLS says the end.
    else if (this.isTls || this.hasUnsent) socket.destroySoon();
    else socket.destroy();
  }

  /** Takes no more until the socket's `drain`. */
  get isFull(): boolean {
    return this.streamed && this.socket.writableNeedDrain;
  }

  /** The memory of what was written may not be used again yet. */
  get holdsBytes(): boolean {
    return !this.isTls && this.hasUnsent;
  }

  /** A message. Its bytes belong to the wire while `holdsBytes`. False: full. Of a socket that is gone they are dropped. */
  write(bytes: Uint8Array): boolean {
    const { handle } = this;
    if (handle === null || this.pending || bytes.length > maxDirectBytes || this.isQueued) return this.enqueue(bytes);
    const result = handle.writeBuffer(null, bytes);
    if (result !== 0) this.settle(result, handle, bytes);
    return true;
  }

  private enqueue(bytes: Uint8Array): boolean {
    if (this.socket.destroyed) return true;
    return this.stream(this.isTls && !this.isEncryptedAtOnce ? Buffer.from(bytes) : bytes);
  }

  /** Bytes of any size without a copy. True: they belong to the wire until it has nothing unsent any more. */
  writeSlice(bytes: Uint8Array): boolean {
    const isTaken = this.isTls && this.isEncryptedAtOnce;
    this.stream(bytes);
    return !isTaken && this.hasUnsent;
  }

  /** Bytes of any size that nobody changes any more. False: full. */
  stream(bytes: Uint8Array): boolean {
    this.streamed = true;
    return this.socket.write(bytes);
  }

  /** OpenSSL encrypts during the call where nothing waits before it, though the stream calls the write done only later. */
  private get isEncryptedAtOnce(): boolean {
    return isKnownNode && this.socket.writableLength === 0;
  }

  /**
   * Bytes of any size, without a copy. True: taken, and their memory is free again. False: it is the wire's until `taken` is
   * called, before which nothing else may be written; when the write fails the socket closes instead.
   */
  pass(bytes: Uint8Array, taken: () => void): boolean {
    const { handle, socket } = this;
    if (handle === null || this.pending || this.isQueued) {
      this.streamed = true;
      socket.write(bytes, (error) => {
        if (error === null || error === undefined) taken();
      });
      return false;
    }
    const result = handle.writeBuffer(null, bytes);
    if (result === 0) return true;
    this.settle(result, handle, bytes, taken);
    return false;
  }

  /** Writes go past the stream, so that most are taken at once. */
  get isDirect(): boolean {
    return this.handle !== null;
  }

  private settle(result: unknown, handle: object, bytes: Uint8Array, taken: (() => void) | null = null): void {
    if (!isPending(result)) {
      // A handle that is closed says so, however long ago.
      if (!this.socket.destroyed) this.socket.destroy(writeError(typeof result === 'number' ? result : 0));
      return;
    }
    this.pending = true;
    result.handle = handle;
    result.buffer = bytes;
    result.oncomplete = (status: number): void => {
      this.pending = false;
      if (status === 0) taken?.();
      else if (!this.socket.destroyed) this.socket.destroy(writeError(status));
    };
    if (result.writeStatus !== null) result.oncomplete(result.writeStatus);
  }
}

function writeError(status: number): Error {
  const code = status < 0 ? getSystemErrorName(status) : 'EIO';
  return Object.assign(new Error(`write ${code}`), { code, syscall: 'write' });
}
