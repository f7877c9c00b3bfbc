import { existsSync, globSync } from 'node:fs';
import { Command, type Option } from 'commander';
import { generated, table, type Page } from './page.ts';

/** docs/reference/cli.md, from the commands as they register themselves. */
export async function cliPages(): Promise<readonly Page[]> {
  const program = new Command('weir');
  for (const file of globSync('src/cli/*.ts').sort()) {
    if (file.endsWith('.test.ts') || file.endsWith('main.ts')) continue;
    const module: unknown = await import(new URL(`../../${file}`, import.meta.url).href);
    const register = typeof module === 'object' && module !== null && 'register' in module ? module.register : null;
    if (typeof register === 'function') register(program);
  }
  if (!existsSync('src/cli/main.ts')) return [];
  let text = `${generated}# Commands

\`weir\` is one executable with one sub-command per job. Exit codes: 0 success · 1 findings (an invalid configuration, a failed test) · 2 usage · 3 could not
start or lost what it needs. Errors go to standard error, results to standard output. A flag wins over its variable.
`;
  for (const command of program.commands) {
    const usage = `weir ${command.name()} ${command.usage()}`.trim();
    text += `\n## weir ${command.name()}\n\n${command.description()}\n\n\`\`\`\n${usage}\n\`\`\`\n`;
    const options = command.options.filter((option) => !option.hidden);
    if (options.length > 0) {
      const rows = options.map((option) => [
        `\`${option.flags}\``,
        option.description,
        defaultText(option),
        option.envVar === undefined ? '' : `\`${option.envVar}\``,
      ]);
      text += `\n${table(['flag', 'what', 'default', 'variable'], rows)}`;
    }
  }
  return [{ path: 'docs/reference/cli.md', text }];
}

/** The default as its author words it: a value computed on this machine has no place in a page. */
function defaultText({ defaultValue, defaultValueDescription, negate }: Option): string {
  if (defaultValueDescription !== undefined) return defaultValueDescription;
  return !negate && (typeof defaultValue === 'string' || typeof defaultValue === 'number') ? `\`${defaultValue}\`` : '';
}
