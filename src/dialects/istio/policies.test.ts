import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, compileText, told } from './fixture.ts';

const config = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g}
spec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: one, namespace: one}
spec: {hosts: [api.one.svc.cluster.local], resolution: STATIC, ports: [{number: 80, name: http}], endpoints: [{address: 10.0.0.1, labels: {app: api}}]}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: two, namespace: two}
spec: {hosts: [api.two.svc.cluster.local], resolution: STATIC, ports: [{number: 80, name: http}], endpoints: [{address: 10.0.0.2, labels: {app: api}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: batch, namespace: one, labels: {app: batch}}
spec: {containers: []}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: v, namespace: web}
spec:
  hosts: [a.test]
  gateways: [default/g]
  http:
  - {match: [{uri: {prefix: /one}}], route: [{destination: {host: api.one.svc.cluster.local}}]}
  - {match: [{uri: {prefix: /two}}], route: [{destination: {host: api.two.svc.cluster.local}}]}
---
`;
const policy = (kind: string, namespace: string, spec: string, annotations = ''): string =>
  `apiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata: {name: p, namespace: ${namespace}${annotations}}\nspec: {${spec}}\n`;
const authorization = (namespace: string, spec: string, annotations?: string): string =>
  policy('AuthorizationPolicy', namespace, spec, annotations);

const open = ['api.one.svc.cluster.local|80 /one', 'api.two.svc.cluster.local|80 /two'];
const closed = ['503 listener blocked', '503 listener blocked'];
const oneClosed = ['blocked api.one.svc.cluster.local|80 /one', open[1]];
const bothClosed = ['blocked api.one.svc.cluster.local|80 /one', 'blocked api.two.svc.cluster.local|80 /two'];

const rows: readonly {
  readonly name: string;
  readonly policy: string;
  readonly expect: readonly string[];
  readonly code: string | null;
}[] = [
  {
    name: 'of a namespace closes its services',
    policy: authorization('one', 'rules: [{from: [{source: {principals: ["*"]}}]}]'),
    expect: oneClosed,
    code: 'WR0109',
  },
  { name: 'without spec denies all and closes', policy: authorization('one', ''), expect: oneClosed, code: 'WR0109' },
  {
    name: 'with a selector closes the workloads that have the labels',
    policy: authorization('two', 'selector: {matchLabels: {app: api}}, action: DENY, rules: [{}]'),
    expect: [open[0], bothClosed[1]],
    code: 'WR0109',
  },
  {
    name: 'for a workload that no route reaches closes nothing',
    policy: authorization('one', 'selector: {matchLabels: {app: batch}}, action: DENY, rules: [{}]'),
    expect: open,
    code: 'WR0109',
  },
  {
    name: 'for labels that nothing has closes the gateways',
    policy: authorization('istio-ingress', 'selector: {matchLabels: {app: istio-ingressgateway}}, action: DENY, rules: [{}]'),
    expect: closed,
    code: 'WR0109',
  },
  {
    name: 'for labels that contradict the gateway’s closes nothing',
    policy: authorization('istio-ingress', 'selector: {matchLabels: {istio: egressgateway}}, action: DENY, rules: [{}]'),
    expect: open,
    code: 'WR0109',
  },
  {
    name: 'for the labels of the gateway closes the listener, whatever its namespace',
    policy: authorization(
      'istio-ingress',
      'selector: {matchLabels: {istio: ingressgateway}}, action: CUSTOM, provider: {name: x}, rules: [{}]',
    ),
    expect: closed,
    code: 'WR0109',
  },
  { name: 'of the root namespace closes everything', policy: authorization('istio-system', 'rules: []'), expect: closed, code: 'WR0109' },
  {
    name: 'with a target closes that service',
    policy: authorization('one', 'targetRefs: [{kind: Service, group: "", name: api}], rules: []'),
    expect: oneClosed,
    code: 'WR0109',
  },
  {
    name: 'with a ServiceEntry as target',
    policy: authorization('two', 'targetRefs: [{kind: ServiceEntry, group: networking.istio.io, name: two}], rules: []'),
    expect: [open[0], bothClosed[1]],
    code: 'WR0109',
  },
  { name: 'that allows everything is a warning', policy: authorization('one', 'rules: [{}]'), expect: open, code: 'WR0108' },
  { name: 'that denies nothing is a warning', policy: authorization('one', 'action: DENY'), expect: open, code: 'WR0108' },
  { name: 'that only audits is a warning', policy: authorization('one', 'action: AUDIT, rules: [{}]'), expect: open, code: 'WR0108' },
  {
    name: 'in a dry run is a warning',
    policy: authorization('one', 'action: DENY, rules: [{}]', ', annotations: {istio.io/dry-run: "true"}'),
    expect: open,
    code: 'WR0108',
  },
  {
    name: 'that is broken closes its scope',
    policy: authorization('one', 'selector: {matchLabels: {app: api}}, rulez: []'),
    expect: oneClosed,
    code: 'WR0104',
  },
  {
    name: 'with a condition that does not exist is broken',
    policy: authorization('one', 'rules: [{when: [{key: request.header, values: [a]}]}]'),
    expect: oneClosed,
    code: 'WR0105',
  },
  {
    name: 'PeerAuthentication STRICT closes workloads and not gateways',
    policy: policy('PeerAuthentication', 'istio-system', 'mtls: {mode: STRICT}'),
    expect: bothClosed,
    code: 'WR0109',
  },
  {
    name: 'PeerAuthentication STRICT of one port',
    policy: policy('PeerAuthentication', 'one', 'selector: {matchLabels: {app: api}}, portLevelMtls: {"80": {mode: STRICT}}'),
    expect: oneClosed,
    code: 'WR0109',
  },
  {
    name: 'PeerAuthentication PERMISSIVE is a warning',
    policy: policy('PeerAuthentication', 'one', 'mtls: {mode: PERMISSIVE}'),
    expect: open,
    code: 'WR0108',
  },
  {
    name: 'RequestAuthentication closes the gateway it is for',
    policy: policy('RequestAuthentication', 'default', 'jwtRules: [{issuer: i, jwksUri: "https://i/k"}]'),
    expect: closed,
    code: 'WR0109',
  },
  {
    name: 'RequestAuthentication without rules is a warning',
    policy: policy('RequestAuthentication', 'one', ''),
    expect: open,
    code: 'WR0108',
  },
];

for (const row of rows)
  test(`istio policy: ${row.name}`, async () => {
    const compiled = await compileText(config + row.policy);
    assert.deepEqual([answer(compiled, 'http://a.test/one'), answer(compiled, 'http://a.test/two')], row.expect);
    const codes = told(compiled).map((line) => line.slice(0, 6));
    assert.deepEqual(codes, row.code === null ? [] : [row.code]);
  });

test('istio policy: a Gateway API gateway is closed by its own policy and by that of its namespace, not by others', async () => {
  const gateway =
    'apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: k, namespace: infra}\nspec: {gatewayClassName: weir, listeners: [{name: http, port: 8081, protocol: HTTP}]}\n---\n';
  const blocked = async (text: string): Promise<boolean> => {
    const { snapshot } = await compileText(gateway + text);
    const [listener] = snapshot.listeners;
    assert.ok(listener);
    return listener.filters.some((filter) => filter.blocked?.status === 503);
  };
  assert.equal(
    await blocked(authorization('infra', 'targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: k}], rules: []')),
    true,
  );
  assert.equal(await blocked(authorization('infra', 'rules: []')), true);
  assert.equal(
    await blocked(authorization('infra', 'targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: other}], rules: []')),
    false,
  );
  assert.equal(await blocked(authorization('other', 'rules: []')), false);
});
