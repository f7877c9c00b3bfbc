/** Schemas of credentials, certificates, keys and the rest. */
import { z } from 'zod';
import { issue, lazily } from '../check.ts';
import { parseSni } from './hosts.ts';
import { common } from './schemas.ts';
import { text, url, whole } from './plugins/fields.ts';

const ttl = whole(0, 100_000_000).optional();

const makers: Readonly<Record<string, () => z.ZodType>> = {
  KeyAuthCredential: () => z.strictObject({ ...common, ttl, key: z.string().min(1).max(4096) }),
  BasicAuthCredential: () => z.strictObject({ ...common, username: text, password: text }),
  HMACAuthCredential: () => z.strictObject({ ...common, username: text, secret: text.optional() }),
  JWTSecret: () =>
    z.strictObject({
      ...common,
      key: text.optional(),
      secret: text.optional(),
      rsa_public_key: text.optional(),
      algorithm: z
        .enum(['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512', 'EdDSA'])
        .default('HS256'),
    }),
  OAuth2Credential: () =>
    z.strictObject({
      ...common,
      name: text,
      client_id: text.optional(),
      client_secret: text.optional(),
      hash_secret: z.boolean().default(false),
      redirect_uris: z.array(url).optional(),
      client_type: z.enum(['confidential', 'public']).default('confidential'),
    }),
  OAuth2Token: () =>
    z.strictObject({
      ...common,
      ttl,
      expires_in: z.int(),
      access_token: text.optional(),
      refresh_token: text.optional(),
      token_type: z.enum(['bearer']).default('bearer'),
      authenticated_userid: text.optional(),
      scope: text.optional(),
    }),
  OAuth2AuthorizationCode: () =>
    z.strictObject({
      ...common,
      ttl,
      code: text.optional(),
      authenticated_userid: text.optional(),
      scope: text.optional(),
      challenge: text.optional(),
      challenge_method: z.enum(['S256']).optional(),
    }),
  ACL: () => z.strictObject({ ...common, group: text }),
  Certificate: () => z.strictObject({ ...common, cert: text, key: text, cert_alt: text.optional(), key_alt: text.optional() }),
  SNI: () =>
    z.strictObject({
      ...common,
      name: z.string().check((context) => {
        const parsed = context.value === '*' ? null : parseSni(context.value);
        if (parsed?.ok === false)
          context.issues.push({
            code: 'custom',
            input: context.value,
            message: parsed.error,
            params: issue({ hint: 'write example.com, *.example.com, example.* or *' }),
          });
      }),
    }),
  CACertificate: () => z.strictObject({ ...common, cert: text, cert_digest: text.optional() }),
  KeySet: () => z.strictObject({ ...common, name: text.optional() }),
  Key: () =>
    z
      .strictObject({
        ...common,
        name: text.optional(),
        kid: text,
        jwk: text.optional(),
        pem: z.strictObject({ private_key: text.optional(), public_key: text.optional() }).optional(),
      })
      .refine((value) => (value.jwk === undefined) !== (value.pem === undefined), 'one of jwk and pem is required'),
  Vault: () =>
    z.strictObject({
      ...common,
      name: text,
      prefix: z.string().regex(/^[a-z][a-z0-9-]*[a-z0-9]$/, 'a prefix holds small letters, digits and dashes'),
      description: z.string().optional(),
      config: z.record(z.string(), z.unknown()).optional(),
    }),
  FilterChain: () =>
    z.strictObject({
      ...common,
      name: text.optional(),
      enabled: z.boolean().default(true),
      filters: z.array(z.strictObject({ name: text, enabled: z.boolean().default(true), config: z.unknown().optional() })).min(1),
    }),
  ACMEStorage: () => z.strictObject({ ...common, ttl, key: text, value: text }),
  Session: () => z.strictObject({ ...common, ttl, session_id: text, expires: z.int().optional(), data: text.optional() }),
};

const made = new Map<string, () => z.ZodType>();

/** Schema of a kind that is not among the core entities; null when there is none. */
export function otherSchema(kind: string): z.ZodType | null {
  let schema = made.get(kind);
  if (schema === undefined) {
    if (!Object.hasOwn(makers, kind)) return null;
    schema = lazily(makers[kind]);
    made.set(kind, schema);
  }
  return schema();
}
