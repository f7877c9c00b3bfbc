/**
 * 128-bit keyed hash of strings: two HalfSipHash-1-3 lanes (Aumasson and Bernstein, SipHash) under different keys, on
 * 32-bit words. Keyed with random words it cannot be aimed: nobody who chooses the text chooses where it falls.
 */
export interface HashKey {
  readonly k0: number;
  readonly k1: number;
  readonly k2: number;
  readonly k3: number;
}

/** Where `hashString` leaves its result: four 32-bit integers. Copied or used before the next call. */
export const digest = new Int32Array(4);

/** Hashes the UTF-16 units of `text` into `digest`. */
export function hashString(text: string, key: HashKey): void {
  // Lane A.
  let a0 = key.k0;
  let a1 = key.k1;
  let a2 = 0x6c796765 ^ key.k0;
  let a3 = 0x74656462 ^ key.k1;
  // Lane B.
  let b0 = key.k2;
  let b1 = key.k3;
  let b2 = 0x6c796765 ^ key.k2;
  let b3 = 0x74656462 ^ key.k3;
  const { length } = text;
  const words = (length + 1) >> 1;
  // The word after the last one is the length, so that no text is the padded form of another.
  for (let i = 0; i <= words; i++) {
    const at = i << 1;
    const word = i === words ? length | 0 : at + 1 < length ? text.charCodeAt(at) | (text.charCodeAt(at + 1) << 16) : text.charCodeAt(at);
    a3 ^= word;
    a0 = (a0 + a1) | 0;
    a1 = ((a1 << 5) | (a1 >>> 27)) ^ a0;
    a0 = (a0 << 16) | (a0 >>> 16);
    a2 = (a2 + a3) | 0;
    a3 = ((a3 << 8) | (a3 >>> 24)) ^ a2;
    a0 = (a0 + a3) | 0;
    a3 = ((a3 << 7) | (a3 >>> 25)) ^ a0;
    a2 = (a2 + a1) | 0;
    a1 = ((a1 << 13) | (a1 >>> 19)) ^ a2;
    a2 = (a2 << 16) | (a2 >>> 16);
    a0 ^= word;
    b3 ^= word;
    b0 = (b0 + b1) | 0;
    b1 = ((b1 << 5) | (b1 >>> 27)) ^ b0;
    b0 = (b0 << 16) | (b0 >>> 16);
    b2 = (b2 + b3) | 0;
    b3 = ((b3 << 8) | (b3 >>> 24)) ^ b2;
    b0 = (b0 + b3) | 0;
    b3 = ((b3 << 7) | (b3 >>> 25)) ^ b0;
    b2 = (b2 + b1) | 0;
    b1 = ((b1 << 13) | (b1 >>> 19)) ^ b2;
    b2 = (b2 << 16) | (b2 >>> 16);
    b0 ^= word;
  }
  a2 ^= 0xee;
  b2 ^= 0xee;
  for (let round = 0; round < 3; round++) {
    a0 = (a0 + a1) | 0;
    a1 = ((a1 << 5) | (a1 >>> 27)) ^ a0;
    a0 = (a0 << 16) | (a0 >>> 16);
    a2 = (a2 + a3) | 0;
    a3 = ((a3 << 8) | (a3 >>> 24)) ^ a2;
    a0 = (a0 + a3) | 0;
    a3 = ((a3 << 7) | (a3 >>> 25)) ^ a0;
    a2 = (a2 + a1) | 0;
    a1 = ((a1 << 13) | (a1 >>> 19)) ^ a2;
    a2 = (a2 << 16) | (a2 >>> 16);
    b0 = (b0 + b1) | 0;
    b1 = ((b1 << 5) | (b1 >>> 27)) ^ b0;
    b0 = (b0 << 16) | (b0 >>> 16);
    b2 = (b2 + b3) | 0;
    b3 = ((b3 << 8) | (b3 >>> 24)) ^ b2;
    b0 = (b0 + b3) | 0;
    b3 = ((b3 << 7) | (b3 >>> 25)) ^ b0;
    b2 = (b2 + b1) | 0;
    b1 = ((b1 << 13) | (b1 >>> 19)) ^ b2;
    b2 = (b2 << 16) | (b2 >>> 16);
  }
  digest[0] = a1 ^ a3;
  digest[1] = b1 ^ b3;
  digest[2] = a0 ^ a2;
  digest[3] = b0 ^ b2;
}

/** Key of a smaller space: texts hashed under it are independent of texts under another name. */
export function deriveKey(key: HashKey, name: string): HashKey {
  hashString(name, key);
  return { k0: digest[0], k1: digest[1], k2: digest[2], k3: digest[3] };
}
