import assert from 'node:assert/strict';
import { it } from 'node:test';
import { requireProgram } from '../support/programs.ts';
import { runIntake } from './intake/campaign.ts';

it('a short campaign of beginnings ends no worker and leaves no connection behind', { timeout: 120_000 }, async (t) => {
  if (!requireProgram(t, 'openssl')) return;
  const { findings, executions } = await runIntake({ executions: 600, seed: 20_263 });
  assert.deepEqual(findings, []);
  assert.equal(executions, 600);
});
