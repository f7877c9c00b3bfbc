import { z } from 'zod';

/** Calendar names are UTC: a `month` is the calendar month, as Kong counts it. */
export const periodNames = ['second', 'minute', 'hour', 'day', 'month', 'year'] as const;
export type PeriodName = (typeof periodNames)[number];

const limit = z
  .strictObject({
    requests: z
      .int()
      .min(1)
      .max(2 ** 31 - 1)
      .describe('Requests allowed in each period.'),
    per: z
      .union([
        z.enum(periodNames),
        z.strictObject({
          seconds: z.int().min(1).max(31_536_000).describe('Length of the period, seconds.'),
        }),
      ])
      .describe('The period. Windows are aligned to the UTC clock.'),
    algorithm: z
      .enum(['fixed-window', 'token-bucket'])
      .default('fixed-window')
      .describe(
        '`fixed-window`: counted from zero in each period. `token-bucket`: refilled evenly over the period, so that no boundary lets twice the limit through.',
      ),
    burst: z
      .int()
      .min(1)
      .max(2 ** 31 - 1)
      .optional()
      .describe('Token bucket only: how many requests a full bucket holds. Default: `requests`.'),
  })
  .refine((value) => value.burst === undefined || value.algorithm === 'token-bucket', {
    path: ['burst'],
    error: '`burst` belongs to `algorithm: token-bucket`',
  });

const keyPart = z.union([
  z.strictObject({ ip: z.literal(true).describe("The client's address after trusted hops.") }),
  z.strictObject({
    header: z
      .string()
      .min(1)
      .max(256)
      .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, "a header name is a token: letters, digits and !#$%&'*+-.^_`|~")
      .describe('Value of this header (first line). Absent: the ip.'),
  }),
  z.strictObject({
    consumer: z.literal(true).describe('The authenticated consumer, else its credential, else the ip.'),
  }),
  z.strictObject({ credential: z.literal(true).describe('The credential shown, else the ip.') }),
  z.strictObject({
    path: z
      .union([z.literal(true), z.string().startsWith('/').max(4096)])
      .describe(
        '`true`: each canonical path has its own count. A path: requests for exactly this path share one count, others count by ip.',
      ),
  }),
  z.strictObject({
    service: z.literal(true).describe('The service of the route: one count for all clients. Without a service: the ip.'),
  }),
]);

/** Limits on requests, several at once: a request passes when every limit has room, and is counted by all or by none. */
export const rateLimitSchema = z
  .strictObject({
    limits: z.array(limit).min(1).max(8).describe('The limits. All must have room.'),
    key: z
      .array(keyPart)
      .min(1)
      .max(8)
      .default([{ ip: true }])
      .describe('Whom the limits count: the parts together name one subject.'),
    headers: z
      .enum(['kong', 'draft', 'none'])
      .default('draft')
      .describe(
        "What clients are told. `kong`: X-RateLimit-*-Minute and RateLimit-Limit/Remaining/Reset. `draft`: RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers). `none`: nothing, not even Retry-After (Kong's hide_client_headers).",
      ),
    status: z.int().min(400).max(599).default(429).describe('Status over a limit.'),
    message: z
      .string()
      .min(1)
      .max(1024)
      .optional()
      .describe('Text over a limit. Default: `API rate limit exceeded` (Kong routes), `local_rate_limited` (others, as Envoy).'),
  })
  .check((context) => {
    const seen = new Set<string>();
    for (const [index, entry] of context.value.limits.entries()) {
      const identity = `${entry.algorithm} ${typeof entry.per === 'string' ? entry.per : `${entry.per.seconds}s`}`;
      if (seen.has(identity)) {
        context.issues.push({
          code: 'custom',
          input: entry,
          path: ['limits', index, 'per'],
          message: 'two limits of one algorithm have the same period; the stricter one alone says the same',
        });
      }
      seen.add(identity);
    }
  });

export type RateLimitConfig = z.output<typeof rateLimitSchema>;
