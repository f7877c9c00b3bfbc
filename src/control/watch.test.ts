import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { readSources } from '../dialects/files.ts';
import { watchSources } from './watch.ts';

/** A directory of its own, a watcher on `path` below it, and a way to wait for the next change. */
function scene(t: TestContext, prepare: (directory: string) => void, path = '.', pollMs = 60_000) {
  const directory = mkdtempSync(join(tmpdir(), 'weir-watch-'));
  prepare(directory);
  const waiting: (() => void)[] = [];
  let changes = 0;
  const watcher = watchSources(
    [join(directory, path)],
    () => {
      changes++;
      waiting.shift()?.();
    },
    { debounceMs: 10, graceMs: 100, pollMs },
  );
  // Keeps the process alive while only unreferenced watchers are left.
  const alive = setInterval(() => {}, 1000);
  t.after(() => {
    clearInterval(alive);
    watcher.close();
    rmSync(directory, { recursive: true, force: true });
  });
  return {
    directory,
    watcher,
    changes: () => changes,
    next: () => new Promise<void>((resolve) => waiting.push(resolve)),
    texts: () => readSources([join(directory, path)]).sources.map(({ text }) => text),
  };
}

test('a file written in place is a change', async (t) => {
  const s = scene(t, (d) => writeFileSync(join(d, 'a.yaml'), 'a: 1'));
  const changed = s.next();
  writeFileSync(join(s.directory, 'a.yaml'), 'a: 22');
  await changed;
  assert.deepEqual(s.texts(), ['a: 22']);
});

test('an editor that renames a new file over the old one is a change, and the file is never seen missing', async (t) => {
  const s = scene(t, (d) => writeFileSync(join(d, 'a.yaml'), 'a: 1'), 'a.yaml');
  for (const text of ['a: two', 'a: three']) {
    const changed = s.next();
    renameSync(join(s.directory, 'a.yaml'), join(s.directory, 'a.yaml~'));
    writeFileSync(join(s.directory, '.a.yaml.swp'), text);
    renameSync(join(s.directory, '.a.yaml.swp'), join(s.directory, 'a.yaml'));
    await changed;
    assert.deepEqual(s.texts(), [text]);
  }
  assert.equal(s.changes(), 2);
});

test('a file that is deleted is reported once its grace is over', async (t) => {
  const s = scene(t, (d) => {
    writeFileSync(join(d, 'a.yaml'), 'a: 1');
    writeFileSync(join(d, 'b.yaml'), 'b: 1');
  });
  const changed = s.next();
  rmSync(join(s.directory, 'b.yaml'));
  await changed;
  assert.deepEqual(s.texts(), ['a: 1']);
});

test('a Kubernetes mount whose ..data link is swapped is a change', async (t) => {
  const s = scene(t, (d) => {
    mkdirSync(join(d, '..v1'));
    writeFileSync(join(d, '..v1', 'a.yaml'), 'a: 1');
    symlinkSync('..v1', join(d, '..data'));
    symlinkSync('..data/a.yaml', join(d, 'a.yaml'));
  });
  assert.deepEqual(s.texts(), ['a: 1']);
  const changed = s.next();
  mkdirSync(join(s.directory, '..v2'));
  writeFileSync(join(s.directory, '..v2', 'a.yaml'), 'a: 2');
  symlinkSync('..v2', join(s.directory, '..data_tmp'));
  renameSync(join(s.directory, '..data_tmp'), join(s.directory, '..data'));
  await changed;
  assert.deepEqual(s.texts(), ['a: 2']);
});

test('a new sub-directory is watched too', async (t) => {
  const s = scene(t, (d) => writeFileSync(join(d, 'a.yaml'), 'a: 1'));
  let changed = s.next();
  mkdirSync(join(s.directory, 'sub'));
  writeFileSync(join(s.directory, 'sub', 'b.yaml'), 'b: 1');
  await changed;
  changed = s.next();
  writeFileSync(join(s.directory, 'sub', 'b.yaml'), 'b: 22');
  await changed;
  assert.deepEqual(s.texts(), ['a: 1', 'b: 22']);
});

test('without events the poll finds the change', async (t) => {
  const s = scene(t, (d) => mkdirSync(join(d, 'later')), 'later/config', 20);
  const changed = s.next();
  mkdirSync(join(s.directory, 'later', 'config'));
  writeFileSync(join(s.directory, 'later', 'config', 'a.yaml'), 'a: 1');
  await changed;
  assert.deepEqual(s.texts(), ['a: 1']);
});

test('certificates beside the sources are watched, from what the reader saw of them', async (t) => {
  const s = scene(t, (d) => writeFileSync(join(d, 'a.yaml'), 'a: 1'), 'a.yaml');
  const outside = mkdtempSync(join(tmpdir(), 'weir-watch-certs-'));
  t.after(() => rmSync(outside, { recursive: true, force: true }));
  const [certificate, key] = [join(outside, 'tls.crt'), join(outside, 'tls.key')];
  writeFileSync(certificate, 'one');
  const { size, mtimeMs, dev, ino } = statSync(certificate);
  // Written between the reader's look and the watcher's: the change is not lost.
  writeFileSync(certificate, 'another');
  const late = s.next();
  s.watcher.alsoWatch([
    { file: certificate, mark: `${dev}:${ino}:${size}:${mtimeMs}` },
    { file: key, mark: 'unreadable' },
  ]);
  await late;
  const appeared = s.next();
  writeFileSync(key, 'key');
  await appeared;
  const renamed = s.next();
  writeFileSync(join(outside, 'new'), 'renewed');
  renameSync(join(outside, 'new'), certificate);
  await renamed;
  s.watcher.alsoWatch([]);
  const source = s.next();
  writeFileSync(certificate, 'nobody looks any more');
  writeFileSync(join(s.directory, 'a.yaml'), 'a: 22');
  await source;
  assert.equal(s.changes(), 4);
});

test('a certificate below a link that is swapped, as Kubernetes renews mounts, is a change', async (t) => {
  const s = scene(t, (d) => writeFileSync(join(d, 'a.yaml'), 'a: 1'), 'a.yaml');
  const mount = mkdtempSync(join(tmpdir(), 'weir-watch-mount-'));
  t.after(() => rmSync(mount, { recursive: true, force: true }));
  for (const version of ['..1', '..2']) {
    mkdirSync(join(mount, version));
    writeFileSync(join(mount, version, 'tls.crt'), version);
  }
  symlinkSync('..1', join(mount, '..data'));
  symlinkSync('..data/tls.crt', join(mount, 'tls.crt'));
  const file = join(mount, 'tls.crt');
  const { dev, ino, size, mtimeMs } = statSync(file);
  s.watcher.alsoWatch([{ file, mark: `${dev}:${ino}:${size}:${mtimeMs}` }]);
  const changed = s.next();
  symlinkSync('..2', join(mount, '..data_tmp'));
  renameSync(join(mount, '..data_tmp'), join(mount, '..data'));
  await changed;
  assert.equal(readFileSync(file, 'utf8'), '..2');
});
