/** Bounds of histogram buckets and the fast way from a value to its bucket. */

/**
 * Upper bounds, inclusive. Milliseconds are Envoy's default bounds with finer ones below 10 ms, where a gateway lives;
 * bytes go in steps of four.
 */
export const scales = {
  milliseconds: [
    0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000, 3_600_000,
  ],
  bytes: [64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864, 268_435_456, 1_073_741_824],
} as const satisfies Readonly<Record<string, readonly number[]>>;

export type Scale = keyof typeof scales;

// The upper bits of a double are its exponent and the first bits of its mantissa: a log-linear index without a logarithm.
const bits = new Float64Array(1);
const words = new Uint32Array(bits.buffer);
/** Three bits of mantissa: eight steps per power of two. */
const shift = 17;
const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
const high = littleEndian ? 1 : 0;

const tables: Record<Scale, { readonly bounds: Float64Array; readonly first: Uint8Array; readonly base: number }> = {
  milliseconds: table(scales.milliseconds),
  bytes: table(scales.bytes),
};

/** Bucket of `value`: index into the scale's bounds; their length when it is above the last. */
export function bucketIndex(scale: Scale, value: number): number {
  const { bounds, first, base } = tables[scale];
  bits[0] = value;
  const cell = (words[high] >>> shift) - base;
  let index = cell < 0 ? 0 : cell >= first.length ? bounds.length : first[cell];
  while (index < bounds.length && value > bounds[index]) index++;
  return index;
}

function cellOf(value: number): number {
  bits[0] = value;
  return words[high] >>> shift;
}

function table(bounds: readonly number[]): { bounds: Float64Array; first: Uint8Array; base: number } {
  const base = cellOf(bounds[0]);
  const first = new Uint8Array(cellOf(bounds[bounds.length - 1]) - base + 1);
  let index = 0;
  for (let cell = 0; cell < first.length; cell++) {
    // First bucket that can hold a value of this cell: no bound below it lies in an earlier cell.
    while (index < bounds.length && cellOf(bounds[index]) - base < cell) index++;
    first[cell] = index;
  }
  return { bounds: Float64Array.from(bounds), first, base };
}
