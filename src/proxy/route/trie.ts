import type { CodeUnitList, Int32List } from '../../base/growable.ts';
import { nodeWords } from './layout.ts';

/** A match entry in a path trie. `exact`: a candidate only for this very path; else for every path that begins with `key`. */
export interface TrieItem {
  readonly key: string;
  readonly exact: boolean;
  /** Id of the match entry; lower is better. */
  readonly id: number;
}

interface Span {
  readonly node: number;
  readonly from: number;
  readonly to: number;
  /** Characters of the keys above this node. */
  readonly depth: number;
}

/** Appends a compressed trie over `items` (reordered in place) and returns the number of its root. */
export function buildTrie(items: TrieItem[], nodes: Int32List, lists: Int32List, text: CodeUnitList): number {
  items.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : a.exact !== b.exact ? (a.exact ? -1 : 1) : a.id - b.id));
  const root = nodes.extend(nodeWords, 0) / nodeWords;
  const queue: Span[] = [{ node: root, from: 0, to: items.length, depth: 0 }];
  for (let head = 0; head < queue.length; head++) {
    const { node, from, to, depth } = queue[head];
    const first = items[from].key;
    const last = items[to - 1].key;
    // Sorted: what the first and the last share, all share.
    let end = depth;
    while (end < first.length && end < last.length && first.charCodeAt(end) === last.charCodeAt(end)) end++;
    const label = text.append(first, depth, end);
    const exact = lists.length;
    let at = from;
    while (at < to && items[at].key.length === end && items[at].exact) lists.push(items[at++].id);
    const prefix = lists.length;
    while (at < to && items[at].key.length === end) lists.push(items[at++].id);
    const record = node * nodeWords;
    nodes.set(record, label);
    nodes.set(record + 1, end - depth);
    nodes.set(record + 4, exact);
    nodes.set(record + 5, prefix);
    nodes.set(record + 6, lists.length);
    nodes.set(record + 7, end > depth ? first.charCodeAt(depth) : 0);
    if (at === to) continue;
    const groups: [from: number, to: number][] = [];
    for (let start = at; at <= to; at++) {
      if (at < to && items[at].key.charCodeAt(end) === items[start].key.charCodeAt(end)) continue;
      groups.push([start, at]);
      start = at;
      if (at === to) break;
    }
    const child = nodes.extend(groups.length * nodeWords, 0) / nodeWords;
    nodes.set(record + 2, child);
    nodes.set(record + 3, groups.length);
    groups.forEach(([groupFrom, groupTo], i) => queue.push({ node: child + i, from: groupFrom, to: groupTo, depth: end }));
  }
  return root;
}

/** Candidate lists of one look-up: positions in the `lists` section, reused from request to request. */
export class Candidates {
  count = 0;
  /** Next position and end of each list. */
  starts = new Int32Array(64);
  ends = new Int32Array(64);

  add(start: number, end: number): void {
    if (this.count === this.starts.length) this.grow();
    this.starts[this.count] = start;
    this.ends[this.count++] = end;
  }

  private grow(): void {
    const starts = new Int32Array(this.starts.length * 2);
    const ends = new Int32Array(this.ends.length * 2);
    starts.set(this.starts);
    ends.set(this.ends);
    this.starts = starts;
    this.ends = ends;
  }
}

/** Adds the lists of every node that `path` passes (prefix) or ends at (exact). `fold`: compare in ASCII lower case. */
export function walkTrie(nodes: Int32Array, text: Uint16Array, root: number, path: string, fold: boolean, out: Candidates): void {
  let node = root * nodeWords;
  let at = 0;
  for (;;) {
    const label = nodes[node];
    const length = nodes[node + 1];
    if (at + length > path.length) return;
    for (let i = 0; i < length; i++) {
      if (text[label + i] !== unit(path, at + i, fold)) return;
    }
    at += length;
    const prefix = nodes[node + 5];
    if (prefix < nodes[node + 6]) out.add(prefix, nodes[node + 6]);
    if (at === path.length) {
      if (nodes[node + 4] < prefix) out.add(nodes[node + 4], prefix);
      return;
    }
    const code = unit(path, at, fold);
    let low = nodes[node + 2];
    let high = low + nodes[node + 3] - 1;
    let next = -1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const first = nodes[middle * nodeWords + 7];
      if (first === code) {
        next = middle * nodeWords;
        break;
      }
      if (first < code) low = middle + 1;
      else high = middle - 1;
    }
    if (next < 0) return;
    node = next;
  }
}

function unit(path: string, at: number, fold: boolean): number {
  const code = path.charCodeAt(at);
  return fold && code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
}
