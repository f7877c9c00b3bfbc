import type { Random } from '../random.ts';

const MAX_BYTES = 8192;
const EDGES: readonly number[] = [0, 1, 2, 5, 0x0a, 0x0d, 0x11, 0x16, 0x20, 0x21, 0x7f, 0x80, 0xfe, 0xff];

/** A copy of `bytes` with one to three changes: bits, bytes, cuts, copies, lengths that are wrong by a little, another's tail. */
export function mutateBytes(bytes: Buffer, others: readonly Buffer[], random: Random, tokens: readonly Buffer[] = []): Buffer {
  let out = bytes;
  for (let steps = 1 + random.below(3); steps > 0; steps--) out = step(out, others, random, tokens);
  return out.length > MAX_BYTES ? out.subarray(0, MAX_BYTES) : out;
}

function step(bytes: Buffer, others: readonly Buffer[], random: Random, tokens: readonly Buffer[]): Buffer {
  const at = random.below(bytes.length + 1);
  const put = (piece: Buffer): Buffer => Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at)]);
  const drop = (count: number): Buffer => Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + count)]);
  switch (random.below(9)) {
    case 0:
      return change(bytes, at, (old) => old ^ (1 << random.below(8)));
    case 1:
      return change(bytes, at, () => random.below(256));
    case 2:
      return change(bytes, at, () => random.pick(EDGES));
    case 3:
      return change(bytes, at, (old) => old + random.pick([-2, -1, 1, 2]));
    case 4:
      return drop(1 + random.below(3));
    case 5:
      return drop(random.below(40));
    case 6: {
      const from = random.below(bytes.length + 1);
      return put(bytes.subarray(from, from + random.below(24)));
    }
    case 7:
      return put(tokens.length === 0 ? Buffer.from([random.pick(EDGES)]) : random.pick(tokens));
    default: {
      const other = random.pick(others);
      return Buffer.concat([bytes.subarray(0, at), other.subarray(random.below(other.length + 1))]);
    }
  }
}

function change(bytes: Buffer, at: number, by: (old: number) => number): Buffer {
  if (at >= bytes.length) return bytes;
  const out = Buffer.from(bytes);
  out[at] = by(out[at]) & 255;
  return out;
}
