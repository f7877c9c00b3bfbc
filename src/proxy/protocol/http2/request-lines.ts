import { writeAscii } from '../http1/encode.ts';
import type { RequestHead } from '../http1/head.ts';
import { TOKEN } from '../http1/tables.ts';

/** Bytes of a field name in HTTP/2: a token without upper case (RFC 9113 §8.2.1). */
const NAME: Uint8Array = TOKEN.map((kind, byte) => (byte >= 0x41 && byte <= 0x5a ? 0 : kind));

const firstBytes = 1024;
/** A larger buffer of one request is not kept for the next. */
const keptBytes = 8192;

/** Of a WebSocket handshake that we make on behalf of a client that needs none (RFC 8441 §5). */
export interface Handshake {
  readonly key: string;
  /** `Sec-WebSocket-Accept` that answers the key. */
  readonly accept: string;
}

/**
 * Writes a request of HTTP/2 as HTTP/1.1 bytes, so that the one strict head parser reads it: routing, filters, logs and
 * upstreams see the same form whatever the client speaks. What cannot be written without a second meaning is refused
 * (RFC 9113 §8.2, §8.3, §10.3); node:http2 refuses much of it before, which is not relied upon.
 */
export class RequestLines {
  /** Valid until the next `write`: the head that was read from it refers to it. */
  bytes: Buffer = Buffer.allocUnsafeSlow(firstBytes);
  length = 0;
  /** Why it was refused, as in response_code_details. */
  error = '';
  /** `:protocol` of an extended CONNECT (RFC 8441); '' otherwise. */
  protocol = '';
  private lines = 0;
  private method = '';
  private path = '';
  private authority = '';
  private scheme = '';
  private host = '';
  private hosts = 0;
  private cookies = 0;
  private hasLength = false;
  private size = 0;

  /**
   * @param fields name, value, name, value …, as they came
   * @param endsHere no body follows
   * @param handshake for an extended CONNECT
   * @returns false when the request is refused
   */
  write(fields: readonly string[], endsHere: boolean, handshake: Handshake | null): boolean {
    this.clear();
    if (!this.look(fields) || !this.settle(endsHere)) return false;
    this.reserve();
    this.startLine();
    this.fields(fields);
    if (this.protocol !== '') {
      this.line('connection', 'upgrade');
      this.line('upgrade', this.protocol);
      if (handshake !== null) this.line('sec-websocket-key', handshake.key);
    } else if (this.method !== 'CONNECT' && !this.hasLength) {
      if (!endsHere) this.line('transfer-encoding', 'chunked');
      else if (this.method === 'POST' || this.method === 'PUT' || this.method === 'PATCH') this.line('content-length', '0');
    }
    this.text('\r\n');
    return true;
  }

  /** Has the head parser read what was written. 0, or -status with the reason in `error`. */
  read(head: RequestHead, endsHere: boolean): number {
    head.reset();
    const used = head.parse(this.bytes, 0, this.length);
    if (used < 0) {
      this.error = head.error.replace('http1.', 'http2.');
      return used;
    }
    // A line more or less than was written: some value was read as something else.
    if (used !== this.length || head.count !== this.lines || head.targetEnd - head.targetStart !== this.target.length)
      return this.malformed('http2.malformed_headers');
    if (endsHere && head.contentLength > 0) return this.malformed('http2.content_length_mismatch');
    return 0;
  }

  /** The request is over. */
  release(): void {
    if (this.bytes.length > keptBytes) this.bytes = Buffer.allocUnsafeSlow(firstBytes);
  }

  private get target(): string {
    return this.method === 'CONNECT' && this.protocol === '' ? this.authority : this.path;
  }

  private clear(): void {
    this.length = 0;
    this.lines = 0;
    this.error = '';
    this.protocol = '';
    this.method = '';
    this.path = '';
    this.authority = '';
    this.scheme = '';
    this.host = '';
    this.hosts = 0;
    this.cookies = 0;
    this.hasLength = false;
    this.size = 0;
  }

  private refuse(error: string): boolean {
    this.error = error;
    return false;
  }

  private malformed(error: string): number {
    this.error = error;
    return -400;
  }

  /** Takes the pseudo-headers, and looks at the others. */
  private look(fields: readonly string[]): boolean {
    let isRegular = false;
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const name = fields[i];
      const value = fields[i + 1];
      this.size += name.length + value.length + 4;
      if (name.charCodeAt(0) === 0x3a) {
        if (isRegular) return this.refuse('http2.pseudo_header_after_field');
        if (!this.pseudo(name, value)) return false;
        continue;
      }
      isRegular = true;
      for (let p = 0; p < name.length; p++)
        if (NAME[name.charCodeAt(p)] !== 1 && name[p] !== '_') return this.refuse('http2.header_name_invalid');
      if (name.length === 0) return this.refuse('http2.header_name_invalid');
      if (!this.field(name, value)) return false;
    }
    return true;
  }

  private pseudo(name: string, value: string): boolean {
    switch (name) {
      case ':method':
        if (this.method !== '' || value === '') return this.refuse('http2.pseudo_header_invalid');
        this.method = value;
        return true;
      case ':path':
        if (this.path !== '' || value === '') return this.refuse('http2.path_invalid');
        this.path = value;
        return true;
      case ':authority':
        if (this.authority !== '' || value === '') return this.refuse('http2.authority_invalid');
        this.authority = value;
        return true;
      case ':scheme':
        if (this.scheme !== '' || (value !== 'http' && value !== 'https')) return this.refuse('http2.scheme_invalid');
        this.scheme = value;
        return true;
      case ':protocol':
        if (this.protocol !== '' || value === '') return this.refuse('http2.pseudo_header_invalid');
        this.protocol = value;
        return true;
      default:
        return this.refuse('http2.pseudo_header_invalid');
    }
  }

  /** Names whose meaning is the protocol's own; told by their length first. */
  private field(name: string, value: string): boolean {
    switch (name.length) {
      case 2:
        return name !== 'te' || value === 'trailers' || this.refuse('http2.te_invalid');
      case 4:
        if (name !== 'host') return true;
        this.host = value;
        return ++this.hosts === 1 || this.refuse('http2.host_repeated');
      case 6:
        if (name === 'cookie') this.cookies++;
        return true;
      case 7:
      case 10:
      case 16:
      case 17:
        return !isConnectionHeader(name) || this.refuse('http2.connection_header');
      case 14:
        if (name === 'content-length') this.hasLength = true;
        return name !== 'http2-settings' || this.refuse('http2.connection_header');
      default:
        return true;
    }
  }

  /** Which pseudo-headers a method has (RFC 9113 §8.3.1, §8.5; RFC 8441 §4), and that they say one thing. */
  private settle(endsHere: boolean): boolean {
    const { method, path, authority } = this;
    if (method === '') return this.refuse('http2.pseudo_header_missing');
    if (method === 'CONNECT' && this.protocol === '') {
      if (authority === '' || path !== '' || this.scheme !== '') return this.refuse('http2.connect_invalid');
    } else {
      if (path === '' || this.scheme === '') return this.refuse('http2.pseudo_header_missing');
      // An absolute-form target would name another authority.
      if (path.charCodeAt(0) !== 0x2f && (path !== '*' || method !== 'OPTIONS')) return this.refuse('http2.path_invalid');
    }
    if (this.protocol !== '' && (method !== 'CONNECT' || endsHere || this.hasLength)) return this.refuse('http2.connect_invalid');
    // Two authorities: whoever reads the other one serves another host (RFC 9113 §8.3.1).
    if (authority !== '' && this.hosts !== 0 && this.host.toLowerCase() !== authority.toLowerCase())
      return this.refuse('http2.authority_mismatch');
    return true;
  }

  private reserve(): void {
    const bytes = this.size + this.authority.length + 160;
    if (this.bytes.length < bytes) this.bytes = Buffer.allocUnsafeSlow(1 << (32 - Math.clz32(bytes - 1)));
  }

  private startLine(): void {
    this.text(this.protocol === '' ? this.method : 'GET');
    this.text(' ');
    this.text(this.target);
    this.text(' HTTP/1.1\r\n');
    if (this.authority !== '') this.line('host', this.authority);
  }

  private fields(fields: readonly string[]): void {
    let cookieWritten = false;
    for (let i = 0; i + 1 < fields.length; i += 2) {
      const name = fields[i];
      if (name.charCodeAt(0) === 0x3a) continue;
      if (name === 'host' && this.authority !== '') continue;
      if (name === 'cookie' && this.cookies > 1) {
        if (!cookieWritten) this.joinCookies(fields);
        cookieWritten = true;
        continue;
      }
      // The handshake is ours: RFC 8441 has none.
      if (this.protocol !== '' && (name === 'sec-websocket-key' || name === 'sec-websocket-accept')) continue;
      this.line(name, fields[i + 1]);
    }
  }

  /** HTTP/2 may split Cookie so that its parts compress better; HTTP/1.1 has one (RFC 9113 §8.2.3). */
  private joinCookies(fields: readonly string[]): void {
    let joined = '';
    for (let i = 0; i + 1 < fields.length; i += 2) {
      if (fields[i] === 'cookie') joined = joined === '' ? fields[i + 1] : `${joined}; ${fields[i + 1]}`;
    }
    this.line('cookie', joined);
  }

  private line(name: string, value: string): void {
    this.text(name);
    this.text(': ');
    this.text(value);
    this.text('\r\n');
    this.lines++;
  }

  private text(text: string): void {
    this.length = writeAscii(this.bytes, this.length, text);
  }
}

/** Fields that belong to one connection of HTTP/1.1 and make a message of HTTP/2 malformed (RFC 9113 §8.2.2). */
export function isConnectionHeader(name: string): boolean {
  switch (name) {
    case 'connection':
    case 'keep-alive':
    case 'proxy-connection':
    case 'transfer-encoding':
    case 'upgrade':
    case 'http2-settings':
      return true;
    default:
      return false;
  }
}
