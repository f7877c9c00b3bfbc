import type { Socket } from 'node:net';
import { Deadline } from '../../../base/wheel.ts';
import type { LocalReply } from '../../../filters/define.ts';
import { failures, type Failure } from '../../failure.ts';
import type { ClientConnection } from '../../listen/client.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import { onRequest } from '../../pipeline.ts';
import { failureReply, renderFor } from '../../reply.ts';
import type { WorkerRuntime } from '../../runtime.ts';
import { Exchange, type Downstream } from '../exchange.ts';
import { serveHttp2 } from '../http2/server.ts';
import { RequestHead, type ResponseHead } from './head.ts';
import { beginsHttp2 } from './http2-preface.ts';
import { IdleClient } from './idle-client.ts';
import { Input } from './input.ts';
import { discard, RequestBody, type BodySink } from './request-body.ts';
import { continueLine, replyLines } from './reply-lines.ts';
import { ResponseWriter } from './response-writer.ts';
import { drainBytes, drainMs, Linger, lingerMs, type State } from './state.ts';
import type { Seat } from './seat.ts';
import { timeLimits } from './time-limits.ts';
import type { Trailers } from './trailers.ts';

/** Pipelined requests that are read in one turn. */
const maxHeads = 32;

/** A client connection speaking HTTP/1.1: one exchange at a time, pipelined requests in order. */
export class ServerConnection extends IdleClient implements Downstream, BodySink {
  private readonly head: RequestHead;
  private readonly request = new RequestBody();
  readonly out: ResponseWriter;
  private readonly input: Input;
  private readonly x: Exchange;
  protected readonly deadline: Deadline;
  private state: State = 'idle';
  private readonly linger = new Linger();
  private drained = 0;
  private reading = false;
  private clientEnded = false;
  /** The connection ends with the current response. */
  private closeAfter = false;
  /** 100 Continue went out for the current request. */
  private continued = false;
  private headStartedAt = 0;

  constructor(worker: WorkerRuntime, at: ListenerRuntime) {
    super(worker, at);
    this.head = new RequestHead(at.headLimits);
    this.input = new Input(worker.reads);
    this.out = new ResponseWriter(worker.staging, this.wire);
    this.x = new Exchange(worker, at, this, this.head);
    this.deadline = new Deadline((now) => this.onDeadline(now));
  }

  /** Serves an accepted socket until it closes, or its seat takes it back; afterwards the object is ready for another one. */
  attach(socket: Socket, client: ClientConnection | null = null, seat: Seat | null = null): void {
    const { at } = this;
    this.sit(socket, client, seat);
    this.isFresh = true;
    this.idleSince = performance.now();
    const { maxConnectionMs = 0 } = at.config.limits;
    this.closeAt = maxConnectionMs > 0 ? this.idleSince + maxConnectionMs : Infinity;
    this.worker.telemetry.connectionOpened(at.name);
    this.armIdle();
  }

  /** Goes on with a socket that was parked. */
  resumeAt(seat: Seat, socket: Socket): void {
    this.sit(socket, seat.client, seat);
    this.isFresh = seat.isFresh;
    this.connectionId = seat.connectionId;
    this.idleSince = seat.idleSince;
    this.closeAt = seat.closeAt;
    this.armIdle();
  }

  private sit(socket: Socket, client: ClientConnection | null, seat: Seat | null): void {
    this.open(socket, client);
    this.seat = seat;
    this.state = 'idle';
    this.reading = false;
    this.clientEnded = false;
    this.untaken = -1;
    this.out.attach(this.wire);
    this.at.connections.add(this);
  }

  /** No exchange and no byte of one: may be closed without loss. */
  get isIdle(): boolean {
    return this.state === 'idle' && this.input.isEmpty && !this.wire.hasUnsent;
  }

  get requestDone(): boolean {
    return this.request.done;
  }

  close(): void {
    if (this.worker.draining && this.x.live) this.x.responseCodeDetails = failures.drained.details;
    this.worker.staging.flushPosted();
    this.state = 'closed';
    this.socket.destroy();
  }

  /** Received bytes in the worker's read buffer: valid during the call only. */
  onShared(shared: Buffer, bytes: number): void {
    if (this.state === 'idle' || this.state === 'head') {
      this.input.takeShared(shared, bytes);
      this.guard('read');
    } else this.onChunk(this.state === 'tunnel' ? shared.subarray(0, bytes) : Buffer.from(shared.subarray(0, bytes)));
  }

  /** Received bytes, the connection's to keep, except in a tunnel. */
  onChunk(chunk: Buffer): void {
    try {
      this.onData(chunk);
    } catch (error) {
      this.onFault(error);
    }
  }

  /** A bug in one exchange ends that exchange, not the worker. */
  onFault(error: unknown): void {
    this.worker.onFault(error);
    this.worker.staging.discard();
    this.reading = false;
    this.x.attempt.cancel();
    if (this.x.live) {
      this.x.flag(failures.bug);
      if (!this.x.responseStarted) this.x.responseCode = 500;
    }
    this.close();
  }

  private onData(chunk: Buffer): void {
    switch (this.state) {
      case 'idle':
      case 'head':
        this.input.take(chunk);
        return this.read();
      case 'exchange':
        this.x.touch(performance.now());
        this.input.take(chunk);
        if (this.request.done || !this.x.attempt.takesBody) return this.pause();
        this.pumpBody();
        return this.x.attempt.flushBody();
      case 'drain':
        this.input.take(chunk);
        return this.drainBody();
      case 'tunnel':
        this.x.touch(performance.now());
        if (!this.x.attempt.tunnel(chunk)) this.pause();
        return;
      case 'linger':
      case 'closed':
        this.linger.hasRead = true;
    }
  }

  /** Reads heads while there are bytes, nothing is under way and the client takes our answers. */
  protected read(): void {
    if (this.reading) return;
    this.reading = true;
    let more = true;
    let heads = 0;
    while (more && (this.state === 'idle' || this.state === 'head') && !this.input.isEmpty && !this.wire.isFull)
      more = ++heads > maxHeads ? this.giveWay() : this.readHead();
    this.reading = false;
    if (this.state === 'idle' || this.state === 'head') {
      if (this.wire.isFull || this.givesWay) this.pause();
      else this.resume();
      if (this.clientEnded) this.finishConnection();
    }
  }

  /** False: the head is not whole yet. */
  private readHead(): boolean {
    const { input, head } = this;
    if (input.buffer === null) return false;
    const now = performance.now();
    if (this.state === 'idle') {
      this.state = 'head';
      this.headStartedAt = now;
      head.reset();
    }
    const used = head.parse(input.buffer, input.from, input.to);
    if (used === 0 || (used < 0 && this.isFresh && this.mayBeHttp2())) {
      if (this.state !== 'head') return false;
      const { headTimeoutMs } = this.at.config.limits;
      if (headTimeoutMs > 0) this.worker.wheel.arm(this.deadline, this.headStartedAt + headTimeoutMs);
      return false;
    }
    this.state = 'exchange';
    this.closeAfter = false;
    this.continued = false;
    this.isFresh = false;
    this.x.begin(now);
    if (used < 0) {
      this.loseHead({ ...failures.badHead, status: -used }, head.error);
      return true;
    }
    input.from += used;
    input.settle();
    const { limits } = this.at.config;
    this.request.begin(head, limits.maxBodyBytes);
    if (this.request.done) this.x.requestReceivedAt = now;
    if (limits.streamIdleTimeoutMs > 0) this.worker.wheel.arm(this.deadline, now + limits.streamIdleTimeoutMs);
    if (this.request.tooLarge) this.failRequest(failures.bodyTooLarge);
    else onRequest(this.x);
    return true;
  }

  /** No head that could be trusted: there is no telling where its body would end. */
  private loseHead(failure: Failure, details?: string): void {
    this.request.lose();
    this.x.method = '-';
    this.failRequest(failure, details);
  }

  /** The request cannot be carried on and the rest of it cannot be trusted: answer and close. */
  private failRequest(failure: Failure, details = failure.details): void {
    const { x } = this;
    this.closeAfter = true;
    this.worker.staging.discard();
    x.attempt.cancel();
    x.flag({ flag: failure.flag, details });
    if (x.responseStarted) this.abort();
    else this.reply(failureReply(failure, details));
  }

  pumpBody(): void {
    const { request, input } = this;
    if (!request.done && input.isEmpty && this.head.expectContinue && !this.continued && request.bytes === 0 && !this.x.responseStarted) {
      // We take the body now: the one place that answers Expect (RFC 9110 §10.1.1).
      this.continued = true;
      this.worker.staging.flushPosted();
      this.wire.stream(continueLine);
    }
    const result = request.read(input, this);
    this.x.bytesReceived = request.bytes;
    if (result === 'full') this.pause();
    else if (result === 'too-large') this.failRequest(failures.bodyTooLarge);
    else if (result !== 'more') this.failRequest(failures.badRequestBody, result);
    else if (!request.done) {
      if (this.clientEnded && input.isEmpty) this.loseClient();
      else this.resume();
    }
  }

  /** The client closed its side in the middle of a request. */
  private loseClient(): void {
    this.x.flag(failures.downstreamGone);
    this.abort();
  }

  data(buffer: Buffer, start: number, end: number): boolean {
    return this.x.attempt.sendBody(buffer, start, end);
  }

  end(trailers: Trailers | null): void {
    this.x.requestReceivedAt = performance.now();
    this.x.attempt.endBody(trailers);
  }

  resumeBody(): void {
    if (this.state === 'tunnel') this.resume();
    else if (this.state === 'exchange' && !this.request.done) {
      this.pumpBody();
      this.x.attempt.flushBody();
    }
  }

  reply(reply: LocalReply): void {
    const { x, head } = this;
    if (!x.live || x.responseStarted) return;
    x.attempt.cancel();
    x.flag(reply);
    const rendered = renderFor(x, reply);
    x.responseStarted = true;
    x.responseCode = rendered.status;
    // Malformed: where the next request begins is not to be trusted to the sender of this one.
    if (reply.flag === failures.badHead.flag) this.closeAfter = true;
    // The client may or may not send its body now: only a new connection is safe.
    if (head.expectContinue && !this.continued && !this.request.done) this.closeAfter = true;
    const options = { close: this.settleClose(), modern: head.minor === 1 };
    x.bytesSent = this.out.reply(rendered, replyLines(x, rendered), x.method !== 'HEAD', options);
    this.finish();
  }

  /** Decides whether the connection ends after this response. */
  private settleClose(): boolean {
    const isLast = this.worker.draining || this.at.closing || !this.head.keepAlive || this.x.lastActivity >= this.closeAt;
    if (isLast || (this.clientEnded && this.input.isEmpty)) this.closeAfter = true;
    return this.closeAfter;
  }

  startResponse(head: ResponseHead): void {
    const modern = this.head.minor === 1;
    if (ResponseWriter.needsClose(head, modern)) this.closeAfter = true;
    this.out.start(head, { close: this.settleClose(), modern });
  }

  writeBody(buffer: Buffer, start: number, end: number, keep: boolean): boolean {
    if (this.state === 'closed') return true;
    const result = this.out.body(buffer, start, end, keep);
    if (result >= 2) this.x.attempt.lend();
    return (result & 1) === 0;
  }

  startTunnel(head: ResponseHead): void {
    this.state = 'tunnel';
    this.out.switchProtocols(head, this.x.upgradeTo);
    this.out.flush();
    const { buffer, from, to } = this.input;
    if (buffer !== null) this.x.attempt.tunnel(buffer.subarray(from, to));
    this.input.drop();
    if (this.clientEnded) this.x.attempt.endTunnel();
    const until = timeLimits(this.x, true, true, this.x.firstByteAt);
    if (typeof until === 'number') this.limitTime(until);
    this.resume();
  }

  /** The upstream has closed its side of the tunnel. */
  endTunnel(): void {
    this.worker.staging.flushPosted();
    this.socket.end();
    if (this.clientEnded) this.x.attempt.cancel();
  }

  abort(): void {
    this.worker.staging.discard();
    this.worker.staging.flushPosted();
    this.x.attempt.cancel();
    const begun = this.x.responseStarted;
    this.x.end(performance.now());
    this.state = 'closed';
    // A reset, not an orderly end: the client must not take what it has for the whole.
    if (begun) return this.reset();
    // Answers to earlier requests still go out, but a client that does not take them does not hold the socket.
    this.socket.destroySoon();
    this.worker.wheel.arm(this.deadline, performance.now() + lingerMs);
  }

  finish(): void {
    const now = this.x.lastActivity; // set by every event that can end an exchange
    this.x.end(now);
    this.head.letGo();
    this.input.release();
    if (this.state === 'closed') return;
    if (this.closeAfter) return this.finishConnection(!this.head.keepAlive && this.hasAll);
    if (this.request.done) return this.toIdle(now);
    this.state = 'drain';
    this.drained = 0;
    this.worker.wheel.arm(this.deadline, now + drainMs);
    this.resume();
    this.drainBody();
  }

  /** Of a client that asked for the end. Behind a body some send a CRLF more; and in TLS the end is a message of its own. */
  private get hasAll(): boolean {
    return this.request.done && this.request.bytes === 0 && this.input.isEmpty && this.tls === null;
  }

  private toIdle(now: number): void {
    this.state = 'idle';
    this.idleSince = now;
    this.untaken = -1;
    this.input.settle();
    this.armIdle();
    this.read();
  }

  private drainBody(): void {
    const before = this.request.bytes;
    const result = this.request.read(this.input, discard);
    this.drained += this.request.bytes - before;
    if (result !== 'more' || this.drained > drainBytes) this.finishConnection();
    else if (this.request.done) this.toIdle(performance.now());
  }

  /** Closes our side, then reads on for a moment: a reset would take our last bytes from the client. `isDone`: it sends nothing more. */
  protected finishConnection(isDone = false): void {
    if (this.state === 'closed' || this.state === 'linger') return;
    this.input.drop();
    this.state = 'linger';
    this.worker.staging.close(this.wire, isDone || this.clientEnded);
    this.worker.wheel.arm(this.deadline, this.linger.begin(this.wire, performance.now()));
    this.resume();
  }

  protected onDrain(): void {
    if (this.state === 'exchange' || this.state === 'tunnel') this.x.attempt.onDownstreamDrain();
    else if (this.state === 'idle' || this.state === 'head') this.read();
  }

  protected onEnd(): void {
    this.clientEnded = true;
    this.worker.staging.flushPosted();
    switch (this.state) {
      case 'idle':
        if (this.input.isEmpty) this.finishConnection();
        return;
      case 'head':
        return this.finishConnection();
      case 'exchange':
        // Half-close: the response is still due when the request was whole.
        if (this.request.done || !this.input.isEmpty) return;
        return this.loseClient();
      case 'tunnel':
        return this.x.attempt.endTunnel();
      case 'drain':
      case 'linger':
      case 'closed':
        return this.socket.destroySoon();
    }
  }

  protected onClosed(): void {
    const isCut = this.state === 'tunnel' ? this.socket.errored !== null : this.state !== 'closed';
    if (this.x.live && isCut) this.x.flag(failures.downstreamGone);
    this.state = 'closed';
    this.input.drop();
    if (this.x.live) {
      this.x.attempt.cancel();
      this.x.end(performance.now());
    }
    this.retire();
  }

  private retire(): void {
    this.worker.telemetry.connectionClosed(this.at.name);
    this.seat?.end();
    this.giveBack();
  }

  protected giveBack(): void {
    this.state = 'closed';
    this.seat = null;
    this.at.connections.delete(this);
    this.worker.wheel.remove(this.deadline);
    this.head.reset();
    this.head.letGo();
    this.input.release();
    this.at.recycle(this);
  }

  /** HTTP/2 begins with what no HTTP/1 request is. True: the connection is its code's from now on, or waits for the rest of the preface. */
  private mayBeHttp2(): boolean {
    const { at, input, worker } = this;
    if (input.buffer === null || at.config.http2 === false || this.tls?.alpn === 'http/1.1') return false;
    const begins = beginsHttp2(input.buffer, input.from, input.to);
    if (begins === 'more') this.head.reset();
    if (begins !== 'yes') return begins === 'more';
    const client = this.asClient(Buffer.from(input.buffer.subarray(input.from, input.to)));
    this.detach();
    input.drop();
    this.retire();
    worker.telemetry.connectionHandedOver(at.name);
    serveHttp2(worker, at, client);
    return true;
  }

  private onDeadline(now: number): void {
    switch (this.state) {
      case 'idle':
        return this.checkIdle(now);
      case 'head':
        this.state = 'exchange';
        this.x.begin(now);
        return this.loseHead(failures.headTimeout);
      case 'exchange':
      case 'tunnel':
        return this.checkExchange(now);
      case 'linger':
        return this.worker.wheel.arm(this.deadline, this.linger.next(this.wire, now, this.at.config.limits.streamIdleTimeoutMs));
      case 'drain':
        return this.finishConnection();
      case 'closed':
        this.socket.destroy();
    }
  }

  private checkExchange(now: number): void {
    const verdict = timeLimits(this.x, this.request.done, this.state === 'tunnel', now);
    if (typeof verdict === 'number') return this.worker.wheel.arm(this.deadline, verdict);
    this.x.touch(now);
    if (this.state === 'tunnel') {
      this.x.flag(verdict);
      this.abort();
    } else if (verdict.source === 'upstream') this.expire(verdict);
    else this.failRequest(verdict);
  }

  /** The upstream was too slow; the client's connection can go on. */
  private expire(failure: Failure): void {
    this.x.attempt.cancel();
    this.x.flag(failure);
    if (this.x.responseStarted) this.abort();
    else this.reply(failureReply(failure));
  }
}
