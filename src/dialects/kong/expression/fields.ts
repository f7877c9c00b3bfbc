/** Fields of Kong's expressions router and what applies to them. */
import type { Operator } from './parse.ts';

export type FieldType = 'string' | 'int' | 'ip';

export const operators: readonly Operator[] = ['==', '!=', '~', '^=', '=^', '>=', '>', '<=', '<', 'in', 'not in', 'contains'];

const fixed: ReadonlyMap<string, FieldType> = new Map([
  ['net.protocol', 'string'],
  ['tls.sni', 'string'],
  ['http.method', 'string'],
  ['http.host', 'string'],
  ['http.path', 'string'],
  ['http.path.segments.len', 'int'],
  ['net.src.ip', 'ip'],
  ['net.src.port', 'int'],
  ['net.dst.ip', 'ip'],
  ['net.dst.port', 'int'],
]);

/** Null: no such field. */
export function fieldType(name: string): FieldType | null {
  const known = fixed.get(name);
  if (known !== undefined) return known;
  const segments = /^http\.path\.segments\.(0|[1-9]\d*)(?:_([1-9]\d*))?$/.exec(name);
  if (segments !== null) return segments[2] === undefined || Number(segments[1]) < Number(segments[2]) ? 'string' : null;
  return /^http\.headers\.[a-z0-9_]+$|^http\.queries\..+$/.test(name) ? 'string' : null;
}

export function transformsOf(name: string, type: FieldType): readonly string[] {
  if (type !== 'string') return [];
  return name.startsWith('http.headers.') || name.startsWith('http.queries.') ? ['lower', 'any'] : ['lower'];
}
