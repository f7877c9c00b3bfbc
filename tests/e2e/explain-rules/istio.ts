/** Istio: VirtualService semantics (networking.istio.io/v1, HTTPMatchRequest and its neighbours). */
import type { Row } from './row.ts';

const api = 'networking.istio.io/v1';

interface Rule {
  readonly name?: string;
  readonly [field: string]: unknown;
}

/** A rule that answers for itself, so that its name is all that matters. */
function rule(name: string, ...match: readonly object[]): Rule {
  return { name, ...(match.length === 0 ? {} : { match }), directResponse: { status: 200 } };
}

function service(name: string, hosts: readonly string[], http: readonly Rule[], gateways: readonly string[] = ['edge']): object {
  return { apiVersion: api, kind: 'VirtualService', metadata: { name }, spec: { hosts, gateways, http } };
}

const edge = (port: number, more: object = {}): object => ({
  port: { number: port, name: `http-${port}`, protocol: 'HTTP' },
  hosts: ['*'],
  ...more,
});
const gateway = (...servers: readonly object[]): object => ({
  apiVersion: api,
  kind: 'Gateway',
  metadata: { name: 'edge' },
  spec: { servers },
});
const entry = (host: string, address: string | null, labels: object = {}): object => ({
  apiVersion: api,
  kind: 'ServiceEntry',
  metadata: { name: host.replaceAll('.', '-') },
  spec: {
    hosts: [host],
    ports: [{ number: 80, name: 'http', protocol: 'HTTP' }],
    resolution: 'STATIC',
    ...(address === null ? {} : { endpoints: [{ address, labels }] }),
  },
});

/** One VirtualService for every host behind one gateway. */
const rules = (...http: readonly Rule[]): readonly object[] => [gateway(edge(80), edge(8080)), service('vs', ['*'], http)];

const back = { destination: { host: 'back.test', port: { number: 80 } } };
const forward = (name: string, more: object, ...match: readonly object[]): Rule => ({
  name,
  ...(match.length === 0 ? {} : { match }),
  route: [back],
  ...more,
});
const forwards = (...http: readonly Rule[]): readonly object[] => [...rules(...http), entry('back.test', '127.0.0.1')];

const workload = (namespace: string, labels: object): object => ({
  apiVersion: api,
  kind: 'WorkloadEntry',
  metadata: { name: 'web', namespace },
  spec: { address: '10.0.0.9', serviceAccount: 'web', labels },
});
const mesh = (...http: readonly Rule[]): readonly object[] => [
  service('vs', ['back.test'], http, ['mesh']),
  entry('back.test', '127.0.0.1'),
  workload('prod', { app: 'web', tier: 'front' }),
];
const web = 'spiffe://cluster.local/ns/prod/sa/web';

const redirects = (redirect: object, ...match: readonly object[]): readonly object[] =>
  rules({ name: 'moved', ...(match.length === 0 ? {} : { match }), redirect });

export const istioRows: readonly Row[] = [
  {
    name: 'uri exact is the whole path',
    documents: rules(rule('exact', { uri: { exact: '/a' } }), rule('rest')),
    request: 'http://a.test/a/',
    wins: 'rest',
    loses: { exact: /^path: '\/a' is not exactly '\/a\/'$/ },
  },
  {
    name: 'uri exact ignores the query',
    documents: rules(rule('exact', { uri: { exact: '/a' } }), rule('rest')),
    request: 'http://a.test/a?b=1',
    wins: 'exact',
    loses: { rest: /^matches too, but 'exact' stands before it: rule 1, match 0/ },
  },
  {
    name: 'uri prefix is a string prefix',
    documents: rules(rule('b', { uri: { prefix: '/b' } }), rule('a', { uri: { prefix: '/a' } })),
    request: 'http://a.test/abc',
    wins: 'a',
    loses: { b: /^path: '\/b' is not a prefix of '\/abc'$/ },
  },
  {
    name: 'uri regex matches the whole path',
    documents: rules(rule('short', { uri: { regex: '/a' } }), rule('long', { uri: { regex: '/a.*' } })),
    request: 'http://a.test/ab',
    wins: 'long',
    loses: { short: /^path: regular expression '\/a' does not match the whole of '\/ab'$/ },
  },
  {
    name: 'the first rule wins: a regex before an exact',
    documents: rules(rule('regex', { uri: { regex: '/.*' } }), rule('exact', { uri: { exact: '/a' } })),
    request: 'http://a.test/a',
    wins: 'regex',
    loses: { exact: /^matches too, but 'regex' stands before it/ },
  },
  {
    name: 'ignoreUriCase folds exact and prefix',
    documents: rules(
      rule('exact', { uri: { exact: '/B' }, ignoreUriCase: true }),
      rule('prefix', { uri: { prefix: '/A' }, ignoreUriCase: true }),
    ),
    request: 'http://a.test/aB',
    wins: 'prefix',
    loses: { exact: /^path: '\/B' \(ignoring case\) is not exactly '\/aB'$/ },
  },
  {
    name: 'ignoreUriCase leaves regular expressions alone',
    documents: rules(rule('regex', { uri: { regex: '/A' }, ignoreUriCase: true }), rule('rest')),
    request: 'http://a.test/a',
    wins: 'rest',
    loses: { regex: /does not match the whole of '\/a'/ },
  },
  {
    name: 'method',
    documents: rules(rule('post', { method: { exact: 'POST' } }), rule('read', { method: { regex: 'GET|HEAD' } })),
    request: 'HEAD http://a.test/',
    wins: 'read',
    loses: { post: /^method: HEAD is not POST$/ },
  },
  {
    name: 'scheme',
    documents: rules(rule('tls', { scheme: { exact: 'https' } }), rule('rest')),
    request: 'http://a.test/',
    wins: 'rest',
    loses: { tls: /^scheme: 'http' is not exactly 'https'$/ },
  },
  {
    name: 'authority has its port and no case',
    documents: rules(rule('bare', { authority: { exact: 'a.test' } }), rule('port', { authority: { exact: 'A.test:8080' } })),
    request: 'http://a.test:8080/',
    wins: 'port',
    loses: { bare: /^authority: 'a\.test:8080' is not exactly 'a\.test'/ },
  },
  {
    name: 'headers: all of them, exact with case',
    documents: rules(rule('both', { headers: { 'x-a': { exact: '1' }, 'x-b': { exact: 'two' } } }), rule('rest')),
    request: 'http://a.test/',
    headers: [
      ['X-A', '1'],
      ['X-B', 'Two'],
    ],
    wins: 'rest',
    loses: { both: /^header x-b: 'Two' is not exactly 'two'$/ },
  },
  {
    name: 'headers: an empty match is presence',
    documents: rules(rule('there', { headers: { 'x-a': {} } }), rule('rest')),
    request: 'http://a.test/',
    headers: [['x-a', 'anything']],
    wins: 'there',
  },
  {
    name: 'headers: absent',
    documents: rules(rule('there', { headers: { 'x-a': {} } }), rule('rest')),
    request: 'http://a.test/',
    wins: 'rest',
    loses: { there: /^header x-a: absent is not present$/ },
  },
  {
    name: 'headers: prefix and regular expression of the whole value',
    documents: rules(rule('regex', { headers: { 'x-a': { regex: '[0-9]' } } }), rule('prefix', { headers: { 'x-a': { prefix: '1' } } })),
    request: 'http://a.test/',
    headers: [['x-a', '12']],
    wins: 'prefix',
    loses: { regex: /^header x-a: '12' is not .*\[0-9\]/ },
  },
  {
    name: 'headers: the keys uri, scheme, method and authority are ignored',
    documents: rules(rule('ignored', { headers: { method: { exact: 'POST' }, uri: { exact: '/x' } } })),
    request: 'http://a.test/',
    wins: 'ignored',
  },
  {
    name: 'withoutHeaders: absent holds',
    documents: rules(rule('without', { withoutHeaders: { 'x-a': {} } }), rule('rest')),
    request: 'http://a.test/',
    wins: 'without',
  },
  {
    name: 'withoutHeaders: another value holds, this one does not',
    documents: rules(
      rule('not-1', { withoutHeaders: { 'x-a': { exact: '1' } } }),
      rule('not-2', { withoutHeaders: { 'x-a': { exact: '2' } } }),
    ),
    request: 'http://a.test/',
    headers: [['x-a', '1']],
    wins: 'not-2',
    loses: { 'not-1': /^header x-a: '1' must not be exactly '1'$/ },
  },
  {
    name: 'queryParams: an empty exact is the bare key',
    documents: rules(rule('one', { queryParams: { q: { exact: '1' } } }), rule('bare', { queryParams: { q: { exact: '' } } })),
    request: 'http://a.test/?q',
    wins: 'bare',
    loses: { one: /^query q: '' is not exactly '1'$/ },
  },
  {
    name: 'queryParams: the first value counts, names have case',
    documents: rules(
      rule('upper', { queryParams: { Q: { exact: '1' } } }),
      rule('second', { queryParams: { q: { exact: '2' } } }),
      rule('first', { queryParams: { q: { regex: '[0-9]' } } }),
    ),
    request: 'http://a.test/?q=1&q=2',
    wins: 'first',
    loses: { upper: /^query Q: absent is not exactly '1'$/, second: /^query q: '1' is not exactly '2'$/ },
  },
  {
    name: 'a block is AND, blocks are OR',
    documents: rules(rule('or', { uri: { exact: '/a' }, method: { exact: 'POST' } }, { uri: { exact: '/b' } }), rule('rest')),
    request: 'http://a.test/b',
    wins: 'or',
    loses: { or: /^path: '\/a' is not exactly '\/b'$/ },
  },
  {
    name: 'a named match joins the name of its rule',
    documents: rules(rule('r', { name: 'm', uri: { exact: '/' } })),
    request: 'http://a.test/',
    wins: 'r.m',
  },
  {
    name: 'port picks the rule at a gateway',
    documents: rules(rule('p80', { port: 80 }), rule('p8080', { port: 8080 })),
    request: 'http://a.test:8080/',
    wins: 'p8080',
  },
  {
    name: 'hosts: the exact one wins and there is no way back to a wider one',
    documents: [
      gateway(edge(80)),
      service('wide', ['*.test'], [rule('wide')]),
      service('narrow', ['a.test'], [rule('narrow', { uri: { prefix: '/n' } })]),
    ],
    request: 'http://a.test/other',
    wins: null,
    outcome: 'not-found',
    status: 404,
    loses: { narrow: /^path: '\/n' is not a prefix of '\/other'$/, '*.test': /^host: 'a\.test' is not for \*\.test; .*more precisely$/ },
  },
  {
    name: 'hosts: the longest wildcard',
    documents: [gateway(edge(80)), service('wide', ['*.test'], [rule('wide')]), service('narrow', ['*.a.test'], [rule('narrow')])],
    request: 'http://x.a.test/',
    wins: 'narrow',
    loses: { '*.test': /^host: 'x\.a\.test' is not for \*\.test/ },
  },
  {
    name: 'hosts: none',
    documents: [gateway(edge(80)), service('vs', ['b.test'], [rule('b')])],
    request: 'http://a.test/',
    wins: null,
    outcome: 'not-found',
    status: 404,
    loses: { 'b.test': /^host: 'a\.test' is not for b\.test$/ },
  },
  {
    name: 'mesh: sourceLabels',
    documents: mesh(forward('other', {}, { sourceLabels: { app: 'shop' } }), forward('web', {}, { sourceLabels: { app: 'web' } })),
    request: 'http://back.test/',
    from: web,
    wins: 'web',
    loses: { other: /^source label app: 'web' is not 'shop'$/ },
  },
  {
    name: 'mesh: sourceLabels that the caller has not',
    documents: mesh(forward('zone', {}, { sourceLabels: { zone: 'a' } }), forward('rest', {})),
    request: 'http://back.test/',
    from: web,
    wins: 'rest',
    loses: { zone: /^source label zone: absent is not 'a'$/ },
  },
  {
    name: 'mesh: sourceNamespace',
    documents: mesh(forward('dev', {}, { sourceNamespace: 'dev' }), forward('prod', {}, { sourceNamespace: 'prod' })),
    request: 'http://back.test/',
    from: web,
    wins: 'prod',
    loses: { dev: /^source namespace: 'prod' is not 'dev'$/ },
  },
  {
    name: 'mesh: port of the call',
    documents: mesh(forward('p81', {}, { port: 81 }), forward('p80', {}, { port: 80 })),
    request: 'http://back.test/',
    from: web,
    wins: 'p80',
    loses: { p81: /^port: 80 is not 81$/ },
  },
  {
    name: 'gateways of a match go before those of the rule',
    documents: [
      gateway(edge(80)),
      service('vs', ['*'], [rule('mesh-only', { gateways: ['mesh'] }), rule('edge-only', { gateways: ['edge'] })], ['edge', 'mesh']),
    ],
    request: 'http://a.test/',
    wins: 'edge-only',
  },
  {
    name: 'delegate: the child’s rule within the root’s',
    documents: [
      gateway(edge(80)),
      service('root', ['a.test'], [{ name: 'root', match: [{ uri: { prefix: '/api' } }], delegate: { name: 'child' } }, rule('rest')]),
      {
        apiVersion: api,
        kind: 'VirtualService',
        metadata: { name: 'child' },
        spec: { http: [rule('v1', { uri: { prefix: '/api/v1' } }), rule('all', { uri: { prefix: '/api' } })] },
      },
    ],
    request: 'http://a.test/api/v2',
    wins: 'root-all',
    loses: { 'root-v1': /^path: '\/api\/v1' is not a prefix of '\/api\/v2'$/, rest: /^matches too, but 'root-all' stands before it/ },
  },
  {
    name: 'rewrite.uri replaces the matched prefix',
    documents: forwards(forward('r', { rewrite: { uri: '/new' } }, { uri: { prefix: '/a' } })),
    request: 'http://a.test/a/b?q=1',
    wins: 'r',
    path: '/new/b?q=1',
  },
  {
    name: 'rewrite.uri replaces an exact path',
    documents: forwards(forward('r', { rewrite: { uri: '/new' } }, { uri: { exact: '/a' } })),
    request: 'http://a.test/a',
    wins: 'r',
    path: '/new',
  },
  {
    name: 'rewrite.authority',
    documents: forwards(forward('r', { rewrite: { authority: 'b.test' } })),
    request: 'http://a.test/',
    wins: 'r',
    authority: 'b.test',
    to: ['back.test'],
  },
  {
    name: 'uriRegexRewrite',
    documents: forwards(forward('r', { rewrite: { uriRegexRewrite: { match: '^/([a-z]+)/([0-9]+)', rewrite: '/\\2/\\1' } } })),
    request: 'http://a.test/item/7/x',
    wins: 'r',
    path: '/7/item/x',
  },
  {
    name: 'a single destination takes all whatever its weight',
    documents: forwards({ name: 'r', route: [{ ...back, weight: 5 }] }),
    request: 'http://a.test/',
    wins: 'r',
    outcome: 'forward',
    reason: /^to back\.test:80 by route 'r'/,
  },
  {
    name: 'weights are shares',
    documents: [
      ...rules({
        name: 'r',
        route: [
          { ...back, weight: 3 },
          { destination: { host: 'other.test', port: { number: 80 } }, weight: 1 },
        ],
      }),
      entry('back.test', '127.0.0.1'),
      entry('other.test', '127.0.0.2'),
    ],
    request: 'http://a.test/',
    wins: 'r',
    to: ['back.test', 'other.test'],
    reason: /back\.test:80 \(75 %\), other\.test:80 \(25 %\)/,
  },
  {
    name: 'a subset that does not exist is answered 503',
    documents: forwards({ name: 'r', route: [{ destination: { ...back.destination, subset: 'v9' } }] }),
    request: 'http://a.test/',
    wins: 'r',
    outcome: 'error',
    status: 503,
    reason: /subset v9 of back\.test/,
    errors: ["no DestinationRule of 'back.test' has a subset 'v9'"],
  },
  {
    name: 'a service without endpoints is answered 503',
    documents: [...rules(forward('r', {})), entry('back.test', null)],
    request: 'http://a.test/',
    wins: 'r',
    outcome: 'error',
    status: 503,
    reason: /no endpoint/,
  },
  {
    name: 'redirect: 301 and the whole path',
    documents: redirects({ uri: '/new' }),
    request: 'http://a.test/a?q=1',
    wins: 'moved',
    outcome: 'redirect',
    status: 301,
    location: 'http://a.test/new?q=1',
  },
  {
    name: 'redirect: authority and code',
    documents: redirects({ authority: 'b.test', redirectCode: 308 }),
    request: 'http://a.test/a',
    wins: 'moved',
    status: 308,
    location: 'http://b.test/a',
  },
  {
    name: 'redirect: scheme',
    documents: redirects({ scheme: 'https' }),
    request: 'http://a.test/a',
    wins: 'moved',
    status: 301,
    location: 'https://a.test/a',
  },
  {
    name: 'redirect: port',
    documents: redirects({ port: 8443, scheme: 'https' }),
    request: 'http://a.test/',
    wins: 'moved',
    location: 'https://a.test:8443/',
  },
  {
    name: 'redirect: the scheme’s own port is not written',
    documents: redirects({ derivePort: 'FROM_PROTOCOL_DEFAULT' }),
    request: 'http://a.test:8080/',
    wins: 'moved',
    location: 'http://a.test/',
  },
  {
    name: 'redirect: port of the request',
    documents: redirects({ authority: 'b.test', derivePort: 'FROM_REQUEST_PORT' }),
    request: 'http://a.test:8080/',
    wins: 'moved',
    location: 'http://b.test:8080/',
  },
  {
    name: 'redirect: prefixRewrite',
    documents: redirects({ prefixRewrite: '/new' }, { uri: { prefix: '/old' } }),
    request: 'http://a.test/old/x',
    wins: 'moved',
    location: 'http://a.test/new/x',
  },
  {
    name: 'directResponse',
    documents: rules({ name: 'd', directResponse: { status: 418, body: { string: 'teapot' } } }),
    request: 'http://a.test/',
    wins: 'd',
    outcome: 'direct-response',
    status: 418,
  },
  {
    name: 'a server with httpsRedirect',
    documents: [gateway(edge(80, { tls: { httpsRedirect: true } })), service('vs', ['*'], [rule('r')])],
    request: 'http://a.test/x?y=1',
    wins: 'https-redirect',
    outcome: 'redirect',
    status: 301,
    location: 'https://a.test/x?y=1',
  },
];
