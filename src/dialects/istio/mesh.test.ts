import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Caller } from '../../decide/request.ts';
import { answer, compileText, told, type TestRequest } from './fixture.ts';

const caller = (namespace: string, labels: Readonly<Record<string, string>> = {}): Caller => ({
  principal: `spiffe://cluster.local/ns/${namespace}/sa/x`,
  namespace,
  labels,
});
const entry = (name: string, namespace: string, ports = '{number: 80, name: http}'): string =>
  `apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {hosts: [${name}.${namespace}.svc.cluster.local], resolution: STATIC, ports: [${ports}], endpoints: [{address: 10.0.0.1}]}\n---\n`;
const service = (head: string, http: string, meta = 'name: v'): string =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {${meta}}\nspec: {${head}, http: [${http}]}\n---\n`;
const ok = (body: string, match = ''): string =>
  `{${match === '' ? '' : `match: [${match}], `}directResponse: {status: 200, body: {string: "${body}"}}}`;

type Request = readonly [url: string, expected: string, request?: TestRequest];
const from = (namespace: string, labels?: Readonly<Record<string, string>>): TestRequest => ({ caller: caller(namespace, labels) });

const rows: readonly { readonly name: string; readonly config: string; readonly requests: readonly Request[] }[] = [
  {
    name: 'a service without VirtualService is reached by each of its names, port by port',
    config: entry('reviews', 'default', '{number: 80, name: http}, {number: 8080, name: http-b}'),
    requests: [
      ['http://reviews.default.svc.cluster.local/', 'reviews.default.svc.cluster.local|80 /', from('default')],
      ['http://reviews.default.svc/', 'reviews.default.svc.cluster.local|80 /', from('default')],
      ['http://reviews.default/', 'reviews.default.svc.cluster.local|80 /', from('default')],
      ['http://reviews:8080/', 'reviews.default.svc.cluster.local|8080 /', from('default')],
      ['http://reviews:9/', '404', from('default')],
    ],
  },
  {
    name: 'a short name of two namespaces is the caller’s own',
    config: entry('reviews', 'a') + entry('reviews', 'b'),
    requests: [
      ['http://reviews/', 'reviews.a.svc.cluster.local|80 /', from('a')],
      ['http://reviews/', 'reviews.b.svc.cluster.local|80 /', from('b')],
      ['http://reviews/', '404', from('c')],
    ],
  },
  {
    name: 'gateways: absent means the mesh; only a gateway means not the mesh; both mean both',
    config:
      service('hosts: [one.test]', ok('one'), 'name: one') +
      service('hosts: [two.test], gateways: [g]', ok('two'), 'name: two') +
      service('hosts: [three.test], gateways: [g, mesh]', ok('three'), 'name: three'),
    requests: [
      ['http://one.test/', '200 one', from('default')],
      ['http://two.test/', '404', from('default')],
      ['http://three.test/', '200 three', from('default')],
    ],
  },
  {
    name: 'source labels and namespace of the caller',
    config: service(
      'hosts: [a.test]',
      `${ok('canary', '{sourceLabels: {app: web, v: "2"}}')}, ${ok('prod', '{sourceNamespace: prod}')}, ${ok('rest')}`,
    ),
    requests: [
      ['http://a.test/', '200 canary', from('default', { app: 'web', v: '2', x: 'y' })],
      ['http://a.test/', '200 rest', from('default', { app: 'web' })],
      ['http://a.test/', '200 prod', from('prod')],
    ],
  },
  {
    name: 'the port of a match is the port of the call',
    config: service('hosts: [a.test]', `${ok('p', '{port: 8080}')}, ${ok('rest')}`),
    requests: [
      ['http://a.test:8080/', '200 p', from('default')],
      ['http://a.test/', '200 rest', from('default')],
    ],
  },
  {
    name: 'gateways: [mesh] of a match holds in the mesh and hides its source conditions',
    config: service('hosts: [a.test], gateways: [g, mesh]', `${ok('mesh', '{gateways: [mesh], sourceNamespace: never}')}, ${ok('rest')}`),
    requests: [['http://a.test/', '200 mesh', from('default')]],
  },
  {
    name: 'a destination without a port follows the port of the call where the service has several',
    config:
      entry('reviews', 'default', '{number: 80, name: http}, {number: 8080, name: http-b}') +
      service('hosts: [reviews]', '{route: [{destination: {host: reviews}}]}'),
    requests: [
      ['http://reviews/', 'reviews.default.svc.cluster.local|80 /', from('default')],
      ['http://reviews:8080/', 'reviews.default.svc.cluster.local|8080 /', from('default')],
    ],
  },
  {
    name: 'a wildcard VirtualService takes the services it covers',
    config: entry('reviews', 'default') + service('hosts: ["*"]', ok('any')),
    requests: [
      ['http://reviews/', '200 any', from('default')],
      ['http://else.test/', '200 any', from('default')],
    ],
  },
  {
    name: 'exportTo: others reach the service itself',
    config: entry('reviews', 'prod') + service('hosts: [reviews], exportTo: [".", team]', ok('v'), 'name: v, namespace: prod'),
    requests: [
      ['http://reviews.prod/', '200 v', from('prod')],
      ['http://reviews.prod/', '200 v', from('team')],
      ['http://reviews.prod/', 'reviews.prod.svc.cluster.local|80 /', from('other')],
    ],
  },
  {
    name: 'exportTo of a service: other namespaces do not see it',
    config: entry('reviews', 'prod').replace('resolution', 'exportTo: [".", team], resolution'),
    requests: [
      ['http://reviews.prod/', 'reviews.prod.svc.cluster.local|80 /', from('prod')],
      ['http://reviews.prod/', 'reviews.prod.svc.cluster.local|80 /', from('team')],
      ['http://reviews.prod/', '404', from('other')],
    ],
  },
  {
    name: 'a host under a wildcard service keeps its own name',
    config:
      'apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: w}\nspec: {hosts: ["*.wild.test"], ports: [{number: 80, name: http}]}\n---\n' +
      service('hosts: [a.wild.test]', ok('a')),
    requests: [
      ['http://a.wild.test/', '200 a', from('default')],
      ['http://b.wild.test/', '404', from('default')],
    ],
  },
  {
    name: 'ports that surely carry no HTTP have no routes',
    config: entry('db', 'default', '{number: 3306, name: db, protocol: MySQL}, {number: 80, name: http, protocol: HTTP}'),
    requests: [
      ['http://db:3306/', '404', from('default')],
      ['http://db/', 'db.default.svc.cluster.local|80 /', from('default')],
    ],
  },
];

for (const row of rows)
  test(`istio mesh: ${row.name}`, async () => {
    const compiled = await compileText(row.config);
    for (const [url, expected, request] of row.requests)
      assert.equal(answer(compiled, url, request), expected, `${url} from ${request?.caller?.namespace ?? ''}`);
  });

test('istio mesh: the first VirtualService of a host counts and the second is told', async () => {
  const compiled = await compileText(
    service('hosts: [a.test]', ok('one'), 'name: one') + service('hosts: [a.test]', ok('two'), 'name: two'),
  );
  assert.equal(answer(compiled, 'http://a.test/', from('default')), '200 one');
  assert.deepEqual(told(compiled), ["WR0211 warning 9:16 VirtualService 'default/one' already answers for 'a.test' in the mesh"]);
});

test('istio mesh: nothing for the mesh, no mesh listener', async () => {
  const compiled = await compileText(
    'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec: {servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}\n',
  );
  assert.deepEqual(
    compiled.snapshot.listeners.map(({ name }) => name),
    ['0.0.0.0:80'],
  );
});
