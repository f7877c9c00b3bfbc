/** All Kong entities, found by id or name, and the check that each foreign key has a target. */
import { diagnose } from '../../analysis/messages.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { nearest } from '../../base/text.ts';
import { fieldName } from '../check.ts';
import type { Resource } from '../dialect.ts';
import { isKongEntity, resourceRef, usable, type Located, type Reference } from './entity.ts';
import { referenceText, targetKinds } from './references.ts';

export class Directory {
  readonly #byId = new Map<string, Located>();
  readonly #byLabel = new Map<string, Located>();
  readonly #ofKind = new Map<string, Located[]>();

  constructor(resources: readonly Resource[]) {
    for (const resource of resources) {
      if (resource.dialect !== 'kong' || !isKongEntity(resource.value)) continue;
      const located = { resource, entity: usable(resource, resource.value) };
      const { kind } = resource;
      const list = this.#ofKind.get(kind);
      if (list === undefined) this.#ofKind.set(kind, [located]);
      else list.push(located);
      // Kong compares ids as UUIDs; the first of two of the same name counts.
      const id = `${kind} ${located.entity.id.toLowerCase()}`;
      if (!this.#byId.has(id)) this.#byId.set(id, located);
      const label = located.entity.label === null ? null : `${kind} ${located.entity.label}`;
      if (label !== null && !this.#byLabel.has(label)) this.#byLabel.set(label, located);
    }
  }

  /** In file order, broken ones included. */
  all(kind: string): readonly Located[] {
    return this.#ofKind.get(kind) ?? [];
  }

  find(kind: string, reference: Reference): Located | null {
    if (reference.id !== undefined) return this.#byId.get(`${kind} ${reference.id.toLowerCase()}`) ?? null;
    const name = reference.name ?? '';
    return this.#byLabel.get(`${kind} ${name}`) ?? this.#byId.get(`${kind} ${name.toLowerCase()}`) ?? null;
  }

  /** WR0401 for each foreign key whose target is in no document. */
  dangling(): readonly Diagnostic[] {
    const diagnostics: Diagnostic[] = [];
    for (const list of this.#ofKind.values())
      for (const { resource, entity } of list)
        for (const [key, reference] of Object.entries(entity.refs)) {
          const kind = targetKinds[key];
          if (kind === undefined || this.find(kind, reference) !== null) continue;
          const path = [...resource.path, key];
          const place = { file: resource.document.file, ...resource.document.locate(path) };
          const labels = this.all(kind).flatMap((one) => (one.entity.label === null ? [] : [one.entity.label]));
          const near = nearest(referenceText(reference), labels);
          diagnostics.push(
            diagnose('WR0401', place, resourceRef(resource), `${fieldName(path)}: there is no ${kind} '${referenceText(reference)}'`, {
              hint: near === null ? `add it under '${collectionOf(kind)}', or correct the name` : `did you mean '${near}'?`,
            }),
          );
        }
    return diagnostics;
  }

  /** True when a foreign key of the entity leads nowhere. */
  leadsNowhere({ entity }: Located): boolean {
    return Object.entries(entity.refs).some(
      ([key, reference]) => targetKinds[key] !== undefined && this.find(targetKinds[key], reference) === null,
    );
  }
}

function collectionOf(kind: string): string {
  return kind === 'KeySet' ? 'key_sets' : kind === 'OAuth2Credential' ? 'oauth2_credentials' : `${kind.toLowerCase()}s`;
}
