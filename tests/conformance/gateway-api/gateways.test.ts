import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backends, conditions, gateway, route, rule, services, world } from './world.ts';

const conditionsOf = (found: ReturnType<typeof world>, name: string): string => conditions(found.status('Gateway', name).conditions);
const listenersOf = (found: ReturnType<typeof world>, name: string): readonly string[] =>
  found.status('Gateway', name).listeners.map((one) => conditions(one.conditions));
const good = 'Accepted=True:Accepted Conflicted=False:NoConflicts ResolvedRefs=True:ResolvedRefs Programmed=True:Programmed';

test('a Gateway that serves, with and without its class', () => {
  const found = world(
    gateway('g', '{name: web, port: 80, protocol: HTTP}'),
    'apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: own}\nspec: {controllerName: weir.dev/gateway-controller}',
    'apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: foreign}\nspec: {controllerName: istio.io/gateway-controller}',
  );
  assert.deepEqual(found.codes(), ['WR0312']);
  assert.equal(conditionsOf(found, 'g'), 'Accepted=True:Accepted Programmed=True:Programmed');
  assert.deepEqual(listenersOf(found, 'g'), [good]);
  assert.equal(
    conditions(found.status('GatewayClass', 'foreign').conditions),
    'Accepted=True:Accepted SupportedVersion=True:SupportedVersion',
  );
});

test('listeners of one Gateway that conflict are all refused; the others serve', () => {
  const found = world(
    gateway(
      'g',
      '{name: a, port: 80, protocol: HTTP, hostname: a.example}',
      '{name: b, port: 80, protocol: HTTP, hostname: a.example}',
      '{name: c, port: 80, protocol: HTTP, hostname: c.example}',
      '{name: d, port: 81, protocol: HTTP}',
      '{name: e, port: 81, protocol: HTTPS, hostname: e.example, tls: {}}',
    ),
    backends,
    route('r', `  rules:\n${rule('', 'v1')}`, { parent: '{name: g}' }),
  );
  assert.deepEqual(
    found.codes().filter((code) => code !== 'WR0108'),
    ['WR0309', 'WR0309', 'WR0309', 'WR0309'],
  );
  const refused = (reason: string): string =>
    `Accepted=False:${reason} Conflicted=True:${reason} ResolvedRefs=True:ResolvedRefs Programmed=False:Invalid`;
  assert.deepEqual(listenersOf(found, 'g'), [
    refused('HostnameConflict'),
    refused('HostnameConflict'),
    good,
    refused('ProtocolConflict'),
    refused('ProtocolConflict'),
  ]);
  assert.equal(conditionsOf(found, 'g'), 'Accepted=True:ListenersNotValid Programmed=True:Programmed');
  assert.equal(found.send({ url: 'a.example/' }), '404');
  assert.equal(found.send({ url: 'c.example/' }), 'v1');
});

test('Gateways share a socket by hostname; for the same hostname the first keeps it and the error names both', () => {
  const found = world(
    gateway('first', '{name: web, port: 80, protocol: HTTP, hostname: one.example}'),
    gateway(
      'second',
      '{name: web, port: 80, protocol: HTTP, hostname: two.example}',
      '{name: clash, port: 80, protocol: HTTP, hostname: one.example}',
    ),
    backends,
    route('a', `  rules:\n${rule('', 'v1')}`, { parent: '{name: first}' }),
    route('b', `  rules:\n${rule('', 'v2')}`, { parent: '{name: second}' }),
  );
  assert.deepEqual(
    found.snapshot.listeners.map((one) => [one.name, one.virtualHosts.map((host) => host.name)]),
    [['0.0.0.0:80', ['one.example', 'two.example']]],
  );
  assert.deepEqual(found.codes(), ['WR0309']);
  assert.match(found.diagnostics[0].message, /Gateway infra\/second.*Gateway infra\/first/);
  assert.equal(found.send({ url: 'one.example/' }), 'v1');
  assert.equal(found.send({ url: 'two.example/' }), 'v2');
  assert.match(listenersOf(found, 'second')[1], /Conflicted=True:HostnameConflict/);
});

test('GatewayListenerUnsupportedProtocol: the rest of the Gateway serves', () => {
  const found = world(gateway('g', '{name: odd, port: 81, protocol: example.com/odd}', '{name: web, port: 80, protocol: HTTP}'));
  assert.deepEqual(found.codes(), ['WR0310']);
  assert.match(listenersOf(found, 'g')[0], /^Accepted=False:UnsupportedProtocol .*Programmed=False:Invalid$/);
  assert.equal(conditionsOf(found, 'g'), 'Accepted=True:ListenersNotValid Programmed=True:Programmed');
  const alone = world(gateway('g', '{name: odd, port: 81, protocol: example.com/odd}'));
  assert.equal(conditionsOf(alone, 'g'), 'Accepted=False:ListenersNotValid Programmed=False:Invalid');
});

test('TLS listeners do not run yet: checked, not opened, not programmed', () => {
  const found = world(
    gateway(
      'g',
      '{name: https, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: cert}, {name: gone}, {name: far, namespace: other}, {kind: ConfigMap, name: cert}]}}',
    ),
    'apiVersion: v1\nkind: Secret\nmetadata: {name: cert, namespace: infra}\ntype: kubernetes.io/tls\ndata: {tls.crt: "", tls.key: ""}',
    backends,
    route('r', `  rules:\n${rule('', 'v1')}`, { parent: '{name: g}' }),
  );
  assert.deepEqual(found.codes(), ['WR0108', 'WR0319', 'WR0306', 'WR0319']);
  assert.deepEqual(listenersOf(found, 'g'), [
    'Accepted=True:Accepted Conflicted=False:NoConflicts ResolvedRefs=False:InvalidCertificateRef Programmed=False:Pending',
  ]);
  assert.deepEqual(found.snapshot.listeners, []);
  assert.equal(found.status('Gateway', 'g').listeners[0].attachedRoutes, 1);
});

test('GatewayStaticAddresses: IP addresses bind, others are refused', () => {
  const at = (addresses: string): ReturnType<typeof world> =>
    world(
      gateway('g', '{name: web, port: 80, protocol: HTTP}').replace(
        'gatewayClassName: weir',
        `gatewayClassName: weir\n  addresses: ${addresses}`,
      ),
    );
  const bound = at('[{value: 127.0.0.1}, {type: IPAddress, value: "::1"}]');
  assert.deepEqual(bound.codes(), []);
  assert.deepEqual(
    bound.snapshot.listeners.map((one) => [one.name, one.address, one.port]),
    [
      ['127.0.0.1:80', '127.0.0.1', 80],
      ['[::1]:80', '::1', 80],
    ],
  );
  const named = at('[{type: Hostname, value: lb.example.com}]');
  assert.deepEqual(named.codes(), ['WR0317']);
  assert.equal(conditionsOf(named, 'g'), 'Accepted=False:UnsupportedAddress Programmed=False:Invalid');
  assert.deepEqual(named.snapshot.listeners, []);
  const wrong = at('[{value: 300.0.0.1}]');
  assert.equal(conditionsOf(wrong, 'g'), 'Accepted=True:Accepted Programmed=False:AddressNotUsable');
  assert.deepEqual(
    at('[{type: IPAddress}]').snapshot.listeners.map((one) => one.name),
    ['0.0.0.0:80'],
  );
});

test('BackendTLSPolicy closes its backends, a broken one too; other kinds are reported', () => {
  const policy = (spec: string): string =>
    `apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {name: tls, namespace: infra}\nspec: ${spec}`;
  const base = [
    gateway('g', '{name: web, port: 80, protocol: HTTP}'),
    services('infra', 'v1', 'v2'),
    route('r', `  rules:\n${rule('{path: {value: /one}}', 'v1')}${rule('', 'v2')}`, { parent: '{name: g}' }),
  ];
  const rows: readonly (readonly [name: string, spec: string, codes: readonly string[], one: string, two: string])[] = [
    [
      'sound',
      '{targetRefs: [{group: "", kind: Service, name: v1}], validation: {hostname: v1.example, wellKnownCACertificates: System}}',
      ['WR0109'],
      '503',
      'v2',
    ],
    [
      'another port',
      '{targetRefs: [{group: "", kind: Service, name: v1, sectionName: admin}], validation: {hostname: v1.example, wellKnownCACertificates: System}}',
      ['WR0109'],
      'v1',
      'v2',
    ],
    ['broken', '{targetRefs: [{group: "", kind: Service, name: v1}], validation: {hostname: v1.example}}', ['WR0105'], '503', 'v2'],
    ['unreadable', '{targetRefs: v1}', ['WR0105', 'WR0106'], '503', '503'],
  ];
  for (const [name, spec, codes, one, two] of rows) {
    const found = world(...base, policy(spec));
    assert.deepEqual(found.codes(), codes, name);
    assert.equal(found.send({ url: 'a.example/one' }), one, name);
    assert.equal(found.send({ url: 'a.example/two' }), two, name);
  }
});

test('kinds and parents that do not run yet are reported', () => {
  const found = world(
    gateway('g', '{name: web, port: 80, protocol: HTTP}').replace(
      'gatewayClassName: weir',
      'gatewayClassName: weir\n  infrastructure: {labels: {a: b}}',
    ),
    backends,
    'apiVersion: gateway.networking.k8s.io/v1alpha2\nkind: TCPRoute\nmetadata: {name: t, namespace: infra}\nspec: {parentRefs: [{name: g}], rules: [{backendRefs: [{name: v1, port: 8080}]}]}',
    'apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, namespace: infra}\nspec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: v1, port: {number: 8080}}}}]}}]}',
    'apiVersion: v1\nkind: Service\nmetadata: {name: nameless, namespace: infra}\nspec: {type: ExternalName}',
    route('mesh', `  rules:\n${rule('', 'v1')}`, { parent: '{group: "", kind: Service, name: v2}' }),
    route('odd', `  rules:\n${rule('', 'v1')}`, { parent: '{group: example.io, kind: Door, name: v2}' }),
    route('lost', `  rules:\n${rule('', 'v1')}`, { parent: '' }),
  );
  assert.deepEqual(found.codes().toSorted(), ['WR0108', 'WR0108', 'WR0108', 'WR0108', 'WR0301', 'WR0302', 'WR0321']);
  assert.match(conditions(found.status('HTTPRoute', 'mesh').parents[0].conditions), /^Accepted=Unknown:Pending/);
});

test('protocols of one port: HTTPS stands beside TLS, not beside HTTP; what is not served takes no place', () => {
  const pair = (a: string, b: string): readonly (string | undefined)[] => {
    const one = (name: string, protocol: string): string =>
      `{name: ${name}, port: 80, protocol: ${protocol}${protocol === 'TLS' ? ', tls: {mode: Passthrough}' : ''}}`;
    return world(gateway('g', one('a', a), one('b', b)))
      .status('Gateway', 'g')
      .listeners.map((listener) => listener.conditions.find((found) => found.type === 'Conflicted')?.reason);
  };
  assert.deepEqual(pair('HTTPS', 'TLS'), ['NoConflicts', 'NoConflicts']);
  assert.deepEqual(pair('HTTP', 'TLS'), ['ProtocolConflict', 'ProtocolConflict']);
  assert.deepEqual(pair('HTTP', 'TCP'), ['NoConflicts', 'NoConflicts']);
  assert.deepEqual(pair('HTTP', 'UDP'), ['NoConflicts', 'NoConflicts']);
  assert.deepEqual(pair('HTTPS', 'HTTPS'), ['HostnameConflict', 'HostnameConflict']);
});
