/** What a Kong entity looks like once it is read: the value of its Resource. */
import type { ResourceRef } from '../../model/diagnostic.ts';
import type { Resource } from '../dialect.ts';
import { isRecord } from '../check.ts';

/** A foreign key: `service: my-svc`, `service: {name: my-svc}` or `service: {id: …}`. */
export interface Reference {
  readonly id?: string;
  readonly name?: string;
}

export interface KongEntity {
  /** As written, else derived from the entity's identity: the same over revisions. */
  readonly id: string;
  /** Name by which other entities refer to it; null when only the id does. */
  readonly label: string | null;
  /** Foreign keys, those of the enclosing entities included, by field name (`service`, `route`, `consumer` …). */
  readonly refs: Readonly<Record<string, Reference>>;
  /** Checked fields with defaults; null when the entity is broken. */
  readonly fields: Readonly<Record<string, unknown>> | null;
  /** Plugin name and `enabled`, as far as they could be read of a broken plugin too. */
  readonly plugin: { readonly name: string; readonly enabled: boolean } | null;
}

export function isKongEntity(value: unknown): value is KongEntity {
  return (
    isRecord(value) &&
    typeof value.id === 'string' &&
    (value.label === null || typeof value.label === 'string') &&
    isRecord(value.refs) &&
    (value.fields === null || isRecord(value.fields)) &&
    (value.plugin === null || isRecord(value.plugin))
  );
}

/** A resource of this dialect with its entity. */
export interface Located {
  readonly resource: Resource;
  readonly entity: KongEntity;
}

/** A broken resource's fields must not be used: they may come from a damaged text. Who it refers to still counts. */
export function usable(resource: Resource, entity: KongEntity): KongEntity {
  return resource.broken ? { ...entity, fields: null } : entity;
}

/** Entities of one kind in file order, broken ones included. */
export function entitiesOf(resources: readonly Resource[], kind: string): readonly Located[] {
  const found: Located[] = [];
  for (const resource of resources)
    if (resource.dialect === 'kong' && resource.kind === kind && isKongEntity(resource.value))
      found.push({ resource, entity: usable(resource, resource.value) });
  return found;
}

export function resourceRef(resource: Resource): ResourceRef {
  return { kind: resource.kind, namespace: resource.namespace, name: resource.name };
}
