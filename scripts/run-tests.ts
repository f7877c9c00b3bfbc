/**
 * Runs test files, each in a process of its own, and prints what a reader wants to know: failures with their place, skipped
 * tests with their reason, and one line of sums. `node scripts/run-tests.ts FILE…`
 */
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { run } from 'node:test';
import { inspect } from 'node:util';

interface Failure {
  readonly place: string;
  readonly name: string;
  readonly error: unknown;
}

/** What waits for something that never comes ends as a failure, not with the patience of whoever started it, ms. */
const timeout = 600_000;

const files = process.argv.slice(2);
const started = performance.now();
const failures: Failure[] = [];
const skipped = new Map<string, number>();
let passed = 0;

/** The error that the test threw, without the runner's wrapping. */
function cause(error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? error.cause : error;
}

function nested(error: unknown): boolean {
  return error instanceof Error && 'failureType' in error && error.failureType === 'subtestsFailed';
}

const stream = run({ files, timeout, concurrency: Math.max(2, availableParallelism()) });
stream.on('test:pass', (test) => {
  if (test.details.type === 'suite') return;
  if (test.skip === undefined || test.skip === false) passed++;
  else skipped.set(String(test.skip), (skipped.get(String(test.skip)) ?? 0) + 1);
});
stream.on('test:fail', (test) => {
  // A suite or a test that only fails because of the ones inside it says nothing new.
  if (nested(test.details.error)) return;
  failures.push({ place: `${test.file ?? ''}:${test.line ?? 0}`, name: test.name, error: cause(test.details.error) });
  console.log(`✖ ${test.name}`);
});
stream.on('test:stderr', ({ message }) => process.stderr.write(message));

for await (const event of stream) void event;
for (const { place, name, error } of failures)
  console.log(`\n✖ ${name}\n  ${place}\n${inspect(error, { depth: 6 }).replaceAll(/^/gm, '  ')}`);
for (const [reason, count] of skipped) console.log(`- ${count} skipped: ${reason}`);
console.log(`${passed} passed, ${failures.length} failed, ${files.length} files, ${((performance.now() - started) / 1000).toFixed(1)} s`);
if (failures.length > 0 || passed === 0) process.exitCode = 1;
