/** CRC-32C (Castagnoli, RFC 3720 appendix B.4), as the PROXY protocol has it. */
const table = new Uint32Array(256);
for (let i = 0; i < 256; i++) {
  let value = i;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ 0x82f63b78;
  table[i] = value >>> 0;
}

/** Checksum of `bytes[from, to)`; `before` is that of what stood in front. */
export function crc32c(bytes: Buffer, from: number, to: number, before = 0): number {
  let value = ~before >>> 0;
  for (let i = from; i < to; i++) value = (table[(value ^ bytes[i]) & 0xff] ^ (value >>> 8)) >>> 0;
  return ~value >>> 0;
}
