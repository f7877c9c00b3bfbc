/** How Kong entities are called: for identity over revisions, for references, and for people. */
import { fieldName } from '../check.ts';
import type { Path } from '../dialect.ts';

type Fields = Readonly<Record<string, unknown>>;
/** What the entity refers to, by field, as people call it. */
type Names = Readonly<Record<string, string>>;

function textOf(fields: Fields, ...keys: readonly string[]): string | null {
  for (const key of keys) {
    const value = fields[key];
    if (typeof value === 'string' && value !== '') return value;
  }
  return null;
}

/** Name by which other entities refer to this one, beside its id. */
export function labelOf(kind: string, fields: Fields): string | null {
  switch (kind) {
    case 'Service':
    case 'Route':
    case 'Upstream':
    case 'KeySet':
      return textOf(fields, 'name');
    case 'Consumer':
      return textOf(fields, 'username', 'custom_id');
    default:
      return null;
  }
}

/** Resource name: the entity's own, else what makes it unique, else its place in the document. Never a secret. */
export function nameOf(kind: string, fields: Fields, refs: Names, path: Path): string {
  const position = fieldName(path);
  const last = String(path.at(-1) ?? '');
  switch (kind) {
    case 'Plugin':
      return textOf(fields, 'instance_name') ?? pluginIdentity(fields, refs, path);
    case 'Target': {
      const target = textOf(fields, 'target');
      return target === null ? position : `${refs.upstream ?? ''}/${target}`;
    }
    case 'ACL': {
      const group = textOf(fields, 'group');
      return textOf(fields, 'id') ?? (group === null ? position : `${refs.consumer ?? ''}/${group}`);
    }
    case 'SNI':
      return textOf(fields, 'name', 'id') ?? position;
    case 'Vault':
      return textOf(fields, 'prefix', 'name', 'id') ?? position;
    case 'KeyAuthCredential':
    case 'BasicAuthCredential':
    case 'HMACAuthCredential':
    case 'JWTSecret':
    case 'OAuth2Credential':
      return textOf(fields, 'id') ?? `${refs.consumer ?? ''}/${last}`;
    case 'OAuth2Token':
    case 'OAuth2AuthorizationCode':
    case 'ACMEStorage':
    case 'Session':
    case 'Certificate':
    case 'CACertificate':
      return textOf(fields, 'id') ?? position;
    default:
      return labelOf(kind, fields) ?? textOf(fields, 'name', 'id') ?? position;
  }
}

/**
 * `rate-limiting route=r consumer=c`: one instance of a plugin for a scope. It alone makes the identity, so that a
 * repeated instance name or id cannot make one plugin hide another.
 */
export function pluginIdentity(fields: Fields, refs: Names, path: Path): string {
  const name = textOf(fields, 'name') ?? fieldName(path);
  const scope = ['route', 'service', 'consumer'].flatMap((key) => (refs[key] === undefined ? [] : [`${key}=${refs[key]}`]));
  return [name, ...scope].join(' ');
}
