import { Fields } from './fields.ts';
import { COLON, CR, HTAB, LF, SP, TOKEN, VALUE, knownHeader } from './tables.ts';

/**
 * A section of header lines that arrives piece by piece (RFC 9112 §5, §7.1.2). Strict: CRLF only, no folding, no space before the
 * colon, no control characters. A line that is not whole yet is not read again until its LF is there, so the cost is linear
 * however the bytes trickle in.
 */
export abstract class FieldSection extends Fields {
  /** Why it was refused, as in the log's response_code_details; '' while nothing is wrong. */
  error = '';

  /** Relative offset of the first line not read yet. */
  protected lineAt = 0;
  /** Relative offset up to which that line is known to have no LF. */
  protected scannedTo = 0;

  /** Called for each header the codec knows, after it was recorded as line `i`. Returns 0, or -status. */
  protected abstract onKnown(id: number, i: number): number;

  /** -status for a malformed line. */
  protected abstract readonly malformed: number;

  protected clearSection(): void {
    this.clearFields();
    this.error = '';
    this.lineAt = 0;
    this.scannedTo = 0;
  }

  /** Sets `error` and returns `status`, which is negative. */
  protected fail(status: number, error: string): number {
    this.error = error;
    return status;
  }

  /** Whether the unread line, which had no LF before, has one now. */
  protected lineIsWhole(end: number): boolean {
    if (this.scannedTo <= this.lineAt) return true;
    const buf = this.buf;
    for (let i = this.start + this.scannedTo; i < end; i++) {
      if (buf[i] === LF) return true;
    }
    this.scannedTo = end - this.start;
    return false;
  }

  /**
   * Reads lines from `lineAt` on. Returns the absolute offset behind the blank line, 0 when more bytes are needed, -status when
   * refused.
   */
  protected readLines(end: number): number {
    if (!this.lineIsWhole(end)) return 0;
    const buf = this.buf;
    const base = this.start;
    let i = base + this.lineAt;
    for (;;) {
      const ns = i;
      let marks = 0;
      let c = 0;
      while (i < end && (c = TOKEN[buf[i]]) !== 0) {
        marks |= c;
        i++;
      }
      if (i === end) return this.wait(ns, end);
      if (i === ns) {
        if (buf[i] !== CR) return this.fail(this.malformed, 'http1.header_name_invalid');
        if (i + 1 === end) return this.wait(ns, end);
        if (buf[i + 1] !== LF) return this.fail(this.malformed, 'http1.bare_cr');
        this.fieldsEnd = ns - base;
        return i + 2;
      }
      if (buf[i] !== COLON) return this.fail(this.malformed, 'http1.header_name_invalid');
      const ne = i++;
      while (i < end && (buf[i] === SP || buf[i] === HTAB)) i++;
      const vs = i;
      while (i < end && VALUE[buf[i]] !== 0) i++;
      if (i === end) return this.wait(ns, end);
      if (buf[i] !== CR) return this.fail(this.malformed, buf[i] === LF ? 'http1.bare_lf' : 'http1.header_value_invalid');
      if (i + 1 === end) return this.wait(ns, end);
      if (buf[i + 1] !== LF) return this.fail(this.malformed, 'http1.bare_cr');
      let ve = i;
      while (ve > vs && (buf[ve - 1] === SP || buf[ve - 1] === HTAB)) ve--;
      i += 2;
      const id = knownHeader(buf, ns, ne - ns);
      if (!this.addLine(id, marks, ns, ne, vs, ve)) return this.fail(this.tooMany, 'http1.too_many_headers');
      if (id !== 0) {
        const verdict = this.onKnown(id, this.count - 1);
        if (verdict !== 0) return verdict;
      }
    }
  }

  /** -status for too many or too long lines. */
  protected abstract readonly tooMany: number;

  private wait(lineStart: number, end: number): number {
    this.lineAt = lineStart - this.start;
    this.scannedTo = end - this.start;
    return 0;
  }
}
