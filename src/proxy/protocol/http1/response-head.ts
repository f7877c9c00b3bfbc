import { Head } from './message-head.ts';
import { CR, LF, SP, VALUE } from './tables.ts';

const VERSION = 'HTTP/1.1 ';

/** A response's head. `reset` before each message, with the method of the request that it answers. */
export class ResponseHead extends Head {
  /** 100–999. */
  status = 0;

  protected override readonly malformed = -502;
  protected override readonly tooMany = -502;
  protected override readonly unknownCoding = -502;

  private requestMethod = 'GET';
  private reasonAt = 0;
  private reasonTo = 0;

  /** `requestMethod`: HEAD and CONNECT change where the response ends. */
  reset(requestMethod: string): void {
    this.clearHead();
    this.requestMethod = requestMethod;
    this.status = 0;
    this.reasonAt = 0;
    this.reasonTo = 0;
  }

  /** Absolute offset in `buf`. */
  get reasonStart(): number {
    return this.start + this.reasonAt;
  }

  /** Absolute offset in `buf`. */
  get reasonEnd(): number {
    return this.start + this.reasonTo;
  }

  get reason(): string {
    return this.buf.latin1Slice(this.start + this.reasonAt, this.start + this.reasonTo);
  }

  /** 100–199 except 101: another head follows on the same connection. */
  get interim(): boolean {
    return this.status < 200 && this.status !== 101;
  }

  protected override readStartLine(end: number): number {
    if (!this.lineIsWhole(end)) return 0;
    const { buf, start } = this;
    const known = Math.min(end - start, 9);
    for (let k = 0; k < known; k++) {
      const b = buf[start + k];
      if (k === 7 ? b !== 48 && b !== 49 : b !== VERSION.charCodeAt(k)) {
        return this.fail(-502, 'http1.status_line_invalid');
      }
    }
    let i = start + 12;
    if (i >= end) return this.statusLineWait(end);
    const a = buf[start + 9] - 48;
    const b = buf[start + 10] - 48;
    const c = buf[start + 11] - 48;
    if (a < 1 || a > 9 || b < 0 || b > 9 || c < 0 || c > 9) return this.fail(-502, 'http1.status_line_invalid');
    // Some servers leave out the space before an empty reason.
    if (buf[i] === SP) i++;
    else if (buf[i] !== CR) return this.fail(-502, 'http1.status_line_invalid');
    const rs = i;
    while (i < end && VALUE[buf[i]] !== 0) i++;
    if (i === end) return this.statusLineWait(end);
    if (buf[i] !== CR) return this.fail(-502, 'http1.status_line_invalid');
    if (i + 1 === end) return this.statusLineWait(end);
    if (buf[i + 1] !== LF) return this.fail(-502, 'http1.status_line_invalid');
    this.minor = buf[start + 7] - 48;
    this.status = a * 100 + b * 10 + c;
    this.reasonAt = rs - start;
    this.reasonTo = i - start;
    return i + 2;
  }

  private statusLineWait(end: number): number {
    this.scannedTo = end - this.start;
    return 0;
  }

  protected override finish(): number {
    const { status, requestMethod } = this;
    if (this.transferEncodings !== 0) {
      if (this.contentLength !== -1) return this.fail(-502, 'http1.content_length_with_transfer_encoding');
      if (this.minor === 0) return this.fail(-502, 'http1.transfer_encoding_in_http10');
    }
    this.settleConnection();
    if (this.interim && (this.chunked || this.contentLength > 0)) {
      // A body that cannot be there (RFC 9112 §6.3): what follows could be taken for the final response.
      return this.fail(-502, 'http1.interim_with_body');
    }
    // Parsers differ on whether anything follows an interim response that ends the connection.
    if (this.interim && !this.keepAlive) return this.fail(-502, 'http1.interim_closes');
    if (status === 101 || (requestMethod === 'CONNECT' && status >= 200 && status < 300)) {
      this.bodyKind = status === 101 ? 'none' : 'tunnel';
      this.dropFraming();
    } else if (status < 200 || status === 204) {
      this.bodyKind = 'none';
      this.dropFraming();
    } else if (status === 304 || requestMethod === 'HEAD') {
      this.bodyKind = 'none';
      // Readers differ on a 304 that announces chunks (RFC 9112 §6.1 allows it).
      if (status === 304 && this.chunked) this.unusable();
    } else if (this.chunked) this.bodyKind = 'chunked';
    else if (this.contentLength !== -1) this.bodyKind = this.contentLength === 0 ? 'none' : 'length';
    else {
      this.bodyKind = 'until-close';
      this.keepAlive = false;
    }
    return 0;
  }

  /** These statuses have no body and may not announce one (RFC 9110 §8.6): the server is wrong, so the connection is not used again. */
  private dropFraming(): void {
    if (this.chunked || this.contentLength > 0) this.unusable();
    if (this.contentLength !== -1) this.drop('content-length');
    if (this.trailerAt !== -1) this.drop('trailer');
    this.chunked = false;
    this.contentLength = -1;
  }

  private unusable(): void {
    this.close = true;
    this.keepAlive = false;
  }
}
