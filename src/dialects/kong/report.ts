/** Diagnostics of translation: what was understood and does not run, at its place in the document. */
import { diagnose, type MessageCode } from '../../analysis/messages.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { PendingField } from '../../model/route.ts';
import { fieldName } from '../check.ts';
import type { Path, Resource } from '../dialect.ts';
import { resourceRef } from './entity.ts';

export class Report {
  readonly diagnostics: Diagnostic[] = [];

  add(code: MessageCode, resource: Resource, path: Path, message: string, hint?: string): void {
    const place = { file: resource.document.file, ...resource.document.locate([...resource.path, ...path]) };
    this.diagnostics.push(diagnose(code, place, resourceRef(resource), message, hint === undefined ? {} : { hint }));
  }

  /** A field without effect yet: WR0108, or WR0109 when it restricts access. */
  pending(
    resource: Resource,
    path: Path,
    value: unknown,
    options: { readonly restricts?: boolean; readonly hint?: string } = {},
  ): PendingField {
    const field = fieldName(path);
    const restricts = options.restricts === true;
    const name = `${resource.kind} ${resource.name}: ${field}`;
    this.add(
      restricts ? 'WR0109' : 'WR0108',
      resource,
      path,
      restricts ? `${name} restricts access and does not run yet; the routes in its scope answer 503` : `${name} does not run yet`,
      options.hint,
    );
    return { field, value, restricts };
  }
}
