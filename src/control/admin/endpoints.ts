import type { ClusterDescription } from '../../model/events.ts';
import type { Log } from '../log.ts';
import { logLevels } from '../log.ts';
import type { ServingState } from '../state.ts';
import { sumClusters } from '../state.ts';
import { clustersJson, clustersText, listenersJson, listenersText } from './envoy.ts';
import { withUnprogrammed } from './programmed.ts';
import { openApi } from './openapi.ts';
import { overview } from './overview.ts';
import { firstPage } from './page.ts';

/** What the admin address shows and may do; given by whoever composes the process. */
export interface AdminSource {
  readonly version: string;
  readonly log: Log;
  readonly state: () => ServingState;
  readonly ready: () => boolean;
  readonly workersReady: () => number;
  readonly describe: () => Promise<readonly (readonly ClusterDescription[])[]>;
  readonly metrics: {
    prometheus(): string;
    stats(filter?: string): string;
    statsJson(filter?: string): string;
    total(name: string): number;
    value(name: string, labels?: Readonly<Record<string, string>>): number;
  };
  /** Answered by the compile worker. */
  readonly ask: (
    question:
      | { readonly type: 'dump' | 'certs' }
      | { readonly type: 'routes'; readonly limit: number }
      | { readonly type: 'explain'; readonly body: string },
  ) => Promise<{ readonly status: number; readonly text: string }>;
  /** Stop taking requests; the process stays. */
  readonly drain: () => void;
  /** Drain and end the process. */
  readonly quit: () => void;
}

export interface AdminCall {
  readonly query: URLSearchParams;
  readonly body: string;
  readonly nonce: string;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Runs once the answer is on its way. */
  readonly after?: () => void;
}

export interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly answer: (call: AdminCall) => Answer | Promise<Answer>;
}

const shownRoutes = 500;

export function adminEndpoints(source: AdminSource): ReadonlyMap<string, Endpoint> {
  const get = (answer: Endpoint['answer']): Endpoint => ({ method: 'GET', answer });
  const post = (answer: Endpoint['answer']): Endpoint => ({ method: 'POST', answer });
  const readiness = get(() => {
    const { draining } = source.state();
    return source.ready() ? plain('LIVE\n') : { ...plain(draining ? 'DRAINING\n' : 'PRE_INITIALIZING\n'), status: 503 };
  });
  return new Map<string, Endpoint>([
    ['/', get(async ({ nonce }) => await page(source, nonce))],
    ['/healthz', get(() => plain('OK\n'))],
    ['/readyz', readiness],
    ['/ready', readiness],
    ['/metrics', get(() => prometheus(source))],
    ['/stats/prometheus', get(() => prometheus(source))],
    ['/stats', get(({ query }) => stats(source, query))],
    ['/config_dump', get(async () => json((await source.ask({ type: 'dump' })).text))],
    ['/clusters', get(async ({ query }) => await clusters(source, query))],
    ['/listeners', get(({ query }) => (isJson(query) ? json(listenersJson(source.state())) : plain(listenersText(source.state()))))],
    ['/certs', get(async () => json((await source.ask({ type: 'certs' })).text))],
    ['/server_info', get(() => json(serverInfo(source)))],
    ['/logging', post(({ query }) => logging(source.log, query))],
    ['/drain_listeners', post(() => ({ ...plain('OK\n'), after: source.drain }))],
    ['/quitquitquit', post(() => ({ ...plain('OK\n'), after: source.quit }))],
    ['/api/v1/status', get(() => json(status(source)))],
    [
      '/api/v1/diagnostics',
      get(() => json(JSON.stringify({ revision: source.state().revision, diagnostics: source.state().diagnostics }))),
    ],
    ['/api/v1/overview', get(() => json(JSON.stringify(overview(source))))],
    ['/api/v1/explain', post(async ({ body }) => await explain(source, body))],
    ['/api/v1/openapi.json', get(() => json(JSON.stringify(openApi(source.version), null, 1)))],
  ]);
}

async function page(source: AdminSource, nonce: string): Promise<Answer> {
  const [routes, workers] = await Promise.all([source.ask({ type: 'routes', limit: shownRoutes }), source.describe()]);
  const body = firstPage({
    version: source.version,
    overview: overview(source),
    state: source.state(),
    routes: routes.status === 200 ? routes.text : '[]',
    clusters: sumClusters(workers),
    shownRoutes,
    nonce,
  });
  return { status: 200, type: 'text/html', body };
}

function prometheus(source: AdminSource): Answer {
  return { status: 200, type: 'text/plain; version=0.0.4; charset=utf-8', body: source.metrics.prometheus() };
}

function stats(source: AdminSource, query: URLSearchParams): Answer {
  const filter = query.get('filter') ?? '';
  if (query.get('format') === 'prometheus') return prometheus(source);
  return isJson(query) ? json(source.metrics.statsJson(filter)) : plain(source.metrics.stats(filter));
}

async function clusters(source: AdminSource, query: URLSearchParams): Promise<Answer> {
  const summed = sumClusters(await source.describe());
  return isJson(query) ? json(clustersJson(summed)) : plain(clustersText(summed));
}

function logging(log: Log, query: URLSearchParams): Answer {
  const wanted = query.get('level') ?? query.get('weir');
  if (wanted !== null) {
    const level = logLevels.find((candidate) => candidate === wanted);
    if (level === undefined) return { ...plain(`no such level: ${logLevels.join(', ')}\n`), status: 400 };
    log.level = level;
  }
  return plain(`active loggers:\n  weir: ${log.level}\n`);
}

function serverInfo(source: AdminSource): string {
  const { draining, revision } = source.state();
  const state = draining ? 'DRAINING' : source.ready() ? 'LIVE' : 'PRE_INITIALIZING';
  return JSON.stringify({
    version: source.version,
    state,
    uptime_current_epoch: `${Math.floor(process.uptime())}s`,
    node: { id: 'weir' },
    revision,
    workers: source.workersReady(),
  });
}

function status(source: AdminSource): string {
  const { revision, appliedAt, draining, quarantined, outcome, bindings, unprogrammed } = source.state();
  const listeners = (outcome?.summary.listeners ?? []).map((listener) => {
    const binding = bindings.find((candidate) => candidate.listener === listener.name);
    return {
      ...listener,
      programmed: binding !== undefined,
      boundPort: binding?.port ?? null,
      reason: unprogrammed.get(listener.name) ?? null,
    };
  });
  const head = { revision, appliedAt, ready: source.ready(), draining, workers: source.workersReady(), quarantined, listeners };
  const resources = outcome?.statusJson ?? '[]';
  // The status is text already; it is only taken apart when something could not be bound.
  if (unprogrammed.size === 0) return `${JSON.stringify(head).slice(0, -1)},"resources":${resources}}`;
  return JSON.stringify({ ...head, resources: withUnprogrammed(JSON.parse(resources), unprogrammed) });
}

async function explain(source: AdminSource, body: string): Promise<Answer> {
  const answer = await source.ask({ type: 'explain', body });
  return { ...json(answer.text), status: answer.status };
}

function isJson(query: URLSearchParams): boolean {
  return query.get('format') === 'json';
}

function plain(body: string): Answer {
  return { status: 200, type: 'text/plain', body };
}

function json(body: string): Answer {
  return { status: 200, type: 'application/json', body };
}
