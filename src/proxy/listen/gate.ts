import { hashText } from '../../base/hash.ts';
import type { LiveConnection } from './client.ts';
import type { ListenerRuntime } from './listener-runtime.ts';

/** Listeners whose connections are counted over all workers; of one more each worker counts its own. */
const maxListeners = 512;

/** Connections of one listener in one worker; each counts in the process's total and in the listener's. */
class ConnectionSet extends Set<LiveConnection> {
  private readonly cells: Int32Array;
  private readonly worker: number;
  /** Where the listener's counts begin, one for each worker; -1: nowhere. */
  readonly from: number;

  constructor(cells: Int32Array, worker: number, from: number) {
    super();
    this.cells = cells;
    this.worker = worker;
    this.from = from;
  }

  override add(connection: LiveConnection): this {
    if (!this.has(connection)) this.count(1);
    return super.add(connection);
  }

  override delete(connection: LiveConnection): boolean {
    const was = super.delete(connection);
    if (was) this.count(-1);
    return was;
  }

  private count(change: number): void {
    Atomics.add(this.cells, this.worker, change);
    if (this.from >= 0) Atomics.add(this.cells, this.from + this.worker, change);
  }
}

/** Bytes of the memory that `workers` gates share: their totals, then the listeners' names, then counts of each listener. */
export function gateBytes(workers: number): number {
  return (workers + maxListeners * (workers + 1)) * Int32Array.BYTES_PER_ELEMENT;
}

/**
 * Whether one more connection is taken. What all workers have is kept as one count for each, so that a worker that dies takes its own
 * with it.
 */
export class Gate {
  private readonly cells: Int32Array;
  private readonly workers: number;
  private readonly worker: number;
  private readonly max: number;

  /** `max`: connections of the process at a time; 0: no limit. `memory`: of `gateBytes`, zeros; absent: this worker counts alone. */
  constructor(worker: number, max: number, memory: SharedArrayBuffer | undefined) {
    this.worker = memory === undefined ? 0 : worker;
    this.cells = new Int32Array(memory ?? new SharedArrayBuffer(gateBytes(1)));
    this.workers = (this.cells.length - maxListeners) / (maxListeners + 1);
    this.max = max;
    Atomics.store(this.cells, this.worker, 0);
    for (let slot = 0; slot < maxListeners; slot++) Atomics.store(this.cells, this.countsOf(slot) + this.worker, 0);
  }

  /** The set for a listener's connections in this worker. */
  connections(listener: string): Set<LiveConnection> {
    const slot = this.slotOf(listener);
    return new ConnectionSet(this.cells, this.worker, slot < 0 ? -1 : this.countsOf(slot));
  }

  private countsOf(slot: number): number {
    return this.workers + maxListeners + slot * this.workers;
  }

  /** The same in every worker, known by the name's hash; -1: all are taken. */
  private slotOf(listener: string): number {
    const name = hashText(listener) | 1;
    for (let i = 0; i < maxListeners; i++) {
      const slot = ((name >>> 1) + i) % maxListeners;
      const known = Atomics.compareExchange(this.cells, this.workers + slot, 0, name);
      if (known === 0 || known === name) return slot;
    }
    return -1;
  }

  /** Null: it is taken. */
  refusal(at: ListenerRuntime): 'overflow' | 'global-overflow' | null {
    if (this.countOf(at) >= at.config.limits.maxConnections) return 'overflow';
    return this.max > 0 && this.total >= this.max ? 'global-overflow' : null;
  }

  /**
   * One more UDP session. Addresses of datagrams can be made up, and a session of one costs a socket as a connection does: they get no
   * more than half of what the process takes, so that nobody is shut out by them.
   */
  takesSession(at: ListenerRuntime): boolean {
    return this.countOf(at) < at.config.limits.maxConnections && (this.max === 0 || this.total < this.max / 2);
  }

  /** Of all workers. */
  get total(): number {
    return this.sum(0);
  }

  /** A listener's, of all workers. */
  private countOf({ connections }: ListenerRuntime): number {
    return connections instanceof ConnectionSet && connections.from >= 0 ? this.sum(connections.from) : connections.size;
  }

  private sum(from: number): number {
    const { cells, workers } = this;
    let sum = 0;
    for (let i = from; i < from + workers; i++) sum += cells[i];
    return sum;
  }
}
