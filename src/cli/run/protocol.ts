import type { TranslateOptions } from '../../dialects/dialect.ts';
import type { WatchedFile } from '../../dialects/secrets.ts';
import type { DevCertificate } from './dev-certificate.ts';
import type { Binding, CompileOutcome, ResolvedEndpoints } from '../../model/events.ts';

/** `workerData` of the compile worker. */
export interface CompilerData {
  /** The data workers' limits, for explain to look at. */
  readonly limitMemory: SharedArrayBuffer;
}

/** Main thread → compile worker. Each is answered once, under its id. */
export type ToCompiler =
  | {
      readonly type: 'compile';
      readonly id: number;
      readonly paths: readonly string[];
      readonly stdin: string | null;
      readonly options: TranslateOptions;
      /** Serves on an HTTPS listener of its own; null: there is none. */
      readonly dev: DevCertificate | null;
    }
  /** Routes of the current snapshot for the first page and Envoy's dump. */
  | { readonly type: 'dump'; readonly id: number }
  /** `/certs`: what is known of the certificates in use. */
  | { readonly type: 'certs'; readonly id: number }
  | { readonly type: 'routes'; readonly id: number; readonly limit: number }
  /** Body of `POST /api/v1/explain`, JSON text. */
  | {
      readonly type: 'explain';
      readonly id: number;
      readonly body: string;
      readonly bindings: readonly Binding[];
      readonly resolved: readonly ResolvedEndpoints[];
    };

export type FromCompiler =
  | {
      readonly type: 'compiled';
      readonly id: number;
      readonly outcome: CompileOutcome;
      /** Certificate files that the configuration names. */
      readonly files: readonly WatchedFile[];
      readonly quarantined: number;
    }
  /** The files hold what they held. */
  | { readonly type: 'unchanged'; readonly id: number }
  | { readonly type: 'text'; readonly id: number; readonly status: number; readonly text: string }
  /** A bug: what serves stays. */
  | { readonly type: 'failed'; readonly id: number; readonly message: string };

/** One line of the first page's table of routes. */
export interface RouteLine {
  readonly name: string;
  readonly listener: string;
  readonly hosts: string;
  readonly match: string;
  readonly action: string;
  readonly file: string;
  readonly line: number;
}
