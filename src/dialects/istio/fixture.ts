/** For tests: text → snapshot, and the route a request gets, decided by the code that serves traffic. */
import { fixtureHeaders, fixtureView } from '../../decide/fixture.ts';
import { hostMatches, parseHostPattern } from '../../decide/host.ts';
import { Matcher } from '../../decide/match.ts';
import { redirectLocation } from '../../decide/redirect.ts';
import type { Caller } from '../../decide/request.ts';
import { rewritePath } from '../../decide/rewrite.ts';
import type { Listener } from '../../model/listener.ts';
import type { MatchEntry, Route, VirtualHost } from '../../model/route.ts';
import { compileSources, defaultOptions, type Compiled } from '../compile.ts';
import type { TranslateOptions } from '../dialect.ts';

export async function compileText(text: string, options: TranslateOptions = { ...defaultOptions, bind: '0.0.0.0' }): Promise<Compiled> {
  return compileSources([{ file: 'test.yaml', text }], options, null);
}

/** One line a diagnostic. */
export function told(compiled: Compiled, only: RegExp = /^WR(01|02|033)/): string[] {
  return compiled.diagnostics
    .filter(({ code }) => only.test(code))
    .map(({ code, severity, line, column, message }) => `${code} ${severity} ${line}:${column} ${message}`);
}

export interface TestRequest {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly listener?: string;
  readonly caller?: Caller;
}

interface Hit {
  readonly listener: Listener;
  readonly host: VirtualHost;
  readonly entry: MatchEntry;
  readonly route: Route;
  readonly matched: number;
}

/** What answers `url`, as one line: `404`, `301 location`, `200 body`, `503 blocked`, `cluster path authority`. */
export function answer(compiled: Compiled, url: string, request: TestRequest = {}): string {
  const { host, hostname, port, pathname, search } = new URL(url);
  const wanted = request.listener ?? (request.caller === undefined ? '' : 'mesh');
  const listener = compiled.snapshot.listeners.find((one) => (wanted === '' ? one.kind === 'gateway' : one.name === wanted));
  if (listener === undefined) return 'no listener';
  const view = fixtureView(pathname, {
    method: request.method ?? 'GET',
    authority: host,
    host: hostname,
    authorityPort: port === '' ? null : Number(port),
    query: search.slice(1),
    headers: fixtureHeaders(Object.entries({ host, ...request.headers })),
    localPort: listener.kind === 'mesh' ? Number(port || 80) : listener.port,
    caller: request.caller ?? null,
  });
  const found = lookup(compiled, listener, hostname, (entry) => {
    const matcher = new Matcher(entry.match);
    return matcher.matches(view) ? matcher.matchedLength(pathname) : -1;
  });
  if (listener.filters.some(({ blocked }) => blocked !== undefined)) return '503 listener blocked';
  if (found === null) return '404';
  const { action } = found.route;
  switch (action.kind) {
    case 'blocked':
      return `${action.status} blocked`;
    case 'direct-response':
      return `${action.status} ${action.body}`;
    case 'redirect':
      return `${action.status} ${redirectLocation(action, view, found.matched, listener.port)}`;
    case 'forward': {
      const path = action.pathRewrite === undefined ? pathname : rewritePath(action.pathRewrite, pathname, found.matched);
      const parts = action.destinations.map((one) => {
        const cluster = compiled.snapshot.clusters.find(({ name }) => name === one.cluster);
        const target =
          one.cluster === null ? `invalid ${one.invalidStatus}` : cluster?.blocked === undefined ? one.cluster : `blocked ${one.cluster}`;
        const rewrite = one.hostRewrite ?? action.hostRewrite;
        return `${action.destinations.length > 1 ? `${one.weight}×` : ''}${target} ${path}${rewrite?.kind === 'literal' ? ` as ${rewrite.value}` : ''}`;
      });
      return parts.join(' + ');
    }
  }
}

function lookup(compiled: Compiled, listener: Listener, host: string, matched: (entry: MatchEntry) => number): Hit | null {
  let best: VirtualHost | null = null;
  let bestLength = -1;
  for (const candidate of listener.virtualHosts)
    for (const domain of candidate.domains) {
      const pattern = parseHostPattern(domain);
      const length = pattern.kind === 'exact' ? 1000 : pattern.text.length;
      if (hostMatches(pattern, host) && length > bestLength) [best, bestLength] = [candidate, length];
    }
  for (const entry of best?.matches ?? []) {
    const length = matched(entry);
    const route = compiled.snapshot.routes[entry.route];
    if (length >= 0 && best !== null) return { listener, host: best, entry, route, matched: length };
  }
  return null;
}
