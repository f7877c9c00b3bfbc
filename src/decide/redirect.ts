import type { RedirectAction } from '../model/route.ts';
import type { RequestView } from './request.ts';
import type { PathRewriter } from './rewrite.ts';

/**
 * Value of the Location header. `path` is the compiled `action.path`, or null; `matched` as in PathRewriter.
 * The query is kept, unless the action strips it or the new path brings its own (Envoy RedirectAction).
 */
export function redirectLocation(action: RedirectAction, path: PathRewriter | null, view: RequestView, matched: number): string {
  const scheme = action.scheme ?? view.scheme;
  const host = action.host ?? view.host;
  const target = path === null ? (view.path === '*' ? '/' : view.path) : path.rewrite(view.path, matched);
  const query = action.stripQuery === true || view.query === '' || target.includes('?') ? '' : `?${view.query}`;
  return `${scheme}://${host}${portSuffix(action, scheme, view)}${target}${query}`;
}

/** Port as it is written after the host, with its colon, or empty. */
function portSuffix(action: RedirectAction, scheme: string, view: RequestView): string {
  const { port } = action;
  if (port === 'scheme-default') return '';
  if (port === 'request') return written(view.authorityPort, scheme);
  if (port === 'listener') return written(view.localPort, scheme);
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

/** Location of a redirect to https that keeps everything else (Istio tls.httpsRedirect, Kong https-only routes). */
export function httpsLocation(view: RequestView): string {
  const path = view.path === '*' ? '/' : view.path;
  return `https://${view.host}${path}${view.query === '' ? '' : `?${view.query}`}`;
}
