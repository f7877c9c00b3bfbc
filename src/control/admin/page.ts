import type { ClusterDescription } from '../../model/events.ts';
import type { ServingState } from '../state.ts';
import { boundTo, socket } from './envoy.ts';
import type { Overview } from './overview.ts';
import { pageScript, pageStyle } from './page-assets.ts';

export interface PageInput {
  readonly version: string;
  readonly overview: Overview;
  readonly state: ServingState;
  /** JSON text of the table of routes. */
  readonly routes: string;
  readonly shownRoutes: number;
  readonly clusters: readonly ClusterDescription[];
  readonly nonce: string;
}

const shownDiagnostics = 100;
const shownClusters = 500;

/** The first page: one HTML document without anything from elsewhere. Every value is escaped. */
export function firstPage(input: PageInput): string {
  const { version, overview, state, nonce } = input;
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>Weir</title><link rel="icon" href="data:,"><style nonce="${nonce}">${pageStyle}</style></head><body>
<header><h1>Weir</h1><p><span class="dot ${overview.state}" id="dot"></span><span id="state">${overview.state}</span> · revision <b id="revision">${overview.revision}</b>${applied(state)} · workers <span id="workers">${overview.workers}</span> · version ${escape(version)}</p>
<nav><a href="/metrics">metrics</a> <a href="/stats">stats</a> <a href="/config_dump">config</a> <a href="/clusters">clusters</a> <a href="/api/v1/status">status</a> <a href="/api/v1/openapi.json">API</a></nav></header>
<main><section class="tiles">${tile('requests', 'requests', overview.requests)}${tile('active', 'in progress', overview.active)}${tile('connections', 'connections', overview.connections)}${tile('noRoute', 'no route', overview.noRoute)}${tile('rateLimited', 'rate limited', overview.rateLimited)}${tile('errors', 'errors in config', overview.errors)}${tile('warnings', 'warnings', overview.warnings)}${tile('quarantined', 'quarantined', overview.quarantined)}</section>
<p id="stale" hidden>A newer revision serves. <a href="/">Show it</a></p>
${diagnosticsSection(state)}
${listenersSection(input)}
${routesSection(input)}
${clustersSection(input.clusters)}
</main><script nonce="${nonce}">${pageScript}</script></body></html>
`;
}

function applied({ appliedAt }: ServingState): string {
  return appliedAt === null
    ? ''
    : ` since <time datetime="${escape(appliedAt)}">${escape(appliedAt.slice(0, 19).replace('T', ' '))} UTC</time>`;
}

function tile(id: string, label: string, value: number): string {
  return `<div class="tile"><b id="${id}">${value.toLocaleString('en')}</b><span>${label}</span></div>`;
}

function table(title: string, count: number, heads: readonly string[], rows: readonly (readonly string[])[], empty: string): string {
  const note = rows.length < count ? `<p class="note">The first ${rows.length} of ${count.toLocaleString('en')}.</p>` : '';
  const body =
    rows.length === 0
      ? `<p class="note">${escape(empty)}</p>`
      : `<div class="scroll"><table><thead><tr>${heads.map((head) => `<th>${escape(head)}</th>`).join('')}</tr></thead><tbody>${rows.map((row) => `<tr>${row.map((cell) => `<td>${cell}</td>`).join('')}</tr>`).join('')}</tbody></table></div>`;
  return `<section><h2>${escape(title)} <small>${count.toLocaleString('en')}</small></h2>${body}${note}</section>`;
}

function diagnosticsSection({ diagnostics }: ServingState): string {
  if (diagnostics.length === 0) return '';
  const rows = diagnostics
    .slice(0, shownDiagnostics)
    .map((d) => [
      `<span class="badge ${d.severity}">${d.severity}</span>`,
      `<code>${escape(d.code)}</code>`,
      escape(d.message) + (d.hint === undefined ? '' : `<br><span class="hint">${escape(d.hint)}</span>`),
      d.file === '' ? '' : place(d.file, d.line),
    ]);
  return table('Diagnostics', diagnostics.length, ['', 'code', 'what', 'where'], rows, '');
}

function listenersSection({ state, overview }: PageInput): string {
  const listeners = state.outcome?.summary.listeners ?? [];
  const rows = listeners.map((listener) => {
    const binding = state.bindings.find((candidate) => candidate.listener === listener.name);
    const live = overview.listeners.find(({ name }) => name === listener.name);
    const reason = state.unprogrammed.get(listener.name) ?? 'not bound';
    return [
      `<code>${escape(listener.name)}</code>`,
      binding === undefined ? `<span class="badge error">${escape(reason)}</span>` : `<code>${escape(boundTo(binding))}</code>`,
      escape(listener.dialect),
      escape(listener.hosts.slice(0, 5).join(', ')) + (listener.hosts.length > 5 ? ' …' : ''),
      String(listener.routes),
      `<span data-requests="${escape(listener.name)}">${(live?.requests ?? 0).toLocaleString('en')}</span>`,
      // Of datagrams there are no connections.
      binding?.transport === 'udp'
        ? ''
        : `<span data-connections="${escape(listener.name)}">${(live?.connections ?? 0).toLocaleString('en')}</span>`,
      place(listener.file, listener.line),
    ];
  });
  return table(
    'Listeners',
    listeners.length,
    ['listener', 'bound to', 'dialect', 'hosts', 'routes', 'requests', 'connections', 'where'],
    rows,
    'No listener: nothing in the configuration opens a port.',
  );
}

function routesSection({ routes, state, shownRoutes }: PageInput): string {
  const lines: unknown = JSON.parse(routes);
  const rows = (Array.isArray(lines) ? lines : []).map((line: unknown) => {
    const field = (name: string): string => (typeof line === 'object' && line !== null ? String(Reflect.get(line, name) ?? '') : '');
    return [
      escape(field('name')),
      `<code>${escape(field('listener'))}</code>`,
      escape(field('hosts')),
      `<code>${escape(field('match'))}</code>`,
      escape(field('action')),
      place(field('file'), Number(field('line'))),
    ];
  });
  const total = rows.length < shownRoutes ? rows.length : Math.max(rows.length, state.outcome?.summary.routes ?? 0);
  return table('Routes', total, ['route', 'listener', 'hosts', 'match', 'to', 'where'], rows, 'No route.');
}

function clustersSection(clusters: readonly ClusterDescription[]): string {
  const rows = clusters.slice(0, shownClusters).map(({ name, endpoints }) => [
    `<code>${escape(name)}</code>`,
    endpoints
      .slice(0, 8)
      .map(({ address, port, weight }) => `<code>${escape(socket(address, port))}</code>${weight === 1 ? '' : ` ×${weight}`}`)
      .join(' ') || '<span class="badge warning">no endpoints</span>',
    String(endpoints.reduce((sum, { requests }) => sum + requests, 0)),
    String(endpoints.reduce((sum, { active }) => sum + active, 0)),
    String(endpoints.reduce((sum, { idle }) => sum + idle, 0)),
    String(endpoints.reduce((sum, { connectFailures }) => sum + connectFailures, 0)),
  ]);
  return table(
    'Clusters',
    clusters.length,
    ['cluster', 'endpoints', 'requests', 'active', 'idle', 'connect failures'],
    rows,
    'No cluster has been used yet.',
  );
}

function place(file: string, line: number): string {
  return `<code class="place">${escape(file)}${line > 0 ? `:${line}` : ''}</code>`;
}

export function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;').replaceAll("'", '&#39;');
}
