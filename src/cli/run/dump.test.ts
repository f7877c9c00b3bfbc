import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pem, tlsSecret } from '../../../tests/support/pem.ts';
import { compileSources, defaultOptions } from '../../dialects/compile.ts';
import { configDump, routeLines } from './dump.ts';

const text = `_format_version: "3.0"
services:
- {name: s, host: 10.0.0.1, port: 80, routes: [{name: r, hosts: [a.test], paths: [/p], methods: [GET], headers: {x: ["1"]}, plugins: [{name: key-auth}]}]}
consumers:
- {username: ada, keyauth_credentials: [{key: s3cret}]}
`;
/** SHA-256 of the key above. */
const hash = '1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0';

test('the dump shows consumers, and of their keys neither text nor hash', async () => {
  const compiled = await compileSources([{ file: 'k.yaml', text }], defaultOptions, null);
  assert.ok(JSON.stringify(compiled.snapshot).includes('"sha256"'));
  const dump = configDump(compiled);
  assert.ok(dump.includes('"username": "ada"'));
  for (const secret of ['s3cret', hash, 'sha256']) assert.ok(!dump.includes(secret), secret);
  assert.deepEqual(JSON.parse(configDump(null)), { configs: [] });
});

test('routes are listed as people write them, up to a limit', async () => {
  const compiled = await compileSources([{ file: 'k.yaml', text }], defaultOptions, null);
  const [line] = routeLines(compiled, 10);
  assert.deepEqual([line.name, line.hosts, line.match, line.action], ['r', 'a.test', 'GET /p* x: 1', '10.0.0.1:80']);
  assert.deepEqual(routeLines(compiled, 0), []);
});

test('routes of layer 4 are listed with the others', async () => {
  const forward = 'forward: {destinations: [{host: 10.0.0.1, port: 5, weight: 3}, {host: 10.0.0.2, port: 5}]}';
  const listener = (name: string, spec: string): string =>
    `apiVersion: weir.dev/v1\nkind: Listener\nmetadata: {name: ${name}}\nspec: {${spec}, ${forward}}\n---\n`;
  const documents = [
    listener('db', 'port: 5, protocol: TCP'),
    listener('web', 'port: 6, protocol: TLS, tls: {mode: Passthrough}, hostnames: [a.test]'),
    listener('dns', 'port: 5, protocol: UDP'),
  ];
  const compiled = await compileSources([{ file: 'l.yaml', text: documents.join('') }], defaultOptions, null);
  const to = '10.0.0.1:5 (3), 10.0.0.2:5 (1)';
  assert.deepEqual(
    routeLines(compiled, 10).map(({ name, hosts, match, action }) => [name, hosts, match, action]),
    [
      ['db', '', 'bytes', to],
      ['web', 'a.test', 'TLS, passed through', to],
      ['dns', '', 'bytes', to],
    ],
  );
  assert.equal(routeLines(compiled, 1).length, 1);
});

test('the dump shows certificates and no key of theirs', async () => {
  const gateway =
    'apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\nspec: {servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ["*"], tls: {mode: SIMPLE, credentialName: web}}]}\n';
  const compiled = await compileSources([{ file: 'g.yaml', text: gateway + tlsSecret('default', 'web', 'server') }], defaultOptions, null);
  const dump = configDump(compiled);
  assert.ok(dump.includes(JSON.stringify(pem('server.crt'))) && dump.includes('"privateKey": "[redacted]"'));
  for (const line of pem('server.key').split('\n').slice(1, -2)) assert.ok(!dump.includes(line));
});
