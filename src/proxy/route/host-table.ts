import type { CodeUnitList, Int32List } from '../../base/growable.ts';
import { hashSeed, hashStep, hashText, mixHash } from '../../base/hash.ts';
import { parseHostPattern } from '../../decide/host.ts';
import { slotWords } from './layout.ts';

/** Suffixes are hashed from their end, so that one pass over a host meets every suffix of it. */
function hashBackwards(text: string): number {
  let hash = hashSeed;
  for (let i = text.length - 1; i >= 0; i--) hash = hashStep(hash, text.charCodeAt(i));
  return hash;
}

/** Words of a host table for `patterns` (HostMatcher.pattern → value); the first of two equal patterns counts. */
export function buildHostTable(
  patterns: Iterable<readonly [pattern: string, value: number]>,
  slots: Int32List,
  text: CodeUnitList,
): number[] {
  const groups: Record<'exact' | 'suffix' | 'prefix', Map<string, number>> = { exact: new Map(), suffix: new Map(), prefix: new Map() };
  let any = -1;
  for (const [pattern, value] of patterns) {
    const parsed = parseHostPattern(pattern);
    if (parsed.kind === 'any') any = any === -1 ? value : any;
    else if (!groups[parsed.kind].has(parsed.text)) groups[parsed.kind].set(parsed.text, value);
  }
  const words: number[] = [];
  for (const kind of ['exact', 'suffix', 'prefix'] as const) {
    const group = groups[kind];
    if (group.size === 0) {
      words.push(0, -1);
      continue;
    }
    let capacity = 2;
    while (capacity < group.size * 2) capacity *= 2;
    const start = slots.extend(capacity * slotWords, 0) / slotWords;
    for (const [name, value] of group) {
      const hash = kind === 'suffix' ? hashBackwards(name) : hashText(name);
      let slot = mixHash(hash) & (capacity - 1);
      while (slots.get((start + slot) * slotWords + 3) !== 0) slot = (slot + 1) & (capacity - 1);
      const at = (start + slot) * slotWords;
      slots.set(at, hash);
      slots.set(at + 1, text.append(name));
      slots.set(at + 2, name.length);
      slots.set(at + 3, value + 1);
    }
    words.push(start, capacity - 1);
  }
  words.push(any);
  return words;
}

/** Reads host tables. `table` is the position of a table's words in `records`. Allocates nothing. */
export class HostLookup {
  private readonly slots: Int32Array;
  private readonly text: Uint16Array;

  constructor(slots: Int32Array, text: Uint16Array) {
    this.slots = slots;
    this.text = text;
  }

  /** Value of the most specific pattern: exact, longest suffix, longest prefix, any; -1 when none fits. */
  best(records: Int32Array, table: number, host: string): number {
    const exact = this.exact(records, table, host);
    if (exact >= 0) return exact;
    let found = -1;
    if (records[table + 3] >= 0) {
      let hash = hashSeed;
      // Down to 1: the wildcard stands for at least one character.
      for (let i = host.length - 1; i > 0; i--) {
        const code = host.charCodeAt(i);
        hash = hashStep(hash, code);
        if (code !== 0x2e) continue;
        const value = this.probe(records[table + 2], records[table + 3], hash, host, i, host.length - i);
        if (value >= 0) found = value;
      }
      if (found >= 0) return found;
    }
    if (records[table + 5] >= 0) {
      let hash = hashSeed;
      for (let i = 0; i < host.length - 1; i++) {
        const code = host.charCodeAt(i);
        hash = hashStep(hash, code);
        if (code !== 0x2e) continue;
        const value = this.probe(records[table + 4], records[table + 5], hash, host, 0, i + 1);
        if (value >= 0) found = value;
      }
      if (found >= 0) return found;
    }
    return records[table + 6];
  }

  /** Writes the value of every pattern that fits, the one of `*` included, to `out`; returns how many. */
  all(records: Int32Array, table: number, host: string, out: Int32Array): number {
    let count = 0;
    if (records[table + 6] >= 0) out[count++] = records[table + 6];
    const exact = this.exact(records, table, host);
    if (exact >= 0) out[count++] = exact;
    if (records[table + 3] >= 0) {
      let hash = hashSeed;
      for (let i = host.length - 1; i > 0 && count < out.length; i--) {
        const code = host.charCodeAt(i);
        hash = hashStep(hash, code);
        if (code !== 0x2e) continue;
        const value = this.probe(records[table + 2], records[table + 3], hash, host, i, host.length - i);
        if (value >= 0) out[count++] = value;
      }
    }
    if (records[table + 5] >= 0) {
      let hash = hashSeed;
      for (let i = 0; i < host.length - 1 && count < out.length; i++) {
        const code = host.charCodeAt(i);
        hash = hashStep(hash, code);
        if (code !== 0x2e) continue;
        const value = this.probe(records[table + 4], records[table + 5], hash, host, 0, i + 1);
        if (value >= 0) out[count++] = value;
      }
    }
    return count;
  }

  private exact(records: Int32Array, table: number, host: string): number {
    if (records[table + 1] < 0) return -1;
    return this.probe(records[table], records[table + 1], hashText(host), host, 0, host.length);
  }

  private probe(start: number, mask: number, hash: number, host: string, from: number, length: number): number {
    const { slots, text } = this;
    let slot = mixHash(hash) & mask;
    for (;;) {
      const at = (start + slot) * slotWords;
      const value = slots[at + 3];
      if (value === 0) return -1;
      if (slots[at] === hash && slots[at + 2] === length) {
        const position = slots[at + 1];
        let i = 0;
        while (i < length && text[position + i] === host.charCodeAt(from + i)) i++;
        if (i === length) return value - 1;
      }
      slot = (slot + 1) & mask;
    }
  }
}
