import { constants, type ServerHttp2Stream } from 'node:http2';
import { Deadline } from '../../../base/wheel.ts';
import type { LocalReply } from '../../../filters/define.ts';
import type { ConnectionChain } from '../../../model/chain.ts';
import { failures, type Failure } from '../../failure.ts';
import type { PeerTls } from '../../listen/client.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import { onRequest } from '../../pipeline.ts';
import { failureReply, renderFor } from '../../reply.ts';
import type { WorkerRuntime } from '../../runtime.ts';
import { Exchange, type Downstream, type ResponseOutput } from '../exchange.ts';
import { RequestHead, type ResponseHead } from '../http1/head.ts';
import { replyLines } from '../http1/reply-lines.ts';
import { timeLimits } from '../http1/time-limits.ts';
import type { Trailers } from '../http1/trailers.ts';
import { RequestLines, type Handshake } from './request-lines.ts';
import { fieldsObject, replyFields, responseFields } from './response-fields.ts';
import { readTrailers } from './trailer-lines.ts';
import { webSocketHandshake } from './websocket.ts';

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR, NGHTTP2_PROTOCOL_ERROR } = constants;

/** Slices above this are passed on without a copy when they may be kept. */
const copyLimit = 16 * 1024;

const ignore = (): void => undefined;
const proceed = (callback: () => void): void => callback();
const open = {};
const ended = { endStream: true };
const withTrailers = { waitForTrailers: true };

/** What a stream needs of its connection. */
export interface StreamOwner {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly directRemoteAddress: string;
  readonly connectionId: number;
  readonly tls: PeerTls | null;
  readonly chain: ConnectionChain | null;
  /** A DATA frame's content was read. */
  onBody(bytes: number): void;
  /** Body bytes may still come that nobody takes. */
  onBodyUnwanted(): void;
  /** Response bytes were handed over. */
  onSent(bytes: number): void;
  /** Nothing of the stream is left. */
  onStreamClosed(stream: ServerStream): void;
}

/**
 * `exchange`: under way. `tunnel`: a WebSocket. `ending`: all of the response was handed over, not all of it taken.
 * `closed`: the stream is gone; the object waits for the next one.
 */
type State = 'exchange' | 'tunnel' | 'ending' | 'closed';

/** One request and its response on an HTTP/2 connection. Used again for other streams of the same listener. */
export class ServerStream implements Downstream, ResponseOutput {
  readonly out: ResponseOutput = this;
  requestDone = false;
  private readonly worker: WorkerRuntime;
  private readonly at: ListenerRuntime;
  private readonly lines = new RequestLines();
  private readonly head: RequestHead;
  private readonly x: Exchange;
  private readonly deadline: Deadline;
  private owner: StreamOwner | null = null;
  private stream: ServerHttp2Stream | null = null;
  private state: State = 'closed';
  private handshake: Handshake | null = null;
  /** Request body bytes so far. */
  private bytes = 0;
  private reading = false;
  private paused = false;
  private continued = false;
  private trailers: Trailers | null = null;
  /** The response has no body, whatever comes. */
  private bodyless = false;
  /** The response ends with a trailer section, which may be empty. */
  private trailing = false;
  private responseTrailers: Trailers | null = null;
  /** The last small piece of the response's body: it leaves with the end, or with the flush. */
  private pending: Buffer | null = null;
  private drainHooked = false;
  private ourEnd = false;
  /** Bytes that were waiting when the deadline was looked at last. */
  private unsent = 0;
  private readonly fields: string[] = [];

  constructor(worker: WorkerRuntime, at: ListenerRuntime) {
    this.worker = worker;
    this.at = at;
    this.head = new RequestHead(at.headLimits);
    this.x = new Exchange(worker, at, this, this.head);
    this.deadline = new Deadline((now) => this.guarded(() => this.onDeadline(now)));
  }

  /** A request arrived. `fields`: name, value, name, value …; `endsHere`: no body follows. */
  begin(owner: StreamOwner, stream: ServerHttp2Stream, fields: readonly string[], endsHere: boolean): void {
    this.owner = owner;
    this.stream = stream;
    this.state = 'exchange';
    this.requestDone = endsHere;
    this.handshake = null;
    this.bytes = 0;
    this.reading = false;
    this.paused = false;
    this.continued = false;
    this.trailers = null;
    this.bodyless = false;
    this.trailing = false;
    this.responseTrailers = null;
    this.pending = null;
    this.drainHooked = false;
    this.ourEnd = false;
    this.unsent = 0;
    stream.on('error', ignore);
    stream.on('close', this.onClose);
    if (!endsHere) {
      stream.on('trailers', this.onTrailers);
      stream.on('aborted', this.onAborted);
    }
    this.guarded(() => this.decode(fields, endsHere));
  }

  private decode(fields: readonly string[], endsHere: boolean): void {
    const { x, lines, head } = this;
    const now = performance.now();
    const { limits } = this.at.config;
    head.reset();
    if (isConnect(fields)) this.handshake = webSocketHandshake();
    let status = lines.write(fields, endsHere, this.handshake) ? 0 : -400;
    if (status === 0) status = lines.read(head, endsHere);
    x.begin(now);
    x.protocol = 'HTTP/2';
    if (endsHere) x.requestReceivedAt = now;
    if (limits.streamIdleTimeoutMs > 0) this.worker.wheel.arm(this.deadline, now + limits.streamIdleTimeoutMs);
    if (status !== 0) {
      x.method = '-';
      return this.failRequest({ ...failures.badHead, status: -status }, lines.error);
    }
    if (lines.protocol !== '' && lines.protocol !== 'websocket') {
      // RFC 8441 §3 leaves it open; RFC 9220 §3 says 501 for a protocol that is not known.
      return this.failRequest({ ...failures.badHead, flag: '', status: 501, message: 'Not Implemented' }, 'http2.protocol_not_supported');
    }
    if (limits.maxBodyBytes > 0 && head.contentLength > limits.maxBodyBytes) return this.failRequest(failures.bodyTooLarge);
    onRequest(x);
  }

  get remoteAddress(): string {
    return this.owner?.remoteAddress ?? '';
  }
  get remotePort(): number {
    return this.owner?.remotePort ?? 0;
  }
  get localAddress(): string {
    return this.owner?.localAddress ?? '';
  }
  get directRemoteAddress(): string {
    return this.owner?.directRemoteAddress ?? '';
  }
  get connectionId(): number {
    return this.owner?.connectionId ?? 0;
  }
  get tls(): PeerTls | null {
    return this.owner?.tls ?? null;
  }
  get chain(): ConnectionChain | null {
    return this.owner?.chain ?? null;
  }

  /** Bytes that arrived and wait here to be taken, frame heads included. */
  get waiting(): number {
    const { stream } = this;
    if (stream === null || stream.readableLength === 0) return 0;
    const chunks: unknown = Reflect.get(stream, 'readableBuffer');
    return stream.readableLength + (Array.isArray(chunks) ? chunks.length * 9 : 0);
  }

  /** Runs what an event asks for. A bug in one exchange ends that exchange, not the connection. */
  private guarded(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.worker.onFault(error);
      this.worker.staging.discard();
      const { x } = this;
      x.attempt.cancel();
      if (x.live) {
        x.flag(failures.bug);
        if (!x.responseStarted) x.responseCode = 500;
        x.end(performance.now());
      }
      this.reset(NGHTTP2_INTERNAL_ERROR);
    }
  }

  /** Ends the stream at once, and never as if its response were whole. */
  private reset(code: number): void {
    const { stream } = this;
    if (this.state === 'closed' || stream === null) return;
    this.state = 'ending';
    this.pending = null;
    // node:http2 ends the writable side of a stream that is closed: END_STREAM would go out before the reset.
    stream._final = proceed;
    stream.close(code);
    // Unread bytes would keep it from closing.
    this.discardBody(stream);
  }

  private discardBody(stream: ServerHttp2Stream): void {
    if (this.requestDone) return;
    if (!this.reading) stream.on('data', this.onData);
    this.reading = true;
    this.paused = false;
    stream.resume();
  }

  // ---- the request's body ----

  pumpBody(): void {
    const { stream, x } = this;
    if (stream === null || this.state !== 'exchange') return;
    if (this.requestDone) {
      // The body ended before this try could take its end.
      if (this.reading) this.endBody();
      return;
    }
    if (!this.reading) {
      this.reading = true;
      if (this.head.expectContinue && !this.continued && this.bytes === 0 && !x.responseStarted) {
        this.continued = true;
        stream.additionalHeaders({ ':status': 100 });
      }
      stream.on('data', this.onData);
      stream.on('end', this.onEnd);
    } else this.resume();
  }

  resumeBody(): void {
    this.resume();
  }

  private resume(): void {
    if (this.paused) this.stream?.resume();
    this.paused = false;
  }

  private pause(): void {
    if (!this.paused) this.stream?.pause();
    this.paused = true;
  }

  private readonly onData = (chunk: Buffer): void => {
    this.owner?.onBody(chunk.length);
    this.guarded(() => this.take(chunk));
  };

  private take(chunk: Buffer): void {
    const { x } = this;
    if (this.state === 'tunnel') {
      x.touch(performance.now());
      if (!x.attempt.tunnel(chunk)) this.pause();
      return;
    }
    if (this.state !== 'exchange' || !x.live) return;
    x.touch(performance.now());
    if (!x.attempt.takesBody) {
      // Between two tries: it waits for the next one.
      this.pause();
      this.stream?.unshift(chunk);
      return;
    }
    this.bytes += chunk.length;
    x.bytesReceived = this.bytes;
    const { maxBodyBytes } = this.at.config.limits;
    if (maxBodyBytes > 0 && this.bytes > maxBodyBytes) return this.failRequest(failures.bodyTooLarge);
    if (this.head.bodyKind === 'length' && this.bytes > this.head.contentLength) return this.mismatch();
    if (!x.attempt.sendBody(chunk, 0, chunk.length, true)) this.pause();
    x.attempt.flushBody();
  }

  private readonly onEnd = (): void => this.guarded(() => this.onRequestEnd());

  private onRequestEnd(): void {
    const { x, head } = this;
    if (this.requestDone) return;
    this.requestDone = true;
    if (this.state === 'tunnel') {
      if (!this.ourEnd) return x.attempt.endTunnel();
      x.attempt.cancel();
      return this.finish();
    }
    if (this.state !== 'exchange' || !x.live) return;
    const now = performance.now();
    x.touch(now);
    x.requestReceivedAt = now;
    if (head.bodyKind === 'length' && this.bytes !== head.contentLength) return this.mismatch();
    if (!x.attempt.takesBody) return;
    this.endBody();
    x.attempt.flushBody();
  }

  private endBody(): void {
    if (this.head.bodyKind !== 'none') this.x.attempt.endBody(this.trailers);
  }

  private mismatch(): void {
    this.failRequest(failures.badRequestBody, 'http2.content_length_mismatch');
  }

  private readonly onTrailers = (_headers: object, _flags: number, fields: readonly string[]): void => {
    this.guarded(() => {
      if (this.state !== 'exchange' || !this.x.live) return;
      this.trailers = readTrailers(fields, this.at.headLimits.maxHeadBytes);
      if (this.trailers === null) this.failRequest(failures.badRequestBody, 'http2.trailers_invalid');
    });
  };

  // ---- the response ----

  reply(reply: LocalReply): void {
    const { x, stream, fields } = this;
    if (!x.live || x.responseStarted || stream === null) return;
    x.attempt.cancel();
    x.flag(reply);
    const rendered = renderFor(x, reply);
    // To an extended CONNECT a success would mean an open tunnel.
    const isTunnelled = this.handshake !== null && rendered.status >= 200 && rendered.status < 300;
    const shown = isTunnelled ? { ...rendered, status: 501 } : rendered;
    x.responseStarted = true;
    x.responseCode = shown.status;
    const bodyless = x.method === 'HEAD' || shown.body.length === 0;
    if (this.isOpen()) {
      replyFields(shown, replyLines(x, shown), fields);
      stream.respond(fields, bodyless ? ended : open);
      if (!bodyless) stream.end(shown.body);
      if (!bodyless) x.bytesSent = shown.body.length;
      this.owner?.onSent(x.bytesSent);
    }
    this.finish();
  }

  startResponse(head: ResponseHead): void {
    const { x, stream, fields } = this;
    const { status, bodyKind } = head;
    if (status > 599 || (this.handshake !== null && status >= 200 && status < 300)) {
      // node:http2 sends no such status; and a success without a tunnel would be taken for one.
      x.responseStarted = false;
      x.responseCodeDetails = '';
      return this.reply(failureReply(failures.upstreamProtocol));
    }
    // 205 has no body (RFC 9110 §15.3.6), and node:http2 ends the stream.
    this.bodyless = bodyKind === 'none' || status === 205 || x.method === 'HEAD';
    if (stream === null || !this.isOpen()) return;
    responseFields(head, status, fields);
    this.trailing = !this.bodyless && bodyKind === 'chunked';
    if (this.trailing) {
      stream.on('wantTrailers', this.onWantTrailers);
      stream.respond(fields, withTrailers);
    } else stream.respond(fields, this.bodyless ? ended : open);
  }

  /** The client has not reset the stream. */
  private isOpen(): boolean {
    const { stream } = this;
    return stream !== null && !stream.destroyed && !stream.closed;
  }

  interim(head: ResponseHead): void {
    const { stream } = this;
    if (stream !== null && this.isOpen() && !stream.headersSent) stream.additionalHeaders(fieldsObject(head, head.status));
  }

  writeBody(buffer: Buffer, start: number, end: number, keep: boolean): boolean {
    const { stream } = this;
    if (stream === null || this.bodyless || !this.isOpen()) return true;
    const length = end - start;
    if (length === 0) return true;
    this.owner?.onSent(length);
    if (this.pending !== null) stream.write(this.pending);
    this.pending = null;
    if (keep && length > copyLimit) {
      stream.write(buffer.subarray(start, end));
      this.x.attempt.lend();
    } else {
      const copy = Buffer.allocUnsafe(length);
      buffer.copy(copy, 0, start, end);
      this.pending = copy;
    }
    return this.takesMore(stream);
  }

  flush(): boolean {
    const { stream, pending } = this;
    if (stream === null) return true;
    this.pending = null;
    if (pending !== null && this.isOpen()) stream.write(pending);
    return this.takesMore(stream);
  }

  post(): void {
    this.flush();
  }

  private takesMore(stream: ServerHttp2Stream): boolean {
    if (!stream.writableNeedDrain) return true;
    if (!this.drainHooked) {
      this.drainHooked = true;
      stream.on('drain', this.onDrain);
    }
    return false;
  }

  private readonly onDrain = (): void =>
    this.guarded(() => {
      const { x } = this;
      if ((this.state !== 'exchange' && this.state !== 'tunnel') || !x.live) return;
      x.touch(performance.now());
      x.attempt.onDownstreamDrain();
    });

  end(trailers: Trailers | null): void {
    const { stream, pending } = this;
    this.pending = null;
    if (stream === null || !this.isOpen() || this.bodyless) return;
    if (this.trailing) this.responseTrailers = trailers;
    if (pending === null) stream.end();
    else stream.end(pending);
  }

  private readonly onWantTrailers = (): void => {
    const { stream, responseTrailers } = this;
    if (stream === null || !this.isOpen()) return;
    this.guarded(() => stream.sendTrailers(responseTrailers === null ? {} : fieldsObject(responseTrailers, 0)));
    this.responseTrailers = null;
  };

  // ---- a WebSocket ----

  startTunnel(head: ResponseHead): void {
    const { x, stream, fields } = this;
    const accept = head.get('sec-websocket-accept');
    if (this.handshake === null || (accept !== null && accept !== this.handshake.accept)) {
      x.responseStarted = false;
      return this.reply(failureReply(failures.upstreamProtocol, 'upstream_reset_before_response_started{handshake_invalid}'));
    }
    this.state = 'tunnel';
    x.responseCode = 200;
    if (stream === null || !this.isOpen()) return;
    head.drop('sec-websocket-accept');
    responseFields(head, 200, fields);
    stream.respond(fields, open);
    if (!this.reading) {
      this.reading = true;
      stream.on('data', this.onData);
      stream.on('end', this.onEnd);
    } else this.resume();
  }

  /** The upstream has closed its side of the tunnel. */
  endTunnel(): void {
    const { stream } = this;
    if (this.ourEnd || this.state !== 'tunnel') return;
    this.ourEnd = true;
    this.flush();
    if (stream !== null && this.isOpen()) stream.end();
    if (!this.requestDone) return;
    this.x.attempt.cancel();
    this.finish();
  }

  // ---- ends ----

  /** The request cannot be carried on: answered, or cut when the response has begun. */
  private failRequest(failure: Failure, details = failure.details): void {
    const { x } = this;
    this.worker.staging.discard();
    x.attempt.cancel();
    x.flag({ flag: failure.flag, details });
    if (x.responseStarted) this.abort();
    else this.reply(failureReply(failure, details));
  }

  abort(): void {
    const { x } = this;
    const wasTunnel = this.state === 'tunnel';
    this.worker.staging.discard();
    x.attempt.cancel();
    if (wasTunnel && this.ourEnd) return this.finish();
    x.end(performance.now());
    // Never an orderly end: the client must not take what it has for the whole.
    this.reset(wasTunnel || !x.responseStarted ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR);
  }

  finish(): void {
    const { x, stream, head } = this;
    const now = x.lastActivity; // set by every event that can end an exchange
    x.end(now);
    head.letGo();
    this.lines.release();
    if (this.state === 'closed' || stream === null) return;
    this.state = 'ending';
    const { streamIdleTimeoutMs } = this.at.config.limits;
    this.unsent = stream.bufferSize;
    this.worker.wheel.arm(this.deadline, streamIdleTimeoutMs > 0 ? now + streamIdleTimeoutMs : Infinity);
    if (this.requestDone) return;
    // The answer came before the whole request: what is still under way of it is not wanted (RFC 9113 §8.1).
    this.owner?.onBodyUnwanted();
    this.discardBody(stream);
    // Not while node:http2 may still be reading: nghttp2 would send the reset and not the answer before it.
    setImmediate(() => {
      if (!stream.destroyed && !stream.closed) stream.close(NGHTTP2_NO_ERROR);
    });
  }

  /** The client reset the stream while a body was under way. */
  private readonly onAborted = (): void => {
    if (this.state !== 'exchange' && this.state !== 'tunnel') return;
    // What it had sent is not read any more, so that the stream can close.
    this.guarded(() => {
      this.loseClient();
      if (this.stream !== null) this.discardBody(this.stream);
    });
  };

  private loseClient(): void {
    const { x, stream } = this;
    this.worker.staging.discard();
    if (!x.live) return;
    if (stream !== null && stream.rstCode === NGHTTP2_PROTOCOL_ERROR)
      x.flag({ ...failures.badRequestBody, details: 'http2.protocol_error' });
    else if (this.state !== 'tunnel') x.flag(failures.downstreamGone);
    x.attempt.cancel();
    x.end(performance.now());
  }

  /** The connection is cut for what the client did: its exchanges say why. */
  blame(failure: Pick<Failure, 'flag' | 'details'>): void {
    if (this.x.live) this.x.flag(failure);
  }

  private readonly onClose = (): void => {
    this.guarded(() => this.loseClient());
    this.state = 'closed';
    this.pending = null;
    this.responseTrailers = null;
    this.trailers = null;
    this.stream = null;
    const { owner } = this;
    this.owner = null;
    this.head.letGo();
    this.lines.release();
    this.worker.wheel.arm(this.deadline, Infinity);
    owner?.onStreamClosed(this);
  };

  limitTime(at: number): void {
    if (at < this.deadline.at) this.worker.wheel.arm(this.deadline, at);
  }

  private onDeadline(now: number): void {
    const { stream, x } = this;
    if (this.state === 'closed' || stream === null) return;
    if (this.state === 'ending') {
      // A client that takes nothing of its response does not hold it.
      const left = stream.bufferSize;
      const { streamIdleTimeoutMs } = this.at.config.limits;
      if (left < this.unsent && streamIdleTimeoutMs > 0) this.worker.wheel.arm(this.deadline, now + streamIdleTimeoutMs);
      else this.reset(NGHTTP2_CANCEL);
      this.unsent = left;
      return;
    }
    const verdict = timeLimits(x, this.requestDone, this.state === 'tunnel', now);
    if (typeof verdict === 'number') return this.worker.wheel.arm(this.deadline, verdict);
    x.touch(now);
    if (this.state === 'tunnel') this.abort();
    else if (verdict.source === 'upstream') this.expire(verdict);
    else this.failRequest(verdict);
  }

  /** The upstream was too slow. */
  private expire(failure: Failure): void {
    const { x } = this;
    x.attempt.cancel();
    x.flag(failure);
    if (x.responseStarted) this.abort();
    else this.reply(failureReply(failure));
  }
}

/** An extended CONNECT (RFC 8441). */
function isConnect(fields: readonly string[]): boolean {
  for (let i = 0; i < fields.length && fields[i].charCodeAt(0) === 0x3a; i += 2) if (fields[i] === ':protocol') return true;
  return false;
}
