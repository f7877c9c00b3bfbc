import { diagnose, type MessageCode } from '../../analysis/messages.ts';
import type { Diagnostic, Severity } from '../../model/diagnostic.ts';
import type { Origin } from '../../model/origin.ts';
import { fieldName } from '../check.ts';
import type { Path, Resource } from '../dialect.ts';

export interface ReportOptions {
  readonly hint?: string;
  readonly severity?: Severity;
  /** Point at the key instead of the value. */
  readonly key?: boolean;
}

/** Collects the diagnostics of one translation; the same one twice is told once. */
export interface Reporter {
  readonly diagnostics: readonly Diagnostic[];
  /** `path` within the resource. */
  add(code: MessageCode, resource: Resource, path: Path, message: string, options?: ReportOptions): void;
  /** WR0108 at the key of a field. */
  pending(resource: Resource, path: Path, why?: string): void;
}

export function createReporter(): Reporter {
  const diagnostics: Diagnostic[] = [];
  const seen = new Set<string>();
  const add: Reporter['add'] = (code, resource, path, message, options = {}) => {
    const place = { file: resource.document.file, ...resource.document.locate([...resource.path, ...path], options.key ?? false) };
    const identity = `${code} ${place.file}:${place.line}:${place.column} ${message}`;
    if (seen.has(identity)) return;
    seen.add(identity);
    const { kind, namespace, name } = resource;
    diagnostics.push(
      diagnose(code, place, { kind, namespace, name }, message, {
        ...(options.hint === undefined ? {} : { hint: options.hint }),
        ...(options.severity === undefined ? {} : { severity: options.severity }),
      }),
    );
  };
  return {
    diagnostics,
    add,
    pending: (resource, path, why) =>
      add('WR0108', resource, path, `${fieldName(path)} does not run yet${why === undefined ? '' : `: ${why}`}`, { key: true }),
  };
}

/** Origin of a part of a resource. */
export function originAt(resource: Resource, path: Path): Origin {
  return { ...resource.origin, ...resource.document.locate([...resource.path, ...path]) };
}
