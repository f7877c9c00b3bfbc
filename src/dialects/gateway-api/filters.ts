/** Filters of a rule or of one backend as model actions and filter configs. Nothing here may be skipped silently. */
import { headerModifierSchema } from '../../filters/header-modifier/schema.ts';
import type { FilterConfig } from '../../model/filter.ts';
import type { HostRewrite, PathRewrite, PendingField, RedirectAction } from '../../model/route.ts';
import type { Path, Resource } from '../dialect.ts';
import { originAt, report, type Context } from './context.ts';
import type { HeaderFilter, HttpFilter, PathModifier, RedirectFilter } from './schema/filters.ts';

export interface Filters {
  readonly configs: readonly FilterConfig[];
  readonly redirect?: RedirectAction;
  readonly hostRewrite?: HostRewrite;
  readonly pathRewrite?: PathRewrite;
  readonly pending: readonly PendingField[];
  /** A filter cannot run and must not be skipped: its scope answers this. */
  readonly blocked?: { readonly status: number; readonly reason: string };
}

/**
 * Filters of an ExtensionRef target in the route's namespace; null: it names nothing that runs. `user` names the place
 * that refers to it.
 */
export type ResolveExtension = (
  group: string,
  kind: string,
  namespace: string,
  name: string,
  user: string,
) => readonly FilterConfig[] | null;

interface Draft {
  readonly configs: FilterConfig[];
  readonly pending: PendingField[];
  redirect?: RedirectAction;
  hostRewrite?: HostRewrite;
  pathRewrite?: PathRewrite;
  blocked?: { readonly status: number; readonly reason: string };
}

/** `path` leads to the list of filters within the resource; `state` names its live state. */
export function compileFilters(
  context: Context,
  resource: Resource,
  filters: readonly HttpFilter[],
  path: Path,
  state: string,
  resolve: ResolveExtension,
): Filters {
  const draft: Draft = { configs: [], pending: [] };
  for (const [index, filter] of filters.entries()) {
    const at = [...path, index];
    switch (filter.type) {
      case 'RequestHeaderModifier':
        modifier(context, resource, 'request', filter.requestHeaderModifier, [...at, 'requestHeaderModifier'], state, draft);
        break;
      case 'ResponseHeaderModifier':
        modifier(context, resource, 'response', filter.responseHeaderModifier, [...at, 'responseHeaderModifier'], state, draft);
        break;
      case 'RequestRedirect':
        draft.redirect = redirectAction(filter.requestRedirect);
        break;
      case 'URLRewrite':
        if (filter.urlRewrite.hostname !== undefined) draft.hostRewrite = { kind: 'literal', value: filter.urlRewrite.hostname };
        if (filter.urlRewrite.path !== undefined) draft.pathRewrite = pathRewrite(filter.urlRewrite.path);
        break;
      case 'RequestMirror':
        report(context, 'WR0108', resource, at, 'RequestMirror does not run yet: requests are not copied');
        draft.pending.push({ field: 'requestMirror', value: filter.requestMirror, restricts: false });
        break;
      case 'CORS':
        report(context, 'WR0108', resource, at, 'the CORS filter does not run yet: preflight requests go to the backend');
        draft.pending.push({ field: 'cors', value: filter.cors, restricts: false });
        break;
      case 'ExternalAuth':
        report(
          context,
          'WR0109',
          resource,
          at,
          'ExternalAuth does not run yet: the requests that it guards get 503',
          'take it out, or guard the route with a weir.dev/v1 Policy',
        );
        draft.pending.push({ field: 'externalAuth', value: filter.externalAuth, restricts: true });
        draft.blocked ??= { status: 503, reason: 'ExternalAuth does not run yet' };
        break;
      case 'ExtensionRef':
        extension(context, resource, filter.extensionRef, [...at, 'extensionRef'], state, draft, resolve);
        break;
    }
  }
  return draft;
}

function modifier(
  context: Context,
  resource: Resource,
  side: 'request' | 'response',
  filter: HeaderFilter,
  path: Path,
  state: string,
  draft: Draft,
): void {
  const set = (filter.set ?? []).filter(({ name, value }) => {
    // The authority is the route's own business: setting Host rewrites it, as other gateways do.
    if (side !== 'request' || name.toLowerCase() !== 'host') return true;
    if (/^[A-Za-z0-9._~-]+(?::[0-9]{1,5})?$/.test(value)) draft.hostRewrite = { kind: 'literal', value };
    else refuse(context, resource, path, `'${value}' is not a host`, draft);
    return false;
  });
  const changes = {
    ...(set.length === 0 ? {} : { set }),
    ...(filter.add === undefined ? {} : { add: filter.add }),
    ...(filter.remove === undefined ? {} : { remove: filter.remove }),
  };
  const result = headerModifierSchema.safeParse({ [side]: changes });
  if (!result.success) {
    const problem = result.error.issues[0];
    const inner = problem.path.slice(1).map((step) => (typeof step === 'symbol' ? String(step) : step));
    refuse(context, resource, [...path, ...inner], problem.message, draft);
    return;
  }
  if (Object.keys(changes).length === 0) return;
  draft.configs.push({ name: 'header-modifier', config: result.data, origin: originAt(resource, path), stateKey: `${state}/${side}` });
}

function refuse(context: Context, resource: Resource, path: Path, message: string, draft: Draft): void {
  report(context, 'WR0322', resource, path, message);
  draft.blocked ??= { status: 500, reason: `header modifier: ${message}` };
}

function extension(
  context: Context,
  resource: Resource,
  ref: { readonly group: string; readonly kind: string; readonly name: string },
  path: Path,
  state: string,
  draft: Draft,
  resolve: ResolveExtension,
): void {
  const configs = resolve(ref.group, ref.kind, resource.namespace ?? 'default', ref.name, state);
  // On one backend only what acts per attempt can run; a limit or an authentication there would never be asked.
  if (configs !== null && (!path.includes('backendRefs') || configs.every(({ name }) => name === 'header-modifier'))) {
    draft.configs.push(...configs);
    return;
  }
  const what = `${ref.kind}.${ref.group} '${ref.name}'`;
  const [reason, hint] =
    configs === null
      ? ['cannot be resolved', 'name a Policy of weir.dev in the namespace of the route']
      : ['holds filters that cannot run for one backend', 'refer to it from the filters of the rule'];
  report(context, 'WR0315', resource, path, `ExtensionRef ${what} ${reason}: the requests of its scope get 500`, hint);
  draft.blocked ??= { status: 500, reason: `ExtensionRef ${what} ${reason}` };
}

function pathRewrite(modifier: PathModifier): PathRewrite {
  return modifier.type === 'ReplaceFullPath'
    ? { kind: 'full', path: modifier.replaceFullPath === '' ? '/' : modifier.replaceFullPath }
    : { kind: 'path-prefix', replacement: modifier.replacePrefixMatch };
}

const wellKnownPort = { http: 80, https: 443 } as const;

/** Port of Location: the explicit one, else the scheme's own when a scheme is set, else the listener's; never `:80` for http or `:443` for https. */
export function redirectAction(filter: RedirectFilter): RedirectAction {
  const { scheme, hostname, port, path } = filter;
  return {
    kind: 'redirect',
    status: filter.statusCode,
    ...(scheme === undefined ? {} : { scheme }),
    ...(hostname === undefined ? {} : { host: hostname }),
    port: scheme !== undefined && (port === undefined || port === wellKnownPort[scheme]) ? 'scheme-default' : (port ?? 'listener'),
    ...(path === undefined ? {} : { path: pathRewrite(path) }),
  };
}
