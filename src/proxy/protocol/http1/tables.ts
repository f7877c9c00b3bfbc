/**
 * Byte classes of HTTP/1.1 (RFC 9110 §5.5, §5.6.2; RFC 9112 §3, §4), one lookup per byte. Everything here is at least as
 * strict as llhttp in strict mode: what it refuses is 0 in these tables.
 */

declare global {
  interface Buffer {
    /** One character per byte; without the dispatch of `toString('latin1')`. */
    latin1Slice(start?: number, end?: number): string;
    /** One byte per character; bytes written. */
    latin1Write(text: string, offset?: number, length?: number): number;
  }
}

export const CR = 13;
export const LF = 10;
export const SP = 32;
export const HTAB = 9;
export const COLON = 58;
export const COMMA = 44;

/** `tchar`; 0: not one. `_` carries bit 2, so that a name's underscores are seen while it is scanned. */
export const TOKEN: Uint8Array = table((b) => {
  if (b === 0x5f) return 3;
  if ((b >= 0x30 && b <= 0x39) || (b >= 0x41 && b <= 0x5a) || (b >= 0x61 && b <= 0x7a)) return 1;
  return "!#$%&'*+-.^`|~".includes(String.fromCharCode(b)) ? 1 : 0;
});
export const TOKEN_UNDERSCORE = 2;

/** Bytes of a field value or reason phrase: HTAB, SP, VCHAR, obs-text. */
export const VALUE: Uint8Array = table((b) => (b === HTAB || (b >= 0x20 && b !== 0x7f) ? 1 : 0));

/**
 * Bytes of a request target: visible ASCII. `#` is out: a fragment is never sent (RFC 9112 §3.2). Bytes above 0x7e are no URI, and llhttp
 * refuses them too.
 */
export const TARGET: Uint8Array = table((b) => (b > 0x20 && b < 0x7f && b !== 0x23 ? 1 : 0));

/** Bytes of `Host` (RFC 3986 §3.2.2 reg-name, IP literals, port); its structure is the canonicaliser's. */
export const HOST: Uint8Array = table((b) => {
  if ((b >= 0x30 && b <= 0x39) || (b >= 0x41 && b <= 0x5a) || (b >= 0x61 && b <= 0x7a)) return 1;
  return "-._~!$&'()*+,;=:[]%".includes(String.fromCharCode(b)) ? 1 : 0;
});

/** ASCII lower case. */
export const LOWER: Uint8Array = table((b) => (b >= 0x41 && b <= 0x5a ? b + 32 : b));

/** Value of a hexadecimal digit; 255: not one. */
export const HEX: Uint8Array = table((b) => {
  if (b >= 0x30 && b <= 0x39) return b - 0x30;
  if (b >= 0x41 && b <= 0x46) return b - 0x41 + 10;
  if (b >= 0x61 && b <= 0x66) return b - 0x61 + 10;
  return 255;
});

function table(of: (byte: number) => number): Uint8Array {
  const out = new Uint8Array(256);
  for (let b = 0; b < 256; b++) out[b] = of(b);
  return out;
}

/** Headers that the codec itself must know. */
export const Known = {
  other: 0,
  host: 1,
  contentLength: 2,
  transferEncoding: 3,
  connection: 4,
  keepAlive: 5,
  proxyConnection: 6,
  te: 7,
  trailer: 8,
  upgrade: 9,
  expect: 10,
  http2Settings: 11,
  proxy: 12,
  forwardedClientCert: 13,
  weirExplain: 14,
} as const;

/**
 * Which known header a name is. Length and first letter decide for almost every name before bytes are compared.
 */
export function knownHeader(buf: Uint8Array, start: number, length: number): number {
  switch (length) {
    case 2:
      return is(buf, start, 'te') ? Known.te : 0;
    case 4:
      return is(buf, start, 'host') ? Known.host : 0;
    case 5:
      return is(buf, start, 'proxy') ? Known.proxy : 0;
    case 6:
      return is(buf, start, 'expect') ? Known.expect : 0;
    case 7:
      return is(buf, start, 'upgrade') ? Known.upgrade : is(buf, start, 'trailer') ? Known.trailer : 0;
    case 10:
      if (is(buf, start, 'connection')) return Known.connection;
      return is(buf, start, 'keep-alive') ? Known.keepAlive : 0;
    case 12:
      return is(buf, start, 'weir-explain') ? Known.weirExplain : 0;
    case 14:
      if (is(buf, start, 'content-length')) return Known.contentLength;
      return is(buf, start, 'http2-settings') ? Known.http2Settings : 0;
    case 16:
      return is(buf, start, 'proxy-connection') ? Known.proxyConnection : 0;
    case 17:
      return is(buf, start, 'transfer-encoding') ? Known.transferEncoding : 0;
    case 23:
      return is(buf, start, 'x-forwarded-client-cert') ? Known.forwardedClientCert : 0;
    default:
      return 0;
  }
}

/** Whether the bytes from `start` are `lower`, ASCII case ignored. The caller knows that the lengths are equal. */
export function is(buf: Uint8Array, start: number, lower: string): boolean {
  for (let i = 0; i < lower.length; i++) {
    if (LOWER[buf[start + i]] !== lower.charCodeAt(i)) return false;
  }
  return true;
}

/**
 * Methods that are accepted: those that llhttp knows for HTTP (RFC 9110 §9, RFC 5789, WebDAV, UPnP, the IANA registry's
 * common ones). A method it does not know gets 501.
 */
export const METHODS: readonly string[] = [
  'GET',
  'POST',
  'PUT',
  'HEAD',
  'DELETE',
  'OPTIONS',
  'PATCH',
  'CONNECT',
  'TRACE',
  'COPY',
  'LOCK',
  'MKCOL',
  'MOVE',
  'PROPFIND',
  'PROPPATCH',
  'SEARCH',
  'UNLOCK',
  'BIND',
  'REBIND',
  'UNBIND',
  'ACL',
  'REPORT',
  'MKACTIVITY',
  'CHECKOUT',
  'MERGE',
  'M-SEARCH',
  'NOTIFY',
  'SUBSCRIBE',
  'UNSUBSCRIBE',
  'PURGE',
  'MKCALENDAR',
  'LINK',
  'UNLINK',
  'QUERY',
];

/** Longest accepted method. */
export const MAX_METHOD_BYTES = 11;

/** The method between `start` and `end` as one shared string; '' when it is not known. Methods are case-sensitive. */
export function methodOf(buf: Uint8Array, start: number, end: number): string {
  const length = end - start;
  for (let m = 0; m < METHODS.length; m++) {
    const name = METHODS[m];
    if (name.length !== length || name.charCodeAt(0) !== buf[start]) continue;
    let i = 1;
    while (i < length && name.charCodeAt(i) === buf[start + i]) i++;
    if (i === length) return name;
  }
  return '';
}
