import type { Headers } from '../../../decide/request.ts';
import { copyBytes, writeAscii } from './encode.ts';
import { LOWER, TOKEN, TOKEN_UNDERSCORE, VALUE, is } from './tables.ts';

/** Names that only the engine may write: a filter that changed them would change where the message ends. */
const FRAMING: ReadonlySet<string> = new Set(['content-length', 'transfer-encoding', 'connection', 'trailer']);

/** What there is to know about a name that is sent. */
interface Name {
  readonly lower: string;
  readonly isToken: boolean;
  readonly isFraming: boolean;
}

/** Names come from configuration and code: few, and the same again and again. */
const names = new Map<string, Name>();
const maxNames = 4096;

function nameOf(name: string): Name {
  const known = names.get(name);
  if (known !== undefined) return known;
  const lower = name.toLowerCase();
  const made = { lower, isToken: isToken(name), isFraming: FRAMING.has(lower) };
  if (names.size < maxNames) names.set(name, made);
  return made;
}

/** A larger buffer of one message's head is not kept for the next. */
const KEPT_BYTES = 8192;

const EMPTY = Buffer.alloc(0);

/**
 * Header lines as offsets into the bytes that they arrived in, with changes kept as patches: dropped lines and added
 * lines. No string exists until one is asked for. One object serves all messages of a connection, one after the other.
 *
 * Offsets are relative to `start`, so that a head can follow its bytes into another buffer (`moveTo`, `keep`).
 */
export class Fields implements Headers {
  /** The bytes. Shared with the reader until `keep`. */
  buf: Buffer = EMPTY;
  /** Where the message begins in `buf`. */
  start = 0;
  /** Received lines, dropped ones included. */
  count = 0;
  /** A received name contains `_`; see `dropUnderscored`. */
  hasUnderscore = false;

  /** Per line: name start, name end, value start, value end. A line ends where the next begins. */
  protected at: Int32Array;
  /** Per line: 1 when dropped. */
  protected dropped: Uint8Array;
  /** Per line: one of `Known`. */
  protected ids: Uint8Array;
  /** Beginning of the line after the last header (the blank line). */
  protected fieldsEnd = 0;
  protected maxHeaders: number;

  private droppedCount = 0;
  /** Undo log of drops: line index, or -1 - index of an added line. */
  private readonly log: number[] = [];
  private logLength = 0;
  private readonly addedNames: string[] = [];
  private readonly addedLower: string[] = [];
  private readonly addedValues: string[] = [];
  private readonly addedDropped: boolean[] = [];
  private addedCount = 0;
  private addedBytes = 0;
  /** Names that filters have set or removed, lower case. */
  private readonly decided: string[] = [];
  private own: Buffer = EMPTY;

  constructor(maxHeaders: number) {
    this.maxHeaders = maxHeaders;
    // Most heads have fewer; the arrays double up to the limit.
    const room = Math.min(maxHeaders, 32);
    this.at = new Int32Array(room * 4);
    this.dropped = new Uint8Array(room);
    this.ids = new Uint8Array(room);
  }

  /** Forgets lines and patches. */
  protected clearFields(): void {
    for (let i = 0; i < this.count; i++) this.dropped[i] = 0;
    this.count = 0;
    this.hasUnderscore = false;
    this.droppedCount = 0;
    this.fieldsEnd = 0;
    this.logLength = 0;
    if (this.decided.length !== 0) this.decided.length = 0;
    if (this.addedCount !== 0) this.truncateAdded(0);
    if (this.own.length > KEPT_BYTES) this.own = EMPTY;
  }

  /** Records a line at absolute offsets; false when there are too many. `marks` is the OR of the name's TOKEN classes. */
  protected addLine(id: number, marks: number, ns: number, ne: number, vs: number, ve: number): boolean {
    const i = this.count;
    if (i >= this.maxHeaders) return false;
    if (i >= this.ids.length) this.grow();
    const at = this.at;
    const o = i * 4;
    const base = this.start;
    at[o] = ns - base;
    at[o + 1] = ne - base;
    at[o + 2] = vs - base;
    at[o + 3] = ve - base;
    this.ids[i] = id;
    if ((marks & TOKEN_UNDERSCORE) !== 0) this.hasUnderscore = true;
    this.count = i + 1;
    return true;
  }

  private grow(): void {
    const room = Math.min(this.ids.length * 2, this.maxHeaders);
    const at = new Int32Array(room * 4);
    at.set(this.at);
    const dropped = new Uint8Array(room);
    dropped.set(this.dropped);
    const ids = new Uint8Array(room);
    ids.set(this.ids);
    this.at = at;
    this.dropped = dropped;
    this.ids = ids;
  }

  /** The same bytes are now at `start` of `buf`. */
  moveTo(buf: Buffer, start: number): void {
    this.buf = buf;
    this.start = start;
  }

  /** Holds on to no received bytes any more: an idle connection must not keep the buffer they came in. Not to be read until `reset`. */
  letGo(): void {
    this.buf = EMPTY;
  }

  /**
   * Copies `bytes` bytes from `start` into a buffer of the head's own, reused from message to message: for a head that must
   * outlive the reader's shared buffer.
   */
  protected keepBytes(bytes: number): void {
    if (this.buf === this.own && this.start === 0) return;
    if (this.own.length < bytes) this.own = Buffer.allocUnsafeSlow(Math.max(1024, 1 << (32 - Math.clz32(bytes - 1))));
    this.buf.copy(this.own, 0, this.start, this.start + bytes);
    this.moveTo(this.own, 0);
  }

  // ---- reading ----

  /** Index of the first received line of that name that is not dropped; -1 when there is none. `name` is lower case. */
  indexOf(name: string): number {
    return this.indexFrom(name, 0);
  }

  /** As `indexOf`, from line `from` on. */
  indexFrom(name: string, from: number): number {
    const { at, dropped, buf, start, count } = this;
    const length = name.length;
    for (let i = from; i < count; i++) {
      const ns = at[i * 4];
      if (at[i * 4 + 1] - ns !== length || dropped[i] !== 0) continue;
      const p = start + ns;
      let k = 0;
      while (k < length && LOWER[buf[p + k]] === name.charCodeAt(k)) k++;
      if (k === length) return i;
    }
    return -1;
  }

  /** Whether a line of that name will be sent, received or added. `name` is lower case. */
  has(name: string): boolean {
    return this.indexFrom(name, 0) !== -1 || this.addedFrom(name, 0) !== -1;
  }

  get(name: string): string | null {
    const i = this.indexFrom(name, 0);
    if (this.addedCount === 0) {
      if (i === -1) return null;
      if (this.indexFrom(name, i + 1) === -1) return this.valueAt(i);
    }
    const lines = this.lines(name);
    if (lines.length === 0) return null;
    return lines.length === 1 ? lines[0] : lines.join(', ');
  }

  lines(name: string): readonly string[] {
    const out: string[] = [];
    for (let i = this.indexFrom(name, 0); i !== -1; i = this.indexFrom(name, i + 1)) out.push(this.valueAt(i));
    for (let i = this.addedFrom(name, 0); i !== -1; i = this.addedFrom(name, i + 1)) out.push(this.addedValues[i]);
    return out;
  }

  private addedFrom(name: string, from: number): number {
    for (let i = from; i < this.addedCount; i++) {
      if (!this.addedDropped[i] && this.addedLower[i] === name) return i;
    }
    return -1;
  }

  /** Value of the first received line of that name, dropped or not; null without one. `name` is lower case. */
  received(name: string): string | null {
    for (let i = 0; i < this.count; i++) {
      const at = this.at[i * 4];
      if (this.at[i * 4 + 1] - at === name.length && is(this.buf, this.start + at, name)) return this.valueAt(i);
    }
    return null;
  }

  /** Name of received line `i` as it came; dropped lines too. */
  nameAt(i: number): string {
    return this.buf.latin1Slice(this.start + this.at[i * 4], this.start + this.at[i * 4 + 1]);
  }

  /** Value of received line `i`, one character per byte; dropped lines too. */
  valueAt(i: number): string {
    return this.buf.latin1Slice(this.start + this.at[i * 4 + 2], this.start + this.at[i * 4 + 3]);
  }

  /** Absolute offset in `buf` of the value of line `i`. */
  valueStart(i: number): number {
    return this.start + this.at[i * 4 + 2];
  }

  /** Absolute offset in `buf` behind the value of line `i`. */
  valueEnd(i: number): number {
    return this.start + this.at[i * 4 + 3];
  }

  isDropped(i: number): boolean {
    return this.dropped[i] !== 0;
  }

  /** What will be sent, received lines first. For logs, explain and tests. */
  entries(): [name: string, value: string][] {
    const out: [string, string][] = [];
    for (let i = 0; i < this.count; i++) {
      if (this.dropped[i] === 0) out.push([this.nameAt(i), this.valueAt(i)]);
    }
    for (let i = 0; i < this.addedCount; i++) {
      if (!this.addedDropped[i]) out.push([this.addedNames[i], this.addedValues[i]]);
    }
    return out;
  }

  /** Appends what will be sent as name, value, name, value …, names in lower case: for protocols that carry fields as pairs. */
  pairs(out: string[]): void {
    const { at, buf, start, count } = this;
    if (count > 0) {
      // One string of all lines, and parts of it: a call into the runtime for each value costs more.
      const first = at[0];
      const text = buf.latin1Slice(start + first, start + this.fieldsEnd);
      for (let i = 0; i < count; i++) {
        if (this.dropped[i] !== 0) continue;
        const o = i * 4;
        out.push(lowerName(buf, start + at[o], start + at[o + 1]), text.slice(at[o + 2] - first, at[o + 3] - first));
      }
    }
    for (let i = 0; i < this.addedCount; i++) {
      if (!this.addedDropped[i]) out.push(this.addedNames[i].toLowerCase(), this.addedValues[i]);
    }
  }

  // ---- patching ----

  /** As `Headers.set`. Framing headers are not a filter's to change; a value that cannot be sent drops the header. */
  set(name: string, value: string): void {
    const { lower, isFraming } = nameOf(name);
    if (isFraming) return;
    this.decided.push(lower);
    this.drop(lower);
    this.put(name, value);
  }

  /** As `Headers.add`. Framing headers are refused, and so is a name or value that cannot be sent. */
  add(name: string, value: string): void {
    if (!nameOf(name).isFraming) this.put(name, value);
  }

  /** As `Headers.remove`. Framing headers stay. */
  remove(name: string): void {
    const { lower, isFraming } = nameOf(name);
    if (isFraming) return;
    this.decided.push(lower);
    this.drop(lower);
  }

  /** For trailers: drops what filters have set or removed in their message's head. Readers that join both must not find it there. */
  dropDecided(head: Fields): void {
    for (let i = 0; i < head.decided.length; i++) this.drop(head.decided[i]);
  }

  /** For the engine: drops every line of that name, framing or not. `name` is lower case. */
  drop(name: string): void {
    for (let i = this.indexFrom(name, 0); i !== -1; i = this.indexFrom(name, i + 1)) this.dropLine(i);
    for (let i = this.addedFrom(name, 0); i !== -1; i = this.addedFrom(name, i + 1)) {
      this.addedDropped[i] = true;
      this.addedBytes -= lineBytes(this.addedNames[i], this.addedValues[i]);
      this.log[this.logLength++] = -1 - i;
    }
  }

  /** For the engine: drops the received lines whose names begin so. `prefix` is lower case. */
  dropPrefixed(prefix: string): void {
    const { at, buf, start, count } = this;
    const { length } = prefix;
    const last = prefix.charCodeAt(length - 1);
    for (let i = 0; i < count; i++) {
      const ns = at[i * 4];
      if (at[i * 4 + 1] - ns > length && buf[start + ns + length - 1] === last && is(buf, start + ns, prefix)) this.dropLine(i);
    }
  }

  /** Drops received line `i`. */
  dropLine(i: number): void {
    if (this.dropped[i] !== 0) return;
    this.dropped[i] = 1;
    this.droppedCount++;
    this.log[this.logLength++] = i;
  }

  /**
   * For the engine: adds one line, framing or not. False, and nothing is added, when the name is not a token or the value
   * contains a control character: nothing can be injected. Characters above U+00FF are sent as UTF-8.
   */
  put(name: string, value: string): boolean {
    const { lower, isToken: canBeSent } = nameOf(name);
    const sent = canBeSent ? sentValue(value) : null;
    if (sent === null) return false;
    const i = this.addedCount++;
    this.addedNames[i] = name;
    this.addedLower[i] = lower;
    this.addedValues[i] = sent;
    this.addedDropped[i] = false;
    this.addedBytes += lineBytes(name, sent);
    return true;
  }

  /** Drops the received lines whose name contains `_` (policy `underscores: drop`). */
  dropUnderscored(): void {
    if (!this.hasUnderscore) return;
    const { at, buf, start } = this;
    for (let i = 0; i < this.count; i++) {
      for (let p = at[i * 4]; p < at[i * 4 + 1]; p++) {
        if (buf[start + p] === 0x5f) {
          this.dropLine(i);
          break;
        }
      }
    }
  }

  /** A point to come back to with `rollback`: for changes that concern one attempt only. */
  mark(): number {
    return this.logLength * 0x100000 + this.addedCount;
  }

  /** Undoes every change since `token` was made. */
  rollback(token: number): void {
    const logLength = Math.floor(token / 0x100000);
    while (this.logLength > logLength) {
      const entry = this.log[--this.logLength];
      if (entry >= 0) {
        this.dropped[entry] = 0;
        this.droppedCount--;
      } else {
        this.addedDropped[-1 - entry] = false;
        this.addedBytes += lineBytes(this.addedNames[-1 - entry], this.addedValues[-1 - entry]);
      }
    }
    this.truncateAdded(token % 0x100000);
  }

  private truncateAdded(count: number): void {
    for (let i = count; i < this.addedCount; i++) {
      if (!this.addedDropped[i]) this.addedBytes -= lineBytes(this.addedNames[i], this.addedValues[i]);
      // Strings of an earlier message must not be kept alive by an idle connection.
      this.addedNames[i] = '';
      this.addedLower[i] = '';
      this.addedValues[i] = '';
    }
    this.addedCount = count;
  }

  // ---- writing ----

  /** Bytes that `writeHeaders` needs at most. */
  get headersLength(): number {
    const first = this.count === 0 ? this.fieldsEnd : this.at[0];
    return this.fieldsEnd - first + this.addedBytes;
  }

  /**
   * Writes every line that is not dropped, then the added ones, without the blank line. Returns the offset behind them, -1 when
   * `out` has no room for `headersLength` bytes.
   */
  writeHeaders(out: Buffer, at: number): number {
    if (out.length - at < this.headersLength) return -1;
    const { buf, start, count, dropped } = this;
    const lines = this.at;
    let pos = at;
    if (count !== 0) {
      if (this.droppedCount === 0) {
        pos = copyBytes(buf, start + lines[0], start + this.fieldsEnd, out, pos);
      } else {
        for (let i = 0; i < count; i++) {
          if (dropped[i] !== 0) continue;
          const from = lines[i * 4];
          while (i < count && dropped[i] === 0) i++;
          pos = copyBytes(buf, start + from, start + (i < count ? lines[i * 4] : this.fieldsEnd), out, pos);
        }
      }
    }
    for (let i = 0; i < this.addedCount; i++) {
      if (this.addedDropped[i]) continue;
      pos = writeAscii(out, pos, this.addedNames[i]);
      out[pos++] = 0x3a;
      out[pos++] = 0x20;
      pos = writeAscii(out, pos, this.addedValues[i]);
      out[pos++] = 0x0d;
      out[pos++] = 0x0a;
    }
    return pos;
  }
}

/** Names seen lately: messages repeat them, and making a string costs more than to compare it. */
const seenNames: string[] = Array.from({ length: 256 }, () => '');

function lowerName(buf: Buffer, start: number, end: number): string {
  const length = end - start;
  const slot = (length * 31 + LOWER[buf[start]] * 7 + LOWER[buf[end - 1]]) & 255;
  const seen = seenNames[slot];
  if (seen.length === length && is(buf, start, seen)) return seen;
  const name = buf.latin1Slice(start, end).toLowerCase();
  if (length <= 40) seenNames[slot] = name;
  return name;
}

function lineBytes(name: string, value: string): number {
  return name.length + value.length + 4;
}

/** Whether a name can be sent. */
export function isToken(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const c = name.charCodeAt(i);
    if (c > 0x7e || TOKEN[c] === 0) return false;
  }
  return name.length !== 0;
}

/** A value with one character for each byte that is sent: UTF-8 where it has characters above U+00FF. Null: it cannot be sent. */
export function sentValue(value: string): string | null {
  const width = valueWidth(value);
  if (width < 0) return null;
  return width > 0xff ? Buffer.from(value, 'utf8').latin1Slice() : value;
}

/** Largest character code of a value; -1 when it contains a control character and cannot be sent. */
function valueWidth(value: string): number {
  let max = 0;
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (c > max) max = c;
    if (c <= 0xff && VALUE[c] === 0) return -1;
  }
  return max;
}
