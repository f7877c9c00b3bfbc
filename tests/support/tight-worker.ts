/** A data worker's thread whose memory is tight once it is told so: a rig's `entry`. */
import { parentPort } from 'node:worker_threads';
import { MemoryWatch } from '../../src/proxy/listen/memory-watch.ts';
import '../../src/proxy/worker.ts';

/** Sent to the thread. */
export interface Tighten {
  readonly type: 'tighten';
}

let isTight = false;
parentPort?.on('message', (message: Tighten | { readonly type: 'other' }) => {
  if (message.type === 'tighten') isTight = true;
});
MemoryWatch.prototype.look = function (this: MemoryWatch): void {
  this.isTight = isTight;
};
