/**
 * The Gateway API conformance cases as tables: manifests are translated, compiled to the tables that serve traffic, and
 * asked with requests. What an upstream or a client would see is summed up in one line.
 */
import assert from 'node:assert/strict';
import { ChainTable } from '../../../src/decide/chain.ts';
import { fixtureHeaders, fixtureView } from '../../../src/decide/fixture.ts';
import { redirectLocation } from '../../../src/decide/redirect.ts';
import { rewritePath } from '../../../src/decide/rewrite.ts';
import type { RequestView } from '../../../src/decide/request.ts';
import type { Resource } from '../../../src/dialects/dialect.ts';
import { gatewayApi } from '../../../src/dialects/gateway-api/index.ts';
import { kubernetes } from '../../../src/dialects/kubernetes/index.ts';
import { weir } from '../../../src/dialects/weir/index.ts';
import { parseText } from '../../../src/dialects/text.ts';
import type { Cluster } from '../../../src/model/cluster.ts';
import type { Diagnostic } from '../../../src/model/diagnostic.ts';
import type { FilterConfig } from '../../../src/model/filter.ts';
import type { RedirectAction, Route, WeightedDestination } from '../../../src/model/route.ts';
import type { Condition, ResourceStatus, Snapshot } from '../../../src/model/snapshot.ts';
import { compileTables } from '../../../src/proxy/route/compile.ts';
import { RouteTables } from '../../../src/proxy/route/tables.ts';

export interface Request {
  /** `host/path?query`; the host may carry a port that is not the listener's. */
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the listener; 80. */
  readonly port?: number;
}

export interface Connection {
  /** Listener: `port`, or `port/udp`. */
  readonly at: string;
  /** Absent: not TLS; empty: TLS without SNI. */
  readonly sni?: string;
}

export interface World {
  readonly snapshot: Snapshot;
  readonly diagnostics: readonly Diagnostic[];
  /** `404`, `500`, `302 http://…`, or `backend-v1 9, backend-v2 1` with ` as host/path` when the request changes. */
  send(request: Request): string;
  /** How the first destination is reached: `http1`, `http2`, `tls http1 sni=… names=… ca=… certificate=…`; `none`, `blocked`. */
  upstream(request: Request): string;
  /** What becomes of a connection: `http default/edge/web`, `v1 9, v2 1`, `closed`; with `tls` in front where TLS ends. */
  connect(connection: Connection): string;
  /** Route that answers; null on 404. */
  route(request: Request): Route | null;
  /** Destinations of the route that answers. */
  destinations(request: Request): readonly WeightedDestination[];
  status(kind: string, name: string): ResourceStatus;
  codes(): readonly string[];
}

export function world(...manifests: readonly string[]): World {
  const resources: Resource[] = [];
  const diagnostics: Diagnostic[] = [];
  for (const [index, text] of manifests.entries()) {
    const parsed = parseText(`manifest-${index}.yaml`, text);
    diagnostics.push(...parsed.diagnostics);
    for (const document of parsed.documents)
      for (const dialect of [gatewayApi, kubernetes, weir]) if (dialect.recognises(document)) resources.push(...dialect.read(document));
  }
  diagnostics.push(...resources.flatMap((resource) => resource.diagnostics));
  const input = { resources, options: { bind: '0.0.0.0', labels: null } };
  const translated = gatewayApi.translate(input);
  diagnostics.push(...translated.diagnostics, ...kubernetes.translate(input).diagnostics);
  const snapshot = gatewayApi.finish?.(translated.fragment, input).snapshot ?? translated.fragment;
  const tables = new RouteTables(compileTables(snapshot), 1, () => null);

  const lookup = (request: Request): { readonly view: RequestView; readonly route: Route; readonly matched: number } | null => {
    const view = viewOf(request);
    const hit = tables.listener(`0.0.0.0:${request.port ?? 80}`)?.lookup(view) ?? null;
    if (hit === null) return null;
    return { view, route: hit.route, matched: hit.matcher.matchedLength(view.path) };
  };
  return {
    snapshot,
    diagnostics,
    route: (request) => lookup(request)?.route ?? null,
    destinations(request) {
      const action = lookup(request)?.route.action;
      return action?.kind === 'forward' ? action.destinations : [];
    },
    send(request) {
      const hit = lookup(request);
      if (hit === null) return '404';
      const { view, route, matched } = hit;
      const { action } = route;
      const redirect = (to: RedirectAction): string => `${to.status} ${redirectLocation(to, view, matched, request.port ?? 80)}`;
      if (action.kind === 'redirect') return redirect(action);
      if (action.kind !== 'forward') return String(action.status);
      const live = action.destinations.filter((one) => one.weight > 0);
      if (live.length === 0) return String(action.allZeroStatus);
      const shares = live.map((one) => {
        const share = live.length > 1 ? ` ${one.weight}` : '';
        if (one.redirect !== undefined) return `${redirect(one.redirect)}${share}`;
        const cluster = snapshot.clusters.find((candidate) => candidate.name === one.cluster);
        if (cluster === undefined) return `${one.invalidStatus}${share}`;
        if (cluster.blocked !== undefined || cluster.endpoints.length === 0) return `503${share}`;
        const rewrite = one.pathRewrite ?? action.pathRewrite;
        const host = one.hostRewrite ?? action.hostRewrite;
        const path = rewrite === undefined ? view.path : rewritePath(rewrite, view.path, matched);
        const authority = host?.kind === 'literal' ? host.value : '';
        return `${one.host.split('.')[0]}${share}${path === view.path && authority === '' ? '' : ` as ${authority}${path}`}`;
      });
      return shares.join(', ');
    },
    upstream(request) {
      const action = lookup(request)?.route.action;
      const name = action?.kind === 'forward' ? action.destinations[0].cluster : null;
      const cluster = snapshot.clusters.find((one) => one.name === name);
      if (cluster === undefined) return 'none';
      return describeCluster(cluster);
    },
    connect({ at, sni }) {
      const listener = snapshot.listeners.find((one) => one.name === `0.0.0.0:${at}`);
      if (listener === undefined) return 'not open';
      const chain = new ChainTable(listener.chains ?? [], false).choose({
        remoteAddress: '192.0.2.9',
        remotePort: 1234,
        localAddress: '192.0.2.1',
        localPort: listener.port,
        begins: sni === undefined ? 'plain' : 'tls',
        serverName: sni ?? '',
      });
      if (chain === null || chain.forward?.blocked !== undefined) return 'closed';
      const shares = chain.forward?.destinations.map((one) => {
        const cluster = snapshot.clusters.find((candidate) => candidate.name === one.cluster);
        const place = cluster === undefined ? 'closed' : `${one.host.split('.')[0]}${cluster.transport === 'tls' ? ' over tls' : ''}`;
        return chain.forward?.destinations.length === 1 ? place : `${place} ${one.weight}`;
      });
      return `${chain.tls === null ? '' : 'tls '}${shares === undefined ? `http ${chain.name}` : shares.join(', ')}`;
    },
    status(kind, name) {
      const found = snapshot.status.find((one) => one.kind === kind && one.name === name);
      assert.ok(found, `no status of ${kind} ${name}`);
      return found;
    },
    codes: () => diagnostics.map((one) => one.code),
  };
}

function describeCluster({ blocked, transport, tls, protocol = 'http1' }: Cluster): string {
  if (blocked !== undefined) return 'blocked';
  if (transport === 'plaintext') return protocol;
  assert.ok(tls?.verify === true, 'TLS to a backend is always verified');
  const { sni, subjectAltNames, ca, certificate } = tls;
  const names = subjectAltNames.length === 0 ? '' : ` names=${subjectAltNames.join(',')}`;
  return `tls ${protocol} sni=${sni}${names} ca=${ca ?? 'system'}${certificate === null ? '' : ` certificate=${certificate}`}`;
}

function viewOf({ url, method = 'GET', headers = {}, port = 80 }: Request): RequestView {
  const slash = url.indexOf('/');
  const authority = url.slice(0, slash).toLowerCase();
  const target = url.slice(slash);
  const question = target.indexOf('?');
  const named = /:(\d+)$/.exec(authority);
  return fixtureView(question < 0 ? target : target.slice(0, question), {
    method,
    authority,
    host: authority.replace(/:\d+$/, ''),
    authorityPort: named === null ? null : Number(named[1]),
    query: question < 0 ? '' : target.slice(question + 1),
    headers: fixtureHeaders(Object.entries(headers)),
    localPort: port,
  });
}

/** `Accepted=True:Accepted ResolvedRefs=False:BackendNotFound` */
export function conditions(list: readonly Condition[]): string {
  return list.map(({ type, status, reason }) => `${type}=${status}:${reason}`).join(' ');
}

/** `request set X-Set=v add … remove …` of header-modifier configs. */
export function modifiers(filters: readonly FilterConfig[]): unknown {
  return filters.map((filter) => {
    assert.equal(filter.name, 'header-modifier');
    return filter.config;
  });
}

/** Services `names` in `namespace`, each on port 8080 with one endpoint. */
export function services(namespace: string, ...names: readonly string[]): string {
  return names
    .map(
      (name) => `---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {selector: {app: ${name}}, ports: [{protocol: TCP, port: 8080, targetPort: 3000}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: ${name}-1, namespace: ${namespace}, labels: {kubernetes.io/service-name: ${name}}}
addressType: IPv4
ports: [{port: 3000}]
endpoints: [{addresses: [10.1.0.1]}]
`,
    )
    .join('');
}

/** A Gateway in `infra` with the given listeners (YAML flow items). */
export function gateway(name: string, ...listeners: readonly string[]): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: ${name}, namespace: infra}
spec:
  gatewayClassName: weir
  listeners:
${listeners.map((listener) => `  - ${listener}`).join('\n')}
`;
}

/** A route of `infra` on Gateway `same-namespace`; `spec` is YAML, indented by two. */
export function route(
  name: string,
  spec: string,
  options: { readonly kind?: string; readonly parent?: string; readonly namespace?: string } = {},
): string {
  return `---
apiVersion: gateway.networking.k8s.io/v1
kind: ${options.kind ?? 'HTTPRoute'}
metadata: {name: ${name}, namespace: ${options.namespace ?? 'infra'}}
spec:
  parentRefs: [${options.parent ?? '{name: same-namespace}'}]
${spec}
`;
}

/** A rule in YAML flow style. */
export function rule(matches: string, backend: string, extra = ''): string {
  return `  - {matches: [${matches}], backendRefs: [${backend === '' ? '' : `{name: ${backend}, port: 8080}`}]${extra === '' ? '' : `, ${extra}`}}\n`;
}

export const sameNamespace = gateway('same-namespace', '{name: http, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Same}}}');
export const backends = services('infra', 'v1', 'v2', 'v3');
