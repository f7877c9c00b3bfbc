import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { requireProgram } from '../../../tests/support/programs.ts';

const main = fileURLToPath(new URL('../main.ts', import.meta.url));

test('the demo runs, and the lines it prints work word for word', { timeout: 60_000 }, async (t) => {
  if (!requireProgram(t, 'curl')) return;
  const child = spawn(process.execPath, [main, 'demo', '--admin', '127.0.0.1:0', '--workers', '1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  t.after(() => child.kill('SIGKILL'));
  let text = '';
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => (errors += chunk));
  await new Promise<void>((resolve, reject) => {
    child.once('exit', () => reject(new Error(`the demo ended: ${errors}`)));
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('Ctrl-C')) resolve();
    });
  });
  const lines = [...text.matchAll(/^ {2}(curl .*)$/gm)].map(([, line]) => line);
  const codes = lines.map((line) => spawnSync('sh', ['-c', `${line} -s -o /dev/null -w '%{http_code}'`], { encoding: 'utf8' }).stdout);
  assert.deepEqual(codes, ['200', '200', '301', '200', '200', '401', '200', '200']);
  assert.doesNotMatch(errors, / (error|warning) WR/);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  assert.equal(await ended, 0, errors);
});
