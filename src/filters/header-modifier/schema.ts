import { z } from 'zod';
import { templateProblem } from './template.ts';

/** Names whose change would break framing, routing or the connection: they belong to the engine. */
const protectedNames: ReadonlySet<string> = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** Field name (RFC 9110 §5.1 token) that a filter may touch. */
export const headerName = z
  .string()
  .min(1)
  .max(256)
  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, "a header name is a token: letters, digits and !#$%&'*+-.^_`|~")
  .refine((name) => !protectedNames.has(name.toLowerCase()), {
    error: (issue) =>
      `\`${String(issue.input)}\` carries framing, routing or connection state and cannot be changed by a filter; rewrite the host with the route's own host rewrite`,
  });

/** Field value (RFC 9110 §5.5): no control characters but tab, nothing that could start another line. */
export const headerValue = z
  .string()
  .max(8192)
  .refine(
    (value) => !/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value),
    'a header value must not hold CR, LF, NUL or other control characters',
  )
  .refine((value) => !/[\u0100-\uffff]/.test(value), 'a header value must be within Latin-1; encode other characters')
  .refine((value) => value.trim() === value, 'a header value must not begin or end with white space');

const header = z.strictObject({
  name: headerName.describe('Header name, any case; sent as written.'),
  value: headerValue.describe('Header value.'),
});

const changes = z.strictObject({
  set: z.array(header).max(256).optional().describe('Overwrite: every line of that name goes, one is written.'),
  add: z.array(header).max(256).optional().describe('Append one more line; existing ones stay.'),
  remove: z.array(headerName).max(256).optional().describe('Drop every line of these names.'),
});

/**
 * Gateway API RequestHeaderModifier / ResponseHeaderModifier and Istio `headers`. Order within one side: `remove` is
 * applied after `set` and `add` (Envoy removes last).
 */
export const headerModifierSchema = z
  .strictObject({
    request: changes.optional().describe('Changes to the request as the upstream gets it.'),
    response: changes.optional().describe('Changes to the response as the client gets it.'),
    operators: z
      .boolean()
      .default(false)
      .describe(
        'Expand Envoy command operators (`%REQ(x-name)%`, `%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%` …) in values; `%%` is a percent sign. False: values are literal.',
      ),
  })
  .check((context) => {
    if (!context.value.operators) return;
    for (const side of ['request', 'response'] as const) {
      for (const verb of ['set', 'add'] as const) {
        for (const [index, entry] of (context.value[side]?.[verb] ?? []).entries()) {
          const problem = templateProblem(entry.value);
          if (problem !== null) {
            context.issues.push({
              code: 'custom',
              input: entry.value,
              path: [side, verb, index, 'value'],
              message: problem,
            });
          }
        }
      }
    }
  });

export type HeaderModifierConfig = z.output<typeof headerModifierSchema>;
