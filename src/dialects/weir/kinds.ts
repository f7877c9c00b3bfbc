/** Weir's own kinds (`weir.dev/v1`): schemas only. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { filters } from '../../filters/index.ts';
import { issue, lazily } from '../check.ts';
import { defineKind } from '../kubernetes-kinds.ts';
import { kubernetesHead } from '../kubernetes-object.ts';

const hostname = z
  .string()
  .min(1)
  .max(253)
  .regex(
    /^(\*|(\*\.)?([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)$/,
    'a host name, `*.` in front of one, or `*`',
  )
  .transform((name) => name.toLowerCase());

const milliseconds = z.int().min(0).max(86_400_000);
const bytes = z
  .int()
  .min(0)
  .max(2 ** 40);

const secretRef = z.strictObject({ kind: z.literal('Secret').default('Secret'), name: z.string().min(1).max(253) });
const bundleRef = z.strictObject({ kind: z.enum(['Secret', 'ConfigMap']).default('Secret'), name: z.string().min(1).max(253) });
const path = z.string().min(1).max(4096);
const tlsVersion = z.enum(['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']);

/** Secrets and ConfigMaps are those of the Listener's namespace; relative paths start at the configuration file's directory. */
const listenerTls = lazily(() =>
  z.strictObject({
    mode: z.enum(['Terminate', 'Passthrough']).default('Terminate'),
    certificateRefs: z.array(secretRef).min(1).max(64).optional(),
    certificateFiles: z
      .array(z.strictObject({ certificate: path, privateKey: path }))
      .min(1)
      .max(64)
      .optional(),
    /** A certificate for the listener's hostnames that Weir signs itself, after the others. No client trusts it. */
    development: z.boolean().optional(),
    minVersion: tlsVersion.default('TLSv1.2'),
    maxVersion: tlsVersion.default('TLSv1.3'),
    /** OpenSSL names, for TLS 1.2 and below. */
    cipherSuites: z.array(z.string().min(1)).min(1).max(64).optional(),
    clientValidation: z
      .strictObject({
        mode: z.enum(['Require', 'Optional']).default('Require'),
        caCertificateRef: bundleRef.optional(),
        caCertificateFile: path.optional(),
        crlFile: path.optional(),
        subjectAltNames: z.array(z.string().min(1)).min(1).max(256).optional(),
        /** Hex SHA-256 of client certificates, with or without colons. */
        certificateHashes: z
          .array(z.string().regex(/^(?:[0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$/, 'a SHA-256 digest: 64 hexadecimal digits'))
          .min(1)
          .max(256)
          .optional(),
      })
      .optional(),
  }),
);

/** Layer 4: where the bytes of connections, or datagrams, go. */
const forward = lazily(() =>
  z.strictObject({
    destinations: z
      .array(
        z.strictObject({
          host: z.string().min(1).max(253),
          port: z.int().min(1).max(65_535),
          weight: z.int().min(0).max(1_000_000).default(1),
        }),
      )
      .min(1)
      .max(64),
    idleTimeoutMs: milliseconds.optional(),
    maxConnections: z.int().min(0).max(1_000_000).default(0),
  }),
);

const listenerSpec = lazily(() =>
  z.strictObject({
    address: z
      .string()
      .refine((address) => isIP(address) !== 0 || /^unix:\/\/[/@].{1,106}$/.test(address), {
        error: 'an IP address, or unix:///path/to/socket; leave it out for all interfaces',
      })
      .optional(),
    /** 0 with a Unix socket. */
    port: z.int().min(0).max(65_535),
    protocol: z.enum(['HTTP', 'HTTPS', 'TCP', 'TLS', 'UDP']).default('HTTP'),
    hostnames: z.array(hostname).min(1).max(256).optional(),
    /** Whose routes it serves besides those that have listeners of their own. */
    routesFrom: z.array(z.enum(['kong', 'mesh'])).default(['kong']),
    tls: listenerTls().optional(),
    forward: forward().optional(),
    /** PROXY protocol v1 or v2 at the head of connections; `optional` from `trustedCidrs` alone. */
    proxyProtocol: z.enum(['required', 'optional']).optional(),
    /** HTTP with `forward`: what does not begin as HTTP, or is silent this long, is forwarded. */
    detectTimeoutMs: milliseconds.min(1).optional(),
    /** False: HTTP/1.1 alone. */
    http2: z.boolean().optional(),
    limits: z
      .strictObject({
        maxHeadBytes: bytes.min(1024).max(1024 * 1024),
        maxHeaders: z.int().min(1).max(10_000),
        maxTargetBytes: bytes.min(256).max(1024 * 1024),
        maxBodyBytes: bytes,
        headTimeoutMs: milliseconds,
        requestTimeoutMs: milliseconds,
        idleTimeoutMs: milliseconds,
        streamIdleTimeoutMs: milliseconds,
        maxConnections: z.int().min(1).max(1_000_000),
        maxConnectionMs: milliseconds,
        upgradeIdleTimeoutMs: milliseconds,
        maxUpgradeMs: milliseconds,
        maxConcurrentStreams: z.int().min(1).max(10_000),
      })
      .partial()
      .optional(),
    canonicalisation: z
      .strictObject({
        normalizePath: z.boolean(),
        mergeSlashes: z.boolean(),
        escapedSlashes: z.enum(['keep', 'reject', 'unescape-and-redirect', 'unescape-and-forward']),
        underscores: z.enum(['allow', 'reject', 'drop']),
        stripPort: z.boolean(),
        stripTrailingDot: z.boolean(),
      })
      .partial()
      .optional(),
    trustedHops: z.int().min(0).max(32).default(0),
    trustedCidrs: z
      .array(z.union([z.cidrv4(), z.cidrv6()]))
      .max(256)
      .default([]),
  }),
);

export const listenerKind = defineKind({
  kind: 'Listener',
  group: 'weir.dev',
  versions: ['v1'],
  namespaced: true,
  schema: lazily(() => z.strictObject({ ...kubernetesHead(), spec: listenerSpec() })),
});

export type ListenerSpec = z.output<ReturnType<(typeof listenerKind)['schema']>>['spec'];

export const targetRefSchema = lazily(() =>
  z.strictObject({
    group: z.string().max(253).optional(),
    kind: z.enum(targetKinds),
    name: z.string().min(1).max(253),
    namespace: z.string().min(1).max(63).optional(),
    sectionName: z.string().min(1).max(253).optional(),
  }),
);

/** Kinds that a Policy may name. */
export const targetKinds = ['VirtualService', 'HTTPRoute', 'GRPCRoute', 'Route', 'Service', 'ServiceEntry', 'Gateway', 'Listener'] as const;
export type TargetRef = z.output<ReturnType<typeof targetRefSchema>>;

/** `rate-limit` → `rateLimit`: the key of a filter in a Policy. */
export function filterKey(name: string): string {
  return name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** One entry of `filters`: an object with exactly one key, the filter's. Built from the list of filters. */
const filterEntry = lazily(() =>
  z.strictObject(Object.fromEntries(filters.map((filter) => [filterKey(filter.name), filter.schema.optional()]))).check((context) => {
    const keys = Object.keys(context.value);
    if (keys.length === 1) return;
    const known = filters.map((filter) => filterKey(filter.name)).join(', ');
    context.issues.push({
      code: 'custom',
      input: context.value,
      message: `one filter in each entry, found ${keys.length}`,
      params: issue({ hint: `start a new "- " entry for each of: ${known}` }),
    });
  }),
);

const policySpec = lazily(() =>
  z.strictObject({
    /** Absent: the Policy acts only where a route names it by ExtensionRef. */
    targetRefs: z.array(targetRefSchema()).min(1).max(64).optional(),
    filters: z
      .array(filterEntry())
      .min(1)
      .max(32)
      .check((context) => {
        const seen = new Set<string>();
        for (const [index, entry] of context.value.entries()) {
          for (const key of Object.keys(entry)) {
            if (seen.has(key))
              context.issues.push({
                code: 'custom',
                input: entry,
                path: [index],
                message: `\`${key}\` stands twice in one Policy`,
                params: issue({ hint: 'merge the two, or write two Policies' }),
              });
            seen.add(key);
          }
        }
      }),
  }),
);

export const policyKind = defineKind({
  kind: 'Policy',
  group: 'weir.dev',
  versions: ['v1'],
  namespaced: true,
  restricts: true,
  schema: lazily(() => z.strictObject({ ...kubernetesHead(), spec: policySpec() })),
});
export type Policy = z.output<ReturnType<(typeof policyKind)['schema']>>;

const outcomes = ['forward', 'redirect', 'direct-response', 'denied', 'not-found', 'error'] as const;

const expectation = lazily(() =>
  z
    .strictObject({
      outcome: z.enum(outcomes),
      /** What Weir itself answers; null when it forwards. */
      status: z.int().min(100).max(599).nullable(),
      /** Name of the route. */
      route: z.string(),
      virtualHost: z.string(),
      /** `host:port`, or the host alone. */
      destination: z.string(),
      /** After rewrite, with query. */
      path: z.string(),
      authority: z.string(),
      location: z.string().nullable(),
      /** Request headers that are set or added, by name. */
      requestHeaders: z.record(z.string(), z.string()),
      responseHeaders: z.record(z.string(), z.string()),
    })
    .partial()
    .refine((expect) => Object.keys(expect).length > 0, 'expects nothing: the case could not fail'),
);

export const routeTestKind = defineKind({
  kind: 'RouteTest',
  group: 'weir.dev',
  versions: ['v1'],
  namespaced: true,
  schema: lazily(() =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        cases: z
          .array(
            z.strictObject({
              name: z.string().min(1),
              request: z.strictObject({
                method: z
                  .string()
                  .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, 'a method is a token')
                  .default('GET'),
                url: z.url({ protocol: /^(https?|tcp|tls|udp)$/ }),
                headers: z.record(z.string(), z.union([z.string(), z.array(z.string())])).default({}),
                /** SPIFFE id of a mesh caller. */
                from: z.string().startsWith('spiffe://').nullable().default(null),
                /** `host:port` of the listener, when it is not the URL's. */
                address: z.string().nullable().default(null),
              }),
              expect: expectation(),
            }),
          )
          .min(1)
          .max(10_000),
      }),
    }),
  ),
});
