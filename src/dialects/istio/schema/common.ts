/** Pieces that several Istio kinds share. Each is a function: schemas are built at first use. */
import { isIP } from 'node:net';
import { z } from 'zod';
import { compileRegex } from '../../../decide/regex.ts';
import { issue, lazily } from '../../check.ts';

/** Milliseconds of a Go duration (`1h30m`, `1.5s`, `100ms`), or null. Protobuf's JSON form (`1.5s`) is part of it. */
export function durationMs(text: string): number | null {
  if (text === '0') return 0;
  if (!/^(?:\d+(?:\.\d+)?(?:h|ms|m|s|us|µs|ns))+$/.test(text)) return null;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)/g)) total += Number(amount) * unitMs(unit);
  return total;
}

function unitMs(unit: string): number {
  switch (unit) {
    case 'h':
      return 3_600_000;
    case 'm':
      return 60_000;
    case 's':
      return 1000;
    case 'ms':
      return 1;
    case 'ns':
      return 1e-6;
    default:
      return 1e-3;
  }
}

const hint = 'write a number and a unit: 500ms, 1.5s, 2m, 1h30m';

/** A duration; 0 is allowed. */
export const duration = lazily(() =>
  z.string({ error: hint }).superRefine((text, context) => {
    if (durationMs(text) === null) context.addIssue({ code: 'custom', message: `'${text}' is not a duration`, params: issue({ hint }) });
  }),
);

/** A duration of 1 ms or more. */
export const positiveDuration = lazily(() =>
  z.string({ error: hint }).superRefine((text, context) => {
    const ms = durationMs(text);
    if (ms === null || ms < 1)
      context.addIssue({ code: 'custom', message: `'${text}' is not a duration of 1ms or more`, params: issue({ hint }) });
  }),
);

export const portNumber = lazily(() => z.int().min(1).max(65535));
export const count = lazily(() => z.int().min(0).max(0xffff_ffff));
export const strings = lazily(() => z.array(z.string()));
export const stringMap = lazily(() => z.record(z.string(), z.string()));
export const percentage = lazily(() => z.strictObject({ value: z.number().min(0).max(100).optional() }));
export const matchLabels = lazily(() => z.strictObject({ matchLabels: stringMap().optional() }));

/** RE2, or an issue with WR0111. */
export const regex = lazily(() =>
  z.string().superRefine((pattern, context) => {
    if (pattern === '')
      return context.addIssue({
        code: 'custom',
        message: 'a regular expression must not be empty',
        params: issue({ hint: 'write .* for any text' }),
      });
    const compiled = compileRegex(pattern, { anchor: 'full' });
    if (!compiled.ok)
      context.addIssue({
        code: 'custom',
        message: compiled.error,
        params: issue({
          diagnostic: 'WR0111',
          hint: 'RE2 has no look-around and no back-references: https://github.com/google/re2/wiki/Syntax',
        }),
      });
  }),
);

/** StringMatch: at most one of its fields. The regular expression `*` is Istio's way to say "present" (not for uri). */
function stringMatchOf(presence: boolean) {
  return z
    .strictObject({
      exact: z.string().optional(),
      prefix: z.string().optional(),
      regex: (presence ? z.union([z.literal('*'), regex()]) : regex()).optional(),
    })
    .superRefine((value, context) => {
      if (Object.values(value).filter((one) => one !== undefined).length > 1)
        context.addIssue({ code: 'custom', message: 'only one of exact, prefix and regex may be set' });
    });
}

export const uriMatch = lazily(() => stringMatchOf(false));
export const stringMatch = lazily(() => stringMatchOf(true));
export type StringMatch = z.output<ReturnType<typeof stringMatch>>;

/** A DNS name, an IP address, or a wildcard: `*` alone or as the whole first label. */
export function isHostPattern(host: string): boolean {
  return host.length <= 255 && (isIP(host) !== 0 || /^(\*|(\*\.)?[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?)$/.test(host));
}

export const hostPattern = lazily(() =>
  z.string().superRefine((host, context) => {
    if (!isHostPattern(host))
      context.addIssue({
        code: 'custom',
        message: `'${host}' is not a host name`,
        params: issue({
          hint:
            host.includes(':') || host.includes('/')
              ? 'write the name alone, without scheme, port and path'
              : 'write shop.example.com, *.example.com or *',
        }),
      });
  }),
);

/** Namespaces, `*`, `.` and `~` of exportTo. */
export const exportTo = lazily(() => z.array(z.string().min(1)));

export const destination = lazily(() =>
  z.strictObject({
    host: z.string().min(1),
    subset: z.string().optional(),
    port: z.strictObject({ number: portNumber() }).optional(),
  }),
);

export const headerOperations = lazily(() => {
  const side = z.strictObject({ set: stringMap().optional(), add: stringMap().optional(), remove: strings().optional() });
  return z.strictObject({ request: side.optional(), response: side.optional() });
});
export type HeaderOperations = z.output<ReturnType<typeof headerOperations>>;

/** The `tls` block of a Gateway server and of a Sidecar's ingress. */
export const serverTls = lazily(() =>
  z.strictObject({
    httpsRedirect: z.boolean().optional(),
    mode: z.enum(['PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'AUTO_PASSTHROUGH', 'ISTIO_MUTUAL', 'OPTIONAL_MUTUAL']).optional(),
    serverCertificate: z.string().optional(),
    privateKey: z.string().optional(),
    caCertificates: z.string().optional(),
    caCrl: z.string().optional(),
    credentialName: z.string().optional(),
    credentialNames: strings().optional(),
    caCertCredentialName: z.string().optional(),
    tlsCertificates: z
      .array(
        z.strictObject({
          serverCertificate: z.string().optional(),
          privateKey: z.string().optional(),
          caCertificates: z.string().optional(),
        }),
      )
      .optional(),
    subjectAltNames: strings().optional(),
    verifyCertificateSpki: z.array(digest(/^[A-Za-z0-9+/]{43}=$/, 'base64 of a SHA-256 digest: 44 characters')).optional(),
    verifyCertificateHash: z
      .array(digest(/^(?:[0-9a-fA-F]{2}:?){31}[0-9a-fA-F]{2}$/, 'a SHA-256 digest: 64 hexadecimal digits'))
      .optional(),
    minProtocolVersion: tlsVersion().optional(),
    maxProtocolVersion: tlsVersion().optional(),
    cipherSuites: strings().optional(),
  }),
);

/** A digest that is mistyped would fit no certificate, or be taken for no condition. */
function digest(form: RegExp, expected: string) {
  return z.string().superRefine((text, context) => {
    if (!form.test(text)) context.addIssue({ code: 'custom', message: 'it is not a digest', params: issue({ hint: `write ${expected}` }) });
  });
}

const tlsVersion = lazily(() => z.enum(['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3']));
