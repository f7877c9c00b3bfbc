import { Bindings } from '../../control/bindings.ts';
import { Discovery } from '../../control/discovery.ts';
import type { Log } from '../../control/log.ts';
import { LogWriter } from '../../control/log-writer.ts';
import type { ServingState } from '../../control/state.ts';
import { emptyState } from '../../control/state.ts';
import { Supervisor } from '../../control/supervisor.ts';
import type { SourceWatcher } from '../../control/watch.ts';
import { watchSources } from '../../control/watch.ts';
import { SharedSeed } from '../../base/shared-seed.ts';
import { entryBeside } from '../../base/entry.ts';
import { compilationFailed, listenerFailed, workerDied } from '../../control/problems.ts';
import { createLimitMemory } from '../../decide/limit-store.ts';
import type { TranslateOptions } from '../../dialects/dialect.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { CompileOutcome, FromWorker } from '../../model/events.ts';
import type { WorkerData } from '../../model/worker.ts';
import { gateBytes } from '../../proxy/listen/gate.ts';
import { MetricsAggregator } from '../../telemetry/aggregate.ts';
import { Compiler } from './compiler.ts';
import type { DevCertificate } from './dev-certificate.ts';
import { exposeProcess } from './process-metrics.ts';

export interface GatewayOptions {
  readonly paths: readonly string[];
  /** Text behind `-`; null when it was not given. */
  readonly stdin: string | null;
  readonly translate: TranslateOptions;
  readonly workers: number;
  readonly ports: ReadonlyMap<number, number>;
  readonly watch: boolean;
  /** Format of access-log lines; null: none. */
  readonly accessLog: string | null;
  /** File of the access log; null: standard output. */
  readonly accessLogPath: string | null;
  /** Development certificate; null: none. */
  readonly dev: DevCertificate | null;
  /** Client connections of the process at a time; 0: no limit. */
  readonly maxConnections: number;
  /** 0: no bound. */
  readonly maxMemoryBytes: number;
  readonly onDiagnostics: (diagnostics: readonly Diagnostic[]) => void;
}

/** Unprogrammed listeners are tried again after this, ms. */
const rebindMs = 2000;
const maxDeathsShown = 10;
/** TLS sessions can be resumed for so long at most, ms: then all tickets given out so far mean nothing any more. */
const ticketMs = 3_600_000;

/** One gateway in one process: compile worker, data workers, and what keeps them fed. */
export class Gateway {
  readonly metrics = new MetricsAggregator();
  readonly #options: GatewayOptions;
  readonly #log: Log;
  readonly #compiler: Compiler;
  readonly #bindings: Bindings;
  readonly #discovery: Discovery;
  readonly #supervisor: Supervisor;
  readonly #writer: LogWriter;
  readonly #metricIds = new Map<number, number>();
  readonly #ticketTimer: NodeJS.Timeout;
  #watcher: SourceWatcher | null = null;
  #rebind: NodeJS.Timeout | null = null;
  #state: ServingState = emptyState;
  #fileDiagnostics: readonly Diagnostic[] = [];
  #socketDiagnostics: readonly Diagnostic[] = [];
  #deaths: readonly Diagnostic[] = [];
  #work: Promise<void> = Promise.resolve();
  #reloadQueued = false;
  #stopped = false;

  /** Throws when the access log cannot be opened. */
  constructor(options: GatewayOptions, log: Log) {
    this.#options = options;
    this.#log = log;
    this.#writer = new LogWriter({ path: options.accessLogPath, onError: (message) => log.error(message) });
    this.#bindings = new Bindings(options.ports);
    this.#discovery = new Discovery({ onChange: (changed) => this.#supervisor.endpoints(changed) });
    const limitMemory = createLimitMemory();
    const tickets = new SharedSeed();
    const { accessLog, maxConnections, maxMemoryBytes } = options;
    const connectionTotals = new SharedArrayBuffer(gateBytes(options.workers));
    this.#ticketTimer = setInterval(() => tickets.rotate(), ticketMs).unref();
    this.#compiler = new Compiler({ limitMemory });
    this.#supervisor = new Supervisor({
      entry: entryBeside(import.meta.url, '../../proxy/worker'),
      count: options.workers,
      workerData: (index): WorkerData => {
        const { id, buffer } = this.metrics.attach();
        this.#metricIds.set(index, id);
        return {
          index,
          limitMemory,
          metrics: buffer,
          ticketSeed: tickets.memory,
          connectionTotals,
          options: { accessLog, maxConnections, maxMemoryBytes },
        };
      },
      onMessage: (index, message) => this.#message(index, message),
      onDeath: (index, reason, delayMs) => {
        this.metrics.local.counter('weir_worker_restarts_total').add(1);
        this.#deaths = [...this.#deaths, workerDied(index, reason)].slice(-maxDeathsShown);
        log.error('a data worker died and is replaced', { worker: index, delayMs, reason });
      },
      onExit: (index) => {
        const id = this.#metricIds.get(index);
        if (id !== undefined) this.metrics.retire(id);
      },
    });
    exposeProcess(this.metrics, () => ({
      state: this.state,
      workers: this.#supervisor.readyCount,
      droppedLogLines: this.#writer.droppedLines,
    }));
  }

  /** Resolves when the first snapshot serves on every worker. */
  async start(): Promise<void> {
    // Before the first reading: a change in between is seen.
    if (this.#options.watch) this.#watcher = watchSources(this.#options.paths, () => void this.reload('files changed'));
    await Promise.all([this.#supervisor.start(), this.reload('start')]);
  }

  get state(): ServingState {
    return {
      ...this.#state,
      diagnostics: [...this.#fileDiagnostics, ...this.#socketDiagnostics, ...this.#discovery.diagnostics, ...this.#deaths],
    };
  }

  get ready(): boolean {
    return this.#state.appliedAt !== null && !this.#state.draining;
  }

  get workersReady(): number {
    return this.#supervisor.readyCount;
  }

  describe() {
    return this.#supervisor.describe();
  }

  /** Reads the files again. Calls during a reload become one more reload. */
  reload(reason: string): Promise<void> {
    if (this.#reloadQueued) return this.#work;
    this.#reloadQueued = true;
    this.#work = this.#work.then(async () => {
      this.#reloadQueued = false;
      if (!this.#stopped) await this.#reload(reason);
    });
    return this.#work;
  }

  /** JSON text of the compile worker's answer. */
  async ask(
    question:
      | { readonly type: 'dump' | 'certs' }
      | { readonly type: 'routes'; readonly limit: number }
      | { readonly type: 'explain'; readonly body: string },
  ) {
    const live = { bindings: this.#state.bindings, resolved: this.#supervisor.resolved };
    const answer = await this.#compiler.ask(question.type === 'explain' ? { ...question, ...live } : question);
    if (answer.type === 'text') return { status: answer.status, text: answer.text };
    const message = answer.type === 'failed' ? answer.message : 'unexpected answer';
    this.#log.error(`the compile worker failed: ${message}`);
    return { status: 500, text: JSON.stringify({ error: 'the compile worker failed; its log line says why' }) };
  }

  reopenLogs(): void {
    this.#writer.reopen();
  }

  /** Finishes what is under way, at most for `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#state = { ...this.#state, draining: true };
    this.#watcher?.close();
    this.#discovery.close();
    if (this.#rebind !== null) clearTimeout(this.#rebind);
    await this.#work;
    await this.#supervisor.drain(timeoutMs);
  }

  /** After `drain`, or at once. */
  async close(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#ticketTimer);
    this.#watcher?.close();
    this.#discovery.close();
    if (this.#rebind !== null) clearTimeout(this.#rebind);
    await Promise.all([this.#supervisor.terminate(), this.#compiler.close()]);
    await this.#writer.close();
  }

  async #reload(reason: string): Promise<void> {
    const { paths, stdin, translate, dev } = this.#options;
    const began = performance.now();
    const answer = await this.#compiler.ask({ type: 'compile', paths, stdin, options: translate, dev });
    if (answer.type === 'compiled') {
      this.#watcher?.alsoWatch(answer.files);
      this.#fileDiagnostics = answer.outcome.diagnostics;
      this.#state = { ...this.#state, outcome: answer.outcome, quarantined: answer.quarantined };
      await this.#apply(answer.outcome);
      const result = this.state.diagnostics.some(({ severity }) => severity === 'error') ? 'with-errors' : 'applied';
      this.metrics.local.counter('weir_config_updates_total', { result }).add(1);
      this.metrics.local.histogram('weir_config_apply_milliseconds', 'milliseconds').observe(performance.now() - began);
      this.#log.info(`revision ${this.#state.revision} serves`, {
        reason,
        routes: answer.outcome.summary.routes,
        quarantined: answer.quarantined,
      });
      this.#options.onDiagnostics(this.state.diagnostics);
    } else if (answer.type === 'failed') {
      const failure = compilationFailed(answer.message);
      this.#log.error(`the compile worker failed: ${answer.message}`);
      this.#fileDiagnostics = [...this.#fileDiagnostics.filter(({ code }) => code !== 'WR0707'), failure];
      this.#options.onDiagnostics([failure]);
    } else {
      this.#log.debug('the files hold what they held', { reason });
    }
  }

  async #apply(outcome: CompileOutcome): Promise<void> {
    const [plan, endpoints] = await Promise.all([
      this.#bindings.plan(outcome.summary.listeners),
      this.#discovery.update(outcome.summary.dns),
    ]);
    const revision = this.#state.revision + 1;
    this.#state = { ...this.#state, revision };
    const result = await this.#supervisor.apply({ type: 'apply', revision, tables: outcome.tables, bindings: plan.bindings, endpoints });
    const failures = result.failed.map(({ worker, listener, reason }) => listenerFailed(worker, listener, reason));
    this.#socketDiagnostics = [...plan.diagnostics, ...failures];
    if (result.confirmed < this.#options.workers)
      this.#log.error(`${this.#options.workers - result.confirmed} workers did not confirm revision ${revision} in time`);
    this.#state = { ...this.#state, appliedAt: new Date().toISOString(), bindings: plan.bindings, unprogrammed: plan.unprogrammed };
    if (this.#rebind !== null) clearTimeout(this.#rebind);
    this.#rebind = plan.unprogrammed.size === 0 ? null : setTimeout(() => this.#tryAgain(outcome), rebindMs).unref();
  }

  /** A taken port may have come free. */
  #tryAgain(outcome: CompileOutcome): void {
    this.#work = this.#work.then(async () => {
      if (this.#stopped || this.#state.outcome !== outcome) return;
      const free = await this.#bindings.wouldChange(outcome.summary.listeners);
      if (free) {
        await this.#apply(outcome);
        this.#log.info(`revision ${this.#state.revision} serves: a port came free`);
      } else this.#rebind = setTimeout(() => this.#tryAgain(outcome), rebindMs).unref();
    });
  }

  #message(index: number, message: FromWorker): void {
    if (message.type === 'log') {
      this.#writer.write(message.lines);
    } else if (message.type === 'series') {
      const id = this.#metricIds.get(index);
      if (id !== undefined) this.metrics.series(id, message.first, message.descriptors);
    } else if (message.type === 'fault') {
      this.#log.error(`a bug ended one exchange: ${message.message}`, { worker: index, stack: message.stack });
    }
  }
}
