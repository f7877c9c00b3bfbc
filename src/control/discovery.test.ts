import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ResolvedEndpoints } from '../model/events.ts';
import { Discovery } from './discovery.ts';

function cluster(name: string, ...hosts: readonly string[]) {
  return { cluster: name, declared: true, names: hosts.map((host) => ({ host, port: 80, weight: 1 })) };
}

function addresses(resolved: readonly ResolvedEndpoints[]) {
  return resolved.map(({ cluster: name, endpoints, failure }) => [name, endpoints.map(({ address }) => address), failure]);
}

test('names become endpoints; one that fails leaves the others alone', async () => {
  const discovery = new Discovery({
    lookup: (host) =>
      host === 'bad'
        ? Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' }))
        : Promise.resolve(['10.0.0.2', '10.0.0.1', '10.0.0.1']),
    onChange: () => {},
  });
  assert.deepEqual(addresses(await discovery.update([cluster('a', 'good'), cluster('b', 'bad'), cluster('c', 'bad', 'good')])), [
    ['a', ['10.0.0.1', '10.0.0.2'], null],
    ['b', [], 'bad: ENOTFOUND'],
    ['c', ['10.0.0.1', '10.0.0.2'], null],
  ]);
  assert.deepEqual(
    discovery.diagnostics.map(({ code, message }) => [code, message]),
    [['WR0704', 'bad does not resolve (ENOTFOUND); requests to it are answered 503']],
  );
  discovery.close();
});

test('an answer that never comes does not hold the snapshot back, and arrives later on its own', async () => {
  let answer = (_: readonly string[]): void => {};
  const discovery = new Discovery({ lookup: () => new Promise((resolve) => (answer = resolve)), onChange: () => {} });
  assert.deepEqual(addresses(await discovery.update([cluster('a', 'slow')], 1)), [['a', [], 'slow: not resolved yet']]);
  answer(['10.0.0.9']);
  await new Promise(setImmediate);
  assert.deepEqual(addresses(await discovery.update([cluster('a', 'slow')], 1)), [['a', ['10.0.0.9'], null]]);
  discovery.close();
});

test('a later failure keeps the last addresses, a new answer is told once', async () => {
  const answers: (readonly string[] | Error)[] = [['10.0.0.1'], new Error('SERVFAIL'), ['10.0.0.1'], ['10.0.0.7']];
  const told: ResolvedEndpoints[][] = [];
  let tell = (): void => {};
  const news = new Promise<void>((resolve) => (tell = resolve));
  const discovery = new Discovery({
    lookup: () => {
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer ?? []);
    },
    refreshMs: 5,
    retryMs: 5,
    onChange: (changed) => {
      told.push([...changed]);
      tell();
    },
  });
  const alive = setInterval(() => {}, 1000);
  await discovery.update([cluster('a', 'host')]);
  await news;
  clearInterval(alive);
  discovery.close();
  assert.deepEqual(told.map(addresses), [[['a', ['10.0.0.7'], null]]]);
});
