import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backends, route, rule, sameNamespace, world, type Request, type World } from './world.ts';

interface Case {
  /** Name of the conformance test. */
  readonly name: string;
  readonly world: () => World;
  readonly requests: readonly (readonly [request: Request, answer: string])[];
}

const at = (path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Request => ({
  url: `example.com${path}`,
  headers,
  method,
});
const path = (type: string, value: string): string => `path: {type: ${type}, value: ${value}}`;
const header = (...pairs: readonly string[]): string =>
  `headers: [${pairs.map((pair) => `{name: ${pair.split('=')[0]}, value: ${pair.split('=')[1]}}`).join(', ')}]`;
const query = (...pairs: readonly string[]): string => header(...pairs).replace('headers', 'queryParams');
const made = (spec: string): World => world(sameNamespace, backends, route('case', `  rules:\n${spec}`));

const cases: readonly Case[] = [
  {
    name: 'HTTPRouteSimpleSameNamespace',
    world: () => made(rule('', 'v1')),
    requests: [
      [at('/'), 'v1'],
      [at('/any/path?with=query'), 'v1'],
    ],
  },
  {
    name: 'HTTPRouteMatching',
    world: () =>
      made(
        rule(`{${path('PathPrefix', '/')}}, {${header('version=one')}}`, 'v1') +
          rule(`{${path('PathPrefix', '/v2')}}, {${header('version=two')}}`, 'v2'),
      ),
    requests: [
      [at('/'), 'v1'],
      [at('/example'), 'v1'],
      [at('/', { Version: 'one' }), 'v1'],
      [at('/v2'), 'v2'],
      [at('/v2/example'), 'v2'],
      [at('/v2/'), 'v2'],
      [at('/v2example'), 'v1'],
      [at('/', { Version: 'two' }), 'v2'],
    ],
  },
  {
    name: 'HTTPRouteMatchingAcrossRoutes',
    world: () =>
      world(
        sameNamespace,
        backends,
        route(
          'part1',
          `  hostnames: [example.com, example.net]\n  rules:\n${rule(`{${path('PathPrefix', '/')}}, {${header('version=one')}}`, 'v1')}`,
        ),
        route('part2', `  hostnames: ["*.com"]\n  rules:\n${rule(`{${path('PathPrefix', '/v2')}}, {${header('version=two')}}`, 'v2')}`),
      ),
    requests: [
      [{ url: 'example.com/' }, 'v1'],
      [{ url: 'example.com/example' }, 'v1'],
      [{ url: 'example.net/example' }, 'v1'],
      [{ url: 'example.com/', headers: { Version: 'one' } }, 'v1'],
      // The wildcard would fit better by path; the exact hostname goes first.
      [{ url: 'example.com/v2' }, 'v1'],
      [{ url: 'example.com/', headers: { Version: 'two' } }, 'v1'],
      [{ url: 'another-example.com/v2' }, 'v2'],
      [{ url: 'another-example.com/', headers: { Version: 'two' } }, 'v2'],
      [{ url: 'another-example.com/' }, '404'],
      [{ url: 'example.org/' }, '404'],
    ],
  },
  {
    name: 'HTTPRouteExactPathMatching',
    world: () => made(rule(`{${path('Exact', '/one')}}`, 'v1') + rule(`{${path('Exact', '/two')}}`, 'v2')),
    requests: [
      [at('/one'), 'v1'],
      [at('/two'), 'v2'],
      [at('/'), '404'],
      [at('/one/example'), '404'],
      [at('/two/'), '404'],
      [at('/Two'), '404'],
    ],
  },
  {
    name: 'HTTPRoutePathMatchOrder',
    world: () =>
      made(
        rule(`{${path('PathPrefix', '/match')}}`, 'v3') +
          rule(`{${path('PathPrefix', '/match/exact')}}`, 'v1') +
          rule(`{${path('Exact', '/match/exact/one')}}`, 'v3') +
          rule(`{${path('Exact', '/match/exact')}}`, 'v2') +
          rule(`{${path('Exact', '/match')}}`, 'v1') +
          rule(`{${path('PathPrefix', '/match/prefix/')}}`, 'v1') +
          rule(`{${path('PathPrefix', '/match/prefix/one')}}`, 'v2'),
      ),
    requests: [
      [at('/match/exact/one'), 'v3'],
      [at('/match/exact'), 'v2'],
      [at('/match'), 'v1'],
      [at('/match/prefix/one/any'), 'v2'],
      [at('/match/prefix/any'), 'v1'],
      [at('/match/any'), 'v3'],
    ],
  },
  {
    name: 'HTTPRouteHeaderMatching',
    world: () =>
      made(
        rule(`{${header('version=one')}}`, 'v1') +
          rule(`{${header('version=two')}}`, 'v2') +
          rule(`{${header('version=two', 'color=orange')}}`, 'v1') +
          rule(`{${header('color=blue')}}, {${header('color=green')}}`, 'v1') +
          rule(`{${header('color=red')}}, {${header('color=yellow')}}`, 'v2'),
      ),
    requests: [
      [at('/', { Version: 'one' }), 'v1'],
      [at('/', { Version: 'two' }), 'v2'],
      [at('/', { Version: 'two', Color: 'orange' }), 'v1'],
      // Equal ranks: the earlier rule wins.
      [at('/', { Version: 'two', Color: 'blue' }), 'v2'],
      [at('/', { Color: 'orange' }), '404'],
      [at('/', { 'Some-Other-Header': 'one' }), '404'],
      [at('/', { Color: 'blue' }), 'v1'],
      [at('/', { Color: 'green' }), 'v1'],
      [at('/', { Color: 'red' }), 'v2'],
      [at('/', { Color: 'yellow' }), 'v2'],
      [at('/', { Color: 'purple' }), '404'],
    ],
  },
  {
    name: 'HTTPRouteQueryParamMatching',
    world: () =>
      made(
        rule(`{${query('animal=whale')}}`, 'v1') +
          rule(`{${query('animal=dolphin')}}`, 'v2') +
          rule(`{${query('animal=dolphin', 'color=blue')}}`, 'v3') +
          rule(`{${query('ANIMAL=Whale')}}`, 'v3') +
          rule(`{${path('PathPrefix', '/path1')}, ${query('animal=whale')}}`, 'v1') +
          rule(`{${header('version=one')}, ${query('animal=whale')}}`, 'v2') +
          rule(`{${path('PathPrefix', '/path2')}, ${header('version=two')}, ${query('animal=whale')}}`, 'v3') +
          rule(
            `{${path('PathPrefix', '/path3')}, ${query('animal=shark')}}, {${path('PathPrefix', '/path4')}, ${header('version=three')}, ${query('animal=kraken')}}`,
            'v1',
          ) +
          rule(`{${path('PathPrefix', '/path5')}}`, 'v1') +
          rule(`{${header('version=four')}}`, 'v3') +
          rule(`{${query('animal=hydra')}}`, 'v2'),
      ),
    requests: [
      [at('/?animal=whale'), 'v1'],
      [at('/?animal=dolphin'), 'v2'],
      [at('/?animal=dolphin&color=blue'), 'v3'],
      [at('/?ANIMAL=Whale'), 'v3'],
      [at('/?animal=whale&otherparam=irrelevant'), 'v1'],
      [at('/?animal=dolphin&color=yellow'), 'v2'],
      [at('/?color=blue'), '404'],
      [at('/?animal=dog'), '404'],
      [at('/?animal=whaledolphin'), '404'],
      [at('/'), '404'],
      // Only the first value of a parameter counts.
      [at('/?animal=dog&animal=whale'), '404'],
      [at('/path1?animal=whale'), 'v1'],
      [at('/?animal=whale', { version: 'one' }), 'v2'],
      [at('/path2?animal=whale', { version: 'two' }), 'v3'],
      [at('/path3?animal=shark'), 'v1'],
      [at('/path4?animal=kraken', { version: 'three' }), 'v1'],
      [at('/?animal=shark'), '404'],
      [at('/path4?animal=kraken'), '404'],
      [at('/path5?animal=hydra'), 'v1'],
      [at('/?animal=hydra', { version: 'four' }), 'v3'],
    ],
  },
  {
    name: 'HTTPRouteMethodMatching',
    world: () =>
      made(
        rule('{method: POST}', 'v1') +
          rule('{method: GET}', 'v2') +
          rule(`{${path('PathPrefix', '/path1')}, method: GET}`, 'v1') +
          rule(`{${header('version=one')}, method: PUT}`, 'v2') +
          rule(`{${path('PathPrefix', '/path2')}, ${header('version=two')}, method: POST}`, 'v3') +
          rule(
            `{${path('PathPrefix', '/path3')}, method: PATCH}, {${path('PathPrefix', '/path4')}, ${header('version=three')}, method: DELETE}`,
            'v1',
          ) +
          rule(`{${path('PathPrefix', '/path5')}}`, 'v1') +
          rule(`{${header('version=four')}}`, 'v3') +
          rule('{method: PATCH}', 'v2'),
      ),
    requests: [
      [at('/', {}, 'POST'), 'v1'],
      [at('/'), 'v2'],
      [at('/', {}, 'HEAD'), '404'],
      [at('/', {}, 'get'), '404'],
      [at('/path1'), 'v1'],
      [at('/', { version: 'one' }, 'PUT'), 'v2'],
      [at('/path2', { version: 'two' }, 'POST'), 'v3'],
      [at('/path3', {}, 'PATCH'), 'v1'],
      [at('/path4', { version: 'three' }, 'DELETE'), 'v1'],
      [at('/', {}, 'PUT'), '404'],
      [at('/path4', {}, 'DELETE'), '404'],
      [at('/path5', {}, 'PATCH'), 'v1'],
      [at('/', { version: 'four' }, 'PATCH'), 'v2'],
    ],
  },
  {
    name: 'HTTPRouteNamedRule',
    world: () =>
      made(rule(`{${path('PathPrefix', '/named')}}`, 'v1', 'name: named-rule') + rule(`{${path('PathPrefix', '/unnamed')}}`, 'v2')),
    requests: [
      [at('/named'), 'v1'],
      [at('/unnamed'), 'v2'],
    ],
  },
  {
    name: 'regular expressions match the whole value, after exact paths and before prefixes',
    world: () =>
      made(
        rule('', 'v3') +
          rule(`{${path('RegularExpression', '"/item/[0-9]+"')}}`, 'v1') +
          rule(`{${path('Exact', '/item/7')}}`, 'v2') +
          rule('{path: {value: /header}, headers: [{type: RegularExpression, name: X-Id, value: "a|b"}]}', 'v1'),
      ),
    requests: [
      [at('/item/42'), 'v1'],
      [at('/item/42/more'), 'v3'],
      [at('/item/7'), 'v2'],
      [at('/header', { 'x-id': 'b' }), 'v1'],
      [at('/header', { 'x-id': 'bb' }), 'v3'],
    ],
  },
  {
    name: 'of several entries with one header or parameter name only the first counts',
    world: () => made(rule(`{${header('color=blue', 'Color=red')}}`, 'v1') + rule(`{path: {value: /q}, ${query('a=x', 'a=y')}}`, 'v2')),
    requests: [
      [at('/', { color: 'blue' }), 'v1'],
      [at('/', { color: 'red' }), '404'],
      [at('/q?a=x'), 'v2'],
    ],
  },
  {
    name: 'paths compare in canonical form',
    world: () => made(rule(`{${path('Exact', '"/%7Euser/a%2bb"')}}`, 'v1')),
    requests: [[at('/~user/a%2Bb'), 'v1']],
  },
  {
    name: 'the older route wins a tie, then namespace/name',
    world: () => {
      const old = route('z-old', `  rules:\n${rule('', 'v1')}`).replace(
        'metadata: {name: z-old',
        'metadata: {creationTimestamp: "2020-01-01T00:00:00Z", name: z-old',
      );
      const young = route('a-young', `  rules:\n${rule('', 'v2')}`).replace(
        'metadata: {name: a-young',
        'metadata: {creationTimestamp: "2024-01-01T00:00:00Z", name: a-young',
      );
      const hosts = (name: string, backend: string): string => route(name, `  hostnames: [tie.example]\n  rules:\n${rule('', backend)}`);
      return world(sameNamespace, backends, young, old, hosts('b', 'v3'), hosts('a', 'v2'));
    },
    requests: [
      [at('/'), 'v1'],
      [{ url: 'tie.example/' }, 'v2'],
    ],
  },
];

for (const one of cases)
  test(one.name, () => {
    const made = one.world();
    assert.deepEqual(made.codes(), []);
    for (const [request, answer] of one.requests)
      assert.equal(made.send(request), answer, `${request.method ?? 'GET'} ${request.url} ${JSON.stringify(request.headers ?? {})}`);
  });

const grpc = { kind: 'GRPCRoute' } as const;

test('GRPCExactMethodMatching', () => {
  const found = world(
    sameNamespace,
    backends,
    route(
      'grpc',
      `  rules:\n${rule('{method: {service: pkg.Echo, method: Echo}}', 'v1')}${rule('{method: {service: pkg.Echo, method: EchoTwo}}', 'v2')}`,
      grpc,
    ),
  );
  assert.deepEqual(found.codes(), []);
  assert.equal(found.send(at('/pkg.Echo/Echo', {}, 'POST')), 'v1');
  assert.equal(found.send(at('/pkg.Echo/EchoTwo', {}, 'POST')), 'v2');
  assert.equal(found.send(at('/pkg.Echo/EchoThree', {}, 'POST')), '404');
});

test('GRPCRoute precedence: characters of the service, of the method, number of headers', () => {
  const found = world(
    sameNamespace,
    backends,
    route(
      'grpc',
      `  rules:\n${rule('', 'v3')}${rule('{method: {method: Echo}}', 'v2')}${rule('{method: {service: pkg.Echo}}', 'v1')}${rule(`{method: {service: pkg.Echo}, ${header('version=two')}}`, 'v2')}${rule('{method: {type: RegularExpression, service: "other[.].+", method: "Get.*"}}', 'v1')}`,
      grpc,
    ),
  );
  assert.deepEqual(found.codes(), []);
  assert.equal(found.send(at('/pkg.Echo/Echo')), 'v1');
  assert.equal(found.send(at('/pkg.Echo/Echo', { version: 'two' })), 'v2');
  assert.equal(found.send(at('/pkg.Other/Echo')), 'v2');
  assert.equal(found.send(at('/other.Thing/GetIt')), 'v1');
  assert.equal(found.send(at('/other.Thing/SetIt')), 'v3');
});

test('GRPCRouteHeaderMatching', () => {
  const found = world(
    sameNamespace,
    backends,
    route(
      'grpc',
      `  rules:\n${rule(`{${header('version=one')}}`, 'v1')}${rule(`{${header('version=two')}}`, 'v2')}${rule(`{${header('version=two', 'color=orange')}}`, 'v1')}`,
      grpc,
    ),
  );
  assert.equal(found.send(at('/pkg.Echo/Echo', { version: 'one' })), 'v1');
  assert.equal(found.send(at('/pkg.Echo/Echo', { version: 'two' })), 'v2');
  assert.equal(found.send(at('/pkg.Echo/Echo', { version: 'two', color: 'orange' })), 'v1');
  assert.equal(found.send(at('/pkg.Echo/Echo', { color: 'orange' })), '404');
});
