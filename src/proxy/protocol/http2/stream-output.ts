import { constants, type ServerHttp2Stream } from 'node:http2';
import type { RenderedReply } from '../../reply.ts';
import type { ResponseOutput } from '../exchange.ts';
import type { ResponseHead } from '../http1/head.ts';
import type { Trailers } from '../http1/trailers.ts';
import { fieldsObject, replyFields, responseFields } from './response-fields.ts';

/** Slices above this are passed on without a copy when they may be kept: a smaller one would hold a whole read buffer (256 KiB). */
const copyLimit = 128 * 1024;

const open = {};
const ended = { endStream: true };
const withTrailers = { waitForTrailers: true };
const proceed = (callback: () => void): void => callback();

/** Who is told what becomes of a response. */
export interface OutputUser {
  /** The client takes more. */
  onDrain(): void;
  /** Response bytes were handed over. */
  onSent(bytes: number): void;
  onFault(error: unknown): void;
}

/** The response side of one HTTP/2 stream at a time. */
export class StreamOutput implements ResponseOutput {
  private readonly user: OutputUser;
  private stream: ServerHttp2Stream | null = null;
  /** The response has no body, whatever comes. */
  private bodyless = false;
  /** The response ends with a trailer section, which may be empty. */
  private trailing = false;
  private trailers: Trailers | null = null;
  /** The last small piece of the body: it leaves with the end, or with the flush. */
  private pending: Buffer | null = null;
  private listensForDrain = false;
  /** The stream is to be closed once its trailers are on their way. */
  private refusesRest = false;
  private readonly fields: string[] = [];

  constructor(user: OutputUser) {
    this.user = user;
  }

  attach(stream: ServerHttp2Stream): void {
    this.stream = stream;
    this.bodyless = false;
    this.trailing = false;
    this.listensForDrain = false;
    this.refusesRest = false;
  }

  detach(): void {
    this.stream = null;
    this.pending = null;
    this.trailers = null;
  }

  /** Neither side has closed the stream. */
  get isOpen(): boolean {
    const { stream } = this;
    return stream !== null && !stream.destroyed && !stream.closed;
  }

  /** Bytes handed over that the client's window has not let out. */
  get unsent(): number {
    return this.stream?.bufferSize ?? 0;
  }

  interim(head: ResponseHead): void {
    const { stream } = this;
    if (stream !== null && this.isOpen && !stream.headersSent) stream.additionalHeaders(fieldsObject(head, head.status));
  }

  /** `isHead`: the request was HEAD. */
  start(head: ResponseHead, isHead: boolean): void {
    const { stream, fields } = this;
    // 205 has no body (RFC 9110 §15.3.6), and node:http2 ends the stream.
    this.bodyless = isHead || head.bodyKind === 'none' || head.status === 205;
    if (stream === null || !this.isOpen) return;
    responseFields(head, head.status, fields);
    this.trailing = !this.bodyless && head.bodyKind === 'chunked';
    if (this.trailing) {
      stream.on('wantTrailers', this.onWantTrailers);
      stream.respond(fields, withTrailers);
    } else stream.respond(fields, this.bodyless ? ended : open);
  }

  /** A success whose body is a tunnel (RFC 8441 §5). */
  startTunnel(head: ResponseHead): void {
    const { stream, fields } = this;
    if (stream === null || !this.isOpen) return;
    responseFields(head, 200, fields);
    stream.respond(fields, open);
  }

  /** A response of our own. `lines`: further header lines as HTTP/1.1 writes them. Returns the body bytes sent. */
  reply(reply: RenderedReply, lines: string, isHead: boolean): number {
    const { stream, fields } = this;
    this.bodyless = isHead || reply.body.length === 0 || reply.status === 205;
    if (stream === null || !this.isOpen) return 0;
    replyFields(reply, lines, fields);
    stream.respond(fields, this.bodyless ? ended : open);
    if (this.bodyless) return 0;
    stream.end(reply.body);
    this.user.onSent(reply.body.length);
    return reply.body.length;
  }

  /** Body bytes. Returns as `ResponseWriter.body`: 1 is added when the client takes no more, 2 when the slice itself is queued. */
  body(buffer: Buffer, start: number, end: number, keep: boolean): number {
    const { stream } = this;
    const length = end - start;
    if (stream === null || this.bodyless || length === 0 || !this.isOpen) return 0;
    this.user.onSent(length);
    if (this.pending !== null) stream.write(this.pending);
    this.pending = null;
    if (keep && length > copyLimit) {
      stream.write(buffer.subarray(start, end));
      return this.takesMore(stream) ? 2 : 3;
    }
    const copy = Buffer.allocUnsafe(length);
    buffer.copy(copy, 0, start, end);
    this.pending = copy;
    return this.takesMore(stream) ? 0 : 1;
  }

  flush(): boolean {
    const { stream, pending } = this;
    if (stream === null) return true;
    this.pending = null;
    if (pending !== null && this.isOpen) stream.write(pending);
    return this.takesMore(stream);
  }

  post(): void {
    this.flush();
  }

  end(trailers: Trailers | null): void {
    const { stream, pending } = this;
    this.pending = null;
    if (stream === null || this.bodyless || !this.isOpen) return;
    if (this.trailing) this.trailers = trailers;
    if (pending === null) stream.end();
    else stream.end(pending);
  }

  /** Ends the stream at once, and never as if its response were whole. */
  cut(code: number): void {
    const { stream } = this;
    this.pending = null;
    if (stream === null) return;
    // node:http2 ends the writable side of a stream that is closed: END_STREAM would go out before the reset, and of a stream that
    // waits for trailers it would ask for them while it is being destroyed, which aborts the process.
    stream._final = proceed;
    stream.close(code);
  }

  /** The response is whole, the request is not: what is still under way of it is not wanted (RFC 9113 §8.1). */
  refuseRest(): void {
    // node:http2 sends no trailers on a stream that it was told to close.
    if (this.trailing) this.refusesRest = true;
    else this.closeSoon();
  }

  private closeSoon(): void {
    const { stream } = this;
    // Not while node:http2 may still be reading: nghttp2 would send the reset and not the answer before it.
    setImmediate(() => {
      if (stream !== null && !stream.destroyed && !stream.closed) stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }

  private takesMore(stream: ServerHttp2Stream): boolean {
    if (!stream.writableNeedDrain) return true;
    if (!this.listensForDrain) stream.on('drain', this.onDrain);
    this.listensForDrain = true;
    return false;
  }

  private readonly onDrain = (): void => this.user.onDrain();

  private readonly onWantTrailers = (): void => {
    const { stream, trailers } = this;
    this.trailers = null;
    if (stream === null || !this.isOpen) return;
    try {
      stream.sendTrailers(trailers === null ? {} : fieldsObject(trailers, 0));
      this.trailing = false;
      // They leave in the turn after this one: node:http2 has asked for it already.
      if (this.refusesRest) this.closeSoon();
    } catch (error) {
      this.user.onFault(error);
    }
  };
}
