import assert from 'node:assert/strict';
import { test } from 'node:test';
import { count, editDistance, nearest } from './text.ts';

test('edit distance counts replaced, added and missing characters, whatever their case', () => {
  for (const [a, b, distance] of [
    ['', '', 0],
    ['abc', 'ABC', 0],
    ['abc', 'abd', 1],
    ['gatway', 'Gateway', 1],
    ['kitten', 'sitting', 3],
    ['tiemout', 'timeout', 1],
    ['', 'abc', 3],
  ] as const) {
    assert.equal(editDistance(a, b), distance, `${a} ${b}`);
    assert.equal(editDistance(b, a), distance, `${b} ${a}`);
  }
});

test('the nearest word is one that could be meant', () => {
  const words = ['VirtualService', 'Gateway', 'HTTPRoute'];
  assert.equal(nearest('VirtualServce', words), 'VirtualService');
  assert.equal(nearest('httproute', words), 'HTTPRoute');
  assert.equal(nearest('Deployment', words), null);
  assert.equal(nearest('URI', ['uri', 'url']), 'uri');
  assert.equal(nearest('tiemout', ['timeout', 'time']), 'timeout');
  assert.equal(nearest('tls', ['tcp', 'http']), null);
  assert.equal(nearest('x'.repeat(1000), words), null);
});

test('nouns follow their number', () => {
  assert.deepEqual([count(0, 'route'), count(1, 'route'), count(2, 'entry', 'entries')], ['0 routes', '1 route', '2 entries']);
});
