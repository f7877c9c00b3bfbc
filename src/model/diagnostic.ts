export type Severity = 'error' | 'warning' | 'info';

/** Which resource a diagnostic speaks of. */
export interface ResourceRef {
  readonly kind: string;
  readonly namespace: string | null;
  readonly name: string;
}

/** A problem found in a document. Made only by `diagnose` in analysis/messages.ts. */
export interface Diagnostic {
  /** `WRnnnn`; codes are for ever. */
  readonly code: string;
  readonly severity: Severity;
  readonly message: string;
  /** What to write instead. */
  readonly hint?: string;
  readonly file: string;
  /** 1-based; 0 when the problem has no place in a text. */
  readonly line: number;
  /** 1-based; 0 when the problem has no place in a text. */
  readonly column: number;
  readonly resource: ResourceRef | null;
  /** Page and anchor under docs/ that explains the code. */
  readonly docs: string;
}
