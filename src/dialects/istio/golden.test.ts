/** testdata/NAME.in.yaml → NAME.out.json. `UPDATE_GOLDEN=1 node --test` (or `-- --update`) writes what comes out. */
import assert from 'node:assert/strict';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { isRecord } from '../check.ts';
import { compileSources, defaultOptions } from '../compile.ts';

const folder = new URL('./testdata/', import.meta.url);
const update = process.env.UPDATE_GOLDEN === '1' || process.argv.includes('--update');
const names = readdirSync(folder)
  .filter((name) => name.endsWith('.in.yaml'))
  .map((name) => name.slice(0, -'.in.yaml'.length));

/** Constants of every listener say nothing; an origin is told in one line, a certificate in a word. */
function terse(key: string, value: unknown): unknown {
  if (key === 'canonicalisation' || key === 'limits' || (key === 'status' && Array.isArray(value))) return undefined;
  if (typeof value === 'string' && value.startsWith('-----BEGIN')) return '(PEM)';
  if (key === 'origin' && isRecord(value))
    return `${String(value.kind)} ${String(value.namespace)}/${String(value.name)} ${String(value.line)}:${String(value.column)}`;
  return value;
}

test('istio golden pairs are there', () => assert.ok(names.length >= 5));

for (const name of names)
  test(`istio golden: ${name}`, async () => {
    const text = readFileSync(new URL(`${name}.in.yaml`, folder), 'utf8');
    const { snapshot, diagnostics } = await compileSources(
      [{ file: `${name}.in.yaml`, text }],
      { ...defaultOptions, bind: '0.0.0.0' },
      null,
    );
    const told = diagnostics.map(
      ({ code, severity, line, column, message, hint }) =>
        `${code} ${severity} ${line}:${column} ${message}${hint === undefined ? '' : ` | ${hint}`}`,
    );
    const actual = `${JSON.stringify({ diagnostics: told, ...snapshot }, terse, 2)}\n`;
    const file = new URL(`${name}.out.json`, folder);
    if (update) writeFileSync(file, actual);
    assert.equal(actual, readFileSync(file, 'utf8'));
  });
