/** One response as it stands in the client's bytes, interim responses before it included. */
export interface Piece {
  readonly bytes: string;
  /** By its own framing. */
  readonly whole: boolean;
  readonly untilClose: boolean;
}

/**
 * Cuts a client's bytes into the responses to its requests. Reads only what the engine may write (CRLF, one framing, lower-case
 * hexadecimal), so that anything else is told as a text.
 */
export function splitResponses(
  bytes: string,
  asked: readonly { readonly method: string; readonly responseCode: number }[],
): Piece[] | string {
  const pieces: Piece[] = [];
  let at = 0;
  for (const { method, responseCode } of asked) {
    if (at === bytes.length) break;
    const piece = splitOne(bytes, at, method, responseCode === 101);
    if (typeof piece === 'string') return piece;
    pieces.push(piece);
    at += piece.bytes.length;
  }
  if (at !== bytes.length) return `more than its ${asked.length} responses`;
  return pieces;
}

function splitOne(bytes: string, start: number, method: string, tunnel: boolean): Piece | string {
  const rest = { bytes: bytes.slice(start), whole: false, untilClose: false };
  let at = start;
  for (;;) {
    const headEnd = bytes.indexOf('\r\n\r\n', at) + 4;
    if (headEnd < 4) return rest;
    const head = bytes.slice(at, headEnd);
    const status = Number(/^HTTP\/1\.1 (\d{3}) [^\r\n]*\r\n/.exec(head)?.[1] ?? 0);
    if (status === 0) return 'what is no status line';
    if (/[\r\n]/.test(head.replaceAll('\r\n', ''))) return 'a bare CR or LF';
    if (status === 101 || tunnel) return { ...rest, whole: status === 101 };
    at = headEnd;
    if (status < 200) continue;
    const end = bodyEnd(bytes, head, headEnd, method, status);
    if (typeof end === 'string') return end;
    if (end === -1) return rest;
    if (end === Infinity) return { ...rest, whole: true, untilClose: true };
    return { bytes: bytes.slice(start, end), whole: true, untilClose: false };
  }
}

/** -1: not there yet; Infinity: the end of the connection. */
function bodyEnd(bytes: string, head: string, headEnd: number, method: string, status: number): number | string {
  const lengths = [...head.matchAll(/\r\ncontent-length:([^\r]*)/gi)];
  const codings = [...head.matchAll(/\r\ntransfer-encoding:([^\r]*)/gi)];
  if (lengths.length + codings.length > 1) return 'two framings';
  if (status === 204 && lengths.length + codings.length > 0) return 'a framed 204';
  if (method === 'HEAD' || status === 204 || status === 304) return headEnd;
  if (codings.length === 1) {
    if (codings[0][1].trim() !== 'chunked') return 'another transfer coding';
    return chunkedEnd(bytes, headEnd);
  }
  if (lengths.length === 0) return Infinity;
  const length = lengths[0][1].trim();
  if (!/^\d+$/.test(length)) return 'a length that is none';
  const end = headEnd + Number(length);
  return end > bytes.length ? -1 : end;
}

function chunkedEnd(bytes: string, from: number): number | string {
  let at = from;
  for (;;) {
    const lineEnd = bytes.indexOf('\r\n', at);
    if (lineEnd < 0) return -1;
    const line = bytes.slice(at, lineEnd);
    if (!/^[0-9a-f]+$/.test(line)) return 'a chunk size that we do not write';
    const size = Number.parseInt(line, 16);
    if (size === 0) {
      if (bytes.startsWith('\r\n', lineEnd + 2)) return lineEnd + 4;
      const end = bytes.indexOf('\r\n\r\n', lineEnd);
      return end < 0 ? -1 : end + 4;
    }
    at = lineEnd + 2 + size + 2;
    if (at > bytes.length) return -1;
    if (!bytes.startsWith('\r\n', at - 2)) return 'a chunk without its end';
  }
}
