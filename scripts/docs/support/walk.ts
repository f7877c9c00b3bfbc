/** Reads zod schemas from outside: which fields there are, and values that might fit them. */
import { z } from 'zod';

/** A step down a value: a key, an element of a list (`[]`), a value of a map (`{}`). */
export type Step = string;

export interface Field {
  readonly path: readonly Step[];
  /** What stands there: a leaf (nothing to go down into). Several where a union offers several. */
  readonly schemas: readonly z.core.$ZodType[];
}

/** `spec.http[].match[].headers{}.exact` */
export function fieldText(path: readonly Step[]): string {
  return path.reduce((text, step) => (step === '[]' || step === '{}' ? text + step : text === '' ? step : `${text}.${step}`), '');
}

/** Bound of nesting: schemas that contain themselves end here. */
const maxDepth = 14;

/** Every leaf below a schema, in the order of its text. */
export function leaves(schema: z.core.$ZodType): readonly Field[] {
  const found = new Map<string, { path: readonly Step[]; schemas: z.core.$ZodType[] }>();
  const visit = (node: z.core.$ZodType, path: readonly Step[]): void => {
    if (path.length > maxDepth) return;
    const children = childrenOf(node);
    if (children !== null) {
      for (const [step, child] of children) visit(child, step === '' ? path : [...path, step]);
      return;
    }
    const text = fieldText(path);
    const field = found.get(text);
    if (field === undefined) found.set(text, { path, schemas: [node] });
    else field.schemas.push(node);
  };
  visit(schema, []);
  return [...found.values()];
}

/** Fields, elements or alternatives of a schema; null for a leaf. The step of a wrapper or alternative is empty. */
function childrenOf(node: z.core.$ZodType): readonly (readonly [Step, z.core.$ZodType])[] | null {
  const inner = unwrap(node);
  if (inner instanceof z.ZodObject) {
    const fields: [Step, z.core.$ZodType][] = [];
    for (const [key, child] of Object.entries(inner.shape)) if (isSchema(child)) fields.push([key, child]);
    return fields.length === 0 ? null : fields;
  }
  if (inner instanceof z.ZodArray) return [['[]', inner.element]];
  if (inner instanceof z.ZodRecord) return [['{}', inner.valueType]];
  if (inner instanceof z.ZodUnion)
    return inner.options.every((option) => childrenOf(option) === null) ? null : inner.options.map((option) => ['', option] as const);
  return null;
}

function isSchema(value: unknown): value is z.core.$ZodType {
  return value instanceof z.ZodType;
}

/** The schema beneath optional, default, lazy and the input side of transforms. */
export function unwrap(node: z.core.$ZodType): z.core.$ZodType {
  if (
    node instanceof z.ZodOptional ||
    node instanceof z.ZodNullable ||
    node instanceof z.ZodDefault ||
    node instanceof z.ZodPrefault ||
    node instanceof z.ZodReadonly
  )
    return unwrap(node.def.innerType);
  if (node instanceof z.ZodLazy) return unwrap(node.def.getter());
  // A transform in front takes anything: what counts is behind it. A transform behind leaves the front.
  if (node instanceof z.ZodPipe) return unwrap(node.def.in instanceof z.ZodTransform ? node.def.out : node.def.in);
  return node;
}

const strings = [
  'a.example',
  'other',
  '/probe',
  '/probe/',
  '^/probe[0-9]+$',
  '10.9.8.7',
  '10.9.8.0/24',
  '7s',
  '7',
  '7%',
  'POST',
  'https',
  'X-Probe',
  '*.probe.example',
  'http://probe.example/x',
  '0b5e1e5a-0000-4000-8000-000000000001',
  'c29tZXRoaW5n',
  '{"a":"b"}',
  '2026-01-01T00:00:00Z',
  'a.example/probe',
  'exact',
  '200-299',
  ...['a'.repeat(64), '-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----'],
] as const;
const numbers = [7, 2, 1, 0, 50, 443, 503, 301, 1000, 65_000, 0.5, 100_000] as const;

/** Values that the leaf alone accepts; an enumeration gives all it has. */
export function candidates(schema: z.core.$ZodType): readonly unknown[] {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodUnion) return inner.options.flatMap((option) => candidates(option));
  if (inner instanceof z.ZodEnum) return inner.options;
  if (inner instanceof z.ZodLiteral) return [...inner.values];
  if (inner instanceof z.ZodObject) return [{}];
  const pool: readonly unknown[] =
    inner instanceof z.ZodBoolean
      ? [true, false]
      : inner instanceof z.ZodNumber
        ? numbers
        : inner instanceof z.ZodString || inner instanceof z.ZodStringFormat
          ? strings
          : [...strings.slice(0, 4), ...numbers.slice(0, 2), true, {}];
  const fitting = pool.filter((value) => z.safeParse(schema, value).success);
  return fitting.slice(0, 6);
}

/** True when `candidates` gives every value there is. */
export function isChoice(schema: z.core.$ZodType): boolean {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodUnion) return inner.options.every((option) => isChoice(option));
  return inner instanceof z.ZodEnum || inner instanceof z.ZodLiteral || inner instanceof z.ZodBoolean;
}

/** A small value that the schema may accept: only what it requires. */
export function minimal(schema: z.core.$ZodType): unknown {
  const inner = unwrap(schema);
  if (inner instanceof z.ZodObject) {
    const value: Record<string, unknown> = {};
    for (const [name, child] of Object.entries(inner.shape))
      if (isSchema(child) && !z.safeParse(child, undefined).success) value[name] = minimal(child);
    return value;
  }
  if (inner instanceof z.ZodArray) return z.safeParse(schema, []).success ? [] : [minimal(inner.element)];
  if (inner instanceof z.ZodRecord) return {};
  if (inner instanceof z.ZodUnion) return minimal(inner.options[0]);
  return candidates(schema)[0];
}

/**
 * A copy of `base` with `leaf` at `path`, making what is missing on the way. Lists and maps take their first element. Null when
 * the base has something else on the way.
 */
export function withField(base: unknown, schema: z.core.$ZodType, path: readonly Step[], leaf: unknown): unknown {
  if (path.length === 0) return leaf;
  const inner = unwrap(schema);
  const [step, ...rest] = path;
  if (inner instanceof z.ZodUnion) {
    for (const start of [(): unknown => base, minimal]) {
      for (const option of inner.options) {
        const value = withField(start(option), option, path, leaf);
        if (value !== null && z.safeParse(option, value).success) return value;
      }
    }
    return null;
  }
  if (step === '[]' && inner instanceof z.ZodArray) {
    const list: readonly unknown[] = Array.isArray(base) ? base : [];
    const first = withField(list.length > 0 ? list[0] : minimal(inner.element), inner.element, rest, leaf);
    return first === null ? null : [first, ...list.slice(1)];
  }
  const record: Record<string, unknown> = typeof base === 'object' && base !== null && !Array.isArray(base) ? { ...base } : {};
  if (step === '{}' && inner instanceof z.ZodRecord) {
    const key = Object.keys(record)[0] ?? 'x-probe';
    const value = withField(record[key] ?? minimal(inner.valueType), inner.valueType, rest, leaf);
    return value === null ? null : { ...record, [key]: value };
  }
  if (!(inner instanceof z.ZodObject)) return null;
  const child: unknown = inner.shape[step];
  if (!isSchema(child)) return null;
  const value = withField(record[step] ?? minimal(child), child, rest, leaf);
  return value === null ? null : { ...record, [step]: value };
}
