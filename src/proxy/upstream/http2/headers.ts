/** Heads on their way between HTTP/1.1's bytes, which everything else reads, and HTTP/2's lists of names and values. */
import type { Exchange } from '../../protocol/exchange.ts';
import { writeAscii } from '../../protocol/http1/encode.ts';
import type { ClusterState } from '../cluster-state.ts';
import type { EndpointState } from '../endpoint.ts';
import { hostToSend } from '../request-head.ts';
import { responseLimits } from '../try.ts';

/**
 * The request's head as the upstream gets it: pseudo-header fields, then names in lower case and values by turns. Nothing
 * that belongs to a connection (RFC 9113 §8.2.2) is in a head once it is read. `connect`: the protocol of an extended
 * CONNECT (RFC 8441); '' for a plain request.
 */
export function requestHeaders(x: Exchange, cluster: ClusterState, endpoint: EndpointState, connect: string): string[] {
  const { head } = x;
  const authority = hostToSend(x, cluster, endpoint) ?? head.host;
  head.drop('host');
  // None are sent (http2/try.ts).
  head.drop('trailer');
  // Answered by the downstream once its body is wanted.
  if (head.expectContinue) head.drop('expect');
  const lines = x.at.takeForwarding(head, x, x.context);
  const scheme = endpoint.transport.tls === null ? 'http' : 'https';
  const out = [':method', connect === '' ? x.method : 'CONNECT', ':scheme', scheme, ':authority', authority, ':path', x.path];
  if (connect !== '') out.push(':protocol', connect);
  head.pairs(out);
  x.forwarding.pairs(out, x.requestId);
  if (lines !== '') addLines(out, lines);
  if (head.trailersAllowed) out.push('te', 'trailers');
  return out;
}

/** Complete header lines, as the listener's forwarding headers come. */
function addLines(out: string[], lines: string): void {
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) out.push(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
}

/** Where heads are written to be read: whatever reads one is done with it in the same call. */
let scratch = Buffer.allocUnsafeSlow(8 * 1024);

/** A head of HTTP/2 as bytes of HTTP/1.1, valid until the next one. */
export interface HeadBytes {
  buffer: Buffer;
  length: number;
  /** Header lines in it, each for a field: if a reader finds another number, a value was more than a value. */
  lines: number;
}

const bytes: HeadBytes = { buffer: scratch, length: 0, lines: 0 };

/**
 * A response's head as HTTP/1.1 would have it. `extra`: at most one complete line that says what HTTP/2 says by frames. Null: larger
 * than any head may be.
 */
export function responseBytes(raw: readonly string[], status: number, extra: string): HeadBytes | null {
  const needed = raw.length === 0 ? 64 : sizeOf(raw) + extra.length + 64;
  if (!reserve(needed)) return null;
  let at = writeAscii(scratch, 0, `HTTP/1.1 ${status} \r\n`);
  at = writeLines(raw, scratch, at);
  at = writeAscii(scratch, at, extra);
  bytes.length = writeAscii(scratch, at, '\r\n');
  bytes.buffer = scratch;
  bytes.lines = fieldsOf(raw) + (extra === '' ? 0 : 1);
  return bytes;
}

/** A trailer section in bytes of its own: a client may read it later. Null: too large. */
export function trailerBytes(raw: readonly string[]): Buffer | null {
  const size = sizeOf(raw) + 2;
  if (size > responseLimits.maxHeadBytes) return null;
  const out = Buffer.allocUnsafe(size);
  const to = writeAscii(out, writeLines(raw, out, 0), '\r\n');
  return out.subarray(0, to);
}

/** Fields that are no pseudo-header fields. */
function fieldsOf(raw: readonly string[]): number {
  let count = 0;
  for (let i = 0; i < raw.length; i += 2) if (raw[i].charCodeAt(0) !== 58) count++;
  return count;
}

function sizeOf(raw: readonly string[]): number {
  let size = 0;
  for (let i = 0; i < raw.length; i++) size += raw[i].length + 2;
  return size;
}

function reserve(size: number): boolean {
  if (size > responseLimits.maxHeadBytes * 2) return false;
  if (size > scratch.length) scratch = Buffer.allocUnsafeSlow(responseLimits.maxHeadBytes * 2);
  return true;
}

function writeLines(raw: readonly string[], out: Buffer, from: number): number {
  let at = from;
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i];
    if (name.charCodeAt(0) === 58) continue;
    at = writeAscii(out, at, name);
    out[at++] = 58;
    out[at++] = 32;
    at = writeAscii(out, at, raw[i + 1]);
    out[at++] = 13;
    out[at++] = 10;
  }
  return at;
}
