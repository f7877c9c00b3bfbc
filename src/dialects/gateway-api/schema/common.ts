/** Types that several Gateway API kinds share, with the limits of their CRDs (v1.6). */
import { isIP } from 'node:net';
import { z } from 'zod';
import { lazily } from '../../check.ts';

export const gatewayGroup = 'gateway.networking.k8s.io';

const dnsLabel = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const subdomain = new RegExp(`^${dnsLabel}(?:\\.${dnsLabel})*$`);
const wildcard = new RegExp(`^(?:\\*\\.)?${dnsLabel}(?:\\.${dnsLabel})*$`);

export const objectName = lazily(() => z.string().min(1).max(253));
export const namespaceName = lazily(() =>
  z
    .string()
    .max(63)
    .regex(new RegExp(`^${dnsLabel}$`), 'a namespace is lower-case letters, digits and -'),
);
export const sectionName = lazily(() =>
  z.string().min(1).max(253).regex(subdomain, 'a section name is lower-case letters, digits, - and .'),
);
export const groupName = lazily(() =>
  z
    .string()
    .max(253)
    .regex(new RegExp(`^$|${subdomain.source}`), 'a group is a domain name, or empty for the core group'),
);
export const kindName = lazily(() =>
  z
    .string()
    .max(63)
    .regex(/^[a-zA-Z](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/, 'a kind is letters, digits and -'),
);
export const portNumber = lazily(() => z.int().min(1).max(65535));

export const preciseHostname = lazily(() =>
  z
    .string()
    .min(1)
    .max(253)
    .regex(subdomain, 'a host name is lower-case letters, digits, - and ., without port and wildcard')
    .refine((host) => isIP(host) === 0, 'a host name cannot be an IP address'),
);
export const hostname = lazily(() =>
  z
    .string()
    .min(1)
    .max(253)
    .regex(wildcard, 'a host name is lower-case letters, digits, - and ., with at most a leading *.')
    .refine((host) => isIP(host) === 0, 'a host name cannot be an IP address'),
);

/** GEP-2257: up to four pairs of a number and h, m, s or ms. */
export const duration = lazily(() => z.string().regex(/^(?:[0-9]{1,5}(?:h|m|s|ms)){1,4}$/, "a duration is like '10s', '1m30s' or '500ms'"));

/** Milliseconds of a duration that passed the schema. */
export function durationMs(text: string): number {
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/([0-9]+)(ms|h|m|s)/g))
    total += Number(amount) * (unit === 'h' ? 3_600_000 : unit === 'm' ? 60_000 : unit === 's' ? 1000 : 1);
  return total;
}

export const labelSelector = lazily(() =>
  z.strictObject({
    matchLabels: z.record(z.string(), z.string()).optional(),
    matchExpressions: z
      .array(
        z.strictObject({
          key: z.string().min(1),
          operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
          values: z.array(z.string()).optional(),
        }),
      )
      .optional(),
  }),
);
export type LabelSelector = z.output<ReturnType<typeof labelSelector>>;

export const parentRefs = lazily(() =>
  z
    .array(
      z.strictObject({
        group: groupName().default(gatewayGroup),
        kind: kindName().default('Gateway'),
        namespace: namespaceName().optional(),
        name: objectName(),
        sectionName: sectionName().optional(),
        port: portNumber().optional(),
      }),
    )
    .max(32)
    .default([])
    .check((context) => {
      // Standard CRD rules: several references to one parent must each name a different section or port.
      const seen = new Map<string, { sections: Set<string>; bare: boolean }>();
      for (const [index, ref] of context.value.entries()) {
        const key = `${ref.group} ${ref.kind} ${ref.namespace ?? ''} ${ref.name}`;
        const section = `${ref.sectionName ?? ''} ${ref.port ?? ''}`;
        const bare = section === ' ';
        const entry = seen.get(key);
        if (entry === undefined) {
          seen.set(key, { sections: new Set([section]), bare });
          continue;
        }
        if (bare || entry.bare || entry.sections.has(section))
          context.issues.push({
            code: 'custom',
            input: ref,
            path: [index],
            message: 'two references to the same parent must each name a different sectionName or port',
          });
        entry.sections.add(section);
      }
    }),
);
export type ParentRef = z.output<ReturnType<typeof parentRefs>>[number];

/** Fields of CommonRouteSpec. */
export const commonRoute = lazily(() => ({
  parentRefs: parentRefs(),
  useDefaultGateways: z.enum(['All', 'None']).optional(),
}));

const backendFields = (): {
  group: z.ZodDefault<z.ZodString>;
  kind: z.ZodDefault<z.ZodString>;
  namespace: z.ZodOptional<z.ZodString>;
  name: z.ZodString;
  port: z.ZodOptional<z.ZodInt>;
} => ({
  group: groupName().default(''),
  kind: kindName().default('Service'),
  namespace: namespaceName().optional(),
  name: objectName(),
  port: portNumber().optional(),
});

function needsPort(context: z.core.ParsePayload<{ group: string; kind: string; port?: number | undefined }>): void {
  const { group, kind, port } = context.value;
  if (group === '' && kind === 'Service' && port === undefined)
    context.issues.push({ code: 'custom', input: context.value, path: [], message: 'a reference to a Service needs a port' });
}

export const backendObject = lazily(() => z.strictObject(backendFields()).check(needsPort));

export const weight = lazily(() => z.int().min(0).max(1_000_000).default(1));

/** backendRefs of L4 routes and, with filters, of HTTPRoute and GRPCRoute. */
export const backendRef = lazily(() => z.strictObject({ ...backendFields(), weight: weight() }).check(needsPort));

export function backendRefWith<Filter extends z.ZodType>(
  filter: Filter,
): z.ZodObject<
  ReturnType<typeof backendFields> & { weight: ReturnType<typeof weight>; filters: z.ZodDefault<z.ZodArray<Filter>> },
  z.core.$strict
> {
  return z.strictObject({ ...backendFields(), weight: weight(), filters: z.array(filter).max(16).default([]) }).check(needsPort);
}

export const sessionPersistence = lazily(() =>
  z.strictObject({
    sessionName: z.string().max(128).optional(),
    absoluteTimeout: duration().optional(),
    idleTimeout: duration().optional(),
    type: z.enum(['Cookie', 'Header']).default('Cookie'),
    cookieConfig: z.strictObject({ lifetimeType: z.enum(['Session', 'Permanent']).default('Session') }).optional(),
  }),
);

export const secretRef = lazily(() =>
  z.strictObject({
    group: groupName().default(''),
    kind: kindName().default('Secret'),
    namespace: namespaceName().optional(),
    name: objectName(),
  }),
);
export type SecretRef = z.output<ReturnType<typeof secretRef>>;

export const allowedRoutes = lazily(() =>
  z.strictObject({
    namespaces: z
      .strictObject({ from: z.enum(['All', 'Selector', 'Same', 'None']).default('Same'), selector: labelSelector().optional() })
      .optional(),
    kinds: z
      .array(z.strictObject({ group: groupName().default(gatewayGroup), kind: kindName() }))
      .max(8)
      .optional(),
  }),
);
