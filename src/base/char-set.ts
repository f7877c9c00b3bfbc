/** Sets of code points as sorted, disjoint, inclusive ranges: [low, high, low, high …]. */
export type CharSet = readonly number[];

const last = 0x10ffff;

export function single(code: number): CharSet {
  return [code, code];
}

export function union(a: CharSet, b: CharSet): CharSet {
  if (a.length === 0) return b;
  if (b.length === 0) return a;
  const out: number[] = [];
  let i = 0;
  let j = 0;
  while (i < a.length || j < b.length) {
    const fromA = j >= b.length || (i < a.length && a[i] <= b[j]);
    const low = fromA ? a[i] : b[j];
    const high = fromA ? a[i + 1] : b[j + 1];
    if (fromA) i += 2;
    else j += 2;
    const end = out.length - 1;
    if (end > 0 && low <= out[end] + 1) out[end] = Math.max(out[end], high);
    else out.push(low, high);
  }
  return out;
}

export function complement(set: CharSet): CharSet {
  const out: number[] = [];
  let next = 0;
  for (let i = 0; i < set.length; i += 2) {
    if (set[i] > next) out.push(next, set[i] - 1);
    next = set[i + 1] + 1;
  }
  if (next <= last) out.push(next, last);
  return out;
}

export function intersects(a: CharSet, b: CharSet): boolean {
  let i = 0;
  let j = 0;
  while (i < a.length && j < b.length) {
    if (a[i + 1] < b[j]) i += 2;
    else if (b[j + 1] < a[i]) j += 2;
    else return true;
  }
  return false;
}

/** RE2's Perl classes, ASCII only. */
export const digits: CharSet = [0x30, 0x39];
export const words: CharSet = [0x30, 0x39, 0x41, 0x5a, 0x5f, 0x5f, 0x61, 0x7a];
export const spaces: CharSet = [0x09, 0x0a, 0x0c, 0x0d, 0x20, 0x20];
/** `.` without the `s` flag: everything but a line feed. */
export const anyChar: CharSet = complement([0x0a, 0x0a]);
