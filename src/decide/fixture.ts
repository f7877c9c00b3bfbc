/** Small builders of snapshots and requests for tests and the route bench. */
import type { HeaderView, RequestView } from './request.ts';
import { edgeListener, type Listener } from '../model/listener.ts';
import type { RouteMatch } from '../model/match.ts';
import type { Origin } from '../model/origin.ts';
import type { Route, RouteAction, VirtualHost } from '../model/route.ts';
import type { Snapshot } from '../model/snapshot.ts';

export const fixtureOrigin: Origin = {
  dialect: 'weir',
  kind: 'Test',
  namespace: null,
  name: 'test',
  file: 'test.yaml',
  line: 1,
  column: 1,
};

export function fixtureListener(name: string, virtualHosts: readonly VirtualHost[]): Listener {
  return {
    name,
    kind: 'gateway',
    address: '0.0.0.0',
    port: 80,
    protocol: 'http',
    dialect: 'weir',
    origin: fixtureOrigin,
    ...edgeListener,
    virtualHosts,
    filters: [],
    pending: [],
  };
}

export function fixtureRoute(name: string, action: RouteAction = { kind: 'direct-response', status: 200, body: name, headers: [] }): Route {
  return { id: `weir/Test/-/${name}/0`, name, rule: 0, origin: fixtureOrigin, action, filters: [], pending: [] };
}

export function fixtureHost(
  name: string,
  domains: readonly string[],
  matches: readonly (readonly [route: number, match: RouteMatch])[],
): VirtualHost {
  return {
    name,
    domains,
    origin: fixtureOrigin,
    filters: [],
    matches: matches.map(([route, match], index) => ({ route, index, match, rankReason: `position ${index}` })),
  };
}

/** One listener `:80`; each host lists its matches best first, match i of all hosts leads to route i. */
export function fixtureSnapshot(
  hosts: readonly { readonly domains: readonly string[]; readonly matches: readonly RouteMatch[] }[],
): Snapshot {
  const routes: Route[] = [];
  const virtualHosts = hosts.map((host, i) =>
    fixtureHost(
      `host-${i}`,
      host.domains,
      host.matches.map((match) => {
        routes.push(fixtureRoute(`route-${routes.length}`));
        return [routes.length - 1, match] as const;
      }),
    ),
  );
  return { listeners: [fixtureListener(':80', virtualHosts)], routes, clusters: [], consumers: [], status: [] };
}

export function fixtureHeaders(lines: readonly (readonly [name: string, value: string])[]): HeaderView {
  const of = (name: string): string[] => lines.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
  return { get: (name) => (of(name).length === 0 ? null : of(name).join(', ')), lines: of };
}

export function fixtureView(path: string, overrides: Partial<RequestView> = {}): RequestView {
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'a.example.com',
    host: 'a.example.com',
    authorityPort: null,
    path,
    query: '',
    headers: fixtureHeaders([]),
    localPort: 80,
    sni: null,
    remoteAddress: '192.0.2.1',
    caller: null,
    ...overrides,
  };
}
