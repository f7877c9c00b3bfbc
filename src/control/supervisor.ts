import { Worker } from 'node:worker_threads';
import type { ClusterDescription, FromWorker, ResolvedEndpoints, ToWorker } from '../model/events.ts';

export interface SupervisorOptions {
  /** Module that a data worker runs. */
  readonly entry: URL;
  readonly count: number;
  /** `workerData` for a worker about to start; called again for a replacement. */
  readonly workerData: (index: number) => unknown;
  /** Messages that are not about the worker's own life: log lines, metric series, faults. */
  readonly onMessage: (index: number, message: FromWorker) => void;
  /** A worker ended on its own; a replacement follows after `delayMs`. */
  readonly onDeath: (index: number, reason: string, delayMs: number) => void;
  /** Its memory and counters may be retired. */
  readonly onExit?: (index: number) => void;
  readonly execArgv?: readonly string[];
}

export type ApplyState = Extract<ToWorker, { readonly type: 'apply' }>;

export interface ApplyResult {
  /** Workers that confirmed; all of them unless one hangs or keeps dying. */
  readonly confirmed: number;
  readonly failed: readonly { readonly worker: number; readonly listener: string; readonly reason: string }[];
}

interface Slot {
  readonly index: number;
  worker: Worker | null;
  ready: boolean;
  /** Deaths since the last calm time. */
  deaths: number;
  startedAt: number;
  /** Revision it last confirmed. */
  applied: number;
  failed: readonly { readonly listener: string; readonly reason: string }[];
  drained: boolean;
  restart: NodeJS.Timeout | null;
  /** A worker that ends by a bug tells it first. */
  lastFault: string | null;
}

/** A replacement starts at once the first time, then after 100, 200, 400 … ms, at most this. */
const maxBackoffMs = 800;
/** A worker that lived this long has forgotten its deaths. */
const calmMs = 10_000;
/** Deaths of one worker before the first `ready` after which a start is given up. */
const maxStartDeaths = 3;
const answerMs = 30_000;

/** Starts the data workers, tells them what to serve, and replaces the ones that die. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #slots: Slot[] = [];
  readonly #waiting = new Set<() => void>();
  readonly #descriptions = new Map<number, { readonly wanted: Set<number>; readonly found: Map<number, readonly ClusterDescription[]> }>();
  #state: ApplyState | null = null;
  readonly #endpoints = new Map<string, ResolvedEndpoints>();
  #nextId = 1;
  #stopping = false;
  #startFailure: string | null = null;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    for (let index = 0; index < options.count; index++) {
      this.#slots.push({
        index,
        worker: null,
        ready: false,
        deaths: 0,
        startedAt: 0,
        applied: 0,
        failed: [],
        drained: false,
        restart: null,
        lastFault: null,
      });
    }
  }

  /** Resolves when every worker is ready. Rejects when one cannot start at all. */
  async start(): Promise<void> {
    for (const slot of this.#slots) this.#spawn(slot);
    await this.#until(() => this.#startFailure !== null || this.#slots.every((slot) => slot.ready), Infinity);
    if (this.#startFailure !== null) throw new Error(this.#startFailure);
  }

  /** Resolves when every worker has swapped; a worker that dies meanwhile counts through its replacement. */
  async apply(state: ApplyState): Promise<ApplyResult> {
    this.#state = state;
    this.#endpoints.clear();
    for (const resolved of state.endpoints) this.#endpoints.set(resolved.cluster, resolved);
    this.#broadcast(state);
    const done = (slot: Slot): boolean => slot.applied >= state.revision;
    await this.#until(() => this.#stopping || this.#slots.every(done), answerMs);
    return {
      confirmed: this.#slots.filter(done).length,
      failed: this.#slots.flatMap((slot) => slot.failed.map((failure) => ({ worker: slot.index, ...failure }))),
    };
  }

  /** Endpoints that changed; replacements get them too. */
  endpoints(changed: readonly ResolvedEndpoints[]): void {
    for (const resolved of changed) this.#endpoints.set(resolved.cluster, resolved);
    this.#broadcast({ type: 'endpoints', changed });
  }

  /** What DNS gave for the clusters that ask it. */
  get resolved(): readonly ResolvedEndpoints[] {
    return [...this.#endpoints.values()];
  }

  /** Live counts of every worker, in order of their index; a worker that does not answer in time is left out. */
  async describe(timeoutMs = 2000): Promise<readonly (readonly ClusterDescription[])[]> {
    const id = this.#nextId++;
    const asked = this.#slots.filter((slot) => slot.ready);
    const question = { wanted: new Set(asked.map((slot) => slot.index)), found: new Map<number, readonly ClusterDescription[]>() };
    this.#descriptions.set(id, question);
    for (const slot of asked) send(slot, { type: 'describe', id });
    await this.#until(() => question.found.size >= question.wanted.size, timeoutMs);
    this.#descriptions.delete(id);
    return [...question.found].sort(([a], [b]) => a - b).map(([, clusters]) => clusters);
  }

  /** Exchanges end, new ones are answered with `Connection: close`; resolves when all are done or time is up. */
  async drain(timeoutMs: number): Promise<void> {
    this.#stopping = true;
    for (const slot of this.#slots) {
      if (slot.restart !== null) clearTimeout(slot.restart);
      if (slot.worker === null || !slot.ready) slot.drained = true;
      send(slot, { type: 'drain', timeoutMs });
    }
    this.#wake();
    // The workers cut what is left at the timeout; the margin is for their answer.
    await this.#until(() => this.#slots.every((slot) => slot.drained), timeoutMs + 2000);
  }

  async terminate(): Promise<void> {
    this.#stopping = true;
    for (const slot of this.#slots) if (slot.restart !== null) clearTimeout(slot.restart);
    this.#wake();
    await Promise.all(this.#slots.map((slot) => slot.worker?.terminate() ?? Promise.resolve(0)));
  }

  get readyCount(): number {
    return this.#slots.filter((slot) => slot.ready).length;
  }

  /** Thread ids by index, for tests and operators; null while a worker is being replaced. */
  get threadIds(): readonly (number | null)[] {
    return this.#slots.map((slot) => slot.worker?.threadId ?? null);
  }

  #spawn(slot: Slot): void {
    slot.restart = null;
    slot.startedAt = Date.now();
    slot.lastFault = null;
    const { entry, workerData, execArgv } = this.#options;
    const worker = new Worker(entry, {
      workerData: workerData(slot.index),
      ...(execArgv === undefined ? {} : { execArgv: [...execArgv] }),
    });
    slot.worker = worker;
    let reason = 'it ended';
    worker.on('message', (message: FromWorker) => this.#message(slot, message));
    worker.on('error', (error: unknown) => {
      reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
    });
    worker.on('exit', (code) => this.#exit(slot, slot.lastFault ?? (code === 0 ? reason : `${reason} (code ${code})`)));
  }

  #message(slot: Slot, message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        slot.ready = true;
        if (this.#state !== null) send(slot, { ...this.#state, endpoints: [...this.#endpoints.values()] });
        break;
      case 'applied':
        slot.applied = message.revision;
        slot.failed = message.failed;
        break;
      case 'drained':
        slot.drained = true;
        break;
      case 'description':
        this.#descriptions.get(message.id)?.found.set(slot.index, message.clusters);
        break;
      case 'fault':
        slot.lastFault = message.message;
        this.#options.onMessage(slot.index, message);
        return;
      default:
        this.#options.onMessage(slot.index, message);
        return;
    }
    this.#wake();
  }

  #exit(slot: Slot, reason: string): void {
    const wasReady = slot.ready;
    slot.worker = null;
    slot.ready = false;
    slot.drained = true;
    slot.applied = 0;
    slot.failed = [];
    for (const question of this.#descriptions.values()) question.wanted.delete(slot.index);
    this.#options.onExit?.(slot.index);
    if (!this.#stopping) {
      if (Date.now() - slot.startedAt > calmMs) slot.deaths = 0;
      slot.deaths++;
      if (!wasReady && this.#state === null && slot.deaths >= maxStartDeaths) {
        this.#startFailure = `data worker ${slot.index} does not start: ${reason}`;
      } else {
        const delayMs = slot.deaths === 1 ? 0 : Math.min(maxBackoffMs, 50 * 2 ** (slot.deaths - 1));
        slot.drained = false;
        slot.restart = setTimeout(() => this.#spawn(slot), delayMs);
        this.#options.onDeath(slot.index, reason, delayMs);
      }
    }
    this.#wake();
  }

  #broadcast(message: ToWorker): void {
    for (const slot of this.#slots) if (slot.ready) send(slot, message);
  }

  #wake(): void {
    for (const check of this.#waiting) check();
  }

  /** Resolves when `condition` holds or `timeoutMs` is over; re-checked after each event. */
  #until(condition: () => boolean, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = timeoutMs === Infinity ? null : setTimeout(() => end(), timeoutMs);
      const check = (): void => {
        if (condition()) end();
      };
      const end = (): void => {
        if (timer !== null) clearTimeout(timer);
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }
}

function send(slot: Slot, message: ToWorker): void {
  slot.worker?.postMessage(message);
}
