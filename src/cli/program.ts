import { Command, CommanderError } from 'commander';
import { exitCode } from './shared.ts';
import { version } from './version.ts';

interface CommandModule {
  register(program: Command): void;
}

/** The only list of commands. Each is loaded when it is named, all of them for help. */
const commands: Readonly<Record<string, () => Promise<CommandModule>>> = {
  run: () => import('./run.ts'),
  demo: () => import('./demo.ts'),
  validate: () => import('./validate.ts'),
  explain: () => import('./explain.ts'),
  test: () => import('./test.ts'),
};

/** Parses the command line and runs its command. Sets the process's exit code; ends it only on usage errors. */
export async function runProgram(args: readonly string[]): Promise<void> {
  const program = new Command('weir')
    .description('API gateway that runs Istio, Gateway API and Kong configuration, and explains it')
    .version(version(), '-v, --version', 'print the version')
    .showHelpAfterError('(weir --help, or weir COMMAND --help, lists what there is)')
    .exitOverride();
  const named = args.find((arg) => !arg.startsWith('-'));
  const chosen = named === undefined ? undefined : commands[named];
  const onlyVersion = args[0] === '-v' || args[0] === '--version';
  const modules = onlyVersion
    ? []
    : chosen === undefined
      ? await Promise.all(Object.values(commands).map((load) => load()))
      : [await chosen()];
  for (const { register } of modules) register(program);
  for (const command of program.commands) command.exitOverride().showHelpAfterError(`(weir ${command.name()} --help lists the options)`);
  try {
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    // Commander has printed its message already.
    process.exitCode = error.exitCode === 0 ? exitCode.success : exitCode.usage;
  }
}
