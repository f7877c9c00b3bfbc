import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sendableAuthority } from './authority.ts';

const rows: readonly (readonly [named: string, sent: string])[] = [
  ['a.test', 'a.test'],
  ['A_b.test:8080', 'A_b.test:8080'],
  ['[::1]:80', '[::1]:80'],
  ['\u010daj.test', 'xn--aj-dma.test'],
  ['\u010daj.test:8080', 'xn--aj-dma.test:8080'],
  ['a.test\r\nX: y', ''],
  ['\u010da\u010aX: y', ''],
  ['\u010da\tb', ''],
  ['a b', ''],
  ['a/b', ''],
  ['user@a.test', ''],
  ['', ''],
];
for (const [named, sent] of rows) {
  test(`authority of a configuration: ${JSON.stringify(named)}`, () => {
    assert.equal(sendableAuthority(named), sent);
    assert.equal(sendableAuthority(named), sent, 'asked again');
  });
}
