import { isIPv6 } from 'node:net';
import { domainToASCII } from 'node:url';

/** Host and port of a request, in one form. */
export interface Authority {
  /** Lower case, with its port when it had one. */
  readonly authority: string;
  /** Lower case, without port; a trailing dot stays; IPv6 literals keep their brackets. */
  readonly host: string;
  /** 1–65535; null when none is named. */
  readonly port: number | null;
}

/** RFC 1035 §2.3.4, with a trailing dot. */
const MAX_HOST_LENGTH = 254;
/** Authorities whose parse is remembered; traffic has few, and a client that sends many empties the table, no more. */
const MAX_REMEMBERED = 512;

const remembered = new Map<string, Authority>();
let lastText = '';
let last: Authority | null = null;

/**
 * Reads `host[:port]` (RFC 3986 §3.2 without userinfo). Null when it is malformed or could be read in more than one way: anything but
 * letters, digits, `-`, `_`, `.` in a name, empty labels, zone identifiers, a port with leading zeros or out of range.
 */
export function parseAuthority(text: string): Authority | null {
  if (text === lastText) return last;
  const known = remembered.get(text);
  const authority = known === undefined ? read(text) : known;
  if (authority === null) return null;
  if (known === undefined) {
    if (remembered.size >= MAX_REMEMBERED) remembered.clear();
    remembered.set(text, authority);
  }
  lastText = text;
  last = authority;
  return authority;
}

/** Characters of an authority (RFC 3986 §3.2.2 and port, without userinfo). */
const SENDABLE = /^[A-Za-z0-9._~!$&'()*+,;=:[\]%-]*$/;
let lastNamed = '';
let lastSendable = '';

/**
 * An authority that configuration names, as it may stand in a message: a name beyond ASCII in its ASCII form (RFC 5890), '' for what is
 * none and would break the message.
 */
export function sendableAuthority(text: string): string {
  if (text === lastNamed) return lastSendable;
  lastNamed = text;
  lastSendable = SENDABLE.test(text) ? text : inAscii(text);
  return lastSendable;
}

function inAscii(text: string): string {
  const [, name = '', port = ''] = /^([^:/?#@\\\s\p{Cc}]+)(:\d{1,5})?$/u.exec(text) ?? [];
  const ascii = domainToASCII(name);
  return ascii !== '' && SENDABLE.test(ascii) ? ascii + port : '';
}

function read(text: string): Authority | null {
  let hostEnd = text.length;
  if (text.charCodeAt(0) === 0x5b) {
    hostEnd = text.indexOf(']') + 1;
    if (hostEnd === 0 || text.includes('%') || !isIPv6(text.slice(1, hostEnd - 1))) return null;
  } else {
    const colon = text.indexOf(':');
    if (colon !== -1) hostEnd = colon;
    if (!isName(text, hostEnd)) return null;
  }
  const host = text.slice(0, hostEnd).toLowerCase();
  if (hostEnd === text.length) return { authority: host, host, port: null };
  if (text.charCodeAt(hostEnd) !== 0x3a) return null;
  // An empty port is the default port (RFC 3986 §6.2.3).
  if (hostEnd + 1 === text.length) return { authority: host, host, port: null };
  const port = readPort(text, hostEnd + 1);
  return port === 0 ? null : { authority: `${host}:${port}`, host, port };
}

function isName(text: string, end: number): boolean {
  if (end === 0 || end > MAX_HOST_LENGTH) return false;
  let label = 0;
  for (let i = 0; i < end; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x2e) {
      if (label === 0) return false;
      label = 0;
      continue;
    }
    const lower = c | 0x20;
    const ok = (lower >= 0x61 && lower <= 0x7a) || (c >= 0x30 && c <= 0x39) || c === 0x2d || c === 0x5f;
    if (!ok || ++label > 63) return false;
  }
  return true;
}

/** 0 when it is not a port. */
function readPort(text: string, start: number): number {
  if (text.length - start > 5 || text.charCodeAt(start) === 0x30) return 0;
  let port = 0;
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit < 0 || digit > 9) return 0;
    port = port * 10 + digit;
  }
  return port > 65_535 ? 0 : port;
}
