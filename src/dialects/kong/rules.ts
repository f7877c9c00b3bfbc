/** Checks of one entity: its schema, its plugin's schema, and the rules that span fields (Kong `entity_checks`). */
import { diagnose } from '../../analysis/messages.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { check, fieldName, isRecord } from '../check.ts';
import { parseExpression } from './expression/parse.ts';
import { pluginSpec } from './plugins/index.ts';
import type { ReferencePlace } from './references.ts';
import {
  consumerSchema,
  pluginSchema,
  routeSchema,
  serviceSchema,
  targetSchema,
  upstreamSchema,
  type Route,
  type Service,
  type Upstream,
} from './schemas.ts';
import { otherSchema } from './schemas-other.ts';
import { certificateProblems } from './pem.ts';

export interface CheckedEntity {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly diagnostics: readonly Diagnostic[];
}

type Refuse = (path: readonly (string | number)[], message: string, hint?: string) => void;

export function checkEntity(kind: string, fields: Readonly<Record<string, unknown>>, at: ReferencePlace): CheckedEntity {
  const diagnostics: Diagnostic[] = [];
  const refuse: Refuse = (path, message, hint) => {
    diagnostics.push(
      diagnose(
        'WR0402',
        { file: at.document.file, ...at.document.locate([...at.path, ...path]) },
        at.resource,
        message,
        hint === undefined ? {} : { hint },
      ),
    );
  };
  switch (kind) {
    case 'Service': {
      const { value, diagnostics: found } = check(serviceSchema(), fields, at.document, at.path, at.resource);
      if (value !== null) serviceRules(value, refuse);
      return { fields: value ?? {}, diagnostics: [...found, ...diagnostics] };
    }
    case 'Route': {
      const { value, diagnostics: found } = check(routeSchema(), fields, at.document, at.path, at.resource);
      if (value !== null) routeRules(value, refuse, at, diagnostics);
      return { fields: value ?? {}, diagnostics: [...found, ...diagnostics] };
    }
    case 'Upstream': {
      const { value, diagnostics: found } = check(upstreamSchema(), fields, at.document, at.path, at.resource);
      if (value !== null) upstreamRules(value, refuse);
      return { fields: value ?? {}, diagnostics: [...found, ...diagnostics] };
    }
    case 'Target':
      return plain(check(targetSchema(), fields, at.document, at.path, at.resource));
    case 'Consumer':
      return plain(check(consumerSchema(), fields, at.document, at.path, at.resource));
    case 'Plugin':
      return checkPlugin(fields, at, refuse, diagnostics);
    default: {
      const schema = otherSchema(kind);
      if (schema === null) return { fields: {}, diagnostics };
      const checked = plain(check(schema, fields, at.document, at.path, at.resource));
      const sound = checked.diagnostics.length === 0;
      return sound ? { ...checked, diagnostics: certificateProblems(kind, checked.fields, at, Date.now()) } : checked;
    }
  }
}

function plain(checked: { readonly value: unknown; readonly diagnostics: readonly Diagnostic[] }): CheckedEntity {
  return { fields: isRecord(checked.value) ? checked.value : {}, diagnostics: checked.diagnostics };
}

function checkPlugin(
  fields: Readonly<Record<string, unknown>>,
  at: ReferencePlace,
  refuse: Refuse,
  diagnostics: Diagnostic[],
): CheckedEntity {
  const entity = check(pluginSchema(), fields, at.document, at.path, at.resource);
  const spec = entity.value === null ? null : pluginSpec(entity.value.name);
  const { name, refs } = { name: String(fields.name), refs: at.refs ?? {} };
  if (spec === null) return { fields: entity.value ?? {}, diagnostics: entity.diagnostics };
  for (const scope of spec.not)
    if (Object.hasOwn(refs, scope))
      refuse(
        [],
        `the plugin '${name}' cannot be configured for a ${scope}`,
        `move it to ${scope === 'consumer' ? 'a route, a service or the top level' : 'the top level'}`,
      );
  const config = check(spec.config(), fields.config ?? {}, at.document, [...at.path, 'config'], at.resource);
  return { fields: { ...entity.value, config: config.value }, diagnostics: [...entity.diagnostics, ...config.diagnostics, ...diagnostics] };
}

function serviceRules(service: Service, refuse: Refuse): void {
  const { protocol } = service;
  if (service.path !== undefined && !['http', 'https', 'ws', 'wss'].includes(protocol))
    refuse(['path'], `a service with protocol ${protocol} has no path`, "remove 'path'");
  const secure = ['https', 'tls', 'grpcs', 'wss'].includes(protocol);
  for (const field of ['tls_verify', 'tls_verify_depth', 'ca_certificates'] as const)
    if (!secure && service[field] !== undefined)
      refuse([field], `a service with protocol ${protocol} has no ${field}`, 'use protocol: https');
}

/** Categories that each family of protocols may be matched by. */
function routeRules(route: Route, refuse: Refuse, at: ReferencePlace, diagnostics: Diagnostic[]): void {
  const secure = route.protocols.some((protocol) => ['https', 'grpcs', 'tls', 'tls_passthrough', 'wss'].includes(protocol));
  if (!secure && (route.snis ?? []).length > 0)
    refuse(['snis'], "'snis' can only be set when 'protocols' has https, grpcs, tls, tls_passthrough or wss", 'add https to protocols');
  if (route.expression !== undefined) {
    const mixed = (['methods', 'hosts', 'paths', 'headers', 'snis', 'sources', 'destinations'] as const).find(
      (field) => Object.keys(route[field] ?? {}).length > 0,
    );
    if (mixed !== undefined) refuse([mixed], `'${mixed}' cannot stand beside 'expression'`, 'write the condition into the expression');
    const parsed = parseExpression(route.expression);
    if (!parsed.ok)
      diagnostics.push(
        diagnose(
          'WR0407',
          { file: at.document.file, ...at.document.locate([...at.path, 'expression']) },
          at.resource,
          `${fieldName([...at.path, 'expression'])}: ${parsed.error.message} at character ${parsed.error.position + 1}`,
          parsed.error.hint === undefined ? {} : { hint: parsed.error.hint },
        ),
      );
    return;
  }
  if (route.priority !== undefined)
    refuse(['priority'], "'priority' belongs to 'expression'", "regular expressions in 'paths' have 'regex_priority'");
  const stream = route.protocols.some((protocol) => ['tcp', 'tls', 'udp', 'tls_passthrough'].includes(protocol));
  const allowed: readonly ('methods' | 'hosts' | 'headers' | 'paths' | 'snis' | 'sources' | 'destinations')[] = stream
    ? ['sources', 'destinations', 'snis']
    : ['methods', 'hosts', 'headers', 'paths', 'snis', 'sources', 'destinations'];
  if (stream)
    for (const field of ['methods', 'hosts', 'headers', 'paths'] as const)
      if (Object.keys(route[field] ?? {}).length > 0)
        refuse([field], `a route for ${route.protocols.join(', ')} has no ${field}`, `remove '${field}'`);
  if (allowed.every((field) => Object.keys(route[field] ?? {}).length === 0))
    refuse([], `must set one of ${allowed.map((field) => `'${field}'`).join(', ')}`, 'paths: ["/"] matches every request');
}

function upstreamRules(upstream: Upstream, refuse: Refuse): void {
  const { hash_on: on, hash_fallback: fallback } = upstream;
  const needs = (field: keyof Upstream, why: string): void => {
    if (upstream[field] === undefined) refuse([], `'${field}' is required with ${why}`);
  };
  if (on === 'header') needs('hash_on_header', 'hash_on: header');
  if (fallback === 'header') needs('hash_fallback_header', 'hash_fallback: header');
  if (on === 'cookie' || fallback === 'cookie') needs('hash_on_cookie', 'hashing on a cookie');
  if (on === 'query_arg') needs('hash_on_query_arg', 'hash_on: query_arg');
  if (on === 'uri_capture') needs('hash_on_uri_capture', 'hash_on: uri_capture');
  if (fallback !== 'none' && (on === 'none' || on === 'cookie'))
    refuse(['hash_fallback'], `there is no fallback with hash_on: ${on}`, "remove 'hash_fallback'");
  if (fallback === on && on !== 'none' && on !== 'header' && on !== 'query_arg' && on !== 'uri_capture')
    refuse(['hash_fallback'], 'hash_fallback must differ from hash_on');
}
