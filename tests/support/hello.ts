/** ClientHellos made by hand, so that each of their parts can be wrong. */

const u8 = (value: number): Buffer => Buffer.from([value]);
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);

export function vector(size: 1 | 2, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([size === 1 ? u8(body.length) : u16(body.length), body]);
}

export function extension(type: number, ...parts: readonly Buffer[]): Buffer {
  return Buffer.concat([u16(type), vector(2, ...parts)]);
}

/** RFC 6066 §3: one name of type host_name. */
export function sni(name: string | Buffer): Buffer {
  return extension(0, vector(2, u8(0), vector(2, Buffer.from(name))));
}

export function alpn(...names: readonly string[]): Buffer {
  return extension(16, vector(2, ...names.map((name) => vector(1, Buffer.from(name, 'latin1')))));
}

export function versions(...list: readonly number[]): Buffer {
  return extension(43, vector(1, ...list.map(u16)));
}

export interface HelloParts {
  readonly version?: number;
  readonly sessionId?: Buffer;
  readonly suites?: Buffer;
  readonly compression?: Buffer;
  /** Null: no block of extensions at all. */
  readonly extensions?: readonly Buffer[] | null;
}

/** The handshake message, without a record around it. */
export function helloMessage(parts: HelloParts = {}): Buffer {
  const { version = 0x0303, sessionId = Buffer.alloc(0), suites = Buffer.from('13011302', 'hex'), compression = u8(0) } = parts;
  const { extensions = [sni('a.example')] } = parts;
  const body = Buffer.concat([
    u16(version),
    Buffer.alloc(32, 7),
    vector(1, sessionId),
    vector(2, suites),
    vector(1, compression),
    ...(extensions === null ? [] : [vector(2, ...extensions)]),
  ]);
  return Buffer.concat([Buffer.from([1, body.length >> 16, (body.length >> 8) & 255, body.length & 255]), body]);
}

/** `bytes` in records of at most `most` bytes. */
export function records(bytes: Buffer, most = 16_384, version = 0x0301, type = 22): Buffer {
  const out: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += most)
    out.push(u8(type), u16(version), vector(2, bytes.subarray(at, Math.min(bytes.length, at + most))));
  return Buffer.concat(out);
}
