import type { Started } from '../process.ts';

/** What a contender is given. */
export interface Site {
  /** Port to listen on, 127.0.0.1. */
  readonly port: number;
  /** The upstream, 127.0.0.1. */
  readonly upstreamPort: number;
  /** An empty directory of its own. */
  readonly directory: string;
  readonly cpu: string | null;
}

export interface Contender {
  /** As the table names it. */
  readonly name: string;
  /** Program that must be on the machine; null: comes with npm install. */
  readonly program: string | null;
  start(site: Site): Started;
  /** Request headers that its configuration asks for. */
  readonly headers: readonly string[];
}

/** API key of every row that asks for one. */
export const apiKey = 'bench-0123456789abcdef';
