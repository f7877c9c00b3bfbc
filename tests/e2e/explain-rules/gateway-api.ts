/** Gateway API: precedence of matches, hostnames, backends, rewrites and redirects (gateway.networking.k8s.io/v1). */
import type { Row } from './row.ts';

const api = 'gateway.networking.k8s.io/v1';

interface RouteOptions {
  readonly hostnames?: readonly string[];
  readonly created?: string;
  readonly sectionName?: string;
}

function gateway(...listeners: readonly object[]): object {
  return { apiVersion: api, kind: 'Gateway', metadata: { name: 'edge' }, spec: { gatewayClassName: 'weir', listeners } };
}

const http = (name: string, port: number, more: object = {}): object => ({ name, port, protocol: 'HTTP', ...more });

function route(name: string, rules: readonly object[], { hostnames, created, sectionName }: RouteOptions = {}): object {
  return {
    apiVersion: api,
    kind: 'HTTPRoute',
    metadata: { name, ...(created === undefined ? {} : { creationTimestamp: created }) },
    spec: {
      parentRefs: [{ name: 'edge', ...(sectionName === undefined ? {} : { sectionName }) }],
      ...(hostnames === undefined ? {} : { hostnames }),
      rules,
    },
  };
}

const backendRefs = [{ name: 'back', port: 80 }];
const rule = (name: string, match?: object, more: object = {}): object => ({
  name,
  ...(match === undefined ? {} : { matches: [match] }),
  backendRefs,
  ...more,
});
const prefix = (value: string): object => ({ path: { type: 'PathPrefix', value } });
const exact = (value: string): object => ({ path: { type: 'Exact', value } });

const service = (name: string, namespace = 'default', address: string | null = '127.0.0.1'): readonly object[] => [
  { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace }, spec: { ports: [{ port: 80 }] } },
  ...(address === null
    ? []
    : [
        {
          apiVersion: 'discovery.k8s.io/v1',
          kind: 'EndpointSlice',
          metadata: { name, namespace, labels: { 'kubernetes.io/service-name': name } },
          addressType: 'IPv4',
          ports: [{ port: 8000 }],
          endpoints: [{ addresses: [address] }],
        },
      ]),
];

const of = (...routes: readonly object[]): readonly object[] => [
  gateway(http('web', 80), http('alt', 8080)),
  ...routes,
  ...service('back'),
];
/** One route for every host. */
const rules = (...list: readonly object[]): readonly object[] => of(route('r', list));

const rewritten = (replace: string, match: string): readonly object[] =>
  rules(
    rule('w', prefix(match), {
      filters: [{ type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: replace } } }],
    }),
  );
const redirect = (requestRedirect: object, match?: object): readonly object[] =>
  rules({ name: 'm', ...(match === undefined ? {} : { matches: [match] }), filters: [{ type: 'RequestRedirect', requestRedirect }] });

/** reference: path, prefix, replacement, result. */
const prefixTable: readonly (readonly [path: string, match: string, replace: string, result: string])[] = [
  ['/foo/bar', '/foo', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo', '/xyz/', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz', '/xyz/bar'],
  ['/foo/bar', '/foo/', '/xyz/', '/xyz/bar'],
  ['/foo', '/foo', '/xyz', '/xyz'],
  ['/foo/', '/foo', '/xyz', '/xyz/'],
  ['/foo/bar', '/foo', '', '/bar'],
  ['/foo/', '/foo', '', '/'],
  ['/foo', '/foo', '', '/'],
  ['/foo/', '/foo', '/', '/'],
  ['/foo', '/foo', '/', '/'],
];

const redirectTable: readonly (readonly [name: string, fields: object, url: string, location: string])[] = [
  ['the listener’s port without a scheme', {}, 'http://a.test:8080/', 'http://a.test:8080/'],
  ['the listener’s port 80 is not written', { hostname: 'b.test' }, 'http://a.test/x', 'http://b.test/x'],
  ['the well-known port of the scheme', { scheme: 'https' }, 'http://a.test:8080/', 'https://a.test/'],
  ['an explicit port', { port: 8443, scheme: 'https' }, 'http://a.test/', 'https://a.test:8443/'],
  ['an explicit port that is the scheme’s own', { port: 443, scheme: 'https' }, 'http://a.test/', 'https://a.test/'],
  ['an explicit port 80 on another listener', { port: 80 }, 'http://a.test:8080/', 'http://a.test/'],
  ['the whole path', { path: { type: 'ReplaceFullPath', replaceFullPath: '/new' } }, 'http://a.test/x?q=1', 'http://a.test/new?q=1'],
];

export const gatewayApiRows: readonly Row[] = [
  {
    name: 'an exact path goes before a longer-looking prefix',
    documents: rules(
      rule('prefix', { ...prefix('/a'), method: 'GET', headers: [{ name: 'x-a', value: '1' }] }),
      rule('exact', exact('/a')),
    ),
    request: 'http://a.test/a',
    headers: [['x-a', '1']],
    wins: 'exact',
    loses: {
      prefix: /^matches too, but 'exact' stands before it: any hostname of the listener; path prefix, 2 characters, method, 1 header$/,
    },
  },
  {
    name: 'an exact path is the whole path',
    documents: rules(rule('exact', exact('/a')), rule('rest')),
    request: 'http://a.test/a/',
    wins: 'rest',
    loses: { exact: /^path: '\/a' is not exactly '\/a\/'$/ },
  },
  {
    name: 'the longest prefix',
    documents: rules(rule('short', prefix('/a')), rule('long', prefix('/a/b'))),
    request: 'http://a.test/a/b/c',
    wins: 'long',
    loses: { short: /^matches too, but 'long' stands before it: .*path prefix, 2 characters$/ },
  },
  {
    name: 'a prefix compares whole path elements',
    documents: rules(rule('abc', prefix('/abc')), rule('rest')),
    request: 'http://a.test/abcd',
    wins: 'rest',
    loses: { abc: /^path: '\/abc' is not a prefix of whole path elements of '\/abcd'$/ },
  },
  {
    name: 'a trailing slash of a prefix is ignored',
    documents: rules(rule('abc', prefix('/abc/')), rule('rest')),
    request: 'http://a.test/abc',
    wins: 'abc',
  },
  {
    name: 'a method goes before headers',
    documents: rules(rule('headers', { headers: [{ name: 'x-a', value: '1' }] }), rule('method', { method: 'GET' })),
    request: 'http://a.test/',
    headers: [['x-a', '1']],
    wins: 'method',
    loses: { headers: /^matches too, but 'method' stands before it: .*1 header$/ },
  },
  {
    name: 'another method',
    documents: rules(rule('post', { method: 'POST' }), rule('rest')),
    request: 'http://a.test/',
    wins: 'rest',
    loses: { post: /^method: GET is not POST$/ },
  },
  {
    name: 'more headers go before more query parameters',
    documents: rules(
      rule('query', {
        queryParams: [
          { name: 'a', value: '1' },
          { name: 'b', value: '2' },
        ],
      }),
      rule('header', { headers: [{ name: 'X-A', value: '1' }] }),
    ),
    request: 'http://a.test/?a=1&b=2',
    headers: [['x-a', '1']],
    wins: 'header',
    loses: { query: /^matches too, but 'header' stands before it: .*2 query parameters$/ },
  },
  {
    name: 'more query parameters',
    documents: rules(
      rule('one', { queryParams: [{ name: 'a', value: '1' }] }),
      rule('two', {
        queryParams: [
          { name: 'a', value: '1' },
          { name: 'b', value: '2' },
        ],
      }),
    ),
    request: 'http://a.test/?a=1&b=2',
    wins: 'two',
  },
  {
    name: 'header names without case, values with',
    documents: rules(rule('h', { headers: [{ name: 'X-A', value: 'One' }] }), rule('rest')),
    request: 'http://a.test/',
    headers: [['x-a', 'one']],
    wins: 'rest',
    loses: { h: /^header x-a: 'one' is not exactly 'One'$/ },
  },
  {
    name: 'query names with case, the first value',
    documents: rules(
      rule('upper', { queryParams: [{ name: 'A', value: '1' }] }),
      rule('second', { queryParams: [{ name: 'a', value: '2' }] }),
      rule('rest'),
    ),
    request: 'http://a.test/?a=1&a=2',
    wins: 'rest',
    loses: { upper: /^query A: absent is not exactly '1'$/, second: /^query a: '1' is not exactly '2'$/ },
  },
  {
    name: 'a tie goes to the older route',
    documents: of(
      route('a-young', [rule('young')], { created: '2026-02-01T00:00:00Z' }),
      route('b-old', [rule('old')], { created: '2026-01-01T00:00:00Z' }),
    ),
    request: 'http://a.test/',
    wins: 'old',
    loses: { young: /^matches too, but 'old' stands before it, which is older or comes first by name or order: / },
  },
  {
    name: 'a tie of the same age goes to the first name',
    documents: of(route('b', [rule('second')]), route('a', [rule('first')])),
    request: 'http://a.test/',
    wins: 'first',
    loses: { second: /^matches too, but 'first' stands before it, which is older or comes first by name or order: / },
  },
  {
    name: 'a tie within a route goes to the first rule',
    documents: rules(rule('first', prefix('/a')), rule('second', prefix('/a'))),
    request: 'http://a.test/a',
    wins: 'first',
    loses: { second: /comes first by name or order/ },
  },
  {
    name: 'the more precise hostname goes before the better path',
    documents: of(
      route('wild', [rule('wild', exact('/a'))], { hostnames: ['*.test'] }),
      route('own', [rule('own', prefix('/'))], { hostnames: ['a.test'] }),
    ),
    request: 'http://a.test/a',
    wins: 'own',
  },
  {
    name: 'a less precise hostname answers where the more precise one has no rule',
    documents: of(
      route('wild', [rule('wild')], { hostnames: ['*.test'] }),
      route('own', [rule('own', exact('/own'))], { hostnames: ['a.test'] }),
    ),
    request: 'http://a.test/other',
    wins: 'wild',
    loses: { own: /^path: '\/own' is not exactly '\/other'$/ },
  },
  {
    name: 'the longer wildcard',
    documents: of(route('a', [rule('short')], { hostnames: ['*.test'] }), route('b', [rule('long')], { hostnames: ['*.a.test'] })),
    request: 'http://x.y.a.test/',
    wins: 'long',
  },
  {
    name: 'a wildcard wants a label in front',
    documents: of(route('a', [rule('wild')], { hostnames: ['*.a.test'] })),
    request: 'http://a.test/',
    wins: null,
    outcome: 'not-found',
    status: 404,
  },
  {
    name: 'the port of Host is not looked at',
    documents: of(route('a', [rule('own')], { hostnames: ['a.test'] })),
    request: 'http://a.test:8080/',
    wins: 'own',
  },
  {
    name: 'listener isolation: the more precise listener, and no other',
    documents: [
      gateway(http('web', 80), http('own', 80, { hostname: 'a.test' })),
      route('r', [rule('web')], { sectionName: 'web' }),
      route('s', [rule('own', exact('/own'))], { sectionName: 'own' }),
      ...service('back'),
    ],
    request: 'http://a.test/other',
    wins: null,
    status: 404,
    loses: { own: /^path: '\/own' is not exactly '\/other'$/ },
  },
  {
    name: 'all weights 0',
    documents: rules(rule('w', undefined, { backendRefs: [{ name: 'back', port: 80, weight: 0 }] })),
    request: 'http://a.test/',
    wins: 'w',
    outcome: 'error',
    status: 500,
    reason: /weights_are_all_zero/,
  },
  {
    name: 'a backend that does not exist',
    documents: rules(rule('w', undefined, { backendRefs: [{ name: 'nobody', port: 80 }] })),
    request: 'http://a.test/',
    wins: 'w',
    status: 500,
    reason: /nobody/,
  },
  {
    name: 'a share that is invalid',
    documents: rules(
      rule('w', undefined, {
        backendRefs: [
          { name: 'back', port: 80, weight: 3 },
          { name: 'nobody', port: 80, weight: 1 },
        ],
      }),
    ),
    request: 'http://a.test/',
    wins: 'w',
    outcome: 'forward',
    status: null,
    reason: /\(75 %\).*\(25 %\)/,
  },
  {
    name: 'a backend of another namespace without a grant',
    documents: [
      ...rules(rule('w', undefined, { backendRefs: [{ name: 'far', namespace: 'other', port: 80 }] })),
      ...service('far', 'other'),
    ],
    request: 'http://a.test/',
    wins: 'w',
    status: 500,
    reason: /ReferenceGrant/,
    errors: ['no ReferenceGrant in namespace other lets HTTPRoutes of default refer to Service far'],
  },
  {
    name: 'a backend without endpoints',
    documents: [...rules(rule('w', undefined, { backendRefs: [{ name: 'empty', port: 80 }] })), ...service('empty', 'default', null)],
    request: 'http://a.test/',
    wins: 'w',
    status: 503,
    reason: /no endpoint/,
  },
  ...prefixTable.map(([path, match, replace, result]): Row => ({
    name: `ReplacePrefixMatch: ${path} with ${match} for '${replace}'`,
    documents: rewritten(replace, match),
    request: `http://a.test${path}`,
    wins: 'w',
    path: result,
  })),
  {
    name: 'URLRewrite: hostname and the whole path',
    documents: rules(
      rule('w', undefined, {
        filters: [{ type: 'URLRewrite', urlRewrite: { hostname: 'b.test', path: { type: 'ReplaceFullPath', replaceFullPath: '/b' } } }],
      }),
    ),
    request: 'http://a.test/a?q=1',
    wins: 'w',
    path: '/b?q=1',
    authority: 'b.test',
  },
  ...redirectTable.map(([name, fields, request, location]): Row => ({
    name: `redirect: ${name}`,
    documents: redirect(fields),
    request,
    wins: 'm',
    outcome: 'redirect',
    status: 302,
    location,
  })),
  {
    name: 'redirect: the matched prefix and a code',
    documents: redirect({ statusCode: 301, path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/new' } }, prefix('/old')),
    request: 'http://a.test/old/x',
    wins: 'm',
    status: 301,
    location: 'http://a.test/new/x',
  },
];
