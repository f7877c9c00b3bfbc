/** Gateway API: listeners with hostnames, HTTPRoutes with overlapping hostnames and precedence ties, weights, invalid references. */
import fc from 'fast-check';
import { optional, paths } from './request.ts';
import { type GeneratedConfig, yamlText } from './text.ts';

export const gatewayApiHosts = ['shop.test', 'a.shop.test', 'A.shop.TEST', 'b.a.shop.test', 'other.test', 'shop.test:80', 'x.org'] as const;

const path = fc.oneof(
  fc.record({ type: fc.constantFrom('Exact', 'PathPrefix', 'PathPrefix'), value: fc.constantFrom(...paths) }),
  fc.record({ type: fc.constant('RegularExpression'), value: fc.constantFrom('/a.*', '/b/[0-9]+', '/(a|b)(/.*)?') }),
);
const headerMatch = fc.oneof(
  fc.record({ name: fc.constantFrom('X-H', 'x-i', 'x-h'), value: fc.constantFrom('1', '2', 'one') }),
  fc.record({ type: fc.constant('RegularExpression'), name: fc.constant('x-h'), value: fc.constantFrom('[0-9]+', 'one|2') }),
);
const queryMatch = fc.record({ name: fc.constantFrom('q', 'r', 'Q'), value: fc.constantFrom('1', 'x') });
const match = fc.record({
  path: fc.option(path, { nil: undefined, freq: 6 }),
  headers: optional(fc.uniqueArray(headerMatch, { selector: ({ name }) => name.toLowerCase(), minLength: 1, maxLength: 2 }), 1),
  queryParams: optional(fc.uniqueArray(queryMatch, { selector: ({ name }) => name, minLength: 1, maxLength: 2 }), 1),
  method: optional(fc.constantFrom('GET', 'POST', 'HEAD'), 1),
});

const named = (name: string, value: string): object => ({ name, value });
const modifier = fc.record({
  set: optional(fc.constantFrom([named('X-H', 'set')], [named('x-new', 'set'), named('x-i', 'set')])),
  add: optional(fc.constantFrom([named('x-h', 'added')], [named('X-New', 'added')])),
  remove: optional(fc.constantFrom(['x-gone'], ['X-I', 'server'], ['x-h'])),
});
const replacePath = fc.oneof(
  fc.record({ type: fc.constant('ReplaceFullPath'), replaceFullPath: fc.constantFrom('/full', '/', '/full/') }),
  fc.record({ type: fc.constant('ReplacePrefixMatch'), replacePrefixMatch: fc.constantFrom('/xyz', '/xyz/', '/', '') }),
);
const requestModifier = modifier.map((requestHeaderModifier) => ({ type: 'RequestHeaderModifier', requestHeaderModifier }));
const responseModifier = modifier.map((responseHeaderModifier) => ({ type: 'ResponseHeaderModifier', responseHeaderModifier }));
const rewrite = fc
  .record({ hostname: optional(fc.constant('rewritten.test')), path: optional(replacePath) })
  .map((urlRewrite) => ({ type: 'URLRewrite', urlRewrite }));
const redirect = fc
  .record({
    scheme: optional(fc.constantFrom('http', 'https'), 1),
    hostname: optional(fc.constant('moved.test')),
    path: optional(replacePath),
    port: optional(fc.constantFrom(80, 443, 8443), 1),
    statusCode: optional(fc.constantFrom(301, 302, 303, 307, 308)),
  })
  .map((requestRedirect) => ({ type: 'RequestRedirect', requestRedirect }));
const some = (...parts: fc.Arbitrary<object>[]): fc.Arbitrary<object[] | undefined> =>
  fc.tuple(...parts.map((part) => optional(part, 1))).map((list) => {
    const filters = list.filter((one) => one !== undefined);
    return filters.length === 0 ? undefined : filters;
  });

const backendRef = fc.record({
  name: fc.constantFrom('back-0', 'back-0', 'back-0', 'back-1', 'back-1', 'back-1', 'missing', 'empty'),
  kind: optional(fc.constantFrom('Service', 'Service', 'Service', 'ConfigMap'), 1),
  namespace: optional(fc.constantFrom('elsewhere', 'granted'), 1),
  port: fc.constantFrom(80, 80, 80, 80, 80, 80, 80, 81),
  weight: optional(fc.constantFrom(0, 1, 1, 10)),
  filters: fc.oneof({ weight: 5, arbitrary: some(requestModifier, responseModifier, rewrite) }, { weight: 1, arbitrary: some(redirect) }),
});
const does = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      filters: some(requestModifier, responseModifier, rewrite),
      backendRefs: fc.array(backendRef, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: some(redirect, responseModifier).map((filters) => ({ filters })) },
);
const rule = fc
  .record({ matches: fc.array(match, { maxLength: 3 }), does })
  .map(({ matches, does: what }) => ({ matches: matches.length === 0 ? undefined : matches, ...what }));
const hostname = fc.constantFrom('shop.test', 'a.shop.test', '*.shop.test', '*.test', 'other.test', '*.a.shop.test');
const route = fc.record({
  hostnames: optional(fc.uniqueArray(hostname, { minLength: 1, maxLength: 2 }), 4),
  rules: fc.array(rule, { minLength: 1, maxLength: 3 }),
  sectionName: optional(fc.constantFrom('web', 'shop'), 1),
  created: optional(fc.constantFrom('2026-01-01T00:00:00Z', '2026-01-02T00:00:00Z'), 1),
});

export function gatewayApiConfig(backends: readonly number[]): fc.Arbitrary<GeneratedConfig> {
  return fc
    .record({
      routes: fc.array(route, { minLength: 1, maxLength: 4 }),
      listeners: fc.constantFrom(
        [{ name: 'web', port: 80, protocol: 'HTTP' }],
        [
          { name: 'web', port: 80, protocol: 'HTTP' },
          { name: 'shop', port: 80, protocol: 'HTTP', hostname: '*.shop.test' },
        ],
        [
          { name: 'web', port: 80, protocol: 'HTTP', hostname: '*.test' },
          { name: 'shop', port: 80, protocol: 'HTTP', hostname: 'a.shop.test' },
        ],
      ),
    })
    .map(({ routes, listeners }) => {
      const api = 'gateway.networking.k8s.io/v1';
      const [first = 0, second = 0, ...rest] = backends;
      const service = (namespace: string, name: string, ports: readonly number[]): readonly object[] => [
        { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { ports: [{ name: 'http', port: 80 }] } },
        ...ports.map((port, i) => ({
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: { name: `${name}-${i}`, namespace, labels: { 'kubernetes.io/service-name': name } },
          addressType: 'IPv4',
          ports: [{ name: 'http', port }],
          endpoints: [{ addresses: ['127.0.0.1'] }],
        })),
      ];
      return {
        port: 80,
        text: yamlText([
          { apiVersion: api, kind: 'Gateway', metadata: { name: 'edge' }, spec: { gatewayClassName: 'weir', listeners } },
          ...routes.map(({ hostnames, rules, sectionName, created }, i) => ({
            apiVersion: api,
            kind: 'HTTPRoute',
            metadata: { name: `route-${i}`, creationTimestamp: created },
            spec: { parentRefs: [{ name: 'edge', sectionName }], hostnames, rules },
          })),
          ...service('default', 'back-0', [first, second]),
          ...service('default', 'back-1', rest),
          ...service('default', 'empty', []),
          ...service('elsewhere', 'back-0', [first]),
          ...service('granted', 'back-1', rest),
          {
            apiVersion: 'gateway.networking.k8s.io/v1beta1',
            kind: 'ReferenceGrant',
            metadata: { name: 'grant', namespace: 'granted' },
            spec: {
              from: [{ group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', namespace: 'default' }],
              to: [{ group: '', kind: 'Service' }],
            },
          },
        ]),
      };
    });
}
