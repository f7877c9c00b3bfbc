import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pem } from '../../../tests/support/pem.ts';
import type { Secret } from '../../model/tls.ts';
import { compileSources, defaultOptions } from '../../dialects/compile.ts';
import { certificatesOf } from './certs.ts';

const origin: Secret['origin'] = { dialect: 'istio', kind: 'Gateway', namespace: 'ns', name: 'g', file: 'a.yaml', line: 1, column: 1 };
const secrets: readonly Secret[] = [
  { name: 'kubernetes/Secret/ns/web', certificate: pem('server.crt') + pem('ca.crt'), privateKey: pem('server.key'), ca: null, origin },
  { name: 'file/ca=ca.crt', certificate: null, privateKey: null, ca: pem('ca.crt'), files: { ca: 'ca.crt' }, origin },
  { name: 'broken', certificate: 'x', privateKey: pem('other.key'), ca: null, origin },
];

test('/certs tells of chains and authorities, and of keys nothing', async () => {
  const { snapshot } = await compileSources([], defaultOptions, null);
  const answer = certificatesOf({ ...snapshot, secrets }, Date.parse('2027-01-01T00:00:00Z'));
  const [web, file, broken] = answer.certificates;
  assert.deepEqual(
    web.cert_chain.map(({ path, subject }) => [path, subject]),
    [
      ['kubernetes/Secret/ns/web', 'CN=example.com'],
      ['kubernetes/Secret/ns/web', web.cert_chain[1].subject],
    ],
  );
  assert.deepEqual(web.cert_chain[0].subject_alt_names, [{ dns: 'example.com' }, { dns: '*.example.com' }]);
  assert.match(web.cert_chain[0].serial_number, /^[0-9a-f]+$/);
  assert.equal(
    Math.floor((Date.parse(web.cert_chain[0].expiration_time) - Date.parse('2027-01-01T00:00:00Z')) / 86_400_000),
    Number(web.cert_chain[0].days_until_expiration),
  );
  assert.deepEqual(web.ca_cert, []);
  assert.deepEqual([file.ca_cert.length, file.ca_cert[0].path, file.cert_chain.length], [1, 'ca.crt', 0]);
  assert.deepEqual(broken, { ca_cert: [], cert_chain: [] });
  const text = JSON.stringify(answer);
  for (const { privateKey } of secrets)
    for (const line of privateKey?.split('\n').slice(1, -2) ?? []) assert.ok(!text.includes(line.slice(0, 16)));
});

test('a certificate past its end has no days left', async () => {
  const { snapshot } = await compileSources([], defaultOptions, null);
  const { certificates } = certificatesOf({ ...snapshot, secrets }, Date.parse('2300-01-01T00:00:00Z'));
  assert.equal(certificates[0].cert_chain[0].days_until_expiration, '0');
  assert.deepEqual(certificatesOf(null, 0), { certificates: [] });
});
