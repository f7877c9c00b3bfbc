import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { readSources } from './files.ts';

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'weir-files-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('a directory is read recursively, in order, configuration files only', (t) => {
  const d = directory(t);
  mkdirSync(join(d, 'sub'));
  for (const name of ['b.yml', 'a.yaml', 'c.json', 'd.txt', '.hidden.yaml', 'sub/e.yaml', 'a.yaml~']) writeFileSync(join(d, name), name);
  const { sources, diagnostics } = readSources([d]);
  assert.deepEqual(
    sources.map(({ file }) => relative(d, file)),
    ['a.yaml', 'b.yml', 'c.json', 'sub/e.yaml'],
  );
  assert.deepEqual(diagnostics, []);
});

test('a Kubernetes mount gives each file once', (t) => {
  const d = directory(t);
  mkdirSync(join(d, '..2026_01_01'));
  writeFileSync(join(d, '..2026_01_01', 'a.yaml'), 'a');
  symlinkSync('..2026_01_01', join(d, '..data'));
  symlinkSync('..data/a.yaml', join(d, 'a.yaml'));
  assert.deepEqual(
    readSources([d, join(d, 'a.yaml')]).sources.map(({ file }) => relative(d, file)),
    ['a.yaml'],
  );
});

test('loops of links end', (t) => {
  const d = directory(t);
  mkdirSync(join(d, 'a'));
  symlinkSync('..', join(d, 'a', 'up'));
  writeFileSync(join(d, 'a', 'x.yaml'), 'x');
  assert.equal(readSources([d]).sources.length, 1);
});

test('what cannot be read is WR0102, the rest is read', (t) => {
  const d = directory(t);
  writeFileSync(join(d, 'a.yaml'), 'a');
  symlinkSync('nowhere.yaml', join(d, 'b.yaml'));
  const { sources, diagnostics, unreadable } = readSources([join(d, 'none.yaml'), d]);
  assert.equal(sources.length, 1);
  assert.deepEqual(
    diagnostics.map(({ code, file }) => [code, relative(d, file)]),
    [
      ['WR0102', 'none.yaml'],
      ['WR0102', 'b.yaml'],
    ],
  );
  assert.equal(unreadable.length, 2);
});

test('- is standard input, once', () => {
  assert.deepEqual(readSources(['-', '-'], 'text').sources, [{ file: '-', text: 'text' }]);
});
