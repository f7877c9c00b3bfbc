import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { altNames, dnsNameHolds } from './alt-names.ts';

/** A certificate with these names, as openssl takes them. */
function certificate(names: string): X509Certificate {
  const pem = execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      '/dev/null',
      '-subj',
      '/CN=x',
      '-addext',
      `subjectAltName=${names}`,
    ],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  return new X509Certificate(pem);
}

describe('alternative names', () => {
  it('of every type, DNS in lower case', () => {
    const found = altNames(certificate('DNS:A.test,DNS:*.b.test,URI:spiffe://mesh/ns/a,IP:127.0.0.1,IP:::1,email:a@b.test'));
    assert.deepEqual(found, {
      dns: ['a.test', '*.b.test'],
      uri: ['spiffe://mesh/ns/a'],
      ip: ['127.0.0.1', '0:0:0:0:0:0:0:1'],
      email: ['a@b.test'],
    });
  });

  it('a name that looks like several is one (CVE-2021-44532)', () => {
    const found = altNames({ subjectAltName: 'URI:"http://x/\\u002c DNS:good.test", DNS:"a, URI:http://y", DNS:b.test, IP Address:"1"' });
    assert.deepEqual(found, { dns: ['a, uri:http://y', 'b.test'], uri: ['http://x/, DNS:good.test'], ip: ['1'], email: [] });
  });

  it('what cannot be read is left out', () => {
    assert.deepEqual(altNames({ subjectAltName: 'DNS:a.test, DNS:"b' }).dns, ['a.test']);
    assert.deepEqual(altNames({ subjectAltName: 'DNS:"\\x", DNS:b.test' }).dns, ['b.test']);
    assert.deepEqual(altNames({ subjectAltName: undefined }).dns, []);
  });

  const rows: readonly (readonly [name: string, host: string, holds: boolean])[] = [
    ['a.test', 'a.test', true],
    ['a.test', 'b.a.test', false],
    ['*.a.test', 'b.a.test', true],
    ['*.a.test', 'a.test', false],
    ['*.a.test', 'c.b.a.test', false],
    ['*.a.test', '.a.test', false],
    ['*', 'a', false],
    ['b*.a.test', 'bc.a.test', false],
  ];
  for (const [name, host, holds] of rows)
    it(`${name} ${holds ? 'holds' : 'does not hold'} for ${host}`, () => assert.equal(dnsNameHolds(name, host), holds));
});
