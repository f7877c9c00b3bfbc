/** Kong document → one Resource for each entity, so that a broken one is quarantined alone. */
import { hash } from 'node:crypto';
import { diagnose, type MessageCode } from '../../analysis/messages.ts';
import type { Diagnostic, ResourceRef } from '../../model/diagnostic.ts';
import { nearest } from '../../base/text.ts';
import { fieldName, isRecord, withoutNulls } from '../check.ts';
import type { LocatedDocument, Path, Resource } from '../dialect.ts';
import type { KongEntity, Reference } from './entity.ts';
import { collections, formatVersions, notes, type Collection, type FormatVersion } from './format.ts';
import { derivedId } from './identifier.ts';
import { modernise } from './legacy.ts';
import { pluginSpec, restricts, unknownPluginHint } from './plugins/index.ts';
import { referenceText, takeReferences } from './references.ts';
import { checkEntity } from './rules.ts';
import { labelOf, nameOf, pluginIdentity } from './names.ts';
import { isVaultReference, resolveReference, vaultsOf, type EnvironmentVault } from './vault.ts';

interface Reading {
  readonly document: LocatedDocument;
  readonly version: FormatVersion;
  readonly vaults: readonly EnvironmentVault[];
  readonly resources: Resource[];
}

interface Around {
  readonly refs: Readonly<Record<string, Reference>>;
  /** Names of the enclosing entities, by field. */
  readonly names: Readonly<Record<string, string>>;
}

const nothingAround: Around = { refs: {}, names: {} };

export function readDocument(document: LocatedDocument): readonly Resource[] {
  const { value } = document;
  if (!isRecord(value)) return [];
  const diagnostics: Diagnostic[] = [];
  const head: ResourceRef = { kind: 'Document', namespace: null, name: `${document.file}#${document.index}` };
  const report = (code: MessageCode, path: Path, message: string, hint: string, key = false): void => {
    diagnostics.push(diagnose(code, { file: document.file, ...document.locate(path, key) }, head, message, { hint }));
  };
  const version = versionOf(value._format_version, report);
  if (value._transform !== undefined && typeof value._transform !== 'boolean')
    report('WR0105', ['_transform'], '_transform must be of type boolean', 'write true, or false where secrets are hashed already');
  const reading: Reading = { document, version, vaults: vaultsOf(value), resources: [] };
  for (const [key, entities] of Object.entries(value)) {
    if (notes.has(key)) continue;
    const known = Object.hasOwn(collections, key) ? key : null;
    const near = known ?? nearest(key, Object.keys(collections));
    if (known === null)
      report(
        'WR0104',
        [key],
        `unknown field '${key}'`,
        near === null ? `known fields: ${Object.keys(collections).join(', ')}` : `did you mean '${near}'?`,
        true,
      );
    if (entities === null || near === null) continue;
    const from = reading.resources.length;
    readCollection(reading, collections[near], entities, [key], nothingAround);
    // What stands under a mistyped key is not used; policies among it still close their scope. Those of entities that
    // are not used themselves have none.
    if (known === null)
      reading.resources.push(
        ...reading.resources
          .splice(from)
          .filter((one) => one.restricts && one.path.length <= 2)
          .map((one) => ({ ...one, broken: true })),
      );
  }
  if (diagnostics.length > 0) reading.resources.push(documentResource(document, head, diagnostics));
  return reading.resources;
}

function versionOf(value: unknown, report: (code: MessageCode, path: Path, message: string, hint: string) => void): FormatVersion {
  const known = formatVersions.find((version) => version === value || (typeof value === 'number' && Number(version) === value));
  if (typeof value === 'number')
    report('WR0105', ['_format_version'], '_format_version must be of type string, not number', `put it in quotes: "${known ?? '3.0'}"`);
  else if (known === undefined)
    report(
      'WR0105',
      ['_format_version'],
      '_format_version is not known',
      `one of ${formatVersions.map((version) => `"${version}"`).join(', ')}`,
    );
  return known ?? '3.0';
}

function documentResource(document: LocatedDocument, head: ResourceRef, diagnostics: readonly Diagnostic[]): Resource {
  return {
    dialect: 'kong',
    ...head,
    key: `kong/Document//${head.name}`,
    origin: { dialect: 'kong', ...head, file: document.file, ...document.locate([]) },
    value: null,
    document,
    path: [],
    diagnostics,
    broken: diagnostics.some((one) => one.severity === 'error'),
    restricts: false,
  };
}

function readCollection(reading: Reading, collection: Collection, entities: unknown, path: Path, around: Around): void {
  if (!Array.isArray(entities)) {
    reading.resources.push(brokenList(reading.document, path, collection.kind, around));
    return;
  }
  for (const [index, entity] of entities.entries()) readEntity(reading, collection, entity, [...path, index], around);
}

function readEntity(reading: Reading, collection: Collection, raw: unknown, path: Path, around: Around): void {
  const { document } = reading;
  const { kind } = collection;
  const nested: [field: string, collection: Collection, entities: unknown][] = [];
  const own: [field: string, value: unknown][] = [];
  for (const [field, value] of isRecord(raw) ? Object.entries(raw) : []) {
    if (value === null || field === '_comment' || field === '_ignore') continue;
    if (Object.hasOwn(collection.nested, field)) nested.push([field, collections[collection.nested[field]], value]);
    else own.push([field, typeof value === 'object' ? withoutNulls(value) : value]);
  }
  // fromEntries, as a field may be called __proto__.
  const written: Record<string, unknown> = Object.fromEntries(own);
  const vault = resolveSecrets(written, reading.vaults);
  const provisional = { kind, namespace: null, name: fieldName(path) };
  const taken = takeReferences(kind, vault.fields, around.refs, { document, path, resource: provisional });
  const names = {
    ...Object.fromEntries(Object.entries(taken.refs).map(([key, reference]) => [key, referenceText(reference)])),
    ...around.names,
  };
  const name = nameOf(kind, taken.rest, names, path);
  const resource: ResourceRef = { kind, namespace: null, name };
  const place = (at: Path, key = false) => ({ file: document.file, ...document.locate(at, key) });
  const diagnostics: Diagnostic[] = taken.diagnostics.map((one) => ({ ...one, resource }));
  for (const missing of vault.missing)
    diagnostics.push(
      diagnose('WR0403', place([...path, ...missing.path]), resource, `${fieldName([...path, ...missing.path])}: ${missing.reason}`),
    );
  if (!isRecord(raw))
    diagnostics.push(
      diagnose('WR0105', place(path), resource, `${fieldName(path)} must be an object`, {
        hint:
          kind === 'Plugin' && typeof raw === 'string' ? `write - name: ${raw}` : 'write its fields as "name: value", one line for each',
      }),
    );
  modernise(kind, taken.rest, reading.version, { document, path, resource }, diagnostics);
  const id = typeof taken.rest.id === 'string' && taken.rest.id !== '' ? taken.rest.id : derivedId(kind, name);
  const checked =
    isRecord(raw) && vault.missing.length === 0 ? checkEntity(kind, taken.rest, { document, path, resource, refs: taken.refs }) : null;
  if (checked !== null) diagnostics.push(...checked.diagnostics.map((one) => nestedHint(one, collection, path)));
  const plugin =
    kind === 'Plugin' || kind === 'FilterChain'
      ? {
          name: kind === 'FilterChain' ? 'filter-chain' : typeof taken.rest.name === 'string' ? taken.rest.name : '',
          enabled: taken.rest.enabled !== false,
        }
      : null;
  if (kind === 'Plugin' && plugin !== null && plugin.name !== '' && plugin.enabled && pluginSpec(plugin.name) === null)
    diagnostics.push(
      diagnose(
        'WR0405',
        place([...path, 'name']),
        resource,
        `no open-source plugin of Kong is called '${plugin.name}'; the routes in its scope answer 503`,
        {
          hint: unknownPluginHint(plugin.name),
        },
      ),
    );
  const broken = diagnostics.some((one) => one.severity === 'error');
  const entity: KongEntity = {
    id,
    label: labelOf(kind, taken.rest),
    refs: taken.refs,
    fields: broken || checked === null ? null : concealed(kind, checked.fields),
    plugin,
  };
  reading.resources.push({
    dialect: 'kong',
    ...resource,
    key: `kong/${kind}//${kind === 'Plugin' ? pluginIdentity(taken.rest, names, path) : name}`,
    origin: { dialect: 'kong', ...resource, file: document.file, ...document.locate(path) },
    value: entity,
    document,
    path,
    diagnostics: vault.secrets.length === 0 ? diagnostics : diagnostics.map((one) => scrubbed(one, vault.secrets)),
    broken,
    restricts: plugin !== null && plugin.enabled && (kind === 'FilterChain' || restricts(plugin.name)),
  });
  const inner: Around = collection.as === null ? nothingAround : { refs: { [collection.as]: { id } }, names: { [collection.as]: name } };
  for (const [field, inside, entities] of nested) readCollection(reading, inside, entities, [...path, field], inner);
}

/** Lists of other entities are no fields of the schema, and may be misspelled like these. */
function nestedHint(one: Diagnostic, { nested }: Collection, path: Path): Diagnostic {
  const end = `' in ${fieldName(path)}`;
  if (one.code !== 'WR0104' || !one.message.startsWith("unknown field '") || !one.message.endsWith(end)) return one;
  const near = nearest(one.message.slice("unknown field '".length, -end.length), Object.keys(nested));
  return near === null ? one : { ...one, hint: `did you mean '${near}'?` };
}

/** A list that is none. Policies may have been meant: then their scope is closed. */
function brokenList(document: LocatedDocument, path: Path, kind: string, around: Around): Resource {
  const ref: ResourceRef = { kind, namespace: null, name: fieldName(path) };
  const place = { file: document.file, ...document.locate(path) };
  const diagnostic = diagnose('WR0105', place, ref, `${fieldName(path)} must be a list`, {
    hint: 'write a list: one line for each entity, starting with "- "',
  });
  const policy = kind === 'Plugin' || kind === 'FilterChain';
  const entity: KongEntity = {
    id: derivedId(kind, ref.name),
    label: null,
    refs: around.refs,
    fields: null,
    plugin: policy ? { name: '', enabled: true } : null,
  };
  return { ...documentResource(document, ref, [diagnostic]), key: `kong/${kind}//${ref.name}`, value: entity, path, restricts: policy };
}

/** Keys are hashed as soon as they are read; secrets of credentials that do not run are not kept at all. */
function concealed(kind: string, fields: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  switch (kind) {
    case 'KeyAuthCredential': {
      const { key, ...rest } = fields;
      return typeof key === 'string' ? { ...rest, sha256: hash('sha256', key, 'hex') } : rest;
    }
    case 'BasicAuthCredential':
    case 'HMACAuthCredential':
    case 'JWTSecret':
    case 'OAuth2Credential':
    case 'OAuth2Token':
    case 'OAuth2AuthorizationCode':
    case 'Key':
    case 'ACMEStorage':
    case 'Session':
      return {};
    case 'Vault':
      return { name: fields.name };
    default:
      return fields;
  }
}

interface Secrets {
  readonly fields: Record<string, unknown>;
  readonly missing: readonly { readonly path: Path; readonly reason: string }[];
  /** Values that came from the environment: they must not appear in a message. */
  readonly secrets: readonly string[];
}

function holdsReference(value: unknown): boolean {
  if (typeof value === 'string') return isVaultReference(value);
  return typeof value === 'object' && value !== null && Object.values(value).some(holdsReference);
}

function resolveSecrets(fields: Record<string, unknown>, vaults: readonly EnvironmentVault[]): Secrets {
  if (!holdsReference(fields)) return { fields, missing: [], secrets: [] };
  const missing: { path: Path; reason: string }[] = [];
  const secrets: string[] = [];
  const walk = (value: unknown, path: Path): unknown => {
    if (typeof value === 'string' && isVaultReference(value)) {
      const found = resolveReference(value, vaults, process.env);
      if (found.ok) {
        if (found.value !== '') secrets.push(found.value);
        return found.value;
      }
      missing.push({ path, reason: found.error });
      return value;
    }
    if (Array.isArray(value)) return value.map((inner: unknown, index) => walk(inner, [...path, index]));
    if (!isRecord(value)) return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, walk(inner, [...path, key])]));
  };
  const resolved = walk(fields, []);
  return { fields: isRecord(resolved) ? resolved : {}, missing, secrets };
}

function scrubbed(diagnostic: Diagnostic, secrets: readonly string[]): Diagnostic {
  const clean = (text: string): string => secrets.reduce((kept, secret) => kept.replaceAll(secret, '(secret)'), text);
  return { ...diagnostic, message: clean(diagnostic.message), ...(diagnostic.hint === undefined ? {} : { hint: clean(diagnostic.hint) }) };
}
