/**
 * Decides which RE2 patterns V8's backtracking engine may run. A pattern qualifies only when its syntax tree is
 * deterministic (at every choice, no two branches can take the next character), so that a branch given up fails within
 * a bounded number of steps and the whole match is linear; one final `x*` before a fixed tail is allowed beside that,
 * as its retries cost the tail's length each. The V8 source is written anew from the tree: nothing of the pattern's
 * own text, which V8 might read differently, gets through.
 */
import { anyChar, complement, digits, type CharSet, intersects, single, spaces, union, words } from '../base/char-set.ts';

type Node =
  | { readonly kind: 'set'; readonly set: CharSet }
  | { readonly kind: 'seq'; readonly items: readonly Node[] }
  | { readonly kind: 'alt'; readonly items: readonly Node[] }
  | { readonly kind: 'repeat'; readonly node: Node; readonly min: 0 | 1; readonly unbounded: boolean };

/** Longest bounded repetition that is written out. */
const maxRepeat = 32;
/** Bounds the tree, and with it the cost of a step. */
const maxNodes = 2_000;

class Unsupported extends Error {}

class Parser {
  private at = 0;
  private nodes = 0;
  private readonly names = new Set<string>();
  private readonly text: string;
  constructor(text: string) {
    this.text = text;
  }

  parse(): Node {
    const node = this.alternatives(0);
    if (this.at < this.text.length) throw new Unsupported();
    return node;
  }

  private count(): void {
    if (++this.nodes > maxNodes) throw new Unsupported();
  }

  private alternatives(depth: number): Node {
    if (depth > 20) throw new Unsupported();
    const items = [this.sequence(depth)];
    while (this.text[this.at] === '|') {
      this.at++;
      items.push(this.sequence(depth));
    }
    return items.length === 1 ? items[0] : { kind: 'alt', items };
  }

  private sequence(depth: number): Node {
    const items: Node[] = [];
    while (this.at < this.text.length) {
      const char = this.text[this.at];
      if (char === '|' || char === ')') break;
      items.push(this.quantified(this.atom(depth)));
      this.count();
    }
    return items.length === 1 ? items[0] : { kind: 'seq', items };
  }

  private atom(depth: number): Node {
    const code = this.text.codePointAt(this.at) ?? 0;
    const char = String.fromCodePoint(code);
    this.at += char.length;
    switch (char) {
      case '(':
        return this.group(depth);
      case '[':
        return { kind: 'set', set: this.charClass() };
      case '.':
        return { kind: 'set', set: anyChar };
      case '\\':
        return { kind: 'set', set: this.escape() };
      case '*':
      case '+':
      case '?':
      case '{':
      case '^':
      case '$':
        throw new Unsupported();
      default:
        return { kind: 'set', set: single(code) };
    }
  }

  private group(depth: number): Node {
    if (this.text[this.at] === '?') {
      const opening = /^\?(?::|P?<([A-Za-z_][A-Za-z0-9_]{0,31})>)/.exec(this.text.slice(this.at, this.at + 40));
      if (opening === null) throw new Unsupported();
      const [, name] = opening;
      if (name !== undefined && this.names.has(name)) throw new Unsupported();
      if (name !== undefined) this.names.add(name);
      this.at += opening[0].length;
    }
    const node = this.alternatives(depth + 1);
    if (this.text[this.at++] !== ')') throw new Unsupported();
    return node;
  }

  private quantified(node: Node): Node {
    const char = this.text[this.at];
    let result: Node;
    if (char === '*') result = { kind: 'repeat', node, min: 0, unbounded: true };
    else if (char === '+') result = { kind: 'repeat', node, min: 1, unbounded: true };
    else if (char === '?') result = { kind: 'repeat', node, min: 0, unbounded: false };
    else if (char === '{') return this.counted(node);
    else return node;
    this.at++;
    this.noSecondQuantifier();
    return result;
  }

  private counted(node: Node): Node {
    const bounds = /^\{(\d{1,3})(,(\d{0,3}))?\}/.exec(this.text.slice(this.at, this.at + 12));
    if (bounds === null || node.kind !== 'set') throw new Unsupported();
    this.at += bounds[0].length;
    this.noSecondQuantifier();
    const min = Number(bounds[1]);
    const max = bounds[2] === undefined ? min : bounds[3] === '' ? null : Number(bounds[3]);
    if (min > maxRepeat || (max !== null && (max > maxRepeat || max < min))) throw new Unsupported();
    const items: Node[] = [];
    for (let i = 0; i < min; i++) {
      items.push(node);
      this.count();
    }
    if (max === null) items.push({ kind: 'repeat', node, min: 0, unbounded: true });
    else {
      // x{0,3} is (x(x(x)?)?)?: written so, each choice is between x and what follows.
      let rest: Node | null = null;
      for (let i = min; i < max; i++) {
        rest = { kind: 'repeat', node: rest === null ? node : { kind: 'seq', items: [node, rest] }, min: 0, unbounded: false };
        this.count();
      }
      if (rest !== null) items.push(rest);
    }
    return { kind: 'seq', items };
  }

  private noSecondQuantifier(): void {
    const next = this.text[this.at];
    if (next === '?' || next === '*' || next === '+' || next === '{') throw new Unsupported();
  }

  /** After the backslash. */
  private escape(): CharSet {
    const char = this.text[this.at++];
    switch (char) {
      case 'd':
        return digits;
      case 'D':
        return complement(digits);
      case 'w':
        return words;
      case 'W':
        return complement(words);
      case 's':
        return spaces;
      case 'S':
        return complement(spaces);
      case 'n':
        return single(10);
      case 't':
        return single(9);
      case 'r':
        return single(13);
      default:
        if (char === undefined || !/^[!-/:-@[-`{-~]$/.test(char)) throw new Unsupported();
        return single(char.charCodeAt(0));
    }
  }

  /** After the opening bracket. */
  private charClass(): CharSet {
    let negated = false;
    if (this.text[this.at] === '^') {
      negated = true;
      this.at++;
    }
    let set: CharSet = [];
    for (let first = true; ; first = false) {
      const char = this.text[this.at];
      if (char === undefined || (first && char === ']')) throw new Unsupported();
      if (char === ']') break;
      if (char === '[') throw new Unsupported();
      const low = this.classItem();
      if (this.text[this.at] === '-' && this.text[this.at + 1] !== ']' && this.text[this.at + 1] !== undefined) {
        this.at++;
        if (this.text[this.at] === '[') throw new Unsupported();
        const high = this.classItem();
        if (low.length !== 2 || high.length !== 2 || low[0] !== low[1] || high[0] !== high[1] || low[0] > high[0]) throw new Unsupported();
        set = union(set, [low[0], high[0]]);
      } else set = union(set, low);
    }
    this.at++;
    return negated ? complement(set) : set;
  }

  private classItem(): CharSet {
    const code = this.text.codePointAt(this.at) ?? 0;
    this.at += code > 0xffff ? 2 : 1;
    return code === 0x5c ? this.escape() : single(code);
  }
}

function nullable(node: Node): boolean {
  switch (node.kind) {
    case 'set':
      return false;
    case 'seq':
      return node.items.every(nullable);
    case 'alt':
      return node.items.some(nullable);
    case 'repeat':
      return node.min === 0 || nullable(node.node);
  }
}

function first(node: Node): CharSet {
  switch (node.kind) {
    case 'set':
      return node.set;
    case 'seq': {
      let set: CharSet = [];
      for (const item of node.items) {
        set = union(set, first(item));
        if (!nullable(item)) break;
      }
      return set;
    }
    case 'alt':
      return node.items.reduce<CharSet>((set, item) => union(set, first(item)), []);
    case 'repeat':
      return first(node.node);
  }
}

/** True when at every choice in `node`, followed by `follow` or the end, at most one branch can take the next character. */
function deterministic(node: Node, follow: CharSet): boolean {
  switch (node.kind) {
    case 'set':
      return true;
    case 'seq': {
      let after = follow;
      for (let i = node.items.length - 1; i >= 0; i--) {
        const item = node.items[i];
        if (!deterministic(item, after)) return false;
        after = nullable(item) ? union(first(item), after) : first(item);
      }
      return true;
    }
    case 'alt': {
      let seen: CharSet = [];
      let empty = 0;
      for (const item of node.items) {
        const set = first(item);
        if (intersects(set, seen) || !deterministic(item, follow)) return false;
        seen = union(seen, set);
        if (nullable(item)) empty++;
      }
      return empty === 0 || (empty === 1 && !intersects(seen, follow));
    }
    case 'repeat': {
      const set = first(node.node);
      if (nullable(node.node) || intersects(set, follow)) return false;
      return deterministic(node.node, node.unbounded ? union(set, follow) : follow);
    }
  }
}

/** `…x*` and then only single characters: the one ambiguous repetition whose retries are cheap. */
function linearWithTail(node: Node): boolean {
  if (node.kind !== 'seq') return false;
  let tail = node.items.length;
  while (tail > 0 && node.items[tail - 1].kind === 'set') tail--;
  if (tail === 0) return false;
  const loop = node.items[tail - 1];
  if (loop.kind !== 'repeat' || !loop.unbounded || loop.node.kind !== 'set') return false;
  const rest = node.items[tail];
  const after = loop.min === 0 && rest?.kind === 'set' ? union(loop.node.set, rest.set) : loop.node.set;
  return deterministic({ kind: 'seq', items: node.items.slice(0, tail - 1) }, after);
}

function write(node: Node): string {
  switch (node.kind) {
    case 'set': {
      if (node.set.length === 0) return '[]';
      const hex = (code: number): string => `\\u{${code.toString(16)}}`;
      if (node.set.length === 2 && node.set[0] === node.set[1]) return hex(node.set[0]);
      let out = '';
      for (let i = 0; i < node.set.length; i += 2) out += `${hex(node.set[i])}-${hex(node.set[i + 1])}`;
      return `[${out}]`;
    }
    case 'seq':
      return node.items.map(write).join('');
    case 'alt':
      return `(?:${node.items.map(write).join('|')})`;
    case 'repeat':
      return `(?:${write(node.node)})${node.unbounded ? (node.min === 0 ? '*' : '+') : node.min === 0 ? '?' : ''}`;
  }
}

/** What every match begins with; `whole`: and that is all of it. */
function literalPrefix(node: Node): { readonly text: string; readonly whole: boolean } {
  switch (node.kind) {
    case 'set':
      return node.set.length === 2 && node.set[0] === node.set[1]
        ? { text: String.fromCodePoint(node.set[0]), whole: true }
        : { text: '', whole: false };
    case 'seq': {
      let text = '';
      for (const item of node.items) {
        const next = literalPrefix(item);
        text += next.text;
        if (!next.whole) return { text, whole: false };
      }
      return { text, whole: true };
    }
    case 'alt': {
      const [firstOne, ...others] = node.items.map((item) => literalPrefix(item).text);
      let length = firstOne.length;
      for (const other of others) while (!other.startsWith(firstOne.slice(0, length))) length--;
      return { text: firstOne.slice(0, length), whole: false };
    }
    case 'repeat':
      return node.min === 0 ? { text: '', whole: false } : { text: literalPrefix(node.node).text, whole: false };
  }
}

/** What is known of a pattern of the subset. */
export interface SubsetPattern {
  /** What every match begins with. */
  readonly literalPrefix: string;
  /** V8 expression of the same meaning; null when linear time is not proven. */
  readonly fast: RegExp | null;
}

/**
 * Reads a pattern that is anchored at the start and, for `full`, at the end. Null when it uses syntax beyond the
 * subset, or is no RE2 pattern at all; what is read here every RE2 accepts.
 */
export function readSubset(pattern: string, anchor: 'full' | 'start'): SubsetPattern | null {
  let body = pattern;
  if (body.startsWith('^')) body = body.slice(1);
  let atEnd = anchor === 'full';
  let limited = false;
  if (body.endsWith('$') && !body.endsWith('\\$')) {
    body = body.slice(0, -1);
    // A `$` may belong to one alternative only; where the whole text must match anyway it changes nothing.
    limited = !atEnd && body.includes('|');
    atEnd = true;
  }
  let tree: Node;
  try {
    tree = new Parser(body).parse();
  } catch (error) {
    if (error instanceof Unsupported) return null;
    throw error;
  }
  const linear = !limited && (deterministic(tree, []) || (atEnd && linearWithTail(tree)));
  return { literalPrefix: literalPrefix(tree).text, fast: linear ? new RegExp(`^(?:${write(tree)})${atEnd ? '$' : ''}`, 'u') : null };
}
