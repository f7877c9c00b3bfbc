import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deriveKey, digest, hashString, type HashKey } from './keyed-hash.ts';

const key: HashKey = { k0: 1, k1: 2, k2: 3, k3: 4 };

function hex(text: string, under: HashKey = key): string {
  hashString(text, under);
  return [...digest].map((word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
}

test('texts that differ hash differently, the same text the same', () => {
  const texts = [
    '',
    'a',
    'b',
    'ab',
    'ba',
    'a\u0000',
    '\u0000',
    '\u0000\u0000',
    'aa',
    'aaa',
    'é',
    '\ud83d\ude00',
    'x'.repeat(1000),
    'x'.repeat(1001),
  ];
  assert.equal(new Set(texts.map((text) => hex(text))).size, texts.length);
  assert.equal(hex('abc'), hex('abc'));
});

test('each lane depends on its own key, so that 128 bits are 128 bits', () => {
  const before = hex('text');
  const other = hex('text', { ...key, k2: 99 });
  assert.equal(before.slice(0, 8), other.slice(0, 8));
  assert.notEqual(before.slice(8, 16), other.slice(8, 16));
  assert.notEqual(hex('text', deriveKey(key, 'one')), hex('text', deriveKey(key, 'two')));
});

test('one changed bit changes about half of the bits', () => {
  let flipped = 0;
  for (let i = 0; i < 256; i++) {
    hashString(`subject ${String.fromCharCode(i * 2)}`, key);
    const first = [...digest];
    hashString(`subject ${String.fromCharCode(i * 2 + 1)}`, key);
    for (const [at, word] of first.entries()) for (let bits = word ^ digest[at]; bits !== 0; bits &= bits - 1) flipped++;
  }
  const share = flipped / (256 * 128);
  assert.ok(share > 0.48 && share < 0.52, `share of changed bits ${share}`);
});
