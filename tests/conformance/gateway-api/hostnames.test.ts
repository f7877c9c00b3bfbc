import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backends, conditions, gateway, route, rule, services, world } from './world.ts';

const listener = (name: string, hostname: string, more = ''): string =>
  `{name: ${name}, port: 80, protocol: HTTP${hostname === '' ? '' : `, hostname: "${hostname}"`}${more}}`;
const prefix = (path: string): string => `{path: {value: ${path}}}`;

function check(found: ReturnType<typeof world>, rows: readonly (readonly [url: string, answer: string])[]): void {
  for (const [url, answer] of rows) assert.equal(found.send({ url }), answer, url);
}

test('HTTPRouteHostnameIntersection', () => {
  const on = { parent: '{name: intersect}' };
  const found = world(
    gateway(
      'intersect',
      listener('listener-1', 'very.specific.com'),
      listener('listener-2', '*.wildcard.io'),
      listener('listener-3', '*.anotherwildcard.io'),
    ),
    backends,
    route(
      'specific-specific',
      `  hostnames: [non.matching.com, "*.nonmatchingwildcard.io", very.specific.com]\n  rules:\n${rule(prefix('/s1'), 'v1')}`,
      on,
    ),
    route(
      'specific-wildcard',
      `  hostnames: [non.matching.com, wildcard.io, foo.wildcard.io, bar.wildcard.io, foo.bar.wildcard.io]\n  rules:\n${rule(prefix('/s2'), 'v2')}`,
      on,
    ),
    route('wildcard-specific', `  hostnames: [non.matching.com, "*.specific.com"]\n  rules:\n${rule(prefix('/s3'), 'v3')}`, on),
    route('wildcard-wildcard', `  hostnames: ["*.anotherwildcard.io"]\n  rules:\n${rule(prefix('/s4'), 'v1')}`, on),
    route('no-intersecting-hosts', `  hostnames: [specific.but.wrong.com, wildcard.io]\n  rules:\n${rule(prefix('/s5'), 'v2')}`, on),
  );
  check(found, [
    ['very.specific.com/s1', 'v1'],
    ['very.specific.com:1234/s1', 'v1'],
    ['non.matching.com/s1', '404'],
    ['foo.nonmatchingwildcard.io/s1', '404'],
    ['foo.wildcard.io/s1', '404'],
    ['very.specific.com/non-matching-prefix', '404'],
    ['foo.wildcard.io/s2', 'v2'],
    ['bar.wildcard.io/s2', 'v2'],
    ['foo.bar.wildcard.io/s2', 'v2'],
    ['non.matching.com/s2', '404'],
    ['wildcard.io/s2', '404'],
    ['very.specific.com/s2', '404'],
    ['foo.wildcard.io/non-matching-prefix', '404'],
    ['very.specific.com/s3', 'v3'],
    ['foo.specific.com/s3', '404'],
    ['foo.wildcard.io/s3', '404'],
    ['foo.anotherwildcard.io/s4', 'v1'],
    ['foo.bar.anotherwildcard.io/s4', 'v1'],
    ['anotherwildcard.io/s4', '404'],
    ['foo.wildcard.io/s4', '404'],
    ['specific.but.wrong.com/s5', '404'],
    ['wildcard.io/s5', '404'],
  ]);
  assert.deepEqual(found.codes(), ['WR0304']);
  assert.match(
    conditions(found.status('HTTPRoute', 'no-intersecting-hosts').parents[0].conditions),
    /^Accepted=False:NoMatchingListenerHostname/,
  );
  assert.deepEqual(
    found.status('Gateway', 'intersect').listeners.map((one) => one.attachedRoutes),
    [2, 1, 1],
  );
});

test('HTTPRouteListenerHostnameMatching', () => {
  const found = world(
    gateway(
      'hosts',
      listener('listener-1', 'bar.com'),
      listener('listener-2', 'foo.bar.com'),
      listener('listener-3', '*.bar.com'),
      listener('listener-4', '*.foo.com'),
    ),
    backends,
    route('backend-v1', `  rules:\n${rule('', 'v1')}`, { parent: '{name: hosts, sectionName: listener-1}' }),
    route('backend-v2', `  rules:\n${rule('', 'v2')}`, { parent: '{name: hosts, sectionName: listener-2}' }),
    route('backend-v3', `  rules:\n${rule('', 'v3')}`, {
      parent: '{name: hosts, sectionName: listener-3}, {name: hosts, sectionName: listener-4}',
    }),
  );
  assert.deepEqual(found.codes(), []);
  check(found, [
    ['bar.com/', 'v1'],
    ['foo.bar.com/', 'v2'],
    ['baz.bar.com/', 'v3'],
    ['boo.bar.com/', 'v3'],
    ['multiple.prefixes.bar.com/', 'v3'],
    ['multiple.prefixes.foo.com/', 'v3'],
    ['foo.com/', '404'],
    ['no.matching.host/', '404'],
  ]);
});

for (const intersect of [false, true])
  test(`GatewayHTTPListenerIsolation ${intersect ? 'with intersecting hostnames of routes' : ''}`, () => {
    const all = ', allowedRoutes: {namespaces: {from: All}}';
    const names = ['', '*.example.com', '*.foo.example.com', 'abc.foo.example.com'];
    const routes = names.map((_, index) => {
      const hostnames = !intersect
        ? ''
        : `  hostnames: [${['bar.com, "*.example.com", "*.foo.example.com", abc.foo.example.com', '"*.example.com"', '"*.foo.example.com"', 'abc.foo.example.com'][index]}]\n`;
      return route(`to-${index}`, `${hostnames}  rules:\n${rule(prefix(`/listener-${index}`), 'v1')}`, {
        parent: `{name: isolation, sectionName: listener-${index}}`,
      });
    });
    const found = world(gateway('isolation', ...names.map((host, index) => listener(`listener-${index}`, host, all))), backends, ...routes);
    assert.deepEqual(found.codes(), []);
    for (const [own, host] of ['bar.com', 'bar.example.com', 'bar.foo.example.com', 'abc.foo.example.com'].entries())
      check(
        found,
        names.map((_, index) => [`${host}/listener-${index}`, index === own ? 'v1' : '404'] as const),
      );
  });

test('hostnames of routes: exact before the longest wildcard before none, whatever the paths', () => {
  const found = world(
    gateway('same-namespace', listener('all', '')),
    backends,
    route('none', `  rules:\n${rule('{path: {type: Exact, value: /deep/path}}', 'v3')}`),
    route('wide', `  hostnames: ["*.com"]\n  rules:\n${rule(prefix('/deep'), 'v1')}`),
    route('narrow', `  hostnames: ["*.example.com", "*.example.org"]\n  rules:\n${rule('', 'v2')}`),
    route('exact', `  hostnames: [a.example.com]\n  rules:\n${rule(prefix('/only'), 'v1')}`),
  );
  check(found, [
    ['b.example.com/deep/path', 'v2'],
    ['b.example.org/', 'v2'],
    ['other.com/deep/path', 'v1'],
    ['host.net/deep/path', 'v3'],
    ['a.example.com/only', 'v1'],
    // A request that the exact hostname does not match falls to the next route of the same listener.
    ['a.example.com/deep/path', 'v2'],
  ]);
  const [entry] = found.snapshot.listeners[0].virtualHosts[0].matches;
  assert.equal(entry.rankReason, 'exact hostname; path prefix, 5 characters');
});

test('a wildcard route on a narrower wildcard listener ranks by its own hostname', () => {
  const found = world(
    gateway('same-namespace', listener('sub', '*.example.com')),
    backends,
    route('a-wide', `  hostnames: ["*.com"]\n  rules:\n${rule('', 'v1')}`),
    route('b-narrow', `  hostnames: ["*.example.com"]\n  rules:\n${rule('', 'v2')}`),
  );
  assert.equal(found.send({ url: 'x.example.com/' }), 'v2');
});

test('GRPCRoute and HTTPRoute on one hostname: the older one, then the first by name, keeps it', () => {
  const found = world(
    gateway('same-namespace', listener('all', '')),
    services('infra', 'v1', 'v2'),
    route('a-http', `  hostnames: ["*.example.com"]\n  rules:\n${rule('', 'v1')}`),
    route('b-grpc', `  hostnames: [api.example.com]\n  rules:\n${rule('', 'v2')}`, { kind: 'GRPCRoute' }),
    route('c-grpc', `  hostnames: [api.example.org]\n  rules:\n${rule('', 'v2')}`, { kind: 'GRPCRoute' }),
  );
  assert.deepEqual(found.codes(), ['WR0316']);
  assert.match(conditions(found.status('GRPCRoute', 'b-grpc').parents[0].conditions), /^Accepted=False:NotAllowedByListeners/);
  check(found, [
    ['api.example.com/', 'v1'],
    ['api.example.org/', 'v2'],
  ]);
});
