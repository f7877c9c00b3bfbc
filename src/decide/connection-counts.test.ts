import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { createTableMemory } from '../base/shared-table.ts';
import { ConnectionCounts } from './connection-counts.ts';

describe('ConnectionCounts', () => {
  it('keeps one limit over several workers, exactly', () => {
    const memory = createTableMemory(1024);
    const workers = [0, 1, 2].map((index) => new ConnectionCounts(memory, index));
    let admitted = 0;
    for (let i = 0; i < 30; i++) if (workers[i % 3].enter('route', 10, 1000)) admitted++;
    assert.equal(admitted, 10);
    workers[1].leave('route', 1000);
    assert.equal(workers[0].enter('route', 10, 1000), true);
    assert.equal(workers[2].enter('route', 10, 1000), false);
    assert.deepEqual(
      workers.map((worker) => worker.own('route')),
      [5, 2, 3],
    );
  });

  it('names are apart, and no limit is no limit', () => {
    const counts = new ConnectionCounts(createTableMemory(1024), 0);
    assert.equal(counts.enter('a', 1, 1), true);
    assert.equal(counts.enter('a', 1, 1), false);
    assert.equal(counts.enter('b', 1, 1), true);
    for (let i = 0; i < 100; i++) assert.equal(counts.enter('c', 0, 1), true);
    assert.equal(counts.own('c'), 100);
  });

  it('a limit that comes later counts what was there before', () => {
    const memory = createTableMemory(1024);
    const [first, second] = [new ConnectionCounts(memory, 0), new ConnectionCounts(memory, 1)];
    assert.equal(first.enter('a', 0, 1), true);
    assert.equal(first.enter('a', 2, 1), true);
    assert.equal(second.enter('a', 2, 1), false);
  });

  it('forgets a worker that died, and keeps one that lives', () => {
    const memory = createTableMemory(1024);
    const [dead, living, asking] = [0, 1, 2].map((index) => new ConnectionCounts(memory, index));
    dead.enter('a', 2, 1000);
    living.enter('a', 2, 1000);
    assert.equal(asking.enter('a', 2, 1000), false);
    for (let now = 1000; now <= 20_000; now += 100) living.confirm(now);
    assert.equal(asking.enter('a', 2, 20_000), true);
    assert.equal(asking.enter('a', 2, 20_000), false);
  });

  it('a replacement overwrites the count of the worker that it replaces', () => {
    const memory = createTableMemory(1024);
    const dead = new ConnectionCounts(memory, 0);
    for (let i = 0; i < 3; i++) dead.enter('a', 3, 1000);
    const replacement = new ConnectionCounts(memory, 0);
    assert.equal(replacement.enter('a', 3, 1000), true);
    assert.equal(new ConnectionCounts(memory, 1).enter('a', 3, 1000), true);
  });

  it('gives its place back', () => {
    const memory = createTableMemory(32);
    const counts = new ConnectionCounts(memory, 0);
    for (let i = 0; i < 1000; i++) {
      assert.equal(counts.enter(`route ${i}`, 1, 1000), true);
      counts.leave(`route ${i}`, 1000);
    }
    assert.equal(counts.own('route 1'), 0);
  });

  it('admits nobody where its count finds no place', () => {
    const counts = new ConnectionCounts(createTableMemory(32), 0);
    for (let i = 0; i < 32; i++) assert.equal(counts.enter(`route ${i}`, 5, 1000), true);
    assert.equal(counts.enter('one too many', 5, 1000), false);
    assert.equal(counts.enter('route 3', 5, 1000), true);
  });
});
