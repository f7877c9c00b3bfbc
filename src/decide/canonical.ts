import { parseAuthority } from './authority.ts';
import type { Canonicalisation } from '../model/listener.ts';

/**
 * The one place where a request's target and host get the form that router, policies, cache and logs see. What is read differently
 * by different servers is refused. Applying it to its own output changes nothing.
 *
 * Order and defaults are Envoy's (HttpConnectionManager `path_with_escaped_slashes_action`, `normalize_path`, `merge_slashes`):
 * escaped slashes, escapes and dot segments, then repeated slashes.
 */
export type Canonical = CanonicalRequest | CanonicalReject | CanonicalRedirect;

export interface CanonicalRequest {
  readonly kind: 'ok';
  /** `*` for OPTIONS *. */
  readonly path: string;
  /** Without `?`. */
  readonly query: string;
  /** Lower case, with its port when it had one that was not stripped; '' for HTTP/1.0 without Host. */
  readonly authority: string;
  /** Authority without port; IPv6 literals keep their brackets. */
  readonly host: string;
  readonly port: number | null;
  /** The target came in absolute-form: its authority won, and Host must be replaced by it (RFC 9112 §3.2.2). */
  readonly authorityFromTarget: boolean;
  /** The target as sent is `path?query` already. */
  readonly unchanged: boolean;
}

export interface CanonicalReject {
  readonly kind: 'reject';
  readonly status: number;
  /** For response_code_details. */
  readonly details: string;
}

/** `escapedSlashes: unescape-and-redirect`: the client is sent to the form that is matched. */
export interface CanonicalRedirect {
  readonly kind: 'redirect';
  readonly status: 307;
  readonly location: string;
}

/** Per character of a target. */
const PLAIN = 0;
/** Never part of a target: controls, space, DEL, `#`. */
const INVALID = 1;
/** Not allowed raw in a path by RFC 3986: written as an escape, so that there is one form. */
const ESCAPE = 2;
/** Outside ASCII: escaped in path and query. */
const OBS = 3;
const SLASH = 4;
const PERCENT = 5;
const BACKSLASH = 6;
const QUESTION = 7;
const DOT = 8;

const CLASS: Uint8Array = new Uint8Array(256);
for (let c = 0; c < 256; c++) {
  if (c <= 0x20 || c === 0x7f || c === 0x23) CLASS[c] = INVALID;
  else if (c > 0x7f) CLASS[c] = OBS;
  else if ('"<>^`{|}'.includes(String.fromCharCode(c))) CLASS[c] = ESCAPE;
}
CLASS[0x2f] = SLASH;
CLASS[0x25] = PERCENT;
CLASS[0x5c] = BACKSLASH;
CLASS[0x3f] = QUESTION;
CLASS[0x2e] = DOT;

/** `%00` … `%FF` */
const ESCAPES: readonly string[] = Array.from({ length: 256 }, (_, c) => `%${c.toString(16).toUpperCase().padStart(2, '0')}`);

/**
 * Brings a request to its canonical form, refuses it, or redirects to that form.
 *
 * @param target as on the wire, one character per byte: origin-, absolute- or asterisk-form
 * @param hostHeader value of Host; '' without one (HTTP/1.0)
 * @param localPort the listener's port, for `stripPort`
 */
export function canonicalise(
  method: string,
  target: string,
  hostHeader: string,
  options: Canonicalisation,
  scheme: 'http' | 'https',
  localPort: number,
): Canonical {
  if (method === 'CONNECT') return reject(405, 'connect_refused');
  if (target.charCodeAt(0) === 0x2f) return originForm(target, hostHeader, options, scheme, localPort, false);
  if (target === '*') {
    if (method !== 'OPTIONS') return reject(400, 'path_normalization_failed');
    return finish('*', '', hostHeader, options, localPort, false, true);
  }
  return absoluteForm(method, target, options, scheme, localPort);
}

/** What the policy for `_` in header names needs of a head. */
export interface UnderscoredHeaders {
  readonly hasUnderscore: boolean;
  dropUnderscored(): void;
}

/** Applies `underscores`: null when the request goes on. (Envoy `headers_with_underscores_action`.) */
export function applyUnderscores(policy: Canonicalisation['underscores'], headers: UnderscoredHeaders): CanonicalReject | null {
  if (!headers.hasUnderscore || policy === 'allow') return null;
  if (policy === 'reject') return reject(400, 'http1.unexpected_underscore');
  headers.dropUnderscored();
  return null;
}

function absoluteForm(method: string, target: string, options: Canonicalisation, scheme: 'http' | 'https', localPort: number): Canonical {
  const head = target.slice(0, 8).toLowerCase();
  const from = head.startsWith('http://') ? 7 : head === 'https://' ? 8 : 0;
  if (from === 0) return reject(400, 'path_normalization_failed');
  let to = from;
  while (to < target.length && target[to] !== '/' && target[to] !== '?') to++;
  // A copy: a slice would keep the whole target alive in the table of authorities.
  const authority = Buffer.from(target.slice(from, to), 'latin1').toString('latin1');
  if (authority === '') return reject(400, 'invalid_authority');
  const rest = target.slice(to);
  // RFC 9112 §3.2.4: OPTIONS without a path asks about the server as a whole.
  if (rest === '' && method === 'OPTIONS') return finish('*', '', authority, options, localPort, true, false);
  return originForm(rest.startsWith('/') ? rest : `/${rest}`, authority, options, scheme, localPort, true);
}

function originForm(
  target: string,
  authority: string,
  options: Canonicalisation,
  scheme: 'http' | 'https',
  localPort: number,
  fromTarget: boolean,
): Canonical {
  const length = target.length;
  let previous = PLAIN;
  let i = 0;
  // One pass proves that nothing needs to change; an ordinary target ends here.
  for (; i < length; i++) {
    const c = target.charCodeAt(i);
    const k = c > 0xff ? INVALID : CLASS[c];
    if (k !== PLAIN) {
      if (k === QUESTION) break;
      if (k !== SLASH && k !== DOT) {
        previous = PERCENT;
        break;
      }
      if (previous === SLASH) {
        previous = PERCENT;
        break;
      }
    }
    previous = k;
  }
  if (previous === PERCENT) return rewrite(target, authority, options, scheme, localPort, fromTarget);
  if (i === length) return finish(target, '', authority, options, localPort, fromTarget, !fromTarget);
  const query = canonicalQuery(target, i + 1);
  if (query === null) return reject(400, 'path_normalization_failed');
  return finish(target.slice(0, i), query, authority, options, localPort, fromTarget, !fromTarget && query.length === length - i - 1);
}

/** A target whose path has something in it to normalise. */
function rewrite(
  target: string,
  authority: string,
  options: Canonicalisation,
  scheme: 'http' | 'https',
  localPort: number,
  fromTarget: boolean,
): Canonical {
  const mark = target.indexOf('?');
  const pathEnd = mark === -1 ? target.length : mark;
  const query = mark === -1 ? '' : canonicalQuery(target, mark + 1);
  if (query === null) return reject(400, 'path_normalization_failed');
  const decoded = decodePath(target, pathEnd, options);
  if (decoded.refused) return reject(400, decoded.path);
  let path = decoded.path;
  if (options.normalizePath) {
    const resolved = resolveDots(path);
    if (resolved === null) return reject(400, 'path_dot_segment_with_parameters');
    path = resolved;
  }
  if (options.mergeSlashes && path.includes('//')) path = path.replace(/\/{2,}/g, '/');
  const same = target === (mark === -1 ? path : `${path}?${query}`);
  const done = finish(path, query, authority, options, localPort, fromTarget, !fromTarget && same);
  if (!decoded.slashes || options.escapedSlashes !== 'unescape-and-redirect' || done.kind !== 'ok') return done;
  return redirect(done, scheme);
}

function redirect(to: CanonicalRequest, scheme: string): Canonical {
  const target = to.query === '' ? to.path : `${to.path}?${to.query}`;
  if (!target.startsWith('//')) return { kind: 'redirect', status: 307, location: target };
  // `//host/…` would lead to another host.
  if (to.authority === '') return reject(400, 'path_normalization_failed');
  return { kind: 'redirect', status: 307, location: `${scheme}://${to.authority}${target}` };
}

interface DecodedPath {
  /** The path; why it was refused when it was. */
  path: string;
  refused: boolean;
  /** A slash was unescaped. */
  slashes: boolean;
}

function refusedPath(details: string): DecodedPath {
  return { path: details, refused: true, slashes: false };
}

function decodePath(target: string, end: number, options: Canonicalisation): DecodedPath {
  const { normalizePath, escapedSlashes } = options;
  const unescape = escapedSlashes === 'unescape-and-redirect' || escapedSlashes === 'unescape-and-forward';
  let out = '';
  let slashes = false;
  // Start of the piece that can be taken as it is.
  let from = 0;
  for (let i = 0; i < end; i++) {
    const c = target.charCodeAt(i);
    const k = c > 0xff ? INVALID : CLASS[c];
    if (k === PLAIN || k === SLASH || k === DOT) continue;
    if (k === INVALID) return refusedPath('path_normalization_failed');
    let width = 1;
    let piece = '';
    if (k === PERCENT) {
      const value = escapeValue(target, i, end);
      if (value === 0) return refusedPath('path_contains_nul');
      if (value < 0) {
        if (normalizePath) return refusedPath('path_normalization_failed');
        continue;
      }
      width = 3;
      if (value === 0x2f || value === 0x5c) {
        if (escapedSlashes === 'reject') return refusedPath('path_escaped_slash');
        if (unescape) {
          piece = '/';
          slashes = true;
        } else piece = normalizePath ? ESCAPES[value] : target.slice(i, i + 3);
      } else if (!normalizePath) piece = target.slice(i, i + 3);
      else piece = isUnreserved(value) ? String.fromCharCode(value) : ESCAPES[value];
    } else if (k === BACKSLASH) {
      if (escapedSlashes === 'reject') return refusedPath('path_escaped_slash');
      if (unescape) slashes = true;
      piece = unescape || normalizePath ? '/' : '\\';
    } else {
      piece = normalizePath || k === OBS ? ESCAPES[c] : target[i];
    }
    out += target.slice(from, i) + piece;
    i += width - 1;
    from = i + 1;
  }
  return { path: out + target.slice(from, end), refused: false, slashes };
}

/** Value of `%XX` at `i`; -1 when it is not one. */
function escapeValue(text: string, i: number, end: number): number {
  if (i + 2 >= end) return -1;
  const high = hexDigit(text.charCodeAt(i + 1));
  const low = hexDigit(text.charCodeAt(i + 2));
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

function hexDigit(c: number): number {
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x61 + 10 : -1;
}

/** RFC 3986 §2.3. */
function isUnreserved(c: number): boolean {
  const lower = c | 0x20;
  return (lower >= 0x61 && lower <= 0x7a) || (c >= 0x30 && c <= 0x39) || c === 0x2d || c === 0x2e || c === 0x5f || c === 0x7e;
}

/** The semicolon as an escape too: some servers decode before they take parameters off. */
const DOTS_WITH_PARAMETERS = /^\.\.?(;|%3B)/;

/**
 * RFC 3986 §5.2.4; `..` at the root stays at the root, as Envoy has it. Null for `..;x` and `.;x`: servers that take parameters off
 * a segment (Tomcat, Spring) resolve it, others do not.
 */
function resolveDots(path: string): string | null {
  if (!path.includes('/.')) return path;
  const segments = path.split('/');
  const out: string[] = [];
  const last = segments.length - 1;
  for (let i = 1; i <= last; i++) {
    const segment = segments[i];
    if (DOTS_WITH_PARAMETERS.test(segment)) return null;
    if (segment !== '.' && segment !== '..') {
      out.push(segment);
      continue;
    }
    if (segment === '..') out.pop();
    if (i === last) out.push('');
  }
  return `/${out.join('/')}`;
}

/** Query from `start` on, raw bytes outside ASCII escaped; null when it contains what no target may. */
function canonicalQuery(target: string, start: number): string | null {
  let out = '';
  let from = start;
  for (let i = start; i < target.length; i++) {
    const c = target.charCodeAt(i);
    const k = c > 0xff ? INVALID : CLASS[c];
    if (k === INVALID) return null;
    if (k !== OBS) continue;
    out += target.slice(from, i) + ESCAPES[c];
    from = i + 1;
  }
  return from === start ? target.slice(start) : out + target.slice(from);
}

function finish(
  path: string,
  query: string,
  authorityText: string,
  options: Canonicalisation,
  localPort: number,
  authorityFromTarget: boolean,
  unchanged: boolean,
): CanonicalRequest | CanonicalReject {
  if (authorityText === '') {
    return { kind: 'ok', path, query, authority: '', host: '', port: null, authorityFromTarget, unchanged };
  }
  const parsed = parseAuthority(authorityText);
  if (parsed === null) return reject(400, 'invalid_authority');
  let { host, port, authority } = parsed;
  if (options.stripTrailingDot && host.charCodeAt(host.length - 1) === 0x2e) {
    host = host.slice(0, -1);
    authority = port === null ? host : `${host}:${port}`;
  }
  if (options.stripPort && port === localPort) {
    port = null;
    authority = host;
  }
  return { kind: 'ok', path, query, authority, host, port, authorityFromTarget, unchanged };
}

function reject(status: number, details: string): CanonicalReject {
  return { kind: 'reject', status, details };
}
