import { randomFillSync } from 'node:crypto';

const triples = Array.from({ length: 4096 }, (_, i) => i.toString(16).padStart(3, '0'));
const words = new Uint16Array(4096);
let used = words.length;

function next(): number {
  if (used === words.length) {
    randomFillSync(words);
    used = 0;
  }
  return words[used++] & 0xfff;
}

/** A random UUID, version 4 (RFC 9562 §5.4), from a block of random numbers filled ahead. */
export function requestId(): string {
  const variant = triples[0x800 | (next() & 0x3ff)].charAt(0);
  const a = triples[next()] + triples[next()];
  const b = triples[next()];
  return `${a}${b.slice(0, 2)}-${triples[next()]}${b.charAt(2)}-4${triples[next()]}-${variant}${triples[next()]}-${triples[next()]}${triples[next()]}${triples[next()]}${triples[next()]}`;
}
