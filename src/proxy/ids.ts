import { randomFillSync } from 'node:crypto';

/** Ids made at once. */
const batch = 512;
const idBytes = 16;
const idChars = 36;

const digits = Buffer.from('0123456789abcdef', 'latin1');
const random = new Uint8Array(batch * idBytes);
const text = Buffer.allocUnsafeSlow(batch * idChars);
let next = batch;

function refill(): void {
  randomFillSync(random);
  let at = 0;
  for (let id = 0; id < batch; id++) {
    const from = id * idBytes;
    random[from + 6] = (random[from + 6] & 0x0f) | 0x40;
    random[from + 8] = (random[from + 8] & 0x3f) | 0x80;
    for (let i = 0; i < idBytes; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) text[at++] = 0x2d;
      const byte = random[from + i];
      text[at++] = digits[byte >> 4];
      text[at++] = digits[byte & 15];
    }
  }
  next = 0;
}

/** A random UUID, version 4 (RFC 9562 §5.4). Written in batches: a flat string of its own costs one call. */
export function requestId(): string {
  if (next === batch) refill();
  const from = next++ * idChars;
  return text.latin1Slice(from, from + idChars);
}
