import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compilationFailed, listenerFailed, workerDied } from './problems.ts';

test('problems of the running process have a code, a message of one line and a hint', () => {
  for (const [code, found] of [
    ['WR0705', listenerFailed(1, ':::80', 'EADDRINUSE')],
    ['WR0706', workerDied(0, 'Error: planted\n    at x.ts:1')],
    ['WR0707', compilationFailed('TypeError: x\n    at y.ts:2')],
  ] as const) {
    assert.equal(found.code, code);
    assert.ok(!found.message.includes('\n') && found.message.length > 20);
    assert.ok((found.hint ?? '').length > 20);
  }
});
