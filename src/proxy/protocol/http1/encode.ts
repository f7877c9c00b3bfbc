import { STATUS_CODES } from 'node:http';

/** Writes one byte per character (ISO 8859-1, so ASCII too) and returns the offset behind it. The caller ensures room. */
export function writeAscii(out: Buffer, at: number, text: string): number {
  const length = text.length;
  // A call into the runtime costs as much as a loop over this many.
  if (length > 16) return at + out.latin1Write(text, at, length);
  for (let i = 0; i < length; i++) out[at + i] = text.charCodeAt(i);
  return at + length;
}

/** Copies `from[start, end)` to `out` at `at`; returns the offset behind it. The caller ensures room. */
export function copyBytes(from: Buffer, start: number, end: number, out: Buffer, at: number): number {
  const length = end - start;
  if (length > 24) {
    from.copy(out, at, start, end);
    return at + length;
  }
  for (let i = 0; i < length; i++) out[at + i] = from[start + i];
  return at + length;
}

/** Writes a non-negative integer in lower-case hexadecimal; at most 14 bytes. */
export function writeHex(out: Buffer, at: number, value: number): number {
  let digits = 1;
  for (let v = value; v >= 16; v = Math.floor(v / 16)) digits++;
  let v = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const rest = Math.floor(v / 16);
    const digit = v - rest * 16;
    out[i] = digit < 10 ? 48 + digit : 87 + digit;
    v = rest;
  }
  return at + digits;
}

const statusLines: Buffer[] = [];

/** `HTTP/1.1 200 OK\r\n` for statuses 100–999, made once per status. */
export function statusLine(status: number): Buffer {
  const known = statusLines[status];
  if (known !== undefined) return known;
  const line = Buffer.from(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`, 'latin1');
  statusLines[status] = line;
  return line;
}

let dateSecond = -1;
const dateBytes = Buffer.alloc(37);

/**
 * `date: Sun, 06 Nov 1994 08:49:37 GMT\r\n` (RFC 9110 §6.6.1) of `now` in milliseconds since the epoch; 37 bytes, formatted
 * once a second. The buffer is shared: copy it before the next call.
 */
export function dateHeader(now: number): Buffer {
  const second = Math.floor(now / 1000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateBytes.latin1Write(`date: ${new Date(second * 1000).toUTCString()}\r\n`, 0, 37);
  }
  return dateBytes;
}
