import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Log } from './log.ts';

test('lines below the level are left out; JSON lines hold their fields', () => {
  const lines: string[] = [];
  const log = new Log('json', (text) => lines.push(text), false);
  log.debug('quiet');
  log.warning('two\nlines', { worker: 1 });
  log.level = 'error';
  log.info('quiet');
  assert.equal(lines.length, 1);
  const { level, message, worker } = JSON.parse(lines[0]);
  assert.deepEqual([level, message, worker], ['warning', 'two\nlines', 1]);
});

test('text lines quote what holds spaces', () => {
  const lines: string[] = [];
  const log = new Log('text', (text) => lines.push(text), false);
  log.info('ready', { reason: 'a b', n: 2 });
  log.error('bad');
  assert.deepEqual(lines, ['weir: ready reason="a b" n=2\n', 'weir: error: bad\n']);
});
