import { Head } from './message-head.ts';
import { COMMA, CR, HOST, HTAB, Known, LF, LOWER, MAX_METHOD_BYTES, SP, TARGET, TOKEN, is, methodOf } from './tables.ts';

/** Empty lines before a request line that are skipped (RFC 9112 §2.2). */
const MAX_EMPTY_LINES = 4;
/** `SP` `HTTP/1.1` `CRLF` */
const AFTER_TARGET_BYTES = 11;
/** A host name has at most 253 characters (RFC 1035 §2.3.4). */
const MAX_KEPT_HOST = 255;

/** A request's head. Limits hold for its life; `reset` before each message. */
export class RequestHead extends Head {
  /** One of the known methods. */
  method = '';
  /** Expect is `100-continue` and the version is 1.1 (RFC 9110 §10.1.1). */
  expectContinue = false;
  /** TE lists `trailers`: the client can take trailers. */
  trailersAllowed = false;
  /** Lines of Host; at most 1 after a parse that succeeded. */
  hostCount = 0;

  protected override readonly malformed = -400;
  protected override readonly tooMany = -431;
  protected override readonly unknownCoding = -501;

  private targetAt = 0;
  private targetTo = 0;
  private hostAt = -1;
  private lastHost = '';

  reset(): void {
    this.clearHead();
    this.method = '';
    this.expectContinue = false;
    this.trailersAllowed = false;
    this.hostCount = 0;
    this.targetAt = 0;
    this.targetTo = 0;
    this.hostAt = -1;
  }

  get hasHost(): boolean {
    return this.hostCount !== 0;
  }

  /** Absolute offset in `buf`. */
  get targetStart(): number {
    return this.start + this.targetAt;
  }

  /** Absolute offset in `buf`. */
  get targetEnd(): number {
    return this.start + this.targetTo;
  }

  /** Request target as it came, one character per byte; a new string each time. */
  get target(): string {
    return this.buf.latin1Slice(this.start + this.targetAt, this.start + this.targetTo);
  }

  /** Value of Host as received, '' without one. The same string as long as a connection's requests name the same host. */
  get host(): string {
    if (this.hostAt === -1) return '';
    const { lastHost } = this;
    const start = this.valueStart(this.hostAt);
    const length = this.valueEnd(this.hostAt) - start;
    // A long one is not kept alive by an idle connection.
    if (length > MAX_KEPT_HOST) return this.valueAt(this.hostAt);
    let i = 0;
    if (length === lastHost.length) while (i < length && this.buf[start + i] === lastHost.charCodeAt(i)) i++;
    if (i !== length || length === 0) this.lastHost = this.valueAt(this.hostAt);
    return this.lastHost;
  }

  /** Line of Host; -1 without one. */
  get hostIndex(): number {
    return this.hostAt;
  }

  protected override readStartLine(end: number): number {
    const { buf, start } = this;
    if (!this.lineIsWhole(end)) return this.startLineWait(end);
    let i = start;
    for (let skipped = 0; i < end && buf[i] === CR; skipped++) {
      if (i + 1 === end) return this.startLineWait(end);
      if (buf[i + 1] !== LF || skipped === MAX_EMPTY_LINES) return this.fail(-400, 'http1.request_line_invalid');
      i += 2;
    }
    const ms = i;
    const methodLimit = Math.min(end, ms + MAX_METHOD_BYTES + 1);
    while (i < methodLimit && TOKEN[buf[i]] !== 0) i++;
    if (i === end) return this.startLineWait(end);
    if (i === ms) return this.fail(-400, 'http1.request_line_invalid');
    if (i === methodLimit) return this.fail(-501, 'http1.method_unknown');
    if (buf[i] !== SP) return this.fail(-400, 'http1.request_line_invalid');
    const me = i++;
    const ts = i;
    while (i < end && TARGET[buf[i]] !== 0) i++;
    if (i - ts > this.limits.maxTargetBytes) return this.fail(-414, 'http1.target_too_long');
    if (i + AFTER_TARGET_BYTES > end) {
      const plausible = i === end || (buf[i] === SP && !buf.subarray(i, end).includes(LF));
      return plausible ? this.startLineWait(end) : this.fail(-400, 'http1.request_line_invalid');
    }
    if (i === ts || buf[i] !== SP) return this.fail(-400, 'http1.target_invalid');
    const version = this.readVersion(i + 1);
    if (version !== 0) return version;
    if (buf[i + 9] !== CR || buf[i + 10] !== LF) return this.fail(-400, 'http1.request_line_invalid');
    this.method = methodOf(buf, ms, me);
    if (this.method === '') return this.fail(-501, 'http1.method_unknown');
    this.targetAt = ts - start;
    this.targetTo = i - start;
    return i + AFTER_TARGET_BYTES;
  }

  private readVersion(p: number): number {
    const { buf } = this;
    if (buf[p] !== 72 || buf[p + 1] !== 84 || buf[p + 2] !== 84 || buf[p + 3] !== 80 || buf[p + 4] !== 47) {
      return this.fail(-400, 'http1.version_invalid');
    }
    const major = buf[p + 5] - 48;
    const minor = buf[p + 7] - 48;
    if (buf[p + 6] !== 46 || major < 0 || major > 9 || minor < 0 || minor > 9) {
      return this.fail(-400, 'http1.version_invalid');
    }
    if (major !== 1 || minor > 1) return this.fail(-505, 'http1.version_unsupported');
    this.minor = minor;
    return 0;
  }

  private startLineWait(end: number): number {
    // Not read again until a LF is there; too long a target is told before that.
    this.scannedTo = end - this.start;
    const longest = MAX_EMPTY_LINES * 2 + MAX_METHOD_BYTES + 1 + this.limits.maxTargetBytes + AFTER_TARGET_BYTES;
    return this.scannedTo > longest ? this.fail(-414, 'http1.target_too_long') : 0;
  }

  protected override onKnown(id: number, i: number): number {
    switch (id) {
      case Known.host:
        return this.readHost(i);
      case Known.expect:
        return this.readExpect(i);
      case Known.te:
        if (hasToken(this.buf, this.valueStart(i), this.valueEnd(i), 'trailers')) this.trailersAllowed = true;
        this.dropLine(i);
        return 0;
      case Known.proxy:
        // CGI programs read `Proxy` as the variable HTTP_PROXY ("httpoxy", CVE-2016-5385).
        this.dropLine(i);
        return 0;
      case Known.forwardedClientCert:
        // Upstreams take it for our word on a client certificate: only ours goes on (Envoy SANITIZE).
        this.dropLine(i);
        return 0;
      case Known.weirExplain:
        // A question to us: an upstream that is a Weir too is not asked in its turn.
        this.dropLine(i);
        return 0;
      default:
        return super.onKnown(id, i);
    }
  }

  /**
   * Nobody can meet any other expectation than 100-continue: 417 (RFC 9110 §10.1.1), as servers that read one into a malformed value
   * wait where others do not. In HTTP/1.0 it means nothing, and would mean something to an upstream that is spoken to in HTTP/1.1.
   */
  private readExpect(i: number): number {
    const start = this.valueStart(i);
    if (this.minor === 0) this.dropLine(i);
    else if (this.valueEnd(i) - start === 12 && is(this.buf, start, '100-continue')) this.expectContinue = true;
    else return this.fail(-417, 'http1.expectation_unknown');
    return 0;
  }

  private readHost(i: number): number {
    if (++this.hostCount > 1) return this.fail(-400, 'http1.host_repeated');
    this.hostAt = i;
    const { buf } = this;
    const end = this.valueEnd(i);
    for (let p = this.valueStart(i); p < end; p++) {
      if (HOST[buf[p]] === 0) return this.fail(-400, 'http1.host_invalid');
    }
    return 0;
  }

  protected override finish(): number {
    if (this.hostAt !== -1 && this.valueStart(this.hostAt) === this.valueEnd(this.hostAt)) {
      return this.fail(-400, 'http1.host_empty');
    }
    if (this.hostCount === 0 && this.minor === 1) return this.fail(-400, 'http1.host_missing');
    if (this.transferEncodings !== 0) {
      // Both, or chunked in a version that had no chunks: someone in the chain reads it differently (RFC 9112 §6.1).
      if (this.contentLength !== -1) return this.fail(-400, 'http1.content_length_with_transfer_encoding');
      if (this.minor === 0) return this.fail(-400, 'http1.transfer_encoding_in_http10');
    }
    this.settleConnection();
    // What follows an offered upgrade may be the other protocol's bytes, and parsers differ: it is never read as another request.
    // In HTTP/1.0 too, where Upgrade means nothing (RFC 9110 §7.8), but not to every server.
    if (this.connectionUpgrade && this.upgradeAt !== -1) this.keepAlive = false;
    if (this.chunked) this.bodyKind = 'chunked';
    else if (this.contentLength > 0) this.bodyKind = 'length';
    // What follows a CONNECT is the tunnel's; a body with it is read differently by different servers.
    if (this.method === 'CONNECT' && this.bodyKind !== 'none') return this.fail(-400, 'http1.connect_with_body');
    return 0;
  }
}

/** Whether a comma-separated list contains `lower`, parameters ignored. */
function hasToken(buf: Buffer, start: number, end: number, lower: string): boolean {
  for (let p = start; p + lower.length <= end; p++) {
    if (LOWER[buf[p]] !== lower.charCodeAt(0) || !is(buf, p, lower)) continue;
    const before = p === start ? COMMA : buf[p - 1];
    const after = p + lower.length === end ? COMMA : buf[p + lower.length];
    if ((before === COMMA || before === SP || before === HTAB) && TOKEN[after] === 0) return true;
  }
  return false;
}
