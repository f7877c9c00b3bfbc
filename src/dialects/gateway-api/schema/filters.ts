/** Filters of HTTPRoute and GRPCRoute, rule level and backend level alike. */
import { z } from 'zod';
import { lazily } from '../../check.ts';
import { backendObject, groupName, kindName, objectName, portNumber, preciseHostname } from './common.ts';

const headerToken = lazily(() =>
  z
    .string()
    .min(1)
    .max(256)
    .regex(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/, "a header name is a token: letters, digits and !#$%&'*+-.^_`|~"),
);
const header = lazily(() => z.strictObject({ name: headerToken(), value: z.string().min(1).max(4096) }));

/** HTTPHeaderFilter: names are unique within `set` and within `add`, as list map keys. */
const headers = lazily(() =>
  z
    .strictObject({
      set: z.array(header()).max(16).optional(),
      add: z.array(header()).max(16).optional(),
      remove: z.array(headerToken()).max(16).optional(),
    })
    .check((context) => {
      for (const verb of ['set', 'add'] as const) {
        const seen = new Set<string>();
        for (const [index, { name }] of (context.value[verb] ?? []).entries()) {
          if (seen.has(name.toLowerCase()))
            context.issues.push({ code: 'custom', input: name, path: [verb, index, 'name'], message: `'${name}' occurs twice in ${verb}` });
          seen.add(name.toLowerCase());
        }
      }
    }),
);
export type HeaderFilter = z.output<ReturnType<typeof headers>>;

const pathModifier = lazily(() =>
  z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('ReplaceFullPath'), replaceFullPath: z.string().max(1024) }),
    z.strictObject({ type: z.literal('ReplacePrefixMatch'), replacePrefixMatch: z.string().max(1024) }),
  ]),
);
export type PathModifier = z.output<ReturnType<typeof pathModifier>>;

const redirect = lazily(() =>
  z.strictObject({
    scheme: z.enum(['http', 'https']).optional(),
    hostname: preciseHostname().optional(),
    path: pathModifier().optional(),
    port: portNumber().optional(),
    statusCode: z.union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)]).default(302),
  }),
);
export type RedirectFilter = z.output<ReturnType<typeof redirect>>;

const urlRewrite = lazily(() => z.strictObject({ hostname: preciseHostname().optional(), path: pathModifier().optional() }));
export type UrlRewriteFilter = z.output<ReturnType<typeof urlRewrite>>;

const mirror = lazily(() =>
  z
    .strictObject({
      backendRef: backendObject(),
      percent: z.int().min(0).max(100).optional(),
      fraction: z
        .strictObject({ numerator: z.int().min(0), denominator: z.int().min(1).default(100) })
        .refine(({ numerator, denominator }) => numerator <= denominator, 'numerator must not exceed denominator')
        .optional(),
    })
    .refine(({ percent, fraction }) => percent === undefined || fraction === undefined, 'write either percent or fraction'),
);

const cors = lazily(() => {
  const list = z.array(z.string().min(1).max(253)).max(64).optional();
  return z.strictObject({
    allowOrigins: list,
    allowMethods: z
      .array(z.enum(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH', '*']))
      .max(9)
      .optional(),
    allowHeaders: list,
    exposeHeaders: list,
    allowCredentials: z.boolean().optional(),
    maxAge: z.int().min(1).default(5),
  });
});

const externalAuth = lazily(() =>
  z.strictObject({
    protocol: z.enum(['HTTP', 'GRPC']),
    backendRef: backendObject(),
    grpc: z.strictObject({ allowedHeaders: z.array(z.string()).max(64).optional() }).optional(),
    http: z
      .strictObject({
        path: z.string().max(1024).optional(),
        allowedHeaders: z.array(z.string()).max(64).optional(),
        allowedResponseHeaders: z.array(z.string()).max(64).optional(),
      })
      .optional(),
    forwardBody: z.strictObject({ maxSize: z.int().min(0).max(65535).optional() }).optional(),
  }),
);

const extensionRef = lazily(() => z.strictObject({ group: groupName(), kind: kindName(), name: objectName() }));

const modifiers = lazily(
  () =>
    [
      z.strictObject({ type: z.literal('RequestHeaderModifier'), requestHeaderModifier: headers() }),
      z.strictObject({ type: z.literal('ResponseHeaderModifier'), responseHeaderModifier: headers() }),
      z.strictObject({ type: z.literal('RequestMirror'), requestMirror: mirror() }),
      z.strictObject({ type: z.literal('ExtensionRef'), extensionRef: extensionRef() }),
    ] as const,
);

export const httpFilter = lazily(() =>
  z.discriminatedUnion('type', [
    ...modifiers(),
    z.strictObject({ type: z.literal('RequestRedirect'), requestRedirect: redirect() }),
    z.strictObject({ type: z.literal('URLRewrite'), urlRewrite: urlRewrite() }),
    z.strictObject({ type: z.literal('CORS'), cors: cors() }),
    z.strictObject({ type: z.literal('ExternalAuth'), externalAuth: externalAuth() }),
  ]),
);
export type HttpFilter = z.output<ReturnType<typeof httpFilter>>;

/** GRPCRoute has no redirect, rewrite, CORS or external authorization. */
export const grpcFilter = lazily(() => z.discriminatedUnion('type', [...modifiers()]));

/** At most one of each, but mirrors and extensions; a redirect excludes a rewrite. `at` is the path of the list. */
export function filterListProblems(filters: readonly { readonly type: string }[]): { readonly index: number; readonly message: string }[] {
  const problems: { index: number; message: string }[] = [];
  const seen = new Set<string>();
  for (const [index, { type }] of filters.entries()) {
    if (type !== 'RequestMirror' && type !== 'ExtensionRef' && seen.has(type))
      problems.push({ index, message: `${type} may occur only once` });
    if ((type === 'URLRewrite' && seen.has('RequestRedirect')) || (type === 'RequestRedirect' && seen.has('URLRewrite')))
      problems.push({ index, message: 'RequestRedirect and URLRewrite exclude one another' });
    seen.add(type);
  }
  return problems;
}
