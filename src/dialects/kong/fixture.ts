/** For tests: Kong text, read and translated alone. */
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Fragment } from '../../model/snapshot.ts';
import type { Resource } from '../dialect.ts';
import { parseText } from '../text.ts';
import { kong } from './index.ts';

export interface Loaded {
  readonly resources: readonly Resource[];
  /** Of reading and translation. */
  readonly diagnostics: readonly Diagnostic[];
  readonly fragment: Fragment;
}

export function load(text: string): Loaded {
  const parsed = parseText('kong.yaml', text);
  const resources = parsed.documents.flatMap((document) => kong.read(document));
  const { fragment, diagnostics } = kong.translate({ resources, options: { bind: '0.0.0.0', labels: null } });
  return { resources, fragment, diagnostics: [...parsed.diagnostics, ...resources.flatMap((one) => one.diagnostics), ...diagnostics] };
}

/** Codes of all diagnostics, sorted. */
export function codes(text: string): readonly string[] {
  return load(text)
    .diagnostics.map((one) => one.code)
    .toSorted();
}
