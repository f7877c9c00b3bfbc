import type { Socket } from 'node:net';
import { Deadline } from '../../../base/wheel.ts';
import type { LocalReply } from '../../../filters/define.ts';
import { failures, type Failure } from '../../failure.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import { onRequest } from '../../pipeline.ts';
import { failureReply, render } from '../../reply.ts';
import type { WorkerRuntime } from '../../runtime.ts';
import { Exchange, type Downstream } from '../exchange.ts';
import { ChunkedDecoder } from './chunked.ts';
import { copyBytes, dateHeader, statusLine, writeAscii, writeDecimal, writeHex } from './encode.ts';
import { RequestHead, type ResponseHead } from './head.ts';

/** Body slices above this are written on their own when they may be kept, without a copy. */
const copyLimit = 16 * 1024;
/** How much of a request's body is read and thrown away so that the connection can go on. */
const drainBytes = 256 * 1024;
/** How long a closing connection still reads, so that the client gets our last bytes and no reset, ms (Envoy delayed_close_timeout 1 s). */
const lingerMs = 1000;
const trailerLimits = { maxExtensionBytes: 4096, maxTrailerBytes: 8192, maxTrailers: 32 };

/** `idle`: between requests. `head`: a head has begun. `exchange`: one is under way. `drain`: reading off a body nobody wants. `linger`: our side is closed. */
type State = 'idle' | 'head' | 'exchange' | 'drain' | 'tunnel' | 'linger' | 'closed';

let connectionIds = 0;

/** A client connection speaking HTTP/1.1: one exchange at a time, pipelined requests in order. */
export class ServerConnection implements Downstream {
  readonly connectionId: number;
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  requestDone = false;
  private readonly worker: WorkerRuntime;
  private readonly at: ListenerRuntime;
  private readonly socket: Socket;
  private readonly head: RequestHead;
  private readonly decoder = new ChunkedDecoder(trailerLimits);
  private readonly x: Exchange;
  private readonly deadline: Deadline;
  private state: State = 'idle';
  /** Received and not yet read: input[from, to). */
  private input: Buffer | null = null;
  private from = 0;
  private to = 0;
  private remaining = 0;
  private drained = 0;
  private reading = false;
  private paused = false;
  private clientEnded = false;
  /** This connection ends with the current response. */
  private closeAfter = false;
  private chunkedOut = false;
  private hasBodyOut = false;
  private headStartedAt = 0;
  private idleSince = 0;

  constructor(worker: WorkerRuntime, at: ListenerRuntime, socket: Socket) {
    this.worker = worker;
    this.at = at;
    this.socket = socket;
    this.connectionId = ++connectionIds;
    this.remoteAddress = plainAddress(socket.remoteAddress ?? '');
    this.remotePort = socket.remotePort ?? 0;
    this.localAddress = plainAddress(socket.localAddress ?? '');
    this.localPort = socket.localPort ?? 0;
    this.head = new RequestHead(at.config.limits);
    this.x = new Exchange(worker, at, this, this.head);
    this.deadline = new Deadline((now) => this.onDeadline(now));
    this.idleSince = performance.now();
    at.connections++;
    worker.telemetry.connectionOpened(at.name);
    this.armIdle();
    socket.on('data', (chunk: Buffer) => this.guard(chunk));
    socket.on('drain', () => this.onDrain());
    socket.on('end', () => this.onEnd());
    socket.on('error', () => undefined);
    socket.on('close', () => this.onClosed());
  }

  /** No exchange and no byte of one: may be closed without loss. */
  get isIdle(): boolean {
    return this.state === 'idle' && this.input === null;
  }

  close(): void {
    this.state = 'closed';
    this.socket.destroy();
  }

  /** A bug in one exchange ends that exchange. */
  private guard(chunk: Buffer): void {
    try {
      this.onData(chunk);
    } catch (error) {
      this.onFault(error);
    }
  }

  private onFault(error: unknown): void {
    this.worker.onFault(error);
    this.worker.staging.length = 0;
    this.x.attempt.cancel();
    if (this.x.live && !this.x.responseStarted) {
      this.x.flag(failures.bug);
      this.x.responseCode = 500;
    }
    this.socket.destroy();
  }

  private onData(chunk: Buffer): void {
    switch (this.state) {
      case 'idle':
      case 'head':
        this.take(chunk);
        this.read();
        return;
      case 'exchange':
        this.x.touch(performance.now());
        this.take(chunk);
        if (this.requestDone) this.pause();
        else if (this.x.attempt.takesBody) {
          this.pumpBody();
          this.x.attempt.flushBody();
        } else this.pause();
        return;
      case 'drain':
        this.take(chunk);
        this.drainBody();
        return;
      case 'tunnel':
        this.x.touch(performance.now());
        if (!this.x.attempt.tunnel(chunk)) this.pause();
        return;
      case 'linger':
        this.drained += chunk.length;
        if (this.drained > drainBytes) this.socket.destroy();
        return;
      case 'closed':
        return;
    }
  }

  /** Appends received bytes. A lone chunk is kept as it is. */
  private take(chunk: Buffer): void {
    const { input } = this;
    if (input === null) {
      this.input = chunk;
      this.from = 0;
      this.to = chunk.length;
      return;
    }
    const have = this.to - this.from;
    if (this.state === 'head' && input.length - this.to >= chunk.length && this.owned) {
      chunk.copy(input, this.to);
      this.to += chunk.length;
      return;
    }
    // Doubling keeps a head that trickles in linear.
    const larger = Buffer.allocUnsafe(Math.max(1024, (have + chunk.length) * 2));
    input.copy(larger, 0, this.from, this.to);
    chunk.copy(larger, have);
    this.input = larger;
    this.owned = true;
    this.from = 0;
    this.to = have + chunk.length;
  }

  /** The input buffer has spare room of our own behind `to`. */
  private owned = false;

  private dropInput(): void {
    this.input = null;
    this.owned = false;
    this.from = 0;
    this.to = 0;
  }

  /** Reads requests while there are bytes and nothing is under way. */
  private read(): void {
    if (this.reading) return;
    this.reading = true;
    try {
      while ((this.state === 'idle' || this.state === 'head') && this.input !== null && !this.socket.writableNeedDrain) this.readHead();
    } finally {
      this.reading = false;
    }
    if (this.state === 'exchange' && this.input !== null && this.requestDone) this.pause();
    else if ((this.state === 'idle' || this.state === 'head') && !this.socket.writableNeedDrain) {
      this.resume();
      if (this.clientEnded) this.finishConnection();
    }
  }

  private readHead(): void {
    const { input, head } = this;
    if (input === null) return;
    const now = performance.now();
    if (this.state === 'idle') {
      this.state = 'head';
      this.headStartedAt = now;
      head.reset();
    }
    const used = head.parse(input, this.from, this.to);
    if (used === 0) {
      const { headTimeoutMs } = this.at.config.limits;
      if (headTimeoutMs > 0) this.worker.wheel.arm(this.deadline, this.headStartedAt + headTimeoutMs);
      // Waiting for more: leave the loop in read().
      if (!this.waitForHead(input)) return;
      return;
    }
    this.state = 'exchange';
    this.closeAfter = false;
    this.x.begin(now);
    if (used < 0) return this.refuseHead(-used);
    this.from += used;
    this.startBody();
    this.armExchange(now);
    onRequest(this.x);
  }

  /** Keeps the partial head; the loop ends as there is nothing more to read. */
  private waitForHead(input: Buffer): boolean {
    if (!this.owned) {
      const have = this.to - this.from;
      const own = Buffer.allocUnsafe(Math.max(1024, have * 2));
      input.copy(own, 0, this.from, this.to);
      this.input = own;
      this.owned = true;
      this.from = 0;
      this.to = have;
    }
    this.waiting = true;
    return true;
  }

  private waiting = false;

  private refuseHead(status: number): void {
    const { x } = this;
    this.closeAfter = true;
    this.requestDone = false;
    x.method = '-';
    const message = status === 431 ? 'Request Header Fields Too Large' : status === 414 ? 'URI Too Long' : status === 505 ? 'HTTP Version Not Supported' : status === 501 ? 'Not Implemented' : 'Bad Request';
    this.reply({ status, headers: [], message, flag: 'DPE', details: this.head.error });
  }

  private startBody(): void {
    const { head, x } = this;
    this.drained = 0;
    this.requestDone = head.bodyKind === 'none';
    this.remaining = head.bodyKind === 'length' ? head.contentLength : 0;
    if (head.bodyKind === 'chunked') this.decoder.reset();
    if (this.requestDone) x.requestReceivedAt = x.startedAt;
    if (this.from === this.to) this.dropInput();
    const { maxBodyBytes } = this.at.config.limits;
    if (maxBodyBytes > 0 && this.remaining > maxBodyBytes) this.bodyTooLarge = true;
    else this.bodyTooLarge = false;
  }

  private bodyTooLarge = false;

  pumpBody(): void {
    const { head, x } = this;
    if (head.expectContinue && !this.requestDone && this.input === null && !this.continued) this.sendContinue();
    if (this.requestDone || this.input === null) {
      this.afterPump();
      return;
    }
    let more = true;
    while (!this.requestDone && this.input !== null && more) {
      if (head.bodyKind === 'length') {
        const take = Math.min(this.remaining, this.to - this.from);
        this.remaining -= take;
        x.bytesReceived += take;
        const start = this.from;
        this.from += take;
        more = x.attempt.sendBody(this.input, start, start + take);
        if (this.remaining === 0) this.endBody(null);
      } else {
        this.from = this.decoder.decode(this.input, this.from, this.to);
        if (this.decoder.error !== '') return this.failBody(failures.badRequestBody, this.decoder.error);
        const bytes = this.decoder.dataEnd - this.decoder.dataStart;
        if (bytes > 0) {
          x.bytesReceived += bytes;
          if (this.overLimit()) return this.failBody(failures.bodyTooLarge);
          more = x.attempt.sendBody(this.input, this.decoder.dataStart, this.decoder.dataEnd);
        }
        if (this.decoder.done) this.endBody(this.decoder.trailerBytes);
      }
      if (this.from === this.to) this.dropInput();
    }
    if (more) this.afterPump();
    else this.pause();
  }

  private continued = false;

  private overLimit(): boolean {
    const { maxBodyBytes } = this.at.config.limits;
    return maxBodyBytes > 0 && this.x.bytesReceived > maxBodyBytes;
  }

  private afterPump(): void {
    if (!this.requestDone) this.resume();
  }

  private endBody(trailers: Buffer | null): void {
    this.requestDone = true;
    this.x.requestReceivedAt = performance.now();
    this.x.attempt.endBody(trailers);
  }

  private failBody(failure: Failure, details = failure.details): void {
    const { x } = this;
    this.closeAfter = true;
    this.worker.staging.length = 0;
    x.attempt.cancel();
    x.flag({ flag: failure.flag, details });
    if (x.responseStarted) this.abort();
    else this.reply(failureReply(failure, details));
  }

  /** We take the body now: the one place that answers Expect (RFC 9110 §10.1.1). */
  private sendContinue(): void {
    this.continued = true;
    this.socket.write('HTTP/1.1 100 Continue\r\n\r\n', 'latin1');
  }

  pauseBody(): void {
    this.pause();
  }

  resumeBody(): void {
    if (this.state === 'tunnel') {
      this.resume();
      return;
    }
    if (this.state !== 'exchange' || this.requestDone) return;
    this.pumpBody();
    this.x.attempt.flushBody();
  }

  private pause(): void {
    if (this.paused) return;
    this.paused = true;
    this.socket.pause();
  }

  private resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.socket.resume();
  }

  reply(reply: LocalReply): void {
    const { x, head, worker } = this;
    if (!x.live || x.responseStarted) return;
    x.attempt.cancel();
    x.flag(reply);
    const style = x.hit?.payload.route.replyStyle ?? this.at.config.replyStyle;
    const rendered = render(reply, style, head.get('accept'), x.requestId);
    x.responseStarted = true;
    x.responseCode = rendered.status;
    if (head.expectContinue && !this.continued && !this.requestDone) this.closeAfter = true;
    const close = this.settleClose();
    const staging = worker.staging;
    const noBody = x.method === 'HEAD' || rendered.status === 204 || rendered.status === 304;
    let text = '';
    let hasConnection = false;
    for (const [name, value] of rendered.headers) {
      if (name.toLowerCase() === 'connection') hasConnection = true;
      text += headerLine(name, value);
    }
    const { names, values } = x.context.responseHeaders;
    for (let i = 0; i < names.length; i++) text += headerLine(names[i], values[i]);
    if (rendered.status !== 204 && rendered.status !== 304) text += `content-length: ${rendered.body.length}\r\n`;
    if (this.at.config.kongHeaders) text += `server: weir\r\nX-Kong-Response-Latency: ${Math.round(performance.now() - x.startedAt)}\r\nX-Kong-Request-Id: ${x.requestId}\r\n`;
    if (close) text += 'connection: close\r\n';
    else if (head.minor === 0 && !hasConnection) text += 'connection: keep-alive\r\n';
    const line = statusLine(rendered.status);
    staging.reserve(line.length + text.length + rendered.body.length + 64);
    staging.append(line, 0, line.length);
    staging.append(dateHeader(Date.now()), 0, 37);
    staging.appendText(text);
    staging.appendText('\r\n');
    if (!noBody) {
      staging.append(rendered.body, 0, rendered.body.length);
      x.bytesSent = rendered.body.length;
    }
    for (const [name, value] of rendered.headers) if (worker.telemetry.needs.responseHeaders.includes(name.toLowerCase())) x.capture(name.toLowerCase(), value);
    staging.flush(this.socket);
    this.finish();
  }

  /** Whether the connection ends after this response. */
  private settleClose(): boolean {
    if (this.worker.draining || this.at.closing || !this.head.keepAlive || this.clientEnded) this.closeAfter = true;
    return this.closeAfter;
  }

  interim(head: ResponseHead): void {
    const staging = this.worker.staging;
    const line = statusLine(head.status);
    staging.append(line, 0, line.length);
    this.appendHead(head);
    staging.appendText('\r\n');
    staging.flush(this.socket);
  }

  private appendHead(head: ResponseHead): void {
    const staging = this.worker.staging;
    staging.reserve(head.headersLength + 256);
    const at = head.writeHeaders(staging.buffer, staging.length);
    if (at >= 0) staging.length = at;
  }

  startResponse(head: ResponseHead): void {
    const staging = this.worker.staging;
    const line = statusLine(head.status);
    staging.reserve(line.length + head.headersLength + 256);
    staging.length = copyBytes(line, 0, line.length, staging.buffer, staging.length);
    const at = head.writeHeaders(staging.buffer, staging.length);
    if (at >= 0) staging.length = at;
    const kind = head.bodyKind;
    const modern = this.head.minor === 1;
    this.hasBodyOut = kind !== 'none';
    this.chunkedOut = modern && (kind === 'chunked' || kind === 'until-close');
    if (!modern && (kind === 'chunked' || kind === 'until-close')) this.closeAfter = true;
    const close = this.settleClose();
    if (!head.has('date')) staging.append(dateHeader(Date.now()), 0, 37);
    if (this.chunkedOut || (kind === 'none' && head.chunked && modern)) staging.appendText('transfer-encoding: chunked\r\n');
    if (close) staging.appendText('connection: close\r\n');
    else if (!modern) staging.appendText('connection: keep-alive\r\n');
    staging.length = writeAscii(staging.buffer, staging.length, '\r\n');
  }

  writeBody(buffer: Buffer, start: number, end: number, keep: boolean): boolean {
    if (this.state === 'closed') return true;
    const staging = this.worker.staging;
    const { socket } = this;
    const length = end - start;
    if (this.chunkedOut && this.state !== 'tunnel') {
      staging.reserve(24);
      staging.length = writeHex(staging.buffer, staging.length, length);
      staging.length = writeAscii(staging.buffer, staging.length, '\r\n');
    }
    if (keep && length > copyLimit) {
      staging.flush(socket);
      socket.write(buffer.subarray(start, end));
      if (socket.writableLength !== 0) this.x.attempt.lend();
    } else {
      if (staging.room < length + 8) staging.flush(socket);
      staging.append(buffer, start, end);
    }
    if (this.chunkedOut && this.state !== 'tunnel') {
      staging.reserve(8);
      staging.length = writeAscii(staging.buffer, staging.length, '\r\n');
    }
    return !socket.writableNeedDrain;
  }

  endResponse(trailers: Buffer | null): void {
    if (!this.chunkedOut || !this.hasBodyOut) return;
    const staging = this.worker.staging;
    staging.reserve(16 + (trailers === null ? 0 : trailers.length));
    staging.length = writeAscii(staging.buffer, staging.length, '0\r\n');
    if (trailers !== null) staging.append(trailers, 0, trailers.length);
    staging.length = writeAscii(staging.buffer, staging.length, '\r\n');
  }

  flush(): boolean {
    return this.worker.staging.flush(this.socket);
  }

  startTunnel(head: ResponseHead): void {
    this.state = 'tunnel';
    const staging = this.worker.staging;
    const line = statusLine(101);
    staging.append(line, 0, line.length);
    this.appendHead(head);
    staging.appendText(`connection: upgrade\r\nupgrade: ${this.x.upgradeTo}\r\n\r\n`);
    staging.flush(this.socket);
    const { input } = this;
    this.chunkedOut = false;
    if (input !== null) {
      const rest = input.subarray(this.from, this.to);
      this.dropInput();
      this.x.attempt.tunnel(Buffer.from(rest));
    }
    this.resume();
  }

  endTunnel(): void {
    if (this.clientEnded) {
      this.x.attempt.cancel();
      this.finishTunnel();
    } else this.socket.end();
  }

  private finishTunnel(): void {
    this.x.end(performance.now());
    this.state = 'closed';
    this.socket.end();
    this.socket.destroySoon();
  }

  abort(): void {
    this.worker.staging.length = 0;
    this.x.attempt.cancel();
    this.x.end(performance.now());
    this.state = 'closed';
    // A reset, not an orderly end: the client must not take what it has for the whole.
    if (this.x.responseStarted) this.socket.resetAndDestroy();
    else this.socket.destroy();
  }

  finish(): void {
    const now = performance.now();
    this.x.end(now);
    this.continued = false;
    if (this.state === 'closed') return;
    if (this.closeAfter || !this.socket.writable) return this.finishConnection();
    if (!this.requestDone) {
      this.state = 'drain';
      this.drained = 0;
      this.worker.wheel.arm(this.deadline, now + lingerMs * 5);
      this.resume();
      if (this.input !== null) this.drainBody();
      return;
    }
    this.toIdle(now);
  }

  private toIdle(now: number): void {
    this.state = 'idle';
    this.idleSince = now;
    if (this.from === this.to) this.dropInput();
    this.armIdle();
    if (this.input !== null) this.read();
    else {
      this.resume();
      if (this.clientEnded) this.finishConnection();
    }
  }

  private drainBody(): void {
    const { head } = this;
    while (this.input !== null && !this.requestDone) {
      const before = this.from;
      if (head.bodyKind === 'length') {
        const take = Math.min(this.remaining, this.to - this.from);
        this.remaining -= take;
        this.from += take;
        this.requestDone = this.remaining === 0;
      } else {
        this.from = this.decoder.decode(this.input, this.from, this.to);
        if (this.decoder.error !== '') return this.finishConnection();
        this.requestDone = this.decoder.done;
      }
      this.drained += this.from - before;
      if (this.from === this.to) this.dropInput();
    }
    if (this.requestDone) this.toIdle(performance.now());
    else if (this.drained > drainBytes) this.finishConnection();
  }

  /** Closes our side, then reads on for a moment: a reset would take our last bytes from the client. */
  private finishConnection(): void {
    if (this.state === 'closed' || this.state === 'linger') return;
    this.dropInput();
    this.state = 'linger';
    this.drained = 0;
    this.socket.end();
    if (this.clientEnded && this.requestDone) {
      this.socket.destroySoon();
      return;
    }
    this.worker.wheel.arm(this.deadline, performance.now() + lingerMs);
    this.resume();
  }

  private onDrain(): void {
    if (this.state === 'exchange' || this.state === 'tunnel') this.x.attempt.onDownstreamDrain();
    else if (this.state === 'idle' || this.state === 'head') this.read();
  }

  private onEnd(): void {
    this.clientEnded = true;
    switch (this.state) {
      case 'idle':
        if (this.input === null) this.finishConnection();
        return;
      case 'head':
        this.finishConnection();
        return;
      case 'exchange':
        // Half-close: the response is still due when the request was whole.
        if (!this.requestDone && this.input === null) {
          this.x.flag(failures.downstreamGone);
          this.abort();
        }
        return;
      case 'tunnel':
        this.x.attempt.endTunnel();
        return;
      case 'drain':
      case 'linger':
        this.socket.destroySoon();
        return;
      case 'closed':
        return;
    }
  }

  private onClosed(): void {
    this.at.connections--;
    this.worker.telemetry.connectionClosed(this.at.name);
    this.worker.wheel.remove(this.deadline);
    if (this.x.live) {
      this.x.flag(failures.downstreamGone);
      this.x.attempt.cancel();
      this.x.end(performance.now());
    }
    this.state = 'closed';
    this.dropInput();
  }

  private armIdle(): void {
    const { idleTimeoutMs } = this.at.config.limits;
    this.worker.wheel.arm(this.deadline, idleTimeoutMs > 0 ? this.idleSince + idleTimeoutMs : Infinity);
  }

  private armExchange(now: number): void {
    const { streamIdleTimeoutMs } = this.at.config.limits;
    this.worker.wheel.arm(this.deadline, streamIdleTimeoutMs > 0 ? now + streamIdleTimeoutMs : Infinity);
  }

  /** Called by the stages once the route is known: its time limits join the connection's. */
  limitTime(deadlineAt: number): void {
    if (deadlineAt < this.deadline.at) this.worker.wheel.arm(this.deadline, deadlineAt);
  }

  private onDeadline(now: number): void {
    switch (this.state) {
      case 'idle':
        this.finishConnection();
        return;
      case 'head':
        this.state = 'exchange';
        this.closeAfter = true;
        this.x.begin(now);
        this.x.method = '-';
        this.reply(failureReply(failures.headTimeout));
        return;
      case 'exchange':
      case 'tunnel':
        this.checkExchange(now);
        return;
      case 'drain':
      case 'linger':
      case 'closed':
        this.socket.destroy();
    }
  }

  /** Which of an exchange's time limits has passed, and when the next one is due. */
  private checkExchange(now: number): void {
    const { x } = this;
    const { streamIdleTimeoutMs, requestTimeoutMs } = this.at.config.limits;
    const forward = this.state === 'tunnel' ? null : (x.hit?.payload.forward ?? null);
    const due = (since: number, limit: number | undefined): number => (limit !== undefined && limit > 0 ? since + limit : Infinity);
    const routeAt = due(x.startedAt, forward?.timeoutMs);
    const readAt = this.requestDone ? due(Math.max(x.lastActivity, x.sentAt), forward?.readTimeoutMs) : Infinity;
    const requestAt = this.requestDone || this.state === 'tunnel' ? Infinity : due(x.startedAt, requestTimeoutMs);
    const idleAt = due(x.lastActivity, streamIdleTimeoutMs);
    if (now >= routeAt) return this.expire(failures.routeTimeout);
    if (now >= readAt) return this.expire(failures.readTimeout);
    if (now >= requestAt) return this.expire(failures.requestTimeout);
    if (now >= idleAt) return this.expire(failures.streamIdle);
    this.worker.wheel.arm(this.deadline, Math.min(routeAt, readAt, requestAt, idleAt));
  }

  private expire(failure: Failure): void {
    const { x } = this;
    this.closeAfter = failure.source === 'downstream' || this.closeAfter;
    x.attempt.cancel();
    x.flag(failure);
    if (x.responseStarted || this.state === 'tunnel') this.abort();
    else this.reply(failureReply(failure));
  }
}

/** IPv4 clients of a dual-stack socket as IPv4. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address;
}

/** A line of text, or nothing when it could break the message. */
function headerLine(name: string, value: string): string {
  return /[\r\n\0]/.test(value) || /[^!#$%&'*+.^_`|~0-9A-Za-z-]/.test(name) ? '' : `${name}: ${value}\r\n`;
}

void writeDecimal;
