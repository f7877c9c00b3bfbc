/** docs/reference/hostile-input.md says what the tables of attacks say, and names tests that exist. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { headers } from './hostile/headers.ts';
import { paths } from './hostile/paths.ts';
import type { AttackClass } from './hostile/row.ts';
import { smuggling } from './hostile/smuggling.ts';

const root = new URL('../../', import.meta.url);
const file = new URL('docs/reference/hostile-input.md', root);
const sections: readonly (readonly [heading: string, classes: readonly AttackClass[]])[] = [
  ['Request smuggling', smuggling],
  ['Header injection and host confusion', headers],
  ['Path confusion', paths],
];

/** The rows of one table. */
function table(classes: readonly AttackClass[]): string {
  const rows = classes.map(({ name, sources, done, attacks }) => `| ${name} | ${done} | ${sources} | ${attacks.length} |`);
  return ['| attack | what is done | sources | tests |', '|---|---|---|---|', ...rows].join('\n');
}

await test('the page has the tables of the attacks (rewrite: UPDATE=1)', () => {
  let text = readFileSync(file, 'utf8');
  if (process.env['UPDATE'] === '1') {
    for (const [heading, classes] of sections) {
      const from = text.indexOf(`\n## ${heading}\n`);
      assert.ok(from >= 0, heading);
      const start = text.indexOf('\n| ', from) + 1;
      let end = start;
      while (text.startsWith('|', end)) end = text.indexOf('\n', end) + 1;
      text = `${text.slice(0, start)}${table(classes)}\n${text.slice(end)}`;
    }
    writeFileSync(file, text);
  }
  for (const [heading, classes] of sections) assert.ok(text.includes(table(classes)), heading);
});

await test('the tests that the page names are there', () => {
  const named = [...readFileSync(file, 'utf8').matchAll(/`((?:tests|src)\/[^`]+)`/g)].map(([, path]) => path);
  assert.ok(named.length > 5);
  for (const path of named) assert.ok(existsSync(new URL(path, root)), path);
});
