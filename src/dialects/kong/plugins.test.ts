import assert from 'node:assert/strict';
import { test } from 'node:test';
import { codes, load } from './fixture.ts';
import { pluginNames, pluginSpec, restricts } from './plugins/index.ts';

const llm = { route_type: 'llm/v1/chat', model: { provider: 'openai', name: 'gpt' } };
const log = { host: 'logs.internal', port: 514 };

/** The least that each plugin needs. */
const smallest: Readonly<Record<string, object>> = {
  'rate-limiting': { minute: 1 },
  'response-ratelimiting': { limits: { video: { minute: 1 } } },
  oauth2: { enable_password_grant: true },
  'ldap-auth': { ldap_host: 'ldap', base_dn: 'dc=example', attribute: 'cn' },
  acl: { allow: ['staff'] },
  'ip-restriction': { allow: ['10.0.0.0/8', '::1'] },
  'standard-webhooks': { secret_v1: 'x' },
  acme: { account_email: 'a@example.com' },
  redirect: { location: 'https://example.com/' },
  'proxy-cache': { strategy: 'memory' },
  'http-log': { http_endpoint: 'http://logs.internal/' },
  'tcp-log': log,
  'udp-log': log,
  'file-log': { path: '/var/log/kong' },
  loggly: { key: 'x' },
  'azure-functions': { appname: 'a', functionname: 'f' },
  'ai-proxy': llm,
  'ai-prompt-guard': { allow_patterns: ['a'] },
  'ai-prompt-decorator': { prompts: {} },
  'ai-prompt-template': { templates: [{ name: 'a', template: 'b' }] },
  'ai-request-transformer': { prompt: 'p', llm },
  'ai-response-transformer': { prompt: 'p', llm },
};

test('all 45 open-source plugins are known', () => assert.equal(pluginNames().length, 45));

for (const name of pluginNames()) {
  test(`plugin ${name}: its smallest configuration is valid, an unknown field is not`, () => {
    const schema = pluginSpec(name)?.config();
    assert.equal(schema?.safeParse(smallest[name] ?? {}).error, undefined);
    assert.equal(schema?.safeParse({ ...smallest[name], no_such_field: 1 }).success, false);
  });
}

const wrong: readonly (readonly [name: string, config: object])[] = [
  ['rate-limiting', {}],
  ['rate-limiting', { minute: 0 }],
  ['rate-limiting', { minute: 10, hour: 5 }],
  ['rate-limiting', { minute: 1, limit_by: 'header' }],
  ['rate-limiting', { minute: 1, limit_by: 'path' }],
  ['rate-limiting', { minute: 1, policy: 'redis' }],
  ['key-auth', { key_names: [] }],
  ['key-auth', { key_names: ['a b'] }],
  ['acl', { allow: ['a'], deny: ['b'] }],
  ['acl', {}],
  ['ip-restriction', { allow: ['10.0.0.0/33'] }],
  ['ip-restriction', { allow: ['300.0.0.1'] }],
  ['jwt', { maximum_expiration: 10 }],
  ['oauth2', {}],
  ['oauth2', { enable_password_grant: true, mandatory_scope: true }],
  ['ldap-auth', { ldap_host: 'l', base_dn: 'b', attribute: 'a', ldaps: true, start_tls: true }],
  ['request-termination', { message: 'a', body: 'b' }],
  ['request-termination', { content_type: 'text/plain' }],
  ['aws-lambda', { aws_key: 'a' }],
  ['aws-lambda', { aws_region: 'a', host: 'b' }],
  ['request-transformer', { add: { headers: ['no-colon'] } }],
  ['ai-proxy', { ...llm, auth: { header_name: 'a' } }],
  ['redirect', { location: '/relative' }],
  ['proxy-cache', {}],
];
for (const [name, config] of wrong)
  test(`plugin ${name} refuses ${JSON.stringify(config)}`, () => assert.equal(pluginSpec(name)?.config().safeParse(config).success, false));

const document = (plugin: object, more = ''): string =>
  `_format_version: "3.0"\nservices: [{name: s, host: 127.0.0.1, routes: [{name: r, paths: [/], plugins: [${JSON.stringify(plugin)}]}]}]\n${more}`;

/** True when no request gets through to the service without a filter or an answer of the gateway in its way. */
function guarded(text: string): boolean {
  const route = load(text).fragment.routes.find((one) => one.name === 'r');
  return (
    route === undefined ||
    route.action.kind !== 'forward' ||
    route.filters.some((one) => one.consumer === undefined && one.name !== 'header-modifier')
  );
}

for (const name of [...pluginNames(), 'no-such-plugin', 'openid-connect']) {
  if (!restricts(name)) continue;
  test(`plugin ${name} never leaves its route open`, () => {
    assert.equal(guarded(document({ name, config: smallest[name] ?? {} })), true);
    assert.equal(guarded(document({ name, config: { no_such_field: 1 } })), true, 'with a broken configuration');
    assert.equal(guarded(document({ name, config: 'text' })), true, 'with a configuration that is no object');
    assert.equal(guarded(document({ name, enabled: 'no', config: smallest[name] ?? {} })), true, 'with a broken switch');
    assert.equal(guarded(document({ name, config: smallest[name] ?? {}, unknown: 1 })), true, 'with an unknown field');
    assert.equal(guarded(document({ name, config: { a: '{vault://env/weir-no-such-variable}' } })), true, 'without its secret');
    assert.equal(guarded(document({ name, enabled: false, config: smallest[name] ?? {} })), false, 'and opens it when it is disabled');
  });
}

for (const [name, text] of [
  ['plugins that are no list', '_format_version: "3.0"\nplugins: {name: key-auth}\nservices: [{host: h, routes: [{name: r, paths: [/]}]}]'],
  ['a plugin that is a word', '_format_version: "3.0"\nplugins: [key-auth]\nservices: [{host: h, routes: [{name: r, paths: [/]}]}]'],
  ['a mistyped collection', '_format_version: "3.0"\nplugin: [{name: key-auth}]\nservices: [{host: h, routes: [{name: r, paths: [/]}]}]'],
  [
    'authentication for one consumer',
    '_format_version: "3.0"\nplugins: [{name: key-auth, consumer: c}]\nconsumers: [{username: c}]\nservices: [{host: h, routes: [{name: r, paths: [/]}]}]',
  ],
  ['a plugin without a name', '_format_version: "3.0"\nplugins: [{config: {}}]\nservices: [{host: h, routes: [{name: r, paths: [/]}]}]'],
  [
    'a filter chain',
    '_format_version: "3.0"\nfilter_chains: [{route: r, filters: [{name: guard}]}]\nservices: [{host: h, routes: [{name: r, paths: [/]}]}]',
  ],
] as const)
  test(`${name}: the scope is closed`, () => assert.equal(guarded(text), true));

const effects: readonly { readonly name: string; readonly plugin: object; readonly codes: readonly string[]; readonly more?: string }[] = [
  { name: 'runs: key-auth', plugin: { name: 'key-auth' }, codes: [] },
  { name: 'runs: rate-limiting', plugin: { name: 'rate-limiting', config: { minute: 1 } }, codes: [] },
  { name: 'runs: request-termination', plugin: { name: 'request-termination' }, codes: [] },
  { name: 'runs: redirect', plugin: { name: 'redirect', config: smallest.redirect }, codes: [] },
  { name: 'runs: transformer that removes', plugin: { name: 'request-transformer', config: { remove: { headers: ['x'] } } }, codes: [] },
  {
    name: 'pending: transformer that adds only where absent',
    plugin: { name: 'request-transformer', config: { add: { headers: ['x:y'] } } },
    codes: ['WR0108'],
  },
  {
    name: 'pending: templates',
    plugin: { name: 'request-transformer', config: { append: { headers: ['x:$(headers.y)'] } } },
    codes: ['WR0108'],
  },
  {
    name: 'pending: framing headers',
    plugin: { name: 'request-transformer', config: { remove: { headers: ['content-length'] } } },
    codes: ['WR0108'],
  },
  { name: 'pending: order of plugins', plugin: { name: 'key-auth', ordering: { before: { access: ['cors'] } } }, codes: ['WR0108'] },
  { name: 'closed: termination on a trigger', plugin: { name: 'request-termination', config: { trigger: 'x' } }, codes: ['WR0109'] },
  {
    name: 'closed: limit with a status that is no error',
    plugin: { name: 'rate-limiting', config: { minute: 1, error_code: 200 } },
    codes: ['WR0109'],
  },
  {
    name: 'counted here: a cluster policy',
    plugin: { name: 'rate-limiting', config: { minute: 1, policy: 'cluster' } },
    codes: ['WR0409'],
  },
  {
    name: 'counted here: settings of shared counters',
    plugin: { name: 'rate-limiting', config: { minute: 1, redis: { host: 'r' }, redis_port: 1, sync_rate: 1, fault_tolerant: false } },
    codes: ['WR0108', 'WR0108', 'WR0108', 'WR0108'],
  },
  {
    name: 'closed: an anonymous consumer that does not exist',
    plugin: { name: 'key-auth', config: { anonymous: 'x' } },
    codes: ['WR0401'],
  },
  {
    name: 'runs: an anonymous consumer',
    plugin: { name: 'key-auth', config: { anonymous: 'x' } },
    codes: [],
    more: 'consumers: [{username: x}]',
  },
  { name: 'not known', plugin: { name: 'custom' }, codes: ['WR0405'] },
  { name: 'not known and disabled', plugin: { name: 'custom', enabled: false }, codes: [] },
  {
    name: 'for TCP only: nothing to do',
    plugin: { name: 'ip-restriction', protocols: ['tcp'], config: { deny: ['10.0.0.1'] } },
    codes: [],
  },
];
for (const { name, plugin, codes: expected, more } of effects)
  test(`effect: ${name}`, () => assert.deepEqual(codes(document(plugin, more)), expected));

test('a plugin for https alone runs for http too, as in Kong', () => {
  assert.equal(guarded(document({ name: 'key-auth', protocols: ['https'] })), true);
});

test('a limit counts in one place for all routes of its scope, over revisions', () => {
  const keys = (extra: string): readonly string[] => {
    const { fragment } = load(
      `_format_version: "3.0"\nplugins: [${extra}{name: rate-limiting, config: {minute: 5}}]\nroutes: [{name: a, paths: [/a]}, {name: b, paths: [/b]}]`,
    );
    return fragment.routes.map((one) => one.filters.find((filter) => filter.name === 'rate-limit')?.stateKey ?? '');
  };
  const [first, second] = keys('');
  assert.equal(first, second);
  assert.deepEqual(keys('{name: cors}, '), [first, second]);
});

test('the second plugin of one name and scope is told, the first one counts', () => {
  const { diagnostics, fragment } = load(`
_format_version: "3.0"
services: [{name: s, id: 1b2b8b1a-0a52-4d1c-8d0a-000000000001, host: h, routes: [{name: r, paths: [/]}]}]
plugins:
- {name: rate-limiting, service: s, config: {minute: 1}}
- {name: rate-limiting, service: {id: 1b2b8b1a-0a52-4d1c-8d0a-000000000001}, config: {minute: 9}}
`);
  assert.deepEqual(
    diagnostics.map((one) => one.code),
    ['WR0406'],
  );
  assert.match(JSON.stringify(fragment.routes[0]?.filters), /"requests":1,/);
});
