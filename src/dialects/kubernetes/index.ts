import { diagnose } from '../../analysis/messages.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { emptyFragment } from '../../model/snapshot.ts';
import type { Dialect, Resource } from '../dialect.ts';
import { kindTable } from '../kubernetes-kinds.ts';
import { checkedSecret } from './secrets.ts';
import { endpointSliceKind, ingressKind, kubernetesKinds, serviceKind } from './schema.ts';

export { secretsIndex, type SecretLookup, type SecretsIndex } from './secrets.ts';

const table = kindTable('kubernetes', kubernetesKinds);

/**
 * Core kinds carry no routes of their own: other dialects find them through `kubernetesServices` and the kinds in
 * schema.ts. Here stands only what has to be said about them.
 */
export const kubernetes: Dialect = {
  name: 'kubernetes',
  recognises: table.recognises,
  read: (document) => table.read(document).map((resource) => checkedSecret(resource, Date.now())),
  translate({ resources }) {
    const diagnostics: Diagnostic[] = [];
    for (const resource of resources) {
      if (resource.dialect !== 'kubernetes' || resource.broken) continue;
      if (ingressKind.of(resource))
        diagnostics.push(
          pending(resource, ['kind'], 'Ingress is checked and does not run yet', 'write an HTTPRoute; it says the same and more'),
        );
      else checkService(resource, diagnostics);
      const slice = endpointSliceKind.of(resource);
      if (slice?.endpoints.some((endpoint) => endpoint.hints !== undefined))
        diagnostics.push(pending(resource, ['endpoints'], 'hints do not run yet: all zones are used alike'));
    }
    return { fragment: emptyFragment, diagnostics };
  },
};

function checkService(resource: Resource, diagnostics: Diagnostic[]): void {
  const spec = serviceKind.of(resource)?.spec;
  if (!spec) return;
  if (spec.sessionAffinity === 'ClientIP')
    diagnostics.push(
      pending(resource, ['spec', 'sessionAffinity'], 'sessionAffinity ClientIP does not run yet: requests are balanced one by one'),
    );
  if (spec.trafficDistribution !== undefined)
    diagnostics.push(pending(resource, ['spec', 'trafficDistribution'], 'trafficDistribution does not run yet: all zones are used alike'));
  if (spec.loadBalancerSourceRanges !== undefined)
    diagnostics.push(
      pending(
        resource,
        ['spec', 'loadBalancerSourceRanges'],
        "loadBalancerSourceRanges does not run: it guards the Service's own load balancer, and requests through Weir do not pass it",
      ),
    );
  if (spec.type === 'ExternalName' && spec.externalName === undefined)
    diagnostics.push(
      report(
        'WR0321',
        resource,
        ['spec', 'type'],
        'a Service of type ExternalName needs spec.externalName',
        'write externalName: host.example.com',
      ),
    );
}

function pending(resource: Resource, path: readonly string[], message: string, hint?: string): Diagnostic {
  return report('WR0108', resource, path, message, hint);
}

function report(code: 'WR0108' | 'WR0321', resource: Resource, path: readonly string[], message: string, hint?: string): Diagnostic {
  const place = { file: resource.document.file, ...resource.document.locate([...resource.path, ...path]) };
  const ref = { kind: resource.kind, namespace: resource.namespace, name: resource.name };
  return diagnose(code, place, ref, message, hint === undefined ? {} : { hint });
}
