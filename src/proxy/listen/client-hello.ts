import { serverName } from './server-name.ts';

/** What the first message of a TLS client says in clear. */
export interface ClientHello {
  readonly kind: 'hello';
  /** SNI, lower case, without a trailing dot; '' without. */
  readonly serverName: string;
  /** Offered application protocols, best first, without GREASE. */
  readonly alpn: readonly string[];
  /** Offered versions as numbers (0x0304 is TLS 1.3), without GREASE; never empty. */
  readonly versions: readonly number[];
}

export type ClientHelloRead =
  | { readonly kind: 'more' }
  /** The connection does not begin with a TLS handshake; known at the first byte that differs. */
  | { readonly kind: 'not-tls' }
  | { readonly kind: 'error'; readonly details: string }
  | ClientHello;

/** Most bytes that are read, records' headers included (Envoy tls_inspector max_client_hello_size). */
export const MAX_CLIENT_HELLO_BYTES = 64 * 1024;

const MORE: ClientHelloRead = { kind: 'more' };
const NOT_TLS: ClientHelloRead = { kind: 'not-tls' };

function refused(details: string): ClientHelloRead {
  return { kind: 'error', details };
}

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
/** RFC 8446 §5.1. */
const MAX_RECORD_BYTES = 16 * 1024;

/**
 * Reads the ClientHello at the head of a connection (RFC 8446 §4.1.2, RFC 5246 §7.4.1.2), split and fragmented over records in any way.
 * Each byte is given once; the caller keeps the bytes for whoever ends TLS.
 */
export class ClientHelloReader {
  private readonly recordHead = Buffer.alloc(5);
  private headBytes = 0;
  /** Of the current record, still to come. */
  private recordBytes = 0;
  private message: Buffer = Buffer.allocUnsafe(1024);
  private messageBytes = 0;
  private total = 0;
  private result: ClientHelloRead = MORE;

  /** Takes `buf[from, to)`, which follows what was taken before. Once the answer is not `more` it stays what it is. */
  read(buf: Buffer, from: number, to: number): ClientHelloRead {
    for (let at = from; at < to && this.result.kind === 'more';) {
      if (this.total === MAX_CLIENT_HELLO_BYTES) this.result = refused('tls.client_hello_too_long');
      else if (this.recordBytes === 0) {
        this.recordHead[this.headBytes++] = buf[at++];
        this.total++;
        this.result = this.checkRecordHead();
      } else {
        const room = MAX_CLIENT_HELLO_BYTES - this.total;
        const taken = Math.min(to - at, this.recordBytes, room);
        this.append(buf, at, at + taken);
        at += taken;
        this.total += taken;
        this.recordBytes -= taken;
        this.result = this.checkMessage();
      }
    }
    return this.result;
  }

  private checkRecordHead(): ClientHelloRead {
    const head = this.recordHead;
    const isFirst = this.messageBytes === 0;
    const index = this.headBytes - 1;
    const isExpected = index === 0 ? head[0] === HANDSHAKE : index === 1 ? head[1] === 3 : index !== 2 || head[2] <= 4;
    if (!isExpected) return isFirst ? NOT_TLS : refused('tls.record_invalid');
    if (this.headBytes < 5) return MORE;
    this.headBytes = 0;
    this.recordBytes = head.readUInt16BE(3);
    if (this.recordBytes === 0 || this.recordBytes > MAX_RECORD_BYTES) return refused('tls.record_length_invalid');
    return MORE;
  }

  private append(buf: Buffer, from: number, to: number): void {
    const bytes = this.messageBytes + to - from;
    if (bytes > this.message.length) {
      const larger = Buffer.allocUnsafe(Math.max(bytes, this.message.length * 2));
      this.message.copy(larger, 0, 0, this.messageBytes);
      this.message = larger;
    }
    buf.copy(this.message, this.messageBytes, from, to);
    this.messageBytes = bytes;
  }

  private checkMessage(): ClientHelloRead {
    const { message, messageBytes } = this;
    if (message[0] !== CLIENT_HELLO) return refused('tls.handshake_type_invalid');
    if (messageBytes < 4) return MORE;
    const end = 4 + message.readUIntBE(1, 3);
    if (end > MAX_CLIENT_HELLO_BYTES) return refused('tls.client_hello_too_long');
    if (messageBytes < end) return MORE;
    // Nothing may follow in the same record: a client has nothing more to say before it is answered.
    if (messageBytes > end || this.recordBytes !== 0) return refused('tls.record_surplus');
    return parse(message, 4, end);
  }
}

const SERVER_NAME = 0;
const ALPN = 16;
const SUPPORTED_VERSIONS = 43;
const PRE_SHARED_KEY = 41;

function parse(buf: Buffer, from: number, end: number): ClientHelloRead {
  const truncated = refused('tls.client_hello_truncated');
  if (end - from < 35) return truncated;
  const version = buf.readUInt16BE(from);
  const sessionId = buf[from + 34];
  if (sessionId > 32) return refused('tls.session_id_invalid');
  let at = from + 35 + sessionId;
  if (at + 2 > end) return truncated;
  const suites = buf.readUInt16BE(at);
  if (suites === 0 || suites % 2 !== 0) return refused('tls.cipher_suites_invalid');
  at += 2 + suites;
  if (at + 1 > end) return truncated;
  const methods = buf[at];
  if (methods === 0) return refused('tls.compression_invalid');
  at += 1 + methods;
  if (at > end) return truncated;
  const hello = { kind: 'hello' as const, serverName: '', alpn: noNames, versions: [version] as readonly number[] };
  if (at === end) return hello;
  if (at + 2 > end || at + 2 + buf.readUInt16BE(at) !== end) return refused('tls.extensions_length_invalid');
  return readExtensions(buf, at + 2, end, hello);
}

const noNames: readonly string[] = [];

function readExtensions(buf: Buffer, from: number, end: number, plain: ClientHello): ClientHelloRead {
  let { serverName: name, alpn, versions } = plain;
  const seen = new Set<number>();
  for (let at = from; at < end;) {
    if (end - at < 4) return refused('tls.extension_truncated');
    const type = buf.readUInt16BE(at);
    const value = at + 4;
    const next = value + buf.readUInt16BE(at + 2);
    if (next > end) return refused('tls.extension_truncated');
    if (seen.has(type)) return refused('tls.extension_twice');
    seen.add(type);
    if (type === SERVER_NAME) {
      name = readServerName(buf, value, next);
      if (name === '') return refused('tls.server_name_invalid');
    } else if (type === ALPN) {
      const names = readAlpn(buf, value, next);
      if (names === null) return refused('tls.alpn_invalid');
      alpn = names;
    } else if (type === SUPPORTED_VERSIONS) {
      versions = readVersions(buf, value, next);
      if (versions.length === 0) return refused('tls.versions_invalid');
    } else if (type === PRE_SHARED_KEY && next !== end) return refused('tls.pre_shared_key_not_last');
    at = next;
  }
  return { kind: 'hello', serverName: name, alpn, versions };
}

/** One name of type host_name and nothing else, as RFC 6066 §3 and OpenSSL have it; '' when invalid. */
function readServerName(buf: Buffer, from: number, end: number): string {
  if (end - from < 5 || from + 2 + buf.readUInt16BE(from) !== end || buf[from + 2] !== 0) return '';
  return from + 5 + buf.readUInt16BE(from + 3) === end ? serverName(buf, from + 5, end) : '';
}

/** RFC 7301 §3.1; null when invalid. */
function readAlpn(buf: Buffer, from: number, end: number): readonly string[] | null {
  if (end - from < 4 || from + 2 + buf.readUInt16BE(from) !== end) return null;
  const names: string[] = [];
  for (let at = from + 2; at < end;) {
    const next = at + 1 + buf[at];
    if (next === at + 1 || next > end) return null;
    if (!(next === at + 3 && isGrease(buf.readUInt16BE(at + 1)))) names.push(buf.latin1Slice(at + 1, next));
    at = next;
  }
  return names;
}

/** RFC 8446 §4.2.1; empty when invalid, or when nothing but GREASE is offered. */
function readVersions(buf: Buffer, from: number, end: number): readonly number[] {
  if (end - from < 3 || from + 1 + buf[from] !== end || buf[from] % 2 !== 0) return [];
  const versions: number[] = [];
  for (let at = from + 1; at < end; at += 2) {
    const version = buf.readUInt16BE(at);
    if (!isGrease(version)) versions.push(version);
  }
  return versions;
}

/** RFC 8701: 0x0A0A, 0x1A1A … 0xFAFA. */
function isGrease(value: number): boolean {
  return (value & 0x0f0f) === 0x0a0a && value >>> 8 === (value & 0xff);
}
