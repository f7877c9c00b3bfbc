import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backends, conditions, gateway, route, rule, world } from './world.ts';

const conditionsOf = (found: ReturnType<typeof world>, name: string): string => conditions(found.status('Gateway', name).conditions);
const listenersOf = (found: ReturnType<typeof world>, name: string): readonly string[] =>
  found.status('Gateway', name).listeners.map((one) => conditions(one.conditions));
const good = 'Accepted=True:Accepted Conflicted=False:NoConflicts ResolvedRefs=True:ResolvedRefs Programmed=True:Programmed';
const resolved = 'ResolvedRefs=True:ResolvedRefs';

test('a Gateway that serves, with and without its class', () => {
  const found = world(
    gateway('g', '{name: web, port: 80, protocol: HTTP}'),
    'apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: own}\nspec: {controllerName: weir.dev/gateway-controller}',
    'apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: foreign}\nspec: {controllerName: istio.io/gateway-controller}',
  );
  assert.deepEqual(found.codes(), ['WR0312']);
  assert.equal(conditionsOf(found, 'g'), `Accepted=True:Accepted Programmed=True:Programmed ${resolved}`);
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
    found.codes().filter((code) => code !== 'WR0319'),
    ['WR0309', 'WR0309', 'WR0309', 'WR0309'],
  );
  const refused = (reason: string, refs = 'True:ResolvedRefs'): string =>
    `Accepted=False:${reason} Conflicted=True:${reason} ResolvedRefs=${refs} Programmed=False:Invalid`;
  assert.deepEqual(listenersOf(found, 'g'), [
    refused('HostnameConflict'),
    refused('HostnameConflict'),
    good,
    refused('ProtocolConflict'),
    refused('ProtocolConflict', 'False:InvalidCertificateRef'),
  ]);
  assert.equal(
    conditionsOf(found, 'g'),
    'Accepted=True:ListenersNotValid Programmed=True:Programmed ResolvedRefs=False:ListenersNotResolved',
  );
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
  assert.equal(conditionsOf(found, 'g'), `Accepted=True:ListenersNotValid Programmed=True:Programmed ${resolved}`);
  const alone = world(gateway('g', '{name: odd, port: 81, protocol: example.com/odd}'));
  assert.equal(conditionsOf(alone, 'g'), `Accepted=False:ListenersNotValid Programmed=False:Invalid ${resolved}`);
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
  assert.equal(conditionsOf(named, 'g'), `Accepted=False:UnsupportedAddress Programmed=False:Invalid ${resolved}`);
  assert.deepEqual(named.snapshot.listeners, []);
  const wrong = at('[{value: 300.0.0.1}]');
  assert.equal(conditionsOf(wrong, 'g'), `Accepted=True:Accepted Programmed=False:AddressNotUsable ${resolved}`);
  assert.deepEqual(
    at('[{type: IPAddress}]').snapshot.listeners.map((one) => one.name),
    ['0.0.0.0:80'],
  );
});

test('kinds and parents that do not run yet are reported', () => {
  const found = world(
    gateway('g', '{name: web, port: 80, protocol: HTTP}').replace(
      'gatewayClassName: weir',
      'gatewayClassName: weir\n  infrastructure: {labels: {a: b}}',
    ),
    backends,
    'apiVersion: gateway.networking.k8s.io/v1\nkind: ListenerSet\nmetadata: {name: t, namespace: infra}\nspec: {parentRef: {name: g}, listeners: [{name: more, port: 81, protocol: HTTP}]}',
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
  const pair = (a: string, b: string, hostname = ''): readonly (string | undefined)[] => {
    const one = (name: string, protocol: string, host: string): string =>
      `{name: ${name}, port: 80, protocol: ${protocol}${protocol === 'TLS' ? ', tls: {mode: Passthrough}' : ''}${host === '' ? '' : `, hostname: ${host}`}}`;
    return world(gateway('g', one('a', a, hostname), one('b', b, '')))
      .status('Gateway', 'g')
      .listeners.map((listener) => listener.conditions.find((found) => found.type === 'Conflicted')?.reason);
  };
  const free = ['NoConflicts', 'NoConflicts'];
  const protocols = ['ProtocolConflict', 'ProtocolConflict'];
  assert.deepEqual(pair('HTTPS', 'TLS', 'a.example'), free);
  assert.deepEqual(pair('HTTPS', 'TLS'), protocols);
  assert.deepEqual(pair('HTTP', 'TLS'), protocols);
  assert.deepEqual(pair('HTTP', 'TCP'), protocols);
  assert.deepEqual(pair('TCP', 'TCP'), protocols);
  assert.deepEqual(pair('HTTP', 'UDP'), free);
  assert.deepEqual(pair('HTTP', 'example.com/odd'), free);
  assert.deepEqual(pair('HTTPS', 'HTTPS'), ['HostnameConflict', 'HostnameConflict']);
  assert.deepEqual(pair('https', 'HTTPS'), ['HostnameConflict', 'HostnameConflict']);
});
