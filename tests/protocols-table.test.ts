/** docs/reference/protocols.md claims nothing that no test shows: every cell links to a test, by its name. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { home } from './support/sources.ts';

const path = join(home, 'docs/reference/protocols.md');
const text = readFileSync(path, 'utf8');
const rows = text
  .slice(text.indexOf('| protocol |'), text.indexOf('\n## '))
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| protocol'))
  .map((line) => line.slice(2, -2).split(' | '));

test('the table has all protocols and columns', () => {
  assert.ok(rows.length >= 11);
  for (const row of rows) assert.equal(row.length, 7, row[0]);
});

test('links lead to tests of that name', () => {
  const links = [...text.matchAll(/\]\(([^)\s]+) "([^"]+)"\)/g)];
  assert.ok(links.length > 40);
  for (const [, target, name] of links) {
    const file = join(dirname(path), target);
    assert.ok(existsSync(file), `${target} is not there`);
    assert.ok(readFileSync(file, 'utf8').includes(name), `${target} has no '${name}'`);
  }
});

test('a cell without a link says whose it is', () => {
  for (const [protocol, ...cells] of rows) {
    for (const cell of cells)
      assert.match(
        cell,
        /\]\(|^as |^of what is inside$|^per call, as |^one line at its end$|^its addresses are the client's$/,
        `${protocol}: ${cell}`,
      );
  }
});
