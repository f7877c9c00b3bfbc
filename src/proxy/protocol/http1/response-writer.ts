import type { ResponseOutput } from '../exchange.ts';
import type { RenderedReply } from '../../reply.ts';
import type { Staging } from '../../upstream/buffers.ts';
import type { Wire } from '../../upstream/wire.ts';
import { copyBytes, dateHeader, statusLine, writeAscii, writeHex } from './encode.ts';
import { isToken, sentValue } from './fields.ts';
import type { ResponseHead } from './head.ts';
import type { Trailers } from './trailers.ts';

/** Slices above this are written on their own when they may be kept, without a copy. */
const copyLimit = 16 * 1024;
const dateBytes = 37;

/** What a response does with its connection. */
export interface ResponseOptions {
  readonly close: boolean;
  /** The client speaks HTTP/1.1. */
  readonly modern: boolean;
}

/** Encodes responses for one HTTP/1.1 client into the worker's staging buffer. */
export class ResponseWriter implements ResponseOutput {
  private readonly staging: Staging;
  private wire: Wire;
  private chunked = false;

  constructor(staging: Staging, wire: Wire) {
    this.staging = staging;
    this.wire = wire;
  }

  /** The next client. */
  attach(wire: Wire): void {
    this.wire = wire;
    this.chunked = false;
  }

  /** The body's end can only be told by closing: neither a length nor chunks that this client reads. */
  static needsClose(head: ResponseHead, modern: boolean): boolean {
    return !modern && (head.bodyKind === 'chunked' || head.bodyKind === 'until-close');
  }

  interim(head: ResponseHead): void {
    this.startLine(head.status, head.headersLength);
    this.headers(head);
    this.staging.appendText('\r\n');
    this.staging.flush(this.wire);
  }

  switchProtocols(head: ResponseHead, upgrade: string): void {
    this.chunked = false;
    this.startLine(101, head.headersLength + upgrade.length);
    this.headers(head);
    this.staging.appendText(`connection: upgrade\r\nupgrade: ${upgrade}\r\n\r\n`);
  }

  start(head: ResponseHead, options: ResponseOptions): void {
    const { staging } = this;
    const { bodyKind } = head;
    const inChunks = bodyKind === 'chunked' || bodyKind === 'until-close';
    this.chunked = options.modern && inChunks;
    this.startLine(head.status, head.headersLength);
    this.headers(head);
    if (!head.has('date')) staging.append(dateHeader(Date.now()), 0, dateBytes);
    // HEAD: what a GET would have had.
    if (this.chunked || (bodyKind === 'none' && head.chunked && options.modern)) staging.appendText('transfer-encoding: chunked\r\n');
    this.connection(options);
    staging.length = writeAscii(staging.buffer, staging.length, '\r\n');
  }

  /** Room for everything a head needs is made once, here. */
  private startLine(status: number, headersLength: number): void {
    const { staging } = this;
    const line = statusLine(status);
    staging.reserve(line.length + headersLength + 256);
    staging.length = copyBytes(line, 0, line.length, staging.buffer, staging.length);
  }

  private headers(head: ResponseHead): void {
    const at = head.writeHeaders(this.staging.buffer, this.staging.length);
    if (at >= 0) this.staging.length = at;
  }

  private connection(options: ResponseOptions): void {
    if (options.close) this.staging.appendText('connection: close\r\n');
    else if (!options.modern) this.staging.appendText('connection: keep-alive\r\n');
  }

  /**
   * Body bytes. `keep`: the slice stays as it is until written. Returns 0 when the client takes more, 1 when it does not;
   * 2 is added when the slice is still queued.
   */
  body(buffer: Buffer, start: number, end: number, keep: boolean): number {
    const { staging, wire } = this;
    const length = end - start;
    let queued = 0;
    if (this.chunked) {
      staging.reserve(24);
      staging.length = writeHex(staging.buffer, staging.length, length);
      staging.length = writeAscii(staging.buffer, staging.length, '\r\n');
    }
    if (keep && length > copyLimit) {
      staging.flush(wire);
      if (wire.writeSlice(buffer.subarray(start, end))) queued = 2;
    } else {
      if (staging.room < length + 8) staging.flush(wire);
      staging.append(buffer, start, end);
    }
    if (this.chunked) {
      staging.reserve(8);
      staging.length = writeAscii(staging.buffer, staging.length, '\r\n');
    }
    return wire.isFull ? queued + 1 : queued;
  }

  end(trailers: Trailers | null): void {
    if (!this.chunked) return;
    const { staging } = this;
    this.chunked = false;
    staging.reserve(16 + (trailers === null ? 0 : trailers.headersLength));
    staging.length = writeAscii(staging.buffer, staging.length, '0\r\n');
    if (trailers !== null) {
      const at = trailers.writeHeaders(staging.buffer, staging.length);
      if (at >= 0) staging.length = at;
    }
    staging.length = writeAscii(staging.buffer, staging.length, '\r\n');
  }

  /** A response of our own. `extra`: complete header lines. Returns the body bytes sent. */
  reply(reply: RenderedReply, extra: string, wantsBody: boolean, options: ResponseOptions): number {
    const { staging } = this;
    const { status, headers, body } = reply;
    const withBody = wantsBody && status !== 204 && status !== 304;
    let text = '';
    for (const [name, value] of headers)
      if (options.close === false || name.toLowerCase() !== 'connection') text += headerLine(name, value);
    text += extra;
    if (status !== 204 && status !== 304) text += `content-length: ${body.length}\r\n`;
    this.startLine(status, text.length + body.length);
    staging.append(dateHeader(Date.now()), 0, dateBytes);
    staging.appendText(text);
    this.connection(options);
    staging.appendText('\r\n');
    if (withBody) staging.append(body, 0, body.length);
    staging.post(this.wire, false);
    return withBody ? body.length : 0;
  }

  flush(): boolean {
    return this.staging.flush(this.wire);
  }

  post(): void {
    this.staging.post(this.wire, false);
  }
}

/** A line of text, or nothing when it could break the message. */
export function headerLine(name: string, value: string): string {
  const sent = isToken(name) ? sentValue(value) : null;
  return sent === null ? '' : `${name}: ${sent}\r\n`;
}
