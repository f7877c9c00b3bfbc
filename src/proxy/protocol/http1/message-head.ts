import { FieldSection } from './parse-fields.ts';
import { COMMA, CR, HTAB, Known, SP, TOKEN, is } from './tables.ts';

export interface HeadLimits {
  /** Whole head with its blank line, in bytes. */
  readonly maxHeadBytes: number;
  readonly maxHeaders: number;
  /** Request target, in bytes. Not used for responses. */
  readonly maxTargetBytes: number;
}

/** How a message's end is found (RFC 9112 §6.3). `tunnel`: what follows is no HTTP any more. */
export type BodyKind = 'none' | 'length' | 'chunked' | 'until-close' | 'tunnel';

/** More connection options than any client sends; each costs a search over the header lines. */
const MAX_CONNECTION_OPTIONS = 16;
/**
 * What request and response heads have in common: framing and connection options.
 *
 * `parse` is called with all bytes from the beginning of the message; when it returns 0 call it again with more, in whatever
 * buffer they then are. Refusals are values: -status, with `error` naming the reason.
 */
export abstract class Head extends FieldSection {
  /** HTTP minor version: 0 or 1. */
  minor = 1;
  /** Content-Length; -1 without one. */
  contentLength = -1;
  /** Transfer-Encoding is exactly `chunked`. */
  chunked = false;
  bodyKind: BodyKind = 'none';
  /** Connection lists `close`. */
  close = false;
  /** The connection can carry another message after this one (RFC 9112 §9.3); false too for a request that offers an upgrade. */
  keepAlive = true;
  /** Lower-case value of Upgrade when Connection lists `upgrade` and the version is 1.1; '' otherwise. */
  upgrade = '';
  /** Bytes of the head with its blank line, and with empty lines before it; 0 until parsed. */
  headBytes = 0;

  protected readonly limits: HeadLimits;
  protected startLineRead = false;
  protected connectionKeepAlive = false;
  protected connectionUpgrade = false;
  protected connectionCount = 0;
  protected connectionOdd = false;
  protected upgradeAt = -1;
  protected trailerAt = -1;
  protected transferEncodings = 0;

  constructor(limits: HeadLimits) {
    super(limits.maxHeaders);
    this.limits = limits;
  }

  /** Absolute offset in `buf` behind the head. */
  get headEnd(): number {
    return this.start + this.headBytes;
  }

  /** Copies the head into a buffer of its own, to be valid after the reader's buffer is used again. */
  keep(): void {
    this.keepBytes(this.headBytes);
  }

  protected clearHead(): void {
    this.clearSection();
    // A new revision may have changed the limits of a listener whose connections go on.
    this.maxHeaders = this.limits.maxHeaders;
    this.minor = 1;
    this.contentLength = -1;
    this.chunked = false;
    this.bodyKind = 'none';
    this.close = false;
    this.keepAlive = true;
    this.upgrade = '';
    this.headBytes = 0;
    this.startLineRead = false;
    this.connectionKeepAlive = false;
    this.connectionUpgrade = false;
    this.connectionCount = 0;
    this.connectionOdd = false;
    this.upgradeAt = -1;
    this.trailerAt = -1;
    this.transferEncodings = 0;
  }

  /** Reads `buf[start, end)`: bytes of the head, 0 when it is not whole yet, -status when it is refused. */
  parse(buf: Buffer, start: number, end: number): number {
    this.buf = buf;
    this.start = start;
    if (!this.startLineRead) {
      const behind = this.readStartLine(end);
      if (behind <= 0) return behind === 0 ? this.incomplete(end) : behind;
      this.startLineRead = true;
      this.lineAt = behind - start;
      this.scannedTo = 0;
    }
    const behind = this.readLines(end);
    if (behind <= 0) return behind === 0 ? this.incomplete(end) : behind;
    this.headBytes = behind - start;
    if (this.headBytes > this.limits.maxHeadBytes) return this.fail(this.tooMany, 'http1.head_too_large');
    const verdict = this.connectionCount !== 0 ? this.applyConnection() : 0;
    if (verdict !== 0) return verdict;
    const refused = this.finish();
    return refused !== 0 ? refused : this.headBytes;
  }

  /** Returns the absolute offset behind the start line, 0 when it is not whole yet, -status. */
  protected abstract readStartLine(end: number): number;

  /** The head is whole: decides framing. 0 or -status. */
  protected abstract finish(): number;

  protected incomplete(end: number): number {
    if (end - this.start >= this.limits.maxHeadBytes) return this.fail(this.tooMany, 'http1.head_too_large');
    return 0;
  }

  protected override onKnown(id: number, i: number): number {
    switch (id) {
      case Known.contentLength:
        return this.readContentLength(i);
      case Known.transferEncoding:
        this.dropLine(i);
        return this.readTransferEncoding(i);
      case Known.connection:
        this.dropLine(i);
        this.connectionCount++;
        this.readConnection(i);
        return 0;
      case Known.upgrade:
        this.dropLine(i);
        if (this.upgradeAt === -1) this.upgradeAt = i;
        return 0;
      case Known.trailer:
        this.trailerAt = i;
        return 0;
      case Known.proxyConnection:
        // It means nothing (RFC 9112 appendix C.2.2), but some servers read it as Connection: what follows is then safe from neither.
        this.dropLine(i);
        if (!this.isKeepAlive(i)) this.close = true;
        return 0;
      case Known.keepAlive:
      case Known.http2Settings:
      case Known.te:
        this.dropLine(i);
        return 0;
      default:
        return 0;
    }
  }

  private readContentLength(i: number): number {
    if (this.contentLength !== -1) return this.fail(this.malformed, 'http1.content_length_repeated');
    const { buf } = this;
    const end = this.valueEnd(i);
    let p = this.valueStart(i);
    // Sixteen digits stay exact and hold every length below 2^53.
    if (p === end || end - p > 16) return this.fail(this.malformed, 'http1.content_length_invalid');
    let length = 0;
    for (; p < end; p++) {
      const digit = buf[p] - 48;
      if (digit < 0 || digit > 9) return this.fail(this.malformed, 'http1.content_length_invalid');
      length = length * 10 + digit;
    }
    if (length > Number.MAX_SAFE_INTEGER) return this.fail(this.malformed, 'http1.content_length_invalid');
    this.contentLength = length;
    return 0;
  }

  private readTransferEncoding(i: number): number {
    const { buf } = this;
    const start = this.valueStart(i);
    const end = this.valueEnd(i);
    if (++this.transferEncodings > 1) return this.fail(this.malformed, 'http1.transfer_encoding_repeated');
    // llhttp takes a tab behind the name as part of it, and reads another framing.
    for (let p = end; buf[p] !== CR; p++) {
      if (buf[p] === HTAB) return this.fail(this.malformed, 'http1.transfer_encoding_invalid');
    }
    if (end - start === 7 && is(buf, start, 'chunked')) {
      this.chunked = true;
      return 0;
    }
    // Another coding below a final `chunked` is well framed, but nothing here takes it off (RFC 9112 §6.1).
    if (end - start > 8 && is(buf, end - 7, 'chunked') && (buf[end - 8] === COMMA || buf[end - 8] === SP)) {
      return this.fail(this.unknownCoding, 'http1.transfer_encoding_unsupported');
    }
    return this.fail(this.malformed, 'http1.transfer_encoding_invalid');
  }

  /** -status for a transfer coding other than `chunked`. */
  protected abstract readonly unknownCoding: number;

  private isKeepAlive(i: number): boolean {
    const start = this.valueStart(i);
    return this.valueEnd(i) - start === 10 && is(this.buf, start, 'keep-alive');
  }

  private readConnection(i: number): void {
    const { buf } = this;
    const start = this.valueStart(i);
    const length = this.valueEnd(i) - start;
    // Nearly every Connection is one of these two; others wait until all lines are there.
    if (this.isKeepAlive(i)) this.connectionKeepAlive = true;
    else if (length === 5 && is(buf, start, 'close')) this.close = true;
    else this.connectionOdd = true;
  }

  /** Reads the options of every Connection line and drops the lines that they name. */
  private applyConnection(): number {
    if (!this.connectionOdd) return 0;
    const { buf } = this;
    let options = 0;
    for (let i = 0; i < this.count; i++) {
      if (this.ids[i] !== Known.connection) continue;
      const end = this.valueEnd(i);
      let p = this.valueStart(i);
      while (p < end) {
        while (p < end && (buf[p] === SP || buf[p] === HTAB || buf[p] === COMMA)) p++;
        const s = p;
        while (p < end && TOKEN[buf[p]] !== 0) p++;
        const e = p;
        while (p < end && (buf[p] === SP || buf[p] === HTAB)) p++;
        if (p < end && buf[p] !== COMMA) return this.fail(this.malformed, 'http1.connection_invalid');
        if (e === s) continue;
        if (++options > MAX_CONNECTION_OPTIONS) return this.fail(this.malformed, 'http1.connection_too_many_options');
        const verdict = this.connectionOption(s, e);
        if (verdict !== 0) return verdict;
      }
    }
    return 0;
  }

  private connectionOption(s: number, e: number): number {
    const { buf } = this;
    const length = e - s;
    if (length === 5 && is(buf, s, 'close')) this.close = true;
    else if (length === 10 && is(buf, s, 'keep-alive')) this.connectionKeepAlive = true;
    else if (length === 7 && is(buf, s, 'upgrade')) this.connectionUpgrade = true;
    else {
      const name = buf.latin1Slice(s, e).toLowerCase();
      if (name === 'host' || name === 'content-length' || name === 'transfer-encoding') {
        return this.fail(this.malformed, 'http1.connection_names_framing');
      }
      if (!isEndToEnd(name)) this.drop(name);
    }
    return 0;
  }

  /** `keepAlive` and `upgrade`, once all lines are read. */
  protected settleConnection(): void {
    this.keepAlive = !this.close && (this.minor === 1 || this.connectionKeepAlive);
    if (this.connectionUpgrade && this.upgradeAt !== -1 && this.minor === 1) {
      this.upgrade = this.valueAt(this.upgradeAt).toLowerCase();
    }
    if (this.trailerAt !== -1 && !this.chunked) this.drop('trailer');
  }
}

/**
 * Fields that Connection may not name (RFC 9110 §7.6.1): dropping what a hop in front added, or what decides about access, is a
 * known way around checks. They are forwarded all the same.
 */
function isEndToEnd(name: string): boolean {
  return END_TO_END.has(name) || name.startsWith('x-forwarded-') || name.startsWith('content-');
}

const END_TO_END: ReadonlySet<string> = new Set([
  'authorization',
  'cookie',
  'set-cookie',
  'cache-control',
  'date',
  'expect',
  'forwarded',
  'via',
  'x-real-ip',
  'x-request-id',
  'traceparent',
  'tracestate',
  'location',
  'www-authenticate',
]);
