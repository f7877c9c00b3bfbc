/** Kinds that are checked and do not run yet, and the status of GatewayClasses. */
import type { ResourceStatus } from '../../model/snapshot.ts';
import type { Resource } from '../dialect.ts';
import { condition, report, type Context } from './context.ts';
import { gatewayClassKind } from './schema/gateway.ts';

/** Weir's own controllerName; Gateways of other classes are served all the same. */
export const controllerName = 'weir.dev/gateway-controller';

const effects: Readonly<Record<string, string>> = {
  ListenerSet: 'its listeners are not opened',
};

export function reportUnused(context: Context): void {
  for (const resource of context.input.resources) {
    if (resource.dialect !== 'gateway-api' || resource.broken || !Object.hasOwn(effects, resource.kind)) continue;
    report(context, 'WR0108', resource, ['kind'], `${resource.kind} does not run yet: ${effects[resource.kind]}`);
  }
}

export function classStatus(context: Context, resource: Resource): readonly ResourceStatus[] {
  const found = resource.dialect === 'gateway-api' ? gatewayClassKind.of(resource) : null;
  if (found === null) return [];
  const { controllerName: controller, parametersRef } = found.spec;
  if (controller !== controllerName)
    report(
      context,
      'WR0312',
      resource,
      ['spec', 'controllerName'],
      `GatewayClass ${resource.name} names the controller ${controller}; Weir serves its Gateways here`,
    );
  if (parametersRef !== undefined)
    report(
      context,
      'WR0108',
      resource,
      ['spec', 'parametersRef'],
      'parametersRef does not run yet: parameters of other controllers have no effect',
    );
  const { kind, name, origin } = resource;
  return [
    {
      kind,
      namespace: null,
      name,
      origin,
      quarantined: resource.stale === true,
      conditions: [
        condition('Accepted', true, 'Accepted', controller === controllerName ? 'the class is served' : `served in place of ${controller}`),
        condition('SupportedVersion', true, 'SupportedVersion', 'the version of the resources is supported'),
      ],
      listeners: [],
      parents: [],
    },
  ];
}
