/** Foreign keys of Kong entities, taken off before the schema sees the rest. */
import { diagnose } from '../../analysis/messages.ts';
import type { Diagnostic, ResourceRef } from '../../model/diagnostic.ts';
import { fieldName, isRecord } from '../check.ts';
import type { LocatedDocument, Path } from '../dialect.ts';
import type { Reference } from './entity.ts';

/** Foreign keys by kind; the first letter of the target kind follows from the field. */
const foreignKeys: Readonly<Record<string, readonly string[]>> = {
  Service: ['client_certificate'],
  Route: ['service'],
  Upstream: ['client_certificate'],
  Target: ['upstream'],
  Plugin: ['service', 'route', 'consumer'],
  SNI: ['certificate'],
  Key: ['set'],
  FilterChain: ['service', 'route'],
  KeyAuthCredential: ['consumer'],
  BasicAuthCredential: ['consumer'],
  HMACAuthCredential: ['consumer'],
  JWTSecret: ['consumer'],
  OAuth2Credential: ['consumer'],
  OAuth2Token: ['credential', 'service'],
  OAuth2AuthorizationCode: ['credential', 'service'],
  ACL: ['consumer'],
};

/** Kind that a foreign key points at. */
export const targetKinds: Readonly<Record<string, string>> = {
  service: 'Service',
  route: 'Route',
  consumer: 'Consumer',
  upstream: 'Upstream',
  certificate: 'Certificate',
  client_certificate: 'Certificate',
  set: 'KeySet',
  credential: 'OAuth2Credential',
};

export interface TakenReferences {
  readonly refs: Readonly<Record<string, Reference>>;
  /** The other fields; `fields` itself when none was taken. */
  readonly rest: Record<string, unknown>;
  readonly diagnostics: readonly Diagnostic[];
}

export interface ReferencePlace {
  readonly document: LocatedDocument;
  readonly path: Path;
  readonly resource: ResourceRef;
  /** Foreign keys of the entity, where rules ask for them. */
  readonly refs?: Readonly<Record<string, Reference>>;
}

/** `inherited`: what the enclosing entities say; an entity cannot say it again. */
export function takeReferences(
  kind: string,
  fields: Record<string, unknown>,
  inherited: Readonly<Record<string, Reference>>,
  at: ReferencePlace,
): TakenReferences {
  const keys = Object.hasOwn(foreignKeys, kind) ? foreignKeys[kind] : [];
  if (!keys.some((key) => Object.hasOwn(fields, key))) return { refs: inherited, rest: fields, diagnostics: [] };
  const rest: Record<string, unknown> = { ...fields };
  const refs: Record<string, Reference> = { ...inherited };
  const diagnostics: Diagnostic[] = [];
  for (const key of keys) {
    if (!Object.hasOwn(rest, key)) continue;
    const value = rest[key];
    delete rest[key];
    const path = [...at.path, key];
    const place = { file: at.document.file, ...at.document.locate(path) };
    if (Object.hasOwn(inherited, key)) {
      diagnostics.push(
        diagnose('WR0402', place, at.resource, `${fieldName(path)} is given by the entity around it`, {
          hint: `remove '${key}', or move the entity to the top level`,
        }),
      );
      continue;
    }
    const reference = readReference(value);
    if (reference === null)
      diagnostics.push(
        diagnose('WR0105', place, at.resource, `${fieldName(path)} must be a name, or an object with id or name`, {
          hint: `write ${key}: NAME`,
        }),
      );
    else refs[key] = reference;
  }
  return { refs, rest, diagnostics };
}

function readReference(value: unknown): Reference | null {
  if (typeof value === 'string') return value === '' ? null : { name: value };
  if (!isRecord(value)) return null;
  const names = ['id', 'name', 'username', 'custom_id', 'target'];
  if (Object.keys(value).length === 0 || Object.keys(value).some((key) => !names.includes(key))) return null;
  if (typeof value.id === 'string' && value.id !== '') return { id: value.id };
  for (const key of names) {
    const name = value[key];
    if (typeof name === 'string' && name !== '') return { name };
  }
  return null;
}

/** For names of resources and messages. */
export function referenceText(reference: Reference | undefined): string {
  return reference?.name ?? reference?.id ?? '';
}
