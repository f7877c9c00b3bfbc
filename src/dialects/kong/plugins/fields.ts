/** Field types that Kong's plugin schemas share (`kong/db/schema/typedefs.lua`, `kong/tools/queue_schema.lua`, `kong/tools/redis/schema.lua`). */
import { z } from 'zod';
import { lazily } from '../../check.ts';

/** What the dialect must know of a plugin before it runs. */
export interface PluginSpec {
  /** Kong's priority: higher runs earlier. */
  readonly priority: number;
  /** Without it requests would get through, or to a place, that the plugin keeps them from: its scope fails closed. */
  readonly restricts: boolean;
  /** Scopes that Kong's schema refuses for it. */
  readonly not: readonly ('service' | 'route' | 'consumer')[];
  /** Built at first use. */
  readonly config: () => z.ZodType;
}

export type PluginFamily = Readonly<Record<string, PluginSpec>>;

export const text = z.string().min(1);
export const texts = z.array(text);
export const flag = (value: boolean) => z.boolean().default(value);
export const whole = (min: number, max: number) => z.int().min(min).max(max);
export const number = (min: number, max: number) => z.number().min(min).max(max);
export const port = whole(0, 65_535);
export const milliseconds = whole(0, 2 ** 31 - 2);
export const status = whole(100, 999);

export const host = z
  .string()
  .regex(/^[^\s/:@]+$|^[0-9a-fA-F:]+$|^\[[0-9a-fA-F:]+\]$/, 'a host name or an IP address, without scheme, port and path');

export const url = z
  .string()
  .refine(
    (value) => URL.canParse(value) && /^[a-z][a-z0-9+.-]*:\/\/[^/]/i.test(value),
    'a URL with scheme and host, as in http://example.com/path',
  );

export const headerName = z.string().regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'a header name is a token, without spaces and colons');

export const httpMethod = z.string().regex(/^[A-Z]+$/, 'an HTTP method in capitals');

export const cidr = z
  .string()
  .regex(
    /^(\d{1,3}\.){3}\d{1,3}(\/(3[0-2]|[12]?\d))?$|^[0-9a-fA-F:]*:[0-9a-fA-F:.]*(\/(12[0-8]|1[01]\d|[1-9]?\d))?$/,
    'an IP address or a CIDR range',
  )
  .refine(
    (value) =>
      value.includes(':') ||
      value
        .split('/')[0]
        ?.split('.')
        .every((part) => Number(part) <= 255),
    'each part of an IPv4 address is at most 255',
  );

/** `name:value` as the transformers take it. */
export const pair = z.string().regex(/^[^:]+:[\s\S]*$/, 'name and value are set apart by a colon: "x-header:value"');
export const pairs = z.array(pair).default([]);

export const lua = z.record(z.string(), z.string());

/** At most one of `names` may be there. */
export function exclusive(...names: readonly string[]) {
  return (context: { readonly value: unknown; readonly issues: z.core.$ZodRawIssue[] }): void => {
    const { value } = context;
    if (typeof value !== 'object' || value === null) return;
    const set = names.filter((name) => Reflect.get(value, name) !== undefined);
    if (set.length > 1)
      context.issues.push({ code: 'custom', input: value, path: [set[1] ?? ''], message: `cannot stand beside '${set[0]}'` });
  };
}

/** All of `names`, or none. */
export function together(...names: readonly string[]) {
  return (context: { readonly value: unknown; readonly issues: z.core.$ZodRawIssue[] }): void => {
    const { value } = context;
    if (typeof value !== 'object' || value === null) return;
    const missing = names.filter((name) => Reflect.get(value, name) === undefined);
    if (missing.length > 0 && missing.length < names.length)
      context.issues.push({
        code: 'custom',
        input: value,
        path: [],
        message: `${names.join(', ')} belong together: ${missing.join(', ')} missing`,
      });
  };
}

/** One of `names` at least. */
export function required(...names: readonly string[]) {
  return (context: { readonly value: unknown; readonly issues: z.core.$ZodRawIssue[] }): void => {
    const { value } = context;
    if (typeof value !== 'object' || value === null) return;
    if (names.every((name) => Reflect.get(value, name) === undefined))
      context.issues.push({ code: 'custom', input: value, path: [], message: `at least one of ${names.join(', ')} is required` });
  };
}

export const queue = lazily(() =>
  z.strictObject({
    max_batch_size: whole(1, 1_000_000).default(1),
    max_coalescing_delay: number(0, 3600).default(1),
    max_entries: whole(1, 1_000_000).default(10_000),
    max_bytes: z.int().optional(),
    max_retry_time: z.number().default(60),
    initial_retry_delay: number(0.001, 1_000_000).default(0.01),
    max_retry_delay: number(0.001, 1_000_000).default(60),
    concurrency_limit: z.union([z.literal(1), z.literal(-1)]).default(1),
  }),
);

export const redis = lazily(() =>
  z.strictObject({
    host: host.optional(),
    port: port.default(6379),
    timeout: milliseconds.default(2000),
    username: z.string().optional(),
    password: z.string().optional(),
    database: z.int().default(0),
    ssl: flag(false),
    ssl_verify: flag(false),
    server_name: text.optional(),
  }),
);

/** Names that the redis fields had before Kong 3.8, still accepted there. */
export const flatRedis = {
  redis_host: host.optional(),
  redis_port: port.optional(),
  redis_timeout: milliseconds.optional(),
  redis_username: z.string().optional(),
  redis_password: z.string().optional(),
  redis_database: z.int().optional(),
  redis_ssl: z.boolean().optional(),
  redis_ssl_verify: z.boolean().optional(),
  redis_server_name: text.optional(),
};

export const flatRedisNames = [
  'redis_host',
  'redis_port',
  'redis_timeout',
  'redis_username',
  'redis_password',
  'redis_database',
  'redis_ssl',
  'redis_ssl_verify',
  'redis_server_name',
] as const satisfies readonly (keyof typeof flatRedis)[];

/** Limits of the two rate-limiting plugins. */
export const periods = {
  second: z.number().positive().optional(),
  minute: z.number().positive().optional(),
  hour: z.number().positive().optional(),
  day: z.number().positive().optional(),
  month: z.number().positive().optional(),
  year: z.number().positive().optional(),
};

export const periodNames = ['second', 'minute', 'hour', 'day', 'month', 'year'] as const;

/** A longer period cannot allow less than a shorter one; one limit at least. */
export function periodsInOrder(context: { readonly value: unknown; readonly issues: z.core.$ZodRawIssue[] }): void {
  const { value } = context;
  if (typeof value !== 'object' || value === null) return;
  let shorter: { readonly name: string; readonly limit: number } | null = null;
  for (const name of periodNames) {
    const limit: unknown = Reflect.get(value, name);
    if (typeof limit !== 'number') continue;
    if (shorter !== null && limit < shorter.limit)
      context.issues.push({
        code: 'custom',
        input: limit,
        path: [name],
        message: `the limit for a ${name} (${limit}) cannot be lower than the one for a ${shorter.name} (${shorter.limit})`,
      });
    shorter = { name, limit };
  }
  if (shorter === null)
    context.issues.push({ code: 'custom', input: value, path: [], message: `at least one limit is required: ${periodNames.join(', ')}` });
}

/** A plugin that may stand in every scope. */
export function plugin(priority: number, restricts: boolean, config: () => z.ZodType, not: PluginSpec['not'] = []): PluginSpec {
  return { priority, restricts, not, config: lazily(config) };
}
