/** Outcome of asking a limit for `cost` units. */
export interface LimitDecision {
  readonly allowed: boolean;
  /** Units left after this request. */
  readonly remaining: number;
  /** Milliseconds until the window ends or the bucket holds `cost` again. */
  readonly resetMs: number;
  /** True: offline, nothing is known of what was used. */
  readonly conditional: boolean;
}

/**
 * Where counters live. The data plane's is exact over all workers (shared memory) and takes; explain's only looks.
 * `key` is the identity: state key of the filter + period + the subject (ip, consumer …).
 */
export interface LimitStore {
  /** Fixed window aligned to the epoch (Kong): `limit` units in each `periodMs`. */
  window(key: string, limit: number, periodMs: number, nowMs: number, cost: number): LimitDecision;
  /** Token bucket: holds `capacity`, gains `refillPerSecond`. */
  bucket(key: string, capacity: number, refillPerSecond: number, nowMs: number, cost: number): LimitDecision;
}
