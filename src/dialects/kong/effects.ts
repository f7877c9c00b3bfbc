/** What a plugin instance does to the routes in its scope: a filter, an answer in place of the service, or nothing yet. */
import type { z } from 'zod';
import { headerModifierSchema } from '../../filters/header-modifier/schema.ts';
import { keyAuthSchema } from '../../filters/key-auth/schema.ts';
import { rateLimitSchema } from '../../filters/rate-limit/schema.ts';
import type { FilterConfig } from '../../model/filter.ts';
import type { PendingField, RouteAction } from '../../model/route.ts';
import type { Resource } from '../dialect.ts';
import type { Directory } from './directory.ts';
import type { Located } from './entity.ts';
import { keyAuthConfig } from './plugins/auth.ts';
import { flatRedisNames, periodNames } from './plugins/fields.ts';
import { pluginSpec } from './plugins/index.ts';
import { rateLimitingConfig, redirectConfig, requestTerminationConfig } from './plugins/traffic.ts';
import { requestTransformerConfig, responseTransformerConfig } from './plugins/transform.ts';
import type { Report } from './report.ts';
import { pluginSchema, type Plugin } from './schemas.ts';

export interface Effect {
  /** Kong's priority of the plugin. */
  readonly rank: number;
  readonly filter: FilterConfig | null;
  readonly pending: readonly PendingField[];
  /** Takes the place of forwarding; the one of the highest rank counts. */
  readonly action: RouteAction | null;
}

export interface EffectContext {
  readonly directory: Directory;
  readonly report: Report;
}

/** `consumer`: id of the consumer that the instance is configured for, or null. */
export function pluginEffect(located: Located, consumer: string | null, context: EffectContext): Effect {
  const { resource, entity } = located;
  const name = entity.plugin?.name ?? '';
  const spec = pluginSpec(name);
  const rank = spec?.priority ?? 0;
  const base: Base = { name: name === '' ? 'plugin' : name, resource, rank, consumer };
  if (resource.kind === 'FilterChain') {
    const pending = context.report.pending(resource, ['filters'], '(WebAssembly filters)', {
      restricts: true,
      hint: 'remove the filter chain, or set enabled: false',
    });
    return blockedEffect(base, 'WebAssembly filters do not run yet', [pending]);
  }
  if (name !== '' && spec === null) return blockedEffect(base, `plugin '${name}' is not known`, []);
  const quarantined = name === '' ? 'a plugin that cannot be read' : `plugin '${name}' is quarantined: its configuration is broken`;
  if (spec === null || entity.fields === null) return blockedEffect(base, quarantined, []);
  const parsed = pluginSchema().safeParse(entity.fields);
  if (!parsed.success) return blockedEffect(base, quarantined, []);
  const plugin = parsed.data;
  const pending =
    plugin.ordering === undefined
      ? []
      : [context.report.pending(resource, ['ordering'], plugin.ordering, { hint: "plugins run in the order of Kong's priorities" })];
  const effect = mapped(plugin, base, context);
  if (effect !== null) return { ...effect, pending: [...pending, ...effect.pending] };
  const unable: PendingField = { field: `plugins.${name}`, value: resource.name, restricts: spec.restricts };
  if (spec.restricts)
    context.report.add(
      'WR0109',
      resource,
      ['name'],
      `plugin '${name}' restricts access and does not run yet${runsOtherwise.has(name) ? ' with this configuration' : ''}; the routes in its scope answer 503`,
      'remove it, or set enabled: false',
    );
  else
    context.report.add(
      'WR0108',
      resource,
      ['name'],
      `plugin '${name}' does not run yet${runsOtherwise.has(name) ? ' with this configuration' : ''}; it has no effect`,
    );
  return spec.restricts
    ? blockedEffect(base, `plugin '${name}' does not run yet`, [...pending, unable])
    : { rank, filter: null, pending: [...pending, unable], action: null };
}

/** Plugins of which some configurations run. */
const runsOtherwise: ReadonlySet<string> = new Set([
  'key-auth',
  'rate-limiting',
  'request-termination',
  'redirect',
  'request-transformer',
  'response-transformer',
]);

interface Base {
  readonly name: string;
  readonly resource: Resource;
  readonly rank: number;
  readonly consumer: string | null;
}

function filterOf(base: Base, name: string, config: unknown): FilterConfig {
  return {
    name,
    config,
    origin: base.resource.origin,
    stateKey: base.resource.key,
    rank: base.rank,
    ...(base.consumer === null ? {} : { consumer: base.consumer }),
  };
}

function blockedEffect(base: Base, reason: string, pending: readonly PendingField[]): Effect {
  // Whose request it is, is known after the last of Kong's authentication plugins (1000): a plugin for one consumer that
  // came before would never be met.
  const rank = base.consumer === null ? base.rank : Math.min(base.rank, 999);
  return { rank, filter: { ...filterOf({ ...base, rank }, base.name, {}), blocked: { status: 503, reason } }, pending, action: null };
}

/** Null: the plugin does not run, or not with this configuration. */
function mapped(plugin: Plugin, base: Base, context: EffectContext): Effect | null {
  switch (plugin.name) {
    case 'key-auth':
      return keyAuth(plugin.config, base, context);
    case 'rate-limiting':
      return rateLimiting(plugin.config, base, context);
    case 'request-termination':
      return base.consumer === null ? termination(plugin.config, base) : null;
    case 'redirect':
      return base.consumer === null ? redirect(plugin.config, base) : null;
    case 'request-transformer':
      return requestTransformer(plugin.config, base);
    case 'response-transformer':
      return responseTransformer(plugin.config, base);
    default:
      return null;
  }
}

function running(base: Base, filter: string, schema: z.ZodType, config: unknown, pending: readonly PendingField[] = []): Effect | null {
  const checked = schema.safeParse(config);
  return checked.success ? { rank: base.rank, filter: filterOf(base, filter, checked.data), pending, action: null } : null;
}

function keyAuth(value: unknown, base: Base, { directory, report }: EffectContext): Effect | null {
  const parsed = keyAuthConfig().safeParse(value);
  if (!parsed.success) return null;
  const config = parsed.data;
  const pending: PendingField[] = [];
  // Keys in bodies are not looked for: such requests are refused, so nothing is opened.
  if (config.key_in_body)
    pending.push(report.pending(base.resource, ['config', 'key_in_body'], true, { hint: 'send the key in a header or in the query' }));
  let anonymous: string | null = null;
  if (config.anonymous !== undefined) {
    const consumer = directory.find('Consumer', { name: config.anonymous });
    if (consumer === null) {
      report.add(
        'WR0401',
        base.resource,
        ['config', 'anonymous'],
        `config.anonymous: there is no Consumer '${config.anonymous}'; the routes in its scope answer 503`,
        'add it under consumers',
      );
      return blockedEffect(base, `there is no anonymous consumer '${config.anonymous}'`, pending);
    }
    anonymous = consumer.entity.id;
  }
  return running(
    base,
    'key-auth',
    keyAuthSchema,
    {
      names: config.key_names,
      inHeader: config.key_in_header,
      inQuery: config.key_in_query,
      hideCredentials: config.hide_credentials,
      anonymous,
      runOnPreflight: config.run_on_preflight,
      realm: config.realm ?? null,
    },
    pending,
  );
}

const largest = 2 ** 31 - 1;

function rateLimiting(value: unknown, base: Base, { report }: EffectContext): Effect | null {
  const parsed = rateLimitingConfig().safeParse(value);
  if (!parsed.success) return null;
  const config = parsed.data;
  const pending: PendingField[] = [];
  if (config.policy !== 'local') {
    report.add(
      'WR0409',
      base.resource,
      ['config', 'policy'],
      `config.policy: ${config.policy} runs as local: the limit is counted in this process`,
      'write policy: local to say that this is meant',
    );
    pending.push({ field: 'config.policy', value: config.policy, restricts: false });
  }
  const shared: readonly (keyof typeof config)[] = ['redis', ...flatRedisNames];
  const given = shared.filter((field) => config[field] !== undefined);
  if (config.sync_rate !== -1) given.push('sync_rate');
  if (!config.fault_tolerant) given.push('fault_tolerant');
  for (const field of given)
    pending.push(report.pending(base.resource, ['config', field], '(shared counters)', { hint: 'the limit is counted in this process' }));
  const key =
    config.limit_by === 'header'
      ? { header: config.header_name }
      : config.limit_by === 'path'
        ? { path: config.path }
        : { [config.limit_by]: true };
  return running(
    base,
    'rate-limit',
    rateLimitSchema,
    {
      // Kong lets a request pass while something is left, so part of a unit counts as one.
      limits: periodNames.flatMap((per) => {
        const requests = config[per];
        return requests === undefined ? [] : [{ requests: Math.min(Math.ceil(requests), largest), per }];
      }),
      key: [key],
      headers: config.hide_client_headers ? 'none' : 'kong',
      status: config.error_code,
      message: config.error_message,
    },
    pending,
  );
}

/** Kong's own words for a status without a message (request-termination). */
const terminationMessages: Readonly<Record<number, string>> = {
  401: 'Unauthorized',
  404: 'Not found',
  405: 'Method not allowed',
  500: 'An unexpected error occurred',
  502: 'Bad Gateway',
  503: 'Service unavailable',
};

function termination(value: unknown, base: Base): Effect | null {
  const parsed = requestTerminationConfig().safeParse(value);
  if (!parsed.success) return null;
  const { status_code: status, message, body, content_type: type, trigger, echo } = parsed.data;
  if (trigger !== undefined || echo || status < 200) return null;
  const text = message ?? terminationMessages[status];
  const content = body ?? (text === undefined ? '' : JSON.stringify({ message: text }));
  return {
    rank: base.rank,
    filter: null,
    pending: [],
    action: {
      kind: 'direct-response',
      status,
      body: content,
      headers: content === '' ? [] : [['content-type', type ?? 'application/json; charset=utf-8']],
    },
  };
}

function redirect(value: unknown, base: Base): Effect | null {
  const parsed = redirectConfig().safeParse(value);
  if (!parsed.success || parsed.data.status_code < 200) return null;
  const { status_code: status, location, keep_incoming_path: keep } = parsed.data;
  const target = new URL(location);
  const effect = (action: RouteAction): Effect => ({ rank: base.rank, filter: null, pending: [], action });
  if (!keep)
    return effect({
      kind: 'direct-response',
      status,
      body: 'redirecting',
      headers: [
        ['location', location],
        ['content-type', 'text/plain; charset=utf-8'],
      ],
    });
  return effect({
    kind: 'redirect',
    status,
    scheme: target.protocol.slice(0, -1),
    host: target.hostname,
    port: target.port === '' ? 'scheme-default' : Number(target.port),
  });
}

type Changes = { readonly add?: { readonly name: string; readonly value: string }[]; readonly remove?: string[] };

/** Removals and additions alone mean the same for the header modifier; everything else of the transformers does not. */
function headerChanges(remove: readonly string[], append: readonly string[]): Changes | null {
  const add = append.map((pair) => ({ name: pair.slice(0, pair.indexOf(':')), value: pair.slice(pair.indexOf(':') + 1) }));
  const removed = new Set(remove.map((name) => name.toLowerCase()));
  if (remove.some((name) => name.includes(':') || name.startsWith('/') || name.includes('$('))) return null;
  if (add.some(({ name, value }) => removed.has(name.toLowerCase()) || name.includes('$(') || value.includes('$('))) return null;
  return { ...(add.length === 0 ? {} : { add }), ...(remove.length === 0 ? {} : { remove: [...remove] }) };
}

function requestTransformer(value: unknown, base: Base): Effect | null {
  const parsed = requestTransformerConfig().safeParse(value);
  if (!parsed.success) return null;
  const { http_method: method, remove, rename, replace, add, append } = parsed.data;
  const used = (
    side: { readonly headers: readonly string[]; readonly body: readonly string[]; readonly querystring: readonly string[] } | undefined,
    headers: boolean,
  ): boolean => side !== undefined && (side.body.length > 0 || side.querystring.length > 0 || (headers && side.headers.length > 0));
  if (
    method !== undefined ||
    replace?.uri !== undefined ||
    used(rename, true) ||
    used(replace, true) ||
    used(add, true) ||
    used(remove, false) ||
    used(append, false)
  )
    return null;
  const request = headerChanges(remove?.headers ?? [], append?.headers ?? []);
  return request === null ? null : running(base, 'header-modifier', headerModifierSchema, { request });
}

function responseTransformer(value: unknown, base: Base): Effect | null {
  const parsed = responseTransformerConfig().safeParse(value);
  if (!parsed.success) return null;
  const { remove, rename, replace, add, append } = parsed.data;
  const used = (side: { readonly headers: readonly string[]; readonly json: readonly string[] } | undefined, headers: boolean): boolean =>
    side !== undefined && (side.json.length > 0 || (headers && side.headers.length > 0));
  if (used(rename, true) || used(replace, true) || used(add, true) || used(remove, false) || used(append, false)) return null;
  const response = headerChanges(remove?.headers ?? [], append?.headers ?? []);
  return response === null ? null : running(base, 'header-modifier', headerModifierSchema, { response });
}
