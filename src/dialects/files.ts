import type { Stats } from 'node:fs';
import { closeSync, openSync, readdirSync, readFileSync, readSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { diagnose } from '../analysis/messages.ts';
import type { Diagnostic } from '../model/diagnostic.ts';

export interface Source {
  /** As the user would write it: the given path, joined with the path below a directory; `-` for standard input. */
  readonly file: string;
  readonly text: string;
}

export interface SourceSet {
  readonly sources: readonly Source[];
  /** WR0102 for each path that could not be read. */
  readonly diagnostics: readonly Diagnostic[];
  /** Given paths, or files below them, that could not be read: what they held stays in force. */
  readonly unreadable: readonly string[];
}

export interface FileList {
  /** In reading order; `-` has no stat. */
  readonly files: readonly { readonly file: string; readonly stat: Stats | null }[];
  /** Every directory that was looked at. */
  readonly directories: readonly string[];
  readonly diagnostics: readonly Diagnostic[];
  readonly unreadable: readonly string[];
}

/** A configuration file larger than this is refused. */
export const maxFileBytes = 256 * 1024 * 1024;
const maxFiles = 100_000;
const maxDirectoryDepth = 32;
const configurationFile = /\.(?:ya?ml|json)$/i;

interface Collection {
  readonly files: { readonly file: string; readonly stat: Stats | null }[];
  readonly diagnostics: Diagnostic[];
  readonly unreadable: string[];
  readonly directories: string[];
  /** Real paths already taken: a file reached by two ways counts once, a loop of links ends. */
  readonly seen: Set<string>;
}

/**
 * Reads files, directories (recursive, `.yaml .yml .json`, sorted) and `-`. Never throws.
 * `stdin` is the text behind `-`; null reads descriptor 0.
 */
export function readSources(paths: readonly string[], stdin: string | null = null): SourceSet {
  const list = listFiles(paths);
  const sources: Source[] = [];
  const problems: Collection = {
    files: [],
    diagnostics: [...list.diagnostics],
    unreadable: [...list.unreadable],
    directories: [],
    seen: new Set(),
  };
  for (const { file, stat } of list.files) {
    try {
      const text =
        file === '-' ? (stdin ?? readFileSync(0, 'utf8')) : stat?.isFile() === true ? readFileSync(file, 'utf8') : readStream(file);
      if (text === null) refuse(file, `${file} is larger than ${maxFileBytes} bytes`, 'Split it into several files.', problems);
      else sources.push({ file, text });
    } catch (error) {
      unreadable(file, error, problems);
    }
  }
  return { sources, diagnostics: problems.diagnostics, unreadable: problems.unreadable };
}

/** A pipe or a device tells no size: null when it gives too much. */
function readStream(file: string): string | null {
  const descriptor = openSync(file, 'r');
  try {
    const chunks: Buffer[] = [];
    for (let size = 0; size <= maxFileBytes;) {
      const chunk = Buffer.allocUnsafe(1024 * 1024);
      const length = readSync(descriptor, chunk);
      if (length === 0) return Buffer.concat(chunks).toString('utf8');
      chunks.push(chunk.subarray(0, length));
      size += length;
    }
    return null;
  } finally {
    closeSync(descriptor);
  }
}

/**
 * The files behind `paths`. Hidden entries are skipped, so that a Kubernetes mount (`..data` and the links beside it)
 * gives each file once. Never throws.
 */
export function listFiles(paths: readonly string[]): FileList {
  const into: Collection = { files: [], diagnostics: [], unreadable: [], directories: [], seen: new Set() };
  for (const path of paths) {
    if (path !== '-') {
      listPath(path, 0, into);
    } else if (!into.seen.has('-')) {
      into.seen.add('-');
      into.files.push({ file: '-', stat: null });
    }
  }
  return into;
}

function listPath(path: string, depth: number, into: Collection): void {
  try {
    const stat = statSync(path);
    const real = realpathSync(path);
    if (into.seen.has(real)) return;
    into.seen.add(real);
    if (stat.isDirectory()) {
      listDirectory(path, depth, into);
    } else if (stat.size > maxFileBytes) {
      refuse(path, `${path} is larger than ${maxFileBytes} bytes`, 'Split it into several files.', into);
    } else if (into.files.length >= maxFiles) {
      refuse(path, `more than ${maxFiles} files`, 'Put several documents in one file.', into);
    } else if (!stat.isFile() && !stat.isFIFO() && !stat.isCharacterDevice()) {
      refuse(path, `${path} is neither a file nor a directory`, 'Give a file, a directory, or - for standard input.', into);
    } else {
      into.files.push({ file: path, stat });
    }
  } catch (error) {
    unreadable(path, error, into);
  }
}

function listDirectory(path: string, depth: number, into: Collection): void {
  if (depth > maxDirectoryDepth) {
    refuse(path, `${path} is more than ${maxDirectoryDepth} directories deep`, 'Point -f at the directory itself.', into);
    return;
  }
  into.directories.push(path);
  const entries = readdirSync(path, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith('.')) continue;
    const child = join(path, entry.name);
    const named = configurationFile.test(entry.name);
    if (entry.isDirectory() || (entry.isFile() && named)) listPath(child, depth + 1, into);
    else if (entry.isSymbolicLink() && (named || leadsToDirectory(child))) listPath(child, depth + 1, into);
  }
}

function leadsToDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function unreadable(path: string, error: unknown, into: Collection): void {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (code === 'ENOENT')
    refuse(path, `${path} does not exist`, 'Check the path given with -f; it is relative to the current directory.', into);
  else if (code === 'EACCES' || code === 'EPERM') refuse(path, `${path} may not be read`, 'Give this user permission to read it.', into);
  else
    refuse(
      path,
      `${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      'Give a readable file or directory.',
      into,
    );
}

function refuse(path: string, message: string, hint: string, into: Collection): void {
  into.unreadable.push(path);
  into.diagnostics.push(diagnose('WR0102', { file: path, line: 0, column: 0 }, null, message, { hint }));
}
