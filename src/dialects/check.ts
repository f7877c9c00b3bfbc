/** Schema issues become diagnostics here, for every dialect: code, place, and what to write instead. */
import { z } from 'zod';
import { nearest } from '../base/text.ts';
import type { Diagnostic, ResourceRef } from '../model/diagnostic.ts';
import { diagnose, type MessageCode } from '../analysis/messages.ts';
import type { LocatedDocument, Path } from './dialect.ts';

export interface Checked<Value> {
  /** Null when the value does not fit the schema; warnings do not make it null. */
  readonly value: Value | null;
  readonly diagnostics: readonly Diagnostic[];
}

/** What a refinement may say about its own issue: `context.addIssue({code: 'custom', message, params: issue({...})})`. */
export interface IssueParams {
  /** WR0105 when absent. */
  readonly diagnostic?: MessageCode;
  readonly hint?: string;
  /** Point at the key instead of the value. */
  readonly key?: boolean;
}

export function issue(params: IssueParams): Record<string, unknown> {
  return { ...params };
}

/** Builds a schema at first use: a run that meets no VirtualService never pays for its schema. */
export function lazily<Value>(make: () => Value): () => Value {
  let made: { readonly value: Value } | null = null;
  return () => (made ??= { value: make() }).value;
}

/**
 * Checks `value`, which stands at `path` of `document`. Unknown fields are WR0104 at their key, missing ones WR0106
 * at the object they miss from, the rest WR0105 at the value.
 */
export function check<Value>(
  schema: z.ZodType<Value>,
  value: unknown,
  document: LocatedDocument,
  path: Path,
  resource: ResourceRef | null,
): Checked<Value> {
  const result = schema.safeParse(value, { reportInput: true, error: nameKnownKeys });
  if (result.success) return { value: result.data, diagnostics: [] };
  const diagnostics: Diagnostic[] = [];
  for (const found of result.error.issues) report(found, path, { document, resource, diagnostics });
  return { value: null, diagnostics };
}

interface Report {
  readonly document: LocatedDocument;
  readonly resource: ResourceRef | null;
  readonly diagnostics: Diagnostic[];
}

type Issue = z.core.$ZodIssue;

/** Zod does not put the known keys into the issue; the message carries them to `report`, separated by spaces. */
function nameKnownKeys(raw: z.core.$ZodRawIssue): string | undefined {
  if (raw.code !== 'unrecognized_keys' && (raw.code !== 'invalid_type' || raw.expected !== 'object')) return undefined;
  const schema = raw.inst;
  return schema instanceof z.ZodObject ? Object.keys(schema.shape).join(' ') : '';
}

function report(found: Issue, base: Path, to: Report): void {
  const path = [...base, ...found.path.map((step) => (typeof step === 'symbol' ? String(step) : step))];
  const add = (code: MessageCode, at: Path, message: string, hint?: string, key = false): void => {
    const place = { file: to.document.file, ...to.document.locate(at, key) };
    to.diagnostics.push(diagnose(code, place, to.resource, message, hint === undefined ? {} : { hint }));
  };
  const field = fieldName(path);
  switch (found.code) {
    case 'unrecognized_keys':
      for (const key of found.keys)
        add(
          'WR0104',
          [...path, key],
          `unknown field '${key}'${path.length === 0 ? '' : ` in ${field}`}`,
          suggestion(key, found.message.split(' ')),
          true,
        );
      return;
    case 'invalid_type': {
      const hint = ownHint(found.message) ?? (found.expected === 'object' ? fieldsHint(found.message) : undefined);
      if (found.input === undefined)
        add('WR0106', path, `${field} is required`, hint ?? `write a value of type ${found.expected} for '${String(path.at(-1) ?? '')}'`);
      else
        add(
          'WR0105',
          path,
          `${field} must be of type ${found.expected}, not ${typeName(found.input)}`,
          hint ?? retypeHint(found.expected, found.input),
        );
      return;
    }
    case 'too_big':
      return add(
        'WR0105',
        path,
        sizeMessage(field, found.origin, found.input, 'at most', found.maximum),
        sizeHint(found.origin, 'to', found.maximum),
      );
    case 'too_small':
      return add(
        'WR0105',
        path,
        sizeMessage(field, found.origin, found.input, 'at least', found.minimum),
        sizeHint(found.origin, 'from', found.minimum),
      );
    case 'invalid_value': {
      if (found.input === undefined) return add('WR0106', path, `${field} is required`, allowed(found.values));
      const near = typeof found.input === 'string' ? nearest(found.input, found.values.map(String)) : null;
      return add(
        'WR0105',
        path,
        `${field} cannot be ${show(found.input)}`,
        near === null ? allowed(found.values) : `did you mean '${near}'? ${allowed(found.values)}`,
      );
    }
    case 'invalid_union':
      return reportUnion(found, path, field, to, add);
    case 'invalid_key':
      for (const inner of found.issues)
        add('WR0105', path, `${field}: ${inner.message}`, inner.code === 'custom' ? hintOf(inner.params) : undefined, true);
      return;
    case 'invalid_element':
      for (const inner of found.issues) report(inner, path, to);
      return;
    case 'custom': {
      const params = found.params ?? {};
      return add(
        codeOf(params),
        path,
        path.length === 0 ? found.message : `${field}: ${found.message}`,
        hintOf(params),
        params.key === true,
      );
    }
    default:
      return add('WR0105', path, `${field}: ${lowerFirst(found.message)}`);
  }
}

/** Only the alternative that came closest is worth telling: the one that failed deepest, then with the fewest issues. */
function reportUnion(
  found: z.core.$ZodIssueInvalidUnion,
  path: Path,
  field: string,
  to: Report,
  add: (code: MessageCode, at: Path, message: string, hint?: string) => void,
): void {
  if (found.input === undefined) return add('WR0106', path, `${field} is required`);
  const depth = (issues: readonly Issue[]): number =>
    Math.max(...issues.map((one) => one.path.length + (one.code === 'unrecognized_keys' ? 1 : 0)), 0);
  const ranked = found.errors.filter((issues) => issues.length > 0).toSorted((a, b) => depth(b) - depth(a) || a.length - b.length);
  const best = ranked[0];
  if (best && depth(best) > 0) {
    for (const inner of best) report(inner, path, to);
    return;
  }
  const expected = new Set<string>();
  for (const issues of ranked)
    for (const one of issues)
      expected.add(
        one.code === 'invalid_type'
          ? one.expected
          : one.code === 'invalid_value'
            ? one.values.map(show).join(' or ')
            : one.code === 'invalid_format'
              ? one.message.replace(/^Invalid /, '')
              : lowerFirst(one.message),
      );
  add(
    'WR0105',
    path,
    `${field} cannot be ${show(found.input)}`,
    expected.size === 0 ? undefined : `expected ${[...expected].join(', or ')}`,
  );
}

function codeOf(params: Record<string, unknown>): MessageCode {
  return params.diagnostic === 'WR0104' ||
    params.diagnostic === 'WR0106' ||
    params.diagnostic === 'WR0109' ||
    params.diagnostic === 'WR0111'
    ? params.diagnostic
    : 'WR0105';
}

function hintOf(params: Record<string, unknown> | undefined): string | undefined {
  return typeof params?.hint === 'string' ? params.hint : undefined;
}

/** A schema may bring its hint as its message: `z.string({error: 'write …'})`. */
function ownHint(message: string): string | undefined {
  return message.startsWith('write ') ? message : undefined;
}

function fieldsHint(message: string): string | undefined {
  const names = message.split(' ').filter((name) => name !== '');
  return names.length === 0 ? undefined : `write its fields below it: ${names.slice(0, 8).join(', ')}${names.length > 8 ? ' …' : ''}`;
}

function sizeMessage(field: string, origin: string, input: unknown, relation: string, bound: number | bigint): string {
  if (origin === 'string') return bound === 1 ? `${field} must not be empty` : `${field} must have ${relation} ${bound} characters`;
  if (origin === 'array') return bound === 1 ? `${field} must not be empty` : `${field} must have ${relation} ${bound} elements`;
  return `${field} is ${show(input)} and must be ${relation} ${bound}`;
}

function sizeHint(origin: string, side: 'from' | 'to', bound: number | bigint): string {
  const more = side === 'from';
  if (origin === 'array') return more ? 'add an element ("- …"), or leave the field out' : 'split it over several resources';
  if (origin === 'string') return more ? 'write a value, or leave the field out' : `write up to ${bound} characters`;
  return `write a number ${more ? 'from' : 'up to'} ${bound}${more ? ' on' : ''}`;
}

function suggestion(key: string, known: readonly string[]): string | undefined {
  const near = nearest(key, known);
  if (near !== null) return `did you mean '${near}'?`;
  const names = known.filter((name) => name !== '');
  return names.length === 0 || names.length > 20 ? undefined : `known fields: ${names.join(', ')}`;
}

function allowed(values: readonly unknown[]): string {
  return values.length === 1 ? `the only value is ${show(values[0])}` : `one of ${values.map(show).join(', ')}`;
}

function retypeHint(expected: string, input: unknown): string {
  if (expected === 'string' && (typeof input === 'number' || typeof input === 'boolean')) return `put it in quotes: "${String(input)}"`;
  if ((expected === 'number' || expected === 'int') && typeof input === 'string' && /^\d+$/.test(input))
    return `write it without quotes: ${input}`;
  if (expected === 'boolean' && typeof input === 'string' && /^(true|false)$/i.test(input))
    return `write it without quotes: ${input.toLowerCase()}`;
  if (expected === 'array' && input !== null) return 'write a list: one line for each element, starting with "- "';
  if (expected === 'number' || expected === 'int') return 'write a number, without quotes';
  if (expected === 'boolean') return 'write true or false, without quotes';
  if (expected === 'object') return 'write its fields below it, indented by two spaces: "name: value"';
  if (expected === 'string') return Array.isArray(input) ? 'write one value, not a list' : 'write a text';
  return `write a value of type ${expected}`;
}

/** `spec.http[0].match[1].uri` for messages. */
export function fieldName(path: Path): string {
  let text = '';
  for (const step of path)
    text += typeof step === 'number' ? `[${step}]` : /^[\w$-]+$/.test(step) ? `${text === '' ? '' : '.'}${step}` : `["${step}"]`;
  return text === '' ? 'the document' : text;
}

function typeName(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'array' : typeof value;
}

function show(value: unknown): string {
  if (typeof value === 'string') return `'${value.length > 60 ? `${value.slice(0, 60)}…` : value}'`;
  return typeof value === 'object' && value !== null ? (Array.isArray(value) ? 'a list' : 'an object') : String(value);
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}

/** A plain object: the shape of every document worth reading. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A copy without fields that are null: in Kubernetes and protobuf JSON a null field is an absent one. */
export function withoutNulls(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNulls);
  if (!isRecord(value)) return value;
  const kept: Record<string, unknown> = {};
  for (const [key, inner] of Object.entries(value))
    if (inner !== null)
      Object.defineProperty(kept, key, {
        value: withoutNulls(inner),
        enumerable: true,
        writable: true,
        configurable: true,
      });
  return kept;
}
