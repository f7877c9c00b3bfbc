/**
 * Loaded into every thread of the program by a test (`node --import`): ends a data worker from within, or counts what it
 * holds. The program itself has no such door.
 */
import { isMainThread, workerData } from 'node:worker_threads';
import { SharedTable } from '../../src/base/shared-table.ts';

export type InsideQuestion =
  /** The worker with this index ends; `locked`: while it holds every lock of the limits. */
  { readonly type: 'die'; readonly index: number; readonly locked: boolean } | { readonly type: 'count' };

export interface InsideAnswer {
  readonly index: number;
  readonly timers: number;
  readonly heapMiB: number;
  /** Buffers outside the heap, after a collection where the program was started with --expose-gc. */
  readonly buffersMiB: number;
}

const channel = new BroadcastChannel('weir-test-inside');

// The launcher asks Node for its version first: not there.
if (isMainThread && process.argv.length > 1) {
  process.on('message', (message) => channel.postMessage(message));
  channel.onmessage = (event) => {
    if (isAnswer(event.data)) process.send?.(event.data);
  };
} else if (!isMainThread && isDataWorker(workerData)) {
  const { index, limitMemory } = workerData;
  channel.onmessage = (event) => {
    const { data } = event;
    if (!isQuestion(data)) return;
    if (data.type === 'count') {
      const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
      globalThis.gc?.();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      channel.postMessage({ index, timers, heapMiB: heapUsed / 2 ** 20, buffersMiB: arrayBuffers / 2 ** 20 } satisfies InsideAnswer);
    } else if (data.index === index) {
      const table = new SharedTable(limitMemory);
      if (data.locked) for (let set = 0; set < table.sets; set++) table.lock(set);
      process.exit(1);
    }
  };
}
channel.unref();

function isDataWorker(data: unknown): data is { readonly index: number; readonly limitMemory: SharedArrayBuffer } {
  return typeof data === 'object' && data !== null && 'index' in data && 'limitMemory' in data;
}

function isQuestion(data: unknown): data is InsideQuestion {
  return typeof data === 'object' && data !== null && 'type' in data;
}

function isAnswer(data: unknown): data is InsideAnswer {
  return typeof data === 'object' && data !== null && 'timers' in data;
}
