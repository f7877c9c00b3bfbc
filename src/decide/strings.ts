import type { StringMatcher } from '../model/match.ts';
import { compileRegex, type CompiledRegex } from './regex.ts';

/** A compiled StringMatcher. */
export interface StringTest {
  test(value: string): boolean;
  /** What the value would have to be: `exactly 'alice'`, `a match of …`. */
  readonly wanted: string;
  /** Set: the pattern is not valid; nothing matches, inverted or not. */
  readonly invalid: string | null;
}

/** A–Z to a–z and nothing else, as Envoy's ignore_case does. */
export function lowerAscii(text: string): string {
  return text.replace(/[A-Z]+/g, (run) => run.toLowerCase());
}

function fold(code: number): number {
  return code >= 0x41 && code <= 0x5a ? code + 0x20 : code;
}

/** True when `lower` (lower case) stands in `text` at `at`, ASCII case aside. */
export function equalsFoldedAt(text: string, at: number, lower: string): boolean {
  if (at < 0 || at + lower.length > text.length) return false;
  for (let i = 0; i < lower.length; i++) if (fold(text.charCodeAt(at + i)) !== lower.charCodeAt(i)) return false;
  return true;
}

/** Not valid: matches nothing. */
export const noRegex: CompiledRegex = { test: () => false, matchLength: () => -1, replace: (text) => text, literalPrefix: '' };

export function compileString(matcher: StringMatcher): StringTest {
  if (matcher.kind === 'present') return { test: () => true, wanted: 'present', invalid: null };
  const { value } = matcher;
  const how = matcher.ignoreCase === true ? ' (ignoring case)' : '';
  const lower = lowerAscii(value);
  const folded = matcher.ignoreCase === true;
  switch (matcher.kind) {
    case 'exact': {
      const wanted = `exactly '${value}'${how}`;
      if (!folded) return { test: (text) => text === value, wanted, invalid: null };
      return { test: (text) => text.length === lower.length && equalsFoldedAt(text, 0, lower), wanted, invalid: null };
    }
    case 'prefix': {
      const wanted = `beginning with '${value}'${how}`;
      return { test: folded ? (text) => equalsFoldedAt(text, 0, lower) : (text) => text.startsWith(value), wanted, invalid: null };
    }
    case 'suffix': {
      const wanted = `ending with '${value}'${how}`;
      return {
        test: folded ? (text) => equalsFoldedAt(text, text.length - lower.length, lower) : (text) => text.endsWith(value),
        wanted,
        invalid: null,
      };
    }
    case 'contains': {
      const wanted = `containing '${value}'${how}`;
      return { test: folded ? (text) => lowerAscii(text).includes(lower) : (text) => text.includes(value), wanted, invalid: null };
    }
    case 'regex': {
      const compiled = compileRegex(value, { anchor: matcher.anchor, ...(folded ? { ignoreCase: true } : {}) });
      if (!compiled.ok)
        return { test: () => false, wanted: `a match of an invalid pattern '${value}' (${compiled.error})`, invalid: compiled.error };
      const regex = compiled.value;
      const place =
        matcher.anchor === 'full' ? 'a match of' : matcher.anchor === 'start' ? 'beginning with a match of' : 'containing a match of';
      return { test: (text) => regex.test(text), wanted: `${place} the regular expression '${value}'${how}`, invalid: null };
    }
  }
}
