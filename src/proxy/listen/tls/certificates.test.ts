import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { certificatesFor, certificatesHold, readCertificate, type ServerCertificate } from './certificates.ts';

function one(label: string, names: readonly string[], keyType = 'ec', addresses: readonly string[] = []): ServerCertificate {
  return { chain: label, key: '', keyType, names, addresses, uriSans: [] };
}

describe('the certificates for a name', () => {
  const all = [
    one('first', ['first.test']),
    one('wild', ['*.a.test']),
    one('exact', ['b.a.test']),
    one('rsa', ['b.a.test', 'c.a.test'], 'rsa'),
    one('first-rsa', ['other.test', 'first.test'], 'rsa'),
    one('exact-later', ['b.a.test']),
  ];
  const rows: readonly (readonly [name: string, want: readonly string[]])[] = [
    ['b.a.test', ['exact', 'rsa']],
    ['c.a.test', ['rsa']],
    ['d.a.test', ['wild']],
    ['x.d.a.test', ['first', 'first-rsa']],
    ['', ['first', 'first-rsa']],
    ['first.test', ['first', 'first-rsa']],
    ['nobody.test', ['first', 'first-rsa']],
  ];
  for (const [name, want] of rows)
    it(name === '' ? 'without SNI' : name, () =>
      assert.deepEqual(
        certificatesFor(all, name).map(({ chain }) => chain),
        want,
      ),
    );
  it('of none is none', () => assert.deepEqual(certificatesFor([], 'a.test'), []));
});

describe('whether certificates hold for a host', () => {
  const shown = [one('a', ['a.test', '*.b.test'], 'ec', ['127.0.0.1', '0:0:0:0:0:0:0:1', '2001:DB8:0:0:0:0:0:9'])];
  const rows: readonly (readonly [host: string, holds: boolean])[] = [
    ['a.test', true],
    ['x.b.test', true],
    ['b.test', false],
    ['127.0.0.1', true],
    ['127.0.0.2', false],
    ['[::1]', true],
    ['[2001:db8::9]', true],
    ['[2001:db8::8]', false],
    ['', false],
    ['[', false],
  ];
  for (const [host, holds] of rows) it(`'${host}': ${holds}`, () => assert.equal(certificatesHold(shown, host), holds));
});

it('what is no certificate is none', () => {
  const origin = { dialect: 'weir' as const, kind: 'Secret', namespace: null, name: 'x', file: 'x', line: 1, column: 1 };
  const secret = { name: 'x', ca: null, origin };
  assert.equal(readCertificate({ ...secret, certificate: null, privateKey: 'x' }), null);
  assert.equal(readCertificate({ ...secret, certificate: 'x', privateKey: null }), null);
  assert.equal(readCertificate({ ...secret, certificate: 'rubbish', privateKey: 'rubbish' }), null);
});
