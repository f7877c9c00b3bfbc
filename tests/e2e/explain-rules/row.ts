/** One rule of a reference, as a configuration, a request and the right answer. */
import { stringify } from 'yaml';

export interface Row {
  readonly name: string;
  readonly documents: readonly unknown[];
  /** `[METHOD] URL` */
  readonly request: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** SPIFFE id of a mesh caller. */
  readonly from?: string;
  /** Name of the route that wins; null: none. */
  readonly wins: string | null;
  /** Losing route or virtual host → what explain must say about it. */
  readonly loses?: Readonly<Record<string, RegExp>>;
  readonly outcome?: string;
  readonly status?: number | null;
  readonly path?: string;
  readonly authority?: string;
  readonly location?: string;
  /** Hosts of destinations that take part. */
  readonly to?: readonly string[];
  /** Messages of errors that the configuration has on purpose. */
  readonly errors?: readonly string[];
  /** In the sentence that says what happens. */
  readonly reason?: RegExp;
}

export function textOf(documents: readonly unknown[]): string {
  return documents.map((document) => stringify(document)).join('---\n');
}
