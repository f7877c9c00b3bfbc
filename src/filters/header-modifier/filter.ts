import type { Headers } from '../../decide/request.ts';
import { defineFilter, type FilterHooks, type FilterRequest } from '../define.ts';
import { headerModifierSchema, type HeaderModifierConfig } from './schema.ts';
import { compileTemplate, type TemplatePart } from './template.ts';

type Changes = NonNullable<HeaderModifierConfig['request']>;

/** A value that is known beforehand, or parts to be put together for each request. */
type Value = string | readonly TemplatePart[];

interface Change {
  readonly verb: 'set' | 'add';
  readonly name: string;
  readonly value: Value;
}

interface Plan {
  readonly changes: readonly Change[];
  readonly remove: readonly string[];
}

/**
 * Sets, adds and removes header lines (Gateway API RequestHeaderModifier and ResponseHeaderModifier, Istio `headers`).
 * On a destination it acts per attempt, so that a retry elsewhere does not carry the first destination's headers.
 */
export const headerModifier = defineFilter<HeaderModifierConfig>({
  name: 'header-modifier',
  phase: 'transformation',
  rank: 0,
  restricts: false,
  schema: headerModifierSchema,
  body: 'none',
  create(config, context) {
    const hooks: FilterHooks = {};
    const request = plan(config.request, config.operators);
    if (request !== null) {
      const act = (exchange: FilterRequest): void => apply(request, exchange.headers, exchange, 0);
      if (context.scope === 'destination') hooks.onAttempt = act;
      else if (context.scope === 'listener') hooks.onListener = (exchange) => void act(exchange);
      else hooks.onRequest = (exchange) => void act(exchange);
    }
    const response = plan(config.response, config.operators);
    if (response !== null) hooks.onResponse = (reply) => apply(response, reply.headers, reply.request, reply.status);
    return hooks;
  },
});

function plan(changes: Changes | undefined, operators: boolean): Plan | null {
  const list = (verb: Change['verb']): Change[] =>
    (changes?.[verb] ?? []).map(({ name, value }) => ({ verb, name, value: compileValue(value, operators) }));
  const made = { changes: [...list('set'), ...list('add')], remove: (changes?.remove ?? []).map((name) => name.toLowerCase()) };
  return made.changes.length + made.remove.length === 0 ? null : made;
}

function compileValue(value: string, operators: boolean): Value {
  if (!operators || !value.includes('%')) return value;
  const parts = compileTemplate(value);
  // The schema has refused what cannot be compiled.
  if ('problem' in parts) return value;
  const [only] = parts;
  return parts.length === 1 && only?.kind === 'literal' ? only.text : parts;
}

function apply(changes: Plan, headers: Headers, request: FilterRequest, status: number): void {
  for (const change of changes.changes) {
    if (typeof change.value === 'string') headers[change.verb](change.name, change.value);
    else {
      const value = expand(change.value, request, status);
      // Envoy drops a header whose formatted value is empty.
      if (value !== '') headers[change.verb](change.name, value);
    }
  }
  for (const name of changes.remove) headers.remove(name);
  request.note?.(describe(changes, status));
}

function expand(parts: readonly TemplatePart[], request: FilterRequest, status: number): string {
  let text = '';
  for (const part of parts) {
    if (part.kind === 'literal') text += part.text;
    else if (part.kind === 'request-header') text += requestHeader(part.names, request).slice(0, part.maxLength);
    else if (part.field === 'remote-address') text += request.remoteAddress;
    else if (part.field === 'route-name') text += request.routeName;
    else if (part.field === 'start-time') text += new Date(request.startMs).toISOString();
    else if (status !== 0) text += String(status);
  }
  return text.trim();
}

function requestHeader(names: readonly string[], request: FilterRequest): string {
  for (const name of names) {
    const value = request.headers.get(name);
    if (value !== null && value !== '') return value;
  }
  return '';
}

function describe(changes: Plan, status: number): string {
  const verbs = changes.changes.map((change) => `${change.verb} ${change.name}`);
  const removes = changes.remove.map((name) => `remove ${name}`);
  return `${status === 0 ? 'request' : 'response'}: ${[...verbs, ...removes].join(', ')}`;
}
