import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answer, compileText, type TestRequest } from './fixture.ts';

const gateway = (hosts = '"*"', more = ''): string =>
  `apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec:\n  servers:\n  - {port: {number: 80, name: http, protocol: HTTP}, hosts: [${hosts}]${more}}\n---\n`;
const backend =
  'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: s}\nspec: {hosts: [s.test], resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 10.0.0.1, labels: {v: "1"}}, {address: 10.0.0.2, labels: {v: "2"}}]}\n---\n';
/** A VirtualService of `a.test` on the gateway with these rules. */
const service = (http: string, head = 'hosts: [a.test], gateways: [g]', meta = 'name: v'): string =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {${meta}}\nspec: {${head}, http: [${http}]}\n---\n`;
const ok = (body: string, match = ''): string =>
  `{${match === '' ? '' : `match: [${match}], `}directResponse: {status: 200, body: {string: "${body}"}}}`;
const to = (more: string): string => `{${more}route: [{destination: {host: s.test}}]}`;

type Request = readonly [url: string, expected: string, request?: TestRequest];

const rows: readonly { readonly name: string; readonly config: string; readonly requests: readonly Request[] }[] = [
  {
    name: 'the first rule that matches wins, whatever is more specific',
    config: gateway() + service(`${ok('wide', '{uri: {prefix: /a}}')}, ${ok('narrow', '{uri: {exact: /a/b}}')}`),
    requests: [
      ['http://a.test/a/b', '200 wide'],
      ['http://a.test/c', '404'],
    ],
  },
  {
    name: 'a prefix is a string prefix, not one of path elements',
    config: gateway() + service(ok('p', '{uri: {prefix: /shop}}')),
    requests: [
      ['http://a.test/shopping', '200 p'],
      ['http://a.test/sho', '404'],
    ],
  },
  {
    name: 'a regular expression matches the whole path',
    config: gateway() + service(ok('r', '{uri: {regex: "/v[0-9]+"}}')),
    requests: [
      ['http://a.test/v12', '200 r'],
      ['http://a.test/v12/x', '404'],
    ],
  },
  {
    name: 'ignoreUriCase holds for exact and prefix',
    config:
      gateway() +
      service(`${ok('e', '{uri: {exact: /Abc}, ignoreUriCase: true}')}, ${ok('p', '{uri: {prefix: /Shop}, ignoreUriCase: true}')}`),
    requests: [
      ['http://a.test/aBC', '200 e'],
      ['http://a.test/SHOP/1', '200 p'],
    ],
  },
  {
    name: 'match blocks are alternatives, conditions of one block hold together',
    config: gateway() + service(ok('m', '{method: {exact: POST}, uri: {prefix: /a}}, {headers: {x-a: {exact: "1"}}}')),
    requests: [
      ['http://a.test/a', '200 m', { method: 'POST' }],
      ['http://a.test/b', '404', { method: 'POST' }],
      ['http://a.test/a', '404'],
      ['http://a.test/b', '200 m', { headers: { 'x-a': '1' } }],
    ],
  },
  {
    name: 'header: exact, prefix, whole regular expression, presence of an empty match and of *',
    config:
      gateway() +
      service(
        [
          ok('exact', '{headers: {X-E: {exact: "1"}}}'),
          ok('prefix', '{headers: {x-p: {prefix: ab}}}'),
          ok('regex', '{headers: {x-r: {regex: "a+"}}}'),
          ok('present', '{headers: {x-q: {}}}'),
          ok('star', '{headers: {x-s: {regex: "*"}}}'),
        ].join(', '),
      ),
    requests: [
      ['http://a.test/', '200 exact', { headers: { 'x-e': '1' } }],
      ['http://a.test/', '200 prefix', { headers: { 'x-p': 'abc' } }],
      ['http://a.test/', '200 regex', { headers: { 'x-r': 'aaa' } }],
      ['http://a.test/', '404', { headers: { 'x-r': 'aaab' } }],
      ['http://a.test/', '200 present', { headers: { 'x-q': '' } }],
      ['http://a.test/', '200 star', { headers: { 'x-s': 'any' } }],
      ['http://a.test/', '404'],
    ],
  },
  {
    name: 'withoutHeaders: absent or another value; a value that matches empty needs the header to be there',
    config:
      gateway() +
      service(
        `${ok('not1', '{uri: {exact: /v}, withoutHeaders: {x-a: {exact: "1"}}}')}, ${ok('none', '{uri: {exact: /p}, withoutHeaders: {x-a: {}}}')}, ${ok('empty', '{uri: {exact: /e}, withoutHeaders: {x-a: {exact: ""}}}')}`,
      ),
    requests: [
      ['http://a.test/v', '200 not1'],
      ['http://a.test/v', '200 not1', { headers: { 'x-a': '2' } }],
      ['http://a.test/v', '404', { headers: { 'x-a': '1' } }],
      ['http://a.test/p', '200 none'],
      ['http://a.test/p', '404', { headers: { 'x-a': '' } }],
      ['http://a.test/e', '404'],
      ['http://a.test/e', '200 empty', { headers: { 'x-a': '1' } }],
    ],
  },
  {
    name: 'headers named uri, scheme, method and authority are not looked at',
    config: gateway() + service(ok('x', '{headers: {uri: {exact: /never}, x-a: {exact: "1"}}}')),
    requests: [['http://a.test/', '200 x', { headers: { 'x-a': '1' } }]],
  },
  {
    name: 'query parameters: exact, prefix, regex, presence',
    config:
      gateway() +
      service(
        [
          ok('e', '{queryParams: {a: {exact: "1"}}}'),
          ok('empty', '{queryParams: {b: {exact: ""}}}'),
          ok('p', '{queryParams: {c: {prefix: x}}}'),
          ok('r', '{queryParams: {d: {regex: "[0-9]+"}}}'),
          ok('any', '{queryParams: {f: {}}}'),
        ].join(', '),
      ),
    requests: [
      ['http://a.test/?a=1', '200 e'],
      ['http://a.test/?a=2', '404'],
      ['http://a.test/?b', '200 empty'],
      ['http://a.test/?c=xyz', '200 p'],
      ['http://a.test/?d=12', '200 r'],
      ['http://a.test/?d=12a', '404'],
      ['http://a.test/?f=9', '200 any'],
    ],
  },
  {
    name: 'scheme, method prefix and authority in any case',
    config:
      gateway() +
      service(
        `${ok('s', '{uri: {exact: /s}, scheme: {exact: https}}')}, ${ok('m', '{uri: {exact: /m}, method: {prefix: P}}')}, ${ok('a', '{authority: {exact: "A.test:8080"}}')}`,
      ),
    requests: [
      ['http://a.test/s', '404'],
      ['http://a.test/m', '200 m', { method: 'PUT' }],
      ['http://a.test:8080/x', '200 a'],
      ['http://a.test/x', '404'],
    ],
  },
  {
    name: 'port and gateways decide at which listener a match is looked at; gateways of a match replace those above',
    config:
      gateway() +
      'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: h}\nspec: {servers: [{port: {number: 81, name: http, protocol: HTTP}, hosts: ["*"]}]}\n---\n' +
      service(
        `${ok('p81', '{uri: {exact: /p}, port: 81}')}, ${ok('h', '{uri: {exact: /h}, gateways: [default/h]}')}, ${ok('g', '{uri: {exact: /h}}')}`,
        'hosts: [a.test], gateways: [g, h]',
      ),
    requests: [
      ['http://a.test/p', '404', { listener: '0.0.0.0:80' }],
      ['http://a.test/p', '200 p81', { listener: '0.0.0.0:81' }],
      ['http://a.test/h', '200 g', { listener: '0.0.0.0:80' }],
      ['http://a.test/h', '200 h', { listener: '0.0.0.0:81' }],
    ],
  },
  {
    name: 'the most specific host wins and there is no way back to a wider one',
    config:
      gateway() +
      service(ok('any'), 'hosts: ["*"], gateways: [g]', 'name: any') +
      service(ok('wild'), 'hosts: ["*.test"], gateways: [g]', 'name: wild') +
      service(ok('exact', '{uri: {prefix: /x}}'), 'hosts: [a.test], gateways: [g]', 'name: exact'),
    requests: [
      ['http://a.test/x', '200 exact'],
      ['http://a.test/y', '404'],
      ['http://b.test/y', '200 wild'],
      ['http://other/y', '200 any'],
    ],
  },
  {
    name: 'a server host is narrowed by the VirtualService and the other way round',
    config: gateway('"*.shop.test", exact.test') + service(ok('s'), 'hosts: [a.shop.test, "*.test"], gateways: [g]'),
    requests: [
      ['http://a.shop.test/', '200 s'],
      ['http://b.shop.test/', '200 s'],
      ['http://exact.test/', '200 s'],
      ['http://other.test/', '404'],
    ],
  },
  {
    name: 'the namespace of a server host must be that of the VirtualService',
    config:
      gateway('"prod/*.test", "./own.test"') +
      service(ok('prod'), 'hosts: ["a.test"], gateways: [default/g]', 'name: p, namespace: prod') +
      service(ok('own'), 'hosts: [own.test, c.test], gateways: [g]', 'name: o'),
    requests: [
      ['http://a.test/', '200 prod'],
      ['http://own.test/', '200 own'],
      ['http://c.test/', '404'],
    ],
  },
  {
    name: 'exportTo keeps a VirtualService from gateways of other namespaces',
    config: gateway() + service(ok('p'), 'hosts: [a.test], gateways: [default/g], exportTo: ["."]', 'name: p, namespace: prod'),
    requests: [['http://a.test/', '404']],
  },
  {
    name: 'VirtualServices of one host are merged in file order, catch-alls last',
    config:
      gateway() +
      service(`${ok('one', '{uri: {prefix: /1}}')}, ${ok('rest')}`, undefined, 'name: one') +
      service(ok('two', '{uri: {prefix: /2}}'), undefined, 'name: two'),
    requests: [
      ['http://a.test/1', '200 one'],
      ['http://a.test/2', '200 two'],
      ['http://a.test/3', '200 rest'],
    ],
  },
  {
    name: 'a VirtualService whose rules cannot hold here leaves its hosts to wider ones',
    config:
      gateway() + service(ok('never', '{port: 99}'), undefined, 'name: a') + service(ok('wide'), 'hosts: ["*"], gateways: [g]', 'name: b'),
    requests: [['http://a.test/', '200 wide']],
  },
  {
    name: 'rewrite.uri replaces a matched prefix, the whole path of exact and regex, and the slash of a rule without uri',
    config:
      gateway() +
      backend +
      service(
        [
          to('match: [{uri: {prefix: /old}}], rewrite: {uri: /new}, '),
          to('match: [{uri: {exact: /e/x}}, {uri: {regex: "/r.*"}}], rewrite: {uri: /whole}, '),
          to('rewrite: {uri: /all}, '),
        ].join(', '),
      ),
    requests: [
      ['http://a.test/old/a', 's.test|80 /new/a'],
      ['http://a.test/e/x', 's.test|80 /whole'],
      ['http://a.test/rrr/x', 's.test|80 /whole'],
      ['http://a.test/z', 's.test|80 /allz'],
    ],
  },
  {
    name: 'uriRegexRewrite replaces every match and knows groups; authority is rewritten',
    config:
      gateway() +
      backend +
      service(
        to('rewrite: {uriRegexRewrite: {match: "/u/([^/]+)", rewrite: "/user-\\\\1"}, authority: b.test}, ').replaceAll('\\\\', '\\\\'),
      ),
    requests: [['http://a.test/u/7/u/8', 's.test|80 /user-7/user-8 as b.test']],
  },
  {
    name: 'Host set on the request is the authority; rewrite.authority wins; a destination yields to the rule',
    config:
      gateway() +
      backend +
      service(
        [
          to('match: [{uri: {exact: /1}}], headers: {request: {set: {Host: h1.test}}}, '),
          to('match: [{uri: {exact: /2}}], headers: {request: {set: {":authority": h2.test}}}, rewrite: {authority: r.test}, '),
          '{match: [{uri: {exact: /3}}], route: [{destination: {host: s.test}, headers: {request: {set: {host: d.test}}}}]}',
          '{match: [{uri: {exact: /4}}], headers: {request: {set: {host: rule.test}}}, route: [{destination: {host: s.test}, headers: {request: {set: {host: d.test}}}}]}',
        ].join(', '),
      ),
    requests: [
      ['http://a.test/1', 's.test|80 /1 as h1.test'],
      ['http://a.test/2', 's.test|80 /2 as r.test'],
      ['http://a.test/3', 's.test|80 /3 as d.test'],
      ['http://a.test/4', 's.test|80 /4 as rule.test'],
    ],
  },
  {
    name: 'redirect: uri, prefixRewrite, authority, scheme, port, derivePort and code',
    config:
      gateway() +
      service(
        [
          '{match: [{uri: {exact: /uri}}], redirect: {uri: /new}}',
          '{match: [{uri: {prefix: /pre}}], redirect: {prefixRewrite: /post, redirectCode: 308}}',
          '{match: [{uri: {exact: /auth}}], redirect: {authority: b.test, redirectCode: 302}}',
          '{match: [{uri: {exact: /authport}}], redirect: {authority: "b.test:8443", scheme: https}}',
          '{match: [{uri: {exact: /scheme}}], redirect: {scheme: https}}',
          '{match: [{uri: {exact: /port}}], redirect: {port: 8080}}',
          '{match: [{uri: {exact: /port443}}], redirect: {port: 443, scheme: https}}',
          '{match: [{uri: {exact: /from}}], redirect: {derivePort: FROM_REQUEST_PORT, scheme: https}}',
        ].join(', '),
      ),
    requests: [
      ['http://a.test/uri?q=1', '301 http://a.test/new?q=1'],
      ['http://a.test/pre/x', '308 http://a.test/post/x'],
      ['http://a.test/auth', '302 http://b.test/auth'],
      ['http://a.test/authport', '301 https://b.test:8443/authport'],
      ['http://a.test:8080/scheme', '301 https://a.test:8080/scheme'],
      ['http://a.test/port', '301 http://a.test:8080/port'],
      ['http://a.test/port443', '301 https://a.test/port443'],
      ['http://a.test/from', '301 https://a.test:80/from'],
    ],
  },
  {
    name: 'httpsRedirect answers 301 before any route, for hosts with and without one',
    config: gateway('a.test, "*.b.test"', ', tls: {httpsRedirect: true}') + service(ok('never')),
    requests: [
      ['http://a.test/x?y=1', '301 https://a.test/x?y=1'],
      ['http://c.b.test/', '301 https://c.b.test/'],
      ['http://other.test/', '404'],
    ],
  },
  {
    name: 'httpsRedirect holds for narrower hosts of VirtualServices, too',
    config: gateway('"*.test"', ', tls: {httpsRedirect: true}') + service(ok('never')),
    requests: [['http://a.test/x', '301 https://a.test/x']],
  },
  {
    name: 'one destination takes everything whatever its weight; several share by weight; zero takes nothing',
    config:
      gateway() +
      backend +
      service(
        '{match: [{uri: {exact: /1}}], route: [{destination: {host: s.test}, weight: 0}]}, {route: [{destination: {host: s.test}, weight: 3}, {destination: {host: s.test}}]}',
      ),
    requests: [
      ['http://a.test/1', 's.test|80 /1'],
      ['http://a.test/2', '3×s.test|80 /2 + 0×s.test|80 /2'],
    ],
  },
  {
    name: 'a match on a JWT claim answers 503 when its other conditions hold, and only then',
    config:
      gateway() +
      service(`${ok('claim', '{uri: {prefix: /admin}, headers: {"@request.auth.claims.group": {exact: admin}}}')}, ${ok('open')}`),
    requests: [
      ['http://a.test/admin', '503 blocked'],
      ['http://a.test/x', '200 open'],
    ],
  },
  {
    name: 'a missing subset, an unknown port and a port left out of several are shares that answer 503',
    config:
      gateway() +
      backend +
      'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: two}\nspec: {hosts: [two.test], resolution: STATIC, ports: [{number: 8080, name: a}, {number: 9090, name: b}], endpoints: [{address: 10.0.0.9}]}\n---\n' +
      service(
        '{match: [{uri: {exact: /s}}], route: [{destination: {host: s.test, subset: nope}}]}, {match: [{uri: {exact: /p}}], route: [{destination: {host: s.test, port: {number: 81}}}]}, {route: [{destination: {host: two.test}}]}',
      ),
    requests: [
      ['http://a.test/s', 'invalid 503 /s'],
      ['http://a.test/p', 'invalid 503 /p'],
      ['http://a.test/t', 'invalid 503 /t'],
    ],
  },
  {
    name: 'short destination hosts are services of the namespace of the VirtualService',
    config:
      gateway() +
      'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: r, namespace: prod}\nspec: {hosts: [reviews.prod.svc.cluster.local], resolution: STATIC, ports: [{number: 80, name: http}], endpoints: [{address: 10.0.0.1}]}\n---\n' +
      service('{route: [{destination: {host: reviews}}]}', 'hosts: [a.test], gateways: [default/g]', 'name: v, namespace: prod') +
      service('{route: [{destination: {host: reviews}}]}', 'hosts: [b.test], gateways: [g]', 'name: v'),
    requests: [
      ['http://a.test/', 'reviews.prod.svc.cluster.local|80 /'],
      ['http://b.test/', 'reviews|80 /'],
    ],
  },
  {
    name: 'a service that is not exported is not seen',
    config:
      gateway() +
      'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: r, namespace: prod}\nspec: {hosts: [api.example.com], exportTo: ["."], resolution: STATIC, ports: [{number: 8443, name: http}], endpoints: [{address: 10.0.0.1}]}\n---\n' +
      service('{route: [{destination: {host: api.example.com}}]}'),
    requests: [['http://a.test/', 'api.example.com|80 /']],
  },
  {
    name: 'a Gateway of a dotted name in the old form, and ./name',
    config:
      gateway() +
      service(ok('old'), 'hosts: [a.test], gateways: [g.default.svc.cluster.local]', 'name: a, namespace: other') +
      service(ok('dot'), 'hosts: [b.test], gateways: [./g]', 'name: b'),
    requests: [
      ['http://a.test/', '200 old'],
      ['http://b.test/', '200 dot'],
    ],
  },
];

for (const row of rows)
  test(`istio routing: ${row.name}`, async () => {
    const compiled = await compileText(row.config);
    const errors = compiled.resources.flatMap((resource) =>
      resource.diagnostics.filter(({ severity }) => severity === 'error').map(({ message }) => message),
    );
    assert.deepEqual(errors, []);
    for (const [url, expected, request] of row.requests)
      assert.equal(answer(compiled, url, request), expected, `${request?.method ?? 'GET'} ${url} ${JSON.stringify(request ?? {})}`);
  });
