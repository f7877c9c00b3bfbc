import { hashText, mixHash } from '../../base/hash.ts';

/** Slots of an open-addressing table from names to numbers: pairs of (hash, number + 1). A name may stand for several numbers. */
export function buildNames(names: readonly (readonly [name: string, number: number])[]): Int32Array {
  let capacity = 2;
  while (capacity < names.length * 2) capacity *= 2;
  const slots = new Int32Array(capacity * 2);
  for (const [name, number] of names) {
    const hash = hashText(name);
    let slot = mixHash(hash) & (capacity - 1);
    while (slots[slot * 2 + 1] !== 0) slot = (slot + 1) & (capacity - 1);
    slots[slot * 2] = hash;
    slots[slot * 2 + 1] = number + 1;
  }
  return slots;
}

/** Calls `check` with each number that `name` may stand for (hashes may collide) until it returns a value. */
export function findName<T>(slots: Int32Array, name: string, check: (number: number) => T | null): T | null {
  const mask = slots.length / 2 - 1;
  const hash = hashText(name);
  let slot = mixHash(hash) & mask;
  while (slots[slot * 2 + 1] !== 0) {
    if (slots[slot * 2] === hash) {
      const found = check(slots[slot * 2 + 1] - 1);
      if (found !== null) return found;
    }
    slot = (slot + 1) & mask;
  }
  return null;
}
