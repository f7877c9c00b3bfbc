import { isDeepStrictEqual } from 'node:util';
import { diagnose } from '../analysis/messages.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { ResourceStatus } from '../model/snapshot.ts';
import type { Resource } from './dialect.ts';

/** What served before, by resource key. Kept by whoever compiles again and again; immutable. */
export interface LastGood {
  readonly resources: ReadonlyMap<string, Resource>;
}

/** Resources of one pass over the files, before quarantine. */
export interface ReadPass {
  /** In file order. */
  readonly resources: readonly Resource[];
  /** Files with a document that does not parse: what they held and no longer show stays. */
  readonly damagedFiles: ReadonlySet<string>;
  /** Paths that could not be read, and everything below them. */
  readonly unreadable: readonly string[];
}

export interface Quarantined {
  /** Broken resources replaced by their last good version where there is one (`stale: true`), else `broken: true`. */
  readonly resources: readonly Resource[];
  readonly diagnostics: readonly Diagnostic[];
  readonly memory: LastGood;
}

/**
 * One bad resource harms itself alone: it keeps its last good version. A deleted resource goes; one whose file is
 * damaged or unreadable stays.
 */
export function quarantine(pass: ReadPass, memory: LastGood | null): Quarantined {
  const good = memory?.resources ?? new Map<string, Resource>();
  const diagnostics: Diagnostic[] = [];
  const chosen = new Map<string, Resource>();
  for (const resource of pass.resources) {
    const first = chosen.get(resource.key);
    if (first !== undefined) {
      diagnostics.push(duplicate(resource, first));
      // Whoever wrote the second policy wanted its scope guarded: what does not run must not leave it open.
      if (resource.restricts && !isDeepStrictEqual(resource.value, first.value)) {
        const key = `${resource.key}#${resource.origin.file}:${resource.document.index}:${resource.path.join('.')}`;
        chosen.set(key, { ...resource, key, broken: true, diagnostics: [] });
      }
      continue;
    }
    chosen.set(resource.key, resource.broken ? standIn(resource, good.get(resource.key)) : resource);
  }
  for (const [key, resource] of good) {
    if (!chosen.has(key) && isKept(resource.origin.file, pass)) chosen.set(key, { ...resource, stale: true });
  }
  const resources = [...chosen.values()];
  const next = new Map<string, Resource>();
  for (const resource of resources) if (!resource.broken) next.set(resource.key, withoutText(resource));
  return { resources, diagnostics, memory: { resources: next } };
}

/**
 * A resource that outlives its text: places inside it would be wrong after the next edit, and their index weighs more
 * than the resource.
 */
function withoutText(resource: Resource): Resource {
  const { file, index, value } = resource.document;
  const { line, column } = resource.origin;
  return { ...resource, document: { file, index, value, locate: () => ({ line, column }) }, diagnostics: [] };
}

function standIn(broken: Resource, good: Resource | undefined): Resource {
  return good === undefined ? broken : { ...good, stale: true };
}

function isKept(file: string, pass: ReadPass): boolean {
  return (
    pass.damagedFiles.has(file) || pass.unreadable.some((path) => file === path || file.startsWith(path.endsWith('/') ? path : `${path}/`))
  );
}

function duplicate(resource: Resource, first: Resource): Diagnostic {
  const { kind, namespace, name, origin } = resource;
  const label = namespace === null ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
  return diagnose(
    'WR0107',
    origin,
    { kind, namespace, name },
    `${label} is already defined at ${first.origin.file}:${first.origin.line}; this one is ignored`,
    { hint: 'Rename one of the two or remove it.' },
  );
}

/** Marks what is quarantined, and gives a status to resources whose dialect could not say anything of them. */
export function markQuarantined(
  status: readonly ResourceStatus[],
  resources: readonly Resource[],
  diagnostics: readonly Diagnostic[],
): readonly ResourceStatus[] {
  const affected = new Map<string, Resource>();
  for (const resource of resources) if (resource.broken || resource.stale === true) affected.set(identity(resource), resource);
  if (affected.size === 0) return status;
  const marked = status.map((entry) => (affected.delete(identity(entry)) ? { ...entry, quarantined: true } : entry));
  for (const resource of affected.values()) {
    const { kind, namespace, name, origin } = resource;
    const problem = diagnostics.find(
      (d) => d.severity === 'error' && d.resource?.kind === kind && d.resource.name === name && d.resource.namespace === namespace,
    );
    const message = problem?.message ?? `${origin.file} cannot be read or parsed`;
    marked.push({
      kind,
      namespace,
      name,
      origin,
      quarantined: true,
      conditions: [
        {
          type: 'Accepted',
          status: 'False',
          reason: 'Invalid',
          message: resource.stale === true ? `${message}; its last good version serves` : message,
        },
      ],
      listeners: [],
      parents: [],
    });
  }
  return marked;
}

function identity(of: { readonly kind: string; readonly namespace: string | null; readonly name: string }): string {
  return `${of.kind}/${of.namespace ?? ''}/${of.name}`;
}
