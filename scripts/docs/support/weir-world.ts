import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { z } from 'zod';
import { listenerKind, policyKind } from '../../../src/dialects/weir/kinds.ts';
import { filters } from '../../../src/filters/index.ts';
import { edgeCanonicalisation } from '../../../src/model/listener.ts';
import { kubernetesSubject, type WorldKind } from './kubernetes-world.ts';
import { pemText } from './pem.ts';
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

const example = z.object({ spec: z.object({ filters: z.array(z.record(z.string(), z.unknown())).min(1) }) });

/** The filters of the Policy that each README shows: a new filter is probed from there without a word here. */
function readmeFilters(): readonly object[] {
  return filters.flatMap(({ name }) => {
    const readme = readFileSync(new URL(`../../../src/filters/${name}/README.md`, import.meta.url), 'utf8');
    const policies = /```yaml\n(.*?)```/s.exec(readme);
    if (policies === null) throw new Error(`src/filters/${name}/README.md shows no Policy`);
    return example.parse(parse(policies[1])).spec.filters;
  });
}

const pair = { 'tls.crt': pemText('server.crt'), 'tls.key': pemText('server.key'), 'ca.crt': pemText('ca.crt') };
const secret = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'web', namespace: 'default' },
  type: 'kubernetes.io/tls',
  stringData: pair,
};
const clients = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: { name: 'web', namespace: 'default' },
  data: { 'ca.crt': pemText('ca.crt') },
};
const forward = {
  destinations: [
    { host: '127.0.0.1', port: 9000 },
    { host: '127.0.0.2', port: 9000 },
  ],
};
const certificateRefs = [{ kind: 'Secret', name: 'web' }];
const secure = (tls: object): Record<string, unknown> =>
  named('Listener', 'public', { port: 9443, protocol: 'HTTPS', tls: { certificateRefs, ...tls } });

const kinds: readonly WorldKind[] = [
  {
    spec: listenerKind,
    bases: [
      listener,
      secure({
        mode: 'Terminate',
        minVersion: 'TLSv1.2',
        maxVersion: 'TLSv1.3',
        clientValidation: { mode: 'Require', caCertificateRef: { kind: 'ConfigMap', name: 'web' } },
      }),
      secure({}),
      secure({ clientValidation: { caCertificateRef: { name: 'web' } } }),
      secure({ clientValidation: { caCertificateFile: 'ca.crt' } }),
      named('Listener', 'public', { port: 9443, protocol: 'TLS', tls: { certificateRefs }, forward }),
      named('Listener', 'public', { port: 9443, protocol: 'TLS', tls: { mode: 'Passthrough' }, forward }),
      named('Listener', 'public', { port: 9443, protocol: 'UDP', forward }),
      named('Listener', 'public', { port: 9000, protocol: 'TCP', forward }),
      named('Listener', 'public', { port: 8080, forward, detectTimeoutMs: 100 }),
      named('Listener', 'public', { address: 'unix:///run/a.sock', port: 0 }),
      named('Listener', 'public', { port: 8080, canonicalisation: edgeCanonicalisation }),
      named('Listener', 'public', { port: 8080, proxyProtocol: 'optional', trustedCidrs: ['10.0.0.0/8'] }),
    ],
    values: {
      'spec.protocol': ['HTTP', 'HTTPS', 'TLS', 'TCP', 'UDP'],
      'spec.address': ['10.9.8.7', 'unix:///run/weir.sock'],
      'spec.trustedCidrs[]': ['10.0.0.0/8'],
      'spec.tls.certificateRefs[].name': ['web', 'gone'],
      'spec.tls.cipherSuites[]': ['ECDHE-ECDSA-AES128-GCM-SHA256'],
      'spec.tls.maxVersion': ['TLSv1.2', 'TLSv1.3'],
      'spec.tls.clientValidation.caCertificateRef.name': ['web', 'gone'],
      'spec.tls.clientValidation.certificateHashes[]': ['ab'.repeat(32)],
    },
  },
  {
    spec: policyKind,
    bases: [
      policy({ rateLimit: { limits: [{ requests: 1, per: 'second' }] } }),
      policy({ rateLimit: { limits: [{ requests: 1, per: 'second', algorithm: 'token-bucket' }] } }),
      policy({ keyAuth: {} }),
      policy({ headerModifier: { request: { set: [{ name: 'x-a', value: 'b' }] } } }),
      ...readmeFilters().map(policy),
    ],
    values: {
      'spec.targetRefs[].kind': ['Route', 'Service', 'Listener'],
      'spec.targetRefs[].name': ['r', 's', 'public'],
      'spec.targetRefs[].sectionName': ['r'],
    },
  },
];

/** RouteTest is not here: it is read by `weir test` and never part of what runs. */
export const weirSubjects: readonly Subject[] = kinds.map((kind) => kubernetesSubject('Weir', [...world, secret, clients], kind));
