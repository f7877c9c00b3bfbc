import type { z } from 'zod';

export interface Part {
  readonly prefix: string;
  readonly state: 'pending' | 'refused' | 'reported';
  readonly base: object;
}

/** One kind whose fields are probed, with a small world in which they can have an effect. */
export interface Subject {
  readonly dialect: string;
  readonly kind: string;
  readonly schema: z.core.$ZodType;
  /** Valid values of the kind; a field is set in each until it has an effect. */
  readonly bases: readonly object[];
  /** The whole configuration around a value of the kind. */
  documents(value: unknown): readonly object[];
  /** Values for fields that need particular ones. */
  readonly values?: Readonly<Record<string, readonly unknown[]>>;
  /** The kind does not run at all: it is reported (WR0108) or refused (WR0109) whatever it says. */
  readonly whole?: 'pending' | 'refused';
  /** Parts that stand or fall as one: fields below `prefix` share its fate, which `base` shows by its diagnostics. */
  readonly parts?: readonly Part[];
  /** Fields left out: the header that makes a document what it is. */
  skip?(field: string): boolean;
}
