import type { z } from 'zod';
import type { Part, Subject } from './subject.ts';

/** A kind with the documents of the world that stand for it. */
export interface WorldKind {
  readonly spec: { readonly kind: string; readonly schema: () => z.core.$ZodType };
  readonly bases: readonly Record<string, unknown>[];
  readonly values?: Readonly<Record<string, readonly unknown[]>>;
  /** The kind does not run at all: it is reported (WR0108) or refused (WR0109) whatever it says. */
  readonly whole?: 'pending' | 'refused';
  readonly parts?: readonly Part[];
}

/** Fields of every Kubernetes object that say what it is, and notes of an API server. Labels count: selectors read them. */
const header = /^(apiVersion|kind|status|metadata\.(?!labels).*)$/;

function identity(value: unknown): string {
  if (typeof value !== 'object' || value === null || !('kind' in value) || !('metadata' in value)) return '';
  const { kind, metadata } = value;
  return typeof metadata === 'object' && metadata !== null && 'name' in metadata ? `${String(kind)}/${String(metadata.name)}` : '';
}

export function kubernetesSubject(dialect: string, world: readonly object[], kind: WorldKind): Subject {
  return {
    dialect,
    kind: kind.spec.kind,
    schema: kind.spec.schema(),
    bases: kind.bases,
    ...(kind.values === undefined ? {} : { values: kind.values }),
    ...(kind.whole === undefined ? {} : { whole: kind.whole }),
    ...(kind.parts === undefined ? {} : { parts: kind.parts }),
    skip: (field) => header.test(field),
    documents(value) {
      const own = typeof value === 'object' && value !== null ? value : {};
      const at = world.findIndex((document) => identity(document) === identity(own));
      return at === -1 ? [...world, own] : world.with(at, own);
    },
  };
}
