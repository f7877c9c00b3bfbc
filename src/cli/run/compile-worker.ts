/** Thread that reads, checks and compiles configuration, away from the main thread and from traffic. */
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import type { Compiled, LastGood } from '../../dialects/compile.ts';
import { compileSources, readCertificates } from '../../dialects/compile.ts';
import { readSources } from '../../dialects/files.ts';
import { contentHash, type FileMemory, type WatchedFile } from '../../dialects/secrets.ts';
import { summarise } from '../../dialects/summary.ts';
import type { FlatTables } from '../../model/events.ts';
import { compileTables } from '../../proxy/route/compile.ts';
import { certificatesOf } from './certs.ts';
import { configDump, routeLines } from './dump.ts';
import { withDevListener } from './dev-listener.ts';
import type { CompilerData, FromCompiler, ToCompiler } from './protocol.ts';

const port = parentPort;
if (port === null) throw new Error('runs as a worker only');

const { limitMemory }: CompilerData = workerData;
let memory: LastGood | null = null;
let certificates: FileMemory | null = null;
let files: readonly WatchedFile[] = [];
let current: { readonly compiled: Compiled; readonly tables: FlatTables } | null = null;
let seen = '';

port.on('message', (question: ToCompiler) => {
  answer(question).then(
    (found) => port.postMessage(found),
    (error: unknown) => {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      port.postMessage({ type: 'failed', id: question.id, message } satisfies FromCompiler);
    },
  );
});

async function answer(question: ToCompiler): Promise<FromCompiler> {
  const { id } = question;
  switch (question.type) {
    case 'compile':
      return await compile(question);
    case 'dump':
      return { type: 'text', id, status: 200, text: configDump(current?.compiled ?? null) };
    case 'certs':
      return {
        type: 'text',
        id,
        status: 200,
        text: JSON.stringify(certificatesOf(current?.compiled.snapshot ?? null, Date.now()), null, 1),
      };
    case 'routes':
      return { type: 'text', id, status: 200, text: JSON.stringify(routeLines(current?.compiled ?? null, question.limit)) };
    case 'explain':
      return { type: 'text', id, ...(await explain(question)) };
  }
}

async function explain({ body, bindings, resolved }: Extract<ToCompiler, { readonly type: 'explain' }>) {
  // Loaded at the first question: most gateways are never asked.
  const [{ answerExplain }, { SharedLimitStore }] = await Promise.all([import('./explain.ts'), import('../../decide/limit-store.ts')]);
  if (current === null) return await answerExplain(null, body);
  const limits = new SharedLimitStore(limitMemory).reader();
  return await answerExplain({ ...current, limits, bindings, resolved }, body);
}

async function compile({ id, paths, stdin, options, dev }: Extract<ToCompiler, { readonly type: 'compile' }>): Promise<FromCompiler> {
  const set = readSources(paths, stdin);
  const hash = createHash('sha256');
  for (const { file, text } of set.sources) hash.update(`${file}\0${text.length}\0`).update(text);
  for (const path of set.unreadable) hash.update(`${path}\0`);
  const sources = hash.digest('hex');
  if (`${sources} ${contentHash(files)}` === seen) return { type: 'unchanged', id };
  const read = readCertificates(await compileSources(set.sources, options, memory, set.unreadable), certificates);
  const compiled = dev === null ? read : { ...read, snapshot: withDevListener(read.snapshot, dev) };
  const tables = compileTables(compiled.snapshot);
  // Only now: a failure above leaves everything as it was.
  ({ memory, certificates, files } = compiled);
  current = { compiled: { ...compiled, resources: [...memory.resources.values()] }, tables };
  seen = `${sources} ${contentHash(files)}`;
  return {
    type: 'compiled',
    id,
    outcome: {
      tables,
      diagnostics: [...set.diagnostics, ...compiled.diagnostics],
      statusJson: JSON.stringify(compiled.snapshot.status),
      summary: summarise(compiled.snapshot),
    },
    files,
    quarantined: compiled.resources.filter(({ broken, stale }) => broken || stale === true).length,
  };
}
