import { randomFillSync } from 'node:crypto';

const triples = Array.from({ length: 4096 }, (_, i) => i.toString(16).padStart(3, '0'));
const words = new Uint16Array(4096);
let used = words.length;
/** First 24 characters, with the version and variant, anew for each block of random numbers. */
let prefix = '';

function hex(word: number): string {
  return triples[word & 0xfff];
}

function refill(): void {
  randomFillSync(words);
  const [a, b, c, d, e, f] = words;
  prefix = `${hex(a)}${hex(b)}${hex(c).slice(1)}-${hex(d)}${hex(e).charAt(2)}-4${hex(f)}-${hex(0x800 | (words[6] & 0x3ff)).charAt(0)}${hex(words[7])}-`;
  used = 8;
}

/** A random UUID, version 4 (RFC 9562 §5.4): 48 bits of each id are its own, the rest is shared by a thousand. */
export function requestId(): string {
  if (used + 4 > words.length) refill();
  const id = prefix + hex(words[used]) + hex(words[used + 1]) + hex(words[used + 2]) + hex(words[used + 3]);
  used += 4;
  return id;
}
