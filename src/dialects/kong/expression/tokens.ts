/** Tokens of Kong's expressions language. */
import { err, ok, type Result } from '../../../base/result.ts';
import type { ExpressionProblem } from './parse.ts';

export interface Token {
  readonly type: 'symbol' | 'name' | 'string' | 'int' | 'ip' | 'cidr';
  /** A string's content without quotes and escapes. */
  readonly text: string;
  readonly position: number;
}

const symbols = ['&&', '||', '==', '!=', '^=', '=^', '>=', '<=', '~', '>', '<', '(', ')', '!'] as const;
const escapes: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', '\\': '\\', '"': '"' };
const ipv4 = /(?:\d{1,3}\.){3}\d{1,3}(?:\/\d{1,2})?(?![\w.])/y;
const ipv6 = /(?=[0-9a-fA-F]*:)[0-9a-fA-F:]+(?:\d{1,3}(?:\.\d{1,3}){3})?(?:\/\d{1,3})?(?![\w.:])/y;
const integer = /-?(?:0x[0-9a-fA-F]+|\d+)(?![\w.])/y;
const word = /[A-Za-z][A-Za-z0-9_.-]*/y;
const rawString = /r#"([\s\S]*?)"#/y;

export function tokenise(text: string): Result<readonly Token[], ExpressionProblem> {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  while (at < text.length) {
    if (/\s/.test(text[at])) {
      at++;
      continue;
    }
    const position = at;
    if (text[at] === '"') {
      const string = quoted(text, at);
      if (!string.ok) return string;
      tokens.push({ type: 'string', text: string.value.text, position });
      at = string.value.end;
      continue;
    }
    const raw = match(rawString);
    if (raw !== null) {
      tokens.push({ type: 'string', text: raw[1] ?? '', position });
      at += raw[0].length;
      continue;
    }
    const address = match(ipv4) ?? match(ipv6);
    if (address !== null) {
      tokens.push({ type: address[0].includes('/') ? 'cidr' : 'ip', text: address[0], position });
      at += address[0].length;
      continue;
    }
    const number = match(integer);
    if (number !== null) {
      tokens.push({ type: 'int', text: decimal(number[0]), position });
      at += number[0].length;
      continue;
    }
    const symbol = symbols.find((candidate) => text.startsWith(candidate, at));
    if (symbol !== undefined) {
      tokens.push({ type: 'symbol', text: symbol, position });
      at += symbol.length;
      continue;
    }
    const name = match(word);
    if (name === null) return err({ message: `'${text[at]}' was not expected`, position });
    tokens.push({ type: 'name', text: name[0], position });
    at += name[0].length;
  }
  return tokens.length === 0 ? err({ message: 'it is empty', position: 0 }) : ok(tokens);
}

/** Hexadecimal and octal numbers in decimal. */
function decimal(text: string): string {
  const sign = text.startsWith('-') ? -1n : 1n;
  const digits = text.replace('-', '');
  const value = /^0[0-7]+$/.test(digits) ? BigInt(`0o${digits.slice(1)}`) : BigInt(digits);
  return String(sign * value);
}

function quoted(text: string, start: number): Result<{ readonly text: string; readonly end: number }, ExpressionProblem> {
  let out = '';
  for (let i = start + 1; i < text.length; i++) {
    const character = text[i];
    if (character === '"') return ok({ text: out, end: i + 1 });
    if (character !== '\\') {
      out += character;
      continue;
    }
    const escape = escapes[text[i + 1] ?? ''];
    if (escape === undefined)
      return err({ message: 'unknown escape in a string', position: i, hint: 'only \\n \\r \\t \\\\ \\" exist; a raw string is r#"…"#' });
    out += escape;
    i++;
  }
  return err({ message: 'a string is not closed', position: start, hint: 'end it with "' });
}
