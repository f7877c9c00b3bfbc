/** Writes an integer of at least 0 and below 2^53 in decimal, at most 16 bytes; returns the offset behind it. The caller ensures room. */
export function writeDecimal(out: Uint8Array, at: number, value: number): number {
  if (value < 10) {
    out[at] = 48 + value;
    return at + 1;
  }
  let digits = 1;
  for (let v = value; v >= 10; v = Math.floor(v / 10)) digits++;
  let v = value;
  for (let i = at + digits - 1; i >= at; i--) {
    const rest = Math.floor(v / 10);
    out[i] = 48 + (v - rest * 10);
    v = rest;
  }
  return at + digits;
}
