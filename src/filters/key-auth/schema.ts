import { hash } from 'node:crypto';
import { z } from 'zod';

/** Longest key looked at, bytes; a longer one is wrong without being hashed. */
export const maxKeyBytes = 4096;

const sha256 = z
  .string()
  .regex(/^[0-9a-fA-F]{64}$/, 'hex SHA-256 of the key: 64 hexadecimal digits, as `printf %s KEY | sha256sum` prints')
  .transform((hex) => hex.toLowerCase());

const consumer = z
  .string()
  .min(1)
  .max(256)
  .describe('Who holds the key: id or name of a declared consumer, or a name that only this list uses.');

/** A key in clear is hashed as soon as it is read, so that it never stands in a snapshot, a dump or a log. */
const inlineKey = z.union([
  z.strictObject({ consumer, sha256: sha256.describe('Hex SHA-256 of the key.') }),
  z
    .strictObject({
      consumer,
      key: z.string().min(1).max(maxKeyBytes).describe('The key in clear; hashed when the document is read. Prefer `sha256`.'),
    })
    .transform(({ consumer, key }) => ({ consumer, sha256: hash('sha256', key, 'hex') })),
]);

/** API keys. Semantics of Kong's key-auth 3.9; the defaults of `hideCredentials` and `inQuery` are stricter, dialects set their own. */
export const keyAuthSchema = z.strictObject({
  names: z
    .array(
      z
        .string()
        .min(1)
        .max(256)
        .regex(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, "a key name is a header name: letters, digits and !#$%&'*+-.^_`|~"),
    )
    .min(1)
    .max(16)
    .default(['apikey'])
    .describe('Names to look under, in this order: header (any case), then query parameter (this case). The first that is there counts.'),
  inHeader: z.boolean().default(true).describe('Look in the request headers.'),
  inQuery: z.boolean().default(false).describe('Look in the query string. Queries end up in logs and histories: off unless asked for.'),
  hideCredentials: z
    .boolean()
    .default(true)
    .describe('Do not send the key on to the upstream: drops every configured name from headers and query.'),
  anonymous: z
    .string()
    .min(1)
    .max(256)
    .nullable()
    .default(null)
    .describe('Id or name of the consumer that requests without a good key count as; null: they are refused.'),
  runOnPreflight: z.boolean().default(true).describe('Ask for a key on OPTIONS requests too.'),
  realm: z
    .string()
    .max(256)
    .regex(/^[\x20-\x21\x23-\x5b\x5d-\x7e]*$/, 'a realm is printable ASCII without `"` and `\\`')
    .nullable()
    .default(null)
    .describe('Realm of the `WWW-Authenticate: Key` challenge.'),
  keys: z.array(inlineKey).min(1).max(10_000).optional().describe('Only these keys are good. Absent: the keys of every declared consumer.'),
});

export type KeyAuthConfig = z.output<typeof keyAuthSchema>;
