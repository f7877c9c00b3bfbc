import { isDeepStrictEqual } from 'node:util';
import { ClientHelloReader, MAX_CLIENT_HELLO_BYTES, type ClientHelloRead } from '../../../src/proxy/listen/client-hello.ts';
import { looksLike } from '../../../src/proxy/listen/detect.ts';
import { alpn, extension, records, sni, vector, versions } from '../../support/hello.ts';
import { cuts } from '../mutate.ts';
import type { Random } from '../random.ts';
import { mutateBytes } from './mutate-bytes.ts';
import type { BinaryTarget, Verdict } from './target.ts';
import { tlsServerName } from './tls-oracle.ts';

function read(input: Buffer, ends: readonly number[]): ClientHelloRead {
  const reader = new ClientHelloReader();
  let result: ClientHelloRead = { kind: 'more' };
  let from = 0;
  for (const end of ends) {
    const piece = Buffer.from(input.subarray(from, end));
    result = reader.read(piece, 0, piece.length);
    piece.fill(0x5a);
    from = end;
  }
  return result;
}

function check(input: Buffer, random: Random): Verdict {
  const whole = read(input, [input.length]);
  const found = (finding: string): Verdict => ({ outcome: describe(whole), accepted: whole.kind === 'hello', finding });
  const each = Array.from({ length: input.length }, (_, i) => i + 1);
  for (const ends of [each, cuts(input.length, random)]) {
    const split = read(input, ends);
    if (!isDeepStrictEqual(split, whole)) return found(`split ${ends.join()}: ${JSON.stringify(split)} ≠ ${JSON.stringify(whole)}`);
  }
  if (whole.kind === 'more' && input.length > MAX_CLIENT_HELLO_BYTES) return found('undecided over the bound');
  const detected = looksLike(input, 0, input.length);
  if (whole.kind === 'hello' && detected !== 'tls') return found(`a ClientHello that looks like ${detected}`);
  if (whole.kind === 'not-tls' && detected === 'tls') return found('looks like TLS and is none');
  if (whole.kind !== 'hello') return found('');
  const message = handshake(input);
  const other = records(message, 1 + random.below(400));
  const again = read(other, [other.length]);
  if (other.length <= MAX_CLIENT_HELLO_BYTES && !isDeepStrictEqual(again, whole))
    return found(`in other records ${JSON.stringify(again)} ≠ ${JSON.stringify(whole)}`);
  return found(/^[a-z0-9._-]*$/.test(whole.serverName) ? '' : `server name ${JSON.stringify(whole.serverName)}`);
}

function describe(read: ClientHelloRead): string {
  if (read.kind === 'error') return read.details;
  if (read.kind !== 'hello') return read.kind;
  return `'${read.serverName}' ${read.alpn.join()} ${read.versions.map((version) => version.toString(16)).join()}`;
}

/** The handshake message out of its records, as far as they are well formed. */
function handshake(input: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at + 5 <= input.length;) {
    const next = at + 5 + input.readUInt16BE(at + 3);
    parts.push(input.subarray(at + 5, next));
    at = next;
  }
  const message = Buffer.concat(parts);
  return message.length < 4 ? message : message.subarray(0, 4 + message.readUIntBE(1, 3));
}

/** Random, session id, suites and compression in front; the extensions one by one. Null: not to be taken apart. */
function takeApart(message: Buffer): { front: Buffer; extensions: Buffer[] } | null {
  if (message.length < 40) return null;
  let at = 39 + message[38];
  if (at + 2 > message.length) return null;
  at += 2 + message.readUInt16BE(at);
  if (at >= message.length) return null;
  at += 1 + message[at];
  const front = message.subarray(4, at);
  const extensions: Buffer[] = [];
  for (at += 2; at + 4 <= message.length;) {
    const next = at + 4 + message.readUInt16BE(at + 2);
    extensions.push(message.subarray(at, next));
    at = next;
  }
  return { front, extensions };
}

const names: readonly string[] = [
  'a.example',
  'A.Example.',
  'a..b',
  '*.example',
  'x\0.example',
  '10.0.0.1',
  '::1',
  'a b',
  'é',
  '',
  'a'.repeat(64),
  'xn--a',
];

/** Half of the changes are made to one extension and the lengths around it put right, so that they reach further than the first length. */
function mutate(corpus: readonly Buffer[], random: Random): Buffer {
  const from = random.pick(corpus);
  const apart = random.below(2) === 0 ? null : takeApart(handshake(from));
  if (apart === null || apart.extensions.length === 0) return mutateBytes(from, corpus, random);
  const list = [...apart.extensions];
  const at = random.below(list.length);
  switch (random.below(7)) {
    case 0:
      list.splice(at, 1);
      break;
    case 1:
      list.splice(random.below(list.length + 1), 0, list[at]);
      break;
    case 2:
      list[at] = sni(random.pick(names));
      break;
    case 3:
      list.push(alpn(...Array.from({ length: random.below(4) }, () => random.pick(['h2', 'http/1.1', '\x1a\x1a', '', 'x'.repeat(255)]))));
      break;
    case 4:
      list.push(versions(...Array.from({ length: random.below(4) }, () => random.pick([0x0304, 0x0303, 0x0a0a, 0x7f1c, 0x0301]))));
      break;
    case 5:
      list[at] = extension(list[at].readUInt16BE(0), mutateBytes(list[at].subarray(4), list, random));
      break;
    default:
      list[at] = extension(random.pick([0, 10, 11, 13, 16, 35, 41, 43, 51, 0x1a1a]), list[at].subarray(4));
  }
  const front = random.below(4) === 0 ? mutateBytes(apart.front, corpus, random) : apart.front;
  const block = Buffer.concat(list);
  const body = block.length > 65_535 ? front : Buffer.concat([front, vector(2, block)]);
  const message = Buffer.concat([Buffer.from([1, body.length >> 16, (body.length >> 8) & 255, body.length & 255]), body]);
  return records(message, random.below(3) === 0 ? 1 + random.below(300) : 16_384);
}

/** OpenSSL, where it takes the same bytes, must have been asked for the same name. */
async function oracle(input: Buffer): Promise<string> {
  const ours = read(input, [input.length]);
  if (ours.kind !== 'hello') return '';
  const theirs = await tlsServerName(input);
  if (theirs === null) return '';
  const plain = theirs.toLowerCase().replace(/\.$/, '');
  return plain === ours.serverName ? '' : `server name '${ours.serverName}', for OpenSSL '${theirs}'`;
}

export const clientHelloTarget: BinaryTarget = { name: 'client-hello', mutate, check, oracle, oracleEvery: 20 };
