/** A data worker's thread that can be asked what it holds: a rig's `entry`. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { parentPort, workerData } from 'node:worker_threads';
import type { Deadline } from '../../src/base/wheel.ts';
import type { FromWorker, ToWorker } from '../../src/model/events.ts';
import type { WorkerData } from '../../src/model/worker.ts';
import { DataWorker } from '../../src/proxy/data-worker.ts';

/** What a data worker holds at the moment. */
export interface Census {
  readonly type: 'census';
  /** Armed in the worker's wheel. */
  readonly deadlines: number;
  /** Exchanges under way. */
  readonly exchanges: number;
  /** What keeps the thread's loop busy, by kind: sockets, timers, requests to the system. */
  readonly resources: Readonly<Record<string, number>>;
}

/** What it needs, after a collection. */
export interface Memory {
  readonly type: 'memory';
  readonly heapMiB: number;
  /** Outside the heap. */
  readonly buffersMiB: number;
}

const port = parentPort;
if (port === null) throw new Error('census-worker runs as a worker thread only');

const data: WorkerData = workerData;
const worker = new DataWorker(data, (message: FromWorker, transfer: readonly ArrayBuffer[] = []) =>
  port.postMessage(message, [...transfer]),
);
port.on('message', (message: ToWorker | { readonly type: 'census' } | { readonly type: 'memory' }) => {
  if (message.type !== 'census' && message.type !== 'memory') return worker.onMessage(message);
  // What was begun in this turn ends first.
  setImmediate(() => {
    if (message.type === 'census') return port.postMessage(census());
    // The first collection tells what else can go.
    collect();
    setImmediate(() => port.postMessage(memory()));
  });
});
process.on('uncaughtException', (error) => worker.onFault(error));
process.on('unhandledRejection', (error) => worker.onFault(error));

function census(): Census {
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo().toSorted()) if (name !== 'Immediate') resources[name] = (resources[name] ?? 0) + 1;
  return { type: 'census', deadlines: countDeadlines(), exchanges: worker.active, resources };
}

function collect(): void {
  setFlagsFromString('--expose-gc');
  const run: () => void = runInNewContext('gc');
  run();
}

function memory(): Memory {
  collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { type: 'memory', heapMiB: heapUsed / 2 ** 20, buffersMiB: arrayBuffers / 2 ** 20 };
}

function countDeadlines(): number {
  const slots: (Deadline | null)[] = Reflect.get(worker.wheel, 'slots');
  let count = 0;
  for (let entry of slots) for (; entry !== null; entry = entry.next) if (entry.at !== Infinity) count++;
  return count;
}
