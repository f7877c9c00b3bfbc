/** Status of Istio resources, for `/api/v1/status` and `weir validate --format json`. */
import type { Condition, ResourceStatus } from '../../model/snapshot.ts';
import type { Resource } from '../dialect.ts';
import type { VirtualServiceItem } from './delegates.ts';
import type { GatewayTranslation, Parent } from './gateways.ts';

export function statusesOf(
  resources: readonly Resource[],
  items: readonly VirtualServiceItem[],
  gateways: GatewayTranslation,
): ResourceStatus[] {
  const itemOf = new Map(items.map((item) => [item.resource, item]));
  const serversOf = Map.groupBy(gateways.servers, ({ gateway }) => gateway);
  return resources.map((resource) => {
    const { kind, namespace, name, origin } = resource;
    const item = itemOf.get(resource);
    return {
      kind,
      namespace,
      name,
      origin,
      quarantined: resource.broken || resource.stale === true,
      conditions: [],
      listeners: (serversOf.get(resource) ?? []).map((server) => ({
        name: server.name,
        listener: server.listener,
        attachedRoutes: server.attached.size,
        supportedKinds: ['VirtualService'],
        conditions: [
          server.listener === null
            ? condition('Programmed', false, 'NotServed', 'another process serves it, or it cannot be served')
            : condition('Programmed', true, 'Programmed', `listens as ${server.listener}`),
        ],
      })),
      parents: (item === undefined ? [] : (gateways.parents.get(item) ?? [])).map((parent) => ({
        kind: 'Gateway',
        namespace: parent.gateway.slice(0, parent.gateway.indexOf('/')),
        name: parent.gateway.slice(parent.gateway.indexOf('/') + 1),
        sectionName: null,
        port: null,
        conditions: [accepted(parent)],
      })),
    };
  });
}

function accepted({ gateway, known, attached }: Parent): Condition {
  if (!known) return condition('Accepted', false, 'NoMatchingParent', `there is no Gateway ${gateway}`);
  return attached
    ? condition('Accepted', true, 'Accepted', 'a server has a host of this VirtualService')
    : condition(
        'Accepted',
        false,
        'NoMatchingListenerHostname',
        'no server has a host of this VirtualService, or it is not exported to the Gateway',
      );
}

function condition(type: string, holds: boolean, reason: string, message: string): Condition {
  return { type, status: holds ? 'True' : 'False', reason, message };
}
