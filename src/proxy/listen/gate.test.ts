import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { it } from 'node:test';
import type { LiveConnection } from './client.ts';
import { Gate, gateBytes } from './gate.ts';
import { MemoryWatch } from './memory-watch.ts';

const connection = (): LiveConnection => ({ isIdle: true, close: () => undefined });

it('counts the connections of all workers, each once, and forgets those of a worker that is replaced', () => {
  const memory = new SharedArrayBuffer(gateBytes(3));
  const [first, second] = [new Gate(0, 3, memory), new Gate(1, 3, memory)];
  const [a, b] = [first.connections('a'), second.connections('a')];
  const one = connection();
  a.add(one).add(one).add(connection());
  b.add(connection());
  assert.equal(first.total, 3);
  assert.equal(a.delete(one), true);
  assert.equal(a.delete(one), false);
  assert.equal(second.total, 2);
  const replacement = new Gate(0, 3, memory);
  assert.equal(replacement.total, 1);
});

it('memory is tight from its bound on until it is clearly below', () => {
  let rssBytes = 100;
  let heapBytes = 0;
  const watch = new MemoryWatch(1000, () => ({ rssBytes, heapBytes, heapLimitBytes: 1000 }));
  let now = 0;
  const isTight = (rss: number, heap = 0): boolean => {
    rssBytes = rss;
    heapBytes = heap;
    watch.look((now += 1000));
    return watch.isTight;
  };
  assert.deepEqual(
    [999, 1000, 960, 951, 949, 999, 1001].map((rss) => isTight(rss)),
    [false, true, true, true, false, false, true],
  );
  assert.equal(isTight(0), false);
  assert.deepEqual([isTight(0, 899), isTight(0, 900), isTight(0, 860), isTight(0, 800)], [false, true, true, false]);
  watch.look(now + 1);
  rssBytes = 5000;
  watch.look(now + 2);
  assert.equal(watch.isTight, false, 'not looked at that often');
  const unknown = new MemoryWatch(1000, () => ({ rssBytes: now < 0 ? 1000 : null, heapBytes: 0, heapLimitBytes: 1 }));
  unknown.look(1);
  assert.equal(unknown.isTight, false, 'nothing is known yet');
  now = -1;
  unknown.look(1000);
  now = 1;
  unknown.look(2000);
  assert.equal(unknown.isTight, true, 'what was known last holds');
  const unbounded = new MemoryWatch(0, () => ({ rssBytes: 1e15, heapBytes: 0, heapLimitBytes: 1 }));
  unbounded.look(1);
  assert.equal(unbounded.isTight, false);
});

it('without a descriptor left, memory is looked at all the same', () => {
  const module = new URL('memory-watch.ts', import.meta.url).href;
  const script = `
    import { openSync } from 'node:fs';
    import { MemoryWatch } from '${module}';
    const watch = new MemoryWatch(1);
    try {
      for (;;) openSync('/dev/null');
    } catch (error) {
      if (error.code !== 'EMFILE') throw error;
    }
    watch.look(1);
    process.exitCode = watch.isTight ? 2 : 0;
  `;
  execFileSync('sh', ['-c', 'ulimit -n 128; exec "$0" "$@"', process.execPath, '--input-type=module-typescript', '-e', script]);
});
