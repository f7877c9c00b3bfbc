import type { Command } from 'commander';
import { addRunOptions } from './run/options.ts';
import { fileOption } from './shared.ts';

export function register(program: Command): void {
  const command = program
    .command('run')
    .description('run the gateway on configuration files and apply their changes as they happen')
    .addOption(fileOption());
  addRunOptions(command).action(async (options) => {
    const { run } = await import('./run/process.ts');
    await run(options);
  });
}
