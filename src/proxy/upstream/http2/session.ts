import { connect, type ClientHttp2Session, type ClientHttp2Stream, type ClientSessionRequestOptions } from 'node:http2';
import type { Socket } from 'node:net';
import { Deadline } from '../../../base/wheel.ts';
import { agreedProtocol, openSocket, readyEvent } from '../connect.ts';
import type { UpstreamContext } from '../connection.ts';
import type { EndpointState } from '../endpoint.ts';
import { socketFailure, type TlsFailureKind, tlsReason } from '../tls/failure.ts';
import type { Purpose, Transport } from '../transport.ts';

/** Streams under way on one connection, whatever the peer would take (Envoy max_concurrent_streams). */
const maxStreams = 1024;
/** Begun before the peer's SETTINGS tell how many it takes: what is too many would be refused. */
const firstStreams = 16;
/** Stream ids are 31 bits wide and odd: a connection is left well before they end. */
const maxRequests = 2 ** 29;
/** Kept without a stream, ms. */
const idleMs = 60_000;
/** A closed connection whose peer does not close its side is cut after this, ms. */
const closingMs = 2000;
/** Bytes that a stream may send before we took any: also the most that waits here for a slow client. */
const streamWindow = 256 * 1024;
/** The same for a connection. It is given back as bytes arrive, so one slow stream does not hold up the others. */
const connectionWindow = 16 * 1024 * 1024;

const settings = {
  settings: { enablePush: false, initialWindowSize: streamWindow, maxHeaderListSize: 64 * 1024 },
  // Counted by ResponseHead; this only has to be above it.
  maxHeaderListPairs: 256,
  maxSendHeaderBlockLength: 256 * 1024,
  // MB; what streams hold is bounded by their windows.
  maxSessionMemory: 512,
  // Our own head parser judged the request; a list that another server would take is passed on.
  strictSingleValueFields: false,
};

/** What a session tells the pool that made it. */
export interface SessionOwner {
  /** Ready, or for an ALPN result that is not `h2`: to be closed. */
  onReady(session: UpstreamSession): void;
  /** The peer's settings came: another number of streams fits. */
  onSettings(session: UpstreamSession): void;
  /** No new stream fits any more. */
  onLeaving(session: UpstreamSession): void;
  onClosed(session: UpstreamSession): void;
}

/** Who has a stream of a session. */
export interface SessionStream {
  /** The peer sends nothing more on the connection: what is missing will not come. */
  onPeerEnd(): void;
}

export interface SessionOptions {
  readonly purpose: Purpose;
  /** Covers a TLS handshake too, ms; 0: the system's. */
  readonly connectTimeoutMs: number;
}

/** One HTTP/2 connection to one endpoint. */
export class UpstreamSession {
  readonly endpoint: EndpointState;
  readonly key: string;
  readonly transport: Transport;
  readonly socket: Socket;
  /** What ALPN agreed on; '' without. */
  agreed = '';
  /** Streams begun. */
  requests = 0;
  connected = false;
  closed = false;
  timedOut = false;
  /** The system's or TLS's word for why it ended; '' for an orderly end. */
  errorCode = '';
  /** The connection is gone: streams did not end by themselves. */
  lost = false;
  /** The peer's SETTINGS are here. */
  settled = false;
  /** The peer takes extended CONNECT (RFC 8441). */
  allowsConnect = false;
  /** Streams above this were not looked at by the peer (GOAWAY). */
  lastStreamId = Infinity;
  private leaving = false;
  private peerEnded = false;
  private readonly streams = new Set<SessionStream>();
  private readonly awaitingSettings: (() => void)[] = [];
  private tlsFailure: TlsFailureKind | null = null;
  private capacity = firstStreams;
  private session: ClientHttp2Session | null = null;
  private readonly context: UpstreamContext;
  private readonly owner: SessionOwner;
  private readonly deadline: Deadline;

  constructor(endpoint: EndpointState, context: UpstreamContext, owner: SessionOwner, options: SessionOptions, now: number) {
    this.endpoint = endpoint;
    this.context = context;
    this.owner = owner;
    const { purpose, connectTimeoutMs } = options;
    this.key = purpose.key;
    this.transport = endpoint.transport;
    this.deadline = new Deadline(() => this.onDeadline());
    this.socket = openSocket(endpoint, { purpose, read: null });
    this.socket.on('error', (error) => this.onError(error));
    this.socket.on('end', () => this.guard(() => this.onPeerEnd()));
    this.socket.on('close', () => this.guard(() => this.onClose()));
    this.socket.once(readyEvent(endpoint.transport), () => this.guard(() => this.onConnect()));
    if (connectTimeoutMs > 0) context.wheel.arm(this.deadline, now + connectTimeoutMs);
  }

  /** Whether another stream may begin. */
  get hasRoom(): boolean {
    return this.connected && !this.leaving && !this.closed && this.active < this.capacity;
  }

  /** It takes no new streams. */
  get isRetired(): boolean {
    return this.leaving;
  }

  /** Begins a stream; the caller gives it back with `release`. Null: the connection has just ended. */
  request(headers: string[], options: ClientSessionRequestOptions): ClientHttp2Stream | null {
    const { session } = this;
    if (session === null || session.closed || session.destroyed) return null;
    this.requests++;
    return session.request(headers, options);
  }

  /** Streams under way. */
  get active(): number {
    return this.streams.size;
  }

  /** One stream more. */
  take(stream: SessionStream): void {
    if (this.active === 0) this.context.wheel.arm(this.deadline, Infinity);
    this.streams.add(stream);
  }

  release(stream: SessionStream, now: number): void {
    this.streams.delete(stream);
    if (this.peerEnded && this.active === 0) this.socket.destroy();
    if (this.requests >= maxRequests) this.leave();
    if (this.active > 0 || this.closed) return;
    this.context.wheel.arm(this.deadline, now + (this.leaving ? closingMs : idleMs));
  }

  /** Calls back once the peer's SETTINGS are here, or the connection is gone. */
  onceSettled(run: () => void): void {
    this.awaitingSettings.push(run);
  }

  /** No new stream; those under way finish, then the connection closes. */
  leave(): void {
    if (this.leaving || this.closed) return;
    this.leaving = true;
    if (this.session === null) this.socket.destroy();
    else this.session.close();
    if (this.active === 0) this.context.wheel.arm(this.deadline, performance.now() + closingMs);
    this.owner.onLeaving(this);
  }

  /** Closes at once. */
  destroy(): void {
    this.socket.destroy();
  }

  private onConnect(): void {
    this.context.wheel.arm(this.deadline, performance.now() + idleMs);
    this.connected = true;
    this.agreed = agreedProtocol(this.socket);
    this.context.onConnect(this.endpoint, this.socket);
    if (this.agreed === '' || this.agreed === 'h2') this.begin();
    this.owner.onReady(this);
  }

  private begin(): void {
    const session = connect('http://upstream', {
      createConnection: () => this.socket,
      ...settings,
    });
    this.session = session;
    session.setLocalWindowSize(connectionWindow);
    session.on('remoteSettings', (peer) => {
      this.settled = true;
      this.allowsConnect = peer.enableConnectProtocol === true;
      this.capacity = Math.min(maxStreams, peer.maxConcurrentStreams ?? maxStreams);
      for (const run of this.awaitingSettings.splice(0)) this.guard(run);
      this.guard(() => this.owner.onSettings(this));
    });
    session.on('goaway', (code, lastStreamId) => {
      this.lastStreamId = Math.min(this.lastStreamId, lastStreamId);
      if (code !== 0) {
        // node:http2 ends every stream with it, at once.
        this.errorCode = `GOAWAY_${code}`;
        this.lost = true;
      }
      this.leaving = true;
      this.guard(() => this.owner.onLeaving(this));
    });
    session.on('error', (error) => this.onError(error));
  }

  /** What has arrived may still wait for slow clients: the connection stays until they have it. */
  private onPeerEnd(): void {
    this.peerEnded = true;
    this.lost = true;
    this.leaving = true;
    this.owner.onLeaving(this);
    for (const stream of [...this.streams]) stream.onPeerEnd();
    if (this.active === 0) this.socket.destroy();
  }

  private onError(error: Error): void {
    this.lost = true;
    if (this.errorCode !== '') return;
    const failure = socketFailure(error, this.transport.tls !== null, this.connected);
    this.errorCode = failure.code;
    this.tlsFailure = failure.tls;
  }

  private onDeadline(): void {
    if (!this.connected) {
      this.timedOut = true;
      if (this.transport.tls !== null && !this.socket.connecting) this.errorCode = tlsReason('handshake_timed_out');
      this.socket.destroy();
    } else if (this.leaving) this.socket.destroy();
    else this.leave();
  }

  private onClose(): void {
    if (this.closed) return;
    this.closed = true;
    this.lost = true;
    this.context.wheel.remove(this.deadline);
    this.context.onClose(this.endpoint, !this.connected, this.tlsFailure);
    for (const run of this.awaitingSettings.splice(0)) this.guard(run);
    this.owner.onClosed(this);
  }

  /** A bug ends this connection, not the worker. */
  private guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.context.onFault(error);
      this.socket.destroy();
    }
  }
}
