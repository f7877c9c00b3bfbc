import { existsSync, globSync } from 'node:fs';
import { Command } from 'commander';
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
start or lost what it needs. Errors go to standard error, results to standard output. Flags of \`run\` may also be given as \`WEIR_*\` variables
(\`--drain-timeout\` is \`WEIR_DRAIN_TIMEOUT\`).
`;
  for (const command of program.commands) {
    const usage = `weir ${command.name()} ${command.usage()}`.trim();
    text += `\n## weir ${command.name()}\n\n${command.description()}\n\n\`\`\`\n${usage}\n\`\`\`\n`;
    const options = command.options.filter((option) => !option.hidden);
    if (options.length > 0) {
      const rows = options.map((option) => [`\`${option.flags}\``, option.description, defaultText(option.defaultValue)]);
      text += `\n${table(['flag', 'what', 'default'], rows)}`;
    }
  }
  return [{ path: 'docs/reference/cli.md', text }];
}

function defaultText(value: unknown): string {
  if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}
