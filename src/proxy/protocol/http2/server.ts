import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { Deadline } from '../../../base/wheel.ts';
import { failures, type Failure } from '../../failure.ts';
import type { ClientConnection, LiveConnection } from '../../listen/client.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import type { WorkerRuntime } from '../../runtime.ts';
import { idleAt } from '../http1/time-limits.ts';
import { Peer } from '../peer.ts';
import { hasPeer } from '../has-peer.ts';
import { FloodGuard } from './flood-guard.ts';
import { sessionOptions, connectionWindow, streamWindow } from './settings.ts';
import { ServerStream } from './stream.ts';
import type { StreamOwner } from './stream-peer.ts';

const { NGHTTP2_ENHANCE_YOUR_CALM, NGHTTP2_FLAG_END_STREAM } = constants;

/** How often a connection is looked at for floods and time limits, ms. */
const lookMs = 1000;
/** Connection preface and an empty SETTINGS frame (RFC 9113 §3.4). */
const prefaceBytes = 24 + 9;
const maxFree = 256;
/** Looks at a connection that is to end and does not move, until it is cut. */
const maxStuckLooks = 3;

/**
 * While memory is tight a connection may have so much of its responses untaken: a client that opens many streams and no window makes
 * some 300 KiB of each wait here (Envoy reset_high_memory_stream).
 */
const maxUnsentWhenTight = 4 * 1024 * 1024;

const flood = { flag: 'DPE', details: 'http2.control_frame_flood' } as const;
const hoard = { flag: failures.overload.flag, details: 'http2.response_not_taken' } as const;
const ignore = (): void => undefined;

/** Objects of closed streams, ready for the next: making them is most of what a short exchange would cost. */
const free = new WeakMap<ListenerRuntime, ServerStream[]>();

/** A client connection that speaks HTTP/2: frames, windows and header compression are node:http2's, exchanges are streams'. */
class ServerSession extends Peer implements LiveConnection, StreamOwner<ServerStream> {
  private readonly worker: WorkerRuntime;
  private readonly at: ListenerRuntime;
  private readonly session: ServerHttp2Session;
  private readonly streams = new Set<ServerStream>();
  private readonly pool: ServerStream[];
  private readonly guard: FloodGuard;
  private readonly deadline: Deadline;
  private readonly openedAt: number;
  private idleSince: number;
  private isClosed = false;
  private clientEnded = false;
  private stuckLooks = 0;
  private lastWindow = 0;

  constructor(worker: WorkerRuntime, at: ListenerRuntime, client: ClientConnection) {
    super();
    const { socket, peeked } = client;
    this.meet(socket, client);
    this.worker = worker;
    this.at = at;
    this.openedAt = performance.now();
    this.idleSince = this.openedAt;
    this.guard = new FloodGuard(this.openedAt);
    this.deadline = new Deadline((now) => this.look(now));
    const pool = free.get(at) ?? [];
    if (pool.length === 0) free.set(at, pool);
    this.pool = pool;
    socket.on('error', ignore);
    socket.once('close', () => this.onClosed());
    // Sockets stay open for writing after the client's FIN: what is under way is answered, then the connection closes.
    socket.once('end', () => this.onEnd());
    if (peeked !== null && peeked.length > 0) socket.unshift(peeked);
    this.session = performServerHandshake(socket, sessionOptions(at.config.limits));
    // What was read before goes to the session; this only has the socket read on.
    if (socket.readableLength === 0) socket.read(0);
    this.session.setLocalWindowSize(connectionWindow);
    this.session.on('error', ignore);
    this.session.on('stream', this.onStream);
    at.connections.add(this);
    worker.telemetry.connectionOpened(at.name);
    worker.wheel.arm(this.deadline, this.openedAt + lookMs);
  }

  /** No exchange: may be closed without loss. */
  get isIdle(): boolean {
    return this.streams.size === 0;
  }

  get isOver(): boolean {
    return this.isClosed || this.session.destroyed;
  }

  get isBroken(): boolean {
    const { errored } = this.socket;
    return errored !== null && 'syscall' in errored;
  }

  /** With a last GOAWAY, when the client still takes it; the next look ends what does not go. */
  close(): void {
    if (this.worker.draining) for (const stream of this.streams) stream.blame(failures.drained);
    if (this.session.destroyed) this.socket.destroy();
    else this.session.destroy();
  }

  /**
   * GOAWAY with the last stream that is served; what is under way ends first. A request that crosses it on the wire is not
   * served, and the client knows that it may send it again (RFC 9113 §6.8). A notice before it, as RFC 9113 advises, is not to be
   * had from node:http2: nghttp2 takes no new streams once any GOAWAY was sent.
   */
  goAway(): void {
    if (this.session.destroyed || this.session.closed) return;
    this.session.close();
  }

  private readonly onStream = (stream: ServerHttp2Stream, _headers: object, flags: number, fields: readonly string[]): void => {
    // Whatever becomes of it: an error that nobody hears ends the worker.
    stream.on('error', ignore);
    // Refused by nghttp2 meanwhile, or the connection went.
    if (stream.destroyed || this.isClosed) return;
    try {
      const { worker, at } = this;
      this.guard.head(fields);
      if (worker.draining || at.closing) this.goAway();
      const taken = this.pool.pop() ?? new ServerStream(worker, at);
      this.streams.add(taken);
      taken.begin(this, stream, fields, (flags & NGHTTP2_FLAG_END_STREAM) !== 0);
    } catch (error) {
      this.worker.onFault(error);
      stream.destroy();
    }
  };

  onBody(bytes: number): void {
    this.guard.data(bytes);
  }

  onTrailers(fields: readonly string[]): void {
    this.guard.head(fields);
  }

  onBodyUnwanted(): void {
    this.guard.forgive(streamWindow);
  }

  onSent(bytes: number): void {
    this.guard.sent(bytes);
  }

  onStreamClosed(stream: ServerStream): void {
    this.streams.delete(stream);
    if (this.streams.size === 0) this.idleSince = performance.now();
    if (this.pool.length < maxFree) this.pool.push(stream);
    // A frame that will never be whole keeps node:http2 from seeing that nothing more is to come.
    if (this.clientEnded && this.streams.size === 0) this.close();
  }

  /** Time limits, and whether what arrives is worth its work. */
  private look(now: number): void {
    const { session, socket, worker } = this;
    if (this.isClosed) return;
    // A client that does not close its side after our last frame does not hold the socket.
    if (session.destroyed) return void socket.destroy();
    if (session.closed && this.isStuck()) this.close();
    const received = socket.bytesRead;
    let waiting = 0;
    for (const stream of this.streams) waiting += stream.waiting;
    if (!this.guard.check(received - waiting, now)) return this.cut(flood);
    if (worker.overloaded && this.unsent > maxUnsentWhenTight) return this.cut(hoard);
    const { limits } = this.at.config;
    const { headTimeoutMs, maxConnectionMs = 0 } = limits;
    if (received < prefaceBytes && headTimeoutMs > 0 && now - this.openedAt >= headTimeoutMs) this.close();
    const isOld = maxConnectionMs > 0 && now - this.openedAt >= maxConnectionMs;
    if (isOld || worker.draining || this.at.closing) this.goAway();
    if (this.streams.size === 0 && now >= idleAt(this.at, this.idleSince)) this.goAway();
    worker.wheel.arm(this.deadline, now + lookMs);
  }

  /**
   * After GOAWAY, nothing more is read and nothing is written: node:http2 is left so by a client that says GOAWAY and then
   * nonsense, and does not even see the client go. And a client that has closed its side opens no window any more.
   */
  private isStuck(): boolean {
    const { outboundQueueSize = 0, remoteWindowSize = 0 } = this.session.state;
    const isWaiting = outboundQueueSize > 0 || this.streams.size === 0 || (this.clientEnded && this.unsent > 0);
    this.stuckLooks = isWaiting && remoteWindowSize === this.lastWindow ? this.stuckLooks + 1 : 0;
    this.lastWindow = remoteWindowSize;
    return this.stuckLooks >= maxStuckLooks;
  }

  /** Response bytes that the client's windows have not let out. */
  private get unsent(): number {
    let bytes = 0;
    for (const stream of this.streams) bytes += stream.out.unsent;
    return bytes;
  }

  private onEnd(): void {
    if (!hasPeer(this.socket)) return void this.socket.destroy();
    this.clientEnded = true;
    for (const stream of this.streams) stream.onConnectionEnd();
    if (this.isIdle) this.close();
    else this.goAway();
  }

  private cut(why: Pick<Failure, 'flag' | 'details'>): void {
    for (const stream of this.streams) stream.blame(why);
    this.session.destroy(new Error(why.details), NGHTTP2_ENHANCE_YOUR_CALM);
    this.worker.wheel.arm(this.deadline, performance.now() + lookMs);
  }

  private onClosed(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    const { at, worker } = this;
    at.connections.delete(this);
    worker.telemetry.connectionClosed(at.name);
    worker.wheel.remove(this.deadline);
    if (!this.session.destroyed) this.session.destroy();
  }
}

/** Serves a connection that speaks HTTP/2, plain with prior knowledge or under TLS, until it closes. `client.peeked` comes before its bytes. */
export function serveHttp2(worker: WorkerRuntime, at: ListenerRuntime, client: ClientConnection): void {
  try {
    new ServerSession(worker, at, client);
  } catch (error) {
    worker.onFault(error);
    client.socket.destroy();
  }
}
