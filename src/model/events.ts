/** Messages between the main thread and data workers. Everything that reports is counted in shared memory instead. */
import type { Diagnostic } from './diagnostic.ts';
import type { Endpoint } from './cluster.ts';

/** Compiled snapshot as it travels: shared buffers, mapped by workers without copying. Built by proxy/route/compile.ts. */
export interface FlatTables {
  /** Typed index: hosts, path tries, ranks, offsets. */
  readonly index: SharedArrayBuffer;
  /** JSON texts (routes, listeners, clusters, consumers) and strings, UTF-8. */
  readonly pool: SharedArrayBuffer;
}

/** One socket that every worker holds open with reusePort. */
export interface Binding {
  /** Name of the model listener. */
  readonly listener: string;
  readonly address: string;
  /** Real port, after --map-port. 0 for a Unix socket. */
  readonly port: number;
  /** Absent: tcp. */
  readonly transport?: 'tcp' | 'udp';
}

export interface ResolvedEndpoints {
  readonly cluster: string;
  readonly endpoints: readonly Endpoint[];
  /** Set: the name could not be resolved and nothing was known before. */
  readonly failure: string | null;
}

export type ToWorker =
  | {
      readonly type: 'apply';
      readonly revision: number;
      readonly tables: FlatTables;
      readonly bindings: readonly Binding[];
      readonly endpoints: readonly ResolvedEndpoints[];
    }
  /** Endpoints travel their own path and never rebuild routes. */
  | { readonly type: 'endpoints'; readonly changed: readonly ResolvedEndpoints[] }
  | { readonly type: 'drain'; readonly timeoutMs: number }
  | { readonly type: 'describe'; readonly id: number };

export type FromWorker =
  | { readonly type: 'ready' }
  | {
      readonly type: 'applied';
      readonly revision: number;
      readonly failed: readonly { readonly listener: string; readonly reason: string }[];
    }
  | { readonly type: 'drained' }
  /** A bug that ended one exchange; counted, logged, not fatal. */
  | { readonly type: 'fault'; readonly message: string; readonly stack: string }
  /** New metric series of this worker: slots in its shared row. */
  | { readonly type: 'series'; readonly first: number; readonly descriptors: readonly string[] }
  /** A batch of finished access-log lines, UTF-8, each with its newline. Whoever has used them calls telemetry/log/slots.ts `giveBack`. */
  | { readonly type: 'log'; readonly lines: Uint8Array }
  | { readonly type: 'description'; readonly id: number; readonly clusters: readonly ClusterDescription[] };

export interface ClusterDescription {
  readonly name: string;
  readonly endpoints: readonly {
    readonly address: string;
    readonly port: number;
    readonly weight: number;
    readonly active: number;
    readonly idle: number;
    readonly connectFailures: number;
    readonly requests: number;
  }[];
}

/** Result of compiling a set of files: what the compile worker hands to the main thread. */
export interface CompileOutcome {
  readonly tables: FlatTables;
  readonly diagnostics: readonly Diagnostic[];
  /** JSON text of Snapshot.status. */
  readonly statusJson: string;
  readonly summary: SnapshotSummary;
}

export interface SnapshotSummary {
  readonly listeners: readonly {
    readonly name: string;
    readonly address: string;
    readonly port: number;
    /** Absent: tcp. */
    readonly transport?: 'udp';
    readonly dialect: string;
    readonly hosts: readonly string[];
    readonly routes: number;
    readonly file: string;
    readonly line: number;
  }[];
  readonly routes: number;
  readonly clusters: number;
  /** The end of each secret's certificates: the first of its chain or, without one, the last of its authorities. ms since 1970. */
  readonly certificates: readonly { readonly secret: string; readonly validTo: number }[];
  /** Clusters whose endpoints are names. */
  readonly dns: readonly {
    readonly cluster: string;
    readonly declared: boolean;
    readonly names: readonly { readonly host: string; readonly port: number; readonly weight: number }[];
  }[];
}
