/** Istio: Gateway, VirtualServices with overlapping hosts and delegates, DestinationRules, ServiceEntries on loopback. */
import fc from 'fast-check';
import { optional, paths } from './request.ts';
import { type GeneratedConfig, yamlText } from './text.ts';

export const istioHosts = [
  'shop.test',
  'a.shop.test',
  'A.Shop.Test',
  'b.a.shop.test',
  'other.test',
  'shop.test:80',
  'shop.test.',
  'x.org',
] as const;

const path = fc.constantFrom(...paths);
const regex = fc.constantFrom('/a.*', '/[ab]', '/b/[0-9]+', '/(a|b)(/.*)?', '.*', '/a/b|/ab', '/b/([0-9]+)/(x)?', '/A');
const text = fc.oneof(
  fc.record({ exact: fc.constantFrom('1', 'one', '') }),
  fc.record({ prefix: fc.constantFrom('o', '1') }),
  fc.record({ regex: fc.constantFrom('[0-9]+', 'one|2', 'on.') }),
);
const headerText = fc.oneof(text, fc.constant({}));
const uri = fc.oneof(fc.record({ exact: path }), fc.record({ prefix: path }), fc.record({ regex }));

const match = fc.record({
  name: optional(fc.constantFrom('m1', 'm2'), 1),
  uri: fc.option(uri, { nil: undefined, freq: 5 }),
  ignoreUriCase: optional(fc.boolean(), 1),
  method: optional(fc.oneof(fc.record({ exact: fc.constantFrom('GET', 'POST') }), fc.constant({ regex: 'GET|HEAD' })), 1),
  authority: optional(fc.oneof(fc.constant({ exact: 'shop.test' }), fc.constant({ prefix: 'a.' }), fc.constant({ regex: '.*:80' })), 1),
  scheme: optional(fc.constantFrom({ exact: 'http' }, { exact: 'https' }), 1),
  headers: optional(fc.dictionary(fc.constantFrom('x-h', 'x-i'), headerText, { minKeys: 1, maxKeys: 2, noNullPrototype: true }), 1),
  withoutHeaders: optional(fc.dictionary(fc.constantFrom('x-h', 'x-i'), headerText, { minKeys: 1, maxKeys: 1, noNullPrototype: true }), 1),
  queryParams: optional(fc.dictionary(fc.constantFrom('q', 'r'), text, { minKeys: 1, maxKeys: 2, noNullPrototype: true }), 1),
  port: optional(fc.constantFrom(80, 80, 8080), 1),
});

const operations = fc.record({
  set: optional(
    fc.dictionary(fc.constantFrom('x-h', 'X-New', 'x-op'), fc.constantFrom('set', '%PROTOCOL%', '100%%'), {
      minKeys: 1,
      noNullPrototype: true,
    }),
  ),
  add: optional(fc.dictionary(fc.constantFrom('x-h', 'X-New', 'x-i'), fc.constantFrom('added'), { minKeys: 1, noNullPrototype: true })),
  remove: optional(fc.array(fc.constantFrom('x-i', 'X-Gone', 'x-h', 'server'), { minLength: 1, maxLength: 2 })),
});
const headers = optional(fc.record({ request: optional(operations, 3), response: optional(operations, 3) }), 1);

const destination = fc.record({
  destination: fc.record({
    host: fc.constantFrom('back-0.mesh', 'back-0.mesh', 'back-1.mesh', 'empty.mesh'),
    subset: optional(fc.constantFrom('v1', 'v2', 'none'), 1),
    port: fc.constant({ number: 80 }),
  }),
  weight: fc.constantFrom(0, 1, 9, 90),
  headers,
});
const rewrite = fc.oneof(
  fc.record({ uri: fc.constantFrom('/', '/new', '/new/', '/new?z=1', '/x/../y') }),
  fc.record({ authority: fc.constantFrom('rewritten.test', 'rewritten.test:99') }),
  fc.record({ uri: fc.constant('/both'), authority: fc.constant('both.test') }),
  fc.record({
    uriRegexRewrite: fc.constantFrom(
      { match: '^/b/([0-9]+)(/.*)?', rewrite: '/n\\2/\\1' },
      { match: 'a', rewrite: 'z' },
      { match: '/$', rewrite: '' },
    ),
  }),
);
const redirect = fc
  .record({
    path: optional(fc.constantFrom({ uri: '/moved' }, { uri: '/moved?to=1' }, { prefixRewrite: '/moved' }, { prefixRewrite: '/' })),
    authority: optional(fc.constantFrom('moved.test', 'moved.test:8443')),
    scheme: optional(fc.constantFrom('https', 'http'), 1),
    redirectCode: optional(fc.constantFrom(301, 302, 307)),
    port: optional(
      fc.constantFrom(
        { port: 80 },
        { port: 443 },
        { port: 8443 },
        { derivePort: 'FROM_PROTOCOL_DEFAULT' },
        { derivePort: 'FROM_REQUEST_PORT' },
      ),
    ),
  })
  .map(({ path: where, port, ...rest }) => ({ ...rest, ...where, ...port }));
const action = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ route: fc.array(destination, { minLength: 1, maxLength: 3 }), rewrite: optional(rewrite), headers }),
  },
  { weight: 1, arbitrary: fc.record({ redirect, headers }) },
  {
    weight: 1,
    arbitrary: fc.record({
      directResponse: fc.record({
        status: fc.constantFrom(200, 404, 503),
        body: optional(fc.constantFrom({ string: 'direct' }, { bytes: 'AP9B' })),
      }),
      headers,
    }),
  },
);
const delegation = fc.record({ delegate: fc.record({ name: fc.constantFrom('child-0', 'child-1') }) });

function rules(which: fc.Arbitrary<object>): fc.Arbitrary<object[]> {
  const rule = fc
    .record({ name: optional(fc.constantFrom('r1', 'r2')), match: fc.array(match, { maxLength: 3 }), does: which })
    .map(({ name, match: matches, does }) => ({ name, match: matches.length === 0 ? undefined : matches, ...does }));
  return fc.array(rule, { minLength: 1, maxLength: 5 });
}

const virtualService = fc.record({
  hosts: fc.uniqueArray(fc.constantFrom('shop.test', 'a.shop.test', '*.shop.test', '*.test', '*', 'other.test'), {
    minLength: 1,
    maxLength: 2,
  }),
  http: rules(fc.oneof({ weight: 5, arbitrary: action }, { weight: 1, arbitrary: delegation })),
});

/** `backends`: loopback ports; the first two are the subsets v1 and v2 of one service. */
export function istioConfig(backends: readonly number[]): fc.Arbitrary<GeneratedConfig> {
  return fc
    .record({
      services: fc.array(virtualService, { minLength: 1, maxLength: 3 }),
      children: fc.tuple(rules(action), rules(action)),
      port: fc.constantFrom(80, 8080),
      gatewayHosts: fc.constantFrom(['*'], ['*'], ['*.test', 'shop.test'], ['default/*']),
    })
    .map(({ services, children, gatewayHosts, port: requested }) => {
      const api = 'networking.istio.io/v1';
      const endpoint = (port: number, labels: object): object => ({ address: '127.0.0.1', ports: { http: port }, labels });
      const entry = (name: string, endpoints: readonly object[]): object => ({
        apiVersion: api,
        kind: 'ServiceEntry',
        metadata: { name },
        spec: { hosts: [`${name}.mesh`], ports: [{ number: 80, name: 'http', protocol: 'HTTP' }], resolution: 'STATIC', endpoints },
      });
      const [first = 0, second = 0, ...rest] = backends;
      return {
        port: requested,
        text: yamlText([
          {
            apiVersion: api,
            kind: 'Gateway',
            metadata: { name: 'edge' },
            spec: {
              servers: [80, 8080].map((number) => ({
                port: { number, name: `http-${number}`, protocol: 'HTTP' },
                bind: '127.0.0.1',
                hosts: number === 80 ? gatewayHosts : ['*'],
              })),
            },
          },
          ...services.map(({ hosts, http }, i) => ({
            apiVersion: api,
            kind: 'VirtualService',
            metadata: { name: `vs-${i}` },
            spec: { hosts, gateways: ['edge'], http },
          })),
          ...children.map((http, i) => ({ apiVersion: api, kind: 'VirtualService', metadata: { name: `child-${i}` }, spec: { http } })),
          entry('back-0', [endpoint(first, { version: 'v1' }), endpoint(second, { version: 'v2' })]),
          entry(
            'back-1',
            rest.map((port) => endpoint(port, {})),
          ),
          entry('empty', []),
          {
            apiVersion: api,
            kind: 'DestinationRule',
            metadata: { name: 'back-0' },
            spec: {
              host: 'back-0.mesh',
              subsets: [
                { name: 'v1', labels: { version: 'v1' } },
                { name: 'v2', labels: { version: 'v2' } },
              ],
            },
          },
        ]),
      };
    });
}
