/** Kong: services and routes with priority ties, regular expressions, wildcard hosts with ports, both path_handling versions. */
import fc from 'fast-check';
import { optional, paths } from './request.ts';
import { type GeneratedConfig, yamlText } from './text.ts';

export const kongHosts = [
  'shop.test',
  'a.shop.test',
  'A.shop.test',
  'b.a.shop.test',
  'shop.org',
  'shop.test:8000',
  'shop.test:81',
  'x.org',
] as const;
/** Credentials that requests bring along. */
export const kongKeys = [
  ['apikey', 'secret-1'],
  ['apikey', 'wrong'],
] as const;

const path = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...paths) },
  { weight: 1, arbitrary: fc.constantFrom('~/a', '~/[ab]/?$', '~/b/(?<id>\\d+)', '~/(a|b)/.*', '~/.*') },
);
const list = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T[] | undefined> =>
  optional(fc.uniqueArray(value, { minLength: 1, maxLength: 3, selector: (one) => JSON.stringify(one) }));
const plugin = fc.oneof(
  fc.record({ name: fc.constant('key-auth'), config: fc.record({ hide_credentials: fc.boolean(), key_names: fc.constant(['apikey']) }) }),
  fc.record({ name: fc.constant('rate-limiting'), config: fc.record({ hour: fc.constant(1_000_000), policy: fc.constant('local') }) }),
);
const route = fc.record({
  paths: fc.option(fc.uniqueArray(path, { minLength: 1, maxLength: 3 }), { nil: undefined, freq: 6 }),
  hosts: list(
    fc.constantFrom('shop.test', 'a.shop.test', '*.shop.test', '*.test', 'shop.*', 'shop.test:8000', '*.shop.test:81', 'Shop.test'),
  ),
  methods: optional(fc.uniqueArray(fc.constantFrom('GET', 'POST', 'HEAD'), { minLength: 1, maxLength: 2 }), 1),
  headers: optional(
    fc.dictionary(
      fc.constantFrom('x-h', 'X-I'),
      fc.uniqueArray(fc.constantFrom('1', 'one', 'ONE', '~*^[0-9]$', '~*on'), { minLength: 1, maxLength: 2 }),
      {
        minKeys: 1,
        maxKeys: 2,
        noNullPrototype: true,
      },
    ),
    1,
  ),
  snis: optional(fc.constant(['shop.test']), 1),
  regex_priority: optional(fc.constantFrom(0, 1, 10), 1),
  strip_path: optional(fc.boolean()),
  preserve_host: optional(fc.boolean()),
  path_handling: optional(fc.constantFrom('v0', 'v1')),
  protocols: fc.constantFrom(undefined, undefined, undefined, ['http', 'https'], ['https']),
  https_redirect_status_code: optional(fc.constantFrom(301, 302, 307, 308, 426), 1),
  plugins: optional(fc.uniqueArray(plugin, { selector: ({ name }) => name, minLength: 1, maxLength: 2 }), 1),
});
/** Beside classic routes of the same service. */
const expression = fc.record({
  expression: fc.constantFrom(
    'http.path ^= "/a" && http.method == "GET"',
    'http.host == "shop.test" || http.headers.x_h == "1"',
    'http.path ~ "^/b/[0-9]+" && http.queries.q == "1"',
    'http.path == "/a" || http.host =^ ".test"',
  ),
  priority: fc.constantFrom(0, 1, 100),
  strip_path: fc.constant(false),
});
const service = fc.record({
  expressions: fc.array(expression, { maxLength: 1 }),
  path: optional(fc.constantFrom('/s', '/s/', '/s/t', '/')),
  upstream: fc.boolean(),
  routes: fc.array(route, { minLength: 1, maxLength: 4 }),
});

export function kongConfig(backends: readonly number[]): fc.Arbitrary<GeneratedConfig> {
  return fc
    .record({
      services: fc.array(service, { minLength: 1, maxLength: 3 }),
      weights: fc.tuple(fc.constantFrom(0, 100, 1), fc.constantFrom(100, 1)),
      hostHeader: optional(fc.constant('upstream.test')),
    })
    .map(({ services, weights, hostHeader }) => ({
      port: 8000,
      text: yamlText([
        {
          _format_version: '3.0',
          services: services.map(({ path: servicePath, upstream, routes, expressions }, i) => ({
            name: `service-${i}`,
            ...(upstream ? { host: 'pool', port: 80 } : { host: '127.0.0.1', port: backends[i % backends.length] }),
            path: servicePath,
            routes: [
              ...expressions.map((one, j) => ({ ...one, name: `expression-${i}-${j}` })),
              ...routes.map((one, j) => ({
                ...one,
                name: `route-${i}-${j}`,
                // Kong wants at least one criterion, and a protocol with TLS for server names.
                paths: one.paths ?? (one.hosts === undefined && one.methods === undefined && one.headers === undefined ? ['/'] : undefined),
              })),
            ],
          })),
          upstreams: [
            {
              name: 'pool',
              host_header: hostHeader,
              targets: backends.slice(0, 2).map((port, i) => ({ target: `127.0.0.1:${port}`, weight: weights[i] })),
            },
          ],
          consumers: [{ username: 'one', custom_id: 'c-1', keyauth_credentials: [{ key: 'secret-1' }] }],
        },
      ]),
    }));
}
