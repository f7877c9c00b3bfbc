/** The source tree as the tidy test sees it. */
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const home: string = fileURLToPath(new URL('../..', import.meta.url));

export interface Import {
  /** Path from the root of the repository; packages and built-ins as written. */
  readonly to: string;
  /** Types only: gone when it runs. */
  readonly typeOnly: boolean;
}

export interface Source {
  /** Path from the root of the repository. */
  readonly path: string;
  readonly text: string;
  readonly lines: number;
  readonly imports: readonly Import[];
}

const statement = /^\s*(?:import|export)\s+(type\s+)?((?:[^'";]|\n)*?\sfrom\s+)?'([^']+)'/gm;
const dynamic = /\bimport\(\s*'([^']+)'\s*\)/g;

/** Every TypeScript file under the given folders. */
export function readSources(...folders: readonly string[]): readonly Source[] {
  return globSync(
    folders.map((folder) => `${folder}/**/*.ts`),
    { cwd: home },
  )
    .sort()
    .map((path) => {
      const text = readFileSync(join(home, path), 'utf8');
      return { path, text, lines: text.split('\n').length - 1, imports: importsOf(path, text) };
    });
}

/** Imports of a module, for the tidy test's rules. Exported for its own test. */
export function importsOf(path: string, text: string): readonly Import[] {
  const imports: Import[] = [];
  const add = (specifier: string, typeOnly: boolean): void => {
    const to = specifier.startsWith('.') ? relative(home, join(home, dirname(path), specifier)) : specifier;
    imports.push({ to, typeOnly });
  };
  for (const match of text.matchAll(statement)) add(match[3], match[1] !== undefined || onlyTypes(match[2]));
  for (const match of text.matchAll(dynamic)) add(match[1], false);
  return imports;
}

/** `{ type A, type B } from` */
function onlyTypes(clause: string | undefined): boolean {
  const names = clause === undefined ? null : /^\{([^}]*)\}/.exec(clause.trim());
  if (names === null) return false;
  const list = names[1]
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  return list.length > 0 && list.every((name) => name.startsWith('type '));
}
