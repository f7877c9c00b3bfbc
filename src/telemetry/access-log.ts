/** Access-log lines: what a finished exchange leaves behind. Formats are compiled once; a line costs about a microsecond. */
import { err, ok, type Result } from '../base/result.ts';
import { defaultFormat, envoyFormat } from './log/envoy-format.ts';
import { escapeValue } from './log/escape.ts';
import { isPlain, LineWriter } from './log/line-writer.ts';
import { isoTime } from './log/time.ts';
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
  #bytes = Buffer.from(',"upstream_host":null,"upstream_cluster":null,"route_name":null,"listener":null');

  of(r: ExchangeRecord): Uint8Array {
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
      this.#bytes = Buffer.from(
        `,"upstream_host":${quoted(r.upstreamHost)},"upstream_cluster":${quoted(r.upstreamCluster)}` +
          `,"route_name":${quoted(r.routeName)},"listener":${quoted(r.listener)}`,
        'latin1',
      );
    }
    return this.#bytes;
  }
}

const routeFields = new RouteFields();

/** What stands between the values of a JSON line, as bytes. */
const keys = {
  startTime: Buffer.from('{"start_time":"'),
  revision: Buffer.from('","revision":'),
  method: Buffer.from(',"method":'),
  authority: Buffer.from(',"authority":'),
  path: Buffer.from(',"path":'),
  protocol: Buffer.from(',"protocol":"'),
  responseCode: Buffer.from('","response_code":'),
  responseFlags: Buffer.from(',"response_flags":"'),
  responseCodeDetails: Buffer.from('","response_code_details":'),
  bytesReceived: Buffer.from(',"bytes_received":'),
  bytesSent: Buffer.from(',"bytes_sent":'),
  duration: Buffer.from(',"duration_ms":'),
  serviceTime: Buffer.from(',"upstream_service_time_ms":'),
  remote: Buffer.from(',"downstream_remote_address":'),
  requestId: Buffer.from(',"request_id":'),
  traceId: Buffer.from(',"trace_id":'),
  principal: Buffer.from(',"principal":'),
  consumer: Buffer.from(',"consumer":'),
  userAgent: Buffer.from(',"user_agent":'),
} as const;

/** One JSON object with the fields of docs/reference/access-log.md; absent values are null. Always valid JSON, always ASCII. */
export const jsonFormat: LineFormat = {
  needs: { requestHeaders: ['user-agent'], responseHeaders: [], responseTrailers: [] },
  write(r: ExchangeRecord, out: LineWriter): void {
    out.bytes(keys.startTime);
    out.text(isoTime(r.startMs));
    out.bytes(keys.revision);
    out.whole(r.revision);
    field(out, keys.method, r.method);
    field(out, keys.authority, r.authority);
    field(out, keys.path, r.originalPath);
    out.bytes(keys.protocol);
    out.text(r.protocol);
    out.bytes(keys.responseCode);
    out.whole(r.responseCode);
    out.bytes(keys.responseFlags);
    out.text(r.responseFlags === '' ? '-' : r.responseFlags);
    field(out, keys.responseCodeDetails, r.responseCodeDetails);
    out.bytes(keys.bytesReceived);
    out.whole(r.bytesReceived);
    out.bytes(keys.bytesSent);
    out.whole(r.bytesSent);
    out.bytes(keys.duration);
    out.decimals(r.durationMs);
    out.bytes(keys.serviceTime);
    if (r.upstreamServiceTimeMs < 0) out.text('null');
    else out.decimals(r.upstreamServiceTimeMs);
    out.bytes(routeFields.of(r));
    field(out, keys.remote, r.downstreamRemoteAddress);
    field(out, keys.requestId, r.requestId);
    field(out, keys.traceId, r.traceId);
    field(out, keys.principal, r.principal);
    field(out, keys.consumer, r.consumer);
    field(out, keys.userAgent, r.requestHeader('user-agent') ?? '');
    out.byte(0x7d);
  },
};

/** A key and its value in quotes, or null for an empty one. */
function field(out: LineWriter, key: Uint8Array, value: string): void {
  out.bytes(key);
  if (value === '') return out.text('null');
  out.byte(0x22);
  out.value(value);
  out.byte(0x22);
}

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
