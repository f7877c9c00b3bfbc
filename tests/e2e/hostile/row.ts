import type { Outcome } from './bench.ts';

/** One attack, and the one thing that is done with it. */
export interface Attack {
  readonly name: string;
  /** Bytes of the attacker's connection. */
  readonly send: string | readonly string[];
  /** It is answered with this status and the connection ends; nothing whole of it reaches the backend. */
  readonly refused?: { readonly status: number; readonly details: string };
  /** Start lines of the requests that reach the backend, in order. */
  readonly reaches?: readonly string[];
  /** Anything else that must hold. */
  readonly also?: (outcome: Outcome) => void;
}

/** A class of attacks, a row of docs/reference/hostile-input.md. */
export interface AttackClass {
  /** As the first column has it. */
  readonly name: string;
  readonly sources: string;
  /** What is done, as the last column has it. */
  readonly done: string;
  readonly attacks: readonly Attack[];
}

export const refused = (status: number, details: string): Pick<Attack, 'refused'> => ({ refused: { status, details } });
export const reaches = (...starts: readonly string[]): Pick<Attack, 'reaches'> => ({ reaches: starts });

export function head(start: string, ...lines: readonly string[]): string {
  return [start, 'Host: a.test', ...lines, '', ''].join('\r\n');
}
