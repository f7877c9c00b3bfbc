import assert from 'node:assert/strict';
import { it } from 'node:test';
import { SharedSeed } from './shared-seed.ts';

it('all threads read one seed; the one before is gone for good', () => {
  const owner = new SharedSeed();
  const reader = new SharedSeed(owner.memory);
  const first = reader.read();
  assert.deepEqual(first, owner.read());
  assert.notDeepEqual(first, new Uint8Array(32));
  const { epoch } = reader;
  owner.rotate();
  assert.notEqual(reader.epoch, epoch);
  assert.notDeepEqual(reader.read(), first);
  assert.deepEqual(reader.read(), owner.read());
});

it('nothing is read while the seed is being replaced', () => {
  const seed = new SharedSeed();
  Atomics.add(new Int32Array(seed.memory, 0, 1), 0, 1);
  assert.equal(seed.read(), null);
});
