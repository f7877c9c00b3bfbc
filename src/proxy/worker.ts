/** Entry of a data worker thread. */
import { parentPort, workerData } from 'node:worker_threads';
import type { FromWorker, ToWorker } from '../model/events.ts';
import type { WorkerData } from '../model/worker.ts';
import { DataWorker } from './data-worker.ts';

const port = parentPort;
if (port === null) throw new Error('proxy/worker runs as a worker thread only');

const data: WorkerData = workerData;
const worker = new DataWorker(data, (message: FromWorker, transfer: readonly ArrayBuffer[] = []) =>
  port.postMessage(message, [...transfer]),
);
port.on('message', (message: ToWorker) => worker.onMessage(message));
// A bug outside any exchange: counted and told. State that may be broken is not served on.
process.on('uncaughtException', (error) => {
  worker.onFault(error);
  setImmediate(() => process.exit(1));
});
process.on('unhandledRejection', (error) => worker.onFault(error));
