import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backends, conditions, gateway, route, rule, sameNamespace, services, world } from './world.ts';

const prefix = (path: string): string => `{path: {value: ${path}}}`;
const parentOf = (found: ReturnType<typeof world>, name: string, kind = 'HTTPRoute', index = 0): string =>
  conditions(found.status(kind, name).parents[index].conditions);
const ready = 'Accepted=True:Accepted ResolvedRefs=True:ResolvedRefs';

function namespace(name: string, labels = ''): string {
  return `---\napiVersion: v1\nkind: Namespace\nmetadata: {name: ${name}${labels === '' ? '' : `, labels: {${labels}}`}}\n`;
}

function grant(to: string, fields: string): string {
  return `---\napiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: grant-${to}, namespace: ${to}}\nspec: ${fields}\n`;
}

test('HTTPRouteCrossNamespace: allowedRoutes All, Same and Selector', () => {
  const from = (rules: string): string => `allowedRoutes: {namespaces: {${rules}}}`;
  const found = world(
    gateway(
      'shared',
      `{name: all, port: 81, protocol: HTTP, ${from('from: All')}}`,
      '{name: same, port: 82, protocol: HTTP}',
      `{name: labelled, port: 83, protocol: HTTP, ${from('from: Selector, selector: {matchLabels: {team: web}}')}}`,
      `{name: named, port: 84, protocol: HTTP, ${from('from: Selector, selector: {matchExpressions: [{key: kubernetes.io/metadata.name, operator: In, values: [web]}]}')}}`,
      `{name: none, port: 85, protocol: HTTP, ${from('from: None')}}`,
    ),
    namespace('web', 'team: web'),
    services('web', 'v1'),
    route('web', `  rules:\n${rule('', 'v1')}`, { parent: '{name: shared, namespace: infra}', namespace: 'web' }),
    route('other', `  rules:\n${rule('', 'v1')}`, {
      parent: '{name: shared, namespace: infra, sectionName: labelled}',
      namespace: 'other',
    }),
  );
  assert.deepEqual(
    [81, 82, 83, 84, 85].map((port) => found.send({ url: 'example.com/', port })),
    ['v1', '404', 'v1', 'v1', '404'],
  );
  assert.equal(parentOf(found, 'web'), ready);
  assert.match(parentOf(found, 'other'), /^Accepted=False:NotAllowedByListeners ResolvedRefs=False:BackendNotFound/);
});

test('HTTPRouteInvalidCrossNamespaceParentRef', () => {
  const found = world(
    sameNamespace,
    services('web', 'v1'),
    route('web', `  rules:\n${rule('', 'v1')}`, { parent: '{name: same-namespace, namespace: infra}', namespace: 'web' }),
  );
  assert.deepEqual(found.codes(), ['WR0303']);
  assert.match(parentOf(found, 'web'), /^Accepted=False:NotAllowedByListeners/);
  assert.equal(found.status('Gateway', 'same-namespace').listeners[0].attachedRoutes, 0);
  assert.equal(found.send({ url: 'example.com/' }), '404');
});

test('HTTPRouteReferenceGrant, HTTPRouteInvalidCrossNamespaceBackendRef, HTTPRouteInvalidReferenceGrant', () => {
  const to = '  - {backendRefs: [{name: web-backend, namespace: web, port: 8080}]}\n';
  const good = 'from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: infra}]';
  const rows: readonly (readonly [name: string, grant: string, answer: string])[] = [
    ['no grant', '', '500'],
    ['whole namespace', `{${good}, to: [{group: "", kind: Service}]}`, 'web-backend'],
    ['this Service', `{${good}, to: [{group: "", kind: Service, name: web-backend}]}`, 'web-backend'],
    ['another Service', `{${good}, to: [{group: "", kind: Service, name: other}]}`, '500'],
    ['another kind to', `{${good}, to: [{group: "", kind: Secret}]}`, '500'],
    [
      'another kind from',
      '{from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: infra}], to: [{group: "", kind: Service}]}',
      '500',
    ],
    [
      'another namespace from',
      '{from: [{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: elsewhere}], to: [{group: "", kind: Service}]}',
      '500',
    ],
  ];
  for (const [name, fields, answer] of rows) {
    const found = world(
      sameNamespace,
      services('web', 'web-backend'),
      route('case', `  rules:\n${to}`),
      ...(fields === '' ? [] : [grant('web', fields)]),
    );
    assert.equal(found.send({ url: 'example.com/' }), answer, name);
    assert.equal(parentOf(found, 'case'), answer === '500' ? 'Accepted=True:Accepted ResolvedRefs=False:RefNotPermitted' : ready, name);
    assert.deepEqual(found.codes(), answer === '500' ? ['WR0306'] : [], name);
  }
  const elsewhere = world(
    sameNamespace,
    services('web', 'web-backend'),
    route('case', `  rules:\n${to}`),
    grant('infra', `{${good}, to: [{group: "", kind: Service}]}`),
  );
  assert.equal(elsewhere.send({ url: 'example.com/' }), '500', 'a grant counts in the namespace of its target only');
});

test('HTTPRouteInvalidNonExistentBackendRef, HTTPRouteInvalidBackendRefUnknownKind, HTTPRoutePartiallyInvalidViaInvalidReferenceGrant', () => {
  const found = world(
    sameNamespace,
    backends,
    route(
      'case',
      `  rules:\n${rule(prefix('/missing'), 'nobody')}${rule(prefix('/port'), 'v1').replace('8080', '9090')}  - {matches: [${prefix('/kind')}], backendRefs: [{group: example.io, kind: Magic, name: v1}]}\n${rule(prefix('/good'), 'v1')}  - {matches: [${prefix('/half')}], backendRefs: [{name: v1, port: 8080}, {name: nobody, port: 8080, weight: 3}]}\n`,
    ),
  );
  assert.deepEqual(found.codes(), ['WR0305', 'WR0305', 'WR0307', 'WR0305']);
  assert.deepEqual(
    ['missing', 'port', 'kind', 'good', 'half'].map((path) => found.send({ url: `example.com/${path}` })),
    ['500', '500', '500', 'v1', 'v1 1, 500 3'],
  );
  assert.equal(parentOf(found, 'case'), 'Accepted=True:Accepted ResolvedRefs=False:BackendNotFound');
});

test('HTTPRouteInvalidParentRefNotMatchingSectionName, …ListenerPort, HTTPRouteParentRefPort', () => {
  const found = world(
    gateway('g', '{name: a, port: 80, protocol: HTTP}', '{name: b, port: 8080, protocol: HTTP}'),
    backends,
    route('section', `  rules:\n${rule('', 'v1')}`, { parent: '{name: g, sectionName: nobody}' }),
    route('port', `  rules:\n${rule('', 'v1')}`, { parent: '{name: g, port: 81}' }),
    route('both', `  rules:\n${rule('', 'v1')}`, { parent: '{name: g, port: 80, sectionName: b}' }),
    route('gone', `  rules:\n${rule('', 'v1')}`, { parent: '{name: nobody}' }),
    route('good', `  rules:\n${rule('', 'v2')}`, { parent: '{name: g, port: 8080}' }),
  );
  assert.deepEqual(found.codes().toSorted(), ['WR0301', 'WR0302', 'WR0302', 'WR0302']);
  for (const name of ['section', 'port', 'both', 'gone']) assert.match(parentOf(found, name), /^Accepted=False:NoMatchingParent/, name);
  assert.equal(found.send({ url: 'example.com/' }), '404');
  assert.equal(found.send({ url: 'example.com/', port: 8080 }), 'v2');
});

test('HTTPRouteDisallowedKind, GatewayInvalidRouteKind', () => {
  const found = world(
    gateway(
      'kinds',
      '{name: tls-only, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: TLSRoute}]}}',
      '{name: grpc, port: 81, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}',
      '{name: mixed, port: 82, protocol: HTTP, allowedRoutes: {kinds: [{kind: HTTPRoute}, {group: example.io, kind: Magic}]}}',
    ),
    backends,
    route('a', `  rules:\n${rule('', 'v1')}`, { parent: '{name: kinds, sectionName: tls-only}' }),
    route('b', `  rules:\n${rule('', 'v1')}`, { parent: '{name: kinds, sectionName: grpc}' }),
    route('c', `  rules:\n${rule('', 'v1')}`, { parent: '{name: kinds, sectionName: mixed}' }),
  );
  assert.deepEqual(found.codes().toSorted(), ['WR0303', 'WR0303', 'WR0318', 'WR0318']);
  for (const name of ['a', 'b']) assert.match(parentOf(found, name), /^Accepted=False:NotAllowedByListeners/);
  assert.equal(parentOf(found, 'c'), ready);
  const listeners = found.status('Gateway', 'kinds').listeners;
  assert.deepEqual(
    listeners.map((one) => [one.supportedKinds, one.attachedRoutes]),
    [
      [[], 0],
      [['GRPCRoute'], 0],
      [['HTTPRoute'], 1],
    ],
  );
  assert.match(conditions(listeners[2].conditions), /ResolvedRefs=False:InvalidRouteKinds Programmed=True/);
});

test('HTTPRouteServiceTypes: named and numeric target ports, headless, by Pods, ExternalName, without endpoints', () => {
  const found = world(
    sameNamespace,
    `
apiVersion: v1
kind: Service
metadata: {name: by-pods, namespace: infra}
spec: {clusterIP: None, selector: {app: web}, ports: [{port: 8080, targetPort: web}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, namespace: infra, labels: {app: web, version: v1}}
spec: {containers: [{name: c, ports: [{name: web, containerPort: 3000}]}]}
status: {podIP: 10.0.0.7, phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: web-2, namespace: infra, labels: {app: web}}
spec: {containers: [{name: c, ports: [{name: web, containerPort: 3000}]}]}
status: {podIP: 10.0.0.8, conditions: [{type: Ready, status: "False"}]}
---
apiVersion: v1
kind: Service
metadata: {name: external, namespace: infra}
spec: {type: ExternalName, externalName: api.example.net}
---
apiVersion: v1
kind: Service
metadata: {name: manual, namespace: infra}
spec: {ports: [{name: first-port, port: 8080}, {name: second-port, port: 8081}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: manual-1, namespace: infra, labels: {kubernetes.io/service-name: manual}}
addressType: IPv6
ports: [{name: first-port, port: 3000}, {name: second-port, port: 3001}]
endpoints: [{addresses: ["2001:db8::1"], zone: z1}, {addresses: ["2001:db8::2"], conditions: {ready: false}}]
---
apiVersion: v1
kind: Service
metadata: {name: empty, namespace: infra}
spec: {selector: {app: nobody}, ports: [{port: 8080}]}
`,
    route('case', `  rules:\n${['by-pods', 'external', 'manual', 'empty'].map((name) => rule(prefix(`/${name}`), name)).join('')}`),
  );
  assert.deepEqual(found.codes(), []);
  assert.deepEqual(
    ['by-pods', 'external', 'manual', 'empty'].map((name) => found.send({ url: `example.com/${name}` })),
    ['by-pods', 'external', 'manual', '503'],
  );
  const cluster = (name: string) => found.snapshot.clusters.find((one) => one.name === `${name}.infra.svc.cluster.local|8080`);
  const plain = { weight: 1, labels: {}, locality: '' };
  assert.deepEqual(cluster('by-pods')?.endpoints, [{ ...plain, address: '10.0.0.7', port: 3000, labels: { app: 'web', version: 'v1' } }]);
  assert.deepEqual(
    [cluster('external')?.discovery, cluster('external')?.endpoints],
    ['dns', [{ ...plain, address: 'api.example.net', port: 8080 }]],
  );
  assert.deepEqual(cluster('manual')?.endpoints, [{ ...plain, address: '2001:db8::1', port: 3000, locality: '/z1' }]);
});
