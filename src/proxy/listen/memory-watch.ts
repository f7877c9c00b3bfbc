import { getHeapStatistics } from 'node:v8';

/** Share of its bound below which memory must fall again before new work is taken. */
const calm = 0.95;
/** Share of what V8 gives one worker's heap that may be used: it ends the worker at the whole. */
const heapShare = 0.9;
const lookMs = 200;

export interface MemoryUse {
  /** Of the process: buffers outside of any heap count too. */
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly heapLimitBytes: number;
}

function measure(): MemoryUse {
  const { used_heap_size: heapBytes, heap_size_limit: heapLimitBytes } = getHeapStatistics();
  return { rssBytes: process.memoryUsage.rss(), heapBytes, heapLimitBytes };
}

/** Looks at the memory in use and says when new work must wait (Envoy's overload manager, stop_accepting_requests). */
export class MemoryWatch {
  isTight = false;
  private readonly maxRssBytes: number;
  private readonly use: () => MemoryUse;
  private nextAt = 0;

  /** `maxRssBytes`: 0 for no bound of the process; the worker's heap has one always. */
  constructor(maxRssBytes: number, use: () => MemoryUse = measure) {
    this.maxRssBytes = maxRssBytes;
    this.use = use;
  }

  /** Called at each tick. */
  look(now: number): void {
    if (now < this.nextAt) return;
    this.nextAt = now + lookMs;
    const { rssBytes, heapBytes, heapLimitBytes } = this.use();
    const share = this.isTight ? calm : 1;
    const isRssTight = this.maxRssBytes > 0 && rssBytes >= this.maxRssBytes * share;
    this.isTight = isRssTight || heapBytes >= heapLimitBytes * heapShare * share;
  }
}
