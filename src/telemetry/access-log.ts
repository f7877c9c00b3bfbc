/** Access-log lines: what a finished exchange leaves behind. Formats are compiled once; a line costs about a microsecond. */
import { err, ok, type Result } from '../base/result.ts';
import { defaultFormat, envoyFormat } from './log/envoy-format.ts';
import { escapeValue } from './log/escape.ts';
import { isPlain, LineWriter } from './log/line-writer.ts';
import { decimalMs, isoTime } from './log/time.ts';
import type { ExchangeRecord, LineFormat } from './record.ts';

export { defaultFormat, envoyFormat };

/** Envoy's default text line. */
export const textFormat: LineFormat = must(envoyFormat(defaultFormat));

/** `"value"` escaped, or null for an empty value. */
function quoted(value: string): string {
  return value === '' ? 'null' : `"${isPlain(value) ? value : escapeValue(value)}"`;
}

/** Fields that are the same for most lines of a route: put together once, while the four strings stay the same objects. */
class RouteFields {
  #host = '';
  #cluster = '';
  #route = '';
  #listener = '';
  #text = ',"upstream_host":null,"upstream_cluster":null,"route_name":null,"listener":null';

  of(r: ExchangeRecord): string {
    if (
      r.upstreamHost !== this.#host ||
      r.upstreamCluster !== this.#cluster ||
      r.routeName !== this.#route ||
      r.listener !== this.#listener
    ) {
      this.#host = r.upstreamHost;
      this.#cluster = r.upstreamCluster;
      this.#route = r.routeName;
      this.#listener = r.listener;
      this.#text =
        `,"upstream_host":${quoted(r.upstreamHost)},"upstream_cluster":${quoted(r.upstreamCluster)}` +
        `,"route_name":${quoted(r.routeName)},"listener":${quoted(r.listener)}`;
    }
    return this.#text;
  }
}

const routeFields = new RouteFields();

/** One JSON object with the fields of docs/reference/access-log.md; absent values are null. Always valid JSON, always ASCII. */
export const jsonFormat: LineFormat = {
  needs: { requestHeaders: ['user-agent'], responseHeaders: [], responseTrailers: [] },
  write(r: ExchangeRecord, out: LineWriter): void {
    out.ascii(
      `{"start_time":"${isoTime(r.startMs)}","revision":${r.revision},"method":${quoted(r.method)},"authority":${quoted(r.authority)}` +
        `,"path":${quoted(r.originalPath)},"protocol":"${r.protocol}","response_code":${r.responseCode}` +
        `,"response_flags":"${r.responseFlags === '' ? '-' : r.responseFlags}","response_code_details":${quoted(r.responseCodeDetails)}` +
        `,"bytes_received":${r.bytesReceived},"bytes_sent":${r.bytesSent},"duration_ms":${decimalMs(r.durationMs)}` +
        `,"upstream_service_time_ms":${r.upstreamServiceTimeMs < 0 ? 'null' : decimalMs(r.upstreamServiceTimeMs)}${routeFields.of(r)}` +
        `,"downstream_remote_address":${quoted(r.downstreamRemoteAddress)},"request_id":${quoted(r.requestId)}` +
        `,"trace_id":${quoted(r.traceId)},"principal":${quoted(r.principal)},"consumer":${quoted(r.consumer)}` +
        `,"user_agent":${quoted(r.requestHeader('user-agent') ?? '')}}`,
    );
  },
};

/** One line as text. For tests and people; the data path writes bytes. */
export function lineOf(format: LineFormat, record: ExchangeRecord): string {
  const out = new LineWriter(1024);
  format.write(record, out);
  return out.buffer.toString('utf8', 0, out.length);
}

/** `text`, `json`, or an Envoy format string (anything with a `%`). */
export function logFormat(name: string): Result<LineFormat, string> {
  if (name === 'text') return ok(textFormat);
  if (name === 'json') return ok(jsonFormat);
  if (!name.includes('%'))
    return err(`'${name}' is not a log format: write text, json or a string of Envoy's operators such as '%REQ(:METHOD)% %RESPONSE_CODE%'`);
  return envoyFormat(name);
}

/** Bytes after which a batch is handed over. */
const batchBytes = 64 * 1024;

/**
 * Gathers lines and hands them over in batches, each in a buffer of its own that may be transferred. Holds at most one
 * batch and one line; who takes the batches bounds what waits behind.
 */
export class LogBatcher {
  readonly #format: LineFormat;
  readonly #hand: (lines: Uint8Array<ArrayBuffer>) => void;
  #out: LineWriter | null = null;

  constructor(format: LineFormat, hand: (lines: Uint8Array<ArrayBuffer>) => void) {
    this.#format = format;
    this.#hand = hand;
  }

  /** Appends the record's line. Hands a batch over when it is full. */
  add(record: ExchangeRecord): void {
    const out = (this.#out ??= new LineWriter(batchBytes + batchBytes / 8));
    this.#format.write(record, out);
    out.byte(0x0a);
    if (out.length >= batchBytes) this.flush();
  }

  /** Hands over what there is. The caller's tick calls it, so that no line waits longer than a tick. */
  flush(): void {
    const out = this.#out;
    if (out === null || out.length === 0) return;
    this.#out = null;
    this.#hand(new Uint8Array(out.buffer.buffer, 0, out.length));
  }
}

function must(format: Result<LineFormat, string>): LineFormat {
  if (!format.ok) throw new Error(format.error);
  return format.value;
}
