import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SharedSeed } from '../../../base/shared-seed.ts';
import { defaultServerTls, type Secret } from '../../../model/tls.ts';
import { rfc2253 } from './client-certificate.ts';
import { readMaterial } from './context.ts';
import { sessionIdOf } from './session-id.ts';
import { TicketKeys } from './tickets.ts';
import { Terminators } from './terminators.ts';

describe('ticket keys', () => {
  const seed = new SharedSeed();
  const [one, other] = [new TicketKeys(seed), new TicketKeys(new SharedSeed(seed.memory))];
  it('are the same at every worker and differ for every purpose', () => {
    assert.equal(one.key('a').length, 48);
    assert.deepEqual(one.key('a'), other.key('a'));
    assert.notDeepEqual(one.key('a'), one.key('b'));
  });
  it('are others once the seed was replaced', () => {
    const before = one.key('a');
    assert.equal(one.refresh(), false);
    seed.rotate();
    assert.equal(one.refresh(), true);
    assert.notDeepEqual(one.key('a'), before);
    assert.deepEqual(one.key('a'), new TicketKeys(seed).key('a'));
  });
});

describe('session ids', () => {
  const rows: readonly (readonly [name: string, hex: string | null, want: string])[] = [
    ['short lengths', '300f020101020203030402c02f0403aabbcc', 'aabbcc'],
    ['a long length', `308185020101020203030402c02f0478${'11'.repeat(0x78)}`, '11'.repeat(0x78)],
    ['empty', '300c020101020203030402c02f0400', ''],
    ['none', null, ''],
    ['no sequence', '0401ff', ''],
    ['cut short', '300f0201', ''],
    ['another shape', '300f020101020203030402c02f0203aabbcc', ''],
  ];
  for (const [name, hex, want] of rows) it(name, () => assert.equal(sessionIdOf(hex === null ? undefined : Buffer.from(hex, 'hex')), want));
});

it('distinguished names as RFC 2253 writes them', () => {
  assert.equal(rfc2253('C=DE\nO=Weir\nCN=a\\,b'), 'CN=a\\,b,O=Weir,C=DE');
});

describe('terminators', () => {
  const origin = { dialect: 'weir' as const, kind: 'Secret', namespace: null, name: 'x', file: 'x', line: 1, column: 1 };
  const secrets = new Map<string, Secret>([['bad', { name: 'bad', certificate: 'x', privateKey: 'x', ca: null, origin }]]);
  const read = (name: string): Secret | null => secrets.get(name) ?? null;
  const tls = { ...defaultServerTls, certificates: ['bad', 'missing'], alpn: [] };
  it('a chain without a usable certificate says so', () => {
    assert.equal(readMaterial(tls, read), 'the listener has no usable certificate');
    assert.equal(new Terminators(new TicketKeys(new SharedSeed())).of(read)(tls), 'the listener has no usable certificate');
  });
});
