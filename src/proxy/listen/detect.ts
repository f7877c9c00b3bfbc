import { LF, SP, TOKEN } from '../protocol/http1/tables.ts';

const HTTP2_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** Empty lines in front of a request line that the decoder of HTTP/1 skips. */
const MAX_EMPTY_BYTES = 8;
/** RFC 9110 registers none over 17 bytes. */
const MAX_METHOD_BYTES = 64;
/** A first line that is not whole after so many bytes is left to the HTTP decoder, which has limits of its own. */
const MAX_LINE_BYTES = 8 * 1024;

/**
 * What a connection speaks, by what the client sent first: `buf[start, end)`, from the connection's first byte. Wide for HTTP/1: any
 * first line that ends in `HTTP/d.d` is for the strict decoder to accept or to refuse, and never slips past it to layer 4.
 */
export function looksLike(buf: Buffer, start: number, end: number): 'tls' | 'http1' | 'http2-preface' | 'other' | 'need-more' {
  if (end <= start) return 'need-more';
  if (buf[start] === 22) {
    if (end - start > 1 && buf[start + 1] !== 3) return 'other';
    if (end - start < 3) return 'need-more';
    return buf[start + 2] <= 4 ? 'tls' : 'other';
  }
  const preface = beginning(buf, start, end);
  if (preface === HTTP2_PREFACE.length) return 'http2-preface';
  if (preface === end - start) return 'need-more';
  return firstLine(buf, start, end);
}

/** Bytes that agree with the preface of HTTP/2 (RFC 9113 §3.4). */
function beginning(buf: Buffer, start: number, end: number): number {
  const most = Math.min(end - start, HTTP2_PREFACE.length);
  let n = 0;
  while (n < most && buf[start + n] === HTTP2_PREFACE[n]) n++;
  return n;
}

function firstLine(buf: Buffer, start: number, end: number): 'http1' | 'other' | 'need-more' {
  let at = start;
  // RFC 9112 §2.2: empty lines in front of a request line are skipped.
  while (at < end && (buf[at] === 13 || buf[at] === LF)) at++;
  if (at - start > MAX_EMPTY_BYTES) return 'other';
  const method = at;
  while (at < end && TOKEN[buf[at]] !== 0) at++;
  if (at - method > MAX_METHOD_BYTES) return 'other';
  if (at === end) return 'need-more';
  if (at === method || buf[at] !== SP) return 'other';
  const stop = Math.min(end, method + MAX_LINE_BYTES);
  const lf = buf.subarray(at, stop).indexOf(LF);
  if (lf < 0) return stop === end && stop < method + MAX_LINE_BYTES ? 'need-more' : 'http1';
  return /HTTP\/\d\.\d\s*$/.test(buf.latin1Slice(Math.max(at, at + lf - 32), at + lf)) ? 'http1' : 'other';
}
