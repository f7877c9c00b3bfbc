import { block, flag, frame, frameType, preface, uint32 } from '../../support/h2-frames.ts';
import { mutateBytes } from '../binary/mutate-bytes.ts';
import type { Random } from '../random.ts';

type Field = readonly [string, string];

const values: Readonly<Record<string, readonly string[]>> = {
  ':method': ['GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'CONNECT', 'TRACE', 'get', 'GET /x', '', 'BREW'],
  ':scheme': ['http', 'https', 'ftp', ''],
  ':path': ['/', '/a', '/large', '/late', '/reset', '/early', '/a/../b', '*', '', 'http://b.test/', '/a b', '/%00', '/a?b'],
  ':authority': ['a.test', 'b.test', 'a.test:80', '', 'a@b', 'a.test\r\nx: y', '[::1]'],
};

const extras: readonly Field[] = [
  ['content-length', '0'],
  ['content-length', '5'],
  ['content-length', '99999'],
  ['content-length', '+5'],
  ['transfer-encoding', 'chunked'],
  ['te', 'trailers'],
  ['te', 'gzip'],
  ['expect', '100-continue'],
  ['expect', 'x'],
  ['host', 'a.test'],
  ['host', 'b.test'],
  ['cookie', 'a=b'],
  ['cookie', 'c=d'],
  ['connection', 'close'],
  ['upgrade', 'websocket'],
  ['x', 'y'],
  ['x', 'y\r\nz: a'],
  ['x_y', 'z'],
  ['X', 'y'],
  ['', 'y'],
  [':path', '/twice'],
  [':status', '200'],
  [':protocol', 'websocket'],
  ['sec-websocket-version', '13'],
  ['grpc-timeout', '1m'],
  ['content-type', 'application/grpc'],
  ['long', 'y'.repeat(5000)],
];

const streams: readonly number[] = [1, 1, 1, 1, 3, 3, 5, 7, 9, 0, 2, 0x7fffffff];

function request(random: Random): Field[] {
  const fields: Field[] = Object.entries(values).map(([name, list]) => [
    name,
    random.below(4) === 0 ? random.pick(list) : list[name === ':path' ? random.below(7) : 0],
  ]);
  if (random.below(12) === 0) fields.splice(random.below(fields.length), 1);
  for (let more = random.below(4); more > 0; more--) fields.push(random.pick(extras));
  return fields;
}

/** A frame that a peer could send, most of them where it makes sense; `fields` makes heads. */
function one(random: Random, stream: number, fields: (random: Random) => Field[]): Buffer {
  const text = Buffer.alloc(random.pick([0, 1, 5, 100, 5000]), 0x61);
  switch (random.below(16)) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4: {
      const head = block(fields(random));
      const flags = (random.below(8) === 0 ? 0 : flag.endHeaders) | (random.below(2) === 0 ? flag.endStream : 0);
      if (random.below(8) !== 0) return frame(frameType.headers, flags, stream, head);
      const padding = random.below(20);
      return frame(frameType.headers, flags | 8, stream, Buffer.concat([Buffer.from([padding]), head, Buffer.alloc(padding)]));
    }
    case 5:
    case 6:
    case 7:
      return frame(frameType.data, random.pick([0, flag.endStream]), stream, text);
    case 8:
      return frame(frameType.data, random.pick([8, 9]), stream, Buffer.concat([Buffer.from([random.below(256)]), text]));
    case 9:
      return frame(frameType.headers, flag.endHeaders | flag.endStream, stream, block([random.pick(extras)]));
    case 10:
      return frame(frameType.rstStream, 0, stream, uint32(random.below(16)));
    case 11:
      return frame(frameType.settings, random.pick([0, 0, 1]), random.pick([0, 0, 1]), settings(random));
    case 12:
      return frame(frameType.windowUpdate, 0, random.pick([0, stream]), uint32(random.pick([0, 1, 65_535, 0x7fffffff])));
    case 13:
      return frame(frameType.goaway, 0, 0, Buffer.concat([uint32(random.below(10)), uint32(random.below(14))]));
    case 14:
      return frame(frameType.continuation, random.pick([0, flag.endHeaders]), stream, block([random.pick(extras)]));
    default:
      return frame(random.below(12), random.below(256), stream, Buffer.alloc(random.pick([0, 4, 5, 8, 9]), random.below(256)));
  }
}

const statuses: readonly string[] = ['200', '200', '200', '204', '304', '100', '103', '101', '404', '999', '2000', '', 'ok', '099'];

function response(random: Random): Field[] {
  const fields: Field[] = [[':status', random.pick(statuses)]];
  if (random.below(12) === 0) fields.pop();
  for (let more = random.below(4); more > 0; more--) fields.push(random.pick(extras));
  return fields;
}

/** What a backend says to one request on `stream`. */
export function makeAnswer(random: Random, stream: number): Buffer {
  const frames: Buffer[] = [];
  if (random.below(3) !== 0) {
    const isLast = random.below(3) === 0;
    frames.push(frame(frameType.headers, flag.endHeaders | (isLast ? flag.endStream : 0), stream, block([[':status', '200']])));
    if (!isLast && random.below(2) === 0)
      frames.push(frame(frameType.data, random.pick([0, flag.endStream]), stream, Buffer.from('hello')));
  }
  for (let more = random.below(5); more > 0; more--)
    frames.push(one(random, random.below(4) === 0 ? random.pick(streams) : stream, response));
  const bytes = Buffer.concat(frames);
  return random.below(5) === 0 && bytes.length > 0 ? Buffer.from(mutateBytes(bytes, frames, random)) : bytes;
}

function settings(random: Random): Buffer {
  const out = Buffer.alloc(6 * random.below(4));
  for (let at = 0; at < out.length; at += 6) {
    out.writeUInt16BE(random.below(10), at);
    out.writeUInt32BE(random.pick([0, 1, 100, 16_383, 16_384, 65_535, 0x7fffffff, 0xffffffff]), at + 2);
  }
  return out;
}

/** How the client leaves when it has said everything. */
export type Leaving = 'waits' | 'ends' | 'destroys' | 'resets';

export interface Http2Case {
  /** Hexadecimal. */
  readonly pieces: readonly string[];
  readonly leaving: Leaving;
}

export function makeHttp2Case(random: Random): Http2Case {
  const frames = [frame(frameType.settings, 0, 0, random.below(4) === 0 ? settings(random) : Buffer.alloc(0))];
  for (let more = 1 + random.below(8); more > 0; more--) frames.push(one(random, random.pick(streams), request));
  let bytes = Buffer.concat(frames);
  if (random.below(4) === 0) bytes = Buffer.from(mutateBytes(bytes, frames, random));
  const whole = Buffer.concat([preface, bytes]);
  const pieces: string[] = [];
  const width = random.pick([whole.length, whole.length, 200, 30]);
  for (let at = 0; at < whole.length;) {
    const end = Math.min(whole.length, at + 1 + random.below(width) + (width === whole.length ? whole.length : 0));
    pieces.push(whole.toString('hex', at, end));
    at = end;
  }
  return { pieces, leaving: random.pick(['waits', 'ends', 'ends', 'destroys', 'resets']) };
}
