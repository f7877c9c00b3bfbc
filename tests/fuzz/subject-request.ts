import { canonicalise, type CanonicalRequest } from '../../src/decide/canonical.ts';
import { defaultLimits, edgeCanonicalisation } from '../../src/model/listener.ts';
import { ChunkedDecoder, writeChunkHeader, writeLastChunk } from '../../src/proxy/protocol/http1/chunked.ts';
import { writeAscii } from '../../src/proxy/protocol/http1/encode.ts';
import type { Fields } from '../../src/proxy/protocol/http1/fields.ts';
import { RequestHead } from '../../src/proxy/protocol/http1/head.ts';
import type { Message, Reading } from './message.ts';

const canonicalisation = { ...edgeCanonicalisation, escapedSlashes: 'keep', underscores: 'allow' } as const;

const head = new RequestHead(defaultLimits);
const decoder = new ChunkedDecoder();
const out = Buffer.alloc(65_536);

export interface RequestReading extends Reading {
  /** What the engine sends upstream for each message. */
  forwarded: Buffer[];
}

/** Reads the requests of one connection, its bytes arriving in pieces that end at `ends`. */
export function readRequests(input: Buffer, ends: readonly number[], forward: boolean): RequestReading {
  const messages: Message[] = [];
  const forwarded: Buffer[] = [];
  const done = (error: string): RequestReading => ({ messages, error, forwarded });
  let from = 0;
  let message: Message | null = null;
  let remaining = 0;
  let sent = 0;
  head.reset();
  for (const end of ends) {
    // A piece stands alone; a head that is not whole comes again with what follows it, elsewhere.
    const shift = end % 5;
    const piece = Buffer.allocUnsafe(shift + end - from);
    input.copy(piece, shift, from, end);
    let pos = shift;
    for (;;) {
      if (message === null) {
        if (pos === piece.length) break;
        const used = head.parse(piece, pos, piece.length);
        if (used === 0) break;
        if (used < 0) return done(`${-used} ${head.error}`);
        pos += used;
        if (head.method === 'CONNECT') return done('405 connect_refused');
        message = { start: `${head.method} ${head.target}`, headers: lines(head), body: '', complete: false, trailers: [] };
        const canonical = canonicalise(head.method, head.target, head.host, canonicalisation, 'http', 80);
        if (canonical.kind !== 'ok') return done('400 canonicaliser');
        if (forward) sent = writeStart(canonical);
        messages.push(message);
        remaining = head.bodyKind === 'length' ? head.contentLength : 0;
        decoder.reset();
      }
      let whole = head.bodyKind === 'none';
      if (head.bodyKind === 'length') {
        const take = Math.min(remaining, piece.length - pos);
        message.body += piece.latin1Slice(pos, pos + take);
        if (forward) {
          piece.copy(out, sent, pos, pos + take);
          sent += take;
        }
        pos += take;
        remaining -= take;
        whole = remaining === 0;
      } else if (head.bodyKind === 'chunked') {
        while (pos < piece.length && !decoder.done) {
          pos = decoder.decode(piece, pos, piece.length);
          if (decoder.failed) return done(`400 ${decoder.error}`);
          const length = decoder.dataEnd - decoder.dataStart;
          if (length === 0) continue;
          message.body += piece.latin1Slice(decoder.dataStart, decoder.dataEnd);
          if (!forward) continue;
          sent = writeChunkHeader(out, sent, length);
          piece.copy(out, sent, decoder.dataStart, decoder.dataEnd);
          sent = writeAscii(out, sent + length, '\r\n');
        }
        whole = decoder.done;
      }
      if (!whole) break;
      message.complete = true;
      if (head.bodyKind === 'chunked') {
        if (decoder.trailers !== null) message.trailers = lines(decoder.trailers);
        if (forward) sent = writeLastChunk(out, sent, decoder.trailers);
      }
      if (forward) forwarded.push(Buffer.from(out.subarray(0, sent)));
      message = null;
      if (!head.keepAlive) return done('closed');
      head.reset();
    }
    from = end - (piece.length - pos);
  }
  return done('');
}

/** Start line and headers as the engine sends them on. */
function writeStart(canonical: CanonicalRequest): number {
  if (canonical.authorityFromTarget) head.set('host', canonical.authority);
  const target = canonical.query === '' ? canonical.path : `${canonical.path}?${canonical.query}`;
  let at = writeAscii(out, 0, `${head.method} ${target} HTTP/1.1\r\n`);
  if (!head.has('host')) at = writeAscii(out, at, 'host: default\r\n');
  at = head.writeHeaders(out, at);
  if (head.chunked) at = writeAscii(out, at, 'transfer-encoding: chunked\r\n');
  return writeAscii(out, at, '\r\n');
}

/** Every received line, dropped ones too. */
export function lines(fields: Fields): [string, string][] {
  const list: [string, string][] = [];
  for (let i = 0; i < fields.count; i++) list.push([fields.nameAt(i), fields.valueAt(i)]);
  return list;
}
