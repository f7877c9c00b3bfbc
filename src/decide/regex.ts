import { RE2JS } from 're2js';
import { err, ok, type Result } from '../base/result.ts';
import { readSubset } from './regex-subset.ts';

export type RegexAnchor = 'full' | 'start' | 'search';

/** A pattern in RE2 syntax and meaning. Every operation takes time linear in the text. */
export interface CompiledRegex {
  test(text: string): boolean;
  /** Length of what matched, in UTF-16 units; -1 when nothing does. For `search` the first match. */
  matchLength(text: string): number;
  /** Every match replaced; `\0` … `\9` are groups and `\\` a backslash, as in RE2's GlobalReplace. Ignores the anchor. */
  replace(text: string, substitution: string): string;
  /** What every match begins with; empty for `search` and where nothing is known. */
  readonly literalPrefix: string;
}

export interface RegexOptions {
  readonly anchor: RegexAnchor;
  readonly ignoreCase?: boolean;
}

/** Characters. Longer patterns are refused. */
export const maxPatternLength = 8_192;

/** Compiles a pattern, or says why RE2 does not accept it. */
export function compileRegex(pattern: string, options: RegexOptions): Result<CompiledRegex, string> {
  if (pattern.length > maxPatternLength) return err(`pattern is longer than ${maxPatternLength} characters`);
  const { anchor } = options;
  // Case folding beyond ASCII differs between the engines in detail; those patterns stay with re2js.
  const subset = anchor === 'search' || options.ignoreCase === true ? null : readSubset(pattern, anchor);
  if (subset !== null && subset.fast !== null) {
    const { fast, literalPrefix } = subset;
    // re2js takes 0.2 ms to compile a pattern; what is never replaced needs none.
    let engine: RE2JS | null = null;
    const replace = (text: string, substitution: string): string => replaceAll((engine ??= RE2JS.compile(pattern)), text, substitution);
    return ok({ literalPrefix, replace, test: (text) => fast.test(text), matchLength: (text) => fast.exec(text)?.[0].length ?? -1 });
  }
  let engine: RE2JS;
  try {
    engine = RE2JS.compile(pattern, options.ignoreCase === true ? RE2JS.CASE_INSENSITIVE : 0);
  } catch (error) {
    return err(error instanceof Error ? error.message : String(error));
  }
  const literalPrefix = anchor === 'search' ? '' : (subset?.literalPrefix ?? prefixOf(engine, pattern, options.ignoreCase === true));
  const replace = (text: string, substitution: string): string => replaceAll(engine, text, substitution);
  const run = (text: string): number => {
    const matcher = engine.matcher(text);
    const found = anchor === 'full' ? matcher.matches() : anchor === 'start' ? matcher.lookingAt() : matcher.find();
    return found ? matcher.end() - matcher.start() : -1;
  };
  const test = (text: string): boolean =>
    anchor === 'full' ? engine.testExact(text) : anchor === 'search' ? engine.test(text) : run(text) >= 0;
  return ok({ literalPrefix, replace, test, matchLength: run });
}

function prefixOf(engine: RE2JS, pattern: string, ignoreCase: boolean): string {
  let compiled = engine;
  // An anchored match does not need its own ^, and with it the engine reports no prefix.
  if (/^\^[^*+?{]/.test(pattern)) {
    try {
      compiled = RE2JS.compile(pattern.slice(1), ignoreCase ? RE2JS.CASE_INSENSITIVE : 0);
    } catch {
      return '';
    }
  }
  const prefix: unknown = compiled.re2Input.prefix;
  return typeof prefix === 'string' ? prefix : '';
}

function replaceAll(engine: RE2JS, text: string, substitution: string): string {
  const matcher = engine.matcher(text);
  let out = '';
  let copied = 0;
  let end = -1;
  while (matcher.find()) {
    const start = matcher.start();
    // RE2: no empty match where the previous one ended.
    if (start === end && matcher.end() === end) continue;
    end = matcher.end();
    out += text.slice(copied, start);
    for (let i = 0; i < substitution.length; i++) {
      const char = substitution[i];
      const next = substitution.charCodeAt(i + 1);
      if (char !== '\\' || i + 1 === substitution.length) out += char;
      else if (next >= 0x30 && next <= 0x39) {
        const group = next - 0x30;
        if (group <= matcher.groupCount()) out += matcher.group(group) ?? '';
        i++;
      } else {
        out += substitution[i + 1];
        i++;
      }
    }
    copied = end;
  }
  return out + text.slice(copied);
}
