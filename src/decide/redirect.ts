import type { RedirectAction } from '../model/route.ts';
import { sendableAuthority } from './authority.ts';
import type { RequestView } from './request.ts';
import { redirectPath } from './rewrite.ts';

/**
 * Value of the Location header. `matched` as in rewritePath; `listenerPort` is the one configured.
 * The query is kept, unless the action strips it or the new path brings its own (Envoy RedirectAction).
 */
export function redirectLocation(action: RedirectAction, view: RequestView, matched: number, listenerPort: number): string {
  const scheme = action.scheme ?? view.scheme;
  const host = action.host === undefined ? view.host : sendableAuthority(action.host);
  const target = view.path === '*' ? '/' : action.path === undefined ? view.path : redirectPath(action.path, view.path, matched);
  const query = action.stripQuery === true || view.query === '' || target.includes('?') ? '' : `?${view.query}`;
  return `${scheme}://${host}${portSuffix(action, scheme, view, listenerPort)}${target}${query}`;
}

/** Port as it is written after the host, with its colon, or empty. */
function portSuffix(action: RedirectAction, scheme: string, view: RequestView, listenerPort: number): string {
  const { port } = action;
  if (port === 'scheme-default') return '';
  if (port === 'request') return written(view.authorityPort, scheme);
  if (port === 'listener') return written(listenerPort, scheme);
  if (port !== undefined) return written(port, scheme);
  // Envoy: a new host comes without the old port; else the port stays, save the other scheme's own one.
  if (action.host !== undefined || view.authorityPort === null) return '';
  if (scheme !== view.scheme && view.authorityPort === defaultPort(view.scheme)) return '';
  return `:${view.authorityPort}`;
}

function written(port: number | null, scheme: string): string {
  return port === null || port === defaultPort(scheme) ? '' : `:${port}`;
}

function defaultPort(scheme: string): number {
  return scheme === 'https' ? 443 : 80;
}
