import { append } from '../base/append.ts';
import { analyse, limited } from '../analysis/analyse.ts';
import { certificateNames } from '../analysis/certificates.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { DialectName } from '../model/origin.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Dialect, LocatedDocument, Resource, TranslateInput, TranslateOptions } from './dialect.ts';
import type { Source } from './files.ts';
import { readSources } from './files.ts';
import { dialectOf, dialects } from './index.ts';
import { join } from './join.ts';
import { mistakenPolicy } from './mistaken.ts';
import type { LastGood } from './quarantine.ts';
import { markQuarantined, quarantine } from './quarantine.ts';
import { unrecognised } from './recognise.ts';
import { type FileMemory, resolveSecrets, type WatchedFile } from './secrets.ts';
import { parseText } from './text.ts';

export type { LastGood } from './quarantine.ts';

export interface Compiled {
  readonly snapshot: Snapshot;
  /** In the order of their places. */
  readonly diagnostics: readonly Diagnostic[];
  readonly resources: readonly Resource[];
  /** To be handed to the next compilation of the same paths. */
  readonly memory: LastGood;
}

export const defaultOptions: TranslateOptions = { bind: '::', labels: null };

/**
 * text → located documents → resources → quarantine → fragments → one snapshot → analysis. Never throws on input.
 * `memory` is the last compilation's, null for the first. `unreadable` paths keep what they held.
 */
export async function compileSources(
  sources: readonly Source[],
  options: TranslateOptions,
  memory: LastGood | null,
  unreadable: readonly string[] = [],
): Promise<Compiled> {
  const diagnostics: Diagnostic[] = [];
  const resources: Resource[] = [];
  const damagedFiles = new Set<string>();
  const loaded = new Map<DialectName, Dialect>();
  for (const { file, text } of sources) {
    const parsed = parseText(file, text);
    append(diagnostics, parsed.diagnostics);
    for (const document of parsed.documents) {
      const dialect = await dialectFor(document, loaded);
      if (dialect === null) {
        diagnostics.push(unrecognised(document));
        append(resources, await readMistaken(document, loaded));
        continue;
      }
      for (const resource of dialect.read(document)) {
        resources.push(resource);
        append(diagnostics, resource.diagnostics);
      }
    }
    if (parsed.diagnostics.length > 0) damagedFiles.add(file);
    for (const document of parsed.damaged) {
      // Their text cannot be trusted; that they are there is enough to close the scope of a policy.
      const dialect = await dialectFor(document, loaded);
      if (dialect === null) append(resources, await readMistaken(document, loaded));
      else for (const resource of dialect.read(document)) resources.push(asBroken(resource));
    }
  }
  const kept = quarantine({ resources, damagedFiles, unreadable }, memory);
  append(diagnostics, kept.diagnostics);
  for (const { dialect } of kept.resources) await load(dialect, loaded);
  const input: TranslateInput = { resources: kept.resources, options };
  const active = dialects.flatMap(({ name }) => loaded.get(name) ?? []);
  const fragments = active.map((dialect) => {
    const { fragment, diagnostics: found } = dialect.translate(input);
    append(diagnostics, found);
    return fragment;
  });
  const joined = join(fragments);
  append(diagnostics, joined.diagnostics);
  let { snapshot } = joined;
  for (const dialect of active) {
    if (dialect.finish === undefined) continue;
    const finished = dialect.finish(snapshot, input);
    snapshot = finished.snapshot;
    append(diagnostics, finished.diagnostics);
  }
  // Empty files and comments are as little as no file.
  const nothing = resources.length === 0 && diagnostics.length === 0 && unreadable.length === 0;
  const isLeftOut = kept.resources.some((resource) => resource.broken);
  append(diagnostics, analyse(snapshot, nothing ? 0 : sources.length + unreadable.length, isLeftOut));
  snapshot = { ...snapshot, status: markQuarantined(snapshot.status, kept.resources, diagnostics) };
  return { snapshot, diagnostics: inOrder(diagnostics), resources: kept.resources, memory: kept.memory };
}

/** A snapshot with the certificates of its files. */
export interface Certified extends Compiled {
  readonly certificates: FileMemory;
  /** Certificate files to be watched beside the sources. */
  readonly files: readonly WatchedFile[];
}

/** The second half of a compilation, for callers that may read files: certificates that are named by their paths. */
export function readCertificates(compiled: Compiled, memory: FileMemory | null): Certified {
  const { snapshot, diagnostics: told, files, memory: certificates } = resolveSecrets(compiled.snapshot, memory, Date.now());
  const diagnostics = [...told, ...limited(certificateNames(snapshot, 'files'))];
  return {
    ...compiled,
    snapshot,
    diagnostics: diagnostics.length === 0 ? compiled.diagnostics : inOrder([...compiled.diagnostics, ...diagnostics]),
    certificates,
    files,
  };
}

/** Reads and compiles paths once, for commands that do not keep running. */
export async function compileFiles(paths: readonly string[], options: TranslateOptions = defaultOptions): Promise<Certified> {
  const set = readSources(paths);
  const compiled = readCertificates(await compileSources(set.sources, options, null, set.unreadable), null);
  return { ...compiled, diagnostics: inOrder([...set.diagnostics, ...compiled.diagnostics]) };
}

async function dialectFor(document: LocatedDocument, loaded: Map<DialectName, Dialect>): Promise<Dialect | null> {
  const name = dialectOf(document);
  const dialect = name === null ? null : await load(name, loaded);
  return dialect?.recognises(document) === true ? dialect : null;
}

/** Policies of a document that no dialect takes; the document itself has its diagnostic already. */
async function readMistaken(document: LocatedDocument, loaded: Map<DialectName, Dialect>): Promise<readonly Resource[]> {
  const meant = mistakenPolicy(document);
  const dialect = meant === null ? null : await load(meant.dialect, loaded);
  if (meant === null || dialect === null) return [];
  return dialect
    .read(meant.document)
    .filter((resource) => resource.restricts)
    .map(asBroken);
}

function asBroken(resource: Resource): Resource {
  return { ...resource, broken: true, diagnostics: [] };
}

async function load(name: DialectName, loaded: Map<DialectName, Dialect>): Promise<Dialect | null> {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const entry = dialects.find((candidate) => candidate.name === name);
  if (entry === undefined) return null;
  const dialect = await entry.load();
  loaded.set(name, dialect);
  return dialect;
}

function inOrder(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.toSorted((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : a.line - b.line || a.column - b.column));
}
