import { err, ok, type Result } from '../../base/result.ts';
import type { ExchangeRecord, LineFormat } from '../record.ts';
import type { LineWriter } from './line-writer.ts';
import { operators, unavailable, type Needed, type Read } from './operators.ts';

/** Envoy's default access-log format, without its newline. */
export const defaultFormat =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% ' +
  '%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"';

/** Longest format string, characters. */
const maxFormatChars = 16_384;

/** `NAME`, `NAME(argument)`, `NAME(argument):length`; arguments hold no closing parenthesis. */
const operator = /%([A-Z0-9_]+)(?:\(([^)]*)\))?(?::(\d{1,5}))?%/y;

/** One operator with the text in front of it: one object, one place in the loop. */
interface Part {
  readonly before: Uint8Array;
  readonly read: Read;
  /** 0: no limit. */
  readonly maxChars: number;
}

/**
 * Compiles an access-log format of Envoy's operators. Absent values are `-`. Every value is escaped so that it stays
 * within its line. A trailing newline of the format is dropped: the log writes one itself.
 *
 * Errors: an operator that does not exist, that Weir cannot fill, or with an argument of the wrong form, with its column.
 */
export function envoyFormat(format: string): Result<LineFormat, string> {
  if (format.length > maxFormatChars) return err(`the format is longer than ${maxFormatChars} characters`);
  const source = format.replace(/\r?\n$/, '');
  const needed: Needed = { requestHeaders: new Set(), responseHeaders: new Set(), responseTrailers: new Set(), upstreamConnection: false };
  const parts: Part[] = [];
  let before = '';
  for (let at = 0; at < source.length;) {
    const percent = source.indexOf('%', at);
    before += percent === -1 ? source.slice(at) : source.slice(at, percent);
    if (percent === -1) break;
    if (source[percent + 1] === '%') {
      before += '%';
      at = percent + 2;
      continue;
    }
    operator.lastIndex = percent;
    const match = operator.exec(source);
    if (match === null) return err(`column ${percent + 1}: '${excerpt(source, percent)}' is not an operator; write %% for a percent sign`);
    const [text, name, argument, length] = match;
    const read = compileOperator(name, argument ?? null, needed);
    if (!read.ok) return err(`column ${percent + 1}: ${text}: ${read.error}`);
    parts.push({ before: Buffer.from(before, 'utf8'), read: read.value, maxChars: length === undefined ? 0 : Number(length) });
    before = '';
    at = percent + text.length;
  }
  return ok(makeFormat(parts, Buffer.from(before, 'utf8'), needed));
}

function makeFormat(parts: readonly Part[], after: Uint8Array, needed: Needed): LineFormat {
  return {
    needs: {
      requestHeaders: [...needed.requestHeaders],
      responseHeaders: [...needed.responseHeaders],
      responseTrailers: [...needed.responseTrailers],
      ...(needed.upstreamConnection ? { upstreamConnection: true } : {}),
    },
    write(record: ExchangeRecord, out: LineWriter): void {
      for (let i = 0; i < parts.length; i++) {
        const { before, read, maxChars } = parts[i];
        out.bytes(before);
        const value = read(record);
        if (typeof value === 'number') {
          if (value < 0) out.byte(0x2d);
          else if (maxChars === 0) out.whole(value);
          else out.ascii(String(Math.floor(value)).slice(0, maxChars));
        } else if (value === null || value === '') out.byte(0x2d);
        else out.value(maxChars !== 0 && value.length > maxChars ? value.slice(0, maxChars) : value);
      }
      out.bytes(after);
    },
  };
}

function compileOperator(name: string, argument: string | null, needed: Needed): Result<Read, string> {
  const compile = Object.hasOwn(operators, name) ? operators[name] : undefined;
  if (compile !== undefined) return compile(argument, needed);
  if (unavailable.has(name)) return err('Weir knows this operator of Envoy and cannot fill it yet');
  return err('there is no such operator');
}

function excerpt(source: string, at: number): string {
  const text = source.slice(at, at + 24);
  return at + 24 < source.length ? `${text}…` : text;
}
