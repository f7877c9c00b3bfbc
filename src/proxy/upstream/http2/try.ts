import { createHash } from 'node:crypto';
import { failures, type Failure } from '../../failure.ts';
import { onResponseHead, onResponseTrailers } from '../../pipeline.ts';
import type { Exchange } from '../../protocol/exchange.ts';
import { ResponseHead } from '../../protocol/http1/head.ts';
import { Trailers } from '../../protocol/http1/trailers.ts';
import type { Attempt } from '../attempt.ts';
import type { ClusterState } from '../cluster-state.ts';
import type { EndpointState } from '../endpoint.ts';
import { requestPurpose } from '../request-purpose.ts';
import { tlsDetails } from '../tls/failure.ts';
import { maxInterim, responseLimits, type UpstreamTry } from '../try.ts';
import { requestHeaders, responseBytes, trailerBytes } from './headers.ts';
import { SessionPool, type SessionUser } from './pool.ts';
import type { UpstreamSession } from './session.ts';
import { awaitDrain, disown, own, type OwnedStream, type StreamOwner, wasCut } from './stream.ts';

/** Error codes of RST_STREAM (RFC 9113 §7). */
const protocolError = 1;
const refusedStream = 7;
const cancelStream = 8;
/** END_STREAM among a HEADERS frame's flags. */
const endStreamFlag = 1;
/** Pieces up to this size may wait for the end of the body. */
const smallBytes = 16 * 1024;
const maxTrailers = 128;
const maxTrailerBytes = 64 * 1024;

const startedReset: Failure = { ...failures.upstreamRemoteReset, details: 'upstream_reset_after_response_started{remote_reset}' };

/** `connect`: waits for a connection. `settings`: for the peer's SETTINGS, which tell whether it takes extended CONNECT. */
type Phase = 'idle' | 'connect' | 'settings' | 'head' | 'body' | 'tunnel';

/** One try over HTTP/2: one stream. */
export class Http2Try implements UpstreamTry, SessionUser, StreamOwner {
  private readonly x: Exchange;
  private readonly attempt: Attempt;
  private readonly head = new ResponseHead(responseLimits);
  private cluster: ClusterState | null = null;
  private endpoint: EndpointState | null = null;
  private pool: SessionPool | null = null;
  private session: UpstreamSession | null = null;
  private stream: OwnedStream | null = null;
  private phase: Phase = 'idle';
  private interims = 0;
  /** Body bytes that came before the head was told of: node:http2 tells of heads a tick later. */
  private readonly early: Buffer[] = [];
  private trailers: readonly string[] | null = null;
  private section: Trailers | null = null;
  /** A small piece of the request's body that waits for the turn's end: with the end of the body it is one frame. */
  private pending: Buffer | null = null;
  /** The session had served before: its server may have left it meanwhile. */
  private reused = false;
  private gotBytes = false;
  paused = false;
  /** Of an error of Node's own on the stream. */
  private errorCode = '';
  /** Our side of the stream is complete. */
  private requestEnded = false;
  /** The upstream closed its side of the tunnel. */
  private tunnelEnded = false;

  constructor(x: Exchange, attempt: Attempt) {
    this.x = x;
    this.attempt = attempt;
  }

  get inTunnel(): boolean {
    return this.phase === 'tunnel';
  }

  get takesBody(): boolean {
    return this.attempt.headSent && (this.phase === 'head' || this.phase === 'body');
  }

  begin(cluster: ClusterState, endpoint: EndpointState, now: number): void {
    this.cluster = cluster;
    this.endpoint = endpoint;
    this.phase = 'connect';
    this.interims = 0;
    this.trailers = null;
    this.gotBytes = false;
    this.paused = false;
    this.errorCode = '';
    this.requestEnded = false;
    this.tunnelEnded = false;
    this.pool = endpoint.http2 ??= new SessionPool(endpoint, this.x.worker);
    const isWelcome = this.pool.acquire(this, requestPurpose(this.x, cluster, endpoint), cluster.config.connectTimeoutMs, now);
    if (!isWelcome) this.fail(failures.upstreamOverflow);
  }

  onSession(session: UpstreamSession): void {
    const { x } = this;
    x.touch(performance.now());
    this.session = session;
    this.reused = session.requests > 0;
    // Called for one exchange after the other: a bug in one must not keep the others from theirs.
    try {
      this.useSession(session);
    } catch (error) {
      this.onBug(error);
    }
  }

  private useSession(session: UpstreamSession): void {
    if (this.x.upgradeTo === '' || session.settled) return this.send(session);
    this.phase = 'settings';
    session.onceSettled(() => {
      if (this.phase !== 'settings' || this.session !== session) return;
      if (session.closed) this.lose(session);
      else this.send(session);
    });
  }

  onSessionFailed(session: UpstreamSession): void {
    const { x } = this;
    x.touch(performance.now());
    x.upstreamTransportFailureReason = session.errorCode;
    this.attempt.avoidEndpoint();
    if (session.timedOut) this.fail(failures.connectTimeout);
    else this.fail(failures.connectFailure, tlsDetails('remote_connection_failure', session.errorCode));
  }

  onChanged(): void {
    this.phase = 'idle';
    this.x.touch(performance.now());
    try {
      this.attempt.beginAgain();
    } catch (error) {
      this.x.worker.onFault(error);
      this.x.down.abort();
    }
  }

  private send(session: UpstreamSession): void {
    const { x, cluster, endpoint } = this;
    if (cluster === null || endpoint === null) return;
    const { upgradeTo } = x;
    if (upgradeTo !== '' && !session.allowsConnect) return this.fail(failures.upstreamNoUpgrade);
    this.phase = 'head';
    this.head.reset(x.method);
    x.sentOn(session.socket);
    this.attempt.prepare(x.lastActivity);
    const { bodyKind } = x.head;
    const endStream = bodyKind === 'none' && upgradeTo === '';
    // Without trailers, which an intermediary may leave out (RFC 9110 §6.5.1): a session that fails while they wait for the peer's window
    // makes Node abort the whole process (nodejs/node#41458), and peer and client could both bring that about.
    const stream = session.request(requestHeaders(x, cluster, endpoint, upgradeTo), { endStream });
    if (stream === null) return this.fail({ ...failures.upstreamReset, retry: 'moved' });
    this.stream = stream;
    x.sentOn(session.socket);
    own(stream, this);
    this.requestEnded = endStream;
    this.attempt.headSent = true;
    x.down.pumpBody();
  }

  sendBody(buffer: Buffer, start: number, end: number, keep: boolean): boolean {
    const { stream } = this;
    if (stream === null) return true;
    this.attempt.bodySent = true;
    const bytes = keep ? buffer.subarray(start, end) : Buffer.from(buffer.subarray(start, end));
    if (this.pending === null && bytes.length <= smallBytes) {
      this.pending = bytes;
      queueMicrotask(this.writePending);
      return true;
    }
    this.writePending();
    return this.write(stream, bytes);
  }

  private write(stream: OwnedStream, bytes: Buffer): boolean {
    if (stream.write(bytes)) return true;
    awaitDrain(stream);
    return false;
  }

  private readonly writePending = (): void => {
    const { pending, stream } = this;
    if (pending === null) return;
    this.pending = null;
    if (stream !== null) this.write(stream, pending);
  };

  endBody(): void {
    const { stream } = this;
    if (stream === null || this.requestEnded) return;
    this.requestEnded = true;
    const { pending } = this;
    this.pending = null;
    if (pending === null) stream.end();
    else stream.end(pending);
  }

  /** node:http2 writes what there is at the end of the turn. */
  flushBody(): void {}

  /** Chunks of node:http2 are used for nothing else. */
  lend(): void {}

  onDrain(): void {
    this.x.down.resumeBody();
  }

  onDownstreamDrain(): void {
    if (!this.paused) return;
    this.paused = false;
    this.stream?.resume();
  }

  onInterim(status: number, raw: readonly string[]): void {
    const { x, head } = this;
    if (this.phase !== 'head') return;
    x.touch(performance.now());
    this.gotBytes = true;
    if (++this.interims > maxInterim)
      return this.fail(failures.upstreamProtocol, 'upstream_reset_before_response_started{too_many_interim_responses}');
    // Weir itself answered Expect: 100-continue.
    if (status === 100) return;
    if (!this.read(raw, status, '')) return;
    if (x.head.minor === 1) x.down.out.interim(head);
    head.reset(x.method);
  }

  onResponse(status: number, flags: number, raw: readonly string[]): void {
    const { x, head } = this;
    if (this.phase !== 'head') return;
    x.touch(performance.now());
    this.gotBytes = true;
    x.firstByteAt = x.lastActivity;
    if (x.upgradeTo !== '' && status >= 200 && status < 300) return this.startTunnel(raw);
    const isOver = (flags & endStreamFlag) !== 0;
    if (!this.read(raw, status, isOver ? '' : 'transfer-encoding: chunked\r\n')) return;
    if (isOver) this.settleEmpty();
    this.phase = 'body';
    onResponseHead(x, head);
    if (this.phase !== 'body') return;
    this.passEarly();
    if (this.phase !== 'body') return;
    if (isOver) this.endOfResponse();
    else x.down.out.post();
  }

  /** Reads a head by the rules of HTTP/1.1, so that nothing reaches a client that its own parser would refuse or read otherwise. */
  private read(raw: readonly string[], status: number, framing: string): boolean {
    const { head } = this;
    const extra = framing === '' || lengthOf(raw) !== null ? '' : framing;
    const bytes = responseBytes(raw, status, extra);
    const used = bytes === null ? -502 : head.parse(bytes.buffer, 0, bytes.length);
    if (bytes !== null && used === bytes.length && head.count === bytes.lines) return true;
    const reason = bytes === null ? 'http2.head_too_large' : head.error === '' ? 'http2.malformed_headers' : head.error;
    this.fail(failures.upstreamProtocol, `upstream_reset_before_response_started{${reason}}`);
    return false;
  }

  /** END_STREAM came with the head: there is no body, whatever the head says. */
  private settleEmpty(): void {
    const { head, x } = this;
    if (head.bodyKind === 'none') return;
    head.bodyKind = 'none';
    // An HTTP/1.1 client needs to be told; a gRPC client of HTTP/2 reads this head as trailers, which have no length.
    if (!x.isGrpc || x.protocol !== 'HTTP/2') head.put('content-length', '0');
  }

  private startTunnel(raw: readonly string[]): void {
    const { x, head } = this;
    if (!this.read(raw, 101, acceptLine(x, raw))) return;
    this.phase = 'tunnel';
    x.responseStarted = true;
    x.responseCode = 101;
    x.down.startTunnel(head);
    this.passEarly();
    x.down.out.flush();
  }

  onData(chunk: Buffer): void {
    if (this.phase === 'head') {
      this.early.push(chunk);
      return;
    }
    if (this.phase !== 'body' && this.phase !== 'tunnel') return;
    this.x.touch(performance.now());
    this.pass(chunk);
    if (this.phase === 'tunnel') this.x.down.out.flush();
    else if (this.phase === 'body') this.x.down.out.post();
  }

  private passEarly(): void {
    for (const chunk of this.early.splice(0)) this.pass(chunk);
  }

  /** Hands body bytes to the client and stops reading while it takes no more. */
  private pass(chunk: Buffer): void {
    const { x } = this;
    if (this.phase === 'idle') return;
    if (this.phase === 'body' && this.head.bodyKind === 'none')
      return this.fail(failures.upstreamProtocol, 'upstream_protocol_error{http2.unexpected_body}');
    x.bytesSent += chunk.length;
    const more = x.down.writeBody(chunk, 0, chunk.length, true);
    if (!more && !this.paused && this.stream !== null) {
      this.paused = true;
      this.stream.pause();
    }
  }

  onTrailers(raw: readonly string[]): void {
    this.trailers = raw;
  }

  onEnd(): void {
    this.x.touch(performance.now());
    // What is missing is told of by `onClose`.
    if (this.stream !== null && wasCut(this.stream)) return;
    if (this.phase === 'body') return this.endOfResponse();
    if (this.phase === 'tunnel') {
      this.tunnelEnded = true;
      this.x.down.endTunnel();
    }
  }

  private endOfResponse(): void {
    const { x, head } = this;
    const trailers = this.readTrailers();
    if (this.phase !== 'body') return;
    if (trailers !== null) onResponseTrailers(x, head, trailers);
    x.down.out.end(trailers);
    x.down.out.post();
    this.release();
    x.down.finish();
  }

  /** By the rules of header lines, like the head. */
  private readTrailers(): Trailers | null {
    const raw = this.trailers;
    if (raw === null || raw.length === 0) return null;
    this.trailers = null;
    const bytes = trailerBytes(raw);
    const trailers = (this.section ??= new Trailers(maxTrailers, maxTrailerBytes));
    trailers.reset();
    const used = bytes === null ? -431 : trailers.parse(bytes, bytes.length);
    if (used === bytes?.length && trailers.count === raw.length / 2) return trailers;
    const reason = bytes === null ? 'http2.trailers_too_large' : trailers.error === '' ? 'http2.malformed_headers' : trailers.error;
    this.fail(failures.upstreamProtocol, `upstream_protocol_error{${reason}}`);
    return null;
  }

  onPeerEnd(): void {
    const { session, stream } = this;
    // Closed with all that it brought, which the client has not taken yet.
    if (session === null || (stream !== null && stream.closed && stream.rstCode === 0)) return;
    this.x.touch(performance.now());
    if (this.phase === 'tunnel') this.leaveTunnel(failures.upstreamTruncated);
    else this.lose(session);
  }

  /** An upstream that has closed its side before owes nothing more: the client is left to close its own. */
  private leaveTunnel(failure: Failure): void {
    const { x, tunnelEnded } = this;
    this.release();
    if (tunnelEnded) return;
    x.flag(failure);
    x.down.abort();
  }

  onError(code: string): void {
    this.errorCode = code;
  }

  onClose(errorCode: number): void {
    const { x, session, stream } = this;
    if (this.phase === 'idle' || session === null) return;
    x.touch(performance.now());
    if (this.phase === 'tunnel') return this.leaveTunnel(session.lost ? failures.upstreamTruncated : startedReset);
    const isUnseen = stream?.id !== undefined && stream.id > session.lastStreamId;
    const started = this.phase === 'body';
    // What nghttp2 cannot read ends the connection with it: not the network's doing.
    const isMalformed = errorCode === protocolError || this.errorCode === 'ERR_HTTP2_ERROR';
    if (session.lost && !isUnseen && !isMalformed) return this.lose(session);
    if (isMalformed) this.fail(failures.upstreamProtocol, started ? 'upstream_reset_after_response_started{protocol_error}' : undefined);
    else if (started) this.fail(startedReset, startedReset.details);
    else if (isUnseen) this.fail(failures.upstreamLeft);
    else this.fail(errorCode === refusedStream ? failures.upstreamRefused : failures.upstreamRemoteReset);
  }

  /** The connection is gone. */
  private lose(session: UpstreamSession): void {
    if (session.errorCode !== '') this.x.upstreamTransportFailureReason = session.errorCode;
    this.fail(this.phase === 'body' ? failures.upstreamTruncated : failures.upstreamReset);
  }

  /** A bug in one exchange ends that exchange. */
  onBug(error: unknown): void {
    this.x.worker.onFault(error);
    this.x.worker.staging.discard();
    this.fail(failures.bug);
  }

  private fail(failure: Failure, details?: string): void {
    if (this.phase === 'idle') return;
    const isStale = this.reused && !this.gotBytes;
    this.release();
    this.attempt.failed(failure, details, isStale);
  }

  cancel(): void {
    if (this.phase !== 'idle') this.release();
  }

  /** Lets go of the stream, and resets it unless both sides are complete. */
  private release(): void {
    const { stream, session, pool } = this;
    const isDone = this.requestEnded && this.phase === 'body' && stream?.readableEnded === true;
    if (this.phase === 'connect') pool?.forget(this);
    this.phase = 'idle';
    this.stream = null;
    this.session = null;
    this.early.length = 0;
    this.pending = null;
    this.head.letGo();
    if (stream !== null) {
      disown(stream);
      if (!isDone && !stream.destroyed) stream.close(cancelStream);
      // What a paused stream still holds would keep it alive.
      if (this.paused) stream.resume();
    }
    this.attempt.over();
    if (session !== null) pool?.release(session, this, this.x.lastActivity);
  }

  tunnel(chunk: Buffer): boolean {
    return this.stream === null || this.write(this.stream, Buffer.from(chunk));
  }

  endTunnel(): void {
    this.requestEnded = true;
    this.stream?.end();
  }
}

function lengthOf(raw: readonly string[]): string | null {
  for (let i = 0; i + 1 < raw.length; i += 2) if (raw[i] === 'content-length') return raw[i + 1];
  return null;
}

/** The line an HTTP/1.1 WebSocket client waits for; extended CONNECT has no such answer (RFC 8441 §5.1, RFC 6455 §4.2.2). */
function acceptLine(x: Exchange, raw: readonly string[]): string {
  const key = x.head.get('sec-websocket-key');
  if (key === null || raw.includes('sec-websocket-accept')) return '';
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  return `sec-websocket-accept: ${accept}\r\n`;
}
