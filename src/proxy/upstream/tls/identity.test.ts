import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { describe, it } from 'node:test';
import { Pki } from '../../../../tests/support/pki.ts';
import { identityCheck, namesOne } from './identity.ts';

const spiffe = 'spiffe://td/ns/a/sa/b';

const rows: readonly [what: string, names: readonly string[], expected: readonly string[], holds: boolean][] = [
  ['the name', ['DNS:a.test'], ['a.test'], true],
  ['in another case', ['DNS:A.test'], ['a.TEST'], true],
  ['one of several', ['DNS:x.test', 'DNS:a.test'], ['b.test', 'a.test'], true],
  ['none', ['DNS:x.test'], ['a.test', ''], false],
  ['nothing expected', ['DNS:x.test'], [], false],
  ['an empty name', ['DNS:x.test'], [''], false],
  ['a wildcard', ['DNS:*.a.test'], ['b.a.test'], true],
  ['a wildcard for no label', ['DNS:*.a.test'], ['a.test'], false],
  ['a wildcard for two', ['DNS:*.a.test'], ['c.b.a.test'], false],
  ['a wildcard in a label', ['DNS:b*.a.test'], ['bc.a.test'], false],
  ['an expected wildcard is no pattern', ['DNS:b.a.test'], ['*.a.test'], false],
  ['an address', ['IP:10.0.0.1'], ['10.0.0.1'], true],
  ['an address as a DNS name', ['DNS:10.0.0.1'], ['10.0.0.1'], false],
  ['IPv6 in another writing', ['IP:2001:db8::1'], ['2001:0db8:0:0:0:0:0:1'], true],
  ['a URI', [`URI:${spiffe}`], [spiffe], true],
  ['a URI, longer', [`URI:${spiffe}c`], [spiffe], false],
  ['a URI, shorter', [`URI:${spiffe}`], [`${spiffe}c`], false],
  ['a URI as a DNS name', [`DNS:${spiffe}`], [spiffe], false],
  ['a DNS name as a URI', ['URI:a.test'], ['a.test'], false],
  ['a URI hidden in another', [`URI:http://x/, URI:${spiffe}`], [spiffe], false],
  ['the common name', [], ['common.test'], false],
];

describe('a name that can be in no certificate', () => {
  it('is in none, and nothing is thrown', (t) => {
    const { raw } = new X509Certificate(new Pki(t).issue({ names: ['DNS:a.test'] }).certificate);
    for (const name of ['a.te\0st', ' ', '*', '.', 'é', 'x'.repeat(10_000)])
      assert.ok(identityCheck([name])('a', { raw }) instanceof Error);
    assert.ok(identityCheck(['a.test'])('a', { raw: Buffer.from('no certificate') }) instanceof Error);
  });
});

describe('the name in a certificate', () => {
  it('is one of the expected, of its own type', (t) => {
    const pki = new Pki(t);
    const made = new Map<string, X509Certificate>();
    for (const [what, names, expected, holds] of rows) {
      const key = names.join();
      const certificate = made.get(key) ?? new X509Certificate(pki.issue({ names, commonName: 'common.test' }).certificate);
      made.set(key, certificate);
      assert.equal(namesOne(certificate, expected), holds, what);
      const error = identityCheck(expected)('whatever.test', { raw: certificate.raw });
      assert.equal(error === undefined, holds, what);
    }
  });
});
