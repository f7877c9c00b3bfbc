import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { constants, mkdtempSync, openSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { LogSlots } from '../telemetry/log/slots.ts';
import { LogWriter } from './log-writer.ts';

async function eventually(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

function directory(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'weir-log-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test('lines are written whole and in order', async (t) => {
  const path = join(directory(t), 'access.log');
  const writer = new LogWriter({ path });
  const lines = Array.from({ length: 500 }, (_, i) => `line ${i}\n`);
  for (const line of lines) writer.write(Buffer.from(line));
  await writer.close();
  assert.equal(readFileSync(path, 'utf8'), lines.join(''));
  assert.equal(writer.droppedLines, 0);
});

test('shared buffers are given back: written one by one, joined, or dropped', async (t) => {
  const path = join(directory(t), 'access.log');
  const slots = new LogSlots();
  const writer = new LogWriter({ path, maxWaitingBytes: 1000 });
  let expected = '';
  const fill = (): boolean => {
    const slot = slots.take();
    if (slot === null) return false;
    const line = `${expected.length} ${'x'.repeat(200)}\n`;
    slot.write(line);
    writer.write(new Uint8Array(slot.buffer, slot.byteOffset, line.length));
    expected += line;
    return true;
  };
  for (let i = 0; i < 4; i++) assert.ok(fill());
  assert.ok(!fill(), 'all wait');
  await eventually(() => writer.waitingBytes === 0);
  for (let i = 0; i < 4; i++) assert.ok(fill());
  const line = Buffer.alloc(2000, 'too much for what may wait');
  writer.write(line);
  await writer.close();
  for (let i = 0; i < 4; i++) {
    const slot = slots.take();
    assert.ok(slot !== null);
    // The writer is closed: dropped.
    writer.write(slot);
  }
  assert.ok(slots.take() !== null);
  assert.equal(readFileSync(path, 'utf8'), expected);
});

test('after a rotation lines go to a new file', async (t) => {
  const path = join(directory(t), 'access.log');
  const writer = new LogWriter({ path });
  writer.write(Buffer.from('old\n'));
  await writer.close();
  const second = new LogWriter({ path });
  renameSync(path, `${path}.1`);
  second.reopen();
  second.write(Buffer.from('new\n'));
  await second.close();
  assert.equal(readFileSync(`${path}.1`, 'utf8'), 'old\n');
  assert.equal(readFileSync(path, 'utf8'), 'new\n');
});

test('a reader that takes nothing costs a bounded queue, the rest is dropped and counted', async (t) => {
  const path = join(directory(t), 'pipe');
  execFileSync('mkfifo', [path]);
  // Opened and never read.
  const reader = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  assert.ok(reader > 0);
  const writer = new LogWriter({ path: `/proc/self/fd/${reader}`, maxWaitingBytes: 300_000 });
  for (let i = 0; i < 10; i++) writer.write(Buffer.alloc(100_000, `${'x'.repeat(999)}\n`));
  assert.equal(writer.waitingBytes, 300_000);
  assert.equal(writer.droppedLines, 700);
  await writer.close(1);
});

test('a line that a full disk cut stands alone: the next one is whole', (t) => {
  const path = join(directory(t), 'access.log');
  const script = `
    import { execFileSync } from 'node:child_process';
    import { LogWriter } from '${new URL('log-writer.ts', import.meta.url).href}';
    const writer = new LogWriter({ path: '${path}' });
    const write = async (count) => {
      for (let i = 0; i < count; i++) {
        writer.write(Buffer.from(JSON.stringify({ pad: 'x'.repeat(300) }) + '\\n'));
        while (writer.waitingBytes > 0) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    await write(50);
    execFileSync('prlimit', ['--pid', String(process.pid), '--fsize=unlimited']);
    await write(10);
    await writer.close();
    process.stdout.write(String(writer.droppedLines));
  `;
  // The limit of a file's size is as good as a full disk, and can be lifted.
  const limited = ['-c', 'ulimit -S -f 8; exec "$0" "$@"', process.execPath, '--input-type=module-typescript', '-e', script];
  const dropped = Number(execFileSync('sh', limited, { encoding: 'utf8' }));
  const lines = readFileSync(path, 'utf8').split('\n').slice(0, -1);
  const torn = lines.filter((line) => !line.endsWith('"}'));
  assert.equal(torn.length, 1);
  for (const line of lines) if (line !== torn[0]) JSON.parse(line);
  assert.equal(lines.length - torn.length + dropped, 60);
});
