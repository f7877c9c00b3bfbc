import assert from 'node:assert/strict';
import { test } from 'node:test';
import { diagnose } from '../analysis/messages.ts';
import type { Resource } from './dialect.ts';
import type { LastGood, ReadPass } from './quarantine.ts';
import { markQuarantined, quarantine } from './quarantine.ts';

function resource(name: string, value: string, file = 'a.yaml', broken = false): Resource {
  const origin = { dialect: 'istio', kind: 'VirtualService', namespace: 'default', name, file, line: 1, column: 1 } as const;
  const ref = { kind: 'VirtualService', namespace: 'default', name };
  return {
    ...ref,
    dialect: 'istio',
    key: `istio/VirtualService/default/${name}`,
    origin,
    value,
    document: { file, index: 0, value, locate: () => ({ line: 1, column: 1 }) },
    path: [],
    diagnostics: broken ? [diagnose('WR0104', origin, ref, `no field ${value}`)] : [],
    broken,
    restricts: false,
  };
}

function pass(resources: readonly Resource[], damaged: readonly string[] = [], unreadable: readonly string[] = []): ReadPass {
  return { resources, damagedFiles: new Set(damaged), unreadable };
}

/** `name=value`, `~` stale, `!` broken. */
function told(resources: readonly Resource[]): readonly string[] {
  return resources.map(({ name, value, stale, broken }) => `${name}=${String(value)}${stale === true ? '~' : ''}${broken ? '!' : ''}`);
}

const before: LastGood = quarantine(pass([resource('a', '1'), resource('b', '1'), resource('c', '1', 'dir/c.yaml')]), null).memory;

const rows: readonly { readonly name: string; readonly pass: ReadPass; readonly expect: readonly string[] }[] = [
  { name: 'a changed resource replaces the old one', pass: pass([resource('a', '2'), resource('b', '1')]), expect: ['a=2', 'b=1'] },
  { name: 'a deleted resource goes', pass: pass([resource('a', '1')]), expect: ['a=1'] },
  {
    name: 'a broken one keeps its last good version, the others change',
    pass: pass([resource('a', 'x', 'a.yaml', true), resource('b', '2')]),
    expect: ['a=1~', 'b=2'],
  },
  {
    name: 'a broken one without a last good version stays, marked',
    pass: pass([resource('new', 'x', 'a.yaml', true)]),
    expect: ['new=x!'],
  },
  { name: 'what a damaged file no longer shows stays', pass: pass([resource('a', '2')], ['a.yaml']), expect: ['a=2', 'b=1~'] },
  { name: 'what is below an unreadable directory stays', pass: pass([], [], ['dir']), expect: ['c=1~'] },
  { name: 'a path that only begins alike is another one', pass: pass([], [], ['di', 'dir/c']), expect: [] },
  {
    name: 'a resource moved to another file is no leftover of the damaged one',
    pass: pass([resource('a', '3', 'z.yaml')], ['a.yaml']),
    expect: ['a=3', 'b=1~'],
  },
];

for (const { name, pass: read, expect } of rows) {
  test(`quarantine: ${name}`, () => assert.deepEqual(told(quarantine(read, before).resources), expect));
}

test('the last good version outlives several bad edits, and a deletion after that removes it', () => {
  const bad = quarantine(pass([resource('a', 'x', 'a.yaml', true)]), before);
  const worse = quarantine(pass([], ['a.yaml']), bad.memory);
  assert.deepEqual(told(worse.resources), ['a=1~']);
  const good = quarantine(pass([resource('a', '5')]), worse.memory);
  assert.deepEqual(told(good.resources), ['a=5']);
  assert.deepEqual(told(quarantine(pass([]), good.memory).resources), []);
});

test('of two resources with one identity the first counts and WR0107 names both', () => {
  const { resources, diagnostics } = quarantine(pass([resource('a', '1', 'a.yaml'), resource('a', '2', 'b.yaml')]), null);
  assert.deepEqual(told(resources), ['a=1']);
  assert.equal(diagnostics[0].code, 'WR0107');
  assert.equal(diagnostics[0].file, 'b.yaml');
  assert.match(diagnostics[0].message, /a\.yaml:1/);
});

test('status says what is quarantined, also where the dialect had nothing to say', () => {
  const broken = resource('new', 'x', 'a.yaml', true);
  const { resources } = quarantine(pass([resource('a', 'x', 'a.yaml', true), broken]), before);
  const known = {
    kind: 'VirtualService',
    namespace: 'default',
    name: 'a',
    origin: broken.origin,
    quarantined: false,
    conditions: [],
    listeners: [],
    parents: [],
  };
  const status = markQuarantined([known], resources, broken.diagnostics);
  assert.deepEqual(
    status.map(({ name, quarantined, conditions }) => [name, quarantined, conditions.map(({ message }) => message)]),
    [
      ['a', true, []],
      ['new', true, ['no field x']],
    ],
  );
});
