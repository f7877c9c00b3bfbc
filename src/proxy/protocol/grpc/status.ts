/** gRPC's words for what HTTP says ("gRPC over HTTP/2", "HTTP to gRPC Status Code Mapping"). */

const unknown = 2;
const lastCode = 16;

/** Whether a request's or response's content type is gRPC's: `application/grpc`, alone or with `+proto`, `;charset=…`. */
export function isGrpcType(contentType: string | null): boolean {
  if (contentType === null || !contentType.toLowerCase().startsWith('application/grpc')) return false;
  if (contentType.length === 16) return true;
  const next = contentType.charCodeAt(16);
  return next === 43 || next === 59;
}

/** A `grpc-status` field's number, 0–16; -1 for none, 2 (unknown) for one that is no code. */
export function grpcStatusOf(value: string | null): number {
  if (value === null) return -1;
  const code = /^\d{1,2}$/.test(value) ? Number(value) : unknown;
  return code <= lastCode ? code : unknown;
}

/** What a status of ours means to a gRPC client; Envoy maps local replies alike, a 200 too. */
export function grpcStatusOfHttp(status: number): number {
  switch (status) {
    case 400:
      return 13;
    case 401:
      return 16;
    case 403:
      return 7;
    case 404:
      return 12;
    case 429:
    case 502:
    case 503:
    case 504:
      return 14;
    default:
      return 2;
  }
}

/** `grpc-message` of a text: everything but printable ASCII, and `%`, percent-encoded as UTF-8 (gRPC over HTTP/2). */
export function grpcMessage(text: string): string {
  let out = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    if (byte >= 0x20 && byte <= 0x7e && byte !== 0x25) out += String.fromCharCode(byte);
    else out += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return out;
}

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000_001 };

/** A `grpc-timeout` field in ms, fractions of one rounded up; null for none and for what is not one. */
export function grpcTimeoutMs(value: string | null): number | null {
  if (value === null || !/^\d{1,8}[HMSmun]$/.test(value)) return null;
  return Math.ceil(Number(value.slice(0, -1)) * (unitMs[value.slice(-1)] ?? 0));
}

/** The field for so many ms: at most eight digits, so longer times in coarser units. */
export function grpcTimeout(ms: number): string {
  const whole = Math.max(1, Math.floor(ms));
  if (whole < 100_000_000) return `${whole}m`;
  const seconds = Math.floor(whole / 1000);
  return seconds < 100_000_000 ? `${seconds}S` : `${Math.min(99_999_999, Math.floor(seconds / 60))}M`;
}
