/** A data worker without sockets: confirms what it is told, and dies when a cluster is called `die`. */
import { parentPort, workerData } from 'node:worker_threads';
import type { FromWorker, ToWorker } from '../model/events.ts';

const port = parentPort;
if (port === null) throw new Error('runs as a worker only');
const say = (message: FromWorker): void => port.postMessage(message);

if (workerData?.mode === 'broken') throw new Error('cannot start');
let endpoints: string[] = [];

port.on('message', (message: ToWorker) => {
  if (message.type === 'apply') {
    endpoints = message.endpoints.map(({ cluster }) => cluster);
    say({ type: 'applied', revision: message.revision, failed: [] });
  } else if (message.type === 'endpoints') {
    if (message.changed.some(({ cluster }) => cluster === 'die') && workerData?.index === 0) throw new Error('planted');
    endpoints.push(...message.changed.map(({ cluster }) => cluster));
  } else if (message.type === 'describe') {
    say({ type: 'description', id: message.id, clusters: endpoints.map((name) => ({ name, endpoints: [] })) });
  } else {
    say({ type: 'drained' });
    port.close();
  }
});
say({ type: 'ready' });
