import type { Socket } from 'node:net';
import { Deadline, type Wheel } from '../../base/wheel.ts';
import { type ReadBuffers, privateReadBytes } from './buffers.ts';
import { agreedProtocol, openSocket, readyEvent } from './connect.ts';
import type { EndpointState } from './endpoint.ts';
import { socketFailure, type TlsFailureKind, tlsReason } from './tls/failure.ts';
import { anyPurpose, type Purpose, type Transport } from './transport.ts';
import { Wire } from './wire.ts';

/** Who uses a connection at the moment. Every call may end the exchange. */
export interface UpstreamUser {
  onConnected(): void;
  /** Bytes arrived. They are valid during the call only, unless the connection is in private mode. */
  onUpstreamBytes(buffer: Buffer, start: number, end: number): void;
  /** The upstream takes more request bytes again. */
  onUpstreamDrain(): void;
  /** The upstream closed its side in good order. */
  onUpstreamEnd(): void;
  /** The connection is gone. `code` is the system's error code, a reason that begins with `TLS_error:`, or empty. */
  onUpstreamClosed(code: string, timedOut: boolean): void;
}

/** What connections of one worker share. */
export interface UpstreamContext {
  readonly reads: ReadBuffers;
  readonly wheel: Wheel;
  readonly onFault: (error: unknown) => void;
  /** Ready for bytes of the protocol: with TLS, after the handshake. */
  readonly onConnect: (endpoint: EndpointState, socket?: Socket) => void;
  readonly onClose: (endpoint: EndpointState, failedToConnect: boolean, tlsFailure?: TlsFailureKind | null) => void;
}

/** Whatever the cluster may speak: who makes such a connection is going to write HTTP/1.1. */
const http1: readonly string[] = ['http/1.1'];

/** No TLS record brings more. */
const recordBytes = 16 * 1024;

/** One socket to one endpoint: connecting, in use by one exchange, idle in its endpoint's pool, or closed. */
export class UpstreamConnection {
  readonly socket: Socket;
  readonly wire: Wire;
  readonly endpoint: EndpointState;
  /** How it was made. Once it is not the endpoint's any more, the connection serves to the end of what it does. */
  readonly transport: Transport;
  /** Of its purpose: whom else it may serve. */
  readonly key: string;
  user: UpstreamUser | null = null;
  connected = false;
  closed = false;
  /** It ended, failed or is being closed: it will serve nobody any more. */
  spent = false;
  /** Exchanges begun on it. */
  requests = 0;
  /** Set while idle: monotonic ms since when. */
  idleSince = 0;
  /** The user wants slices it may keep for the write they go into. */
  private wantsPrivate = false;
  private privateBuffer: Buffer | null = null;
  /** The user gave the current private buffer away with a write that is still pending. */
  private lent = false;
  /** What the next read goes into. */
  private current: Buffer | null = null;
  private readonly context: UpstreamContext;
  private readonly deadline: Deadline;
  private timedOut = false;
  private errorCode = '';
  private tlsFailure: TlsFailureKind | null = null;

  /** `connectTimeoutMs` covers a TLS handshake too. */
  constructor(endpoint: EndpointState, context: UpstreamContext, connectTimeoutMs: number, now: number, purpose: Purpose = anyPurpose) {
    this.endpoint = endpoint;
    this.transport = endpoint.transport;
    this.key = purpose.key;
    this.context = context;
    this.deadline = new Deadline(() => this.onDeadline());
    const read = { buffer: () => this.nextBuffer(), callback: (bytes: number, buffer: Uint8Array) => this.onRead(bytes, buffer) };
    this.socket = openSocket(endpoint, { purpose, read, alpn: http1 });
    this.wire = new Wire(this.socket);
    if (connectTimeoutMs > 0) context.wheel.arm(this.deadline, now + connectTimeoutMs);
    this.socket.on(readyEvent(this.transport), () => this.guard(() => this.onConnect()));
    this.socket.on('drain', () => this.guard(() => this.user?.onUpstreamDrain()));
    this.socket.on('end', () => this.guard(() => this.onEnd()));
    this.socket.on('error', (error) => this.onError(error));
    this.socket.on('close', () => this.guard(() => this.onClosed()));
  }

  /** From now on bytes arrive in buffers of this connection's own: slices may be written without a copy. */
  usePrivate(on: boolean): void {
    this.wantsPrivate = on;
  }

  get isPrivate(): boolean {
    return this.privateBuffer !== null;
  }

  /** The slice of the last read is still referred to by a pending write. */
  lend(): void {
    this.lent = true;
  }

  /** Agreed on in the handshake: `h2`, `http/1.1`; '' without TLS or agreement. */
  get protocol(): string {
    return agreedProtocol(this.socket);
  }

  /** Made as the endpoint's connections are made now. */
  get isCurrent(): boolean {
    return this.endpoint.listed && this.transport === this.endpoint.transport;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  /** Closes at once; the user hears nothing more. */
  destroy(): void {
    this.user = null;
    this.drop();
  }

  private drop(): void {
    this.spent = true;
    this.socket.destroy();
  }

  /** Watches for the idle time-out while the connection waits in the pool. */
  park(now: number, idleMs: number): void {
    this.idleSince = now;
    this.context.wheel.arm(this.deadline, now + idleMs);
  }

  unpark(): void {
    this.context.wheel.arm(this.deadline, Infinity);
  }

  private onConnect(): void {
    this.connected = true;
    this.wire.onConnected();
    this.context.wheel.arm(this.deadline, Infinity);
    this.context.onConnect(this.endpoint, this.socket);
    this.user?.onConnected();
  }

  private onRead(bytes: number, buffer: Uint8Array): boolean {
    const user = this.user;
    if (user === null) {
      // Bytes on an idle connection belong to no request: a desynchronised peer. Never reuse it.
      this.drop();
      return false;
    }
    if (!Buffer.isBuffer(buffer)) return true;
    try {
      user.onUpstreamBytes(buffer, 0, bytes);
    } catch (error) {
      this.context.onFault(error);
      this.drop();
    }
    // Whoever pauses the socket stops the reading too.
    return true;
  }

  /** Called by node:net after each read: the buffer of the next one; undefined: the same. */
  private nextBuffer(): Buffer | undefined {
    const { current } = this;
    this.current = this.chooseBuffer();
    // Node takes its address and length anew for each one that it is given.
    return this.current === current ? undefined : this.current;
  }

  private chooseBuffer(): Buffer {
    if (this.lent) {
      this.privateBuffer = null;
      this.lent = false;
    }
    if (this.wantsPrivate) {
      this.privateBuffer ??= this.transport.tls === null ? this.context.reads.takePrivate() : Buffer.allocUnsafeSlow(recordBytes);
      return this.privateBuffer;
    }
    if (this.privateBuffer !== null) {
      if (this.privateBuffer.length === privateReadBytes) this.context.reads.givePrivate(this.privateBuffer);
      this.privateBuffer = null;
    }
    return this.context.reads.shared;
  }

  private onEnd(): void {
    this.spent = true;
    const user = this.user;
    if (user === null) {
      this.endpoint.learnIdle(performance.now() - this.idleSince);
      this.drop();
    } else if (this.connected) user.onUpstreamEnd();
    // In the handshake: the error that says so follows.
    else this.drop();
  }

  private onError(error: Error): void {
    this.spent = true;
    const failure = socketFailure(error, this.transport.tls !== null, this.connected);
    this.errorCode = failure.code;
    this.tlsFailure = failure.tls;
  }

  private onDeadline(): void {
    if (!this.connected) {
      this.timedOut = true;
      if (this.transport.tls !== null && !this.socket.connecting) this.errorCode = tlsReason('handshake_timed_out');
    }
    this.drop();
  }

  private onClosed(): void {
    if (this.closed) return;
    this.closed = true;
    this.context.wheel.remove(this.deadline);
    this.endpoint.forget(this);
    this.context.onClose(this.endpoint, !this.connected, this.tlsFailure);
    const user = this.user;
    this.user = null;
    user?.onUpstreamClosed(this.errorCode, this.timedOut);
  }

  /** A bug in one exchange ends that exchange, not the worker. */
  private guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.context.onFault(error);
      this.drop();
    }
  }
}
