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
  /** One count of connections for each worker, which all read (proxy/listen/gate.ts). Absent: each counts for itself. */
  readonly connectionTotals?: SharedArrayBuffer;
  readonly options: WorkerOptions;
}

export interface WorkerOptions {
  /** Name of a format or an Envoy format string, as telemetry/access-log.ts `logFormat` takes it; null: no access log. */
  readonly accessLog: string | null;
  /** Connections of the process at a time; 0 or absent: no limit. */
  readonly maxConnections?: number;
  /** Resident memory of the process above which new requests get 503, bytes; 0 or absent: no bound. */
  readonly maxMemoryBytes?: number;
}
