/** Access-log lines: what a finished exchange leaves behind. Formats are compiled once; a line costs about a microsecond. */
import { err, ok, type Result } from '../base/result.ts';
import { defaultFormat, envoyFormat } from './log/envoy-format.ts';
import { FieldEscaper, escapeValue } from './log/escape.ts';
import { decimalMs, isoTime } from './log/time.ts';
import type { ExchangeRecord, LineFormat } from './record.ts';

export { defaultFormat, envoyFormat };

/** Envoy's default text line. */
export const textFormat: LineFormat = must(envoyFormat(defaultFormat));

/** A string that is null when it is empty. One escaper per field: fields repeat themselves, not each other. */
class JsonField {
  readonly #prefix: string;
  readonly #escaper = new FieldEscaper();

  constructor(name: string) {
    this.#prefix = `,"${name}":`;
  }

  write(value: string): string {
    return value === '' ? `${this.#prefix}null` : `${this.#prefix}"${this.#escaper.escape(value)}"`;
  }
}

const authority = new JsonField('authority');
const method = new JsonField('method');
const path = new JsonField('path');
const protocol = new JsonField('protocol');
const details = new JsonField('response_code_details');
const upstreamHost = new JsonField('upstream_host');
const upstreamCluster = new JsonField('upstream_cluster');
const routeName = new JsonField('route_name');
const listener = new JsonField('listener');
const remote = new JsonField('downstream_remote_address');
const principal = new JsonField('principal');
const consumer = new JsonField('consumer');
const userAgent = new JsonField('user_agent');

/** One JSON object with the fields of docs/reference/access-log.md; absent values are null. Always valid JSON, always ASCII. */
export const jsonFormat: LineFormat = {
  needs: { requestHeaders: ['user-agent'], responseHeaders: [], responseTrailers: [] },
  line(r: ExchangeRecord): string {
    return (
      `{"start_time":"${isoTime(r.startMs)}","revision":${r.revision}` +
      method.write(r.method) +
      authority.write(r.authority) +
      path.write(r.originalPath) +
      protocol.write(r.protocol) +
      `,"response_code":${r.responseCode},"response_flags":"${r.responseFlags === '' ? '-' : r.responseFlags}"` +
      details.write(r.responseCodeDetails) +
      `,"bytes_received":${r.bytesReceived},"bytes_sent":${r.bytesSent},"duration_ms":${decimalMs(r.durationMs)}` +
      `,"upstream_service_time_ms":${r.upstreamServiceTimeMs < 0 ? 'null' : decimalMs(r.upstreamServiceTimeMs)}` +
      upstreamHost.write(r.upstreamHost) +
      upstreamCluster.write(r.upstreamCluster) +
      routeName.write(r.routeName) +
      listener.write(r.listener) +
      remote.write(r.downstreamRemoteAddress) +
      `,"request_id":${r.requestId === '' ? 'null' : `"${escapeValue(r.requestId)}"`}` +
      `,"trace_id":${r.traceId === '' ? 'null' : `"${escapeValue(r.traceId)}"`}` +
      principal.write(r.principal) +
      consumer.write(r.consumer) +
      userAgent.write(r.requestHeader('user-agent') ?? '') +
      '}'
    );
  },
};

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
  #buffer: Buffer<ArrayBuffer> | null = null;
  #used = 0;

  constructor(format: LineFormat, hand: (lines: Uint8Array<ArrayBuffer>) => void) {
    this.#format = format;
    this.#hand = hand;
  }

  /** Appends the record's line. Hands a batch over when it is full. */
  add(record: ExchangeRecord): void {
    const line = this.#format.line(record);
    // A character takes at most three bytes of UTF-8; values are ASCII, the text between them may be anything.
    const most = line.length * 3 + 1;
    let buffer = this.#buffer;
    if (buffer === null || this.#used + most > buffer.length) {
      this.flush();
      buffer = this.#buffer = Buffer.allocUnsafeSlow(Math.max(batchBytes, most));
    }
    this.#used += buffer.write(line, this.#used, 'utf8');
    buffer[this.#used++] = 0x0a;
  }

  /** Hands over what there is. The caller's tick calls it, so that no line waits longer than a tick. */
  flush(): void {
    if (this.#buffer === null || this.#used === 0) return;
    const lines = new Uint8Array(this.#buffer.buffer, 0, this.#used);
    this.#buffer = null;
    this.#used = 0;
    this.#hand(lines);
  }
}

function must(format: Result<LineFormat, string>): LineFormat {
  if (!format.ok) throw new Error(format.error);
  return format.value;
}
