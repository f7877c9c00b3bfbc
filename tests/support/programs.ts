import { spawnSync } from 'node:child_process';
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';

/**
 * True when the Debian program is there. Otherwise the test is skipped with a plain message, or fails where `CI=true`:
 * there `.ci/run` has installed it. Callers return at once on false.
 */
export function requireProgram(t: TestContext, program: string): boolean {
  if (spawnSync('which', [program]).status === 0) return true;
  assert.notEqual(process.env['CI'], 'true', `${program} is missing, and CI=true allows no skipped tests (.ci/run installs it)`);
  t.skip(`${program} is not installed on this machine (Debian package of the same name)`);
  return false;
}
