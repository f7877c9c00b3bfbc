import { buildChain } from './chain/chain.ts';
import type { RouteContext, RouteTables } from './route/tables.ts';
import type { DestinationRuntime, RouteRuntime, WorkerRuntime } from './runtime.ts';

/** Makes a route ready at its first use in a worker: filters, clusters, destination chains. Never per request. */
export function materialise(
  worker: Pick<WorkerRuntime, 'chainContext' | 'clusters'>,
  tables: RouteTables<RouteRuntime>,
  context: RouteContext,
): RouteRuntime {
  const { route, virtualHost, listener } = context;
  const chainContext = { ...worker.chainContext, replyStyle: route.replyStyle ?? listener.replyStyle };
  const chain = buildChain([...virtualHost.filters, ...route.filters], 'route', chainContext);
  const forward = route.action.kind === 'forward' ? route.action : null;
  const destinations: DestinationRuntime[] = (forward?.destinations ?? []).map((spec) => {
    const config = spec.cluster === null ? null : tables.cluster(spec.cluster);
    return {
      spec,
      cluster: config === null ? null : worker.clusters.use(config),
      chain: buildChain(spec.filters, 'destination', chainContext),
    };
  });
  const first = destinations[0]?.cluster;
  return {
    route,
    name: route.name,
    chain,
    forward,
    destinations,
    serviceName: first === null || first === undefined ? '' : first.config.service,
  };
}
