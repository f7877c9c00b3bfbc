/** A data worker's thread that can be asked what it holds: a rig's `entry`. */
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

const port = parentPort;
if (port === null) throw new Error('census-worker runs as a worker thread only');

const data: WorkerData = workerData;
const worker = new DataWorker(data, (message: FromWorker, transfer: readonly ArrayBuffer[] = []) =>
  port.postMessage(message, [...transfer]),
);
port.on('message', (message: ToWorker | { readonly type: 'census' }) => {
  if (message.type !== 'census') return worker.onMessage(message);
  // What was begun in this turn ends first.
  setImmediate(() => port.postMessage(census()));
});
process.on('uncaughtException', (error) => worker.onFault(error));
process.on('unhandledRejection', (error) => worker.onFault(error));

function census(): Census {
  const resources: Record<string, number> = {};
  for (const name of process.getActiveResourcesInfo().toSorted()) if (name !== 'Immediate') resources[name] = (resources[name] ?? 0) + 1;
  return { type: 'census', deadlines: countDeadlines(), exchanges: worker.active, resources };
}

function countDeadlines(): number {
  const slots: (Deadline | null)[] = Reflect.get(worker.wheel, 'slots');
  let count = 0;
  for (let entry of slots) for (; entry !== null; entry = entry.next) if (entry.at !== Infinity) count++;
  return count;
}
