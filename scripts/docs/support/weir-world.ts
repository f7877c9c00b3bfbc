import { listenerKind, policyKind } from '../../../src/dialects/weir/kinds.ts';
import { kubernetesSubject, type WorldKind } from './kubernetes-world.ts';
import type { Subject } from './subject.ts';

const named = (kind: string, name: string, spec: object): Record<string, unknown> => ({
  apiVersion: 'weir.dev/v1',
  kind,
  metadata: { name, namespace: 'default' },
  spec,
});
const listener = named('Listener', 'public', { port: 8080, protocol: 'HTTP' });
const kong = { _format_version: '3.0', services: [{ name: 's', url: 'http://127.0.0.1:9000', routes: [{ name: 'r', paths: ['/'] }] }] };
const policy = (filter: object): Record<string, unknown> =>
  named('Policy', 'p', { targetRefs: [{ kind: 'Route', name: 'r' }], filters: [filter] });
const world: readonly object[] = [listener, kong, policy({ rateLimit: { limits: [{ requests: 1, per: 'second' }] } })];

const kinds: readonly WorldKind[] = [
  { spec: listenerKind, bases: [listener], values: { 'spec.protocol': ['HTTP', 'HTTPS'], 'spec.trustedCidrs[]': ['10.0.0.0/8'] } },
  {
    spec: policyKind,
    bases: [
      policy({ rateLimit: { limits: [{ requests: 1, per: 'second' }] } }),
      policy({ rateLimit: { limits: [{ requests: 1, per: 'second', algorithm: 'token-bucket' }] } }),
      policy({ keyAuth: {} }),
      policy({ headerModifier: { request: { set: [{ name: 'x-a', value: 'b' }] } } }),
    ],
    values: {
      'spec.targetRefs[].kind': ['Route', 'Service', 'Listener'],
      'spec.targetRefs[].name': ['r', 's', 'public'],
      'spec.targetRefs[].sectionName': ['r'],
    },
  },
];

/** RouteTest is not here: it is read by `weir test` and never part of what runs. */
export const weirSubjects: readonly Subject[] = kinds.map((kind) => kubernetesSubject('Weir', world, kind));
