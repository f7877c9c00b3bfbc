import { FieldSection } from './parse-fields.ts';
import { Known } from './tables.ts';

/**
 * The trailer section of a chunked body (RFC 9112 §7.1.2), read by the rules of header lines. Framing in a trailer is refused;
 * fields that only make sense before the body, or that decide about access, are dropped (RFC 9110 §6.5.1).
 */
export class Trailers extends FieldSection {
  protected override readonly malformed = -400;
  protected override readonly tooMany = -431;

  private readonly maxBytes: number;

  constructor(maxTrailers: number, maxBytes: number) {
    super(maxTrailers);
    this.maxBytes = maxBytes;
  }

  reset(): void {
    this.clearSection();
  }

  /** Reads `buf[0, end)`: bytes of the section with its blank line, 0 when it is not whole yet, -status when it is refused. */
  parse(buf: Buffer, end: number): number {
    this.buf = buf;
    this.start = 0;
    const behind = this.readLines(end);
    if (behind === 0 && end >= this.maxBytes) return this.fail(-431, 'http1.trailers_too_large');
    if (behind > 0) this.dropForbidden();
    return behind;
  }

  protected override onKnown(id: number, i: number): number {
    switch (id) {
      case Known.contentLength:
      case Known.transferEncoding:
      case Known.host:
      case Known.connection:
      case Known.proxyConnection:
        return this.fail(-400, 'http1.trailer_forbidden');
      default:
        this.dropLine(i);
        return 0;
    }
  }

  private dropForbidden(): void {
    for (let i = 0; i < this.count; i++) {
      if (isForbidden(this.nameAt(i).toLowerCase())) this.dropLine(i);
    }
  }
}

/** Authentication, routing, request modifiers, response control and payload processing (RFC 9110 §6.5.1). */
function isForbidden(name: string): boolean {
  return FORBIDDEN.has(name) || PREFIXES.some((prefix) => name.startsWith(prefix));
}

const PREFIXES: readonly string[] = ['content-', 'proxy-', 'if-', 'x-forwarded-', 'sec-', 'access-control-'];

const FORBIDDEN: ReadonlySet<string> = new Set([
  'age',
  'authorization',
  'cache-control',
  'cookie',
  'date',
  'expires',
  'forwarded',
  'location',
  'max-forwards',
  'pragma',
  'range',
  'retry-after',
  'set-cookie',
  'vary',
  'via',
  'warning',
  'www-authenticate',
  'x-real-ip',
  'x-request-id',
]);
