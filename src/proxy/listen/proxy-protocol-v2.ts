import { crc32c } from '../../base/crc32c.ts';
import { ipText } from '../../base/ip-bytes.ts';
import {
  MAX_PROXY_HEADER_BYTES,
  MORE,
  nothingSaid,
  proxyError,
  type ProxyHeader,
  type ProxyRead,
  type ProxyTls,
  type ProxyTlv,
} from './proxy-header.ts';
import { serverName } from './server-name.ts';

export const V2_SIGNATURE: Buffer = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
/** Signature, version and command, family and transport, length. */
export const V2_HEAD_BYTES = 16;
/** Room of one path of a Unix socket. */
export const UNIX_PATH_BYTES = 108;

/** Types of values (proxy-protocol.txt §2.2). */
export const Tlv = { alpn: 0x01, authority: 0x02, crc32c: 0x03, noop: 0x04, uniqueId: 0x05, ssl: 0x20 } as const;
export const SslTlv = { version: 0x21, commonName: 0x22, cipher: 0x23 } as const;

/** Values that are kept of one header. */
const maxTlvs = 32;
/** Values that are read of one header, no-ops too. */
const MAX_VALUES = 256;
const MAX_UNIQUE_ID_BYTES = 128;

/** `buf` holds the signature at `start`. */
export function readV2(buf: Buffer, start: number, end: number): ProxyRead {
  const have = end - start;
  if (have > 12 && buf[start + 12] >>> 4 !== 2) return proxyError('proxy_protocol.v2_version_invalid');
  if (have > 12 && (buf[start + 12] & 15) > 1) return proxyError('proxy_protocol.v2_command_invalid');
  if (have < V2_HEAD_BYTES) return MORE;
  const isLocal = (buf[start + 12] & 15) === 0;
  const length = buf.readUInt16BE(start + 14);
  const bytes = V2_HEAD_BYTES + length;
  if (bytes > MAX_PROXY_HEADER_BYTES) return proxyError('proxy_protocol.v2_too_long');
  const need = addressBytes(buf[start + 13]);
  // What a sender says of itself is not looked at, whatever it is.
  if (!isLocal && need < 0) return proxyError('proxy_protocol.v2_family_invalid');
  if (!isLocal && length < need) return proxyError('proxy_protocol.v2_too_short');
  if (have < bytes) return MORE;
  if (isLocal) return { ...nothingSaid, version: 2, command: 'local', bytes };
  const values = new Values();
  const error = values.read(buf, start, start + V2_HEAD_BYTES + need, start + bytes);
  if (error !== '') return proxyError(error);
  const said = addresses(buf, start + V2_HEAD_BYTES, buf[start + 13] >>> 4);
  if (said === null) return proxyError('proxy_protocol.v2_path_invalid');
  const { authority, alpn, tls, tlvs } = values;
  return { ...nothingSaid, ...said, authority, alpn, tls, tlvs, version: 2, bytes };
}

/** Length of the addresses of a family and transport; -1: reserved, or datagrams, which no connection carries. */
function addressBytes(familyAndTransport: number): number {
  if (familyAndTransport === 0x11) return 12;
  if (familyAndTransport === 0x21) return 36;
  if (familyAndTransport === 0x31) return 2 * UNIX_PATH_BYTES;
  return familyAndTransport === 0 ? 0 : -1;
}

type Addresses = Pick<ProxyHeader, 'family' | 'sourceAddress' | 'sourcePort' | 'destinationAddress' | 'destinationPort'>;

/** Null: a path that is none. */
function addresses(buf: Buffer, at: number, family: number): Addresses | null {
  if (family === 0) return nothingSaid;
  if (family === 3) {
    const source = path(buf, at);
    const destination = path(buf, at + UNIX_PATH_BYTES);
    if (source === null || destination === null) return null;
    return { family: 'unix', sourceAddress: source, sourcePort: 0, destinationAddress: destination, destinationPort: 0 };
  }
  const length = family === 1 ? 4 : 16;
  return {
    family: family === 1 ? 'inet' : 'inet6',
    sourceAddress: ipText(buf, at, length),
    destinationAddress: ipText(buf, at + length, length),
    sourcePort: buf.readUInt16BE(at + 2 * length),
    destinationPort: buf.readUInt16BE(at + 2 * length + 2),
  };
}

/**
 * Up to the first NUL: `/…`, or '' for a socket without a name; an abstract name (NUL first) is written with `@`. Null: neither, or
 * bytes that are not for a log.
 */
function path(buf: Buffer, at: number): string | null {
  const isAbstract = buf[at] === 0 && buf[at + 1] !== 0;
  const from = isAbstract ? at + 1 : at;
  const nul = buf.indexOf(0, from);
  const end = nul < 0 || nul > at + UNIX_PATH_BYTES ? at + UNIX_PATH_BYTES : nul;
  if (end === from) return '';
  const text = visible(buf, from, end);
  if (text === '') return null;
  if (isAbstract) return `@${text}`;
  return text.startsWith('/') ? text : null;
}

/** The values behind the addresses. */
class Values {
  authority = '';
  alpn = '';
  tls: ProxyTls | null = null;
  readonly tlvs: ProxyTlv[] = [];
  private readonly seen = new Set<number>();

  /** The header begins at `start`, the values at `from`. Details of an error, '' for none. */
  read(buf: Buffer, start: number, from: number, end: number): string {
    let count = 0;
    for (let at = from; at < end;) {
      if (end - at < 3) return 'proxy_protocol.v2_tlv_truncated';
      const type = buf[at];
      const value = at + 3;
      const next = value + buf.readUInt16BE(at + 1);
      if (next > end) return 'proxy_protocol.v2_tlv_truncated';
      if (++count > MAX_VALUES) return 'proxy_protocol.v2_too_many_tlvs';
      const error = type === Tlv.noop ? '' : this.take(buf, type, value, next, start, end);
      if (error !== '') return error;
      at = next;
    }
    return '';
  }

  private take(buf: Buffer, type: number, from: number, to: number, start: number, end: number): string {
    // Of two values for one thing the next reader might believe the other.
    if (this.seen.has(type)) return 'proxy_protocol.v2_tlv_twice';
    this.seen.add(type);
    switch (type) {
      case Tlv.crc32c:
        return to - from === 4 && buf.readUInt32BE(from) === checksum(buf, start, from, end) ? '' : 'proxy_protocol.v2_checksum_invalid';
      case Tlv.authority:
        this.authority = serverName(buf, from, to);
        return this.authority === '' ? 'proxy_protocol.v2_authority_invalid' : '';
      case Tlv.alpn:
        this.alpn = visible(buf, from, to);
        return this.alpn === '' ? 'proxy_protocol.v2_alpn_invalid' : '';
      case Tlv.ssl:
        this.tls = readTls(buf, from, to);
        return this.tls === null ? 'proxy_protocol.v2_ssl_invalid' : '';
      default:
        if (type === Tlv.uniqueId && to - from > MAX_UNIQUE_ID_BYTES) return 'proxy_protocol.v2_unique_id_too_long';
        if (this.tlvs.length === maxTlvs) return 'proxy_protocol.v2_too_many_tlvs';
        this.tlvs.push({ type, value: Buffer.from(buf.subarray(from, to)) });
        return '';
    }
  }
}

const zeros = Buffer.alloc(4);

/** Over the whole header, the checksum's own four bytes as zeros. */
function checksum(buf: Buffer, start: number, at: number, end: number): number {
  return crc32c(buf, at + 4, end, crc32c(zeros, 0, 4, crc32c(buf, start, at)));
}

function readTls(buf: Buffer, from: number, to: number): ProxyTls | null {
  if (to - from < 5) return null;
  const texts = new Map<number, string>();
  for (let at = from + 5; at < to;) {
    if (to - at < 3) return null;
    const next = at + 3 + buf.readUInt16BE(at + 1);
    if (next > to || texts.has(buf[at])) return null;
    // A name of a certificate is UTF-8 and anybody's choice: what is not plain text is not kept.
    texts.set(buf[at], visible(buf, at + 3, next));
    at = next;
  }
  return {
    client: buf[from],
    verified: (buf[from] & 6) !== 0 && buf.readUInt32BE(from + 1) === 0,
    version: texts.get(SslTlv.version) ?? '',
    cipher: texts.get(SslTlv.cipher) ?? '',
    commonName: texts.get(SslTlv.commonName) ?? '',
  };
}

/** Printable ASCII of 1–255 bytes; '' for anything else. */
function visible(buf: Buffer, from: number, to: number): string {
  if (to - from > 255) return '';
  for (let i = from; i < to; i++) if (buf[i] < 0x20 || buf[i] > 0x7e) return '';
  return buf.latin1Slice(from, to);
}
