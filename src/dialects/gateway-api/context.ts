import { diagnose, type MessageCode } from '../../analysis/messages.ts';
import type { Cluster } from '../../model/cluster.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Origin } from '../../model/origin.ts';
import type { Condition } from '../../model/snapshot.ts';
import type { Secret } from '../../model/tls.ts';
import type { Path, Resource, TranslateInput } from '../dialect.ts';
import { secretsIndex, type SecretsIndex } from '../kubernetes/index.ts';
import { namespaceKind } from '../kubernetes/schema.ts';
import { buildServiceIndex, type ServiceIndex } from '../services.ts';
import type { LabelSelector } from './schema/common.ts';
import { referenceGrantKind } from './schema/others.ts';

/** One kind of object that may be referred to from another namespace. */
interface Grant {
  readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[];
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string | undefined }[];
}

/** What one translation knows and collects. */
export interface Context {
  readonly input: TranslateInput;
  readonly services: ServiceIndex;
  readonly grants: ReadonlyMap<string, readonly Grant[]>;
  readonly namespaceLabels: ReadonlyMap<string, Readonly<Record<string, string>>>;
  readonly index: SecretsIndex;
  /** What the listeners and clusters use of it, by name. */
  readonly secrets: Map<string, Secret>;
  readonly clusters: Map<string, Cluster>;
  readonly diagnostics: Diagnostic[];
}

export function makeContext(input: TranslateInput): Context {
  const grants = new Map<string, Grant[]>();
  const namespaceLabels = new Map<string, Readonly<Record<string, string>>>();
  for (const resource of input.resources) {
    if (resource.broken) continue;
    if (resource.dialect === 'kubernetes') {
      const namespace = namespaceKind.of(resource);
      if (namespace) namespaceLabels.set(resource.name, namespace.metadata.labels ?? {});
    } else if (resource.dialect === 'gateway-api') {
      const grant = referenceGrantKind.of(resource);
      if (grant === null) continue;
      const namespace = resource.namespace ?? 'default';
      const list = grants.get(namespace);
      if (list) list.push(grant.spec);
      else grants.set(namespace, [grant.spec]);
    }
  }
  return {
    input,
    services: buildServiceIndex(input.resources),
    grants,
    namespaceLabels,
    index: secretsIndex(input.resources),
    secrets: new Map(),
    clusters: new Map(),
    diagnostics: [],
  };
}

/** Adds a diagnostic at `path` within the resource. */
export function report(context: Context, code: MessageCode, resource: Resource, path: Path, message: string, hint?: string): void {
  const place = { file: resource.document.file, ...resource.document.locate([...resource.path, ...path]) };
  const ref = { kind: resource.kind, namespace: resource.namespace, name: resource.name };
  context.diagnostics.push(diagnose(code, place, ref, message, hint === undefined ? {} : { hint }));
}

/** The resource's origin, at a place inside it. */
export function originAt(resource: Resource, path: Path): Origin {
  return { ...resource.origin, ...resource.document.locate([...resource.path, ...path]) };
}

export interface Reference {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
}

/** ReferenceGrant: is a reference into another namespace allowed by that namespace? */
export function permitted(context: Context, from: Omit<Reference, 'name'>, to: Reference): boolean {
  if (from.namespace === to.namespace) return true;
  return (context.grants.get(to.namespace) ?? []).some(
    (grant) =>
      grant.from.some((one) => one.group === from.group && one.kind === from.kind && one.namespace === from.namespace) &&
      grant.to.some((one) => one.group === to.group && one.kind === to.kind && (one.name === undefined || one.name === to.name)),
  );
}

/** Kubernetes label selector; an empty one selects everything. */
export function selects(selector: LabelSelector, labels: Readonly<Record<string, string>>): boolean {
  for (const [name, value] of Object.entries(selector.matchLabels ?? {})) if (labels[name] !== value) return false;
  for (const { key, operator, values = [] } of selector.matchExpressions ?? []) {
    const value: string | undefined = labels[key];
    if (operator === 'Exists' && value === undefined) return false;
    if (operator === 'DoesNotExist' && value !== undefined) return false;
    if (operator === 'In' && (value === undefined || !values.includes(value))) return false;
    if (operator === 'NotIn' && value !== undefined && values.includes(value)) return false;
  }
  return true;
}

/** Labels of a namespace, with the one that every namespace carries (Kubernetes sets it by itself). */
export function labelsOfNamespace(context: Context, namespace: string): Readonly<Record<string, string>> {
  return { ...context.namespaceLabels.get(namespace), 'kubernetes.io/metadata.name': namespace };
}

export function condition(type: string, status: boolean | 'Unknown', reason: string, message: string): Condition {
  return { type, status: status === 'Unknown' ? 'Unknown' : status ? 'True' : 'False', reason, message };
}

/** Age for precedence: milliseconds since the epoch; objects without a creationTimestamp are the youngest. */
export function createdAt(resource: Resource): number {
  const value: unknown = resource.value;
  const metadata: unknown = typeof value === 'object' && value !== null ? Reflect.get(value, 'metadata') : null;
  const text: unknown = typeof metadata === 'object' && metadata !== null ? Reflect.get(metadata, 'creationTimestamp') : null;
  const time = typeof text === 'string' ? Date.parse(text) : text instanceof Date ? text.getTime() : Number.NaN;
  return Number.isNaN(time) ? Number.POSITIVE_INFINITY : time;
}

/** Oldest first, then by `namespace/name` (Gateway API tie-breaking). */
export function byAge(
  a: { readonly created: number; readonly key: string },
  b: { readonly created: number; readonly key: string },
): number {
  if (a.created !== b.created) return a.created < b.created ? -1 : 1;
  return a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
}
