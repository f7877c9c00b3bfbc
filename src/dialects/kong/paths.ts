/** Paths of Kong routes: regular or fixed, old formats and new, and the form in which the canonicaliser knows them. */
import { compileRegex } from '../../decide/regex.ts';

export function isRegexPath(path: string): boolean {
  return path.startsWith('~');
}

/**
 * What a path of `_format_version` 1.1 or 2.1 is called since 3.0: there a path with anything but letters, digits and
 * `.-_~/%` was a regular expression (Kong: migration of route paths to 3.0).
 */
export function migratePath(path: string): string {
  return /^[a-zA-Z0-9.\-_~/%]*$/.test(path) ? normalizePath(path) : `~${path}`;
}

/** Percent-encoding as the canonicaliser leaves it: unreserved characters decoded, others encoded with capital digits. */
export function canonicalEncoding(path: string): string {
  return path
    .replace(/%([0-9a-fA-F]{2})/g, (triplet, hex: string) => {
      const character = String.fromCharCode(Number.parseInt(hex, 16));
      return /[A-Za-z0-9\-._~]/.test(character) ? character : triplet.toUpperCase();
    })
    .replace(/[^A-Za-z0-9\-._~!*'();:@&=+$,/?%#[\]]/gu, (character) =>
      Array.from(Buffer.from(character, 'utf8'), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
    );
}

/** A fixed path in the form that request paths have when they are compared: encoding, dot segments, repeated slashes. */
export function normalizePath(path: string): string {
  const encoded = canonicalEncoding(path);
  const merged = encoded.replace(/\/{2,}/g, '/');
  const kept: string[] = [];
  const segments = merged.split('/');
  for (const [index, segment] of segments.entries()) {
    const last = index === segments.length - 1;
    if (segment === '..') {
      if (kept.length > 1) kept.pop();
      if (last) kept.push('');
    } else if (segment === '.') {
      if (last) kept.push('');
    } else kept.push(segment);
  }
  return kept.join('/');
}

/** Why a route path is not allowed, with what to write; null when it is. Kong: typedefs `router_path`. */
export function pathProblem(path: string): { readonly message: string; readonly hint: string; readonly regex: boolean } | null {
  if (!path.startsWith('/') && !path.startsWith('~/'))
    return {
      message: 'must begin with / (fixed path) or ~/ (regular expression)',
      hint: `write "/${path.replace(/^~?\^?\/*/, '')}"`,
      regex: false,
    };
  if (isRegexPath(path)) {
    const compiled = compileRegex(regexOf(path), { anchor: 'start' });
    return compiled.ok
      ? null
      : { message: compiled.error, hint: 'write it in RE2 syntax, without look-around and back-references', regex: true };
  }
  if (/[\u0000-\u0020\u007f?#]/.test(path))
    return { message: 'must not hold spaces, control characters, ? and #', hint: 'percent-encode them', regex: false };
  if (/%(?![0-9a-fA-F]{2})/.test(path))
    return { message: 'has a % without two hexadecimal digits', hint: 'write %25 for a percent sign', regex: false };
  return /\/\/|\/\.\.?(\/|$)/.test(path.replace(/%2e/gi, '.'))
    ? { message: 'is not normalised: requests never have this path', hint: `write "${normalizePath(path)}"`, regex: false }
    : null;
}

/** The pattern of a `~` path, in RE2's spelling of named groups. */
export function regexOf(path: string): string {
  return path.slice(1).replace(/\(\?<(?![=!])/g, '(?P<');
}
