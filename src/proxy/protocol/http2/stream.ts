import { constants, type ServerHttp2Stream } from 'node:http2';
import { Deadline } from '../../../base/wheel.ts';
import type { LocalReply } from '../../../filters/define.ts';
import { failures, type Failure } from '../../failure.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import { onRequest } from '../../pipeline.ts';
import { failureReply, renderFor } from '../../reply.ts';
import type { WorkerRuntime } from '../../runtime.ts';
import { Exchange, type Downstream } from '../exchange.ts';
import { RequestHead, type ResponseHead } from '../http1/head.ts';
import { GrpcFrames } from '../grpc/frames.ts';
import { replyLines } from '../http1/reply-lines.ts';
import { timeLimits } from '../http1/time-limits.ts';
import type { Trailers } from '../http1/trailers.ts';
import { RequestLines, type Handshake } from './request-lines.ts';
import { StreamOutput, type OutputUser } from './stream-output.ts';
import { StreamPeer, type StreamOwner } from './stream-peer.ts';
import { readTrailers } from './trailer-lines.ts';
import { isExtendedConnect, webSocketHandshake } from './websocket.ts';

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR } = constants;

const ignore = (): void => undefined;

/**
 * `exchange`: under way. `tunnel`: a WebSocket. `ending`: all of the response was handed over, not all of it taken.
 * `closed`: the stream is gone; the object waits for the next one.
 */
type State = 'exchange' | 'tunnel' | 'ending' | 'closed';

/** One request and its response on an HTTP/2 connection. Used again for other streams of the same listener. */
export class ServerStream extends StreamPeer<ServerStream> implements Downstream, OutputUser {
  readonly out: StreamOutput = new StreamOutput(this);
  /** Of an extended CONNECT too: what follows its head is the tunnel's. */
  requestDone = false;
  /** The client has ended its side of the stream. */
  private clientEnded = false;
  private readonly worker: WorkerRuntime;
  private readonly at: ListenerRuntime;
  private readonly lines = new RequestLines();
  private readonly asked = new GrpcFrames();
  private readonly answered = new GrpcFrames();
  private readonly head: RequestHead;
  private readonly x: Exchange;
  private readonly deadline: Deadline;
  private state: State = 'closed';
  /** Of an extended CONNECT; null for other requests. */
  private handshake: Handshake | null = null;
  /** Request body bytes so far. */
  private bytes = 0;
  private reading = false;
  private paused = false;
  private trailers: Trailers | null = null;
  /** The upstream has closed its side of the tunnel. */
  private tunnelEnded = false;
  /** The connection was cut for what its client did, and the log says so. */
  private blamed = false;
  /** Bytes that were waiting when the deadline was looked at last. */
  private unsent = 0;

  constructor(worker: WorkerRuntime, at: ListenerRuntime) {
    super();
    this.worker = worker;
    this.at = at;
    this.head = new RequestHead(at.headLimits);
    this.x = new Exchange(worker, at, this, this.head);
    this.deadline = new Deadline((now) => this.onDeadline(now));
  }

  /** A request arrived. `fields`: name, value, name, value …; `endsHere`: no body follows. */
  begin(owner: StreamOwner<ServerStream>, stream: ServerHttp2Stream, fields: readonly string[], endsHere: boolean): void {
    this.owner = owner;
    this.stream = stream;
    this.out.attach(stream);
    this.state = 'exchange';
    this.clientEnded = endsHere;
    this.requestDone = endsHere;
    this.handshake = null;
    this.bytes = 0;
    this.asked.reset();
    this.answered.reset();
    this.reading = false;
    this.paused = false;
    this.trailers = null;
    this.tunnelEnded = false;
    this.blamed = false;
    stream.on('error', ignore);
    stream.on('close', this.onClose);
    if (!endsHere) {
      stream.on('trailers', this.onTrailers);
      stream.on('aborted', this.onAborted);
    }
    try {
      this.decode(fields, endsHere);
    } catch (error) {
      this.onFault(error);
    }
  }

  private decode(fields: readonly string[], endsHere: boolean): void {
    const { x, lines, head } = this;
    const now = performance.now();
    const { limits } = this.at.config;
    if (isExtendedConnect(fields)) {
      this.handshake = webSocketHandshake();
      this.requestDone = true;
    }
    let status = -400;
    if (lines.write(fields, endsHere, this.handshake)) status = lines.read(head, endsHere);
    else head.reset();
    x.begin(now);
    x.protocol = 'HTTP/2';
    if (this.requestDone) x.requestReceivedAt = now;
    if (limits.streamIdleTimeoutMs > 0) this.worker.wheel.arm(this.deadline, now + limits.streamIdleTimeoutMs);
    if (status !== 0) {
      x.method = '-';
      return this.failRequest({ ...failures.badHead, status: -status }, lines.error);
    }
    if (lines.protocol !== '' && lines.protocol !== 'websocket') {
      // RFC 8441 leaves the status open; RFC 9220 §3 says 501 for a protocol that is not known.
      return this.failRequest({ ...failures.badHead, flag: '', status: 501, message: 'Not Implemented' }, 'http2.protocol_not_supported');
    }
    if (limits.maxBodyBytes > 0 && head.contentLength > limits.maxBodyBytes) return this.failRequest(failures.bodyTooLarge);
    onRequest(x);
  }

  /** A bug in one exchange ends that exchange, not the connection. */
  onFault(error: unknown): void {
    this.worker.onFault(error);
    this.worker.staging.discard();
    const { x } = this;
    x.attempt.cancel();
    if (x.live) {
      x.flag(failures.bug);
      if (!x.responseStarted) x.responseCode = 500;
      x.end(performance.now());
    }
    this.cut(NGHTTP2_INTERNAL_ERROR);
  }

  private cut(code: number): void {
    if (this.state === 'closed') return;
    this.state = 'ending';
    this.out.cut(code);
    // Unread bytes would keep it from closing.
    this.discardBody();
  }

  // ---- the request's body ----

  pumpBody(): void {
    const { stream, x } = this;
    if (stream === null || this.state !== 'exchange') return;
    if (this.requestDone) {
      // The body ended before this try could take its end.
      if (this.reading && this.handshake === null) this.endBody();
    } else if (this.reading) this.resumeBody();
    else {
      // The one place that answers Expect (RFC 9110 §10.1.1).
      if (this.head.expectContinue && !x.responseStarted && stream.readableLength === 0) stream.additionalHeaders({ ':status': 100 });
      this.read(stream);
    }
  }

  private read(stream: ServerHttp2Stream): void {
    this.reading = true;
    stream.on('data', this.onData);
    stream.on('end', this.onEnd);
    // A body that ends without a byte is at its end whether somebody listens or not.
    if (stream.readableEnded) this.onEnd();
  }

  resumeBody(): void {
    if (this.paused) this.stream?.resume();
    this.paused = false;
  }

  private pause(): void {
    if (!this.paused) this.stream?.pause();
    this.paused = true;
  }

  /** What still comes of the request is dropped. */
  private discardBody(): void {
    const { stream } = this;
    if (this.clientEnded || stream === null) return;
    if (!this.reading) this.read(stream);
    this.paused = false;
    stream.resume();
  }

  private readonly onData = (chunk: Buffer): void => {
    this.owner?.onBody(chunk.length);
    try {
      if (this.state === 'tunnel') this.takeTunnel(chunk);
      else if (this.state === 'exchange') this.take(chunk);
    } catch (error) {
      this.onFault(error);
    }
  };

  private takeTunnel(chunk: Buffer): void {
    const { x } = this;
    x.touch(performance.now());
    if (!x.attempt.tunnel(chunk)) this.pause();
  }

  private take(chunk: Buffer): void {
    const { x, head } = this;
    if (!x.live) return;
    x.touch(performance.now());
    if (!x.attempt.takesBody) {
      // Between two tries: it waits for the next one.
      this.pause();
      this.stream?.unshift(chunk);
      return;
    }
    this.bytes += chunk.length;
    x.bytesReceived = this.bytes;
    if (x.isGrpc) {
      this.asked.read(chunk, 0, chunk.length);
      x.requestMessages = this.asked.messages;
    }
    const { maxBodyBytes } = this.at.config.limits;
    if (maxBodyBytes > 0 && this.bytes > maxBodyBytes) return this.failRequest(failures.bodyTooLarge);
    if (head.contentLength >= 0 && this.bytes > head.contentLength) return this.mismatch();
    if (!x.attempt.sendBody(chunk, 0, chunk.length, true)) this.pause();
    x.attempt.flushBody();
  }

  private readonly onEnd = (): void => {
    try {
      this.onRequestEnd();
    } catch (error) {
      this.onFault(error);
    }
  };

  private onRequestEnd(): void {
    const { x, head } = this;
    if (this.clientEnded) return;
    this.clientEnded = true;
    this.requestDone = true;
    if (this.state === 'tunnel') {
      if (!this.tunnelEnded) return x.attempt.endTunnel();
      x.attempt.cancel();
      return this.finish();
    }
    if (this.state !== 'exchange' || !x.live) return;
    const now = performance.now();
    x.touch(now);
    x.requestReceivedAt = now;
    if (head.contentLength >= 0 && this.bytes !== head.contentLength) return this.mismatch();
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

  /** They are told before the last of the body is. */
  private readonly onTrailers = (_headers: object, _flags: number, fields: readonly string[]): void => {
    try {
      this.owner?.onTrailers(fields);
      if (this.state !== 'exchange' || !this.x.live) return;
      this.trailers = readTrailers(fields, this.at.headLimits.maxHeadBytes);
      if (this.trailers === null) this.failRequest(failures.badRequestBody, 'http2.trailers_invalid');
    } catch (error) {
      this.onFault(error);
    }
  };

  // ---- the response ----

  reply(reply: LocalReply): void {
    const { x } = this;
    if (!x.live || x.responseStarted) return;
    x.attempt.cancel();
    x.flag(reply);
    const rendered = renderFor(x, reply);
    // To an extended CONNECT a success would mean an open tunnel.
    const isTunnel = this.handshake !== null && rendered.status >= 200 && rendered.status < 300;
    const shown = isTunnel ? { ...rendered, status: 501 } : rendered;
    x.responseStarted = true;
    x.responseCode = shown.status;
    x.bytesSent = this.out.reply(shown, replyLines(x, shown), x.method === 'HEAD');
    this.finish();
  }

  startResponse(head: ResponseHead): void {
    const { x } = this;
    const { status } = head;
    // node:http2 sends no status above 599; and a success without a tunnel would be taken for one.
    if (status > 599 || (this.handshake !== null && status >= 200 && status < 300)) return this.refuseResponse('status_invalid');
    this.out.start(head, x.method === 'HEAD');
  }

  /** The upstream's response has no form in HTTP/2. */
  private refuseResponse(why: string): void {
    const { x } = this;
    x.responseStarted = false;
    x.responseCodeDetails = '';
    this.reply(failureReply(failures.upstreamProtocol, `upstream_reset_before_response_started{${why}}`));
  }

  writeBody(buffer: Buffer, start: number, end: number, keep: boolean): boolean {
    const { x } = this;
    if (x.isGrpc) {
      this.answered.read(buffer, start, end);
      x.responseMessages = this.answered.messages;
    }
    const result = this.out.body(buffer, start, end, keep);
    if (result >= 2) x.attempt.lend();
    return (result & 1) === 0;
  }

  onSent(bytes: number): void {
    this.owner?.onSent(bytes);
  }

  onDrain(): void {
    const { x } = this;
    if ((this.state !== 'exchange' && this.state !== 'tunnel') || !x.live) return;
    try {
      x.touch(performance.now());
      x.attempt.onDownstreamDrain();
    } catch (error) {
      this.onFault(error);
    }
  }

  // ---- a WebSocket ----

  startTunnel(head: ResponseHead): void {
    const { x, stream } = this;
    const accept = head.get('sec-websocket-accept');
    if (this.handshake === null || (accept !== null && accept !== this.handshake.accept)) return this.refuseResponse('handshake_invalid');
    this.state = 'tunnel';
    x.responseCode = 200;
    // Other limits hold for a tunnel.
    this.limitTime(x.firstByteAt);
    head.drop('sec-websocket-accept');
    this.out.startTunnel(head);
    if (this.clientEnded) x.attempt.endTunnel();
    if (stream !== null && !this.reading) this.read(stream);
    else this.resumeBody();
  }

  /** The upstream has closed its side of the tunnel. */
  endTunnel(): void {
    if (this.tunnelEnded || this.state !== 'tunnel') return;
    this.tunnelEnded = true;
    this.out.end(null);
    if (!this.clientEnded) return;
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
    if (wasTunnel && this.tunnelEnded) return this.finish();
    x.end(performance.now());
    this.cut(wasTunnel || !x.responseStarted ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR);
  }

  finish(): void {
    const { x } = this;
    const now = x.lastActivity; // set by every event that can end an exchange
    x.end(now);
    this.letGo();
    if (this.state === 'closed') return;
    this.state = 'ending';
    const { streamIdleTimeoutMs } = this.at.config.limits;
    this.unsent = this.out.unsent;
    this.worker.wheel.arm(this.deadline, streamIdleTimeoutMs > 0 ? now + streamIdleTimeoutMs : Infinity);
    if (this.clientEnded) return;
    this.owner?.onBodyUnwanted();
    this.discardBody();
    this.out.refuseRest();
  }

  private letGo(): void {
    this.head.letGo();
    this.lines.release();
  }

  /** The client reset the stream while a body was under way. */
  private readonly onAborted = (): void => {
    if (this.state !== 'exchange' && this.state !== 'tunnel') return;
    this.loseClient();
    // Unread bytes would keep it from closing.
    this.discardBody();
  };

  /** The connection brings nothing more: what is missing of the request will not come. */
  onConnectionEnd(): void {
    if (!this.x.live || this.clientEnded || this.isReceived) return;
    this.loseClient();
    this.cut(NGHTTP2_CANCEL);
  }

  private loseClient(): void {
    const { x } = this;
    if (!x.live) return;
    try {
      this.worker.staging.discard();
      if (!this.blamed)
        x.flag(this.isClientsFault ? { ...failures.badRequestBody, details: 'http2.protocol_error' } : failures.downstreamGone);
      x.attempt.cancel();
    } catch (error) {
      this.worker.onFault(error);
    }
    x.end(performance.now());
  }

  /** The connection is cut for what the client did: its exchanges say why. */
  blame(failure: Pick<Failure, 'flag' | 'details'>): void {
    if (!this.x.live) return;
    this.blamed = true;
    this.x.flag(failure);
    // Without a flag, the details alone tell a cut response from a whole one.
    if (failure.flag === '') this.x.responseCodeDetails = failure.details;
  }

  private readonly onClose = (): void => {
    this.loseClient();
    const { owner } = this;
    this.state = 'closed';
    this.owner = null;
    this.stream = null;
    this.trailers = null;
    this.out.detach();
    this.letGo();
    this.worker.wheel.arm(this.deadline, Infinity);
    owner?.onStreamClosed(this);
  };

  limitTime(at: number): void {
    if (at < this.deadline.at) this.worker.wheel.arm(this.deadline, at);
  }

  private onDeadline(now: number): void {
    try {
      if (this.state === 'ending') this.checkEnding(now);
      else if (this.state !== 'closed') this.checkExchange(now);
    } catch (error) {
      this.onFault(error);
    }
  }

  /** A client that takes nothing of its response does not hold it. */
  private checkEnding(now: number): void {
    const left = this.out.unsent;
    const { streamIdleTimeoutMs } = this.at.config.limits;
    if (left < this.unsent && streamIdleTimeoutMs > 0) this.worker.wheel.arm(this.deadline, now + streamIdleTimeoutMs);
    else this.cut(NGHTTP2_CANCEL);
    this.unsent = left;
  }

  private checkExchange(now: number): void {
    const { x } = this;
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
