import { isDeepStrictEqual } from 'node:util';
import { MAX_PROXY_HEADER_BYTES, readProxyHeader, type ProxyHeader, type ProxyRead } from '../../../src/proxy/listen/proxy-protocol.ts';
import { writeProxyV1, writeProxyV2, type ProxyAddresses } from '../../../src/proxy/listen/proxy-protocol-write.ts';
import type { Random } from '../random.ts';
import { mutateBytes } from './mutate-bytes.ts';
import type { BinaryTarget, Verdict } from './target.ts';

const tokens: readonly Buffer[] = [
  ...[
    'PROXY ',
    'TCP4 ',
    'TCP6 ',
    'UNKNOWN',
    '\r\n',
    '\n',
    '\r',
    ' ',
    '  ',
    '0',
    '00',
    '65535',
    '65536',
    '::',
    '::1',
    '::ffff:1.2.3.4',
    '1.2.3.4',
    '%eth0',
    '-1',
    'GET / HTTP/1.1\r\n',
  ],
].map((text) => Buffer.from(text, 'latin1'));
const values: readonly Buffer[] = [
  '0d0a0d0a000d0a515549540a',
  '2111',
  '2121',
  '2131',
  '2000',
  '2100',
  '000c',
  '0024',
  '040000',
  '02000161',
  '0100026832',
  '030004',
  '2000050100000000',
  '210001',
  'ea000101',
  'ffff',
].map((digits) => Buffer.from(digits, 'hex'));

const shift = 3;

/** A piece stands in the middle of a buffer that is written over afterwards, as the worker's read buffer is. */
function read(input: Buffer, bytes: number): ProxyRead {
  const buffer = Buffer.alloc(shift + bytes + 2, 0x41);
  input.copy(buffer, shift, 0, bytes);
  const result = readProxyHeader(buffer, shift, shift + bytes);
  buffer.fill(0x5a);
  return result;
}

function check(input: Buffer, random: Random): Verdict {
  const whole = read(input, input.length);
  const found = (finding: string): Verdict => ({ outcome: describe(whole), accepted: whole.kind === 'header', finding });
  // Every cut of short inputs, some of long ones.
  const step = input.length < 200 ? 1 : 1 + random.below(97);
  let decidedAt = input.length + 1;
  for (let cut = 0; cut <= input.length; cut += step) {
    const part = read(input, cut);
    if (part.kind === 'more') {
      if (cut > decidedAt) return found(`undecided after ${cut} bytes, decided before`);
      if (cut > MAX_PROXY_HEADER_BYTES) return found(`undecided after ${cut} bytes`);
      continue;
    }
    decidedAt = Math.min(decidedAt, cut);
    if (!isDeepStrictEqual(part, whole)) return found(`after ${cut} bytes ${JSON.stringify(part)} ≠ ${JSON.stringify(whole)}`);
  }
  if (whole.kind !== 'header') return found('');
  if (whole.bytes > input.length) return found('longer than what came');
  return found(checkHeader(whole, input));
}

/** What was read, written and read again, says the same; bytes behind the header change nothing. */
function checkHeader(header: ProxyHeader, input: Buffer): string {
  const alone = read(input, header.bytes);
  if (!isDeepStrictEqual(alone, header)) return 'bytes behind the header count';
  if (header.command === 'local' || header.family === 'unspec') return header.sourceAddress === '' ? '' : 'an address that nobody said';
  if (header.family === 'unix') return sameAddresses(header, header, writeProxyV2(header));
  return sameAddresses(header, header, writeProxyV1(header)) || sameAddresses(header, header, writeProxyV2(header));
}

function sameAddresses(header: ProxyHeader, addresses: ProxyAddresses, bytes: Buffer): string {
  const again = read(bytes, bytes.length);
  if (again.kind !== 'header' || again.bytes !== bytes.length) return `written as ${bytes.toString('hex')}, read as ${again.kind}`;
  const same =
    again.sourceAddress === addresses.sourceAddress &&
    again.sourcePort === addresses.sourcePort &&
    again.destinationAddress === addresses.destinationAddress &&
    again.destinationPort === addresses.destinationPort;
  return same ? '' : `${JSON.stringify(header)} written and read is ${JSON.stringify(again)}`;
}

function describe(read: ProxyRead): string {
  if (read.kind === 'error') return read.details;
  if (read.kind !== 'header') return read.kind;
  const { version, command, family, sourceAddress, sourcePort, destinationAddress, destinationPort, bytes } = read;
  return `v${version} ${command} ${family} ${sourceAddress} ${sourcePort} > ${destinationAddress} ${destinationPort}, ${bytes} bytes`;
}

/** The length of a version 2 header brought in line with what follows, so that changes reach the values. */
function mutate(corpus: readonly Buffer[], random: Random): Buffer {
  const from = random.pick(corpus);
  const isText = from[0] === 0x50;
  const bytes = mutateBytes(from, corpus, random, isText ? tokens : values);
  if (isText || bytes.length < 16 || bytes.length > 16 + 65_535 || random.below(3) === 0) return bytes;
  const out = Buffer.from(bytes);
  out.writeUInt16BE(out.length - 16, 14);
  return out;
}

export const proxyProtocolTarget: BinaryTarget = { name: 'proxy-protocol', mutate, check };
