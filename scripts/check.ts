/**
 * Everything that must hold before a change goes in, the cheapest first: `npm test`, and what CI runs.
 * `npm test -- types tests` runs single steps; `npm test -- tests src/decide` runs the test files below a folder.
 */
import { spawn } from 'node:child_process';
import { globSync } from 'node:fs';
import { performance } from 'node:perf_hooks';

interface Step {
  readonly name: string;
  readonly why: string;
  command(folders: readonly string[]): readonly string[];
}

const steps: readonly Step[] = [
  { name: 'format', why: 'npm run format fixes it', command: () => ['oxfmt', '--check', '.'] },
  { name: 'lint', why: 'rules in .oxlintrc.json', command: () => ['oxlint', '--type-aware', 'src', 'tests', 'scripts', 'bench'] },
  { name: 'types', why: 'tsc -p .', command: () => ['tsc', '-p', '.'] },
  { name: 'docs', why: 'npm run docs writes them', command: () => ['node', 'scripts/docs.ts', '--check'] },
  {
    name: 'tests',
    why: 'node --test over src/ and tests/',
    command: (folders) => ['node', 'scripts/run-tests.ts', ...testFiles(folders)],
  },
];

/** Tests are found, not listed: every *.test.ts under src/ and tests/. Without a folder, all of them. */
function testFiles(folders: readonly string[]): readonly string[] {
  const files = globSync(['src/**/*.test.ts', 'tests/**/*.test.ts']).sort();
  return folders.length === 0 ? files : files.filter((file) => folders.some((folder) => file.startsWith(folder)));
}

function run(command: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command[0], command.slice(1), { stdio: 'inherit' });
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

const words = process.argv.slice(2);
const chosen = steps.filter((step) => words.includes(step.name));
const folders = words.filter((word) => !steps.some((step) => step.name === word));
const failed: Step[] = [];
for (const step of chosen.length > 0 ? chosen : folders.length > 0 ? steps.slice(-1) : steps) {
  console.log(`\n── ${step.name}`);
  const started = performance.now();
  const code = await run(step.command(folders));
  console.log(`── ${step.name} ${code === 0 ? 'ok' : `FAILED (${step.why})`}, ${((performance.now() - started) / 1000).toFixed(1)} s`);
  if (code !== 0) failed.push(step);
}
if (failed.length > 0) {
  console.error(`\nfailed: ${failed.map((step) => step.name).join(', ')}`);
  process.exitCode = 1;
}
