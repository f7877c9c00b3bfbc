import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
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

/** The same for a file that a Debian package brings. */
export function requireFile(t: TestContext, file: string, debianPackage: string): boolean {
  if (existsSync(file)) return true;
  assert.notEqual(process.env['CI'], 'true', `${file} is missing, and CI=true allows no skipped tests (.ci/run installs ${debianPackage})`);
  t.skip(`${file} is not installed on this machine (Debian package ${debianPackage})`);
  return false;
}
