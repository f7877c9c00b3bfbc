/** What every Kubernetes object shares: its head, and how a text becomes resources. */
import { z } from 'zod';
import type { ResourceRef } from '../model/diagnostic.ts';
import type { DialectName } from '../model/origin.ts';
import { lazily, isRecord } from './check.ts';
import type { LocatedDocument, Path, Resource } from './dialect.ts';
import type { Diagnostic } from '../model/diagnostic.ts';

const stringMap = (): z.ZodRecord<z.ZodString, z.ZodString> => z.record(z.string(), z.string());

/** ObjectMeta. What the API server writes is accepted and ignored. */
const metadata = lazily(() =>
  z.strictObject({
    name: z.string().min(1).max(253),
    namespace: z.string().min(1).max(63).optional(),
    labels: stringMap().optional(),
    annotations: stringMap().optional(),
    creationTimestamp: z.unknown().optional(),
    deletionTimestamp: z.unknown().optional(),
    deletionGracePeriodSeconds: z.unknown().optional(),
    finalizers: z.array(z.string()).optional(),
    generateName: z.string().optional(),
    generation: z.number().optional(),
    managedFields: z.unknown().optional(),
    ownerReferences: z.unknown().optional(),
    resourceVersion: z.union([z.string(), z.number()]).optional(),
    selfLink: z.string().optional(),
    uid: z.string().optional(),
  }),
);

export type Metadata = z.infer<ReturnType<typeof metadata>>;

/** The fields beside `spec`: `z.strictObject({...kubernetesHead(), spec: …})`. `status` is accepted and ignored. */
export const kubernetesHead = lazily(() => ({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: metadata(),
  status: z.unknown().optional(),
}));

/** Header of a document, read before any schema; null when it is not a Kubernetes object. */
export interface KubernetesIdentity {
  /** Without the version; empty for the core group. */
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  /** `default` when the document names none. */
  readonly namespace: string;
  /** Empty when it is missing or not a string. */
  readonly name: string;
}

export function identify(value: unknown): KubernetesIdentity | null {
  if (!isRecord(value) || typeof value.apiVersion !== 'string' || typeof value.kind !== 'string') return null;
  const slash = value.apiVersion.indexOf('/');
  const head = isRecord(value.metadata) ? value.metadata : {};
  const group = slash < 0 ? '' : value.apiVersion.slice(0, slash);
  // A quote that is not closed makes a name of all that follows: of a Secret that must not be shown.
  const named = (text: unknown): text is string =>
    typeof text === 'string' && text !== '' && (group !== '' || value.kind !== 'Secret' || secretName.test(text));
  return {
    group,
    version: value.apiVersion.slice(slash + 1),
    kind: value.kind,
    namespace: named(head.namespace) ? head.namespace : 'default',
    name: named(head.name) ? head.name : '',
  };
}

/** DNS subdomain (Kubernetes object names). */
const secretName = /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/;

/** Objects of a document with their paths: the document itself, or the items of a `kind: List`. */
export function objectsOf(document: LocatedDocument): readonly { readonly path: Path; readonly value: unknown }[] {
  const { value } = document;
  if (!isRecord(value) || value.kind !== 'List' || !Array.isArray(value.items)) return [{ path: [], value }];
  return value.items.map((item: unknown, index) => ({ path: ['items', index], value: item }));
}

export interface ObjectParts {
  readonly dialect: DialectName;
  readonly identity: KubernetesIdentity;
  /** False for cluster-scoped kinds: their namespace is null. */
  readonly namespaced: boolean;
  readonly document: LocatedDocument;
  readonly path: Path;
  readonly restricts: boolean;
  /** Checked value; the raw one when it is broken. */
  readonly value: unknown;
  readonly diagnostics: readonly Diagnostic[];
}

/** How diagnostics name an object. */
export function refOf(identity: KubernetesIdentity, namespaced: boolean): ResourceRef {
  return {
    kind: identity.kind,
    namespace: namespaced ? identity.namespace : null,
    name: identity.name,
  };
}

/** The resource of one object; broken when one of its diagnostics is an error. */
export function objectResource(parts: ObjectParts): Resource {
  const { dialect, identity, document, path } = parts;
  const ref = refOf(identity, parts.namespaced);
  const place = document.locate(path);
  return {
    dialect,
    kind: ref.kind,
    namespace: ref.namespace,
    name: ref.name,
    key: `${dialect}/${ref.kind}/${ref.namespace ?? ''}/${ref.name}`,
    origin: { dialect, ...ref, file: document.file, line: place.line, column: place.column },
    value: parts.value,
    document,
    path,
    diagnostics: parts.diagnostics,
    broken: parts.diagnostics.some((one) => one.severity === 'error'),
    restricts: parts.restricts,
  };
}
