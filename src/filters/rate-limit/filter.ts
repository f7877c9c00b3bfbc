import { type LimitDecision, type LimitGroup, type LimitRule, type LimitVerdict, periodName } from '../../decide/limit.ts';
import { defineFilter, type FilterContext, type FilterRequest, type LocalReply } from '../define.ts';
import { headerWriter } from './headers.ts';
import { rateLimitSchema, type RateLimitConfig } from './schema.ts';
import { subjectReader } from './subject.ts';

/** Counts requests of a subject against several limits at once (Kong rate-limiting, with token buckets besides). */
export const rateLimit = defineFilter<RateLimitConfig>({
  name: 'rate-limit',
  phase: 'traffic',
  rank: 910,
  restricts: true,
  schema: rateLimitSchema,
  body: 'none',
  create(config, context) {
    const limit = limiter(config, context);
    return context.scope === 'listener' ? { onListener: limit } : { onRequest: limit };
  },
});

/** The limits of a config as the store takes them. */
export function limitRules(config: RateLimitConfig): readonly LimitRule[] {
  return config.limits.map(({ requests, per, algorithm, burst }) => ({
    limit: requests,
    period: per,
    algorithm,
    burst: burst ?? requests,
  }));
}

function limiter(config: RateLimitConfig, context: FilterContext): (request: FilterRequest) => LocalReply | undefined {
  const rules = limitRules(config);
  const group: LimitGroup = context.limits.group(context.stateKey, rules);
  const subjectOf = subjectReader(config.key);
  const headers = headerWriter(config.headers, rules);
  const message = config.message ?? (context.replyStyle === 'kong' ? 'API rate limit exceeded' : 'local_rate_limited');
  const described = rules.map((rule) => describe(rule)).join(', ');

  return (request) => {
    const subject = subjectOf(request);
    const verdict = group.take(subject, request.startMs);
    headers.all(verdict, request.responseHeaders);
    if (verdict.allowed) {
      request.note?.(told(verdict, described, subject));
      return undefined;
    }
    const over = rules.filter((_, index) => verdict.limits[index]?.allowed === false).map((rule) => describe(rule));
    request.note?.(`over the limit of ${over.join(' and ')} for ${readable(subject)}`);
    return { status: config.status, headers: headers.retryAfter(verdict), message, flag: 'RL', details: 'rate_limited' };
  };
}

function told(verdict: LimitVerdict, described: string, subject: string): string {
  const conditional = verdict.limits.some((limit) => limit.conditional);
  if (conditional) return `passes; ${readable(subject)} is denied once ${described} is used`;
  const left = verdict.limits.map((limit: LimitDecision) => String(limit.remaining)).join(', ');
  return `within ${described} for ${readable(subject)}: ${left} left`;
}

function describe(rule: LimitRule): string {
  const burst = rule.algorithm === 'token-bucket' ? ` (bucket of ${rule.burst})` : '';
  return `${rule.limit} per ${periodName(rule.period)}${burst}`;
}

/** A subject in words; a value that the client chose is cut short. */
function readable(subject: string): string {
  return subject.length > 120 ? `${subject.slice(0, 120)}…` : subject;
}
