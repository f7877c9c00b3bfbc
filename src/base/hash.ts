/** FNV-1a over UTF-16 code units: for table look-ups of names that configuration chose, never against hostile keys. */
export const hashSeed = 0x811c9dc5 | 0;
const prime = 0x01000193;

export function hashStep(hash: number, code: number): number {
  return Math.imul(hash ^ code, prime);
}

export function hashText(text: string): number {
  let hash = hashSeed;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), prime);
  return hash;
}

/** Spreads the entropy of an FNV hash into its low bits, which select the slot. */
export function mixHash(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x7feb352d);
  return mixed ^ (mixed >>> 15);
}
