/** Targets of Kong upstreams as endpoints. */
import { isIP } from 'node:net';
import type { Endpoint } from '../../model/cluster.ts';
import type { Resource } from '../dialect.ts';
import { entitiesOf } from './entity.ts';
import { targetSchema } from './schemas.ts';

/** `host`, `host:port`, `[v6]:port` or a bare IPv6 address; the port is 8000 where none is written (Kong). */
export function parseTarget(target: string): { readonly address: string; readonly port: number } {
  const bracket = /^\[([^\]]+)\](?::(\d+))?$/.exec(target);
  if (bracket !== null) return { address: bracket[1] ?? '', port: Number(bracket[2] ?? 8000) };
  if (isIP(target) === 6) return { address: target, port: 8000 };
  const [host = '', port] = target.split(':');
  return { address: host.toLowerCase(), port: Number(port ?? 8000) };
}

/** Endpoints of each upstream, by the name and by the id that targets may use. Broken targets are left out. */
export function endpointsByUpstream(resources: readonly Resource[]): ReadonlyMap<string, readonly Endpoint[]> {
  const endpoints = new Map<string, Endpoint[]>();
  for (const { entity } of entitiesOf(resources, 'Target')) {
    const { refs, fields } = entity;
    const parsed = fields === null ? null : targetSchema().safeParse(fields);
    const upstream = refs.upstream;
    if (parsed === null || !parsed.success || upstream === undefined) continue;
    const key = upstream.id ?? upstream.name ?? '';
    const { address, port } = parseTarget(parsed.data.target);
    const endpoint: Endpoint = { address, port, weight: parsed.data.weight, labels: {}, locality: '' };
    const list = endpoints.get(key);
    if (list === undefined) endpoints.set(key, [endpoint]);
    // The first of two entries for one target counts, as for every entity.
    else if (!list.some((known) => known.address === address && known.port === port)) list.push(endpoint);
  }
  return endpoints;
}
