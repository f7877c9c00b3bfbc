import type { Origin } from './origin.ts';

/** One configured filter, attached to a listener, virtual host, route or destination. */
export interface FilterConfig {
  /** Name in filters/index.ts; a name that is not there fails closed. */
  readonly name: string;
  /** Checked against the filter's schema, defaults filled in. Plain JSON. */
  readonly config: unknown;
  readonly origin: Origin;
  /**
   * Identity of its live state (windows, buckets): same key, same state, over any number of revisions.
   * The dialect makes it from the resource's identity and the instance, never from the file position.
   */
  readonly stateKey: string;
  /** Replaces the filter's own rank in the order of the chain. */
  readonly rank?: number;
  /**
   * The filter is understood and does not run yet, or its policy is broken: its scope answers `blocked.status`.
   * `reason` is for explain and the log.
   */
  readonly blocked?: { readonly status: number; readonly reason: string };
  /**
   * Kong plugin scope that depends on the authenticated consumer: this instance runs only for that consumer id, and
   * replaces a less specific instance of the same name. Absent: any consumer.
   */
  readonly consumer?: string;
  /** Only these schemes (Kong plugin `protocols`); absent: every one. */
  readonly protocols?: readonly string[];
}
