import type { Random } from './random.ts';

/** Pieces that parsers of HTTP/1.1 disagree about. */
const TOKENS: readonly Buffer[] = [
  '\r\n',
  '\n',
  '\r',
  '\r\r\n',
  '\n\r',
  '\r\n\r\n',
  '\n\n',
  ' ',
  '\t',
  '\x0b',
  '\x0c',
  '\0',
  '\x7f',
  '\x80',
  '\xff',
  ':',
  ' :',
  ': ',
  ',',
  ';',
  '"',
  '=',
  '#',
  '%',
  '%00',
  '%2f',
  '\\',
  '/',
  '//',
  '/../',
  '?',
  '@',
  '*',
  '_',
  '0',
  '00',
  '1',
  '5',
  '-1',
  '+5',
  '0x5',
  'a',
  'f',
  'F',
  '10',
  '9007199254740993',
  '18446744073709551616',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'content-length:3\r\n',
  'Content-Length : 5\r\n',
  'Content-Length: 5, 5\r\n',
  'Content-Length:\r\n',
  'Content_Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: xchunked\r\n',
  'Transfer-Encoding : chunked\r\n',
  'Transfer-Encoding:\x0bchunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding: chunked, identity\r\n',
  'Transfer-Encoding: identity\r\n',
  'Transfer-Encoding:\r\n chunked\r\n',
  'TE: trailers\r\n',
  'Host: a\r\n',
  'Host: b:80\r\n',
  'Host:\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive\r\n',
  'Connection: upgrade\r\n',
  'Connection: content-length\r\n',
  'Connection: x\r\n',
  'Upgrade: websocket\r\n',
  'Upgrade: h2c\r\n',
  'Expect: 100-continue\r\n',
  'Trailer: x\r\n',
  'X: y\r\n',
  ' folded\r\n',
  '\tfolded\r\n',
  'HTTP/1.1',
  'HTTP/1.0',
  'HTTP/2.0',
  'HTTP/1.10',
  'http/1.1',
  'HTTP/1.1 200 OK\r\n',
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 204 No Content\r\n',
  'HTTP/1.1 304 Not Modified\r\n',
  'HTTP/1.1 101 Switching Protocols\r\n',
  'GET / HTTP/1.1\r\nHost: a\r\n\r\n',
  'POST / HTTP/1.1\r\n',
  'GET ',
  'HEAD ',
  'CONNECT ',
  'OPTIONS * ',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  '0\r\n\r\n',
  '0\r\n',
  '5\r\nhello\r\n',
  '5;a=b\r\nhello\r\n',
  '5;\r\n',
  '5 \r\n',
  '5\n',
  '0;x="\r\n',
  '0\r\nX: y\r\n\r\n',
  '0\r\nContent-Length: 5\r\n\r\n',
  'ffffffffffffffff\r\n',
  '100000000000000000\r\n',
].map((text) => Buffer.from(text, 'latin1'));

const MAX_BYTES = 4096;

/** A changed copy of one of `corpus`, at most 4 KiB. */
export function mutate(corpus: readonly Buffer[], random: Random): Buffer {
  let bytes = random.pick(corpus);
  const steps = 1 + random.below(3);
  for (let i = 0; i < steps; i++) bytes = step(bytes, corpus, random);
  return bytes.length > MAX_BYTES ? bytes.subarray(0, MAX_BYTES) : bytes;
}

function step(bytes: Buffer, corpus: readonly Buffer[], random: Random): Buffer {
  const at = random.below(bytes.length + 1);
  switch (random.below(10)) {
    case 0: {
      if (at === bytes.length) return bytes;
      const out = Buffer.from(bytes);
      out[at] = random.below(256);
      return out;
    }
    case 1: {
      if (at === bytes.length) return bytes;
      const out = Buffer.from(bytes);
      out[at] ^= 1 << random.below(8);
      return out;
    }
    case 2:
      return cut(bytes, at, at + 1 + random.below(3));
    case 3:
      return cut(bytes, at, at + random.below(40));
    case 4:
    case 5:
      return insert(bytes, at, random.pick(TOKENS));
    case 6:
      return insert(bytes, lineStart(bytes, at), random.pick(TOKENS));
    case 7: {
      const from = lineStart(bytes, at);
      return insert(bytes, lineStart(bytes, random.below(bytes.length + 1)), bytes.subarray(from, lineEnd(bytes, from)));
    }
    case 8: {
      const from = lineStart(bytes, at);
      return cut(bytes, from, lineEnd(bytes, from));
    }
    default: {
      const other = random.pick(corpus);
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))]);
    }
  }
}

function cut(bytes: Buffer, from: number, to: number): Buffer {
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
}

function insert(bytes: Buffer, at: number, piece: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
}

function lineStart(bytes: Buffer, at: number): number {
  return at === 0 ? 0 : bytes.lastIndexOf(10, at - 1) + 1;
}

function lineEnd(bytes: Buffer, at: number): number {
  const end = bytes.indexOf(10, at);
  return end === -1 ? bytes.length : end + 1;
}

/** Ascending positions at which `length` bytes arrive in pieces. */
export function cuts(length: number, random: Random): number[] {
  const out: number[] = [];
  let at = 0;
  const widest = 1 + random.below(random.below(2) === 0 ? 4 : 64);
  while (at < length) {
    at = Math.min(length, at + 1 + random.below(widest));
    out.push(at);
  }
  return out;
}
