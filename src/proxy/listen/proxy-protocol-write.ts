import { crc32c } from '../../base/crc32c.ts';
import { ipBytes } from '../../base/ip-bytes.ts';
import { SslTlv, Tlv, UNIX_PATH_BYTES, V2_HEAD_BYTES, V2_SIGNATURE } from './proxy-protocol-v2.ts';

/** Whom a connection is made for. IP literals with ports, or paths of Unix sockets (`/…`, `@…`; ports 0). */
export interface ProxyAddresses {
  readonly sourceAddress: string;
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
}

/** What version 2 can say besides the addresses; '' and absent are not sent. */
export interface ProxyDetails {
  readonly authority?: string;
  readonly alpn?: string;
  /** At most 128 bytes. */
  readonly uniqueId?: string;
  readonly tls?: {
    readonly version: string;
    readonly cipher: string;
    readonly commonName: string;
    readonly hasCertificate: boolean;
    readonly verified: boolean;
  };
  readonly checksum?: boolean;
}

const UNKNOWN = 'PROXY UNKNOWN\r\n';

/** Both as 4 or both as 16 bytes; null when one is no IP literal. IPv4 beside IPv6 becomes IPv4-mapped. */
function pair(addresses: ProxyAddresses): readonly [Buffer, Buffer] | null {
  const source = ipBytes(addresses.sourceAddress);
  const destination = ipBytes(addresses.destinationAddress);
  if (source === null || destination === null) return null;
  if (source.length === destination.length) return [source, destination];
  return [mapped(source), mapped(destination)];
}

const mappedPrefix = Buffer.from('00000000000000000000ffff', 'hex');

function mapped(address: Buffer): Buffer {
  return address.length === 16 ? address : Buffer.concat([mappedPrefix, address]);
}

/** Version 1. Null, and what is no IP address, is UNKNOWN: version 1 has no words for it. */
export function writeProxyV1(addresses: ProxyAddresses | null): Buffer {
  const both = addresses === null ? null : pair(addresses);
  if (addresses === null || both === null) return Buffer.from(UNKNOWN, 'latin1');
  const [source, destination] = both;
  const protocol = source.length === 4 ? 'TCP4' : 'TCP6';
  const { sourcePort, destinationPort } = addresses;
  return Buffer.from(`PROXY ${protocol} ${text(source)} ${text(destination)} ${sourcePort} ${destinationPort}\r\n`, 'latin1');
}

/** IPv6 in full groups, mapped ones too: every reader takes that for IPv6. */
function text(address: Buffer): string {
  if (address.length === 4) return address.join('.');
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(address.readUInt16BE(i).toString(16));
  return groups.join(':');
}

/** Version 2. Null is LOCAL: the connection is our own, a health check. Addresses that the header has no room for are UNSPEC. */
export function writeProxyV2(addresses: ProxyAddresses | null, details: ProxyDetails = {}): Buffer {
  const body = addresses === null ? { family: 0, bytes: empty } : addressBlock(addresses);
  const tlvs = addresses === null ? empty : values(details);
  const withChecksum = addresses !== null && details.checksum === true;
  const length = body.bytes.length + tlvs.length + (withChecksum ? 7 : 0);
  const head = Buffer.alloc(V2_HEAD_BYTES);
  V2_SIGNATURE.copy(head);
  head[12] = addresses === null ? 0x20 : 0x21;
  head[13] = body.family;
  head.writeUInt16BE(length, 14);
  const out = Buffer.concat([head, body.bytes, tlvs, withChecksum ? value(Tlv.crc32c, Buffer.alloc(4)) : empty]);
  if (withChecksum) out.writeUInt32BE(crc32c(out, 0, out.length), out.length - 4);
  return out;
}

const empty = Buffer.alloc(0);

function addressBlock(addresses: ProxyAddresses): { family: number; bytes: Buffer } {
  const both = pair(addresses);
  if (both !== null) {
    const ports = Buffer.alloc(4);
    ports.writeUInt16BE(addresses.sourcePort, 0);
    ports.writeUInt16BE(addresses.destinationPort, 2);
    return { family: both[0].length === 4 ? 0x11 : 0x21, bytes: Buffer.concat([...both, ports]) };
  }
  const source = path(addresses.sourceAddress);
  const destination = path(addresses.destinationAddress);
  if (source === null || destination === null) return { family: 0, bytes: empty };
  return { family: 0x31, bytes: Buffer.concat([source, destination]) };
}

/** A path in its room; '' is a socket without a name. Null: too long, no path, or not plain ASCII. */
function path(address: string): Buffer | null {
  const isAbstract = address.startsWith('@');
  const name = Buffer.from(isAbstract ? `\0${address.slice(1)}` : address);
  if (!/^([/@][\x20-\x7e]*)?$/.test(address) || address === '@' || name.length > UNIX_PATH_BYTES) return null;
  return Buffer.concat([name, Buffer.alloc(UNIX_PATH_BYTES - name.length)]);
}

function values(details: ProxyDetails): Buffer {
  const { alpn = '', authority = '', uniqueId = '', tls } = details;
  const parts: Buffer[] = [];
  if (alpn !== '') parts.push(value(Tlv.alpn, Buffer.from(alpn, 'latin1')));
  if (authority !== '') parts.push(value(Tlv.authority, Buffer.from(authority)));
  if (uniqueId !== '') parts.push(value(Tlv.uniqueId, Buffer.from(uniqueId).subarray(0, 128)));
  if (tls !== undefined) {
    const ssl = Buffer.alloc(5);
    ssl[0] = tls.hasCertificate ? 7 : 1;
    // Zero stands for a valid client certificate, and for it alone.
    ssl.writeUInt32BE(tls.verified ? 0 : 1, 1);
    const texts = [value(SslTlv.version, Buffer.from(tls.version)), value(SslTlv.cipher, Buffer.from(tls.cipher))];
    if (tls.commonName !== '') texts.push(value(SslTlv.commonName, Buffer.from(tls.commonName).subarray(0, 255)));
    parts.push(value(Tlv.ssl, Buffer.concat([ssl, ...texts])));
  }
  return Buffer.concat(parts);
}

function value(type: number, bytes: Buffer): Buffer {
  const head = Buffer.alloc(3);
  head[0] = type;
  head.writeUInt16BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}
