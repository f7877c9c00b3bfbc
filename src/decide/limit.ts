/** Outcome of asking one limit for one unit. */
export interface LimitDecision {
  readonly allowed: boolean;
  /** Units left: after this request when the whole group allowed it, otherwise as it stands. */
  readonly remaining: number;
  /** Milliseconds until the window ends, or until the bucket holds one more unit (allowed: is full again). */
  readonly resetMs: number;
  /** True: offline, nothing is known of what was used. */
  readonly conditional: boolean;
}

/** Verdict of several limits together. Units are taken from all of them or, when one refuses, from none. */
export interface LimitVerdict {
  readonly allowed: boolean;
  /** One for each rule, in order. */
  readonly limits: readonly LimitDecision[];
}

/** Calendar names are UTC calendar periods; `seconds` windows are aligned to the epoch. */
export type Period = 'second' | 'minute' | 'hour' | 'day' | 'month' | 'year' | { readonly seconds: number };

export interface LimitRule {
  /** Units in each period; a bucket gains them evenly over the period. */
  readonly limit: number;
  readonly period: Period;
  readonly algorithm: 'fixed-window' | 'token-bucket';
  /** What a full bucket holds; ignored for windows. */
  readonly burst: number;
}

/** Limits of one filter instance, bound to a store once, when the filter is made. */
export interface LimitGroup {
  /** Asks every rule for one unit. `subject`: whom the limit counts (ip, consumer …). `nowMs` since the epoch. */
  take(subject: string, nowMs: number): LimitVerdict;
}

/**
 * Where counters live. The data plane's is exact over all workers (shared memory) and takes; explain's only looks.
 * The identity of a counter is `stateKey` + algorithm and period of the rule + subject: a changed limit keeps its count.
 */
export interface LimitStore {
  group(stateKey: string, rules: readonly LimitRule[]): LimitGroup;
}

const fixedMs = { second: 1000, minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;

/** Name of a period, as in keys, headers and reasons: `minute`, `90s`. */
export function periodName(period: Period): string {
  return typeof period === 'string' ? period : `${period.seconds}s`;
}

/** Length of the period that holds `nowMs`, milliseconds; months and years by the UTC calendar. */
export function periodLengthMs(period: Period, nowMs: number): number {
  const start = windowStartMs(period, nowMs);
  return windowEndMs(period, start) - start;
}

/** Start of the window that holds `nowMs`, milliseconds since the epoch. */
export function windowStartMs(period: Period, nowMs: number): number {
  if (typeof period !== 'string') return nowMs - positiveModulo(nowMs, period.seconds * 1000);
  if (period === 'month' || period === 'year') {
    const date = new Date(nowMs);
    return Date.UTC(date.getUTCFullYear(), period === 'month' ? date.getUTCMonth() : 0, 1);
  }
  return nowMs - positiveModulo(nowMs, fixedMs[period]);
}

/** End (exclusive) of the window that starts at `startMs`. */
export function windowEndMs(period: Period, startMs: number): number {
  if (typeof period !== 'string') return startMs + period.seconds * 1000;
  if (period === 'month' || period === 'year') {
    const date = new Date(startMs);
    return period === 'month' ? Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1) : Date.UTC(date.getUTCFullYear() + 1, 0, 1);
  }
  return startMs + fixedMs[period];
}

/** Nominal length for refill rates and policies: a month is 30 days, a year 365. */
export function nominalPeriodMs(period: Period): number {
  if (typeof period !== 'string') return period.seconds * 1000;
  if (period === 'month') return 30 * fixedMs.day;
  if (period === 'year') return 365 * fixedMs.day;
  return fixedMs[period];
}

function positiveModulo(value: number, by: number): number {
  return ((value % by) + by) % by;
}

/** For explain without a running gateway: every limit has room, and says that this is conditional. */
export class OfflineLimitStore implements LimitStore {
  group(_stateKey: string, rules: readonly LimitRule[]): LimitGroup {
    const limits = rules.map((rule) => ({
      allowed: true,
      remaining: (rule.algorithm === 'token-bucket' ? rule.burst : rule.limit) - 1,
      resetMs: nominalPeriodMs(rule.period),
      conditional: true,
    }));
    const verdict: LimitVerdict = { allowed: true, limits };
    return { take: () => verdict };
  }
}
