/** A table of Kubernetes kinds: which headers a dialect reads, with which schema, and how a checked value is found again. */
import type { z } from 'zod';
import { diagnose } from '../analysis/messages.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { DialectName } from '../model/origin.ts';
import { nearest } from '../base/text.ts';
import { check, isRecord, lazily, withoutNulls } from './check.ts';
import type { LocatedDocument, Resource } from './dialect.ts';
import { identify, objectResource, objectsOf, refOf } from './kubernetes-object.ts';

export interface KindSpec<Value> {
  readonly kind: string;
  /** API group, empty for core. */
  readonly group: string;
  /** Versions that are served, the best first. */
  readonly versions: readonly string[];
  /** Versions that no API server serves any more; read with WR0110. */
  readonly retired?: readonly string[];
  readonly namespaced: boolean;
  /** A policy whose absence would open something. */
  readonly restricts?: boolean;
  /** Built at first use. */
  readonly schema: () => z.ZodType<Value>;
}

export interface Kind<Value> extends KindSpec<Value> {
  read(dialect: DialectName, document: LocatedDocument, path: readonly (string | number)[], value: unknown): Resource;
  /** The checked value of a usable resource of this kind; null for other kinds and for broken text. */
  of(resource: Resource): Value | null;
}

export function defineKind<Value>(spec: KindSpec<Value>): Kind<Value> {
  // Values keep their identity from `read` to `translate`, so that each text is checked once.
  const checked = new WeakMap<object, Value>();
  // Building a schema costs a hundred times what a check does: once for each kind, whatever the kind's file does.
  const schema = lazily(spec.schema);
  return {
    ...spec,
    schema,
    read(dialect, document, path, raw) {
      const value = holdsNull(raw) ? withoutNulls(raw) : raw;
      const found = identify(value);
      const identity = found ?? { group: spec.group, version: spec.versions[0], kind: spec.kind, namespace: 'default', name: '' };
      const ref = refOf(identity, spec.namespaced);
      const result = check(schema(), value, document, path, ref);
      if (result.value !== null && isRecord(value)) checked.set(value, result.value);
      return objectResource({
        dialect,
        identity,
        namespaced: spec.namespaced,
        document,
        path,
        restricts: spec.restricts ?? false,
        value,
        diagnostics: [...versionProblems(spec, identity.version, document, path, ref), ...result.diagnostics],
      });
    },
    of(resource) {
      if (resource.kind !== spec.kind || resource.broken || !isRecord(resource.value)) return null;
      const known = checked.get(resource.value);
      if (known !== undefined) return known;
      // An object that was rebuilt elsewhere: a stored revision, a message between threads.
      if (identify(resource.value)?.group !== spec.group) return null;
      const result = schema().safeParse(resource.value);
      if (!result.success) return null;
      checked.set(resource.value, result.data);
      return result.data;
    },
  };
}

/** Most texts hold no null and need no copy. */
function holdsNull(value: unknown): boolean {
  if (value === null) return true;
  if (Array.isArray(value)) return value.some(holdsNull);
  return isRecord(value) && Object.values(value).some(holdsNull);
}

function versionProblems(
  spec: KindSpec<unknown>,
  version: string,
  document: LocatedDocument,
  path: readonly (string | number)[],
  ref: ReturnType<typeof refOf>,
): Diagnostic[] {
  if (spec.versions.includes(version)) return [];
  const place = { file: document.file, ...document.locate([...path, 'apiVersion']) };
  const prefix = spec.group === '' ? '' : `${spec.group}/`;
  if (spec.retired?.includes(version))
    return [
      diagnose('WR0110', place, ref, `${prefix}${version} ${spec.kind} is retired`, {
        hint: `write apiVersion: ${prefix}${spec.versions[0]}`,
      }),
    ];
  return [
    diagnose('WR0105', place, ref, `apiVersion '${prefix}${version}' does not exist for ${spec.kind}`, {
      hint: `write apiVersion: ${prefix}${nearest(version, spec.versions) ?? spec.versions[0]}`,
    }),
  ];
}

/** What a dialect needs to recognise and read its documents. */
export interface KindTable {
  recognises(document: LocatedDocument): boolean;
  read(document: LocatedDocument): readonly Resource[];
}

export function kindTable(dialect: DialectName, kinds: readonly Pick<Kind<unknown>, 'group' | 'kind' | 'read'>[]): KindTable {
  const byHead = new Map(kinds.map((kind) => [`${kind.group}/${kind.kind}`, kind]));
  const find = (value: unknown): Pick<Kind<unknown>, 'read'> | null => {
    const identity = identify(value);
    return identity === null ? null : (byHead.get(`${identity.group}/${identity.kind}`) ?? null);
  };
  return {
    recognises: (document) => objectsOf(document).some((object) => find(object.value) !== null),
    read: (document) =>
      objectsOf(document).flatMap((object) => {
        const kind = find(object.value);
        return kind === null ? [] : [kind.read(dialect, document, object.path, object.value)];
      }),
  };
}
