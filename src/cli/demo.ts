import type { Command } from 'commander';
import { addRunOptions } from './run/options.ts';

export function register(program: Command): void {
  const command = program
    .command('demo')
    .description('run the gateway on built-in samples: services, traffic and a configuration to play with');
  addRunOptions(command).action(async (options) => {
    const { demo } = await import('./demo/demo.ts');
    await demo(options);
  });
}
