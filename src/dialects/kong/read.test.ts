import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { isKongEntity } from './entity.ts';
import { codes, load } from './fixture.ts';
import { derivedId } from './identifier.ts';
import { kong } from './index.ts';
import { resolveReference, vaultsOf } from './vault.ts';

const names = (text: string): readonly string[] => load(text).resources.map(({ kind, name }) => `${kind} ${name}`);

test('each entity is a resource, nested ones too', () => {
  assert.deepEqual(
    names(`
_format_version: "3.0"
services:
- name: s
  host: h
  routes:
  - name: r
    paths: [/]
    plugins: [{name: cors}, {name: key-auth, instance_name: keys}]
  - paths: [/b]
upstreams: [{name: u, targets: [{target: "a:1"}]}]
consumers: [{username: c, acls: [{group: g}], keyauth_credentials: [{key: k}], plugins: [{name: cors}]}]
snis: [{name: a.example.com, certificate: {id: 1b2b8b1a-0a52-4d1c-8d0a-000000000001}}]
`),
    [
      'Service s',
      'Route r',
      'Plugin cors route=r',
      'Plugin keys',
      'Route services[0].routes[1]',
      'Upstream u',
      'Target u/a:1',
      'Consumer c',
      'ACL c/g',
      'KeyAuthCredential c/0',
      'Plugin cors consumer=c',
      'SNI a.example.com',
    ],
  );
});

test('a resource knows its place', () => {
  const { resources } = load('_format_version: "3.0"\nservices:\n- name: s\n  host: h\n  routes:\n  - name: r\n    paths: [/]\n');
  const route = resources.find((one) => one.kind === 'Route');
  assert.deepEqual(route?.path, ['services', 0, 'routes', 0]);
  assert.equal(route?.origin.line, 6);
  assert.equal(route?.key, 'kong/Route//r');
});

test('a plugin keeps its identity beside another with the same instance name', () => {
  const { resources } = load('_format_version: "3.0"\nplugins: [{name: cors, instance_name: same}, {name: key-auth, instance_name: same}]');
  assert.equal(new Set(resources.map((one) => one.key)).size, 2);
});

test('only plugins that restrict access close their scope', () => {
  const { resources } = load(
    '_format_version: "3.0"\nplugins: [{name: cors}, {name: key-auth}, {name: custom}, {name: jwt, enabled: false}, {name: prometheus}]',
  );
  assert.deepEqual(
    resources.map((one) => one.restricts),
    [false, true, true, false, false],
  );
});

test('keys are hashed when they are read, and other secrets are not kept', () => {
  const { resources, diagnostics, fragment } = load(`
_format_version: "3.0"
consumers:
- username: alice
  keyauth_credentials: [{key: plain-key-4711, ttl: 0}, {key: plain-key-4711}, {key: 4711}]
  basicauth_credentials: [{username: alice, password: plain-key-4711}]
  hmacauth_credentials: [{username: alice, secret: plain-key-4711}]
  jwt_secrets: [{key: iss, secret: plain-key-4711}]
  oauth2_credentials: [{name: app, client_id: x, client_secret: plain-key-4711}]
certificates: [{cert: public, key: plain-key-4711}]
`);
  const kept = JSON.stringify([resources.map(({ document: _document, ...rest }) => rest), diagnostics, fragment]);
  assert.equal(kept.includes('plain-key-4711'), false);
  assert.equal(fragment.consumers[0]?.keys[0]?.sha256, hash('sha256', 'plain-key-4711', 'hex'));
  assert.equal(fragment.consumers[0]?.keys.length, 1);
});

test('ids are UUIDs made from names', () => {
  assert.match(derivedId('Consumer', 'a'), /^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(derivedId('Consumer', 'a'), derivedId('Consumer', 'a'));
  assert.notEqual(derivedId('Consumer', 'ab', 'c'), derivedId('Consumer', 'a', 'bc'));
});

const service = 'services: [{name: s, host: h, routes: [{name: r, paths: [/]}]}]';
for (const [name, text, expected] of [
  ['a version without quotes', `_format_version: 3.0\n${service}`, ['WR0105']],
  ['an unknown version', `_format_version: "4.0"\n${service}`, ['WR0105']],
  ['an unknown collection', `_format_version: "3.0"\nconsumer_groups: []\n${service}`, ['WR0104']],
  [
    'notes of deck and Konnect',
    `_format_version: "3.0"\n_konnect: {}\n_workspace: w\n_ignore: [1]\n_comment: c\n_transform: false\n${service}`,
    [],
  ],
  ['_transform that is no boolean', `_format_version: "3.0"\n_transform: "no"\n${service}`, ['WR0105']],
  ['notes within an entity', '_format_version: "3.0"\nservices: [{host: h, _comment: c, _ignore: [a]}]', []],
  ['null fields are absent ones', '_format_version: "3.0"\nservices: [{name: s, host: h, path: null, routes: null}]', []],
  ['an empty collection', '_format_version: "3.0"\nservices:\n', []],
  ['1.1 is read', `_format_version: "1.1"\n${service}`, []],
] as const)
  test(`document: ${name}`, () => assert.deepEqual(codes(text), expected));

test('recognises documents by their header alone', () => {
  const document = (value: unknown) => ({ file: 'f', index: 0, value, locate: () => ({ line: 1, column: 1 }) });
  assert.equal(kong.recognises(document({ _format_version: 'anything' })), true);
  assert.equal(kong.recognises(document({ services: [] })), false);
  assert.equal(kong.recognises(document(['_format_version'])), false);
});

test('url is spread into its parts', () => {
  const fields = (url: string): unknown => {
    const value = load(`_format_version: "3.0"\nservices: [{name: s, url: "${url}"}]`).resources[0]?.value;
    const read = isKongEntity(value) ? value.fields : null;
    return read === null ? null : [read.protocol, read.host, read.port, read.path];
  };
  assert.deepEqual(fields('http://a.b'), ['http', 'a.b', 80, undefined]);
  assert.deepEqual(fields('https://a.b/p'), ['https', 'a.b', 443, '/p']);
  assert.deepEqual(fields('http://[::1]:8080/'), ['http', '::1', 8080, '/']);
  for (const wrong of ['a.b', 'http://', 'http://a/?q', 'http://u:p@a', 'http://a:99999', 'gopher://a'])
    assert.equal(fields(wrong), null, wrong);
});

test('vault references take secrets from the environment', () => {
  const vaults = vaultsOf({
    vaults: [{ name: 'env', prefix: 'my-env', config: { prefix: 'secure_' } }, { name: 'hcv', prefix: 'remote' }, 'text'],
  });
  const environment = { MY_VAR: 'value', SECURE_KEY: 'deep', JSON_VAR: '{"user":"u","n":1,"o":{}}' };
  const resolve = (text: string): string => {
    const found = resolveReference(text, vaults, environment);
    return found.ok ? found.value : `error: ${found.error}`;
  };
  assert.equal(resolve('{vault://env/my-var}'), 'value');
  assert.equal(resolve('{vault://my-env/key}'), 'deep');
  assert.equal(resolve('{vault://env/json-var/user}'), 'u');
  assert.equal(resolve('{vault://env/json-var/n}'), '1');
  assert.equal(resolve('{vault://env/my-var?ttl=1}'), 'value');
  for (const wrong of [
    '{vault://env/json-var/o}',
    '{vault://env/my-var/x}',
    '{vault://env/json-var/constructor}',
    '{vault://remote/x}',
    '{vault://env/}',
    '{vault://env/none}',
    '{vault://env/a/b/c}',
  ])
    assert.match(resolve(wrong), /^error: /, wrong);
});

test('a vault reference without its variable quarantines the entity, and a secret is never printed', () => {
  process.env.WEIR_TEST_KONG_SECRET = 'not a host name 4711';
  const text = (name: string): string =>
    `_format_version: "3.0"\nservices: [{name: s, host: "{vault://env/${name}}", tags: ["{vault://env/${name}}"]}]`;
  assert.deepEqual(codes(text('weir-test-kong-missing')), ['WR0403', 'WR0403']);
  const { diagnostics } = load(text('weir-test-kong-secret'));
  assert.deepEqual(
    diagnostics.map((one) => one.code),
    ['WR0105'],
  );
  assert.equal(JSON.stringify(diagnostics).includes('4711'), false);
  delete process.env.WEIR_TEST_KONG_SECRET;
});

test('the plain value of a credential from a vault is hashed too', () => {
  process.env.WEIR_TEST_KONG_KEY = 'from-the-vault';
  const { fragment } = load(
    '_format_version: "3.0"\nconsumers: [{username: a, keyauth_credentials: [{key: "{vault://env/weir-test-kong-key}"}]}]',
  );
  assert.equal(fragment.consumers[0]?.keys[0]?.sha256, hash('sha256', 'from-the-vault', 'hex'));
  delete process.env.WEIR_TEST_KONG_KEY;
});

test('reading and translating never throw, whatever stands in a document', () => {
  const key = fc.constantFrom(
    'services',
    'routes',
    'plugins',
    'consumers',
    'upstreams',
    'targets',
    'name',
    'host',
    'url',
    'paths',
    'hosts',
    'headers',
    'config',
    'service',
    'route',
    'consumer',
    'id',
    'key',
    'keyauth_credentials',
    'enabled',
    'protocols',
    'expression',
    'target',
    'weight',
    'snis',
    'vaults',
    'filter_chains',
    '__proto__',
    'constructor',
  );
  const leaf = fc.oneof(
    fc.constantFrom(
      'key-auth',
      'rate-limiting',
      'a',
      '/a',
      '~/(',
      '*.a',
      '{vault://env/PATH}',
      '{vault://x}',
      'http://a',
      'http.path == "/a"',
      '',
    ),
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 6, withCrossShrink: true },
      leaf,
      fc.array(tie('tree'), { maxLength: 4 }),
      fc.dictionary(key, tie('tree'), { maxKeys: 5 }),
    ),
  }));
  fc.assert(
    fc.property(
      fc.dictionary(key, fc.array(tree, { maxLength: 3 }), { maxKeys: 4 }),
      fc.constantFrom('1.1', '2.1', '3.0'),
      (body, version) => {
        const document = { file: 'f', index: 0, value: { ...body, _format_version: version }, locate: () => ({ line: 1, column: 1 }) };
        const resources = kong.read(document);
        const { fragment } = kong.translate({ resources, options: { bind: '::', labels: null } });
        for (const entry of fragment.listeners[0]?.virtualHosts[0]?.matches ?? []) assert.ok(fragment.routes[entry.route] !== undefined);
      },
    ),
    { numRuns: 400 },
  );
});
