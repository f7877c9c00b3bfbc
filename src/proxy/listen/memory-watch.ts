import { getHeapStatistics } from 'node:v8';

/** Share of its bound below which memory must fall again before new work is taken. */
const calm = 0.95;
/** Share of what V8 gives one worker's heap that may be used: it ends the worker at the whole. */
const heapShare = 0.9;
const lookMs = 200;

export interface MemoryUse {
  /** Of the process: buffers outside of any heap count too. Null: the system does not say now. */
  readonly rssBytes: number | null;
  readonly heapBytes: number;
  readonly heapLimitBytes: number;
}

function measure(): MemoryUse {
  const { used_heap_size: heapBytes, heap_size_limit: heapLimitBytes } = getHeapStatistics();
  return { rssBytes: residentBytes(), heapBytes, heapLimitBytes };
}

/** Node opens a file for it, and throws where there is no descriptor left. */
function residentBytes(): number | null {
  try {
    return process.memoryUsage.rss();
  } catch {
    return null;
  }
}

/** Looks at the memory in use and says when new work must wait (Envoy's overload manager, stop_accepting_requests). */
export class MemoryWatch {
  isTight = false;
  private readonly maxRssBytes: number;
  private readonly use: () => MemoryUse;
  private nextAt = 0;
  /** Known last. */
  private rssBytes = 0;

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
    this.rssBytes = rssBytes ?? this.rssBytes;
    const share = this.isTight ? calm : 1;
    const isRssTight = this.maxRssBytes > 0 && this.rssBytes >= this.maxRssBytes * share;
    this.isTight = isRssTight || heapBytes >= heapLimitBytes * heapShare * share;
  }
}
