import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import type { ApplyState } from './supervisor.ts';
import { Supervisor } from './supervisor.ts';

const entry = new URL('./supervisor.fixture.ts', import.meta.url);
const tables = { index: new SharedArrayBuffer(8), pool: new SharedArrayBuffer(8) };

function state(revision: number, clusters: readonly string[] = []): ApplyState {
  return {
    type: 'apply',
    revision,
    tables,
    bindings: [],
    endpoints: clusters.map((cluster) => ({ cluster, endpoints: [], failure: null })),
  };
}

function supervise(t: TestContext, count: number, mode = 'sound') {
  const deaths: string[] = [];
  let died = (): void => {};
  const death = new Promise<void>((resolve) => (died = resolve));
  const supervisor = new Supervisor({
    entry,
    count,
    workerData: (index) => ({ index, mode }),
    onMessage: () => {},
    onDeath: (index, reason) => {
      deaths.push(`${index}: ${reason}`);
      died();
    },
  });
  t.after(() => supervisor.terminate());
  return { supervisor, deaths, death };
}

test('every worker confirms a revision', async (t) => {
  const { supervisor } = supervise(t, 2);
  await supervisor.start();
  assert.equal(supervisor.readyCount, 2);
  assert.deepEqual(await supervisor.apply(state(1)), { confirmed: 2, failed: [] });
});

test('a worker that dies is replaced and gets the current state with the latest endpoints', async (t) => {
  const { supervisor, deaths, death } = supervise(t, 2);
  await supervisor.start();
  await supervisor.apply(state(1, ['a']));
  const before = supervisor.threadIds;
  supervisor.endpoints([{ cluster: 'b', endpoints: [], failure: null }]);
  supervisor.endpoints([{ cluster: 'die', endpoints: [], failure: null }]);
  await death;
  assert.match(deaths[0], /^0: Error: planted/);
  // A new revision needs both, so this waits for the replacement.
  assert.equal((await supervisor.apply(state(2, ['a', 'b']))).confirmed, 2);
  assert.notEqual(supervisor.threadIds[0], before[0]);
  assert.equal(supervisor.threadIds[1], before[1]);
  const names = (await supervisor.describe()).map((clusters) => clusters.map(({ name }) => name));
  assert.deepEqual(names, [
    ['a', 'b'],
    ['a', 'b'],
  ]);
});

test('workers that cannot start end the start with the reason', async (t) => {
  const { supervisor } = supervise(t, 1, 'broken');
  await assert.rejects(supervisor.start(), /data worker 0 does not start: Error: cannot start/);
});

test('drain waits for every worker and starts no replacement', async (t) => {
  const { supervisor, deaths } = supervise(t, 2);
  await supervisor.start();
  await supervisor.apply(state(1));
  await supervisor.drain(1000);
  await supervisor.terminate();
  assert.deepEqual(deaths, []);
  assert.equal(supervisor.readyCount, 0);
});
