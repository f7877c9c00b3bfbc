import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pem } from '../../tests/support/pem.ts';
import { origin, snapshotOf } from '../../tests/support/rig.ts';
import { defaultServerTls, type Secret } from '../model/tls.ts';
import { certificateNames } from './certificates.ts';

const secret = (name: string, certificate: string | null): Secret => ({ name, certificate, privateKey: null, ca: null, origin });
const secrets = [secret('example', pem('server.crt')), secret('other', pem('other.crt')), secret('file', null), secret('broken', 'x')];

const rows: readonly {
  readonly name: string;
  readonly names: readonly string[];
  readonly certificates: readonly string[];
  readonly told: string | null;
}[] = [
  { name: 'its own names', names: ['example.com', 'a.example.com', '*.example.com'], certificates: ['example'], told: null },
  { name: 'one of several has it', names: ['other.example.org'], certificates: ['example', 'other'], told: null },
  { name: 'any name', names: [], certificates: ['example'], told: null },
  { name: 'another name', names: ['a.test', 'example.com'], certificates: ['example'], told: "'a.test'" },
  {
    name: 'a wildcard is one label',
    names: ['a.b.example.com', '*.b.example.com'],
    certificates: ['example'],
    told: "'a.b.example.com', '*.b.example.com'",
  },
  {
    name: 'many names',
    names: ['1.test', '2.test', '3.test', '4.test', '5.test'],
    certificates: ['example'],
    told: "'1.test', '2.test', '3.test' and 2 more",
  },
  { name: 'a certificate in a file is not known yet', names: ['a.test'], certificates: ['file'], told: null },
  { name: 'nor is a broken one', names: ['a.test'], certificates: ['broken'], told: null },
  { name: 'a chain that is closed', names: ['a.test'], certificates: [], told: null },
];

for (const row of rows)
  test(`WR0611: ${row.name}`, () => {
    const tls = { ...defaultServerTls, certificates: row.certificates, alpn: [] };
    const chain = { name: 'c', serverNames: row.names, sources: [], destinations: [], tls, forward: null, origin };
    const snapshot = { ...snapshotOf(443, [], [], { listener: { chains: [chain, chain] } }), secrets };
    const found = certificateNames(snapshot, 'inline');
    assert.deepEqual(
      found.map(({ code, severity }) => `${code} ${severity}`),
      row.told === null ? [] : ['WR0611 warning'],
      'once for equal chains',
    );
    if (row.told !== null) assert.ok(found[0].message.endsWith(`is for ${row.told}`), found[0].message);
  });

test('WR0611: certificates of files are looked at once they are read', () => {
  const read = { ...secret('file', pem('server.crt')), files: { certificate: 'c.pem' } };
  const tls = { ...defaultServerTls, certificates: ['file'], alpn: [] };
  const chain = { name: 'c', serverNames: ['a.test', 'example.com'], sources: [], destinations: [], tls, forward: null, origin };
  const snapshot = { ...snapshotOf(443, [], [], { listener: { chains: [chain] } }), secrets: [read] };
  assert.deepEqual(certificateNames(snapshot, 'inline'), []);
  assert.match(certificateNames(snapshot, 'files')[0].message, / is for 'a\.test'$/);
});

test("WR0611: hosts of requests to Weir's own listeners, which get 421", () => {
  const tls = { ...defaultServerTls, certificates: ['example'], alpn: [] };
  const chain = { name: 'c', serverNames: [], sources: [], destinations: [], tls, forward: null, origin };
  const of = (dialect: 'weir' | 'kong', domains: readonly string[]): readonly string[] => {
    const { listeners, ...rest } = snapshotOf(443, [], [], { listener: { dialect, chains: [chain] } });
    const hosts = listeners.map((one) => ({ ...one, virtualHosts: [{ name: 'v', domains, matches: [], filters: [], origin }] }));
    return certificateNames({ ...rest, listeners: hosts, secrets }, 'inline').map(({ message }) => message);
  };
  assert.equal(of('weir', ['a.test', 'example.com', '*', 'b.*']).length, 1);
  assert.deepEqual(of('weir', ['*', 'a.example.com']), []);
  assert.deepEqual(of('kong', ['a.test']), []);
});
