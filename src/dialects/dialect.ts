import type { Diagnostic } from '../model/diagnostic.ts';
import type { DialectName, Origin } from '../model/origin.ts';
import type { Fragment, Snapshot } from '../model/snapshot.ts';

export type Path = readonly (string | number)[];

/** One document of one file, with a way back to its text. Made by dialects/text.ts. */
export interface LocatedDocument {
  readonly file: string;
  /** Position among the file's documents, from 0. */
  readonly index: number;
  readonly value: unknown;
  /**
   * Place of the value at `path`, or of the nearest parent that exists. `key: true` gives the place of the key instead.
   * 1-based.
   */
  locate(path: Path, key?: boolean): { readonly line: number; readonly column: number };
}

/**
 * The unit of quarantine: one Kubernetes object, one Kong entity. `errors` means that it is broken as text; the
 * loader then puts its last good version in its place, or leaves it out.
 */
export interface Resource {
  readonly dialect: DialectName;
  /** `VirtualService`, `HTTPRoute`, Kong `Route` … */
  readonly kind: string;
  readonly namespace: string | null;
  readonly name: string;
  /** dialect/kind/namespace/name: identity over revisions. */
  readonly key: string;
  readonly origin: Origin;
  /** Checked value with defaults filled in where the schema passed; each dialect narrows it with its own guard. */
  readonly value: unknown;
  readonly document: LocatedDocument;
  /** Path of this resource in its document ([] for a Kubernetes object). */
  readonly path: Path;
  /** Problems of this resource alone. */
  readonly diagnostics: readonly Diagnostic[];
  /** True when it has error diagnostics and must not be used. */
  readonly broken: boolean;
  /** A policy: where it is broken and has no last good version, its scope answers 503. */
  readonly restricts: boolean;
  /** True: an older version stands in for broken text. Set by the loader. */
  readonly stale?: boolean;
}

/** Everything a dialect may look at when it translates. */
export interface TranslateInput {
  /** Resources of all dialects, in file order, broken ones without a last good version included (`broken: true`). */
  readonly resources: readonly Resource[];
  readonly options: TranslateOptions;
}

export interface TranslateOptions {
  /** `--bind`: address of listeners that name none. */
  readonly bind: string;
  /** `--labels`: which Istio Gateways this process serves; null: all. */
  readonly labels: Readonly<Record<string, string>> | null;
}

export interface Translation {
  readonly fragment: Fragment;
  readonly diagnostics: readonly Diagnostic[];
}

export interface Dialect {
  readonly name: DialectName;
  /** By header alone, never by trying. */
  recognises(document: LocatedDocument): boolean;
  /** Schema check; never throws. A document may hold several resources (Kong, `kind: List`). */
  read(document: LocatedDocument): readonly Resource[];
  /** Total: every field is honoured, reported as pending, or an error. Never throws. */
  translate(input: TranslateInput): Translation;
  /** Runs over the joined snapshot of all dialects: DestinationRules refine clusters, Weir policies attach filters. */
  finish?(snapshot: Snapshot, input: TranslateInput): { readonly snapshot: Snapshot; readonly diagnostics: readonly Diagnostic[] };
}
