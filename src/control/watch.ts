import type { FSWatcher } from 'node:fs';
import { realpathSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import { listFiles } from '../dialects/files.ts';
import { fileMark, type WatchedFile } from '../dialects/secrets.ts';

export interface WatchOptions {
  /** Quiet time after an event, ms; also how long the files must stay as they are before they are read. */
  readonly debounceMs?: number;
  /** How long a file may be missing or empty before that is believed: editors rename, and truncate before they write. */
  readonly graceMs?: number;
  /** Time between looks for file systems that send no events, ms. */
  readonly pollMs?: number;
}

export interface SourceWatcher {
  /** Files beside the sources, in the place of those named before: certificates, as they were when they were read. */
  alsoWatch(files: readonly WatchedFile[]): void;
  close(): void;
}

/** What a change is judged by: each file's identity, size and time. */
type Fingerprint = ReadonlyMap<string, { readonly mark: string; readonly empty: boolean }>;

/** More directories than this are only polled: inotify watches are a shared, small resource. */
const maxWatched = 1024;
const maxSettleRounds = 40;

/**
 * Calls `onChange` when the files behind `paths` have changed and settled. Directories are watched rather than files,
 * so that renames, new files and Kubernetes' swap of `..data` are seen; events only cause a look, the fingerprint decides.
 */
export function watchSources(paths: readonly string[], onChange: () => void, options: WatchOptions = {}): SourceWatcher {
  const { debounceMs = 50, graceMs = 500, pollMs = 2000 } = options;
  const given = paths.filter((path) => path !== '-');
  const watchers = new Map<string, FSWatcher>();
  let extra: readonly string[] = [];
  let known = fingerprint(given, extra);
  let timer: NodeJS.Timeout | null = null;
  let closed = false;

  const look = (): void => {
    timer = null;
    if (closed) return;
    const now = fingerprint(given, extra);
    if (!same(known, now)) settle(now, Date.now(), 0);
  };
  /** Waits until two looks agree; a file that went missing or empty gets its grace first. */
  const settle = (seen: Fingerprint, since: number, rounds: number): void => {
    timer = setTimeout(() => {
      timer = null;
      if (closed) return;
      const now = fingerprint(given, extra);
      const waiting = lacks(known, now) && Date.now() - since < graceMs;
      if ((waiting || !same(seen, now)) && rounds < maxSettleRounds) return settle(now, since, rounds + 1);
      if (same(known, now)) return;
      known = now;
      rewatch();
      onChange();
    }, debounceMs);
  };
  const event = (): void => {
    timer ??= setTimeout(look, debounceMs);
  };
  const rewatch = (): void => {
    const wanted = directoriesOf(given, extra);
    for (const [directory, watcher] of watchers) {
      if (wanted.has(directory)) continue;
      watcher.close();
      watchers.delete(directory);
    }
    for (const directory of wanted) {
      if (watchers.has(directory) || watchers.size >= maxWatched) continue;
      const watcher = watchDirectory(directory, event, () => watchers.delete(directory));
      if (watcher !== null) watchers.set(directory, watcher);
    }
  };
  rewatch();
  const poll = setInterval(
    () => {
      rewatch();
      event();
    },
    pollMs * (known.size > 1000 ? 5 : 1),
  );
  poll.unref();
  return {
    alsoWatch(files) {
      if (closed) return;
      const marks = new Map(known);
      for (const file of extra) marks.delete(file);
      // As the reader saw them: a change since then is news. A file that is among the sources has its mark there.
      for (const { file, mark } of files) if (!marks.has(file)) marks.set(file, { mark, empty: mark === unreadable });
      known = marks;
      extra = files.map(({ file }) => file);
      rewatch();
      if (files.length > 0) event();
    },
    close() {
      closed = true;
      clearInterval(poll);
      if (timer !== null) clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
      watchers.clear();
    },
  };
}

function watchDirectory(directory: string, event: () => void, gone: () => void): FSWatcher | null {
  try {
    const watcher = watch(directory, { persistent: false }, event);
    watcher.on('error', () => {
      watcher.close();
      gone();
      event();
    });
    return watcher;
  } catch {
    // The directory is not there yet, or watches have run out: polling remains.
    return null;
  }
}

/** Directories of the files, of what links lead to, and of everything below given directories. */
function directoriesOf(paths: readonly string[], extra: readonly string[]): ReadonlySet<string> {
  const { files, directories } = listFiles(paths);
  const wanted = new Set(directories);
  for (const path of paths) wanted.add(dirname(path));
  for (const file of [...files.map((one) => one.file), ...extra]) {
    wanted.add(dirname(file));
    try {
      wanted.add(dirname(realpathSync(file)));
    } catch {
      // Gone since it was listed: the next look sees it.
    }
  }
  return wanted;
}

function fingerprint(paths: readonly string[], extra: readonly string[]): Fingerprint {
  const marks = new Map<string, { readonly mark: string; readonly empty: boolean }>();
  const { files, unreadable: closed } = listFiles(paths);
  // A link to nowhere and a closed directory are news, too.
  for (const path of closed) marks.set(path, { mark: unreadable, empty: true });
  for (const { file, stat } of files) if (stat !== null) marks.set(file, { mark: fileMark(stat), empty: stat.size === 0 });
  for (const file of extra) if (!marks.has(file)) marks.set(file, markOf(file));
  return marks;
}

/** Mark of what is not there or may not be read. */
const unreadable = 'unreadable';

function markOf(file: string): { readonly mark: string; readonly empty: boolean } {
  try {
    const stat = statSync(file);
    return { mark: fileMark(stat), empty: stat.size === 0 };
  } catch {
    return { mark: unreadable, empty: true };
  }
}

function same(a: Fingerprint, b: Fingerprint): boolean {
  if (a.size !== b.size) return false;
  for (const [file, { mark }] of a) if (b.get(file)?.mark !== mark) return false;
  return true;
}

function lacks(before: Fingerprint, now: Fingerprint): boolean {
  for (const [file, { empty }] of before) {
    const current = now.get(file);
    if (!empty && (current === undefined || current.empty)) return true;
  }
  return false;
}
