import { writeHex } from './encode.ts';
import type { Fields } from './fields.ts';
import { CR, HEX, LF, TOKEN, VALUE } from './tables.ts';
import { Trailers } from './trailers.ts';

/** Bounds of one chunked body. */
export interface ChunkLimits {
  /** Chunk extensions are read and dropped; one message may spend this many bytes on them. */
  readonly maxExtensionBytes: number;
  readonly maxTrailerBytes: number;
  readonly maxTrailers: number;
}

export const defaultChunkLimits: ChunkLimits = { maxExtensionBytes: 4096, maxTrailerBytes: 8192, maxTrailers: 32 };

/** Leading zeros included. Lengths stay below 2^53 all the same. */
const MAX_SIZE_DIGITS = 15;

/** Where in the framing the next byte stands. */
const At = {
  sizeFirst: 0,
  size: 1,
  extensionName: 2,
  extensionValue: 3,
  quoted: 4,
  quotedPair: 5,
  quotedEnd: 6,
  sizeLf: 7,
  data: 8,
  dataCr: 9,
  dataLf: 10,
  trailers: 11,
  done: 12,
  failed: 13,
} as const;

const SEMICOLON = 59;
const EQUALS = 61;
const QUOTE = 34;
const BACKSLASH = 92;

/**
 * Takes chunk framing off a body (RFC 9112 §7.1) as it arrives, without copying the data. Strict: CRLF only, no white space, at
 * most 15 size digits, extensions by the grammar and bounded.
 *
 * ```
 * while (pos < end && !decoder.done) {
 *   pos = decoder.decode(buf, pos, end);
 *   if (decoder.failed) …                          // decoder.error says why
 *   if (decoder.dataEnd > decoder.dataStart) …     // buf[dataStart, dataEnd) is body
 * }
 * ```
 */
export class ChunkedDecoder {
  /** The last call's piece of the body within the buffer it was given; empty when both are equal. */
  dataStart = 0;
  dataEnd = 0;
  /** The body and its trailers are complete. */
  done = false;
  failed = false;
  /** Why, as in response_code_details; '' while nothing is wrong. */
  error = '';
  /** Trailer lines; null when the body had none. Valid until `reset`. */
  trailers: Trailers | null = null;

  private state: number = At.sizeFirst;
  private size = 0;
  private digits = 0;
  private extensionBytes = 0;
  private nameBytes = 0;
  private held: Buffer | null = null;
  private heldBytes = 0;
  private readonly limits: ChunkLimits;

  constructor(limits: ChunkLimits = defaultChunkLimits) {
    this.limits = limits;
  }

  reset(): void {
    this.dataStart = 0;
    this.dataEnd = 0;
    this.done = false;
    this.failed = false;
    this.error = '';
    this.trailers = null;
    this.state = At.sizeFirst;
    this.size = 0;
    this.digits = 0;
    this.extensionBytes = 0;
    this.nameBytes = 0;
    this.held = null;
    this.heldBytes = 0;
  }

  /** Bytes of the current chunk that are still to come. */
  get chunkRemaining(): number {
    return this.state === At.data ? this.size : 0;
  }

  /** Trailer lines as they are sent on, without the blank line; null when there are none. */
  get trailerBytes(): Buffer | null {
    const { trailers } = this;
    if (trailers === null) return null;
    const out = Buffer.allocUnsafe(trailers.headersLength);
    const end = trailers.writeHeaders(out, 0);
    return end <= 0 ? null : out.subarray(0, end);
  }

  /** Reads from `pos` to the next end of a piece of data, the end of the body, an error or `end`; returns where it stopped. */
  decode(buf: Buffer, pos: number, end: number): number {
    this.dataStart = pos;
    this.dataEnd = pos;
    let p = pos;
    while (p < end) {
      const b = buf[p];
      switch (this.state) {
        case At.sizeFirst:
        case At.size: {
          const digit = HEX[b];
          if (digit !== 255) {
            if (++this.digits > MAX_SIZE_DIGITS) return this.refuse(p, 'http1.chunk_size_invalid');
            this.size = this.size * 16 + digit;
            if (this.size > Number.MAX_SAFE_INTEGER) return this.refuse(p, 'http1.chunk_size_invalid');
            this.state = At.size;
          } else if (this.state === At.sizeFirst) return this.refuse(p, 'http1.chunk_size_invalid');
          else if (b === CR) this.state = At.sizeLf;
          else if (b === SEMICOLON) this.beginExtension();
          else return this.refuse(p, 'http1.chunk_size_invalid');
          p++;
          break;
        }
        case At.sizeLf:
          if (b !== LF) return this.refuse(p, 'http1.bare_cr');
          p++;
          this.state = this.size === 0 ? At.trailers : At.data;
          break;
        case At.data: {
          const stop = this.size < end - p ? p + this.size : end;
          this.size -= stop - p;
          if (this.size === 0) this.state = At.dataCr;
          this.dataStart = p;
          this.dataEnd = stop;
          return stop;
        }
        case At.dataCr:
          if (b !== CR) return this.refuse(p, 'http1.chunk_end_invalid');
          p++;
          this.state = At.dataLf;
          break;
        case At.dataLf:
          if (b !== LF) return this.refuse(p, 'http1.chunk_end_invalid');
          p++;
          this.state = At.sizeFirst;
          this.digits = 0;
          break;
        case At.trailers:
          return this.readTrailers(buf, p, end);
        case At.done:
        case At.failed:
          return p;
        default:
          if (!this.extensionByte(b)) return this.refuse(p, 'http1.chunk_extension_invalid');
          if (++this.extensionBytes > this.limits.maxExtensionBytes) return this.refuse(p, 'http1.chunk_extension_too_large');
          p++;
      }
    }
    return p;
  }

  private beginExtension(): void {
    this.state = At.extensionName;
    this.nameBytes = 0;
    this.extensionBytes++;
  }

  /** One byte of `;name=value`; false when it is not allowed there. */
  private extensionByte(b: number): boolean {
    switch (this.state) {
      case At.extensionName:
        if (TOKEN[b] !== 0) {
          this.nameBytes++;
          return true;
        }
        if (this.nameBytes === 0) return false;
        if (b === EQUALS) {
          this.state = At.extensionValue;
          this.nameBytes = 0;
          return true;
        }
        return this.extensionEnd(b);
      case At.extensionValue:
        if (TOKEN[b] !== 0) {
          this.nameBytes++;
          return true;
        }
        if (this.nameBytes === 0) {
          this.state = At.quoted;
          return b === QUOTE;
        }
        return this.extensionEnd(b);
      case At.quoted:
        if (b === QUOTE) this.state = At.quotedEnd;
        else if (b === BACKSLASH) this.state = At.quotedPair;
        return VALUE[b] !== 0;
      case At.quotedPair:
        this.state = At.quoted;
        return VALUE[b] !== 0;
      default:
        return this.extensionEnd(b);
    }
  }

  private extensionEnd(b: number): boolean {
    if (b === CR) this.state = At.sizeLf;
    else if (b === SEMICOLON) this.beginExtension();
    else return false;
    return true;
  }

  private readTrailers(buf: Buffer, pos: number, end: number): number {
    // Nearly always there are none, and the blank line is here.
    if (this.heldBytes === 0 && end - pos >= 2 && buf[pos] === CR && buf[pos + 1] === LF) {
      this.finish();
      return pos + 2;
    }
    const held = (this.held ??= Buffer.allocUnsafeSlow(this.limits.maxTrailerBytes));
    const trailers = (this.trailers ??= newTrailers(this.limits));
    const before = this.heldBytes;
    const taken = Math.min(end - pos, this.limits.maxTrailerBytes - before);
    buf.copy(held, before, pos, pos + taken);
    this.heldBytes = before + taken;
    const read = trailers.parse(held, this.heldBytes);
    if (read < 0) return this.refuse(pos, trailers.error);
    if (read === 0) return pos + taken;
    if (trailers.count === 0) this.trailers = null;
    this.finish();
    return pos + read - before;
  }

  private finish(): void {
    this.state = At.done;
    this.done = true;
  }

  private refuse(pos: number, error: string): number {
    this.state = At.failed;
    this.failed = true;
    this.error = error;
    this.dataStart = pos;
    this.dataEnd = pos;
    return pos;
  }
}

function newTrailers(limits: ChunkLimits): Trailers {
  const trailers = new Trailers(limits.maxTrailers, limits.maxTrailerBytes);
  trailers.reset();
  return trailers;
}

/** Room that `writeChunkHeader` needs at most. */
export const MAX_CHUNK_HEADER_BYTES = 16;

/** Writes `SIZE CRLF`; `size` > 0. The data and `CRLF` follow. Returns the offset behind it. */
export function writeChunkHeader(out: Buffer, at: number, size: number): number {
  const pos = writeHex(out, at, size);
  out[pos] = CR;
  out[pos + 1] = LF;
  return pos + 2;
}

/** The end of a chunked body without trailers, behind the last chunk's CRLF. */
export const LAST_CHUNK: Buffer = Buffer.from('0\r\n\r\n', 'latin1');

/** Writes the last chunk with its trailers; the offset behind it, -1 when `out` has no room. */
export function writeLastChunk(out: Buffer, at: number, trailers: Fields | null): number {
  const room = LAST_CHUNK.length + (trailers === null ? 0 : trailers.headersLength);
  if (out.length - at < room) return -1;
  out[at] = 48;
  out[at + 1] = CR;
  out[at + 2] = LF;
  const pos = trailers === null ? at + 3 : trailers.writeHeaders(out, at + 3);
  out[pos] = CR;
  out[pos + 1] = LF;
  return pos + 2;
}
