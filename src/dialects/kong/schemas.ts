/** Schemas of Kong's core entities (Kong 3.9, `kong/db/schema/entities`). Foreign keys and nested entities are read before. */
import { z } from 'zod';
import { issue, lazily } from '../check.ts';
import { parseHost, parseSni } from './hosts.ts';
import { pathProblem } from './paths.ts';
import { cidr, flag, headerName, host, httpMethod, port, text, whole } from './plugins/fields.ts';

const uuid = z.string().regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i, 'a UUID');

/** What every entity has. */
export const common = {
  id: uuid.optional(),
  created_at: z.number().min(0).optional(),
  updated_at: z.number().min(0).optional(),
  tags: z.array(text).optional(),
};

const name = z.string().regex(/^[^\s/:?#[\]@!$&'()*+,;=]+$/u, 'a name holds letters, digits and . - _ ~');
const timeout = whole(1, 2 ** 31 - 2).default(60_000);
export const protocols = ['http', 'https', 'grpc', 'grpcs', 'tcp', 'tls', 'tls_passthrough', 'udp', 'ws', 'wss'] as const;
export type Protocol = (typeof protocols)[number];
const protocol = z.enum(protocols);
const servicePath = z.string().regex(/^\/[^\s?#]*$/, 'a path begins with / and has no query');

/** Adds an issue with a hint of its own. */
function refuse(context: z.core.ParsePayload, message: string, hint?: string, regex = false): void {
  context.issues.push({
    code: 'custom',
    input: context.value,
    message,
    params: issue({ ...(hint === undefined ? {} : { hint }), ...(regex ? { diagnostic: 'WR0111' } : {}) }),
  });
}

export const serviceSchema = lazily(() =>
  z.strictObject({
    ...common,
    name: name.optional(),
    protocol: protocol.default('http'),
    host,
    port: port.default(80),
    path: servicePath.optional(),
    retries: whole(0, 32_767).optional(),
    connect_timeout: timeout,
    write_timeout: timeout,
    read_timeout: timeout,
    enabled: flag(true),
    tls_verify: z.boolean().optional(),
    tls_verify_depth: whole(0, 64).optional(),
    ca_certificates: z.array(uuid).optional(),
  }),
);
export type Service = z.output<ReturnType<typeof serviceSchema>>;

const exclusiveGroups: readonly (readonly Protocol[])[] = [
  ['http', 'https'],
  ['tcp', 'tls', 'udp'],
  ['tls_passthrough'],
  ['grpc', 'grpcs'],
  ['ws', 'wss'],
];

const address = z
  .strictObject({ ip: cidr.optional(), port: port.optional() })
  .refine((value) => value.ip !== undefined || value.port !== undefined, 'needs ip or port');

export const routeSchema = lazily(() =>
  z.strictObject({
    ...common,
    name: name.optional(),
    protocols: z
      .array(protocol)
      .min(1)
      .default(['http', 'https'])
      .refine(
        (value) => exclusiveGroups.some((group) => value.every((one) => group.includes(one))),
        'protocols of different families cannot stand together',
      ),
    methods: z.array(httpMethod).optional(),
    hosts: z
      .array(
        z.string().check((context) => {
          const parsed = parseHost(context.value);
          if (!parsed.ok) refuse(context, parsed.error, 'write example.com, *.example.com or example.*, with :port where it matters');
        }),
      )
      .optional(),
    paths: z
      .array(
        z.string().check((context) => {
          const problem = pathProblem(context.value);
          if (problem !== null) refuse(context, problem.message, problem.hint, problem.regex);
        }),
      )
      .optional(),
    headers: z
      .record(
        headerName.refine((key) => key.toLowerCase() !== 'host', "the host is matched by 'hosts'"),
        z.array(z.string()).min(1),
      )
      .optional(),
    snis: z
      .array(
        z.string().check((context) => {
          const parsed = parseSni(context.value);
          if (!parsed.ok) refuse(context, parsed.error);
        }),
      )
      .optional(),
    sources: z.array(address).optional(),
    destinations: z.array(address).optional(),
    https_redirect_status_code: z.union([z.literal(426), z.literal(301), z.literal(302), z.literal(307), z.literal(308)]).default(426),
    regex_priority: whole(0, 2 ** 32 - 1).default(0),
    strip_path: flag(true),
    path_handling: z.enum(['v0', 'v1']).default('v0'),
    preserve_host: flag(false),
    request_buffering: z.boolean().optional(),
    response_buffering: z.boolean().optional(),
    expression: text.optional(),
    priority: whole(0, 2 ** 46 - 1).optional(),
  }),
);
export type Route = z.output<ReturnType<typeof routeSchema>>;

const hashOn = z.enum(['none', 'consumer', 'ip', 'header', 'cookie', 'path', 'query_arg', 'uri_capture']).default('none');
const statuses = z.array(whole(100, 999));
const count = whole(0, 255).default(0);
const seconds = z.number().min(0).max(65_535);
const checkType = z.enum(['tcp', 'http', 'https', 'grpc', 'grpcs']).default('http');

export const upstreamSchema = lazily(() =>
  z.strictObject({
    ...common,
    name: host,
    algorithm: z.enum(['round-robin', 'consistent-hashing', 'least-connections', 'latency']).default('round-robin'),
    hash_on: hashOn,
    hash_fallback: hashOn,
    hash_on_header: headerName.optional(),
    hash_fallback_header: headerName.optional(),
    hash_on_cookie: text.optional(),
    hash_on_cookie_path: text.optional(),
    hash_on_query_arg: text.optional(),
    hash_fallback_query_arg: text.optional(),
    hash_on_uri_capture: text.optional(),
    hash_fallback_uri_capture: text.optional(),
    slots: whole(10, 65_536).optional(),
    healthchecks: z
      .strictObject({
        threshold: z.number().min(0).max(100).optional(),
        active: z
          .strictObject({
            type: checkType,
            timeout: seconds.default(1),
            concurrency: whole(1, 2 ** 31).default(10),
            http_path: servicePath.default('/'),
            https_sni: text.optional(),
            https_verify_certificate: flag(true),
            headers: z.record(headerName, z.array(z.string())).optional(),
            healthy: z.strictObject({ interval: seconds.default(0), http_statuses: statuses.optional(), successes: count }).optional(),
            unhealthy: z
              .strictObject({
                interval: seconds.default(0),
                http_statuses: statuses.optional(),
                tcp_failures: count,
                timeouts: count,
                http_failures: count,
              })
              .optional(),
          })
          .optional(),
        passive: z
          .strictObject({
            type: checkType,
            healthy: z.strictObject({ http_statuses: statuses.optional(), successes: count }).optional(),
            unhealthy: z
              .strictObject({ http_statuses: statuses.optional(), tcp_failures: count, timeouts: count, http_failures: count })
              .optional(),
          })
          .optional(),
      })
      .optional(),
    host_header: text.optional(),
    use_srv_name: flag(false),
  }),
);
export type Upstream = z.output<ReturnType<typeof upstreamSchema>>;

export const targetSchema = lazily(() =>
  z.strictObject({
    ...common,
    target: z
      .string()
      .regex(
        /^\[[0-9a-fA-F:.]+\](:\d{1,5})?$|^[0-9a-fA-F]*:[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$|^[^\s:/]+(:\d{1,5})?$/,
        'a target is host or host:port',
      )
      .refine((value) => Number(/[^:]:(\d{1,5})$/.exec(value)?.[1] ?? 1) <= 65_535, 'the port is at most 65535'),
    weight: whole(0, 65_535).default(100),
  }),
);
export type Target = z.output<ReturnType<typeof targetSchema>>;

export const consumerSchema = lazily(() =>
  z
    .strictObject({ ...common, username: text.optional(), custom_id: text.optional() })
    .refine((value) => value.username !== undefined || value.custom_id !== undefined, 'username or custom_id is required'),
);
export type Consumer = z.output<ReturnType<typeof consumerSchema>>;

export const pluginSchema = lazily(() =>
  z.strictObject({
    ...common,
    name: text,
    instance_name: text.optional(),
    enabled: flag(true),
    protocols: z.array(protocol).min(1).default(['grpc', 'grpcs', 'http', 'https']),
    ordering: z
      .strictObject({
        before: z.strictObject({ access: z.array(text).optional() }).optional(),
        after: z.strictObject({ access: z.array(text).optional() }).optional(),
      })
      .optional(),
    config: z.unknown().optional(),
  }),
);
export type Plugin = z.output<ReturnType<typeof pluginSchema>>;
