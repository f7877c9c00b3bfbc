import type { Path } from './dialect.ts';

/** A JSON text and the place of everything in it. */
export interface LocatedJson {
  readonly value: unknown;
  /** Offset of the value at `path` (or of its key), or of the nearest parent that exists. UTF-16 units. */
  offsetOf(path: Path, key: boolean): number;
}

export interface JsonProblem {
  readonly offset: number;
  readonly message: string;
  readonly hint: string;
}

export type JsonResult = { readonly ok: true; readonly json: LocatedJson } | { readonly ok: false; readonly problem: JsonProblem };

/** Places of one object or array: names (objects only), their offsets, and the offsets of the values. */
interface Places {
  readonly names: string[] | null;
  readonly keys: number[];
  readonly values: number[];
}

/** Deeper texts are refused: every reader of a document recurses over it. */
export const maxDepth = 100;

class Failure extends Error {
  readonly problem: JsonProblem;
  constructor(problem: JsonProblem) {
    super(problem.message);
    this.problem = problem;
  }
}

/**
 * Reads a JSON text (RFC 8259) in one pass and remembers where each value stands. Beside what JSON.parse refuses, it
 * refuses a name that occurs twice in one object: the second would silently win.
 */
export function readJson(text: string): JsonResult {
  const reader = new Reader(text);
  try {
    const value = reader.document();
    return {
      ok: true,
      json: { value, offsetOf: (path, key) => reader.offsetOf(value, path, key) },
    };
  } catch (error) {
    if (error instanceof Failure) return { ok: false, problem: error.problem };
    throw error;
  }
}

const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y;

class Reader {
  private readonly text: string;
  private at = 0;
  private start = 0;
  private readonly places = new Map<object, Places>();

  constructor(text: string) {
    this.text = text;
    if (text.charCodeAt(0) === 0xfeff) this.at = 1;
  }

  document(): unknown {
    this.space();
    this.start = this.at;
    const value = this.value(0);
    this.space();
    if (this.at < this.text.length) {
      this.fail(
        'text goes on after the end of the JSON value',
        'A JSON file holds one value; put several documents in a `kind: List`, or use YAML with `---` between them.',
      );
    }
    return value;
  }

  offsetOf(root: unknown, path: Path, key: boolean): number {
    let value = root;
    let offset = this.start;
    for (let i = 0; i < path.length; i++) {
      if (typeof value !== 'object' || value === null) return offset;
      const places = this.places.get(value);
      if (!places) return offset;
      const step = path[i];
      const slot = places.names === null ? Number(step) : places.names.indexOf(String(step));
      const place = places.values[slot];
      if (place === undefined) return offset;
      offset = key && i === path.length - 1 ? (places.keys[slot] ?? place) : place;
      value = Reflect.get(value, String(step));
    }
    return offset;
  }

  private value(depth: number): unknown {
    const code = this.text.charCodeAt(this.at);
    if (code === 0x22) return this.string();
    if (code === 0x7b) return this.object(depth + 1);
    if (code === 0x5b) return this.array(depth + 1);
    if (code === 0x2d || (code >= 0x30 && code <= 0x39)) return this.number();
    if (this.text.startsWith('true', this.at)) return this.skip(4, true);
    if (this.text.startsWith('false', this.at)) return this.skip(5, false);
    if (this.text.startsWith('null', this.at)) return this.skip(4, null);
    if (code === 0x27) this.fail('a string starts with \' instead of "', 'Write strings in double quotes.');
    if (code === 0x2f || code === 0x23)
      this.fail('a comment stands where a value belongs', 'JSON has no comments: remove it, or write the file in YAML.');
    if (code === 0x7d || code === 0x5d) this.fail('a value is missing', 'Remove the comma in front, or add the value.');
    if (Number.isNaN(code)) this.fail('the text ends where a value belongs', 'The file may be cut off; close every { and [.');
    return this.fail(
      'no JSON value starts here',
      'A value is a string in double quotes, a number, true, false, null, an object or an array.',
    );
  }

  private object(depth: number): Record<string, unknown> {
    this.limit(depth);
    const result: Record<string, unknown> = {};
    const names: string[] = [];
    const keys: number[] = [];
    const values: number[] = [];
    // A Set pays only for wide objects.
    let seen: Set<string> | null = null;
    this.at++;
    this.space();
    if (this.text.charCodeAt(this.at) === 0x7d) {
      this.at++;
      this.places.set(result, { names, keys, values });
      return result;
    }
    for (;;) {
      const keyAt = this.at;
      if (this.text.charCodeAt(this.at) !== 0x22)
        this.fail('a field name in double quotes is missing', 'Write every field as "name": value, without a comma after the last one.');
      const name = this.string();
      if (seen === null && names.length >= 16) seen = new Set(names);
      if (seen === null ? names.includes(name) : seen.has(name)) {
        this.at = keyAt;
        this.fail(`the field ${JSON.stringify(name)} occurs twice in one object`, 'Remove one of the two.');
      }
      seen?.add(name);
      this.space();
      if (this.text.charCodeAt(this.at) !== 0x3a)
        this.fail(`a colon is missing after ${JSON.stringify(name)}`, 'Write every field as "name": value.');
      this.at++;
      this.space();
      names.push(name);
      keys.push(keyAt);
      values.push(this.at);
      const value = this.value(depth);
      if (name === '__proto__')
        Object.defineProperty(result, name, {
          value,
          enumerable: true,
          configurable: true,
          writable: true,
        });
      else result[name] = value;
      if (this.end(0x7d, 'object', '}')) break;
    }
    this.places.set(result, { names, keys, values });
    return result;
  }

  private array(depth: number): unknown[] {
    this.limit(depth);
    const result: unknown[] = [];
    const values: number[] = [];
    this.at++;
    this.space();
    if (this.text.charCodeAt(this.at) === 0x5d) {
      this.at++;
      this.places.set(result, { names: null, keys: values, values });
      return result;
    }
    do {
      values.push(this.at);
      result.push(this.value(depth));
    } while (!this.end(0x5d, 'array', ']'));
    this.places.set(result, { names: null, keys: values, values });
    return result;
  }

  /** After an element: true at the closing bracket, false after a comma. */
  private end(close: number, what: string, bracket: string): boolean {
    this.space();
    const code = this.text.charCodeAt(this.at);
    if (code === 0x2c) {
      this.at++;
      this.space();
      return false;
    }
    if (code === close) {
      this.at++;
      return true;
    }
    if (Number.isNaN(code)) this.fail(`the text ends inside an ${what}`, `The file may be cut off; close it with ${bracket}.`);
    return this.fail(`a comma or ${bracket} is missing`, `Elements of an ${what} are separated by commas.`);
  }

  private string(): string {
    const { text } = this;
    const from = this.at;
    let escaped = false;
    for (let i = from + 1; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code === 0x22) {
        this.at = i + 1;
        if (!escaped) return text.slice(from + 1, i);
        try {
          return String(JSON.parse(text.slice(from, i + 1)));
        } catch {
          this.at = from;
          this.fail(
            'a string holds an escape that JSON does not know',
            'Escapes are \\" \\\\ \\/ \\b \\f \\n \\r \\t and \\uXXXX; write a backslash as \\\\.',
          );
        }
      }
      if (code === 0x5c) {
        escaped = true;
        i++;
      } else if (code < 0x20) {
        this.at = i;
        this.fail(
          'a string holds a control character or goes over the end of its line',
          'Close the string with ", and write a line break as \\n.',
        );
      }
    }
    return this.fail('a string is not closed', 'Close it with ".');
  }

  private number(): number {
    number.lastIndex = this.at;
    const match = number.exec(this.text);
    if (match === null) return this.fail('this is not a JSON number', 'Write it as 12, -3 or 0.5; quote it when it is text.');
    this.at += match[0].length;
    const code = this.text.charCodeAt(this.at);
    // 012, 1.2.3, 10s
    if ((code >= 0x30 && code <= 0x39) || code === 0x2e || (code >= 0x61 && code <= 0x7a) || (code >= 0x41 && code <= 0x5a)) {
      this.fail('this is not a JSON number', 'Write it as 12, -3 or 0.5; quote it when it is text.');
    }
    return Number(match[0]);
  }

  private skip<T>(length: number, value: T): T {
    this.at += length;
    return value;
  }

  private space(): void {
    const { text } = this;
    for (;;) {
      const code = text.charCodeAt(this.at);
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return;
      this.at++;
    }
  }

  private limit(depth: number): void {
    if (depth > maxDepth) this.fail(`objects and arrays are nested more than ${maxDepth} deep`, 'No kind of document needs that depth.');
  }

  private fail(message: string, hint: string): never {
    throw new Failure({ offset: this.at, message, hint });
  }
}

/** Turns offsets into 1-based line and column. */
export class LineIndex {
  private readonly starts: number[] = [0];

  constructor(text: string) {
    for (let i = text.indexOf('\n'); i !== -1; i = text.indexOf('\n', i + 1)) this.starts.push(i + 1);
  }

  place(offset: number): { readonly line: number; readonly column: number } {
    let low = 0;
    let high = this.starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return { line: low + 1, column: offset - (this.starts[low] ?? 0) + 1 };
  }
}
