import { frameMessage, GrpcFrames } from '../../../src/proxy/protocol/grpc/frames.ts';
import { cuts } from '../mutate.ts';
import type { Random } from '../random.ts';
import { mutateBytes } from './mutate-bytes.ts';
import type { BinaryTarget, Verdict } from './target.ts';

const MAX_MESSAGE_BYTES = 1000;

interface Reading {
  readonly messages: number;
  readonly compressed: number;
  readonly error: string;
  readonly inMessage: boolean;
}

function read(input: Buffer, ends: readonly number[]): Reading {
  const frames = new GrpcFrames(MAX_MESSAGE_BYTES);
  let from = 0;
  for (const end of ends) {
    frames.read(input, from, end);
    from = end;
  }
  const { messages, compressed, error, inMessage } = frames;
  return { messages, compressed, error, inMessage };
}

/** The same with everything at hand: by the definition, word for word. */
function plainly(input: Buffer): Reading {
  let messages = 0;
  let compressed = 0;
  let at = 0;
  const done = (error: string): Reading => ({ messages, compressed, error, inMessage: at < input.length });
  while (at < input.length) {
    if (input[at] > 1) return done('grpc.frame_flag_invalid');
    if (input.length - at < 5) return done('');
    const length = input.readUInt32BE(at + 1);
    if (length > MAX_MESSAGE_BYTES) return done('grpc.message_too_large');
    if (input.length - at < 5 + length) return done('');
    messages++;
    compressed += input[at];
    at += 5 + length;
  }
  return done('');
}

const text = ({ messages, compressed, error, inMessage }: Reading): string =>
  `${messages} messages, ${compressed} compressed${error !== '' ? `, ${error}` : inMessage ? ', cut' : ''}`;

function check(input: Buffer, random: Random): Verdict {
  const expected = text(plainly(input));
  const each = Array.from({ length: input.length }, (_, i) => i + 1);
  const reading = read(input, [input.length]);
  const verdict = { outcome: text(reading), accepted: reading.messages > 0 && reading.error === '' && !reading.inMessage };
  for (const ends of [[input.length], each, cuts(input.length, random)]) {
    const ours = text(read(input, ends));
    if (ours !== expected) return { ...verdict, finding: `split ${ends.join()}: ${ours} ≠ ${expected}` };
  }
  return { ...verdict, finding: '' };
}

const tokens: readonly Buffer[] = [
  frameMessage(Buffer.alloc(0)),
  frameMessage(Buffer.from('abc')),
  Buffer.from('0100000001ff', 'hex'),
  Buffer.from('0000000400', 'hex'),
  Buffer.from('00ffffffff', 'hex'),
];

export const grpcTarget: BinaryTarget = {
  name: 'grpc',
  mutate: (corpus, random) => mutateBytes(random.pick(corpus), corpus, random, tokens),
  check,
};
