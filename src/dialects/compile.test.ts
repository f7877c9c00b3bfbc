import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Diagnostic } from '../model/diagnostic.ts';
import { compileSources, defaultOptions } from './compile.ts';
import type { LastGood } from './compile.ts';

async function compile(files: Readonly<Record<string, string>>, memory: LastGood | null = null, unreadable: readonly string[] = []) {
  const sources = Object.entries(files).map(([file, text]) => ({ file, text }));
  return compileSources(sources, defaultOptions, memory, unreadable);
}

function told(diagnostics: readonly Diagnostic[], code: string): readonly string[] {
  return diagnostics.filter((diagnostic) => diagnostic.code === code).map(({ file, line, message }) => `${file}:${line} ${message}`);
}

const gateway = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: gw}
spec:
  servers:
  - port: {number: 8080, name: http, protocol: HTTP}
    hosts: ["*"]
`;
const service = (name: string, endpoints = '  - {address: 10.0.0.1}\n') => `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}}
spec:
  hosts: [${name}.test]
  resolution: STATIC
  ports: [{number: 80, name: http, protocol: HTTP}]
  endpoints:${endpoints === '' ? ' []\n' : `\n${endpoints}`}`;
const virtualService = (name: string, prefix: string, host = 'a.test', extra = '') => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec:
  hosts: ["${name}.example.com"]
  gateways: [gw]
  http:
  - match: [{uri: {prefix: ${prefix}}}]
    route: [{destination: {host: ${host}, port: {number: 80}}${extra}}]
`;
const kong = (port: number) => `_format_version: "3.0"
services:
- {name: s, host: 10.0.0.1, port: ${port}, routes: [{name: r, paths: [/k]}]}
`;

test('three dialects become one snapshot', async () => {
  const { snapshot, diagnostics } = await compile({
    'istio.yaml': `${gateway}---\n${service('a')}---\n${virtualService('vs', '/a')}`,
    'kong.yaml': kong(80),
    'gw.yaml':
      'apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec: {gatewayClassName: weir, listeners: [{name: h, port: 8081, protocol: HTTP}]}\n',
  });
  assert.deepEqual(
    snapshot.listeners.filter(({ kind }) => kind === 'gateway').map(({ port, dialect }) => [port, dialect]),
    [
      [8080, 'istio'],
      [8081, 'gateway-api'],
      [8000, 'kong'],
      [8443, 'kong'],
    ],
  );
  for (const listener of snapshot.listeners)
    for (const host of listener.virtualHosts) for (const { route } of host.matches) assert.ok(snapshot.routes[route]);
  assert.deepEqual(
    diagnostics.filter(({ severity }) => severity === 'error'),
    [],
  );
  assert.match(told(diagnostics, 'WR0607')[0], /^gw\.yaml:\d+ no route is attached/);
});

const headers: readonly { readonly name: string; readonly text: string; readonly hint: RegExp }[] = [
  {
    name: 'a kind with a slip of the pen',
    text: 'apiVersion: networking.istio.io/v1\nkind: VirtualServce\n',
    hint: /Did you mean VirtualService\?/,
  },
  { name: 'a kind of another group', text: 'apiVersion: example.com/v1\nkind: HTTPRoute\n', hint: /gateway\.networking\.k8s\.io\/v1/ },
  { name: 'no apiVersion', text: 'kind: Gateway\n', hint: /apiVersion/ },
  { name: 'no kind', text: 'apiVersion: v1\nspec: {}\n', hint: /kind: / },
  { name: "Kong's sections without a version", text: 'services: []\n', hint: /_format_version: "3.0"/ },
  { name: 'a misspelt format version', text: 'format_version: "3.0"\n', hint: /_format_version/ },
  { name: 'something else', text: 'name: chart\n', hint: /outside the -f paths/ },
  { name: 'a list', text: '- 1\n', hint: /apiVersion/ },
  { name: 'OpenAPI', text: 'openapi: 3.1.0\n', hint: /outside/ },
];
for (const { name, text, hint } of headers) {
  test(`a document of no known kind: ${name}`, async () => {
    const { diagnostics } = await compile({ 'a.yaml': text });
    const found = diagnostics.find(({ code }) => code === 'WR0103');
    assert.match(found?.hint ?? '', hint);
    assert.ok((found?.line ?? 0) > 0);
  });
}

/** Prefixes that the gateway serves. */
function paths({ snapshot }: Awaited<ReturnType<typeof compile>>): readonly string[] {
  const matches = snapshot.listeners
    .filter(({ kind }) => kind === 'gateway')
    .flatMap(({ virtualHosts }) => virtualHosts.flatMap((host) => host.matches));
  return matches.flatMap(({ match }) => (match.path?.kind === 'prefix' ? [match.path.value] : [])).sort();
}

test('a bad edit keeps the last good version of its resource alone, and a repair ends that', async () => {
  const good = await compile({
    'a.yaml': `${gateway}---\n${service('a')}---\n${virtualService('one', '/a')}---\n${virtualService('two', '/b')}`,
  });
  assert.deepEqual(paths(good), ['/a', '/b']);
  const edited = `${gateway}---\n${service('a')}---\n${virtualService('one', '/a', 'a.test', ', wieght: 3')}---\n${virtualService('two', '/changed')}`;
  const bad = await compile({ 'a.yaml': edited }, good.memory);
  assert.deepEqual(paths(bad), ['/a', '/changed']);
  assert.equal(told(bad.diagnostics, 'WR0104').length, 1);
  assert.deepEqual(
    bad.snapshot.status.filter(({ quarantined }) => quarantined).map(({ name }) => name),
    ['one'],
  );
  const fresh = await compile({ 'a.yaml': edited });
  assert.deepEqual(paths(fresh), ['/changed']);
  const repaired = await compile({ 'a.yaml': edited.replace(', wieght: 3', '') }, bad.memory);
  assert.deepEqual(
    repaired.snapshot.status.filter(({ quarantined }) => quarantined),
    [],
  );
});

test('a file that no longer parses keeps everything it held; a deleted file goes', async () => {
  const files = {
    'base.yaml': `${gateway}---\n${service('a')}`,
    'one.yaml': virtualService('one', '/a'),
    'two.yaml': virtualService('two', '/b'),
  };
  const good = await compile(files);
  const broken = await compile({ ...files, 'one.yaml': 'apiVersion: networking.istio.io/v1\nkind: [\n' }, good.memory);
  assert.equal(told(broken.diagnostics, 'WR0101').length, 1);
  assert.deepEqual(paths(broken), ['/a', '/b']);
  const { 'one.yaml': _, ...without } = files;
  assert.deepEqual(paths(await compile(without, broken.memory)), ['/b']);
  assert.deepEqual(paths(await compile(without, good.memory, ['one.yaml'])), ['/a', '/b']);
});

test('a policy in a text that does not parse closes its scope when nothing better is known', async () => {
  const policy =
    'apiVersion: weir.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  targetRefs: [{kind: VirtualService, name: one}]\n  filters:\n  - keyAuth: {}\n    keyAuth: {}\n';
  const { snapshot, diagnostics } = await compile({
    'a.yaml': `${gateway}---\n${service('a')}---\n${virtualService('one', '/a')}`,
    'p.yaml': policy,
  });
  assert.equal(told(diagnostics, 'WR0101').length, 1);
  const [route] = snapshot.routes;
  const closed =
    route.action.kind === 'blocked' ||
    [
      ...route.filters,
      ...snapshot.listeners.flatMap(({ filters, virtualHosts }) => [...filters, ...virtualHosts.flatMap((host) => host.filters)]),
    ].some(({ blocked }) => blocked !== undefined);
  assert.ok(closed, 'the route stays closed');
});

test('duplicates, shadows, hosts and endpoints are found across files', async () => {
  const { diagnostics } = await compile({
    'a.yaml': `${gateway}---\n${virtualService('one', '/a', 'nowhere')}---\n${service('empty', '')}---\n${virtualService('two', '/b', 'empty.test')}`,
    'b.yaml': virtualService('one', '/other'),
  });
  assert.match(told(diagnostics, 'WR0107')[0], /^b\.yaml:1 .*a\.yaml:\d+/);
  assert.match(told(diagnostics, 'WR0604')[0], /the host nowhere/);
  const domain = await compile({ 'a.yaml': `${gateway}---\n${virtualService('one', '/a', 'api.example.org')}` });
  const severities = [diagnostics, domain.diagnostics].map((list) => list.find(({ code }) => code === 'WR0604')?.severity);
  assert.deepEqual(severities, ['warning', 'info']);
  assert.match(told(diagnostics, 'WR0606')[0], /empty\.test/);
});

const mistyped: readonly { readonly name: string; readonly text: string; readonly code: string; readonly hint: RegExp }[] = [
  {
    name: 'a host of a ServiceEntry',
    text: `${gateway}---\n${service('shop')}---\n${virtualService('one', '/a', 'shpo.test')}`,
    code: 'WR0604',
    hint: /^did you mean 'shop\.test'\? If it is one of yours/,
  },
  {
    name: 'a host like none that is there',
    text: `${gateway}---\n${service('shop')}---\n${virtualService('one', '/a', 'elsewhere.example')}`,
    code: 'WR0604',
    hint: /^If it is one of yours/,
  },
  {
    name: 'a Service of Gateway API',
    text: 'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {parentRefs: [{name: g}], rules: [{backendRefs: [{name: shp, port: 80}]}]}\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec: {gatewayClassName: weir, listeners: [{name: h, port: 8081, protocol: HTTP}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: shop}\nspec: {ports: [{port: 80}]}\n',
    code: 'WR0305',
    hint: /^did you mean 'shop'\? Or add the Service document/,
  },
];
for (const { name, text, code, hint } of mistyped)
  test(`what a mistyped name may stand for: ${name}`, async () => {
    const { diagnostics } = await compile({ 'a.yaml': text });
    const found = diagnostics.find((one) => one.code === code);
    assert.match(found?.hint ?? '', hint);
    assert.equal(found?.severity, hint.source.startsWith('^did') ? 'warning' : 'info');
  });

test('configuration that serves nothing says so', async () => {
  assert.equal((await compile({})).diagnostics[0].code, 'WR0608');
  const { diagnostics } = await compile({
    'a.yaml': virtualService('one', '/a').replace('[gw]', '[]').replace('gateways: []', 'gateways: [none]'),
  });
  assert.equal(told(diagnostics, 'WR0605').length, 1);
  const routes = await compile({
    'r.yaml': 'apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {rules: [{}]}\n',
  });
  assert.equal(told(routes.diagnostics, 'WR0605').length, 1);
});

test('a listener whose route is closed is not told that it has none', async () => {
  const listener = (spec: string): string => `apiVersion: weir.dev/v1\nkind: Listener\nmetadata: {name: a}\nspec: {${spec}}\n`;
  const bytes = listener('port: 8085, protocol: TCP, forward: {destinations: [{host: 127.0.0.1, port: 1}]}');
  const policy = 'apiVersion: weir.dev/v1\nkind: Policy\nmetadata: {name: p}\nspec: {targetRefs: 7}\n';
  const { diagnostics, snapshot } = await compile({ 'a.yaml': `${bytes}---\n${policy}` });
  assert.ok(snapshot.listeners[0].chains?.[0].forward?.blocked !== undefined, 'the Policy closes it');
  assert.deepEqual(told(diagnostics, 'WR0607'), []);
  const http = await compile({ 'a.yaml': listener('port: 8085, protocol: HTTP') });
  assert.match(
    http.diagnostics.find(({ code }) => code === 'WR0607')?.hint ?? '',
    /^Listener a serves the routes of Kong documents, .*routesFrom/,
  );
});

test('a listener whose only route is broken is not told to get another one', async () => {
  const hint = async (text: string): Promise<string> => {
    const { diagnostics } = await compile({ 'a.yaml': text });
    return diagnostics.find(({ code }) => code === 'WR0607')?.hint ?? '';
  };
  const route = virtualService('vs', '/a').replace('match:', 'mach:');
  assert.match(await hint(`${gateway}---\n${service('a')}---\n${route}`), /^Mend the errors first/);
  assert.match(await hint(`${gateway}---\n${service('a')}`), /^Add a VirtualService/);
});

test('weights that are all 0 are told', async () => {
  const { diagnostics } = await compile({
    'a.yaml':
      'apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec: {gatewayClassName: weir, listeners: [{name: h, port: 8081, protocol: HTTP}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {ports: [{port: 80}]}\n---\napiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r}\nspec: {parentRefs: [{name: g}], rules: [{backendRefs: [{name: s, port: 80, weight: 0}]}]}\n',
  });
  assert.equal(told(diagnostics, 'WR0610').length, 1);
});

test("a listener on Kong's port takes it", async () => {
  const { diagnostics, snapshot } = await compile({ 'a.yaml': gateway.replace('8080', '8000'), 'k.yaml': kong(80) });
  assert.deepEqual(
    snapshot.listeners.map(({ port, dialect }) => [port, dialect]),
    [
      [8000, 'istio'],
      [8443, 'kong'],
    ],
  );
  assert.equal(told(diagnostics, 'WR0602').length, 1);
});

test('hundreds of findings of one kind are summed up', async () => {
  const services = Array.from({ length: 250 }, (_, i) => virtualService(`v${i}`, '/a', `h${i}.test`)).join('---\n');
  const { diagnostics } = await compile({ 'a.yaml': `${gateway}---\n${services}` });
  assert.equal(told(diagnostics, 'WR0604').length, 200);
  assert.match(told(diagnostics, 'WR0609')[0], /50 more findings of WR0604/);
});
