import { isIP } from 'node:net';
import type { Endpoint } from '../../model/cluster.ts';
import type { Resource } from '../dialect.ts';
import type { ServiceDefinition } from '../services.ts';
import { entitiesOf } from './entity.ts';
import { endpointsByUpstream } from './targets.ts';

/** Upstreams of Kong documents as destinations that every dialect may name, whatever the port. */
export function kongUpstreamServices(resources: readonly Resource[]): readonly ServiceDefinition[] {
  const upstreams = entitiesOf(resources, 'Upstream');
  if (upstreams.length === 0) return [];
  const targets = endpointsByUpstream(resources);
  return upstreams.flatMap(({ resource, entity }) => {
    if (entity.label === null || entity.fields === null) return [];
    const endpoints: readonly Endpoint[] = [...(targets.get(entity.id) ?? []), ...(targets.get(entity.label) ?? [])];
    return [
      {
        host: entity.label.toLowerCase(),
        namespace: null,
        ports: [],
        discovery: endpoints.every((endpoint) => isIP(endpoint.address) !== 0) ? ('static' as const) : ('dns' as const),
        endpoints: () => endpoints,
        anyPort: true,
        origin: resource.origin,
      },
    ];
  });
}
