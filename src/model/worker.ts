/** What a data worker is started with (`workerData`). Everything else comes as messages (events.ts). */
export interface WorkerData {
  /** 0 … workers − 1; a replacement has the index of the one it replaces. */
  readonly index: number;
  /** Shared by all workers: limit windows and buckets. */
  readonly limitMemory: SharedArrayBuffer;
  /** This worker's own region of counters. */
  readonly metrics: SharedArrayBuffer;
  /** 36 bytes that all workers derive their session ticket keys from (base/shared-seed.ts). Absent: each has its own. */
  readonly ticketSeed?: SharedArrayBuffer;
  readonly options: WorkerOptions;
}

export interface WorkerOptions {
  /** Name of a format or an Envoy format string, as telemetry/access-log.ts `logFormat` takes it; null: no access log. */
  readonly accessLog: string | null;
}
