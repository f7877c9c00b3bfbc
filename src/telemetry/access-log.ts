/** Access-log lines: what a finished exchange leaves behind. Formats are compiled once; a line costs about a microsecond. */
import { err, ok, type Result } from '../base/result.ts';
import { defaultFormat, envoyFormat } from './log/envoy-format.ts';
import { escapeValue } from './log/escape.ts';
import { isPlain, LineWriter } from './log/line-writer.ts';
import { batchBytes, giveBack, LogSlots } from './log/slots.ts';
import { isoTime } from './log/time.ts';
import type { ExchangeRecord, LineFormat } from './record.ts';

export { defaultFormat, envoyFormat };

/** Envoy's default text line. */
export const textFormat: LineFormat = must(envoyFormat(defaultFormat));

/** `"value"` escaped, or null for an empty value. */
function quoted(value: string): string {
  return value === '' ? 'null' : `"${isPlain(value) ? value : escapeValue(value)}"`;
}

/** Neighbouring fields whose values stay the same from line to line for most traffic: put together once, while the four values do. */
class Piece {
  readonly #make: (a: string, b: string, c: string, d: string | number) => string;
  #a = '';
  #b = '';
  #c = '';
  #d: string | number = '';
  #bytes: Uint8Array;

  constructor(make: (a: string, b: string, c: string, d: string | number) => string) {
    this.#make = make;
    this.#bytes = Buffer.from(make('', '', '', ''));
  }

  of(a: string, b: string, c: string, d: string | number): Uint8Array {
    if (a !== this.#a || b !== this.#b || c !== this.#c || d !== this.#d) {
      this.#a = a;
      this.#b = b;
      this.#c = c;
      this.#d = d;
      this.#bytes = Buffer.from(this.#make(a, b, c, d), 'latin1');
    }
    return this.#bytes;
  }
}

const request = new Piece(
  (method, authority, _, revision) => `","revision":${revision},"method":${quoted(method)},"authority":${quoted(authority)},"path":`,
);
const outcome = new Piece(
  (protocol, flags, details, code) =>
    `,"protocol":"${protocol}","response_code":${code},"response_flags":"${flags === '' ? '-' : flags}"` +
    `,"response_code_details":${quoted(details)},"bytes_received":`,
);
const route = new Piece(
  (host, cluster, name, listener) =>
    `,"upstream_host":${quoted(host)},"upstream_cluster":${quoted(cluster)}` +
    `,"route_name":${quoted(name)},"listener":${quoted(String(listener))},"downstream_remote_address":`,
);
const caller = new Piece(
  (trace, principal, consumer) =>
    `,"trace_id":${quoted(trace)},"principal":${quoted(principal)},"consumer":${quoted(consumer)},"user_agent":`,
);

/** What stands between the other values of a JSON line, as bytes. */
const keys = {
  startTime: Buffer.from('{"start_time":"'),
  bytesSent: Buffer.from(',"bytes_sent":'),
  duration: Buffer.from(',"duration_ms":'),
  serviceTime: Buffer.from(',"upstream_service_time_ms":'),
  requestId: Buffer.from(',"request_id":'),
  serverName: Buffer.from(',"requested_server_name":'),
  grpcStatus: Buffer.from(',"grpc_status":'),
} as const;

/** One JSON object with the fields of docs/reference/access-log.md; absent values are null. Always valid JSON, always ASCII. */
export const jsonFormat: LineFormat = {
  needs: { requestHeaders: ['user-agent'], responseHeaders: [], responseTrailers: [] },
  write(r: ExchangeRecord, out: LineWriter): void {
    out.bytes(keys.startTime);
    out.ascii(isoTime(r.startMs));
    out.bytes(request.of(r.method, r.authority, '', r.revision));
    string(out, r.originalPath);
    out.bytes(outcome.of(r.protocol, r.responseFlags, r.responseCodeDetails, r.responseCode));
    out.whole(r.bytesReceived);
    out.bytes(keys.bytesSent);
    out.whole(r.bytesSent);
    out.bytes(keys.duration);
    out.decimals(r.durationMs);
    out.bytes(keys.serviceTime);
    if (r.upstreamServiceTimeMs < 0) out.text('null');
    else out.decimals(r.upstreamServiceTimeMs);
    out.bytes(route.of(r.upstreamHost, r.upstreamCluster, r.routeName, r.listener));
    string(out, r.downstreamRemoteAddress);
    out.bytes(keys.requestId);
    string(out, r.requestId);
    out.bytes(caller.of(r.traceId, r.principal, r.consumer, ''));
    string(out, r.requestHeader('user-agent') ?? '');
    if (r.requestedServerName !== '') {
      out.bytes(keys.serverName);
      string(out, r.requestedServerName);
    }
    if (r.grpcStatus !== undefined && r.grpcStatus >= 0) {
      out.bytes(keys.grpcStatus);
      out.whole(r.grpcStatus);
    }
    out.byte(0x7d);
  },
};

/** A value in quotes, or null for an empty one. */
function string(out: LineWriter, value: string): void {
  if (value === '') return out.text('null');
  out.byte(0x22);
  out.value(value);
  out.byte(0x22);
}

/** One line as text. For tests and people; the data path writes bytes. */
export function lineOf(format: LineFormat, record: ExchangeRecord): string {
  const out = new LineWriter(Buffer.allocUnsafeSlow(1024));
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

/**
 * Gathers lines and hands them over in batches. Each lies in a shared buffer, which is free again after `giveBack`, or, while all of
 * those wait, in a buffer of its own that may be transferred. Holds at most one batch and one line; who takes the batches bounds
 * what waits behind.
 */
export class LogBatcher {
  readonly #format: LineFormat;
  readonly #hand: (lines: Uint8Array) => void;
  readonly #slots = new LogSlots();
  /** What `#out` began in. */
  #slot: Buffer | null = null;
  #out: LineWriter | null = null;

  constructor(format: LineFormat, hand: (lines: Uint8Array) => void) {
    this.#format = format;
    this.#hand = hand;
  }

  /** Appends the record's line. Hands a batch over when it is full. */
  add(record: ExchangeRecord): void {
    const out = (this.#out ??= this.#begin());
    this.#format.write(record, out);
    out.byte(0x0a);
    if (out.length >= batchBytes) this.flush();
  }

  #begin(): LineWriter {
    this.#slot = this.#slots.take();
    return new LineWriter(this.#slot ?? Buffer.allocUnsafeSlow(batchBytes + batchBytes / 8));
  }

  /** Hands over what there is. The caller's tick calls it, so that no line waits longer than a tick. */
  flush(): void {
    const [out, slot] = [this.#out, this.#slot];
    if (out === null || out.length === 0) return;
    this.#out = null;
    this.#slot = null;
    // It has grown out of it.
    if (slot !== null && slot !== out.buffer) giveBack(slot);
    this.#hand(new Uint8Array(out.buffer.buffer, out.buffer.byteOffset, out.length));
  }
}

function must(format: Result<LineFormat, string>): LineFormat {
  if (!format.ok) throw new Error(format.error);
  return format.value;
}
