import { writeDecimal } from '../../base/decimal.ts';
import { escapeValue, maxValueChars } from './escape.ts';

/** 1 for what may stand in a line as it is: ASCII without controls, quote and backslash. */
const plain = new Uint8Array(256);
for (let code = 0x20; code < 0x7f; code++) plain[code] = code === 0x22 || code === 0x5c ? 0 : 1;

/** Whether a value may stand in a line as it is. Longer than the bound it is cut off by escapeValue. */
export function isPlain(value: string): boolean {
  const chars = value.length;
  if (chars > maxValueChars) return false;
  for (let i = 0; i < chars; i++) {
    const code = value.charCodeAt(i);
    if (code > 0xff || plain[code] === 0) return false;
  }
  return true;
}

/**
 * Puts lines together as bytes. A value is checked and copied in one pass; only one that is not plain ASCII takes the
 * longer way. Strings of a line are never joined: joining and flattening them costs more than the line.
 */
export class LineWriter {
  buffer: Buffer;
  length = 0;

  /** Begins in `buffer`; lines that do not fit go on in a larger one. */
  constructor(buffer: Buffer) {
    this.buffer = buffer;
  }

  /** Text of the format itself. */
  text(text: string): void {
    const chars = text.length;
    this.reserve(chars * 3);
    const { buffer } = this;
    let at = this.length;
    for (let i = 0; i < chars; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) {
        this.length = at + buffer.write(text.slice(i), at, 'utf8');
        return;
      }
      buffer[at++] = code;
    }
    this.length = at;
  }

  /** A value of the exchange: escaped so that it stays within its field and its line. */
  value(value: string): void {
    const chars = value.length;
    this.reserve(chars);
    const { buffer } = this;
    let at = this.length;
    for (let i = 0; i < chars; i++) {
      const code = value.charCodeAt(i);
      if (code > 0xff || plain[code] === 0 || i === maxValueChars) {
        this.text(escapeValue(value));
        return;
      }
      buffer[at++] = code;
    }
    this.length = at;
  }

  /** A finished piece of the line that is known to be ASCII. */
  ascii(text: string): void {
    this.reserve(text.length);
    this.length += this.buffer.latin1Write(text, this.length);
  }

  /** Bytes of the format itself. */
  bytes(bytes: Uint8Array): void {
    const count = bytes.length;
    this.reserve(count);
    const { buffer } = this;
    const at = this.length;
    if (count > 12) buffer.set(bytes, at);
    else for (let i = 0; i < count; i++) buffer[at + i] = bytes[i];
    this.length = at + count;
  }

  /** A number of at least 0, rounded down, in decimal. */
  whole(value: number): void {
    // Numbers of more digits than a double holds do not occur; exponents would not be digits.
    if (!(value < 1e15)) return this.text(String(Math.floor(value)));
    this.reserve(16);
    this.length = writeDecimal(this.buffer, this.length, Math.floor(value));
  }

  /** Milliseconds with three decimals; whole numbers without. Not negative. */
  decimals(ms: number): void {
    const us = ms > 0 ? Math.round(ms * 1000) : 0;
    const whole = Math.floor(us / 1000);
    const rest = us - whole * 1000;
    this.whole(whole);
    if (rest === 0) return;
    this.reserve(4);
    const { buffer } = this;
    const at = this.length;
    buffer[at] = 0x2e;
    buffer[at + 1] = 0x30 + Math.floor(rest / 100);
    buffer[at + 2] = 0x30 + (Math.floor(rest / 10) % 10);
    buffer[at + 3] = 0x30 + (rest % 10);
    this.length = at + 4;
  }

  byte(code: number): void {
    this.reserve(1);
    this.buffer[this.length++] = code;
  }

  private reserve(bytes: number): void {
    if (this.length + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafeSlow((this.length + bytes) * 2);
    this.buffer.copy(larger, 0, 0, this.length);
    this.buffer = larger;
  }
}
