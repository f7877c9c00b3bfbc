/** Certificates that a dialect only names by their files: read here, and what cannot be used is closed. */
import { readFileSync, statSync } from 'node:fs';
import { dirname, isAbsolute, join } from 'node:path';
import { diagnose } from '../analysis/messages.ts';
import { crypto } from '../base/late.ts';
import type { ConnectionChain } from '../model/chain.ts';
import type { Cluster } from '../model/cluster.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import type { Origin } from '../model/origin.ts';
import type { Snapshot } from '../model/snapshot.ts';
import type { Secret } from '../model/tls.ts';
import { examine, maxPemBytes, type PemTexts } from './certificates.ts';

type Files = NonNullable<Secret['files']>;

/** The last good content of file secrets, by their names. Kept by whoever compiles again and again; immutable. */
export type FileMemory = ReadonlyMap<string, Secret>;

/** A certificate file as it was when it was read; `mark` changes with the file. */
export interface WatchedFile {
  readonly file: string;
  readonly mark: string;
}

export interface ResolvedSecrets {
  readonly snapshot: Snapshot;
  readonly diagnostics: readonly Diagnostic[];
  /** Every file that was named, readable or not. */
  readonly files: readonly WatchedFile[];
  readonly memory: FileMemory;
}

/**
 * A secret whose texts stand in files. Relative paths start at the directory of `configFile`. Two places that name the
 * same files share the secret.
 */
export function fileSecret(configFile: string, files: Files, origin: Origin): Secret {
  const located: { -readonly [Part in keyof Files]: string } = {};
  for (const part of parts) {
    const path = files[part];
    if (path !== undefined) located[part] = isAbsolute(path) ? path : join(dirname(configFile), path);
  }
  const name = `file/${parts.flatMap((part) => (located[part] === undefined ? [] : [`${part}=${located[part]}`])).join('|')}`;
  return { name, certificate: null, privateKey: null, ca: null, crl: null, files: located, origin };
}

const parts = ['certificate', 'privateKey', 'ca', 'crl'] as const;

/** What identifies a file's content without reading it; the watcher's measure. */
export function fileMark(stat: { readonly dev: number; readonly ino: number; readonly size: number; readonly mtimeMs: number }): string {
  return `${stat.dev}:${stat.ino}:${stat.size}:${stat.mtimeMs}`;
}

/**
 * Reads what secrets name by file. Broken content is a diagnostic and the last good one of `memory` serves, so that a
 * renewal that is half written harms nobody. Chains whose certificate is nowhere keep none, so that handshakes fail; such
 * clusters are blocked. Never throws. `now`: ms since 1970.
 */
export function resolveSecrets(snapshot: Snapshot, memory: FileMemory | null, now: number): ResolvedSecrets {
  const diagnostics: Diagnostic[] = [];
  const files = new Map<string, string>();
  const good = new Map<string, Secret>();
  const secrets: Secret[] = [];
  for (const secret of snapshot.secrets ?? []) {
    const usable = secret.files === undefined ? secret : fromFiles(secret, secret.files, memory?.get(secret.name), now, files, diagnostics);
    if (usable === null) continue;
    if (secret.files !== undefined) good.set(secret.name, usable);
    secrets.push(usable);
  }
  return {
    snapshot: closeWithout({ ...snapshot, secrets }),
    diagnostics,
    files: [...files].map(([file, mark]) => ({ file, mark })),
    memory: good,
  };
}

/** The secret with its texts; the one before where they cannot be used; null: there is none. */
function fromFiles(
  secret: Secret,
  files: Files,
  before: Secret | undefined,
  now: number,
  seen: Map<string, string>,
  diagnostics: Diagnostic[],
): Secret | null {
  const { kind, namespace, name } = secret.origin;
  let usable = true;
  const add = (code: 'WR0331' | 'WR0332' | 'WR0334', message: string, hint: string): void => {
    const kept = code === 'WR0332' || before === undefined ? '' : '; what was read before serves';
    diagnostics.push(diagnose(code, secret.origin, { kind, namespace, name }, `${message}${kept}`, { hint }));
    if (code !== 'WR0332') usable = false;
  };
  const texts: { -readonly [Part in keyof PemTexts]: string | null } = { certificate: null, privateKey: null, ca: null, crl: null };
  for (const part of parts) {
    const file = files[part];
    if (file === undefined) continue;
    const read = readPem(file);
    seen.set(file, read.mark);
    if ('text' in read) texts[part] = read.text;
    else add('WR0334', `${file} ${read.problem}`, read.hint);
  }
  if (usable)
    for (const { part, severity, message, hint } of examine(texts, now))
      add(severity === 'error' ? 'WR0331' : 'WR0332', `${files[part] ?? nameOf[part]} ${message}`, hint);
  return usable ? { ...secret, ...texts } : (before ?? null);
}

const nameOf = {
  certificate: 'the certificate',
  privateKey: 'the private key',
  ca: 'the authorities',
  crl: 'the revocation list',
} as const;

type Read = { readonly mark: string; readonly text: string } | { readonly mark: string; readonly problem: string; readonly hint: string };

function readPem(file: string): Read {
  let mark = 'unreadable';
  try {
    const stat = statSync(file);
    mark = fileMark(stat);
    // A pipe would keep the reader waiting for ever.
    if (!stat.isFile()) return { mark, problem: 'is no file', hint: 'write the path of a PEM file' };
    if (stat.size > maxPemBytes) return { mark, problem: `is larger than ${maxPemBytes} bytes`, hint: 'leave out what is not needed' };
    return { mark, text: readFileSync(file, 'utf8') };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'ENOENT')
      return { mark, problem: 'does not exist', hint: 'a relative path starts at the directory of the configuration file' };
    if (code === 'EACCES' || code === 'EPERM') return { mark, problem: 'may not be read', hint: 'give this user permission to read it' };
    return { mark, problem: `cannot be read (${code})`, hint: 'write the path of a PEM file' };
  }
}

/** Hash of the content behind `files`: whether a renewal changed anything. */
export function contentHash(files: readonly WatchedFile[]): string {
  const hash = crypto().createHash('sha256');
  for (const { file } of files) {
    const read = readPem(file);
    hash.update('text' in read ? `${file}\0${read.text.length}\0${read.text}\0` : `${file}\0-\0`);
  }
  return hash.digest('hex');
}

/** What names a secret that is not there serves nobody. */
function closeWithout(snapshot: Snapshot): Snapshot {
  const there = new Set(snapshot.secrets?.map(({ name }) => name));
  const lacking = (name: string | null | undefined): name is string => typeof name === 'string' && !there.has(name);
  const closedChain = (chain: ConnectionChain): ConnectionChain => {
    const { tls } = chain;
    if (tls === null || (!tls.certificates.some(lacking) && !lacking(tls.ca))) return chain;
    return { ...chain, tls: { ...tls, certificates: lacking(tls.ca) ? [] : tls.certificates.filter((name) => there.has(name)) } };
  };
  const closedCluster = (cluster: Cluster): Cluster => {
    const missing = [cluster.tls?.ca, cluster.tls?.certificate].find(lacking);
    return missing === undefined || cluster.blocked !== undefined
      ? cluster
      : { ...cluster, blocked: `the certificate for ${cluster.service} cannot be used` };
  };
  return {
    ...snapshot,
    listeners: snapshot.listeners.map((listener) =>
      listener.chains === undefined ? listener : { ...listener, chains: listener.chains.map(closedChain) },
    ),
    clusters: snapshot.clusters.map(closedCluster),
  };
}
