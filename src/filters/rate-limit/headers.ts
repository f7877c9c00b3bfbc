import { type LimitDecision, type LimitRule, type LimitVerdict, nominalPeriodMs, periodName } from '../../decide/limit.ts';
import type { FilterRequest, LocalReply } from '../define.ts';
import type { RateLimitConfig } from './schema.ts';

export interface HeaderWriter {
  /** Headers of every response, refused or not. */
  all(verdict: LimitVerdict, headers: FilterRequest['responseHeaders']): void;
  /** Headers of a refusal only. */
  retryAfter(verdict: LimitVerdict): LocalReply['headers'];
}

const silent: HeaderWriter = { all: () => undefined, retryAfter: () => [] };

/** Writes the headers of one style; names and policy are made once, not for each request. */
export function headerWriter(style: RateLimitConfig['headers'], rules: readonly LimitRule[]): HeaderWriter {
  if (style === 'none') return silent;
  return style === 'kong' ? kongHeaders(rules) : draftHeaders(rules);
}

/** Kong 3.9: one pair for each period, and RateLimit-* for the limit with the least left (the longer period when equal). */
function kongHeaders(rules: readonly LimitRule[]): HeaderWriter {
  const names = rules.map((rule) => {
    const period = periodName(rule.period);
    const suffix = period.charAt(0).toUpperCase() + period.slice(1);
    return {
      limit: `X-RateLimit-Limit-${suffix}`,
      remaining: `X-RateLimit-Remaining-${suffix}`,
      value: String(rule.limit),
      lengthMs: nominalPeriodMs(rule.period),
    };
  });
  const tightest = (verdict: LimitVerdict): number => {
    let best = 0;
    for (let i = 1; i < names.length; i++) {
      const left = verdict.limits[i].remaining - verdict.limits[best].remaining;
      if (left < 0 || (left === 0 && names[i].lengthMs > names[best].lengthMs)) best = i;
    }
    return best;
  };
  return {
    all(verdict, headers) {
      for (let i = 0; i < names.length; i++) {
        headers.set(names[i].limit, names[i].value);
        headers.set(names[i].remaining, String(verdict.limits[i].remaining));
      }
      const best = tightest(verdict);
      headers.set('RateLimit-Limit', names[best].value);
      headers.set('RateLimit-Remaining', String(verdict.limits[best].remaining));
      headers.set('RateLimit-Reset', seconds(verdict.limits[best]));
    },
    retryAfter: (verdict) => [['Retry-After', seconds(verdict.limits[tightest(verdict)])]],
  };
}

/** draft-ietf-httpapi-ratelimit-headers-10: structured-field lists, one item for each limit. */
function draftHeaders(rules: readonly LimitRule[]): HeaderWriter {
  const names = rules.map((rule) => `"${periodName(rule.period)}${rule.algorithm === 'token-bucket' ? '-bucket' : ''}"`);
  const policy = rules.map((rule, i) => `${names[i]};q=${rule.limit};w=${Math.ceil(nominalPeriodMs(rule.period) / 1000)}`).join(', ');
  return {
    all(verdict, headers) {
      let value = '';
      for (let i = 0; i < names.length; i++) {
        const limit = verdict.limits[i];
        value += `${i === 0 ? '' : ', '}${names[i]};r=${limit.remaining};t=${seconds(limit)}`;
      }
      headers.set('RateLimit-Policy', policy);
      headers.set('RateLimit', value);
    },
    // Every refusing limit must have room again.
    retryAfter(verdict) {
      let longest: LimitDecision | null = null;
      for (const limit of verdict.limits) if (!limit.allowed && (longest === null || limit.resetMs > longest.resetMs)) longest = limit;
      return longest === null ? [] : [['Retry-After', seconds(longest)]];
    },
  };
}

/** Whole seconds, rounded up, at least 1: a client that waits that long finds room. */
function seconds(limit: LimitDecision): string {
  return String(Math.max(1, Math.ceil(limit.resetMs / 1000)));
}
