import { ChunkedDecoder } from '../../src/proxy/protocol/http1/chunked.ts';
import { statusLine, writeAscii } from '../../src/proxy/protocol/http1/encode.ts';
import { ResponseHead } from '../../src/proxy/protocol/http1/head.ts';
import { defaultLimits } from '../../src/model/listener.ts';
import type { Message, Reading } from './message.ts';
import { lines } from './subject-request.ts';

const head = new ResponseHead(defaultLimits);
const decoder = new ChunkedDecoder();
const out = Buffer.alloc(65_536);

export interface ResponseReading extends Reading {
  /** Heads as the engine sends them to the client. */
  forwarded: Buffer[];
}

/** Reads interim responses and the final one to a request of `method`; the connection ends after the input. */
export function readResponse(input: Buffer, ends: readonly number[], method: string): ResponseReading {
  const messages: Message[] = [];
  const forwarded: Buffer[] = [];
  const done = (error: string): ResponseReading => ({ messages, error, forwarded });
  let from = 0;
  let message: Message | null = null;
  let remaining = 0;
  head.reset(method);
  for (const end of ends) {
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
        message = { start: String(head.status), headers: lines(head), body: '', complete: false, trailers: [] };
        messages.push(message);
        forwarded.push(writeHead());
        remaining = head.bodyKind === 'length' ? head.contentLength : 0;
        decoder.reset();
      }
      let whole = head.bodyKind === 'none' || head.bodyKind === 'tunnel';
      if (head.bodyKind === 'length' || head.bodyKind === 'until-close') {
        const take = head.bodyKind === 'length' ? Math.min(remaining, piece.length - pos) : piece.length - pos;
        message.body += piece.latin1Slice(pos, pos + take);
        pos += take;
        remaining -= take;
        whole = head.bodyKind === 'length' && remaining === 0;
      } else if (head.bodyKind === 'chunked') {
        while (pos < piece.length && !decoder.done) {
          pos = decoder.decode(piece, pos, piece.length);
          if (decoder.failed) return done(`502 ${decoder.error}`);
          message.body += piece.latin1Slice(decoder.dataStart, decoder.dataEnd);
        }
        whole = decoder.done;
      }
      if (!whole) break;
      message.complete = true;
      if (decoder.trailers !== null) message.trailers = lines(decoder.trailers);
      message = null;
      if (!head.interim) return done('');
      head.reset(method);
    }
    from = end - (piece.length - pos);
  }
  if (message !== null && head.bodyKind === 'until-close') message.complete = true;
  return done('');
}

function writeHead(): Buffer {
  const line = statusLine(head.status);
  line.copy(out, 0);
  let at = head.writeHeaders(out, line.length);
  if (head.chunked || head.bodyKind === 'until-close') at = writeAscii(out, at, 'transfer-encoding: chunked\r\n');
  return Buffer.from(out.subarray(0, writeAscii(out, at, '\r\n')));
}
