import type { LiveConnection } from './client.ts';
import type { ListenerRuntime } from './listener-runtime.ts';

/** Connections of one listener in one worker; each counts in the process's total. */
class ConnectionSet extends Set<LiveConnection> {
  private readonly totals: Int32Array;
  private readonly worker: number;

  constructor(totals: Int32Array, worker: number) {
    super();
    this.totals = totals;
    this.worker = worker;
  }

  override add(connection: LiveConnection): this {
    if (!this.has(connection)) Atomics.add(this.totals, this.worker, 1);
    return super.add(connection);
  }

  override delete(connection: LiveConnection): boolean {
    const was = super.delete(connection);
    if (was) Atomics.sub(this.totals, this.worker, 1);
    return was;
  }
}

/** Bytes of the memory that `workers` gates share: a count for each. */
export function gateBytes(workers: number): number {
  return workers * Int32Array.BYTES_PER_ELEMENT;
}

/**
 * Whether one more connection is taken. The total over all workers is kept as one count for each, so that a worker that dies takes
 * its own with it.
 */
export class Gate {
  private readonly totals: Int32Array;
  private readonly worker: number;
  private readonly max: number;

  /** `max`: connections of the process at a time; 0: no limit. `memory`: of `gateBytes`, zeros; absent: this worker counts alone. */
  constructor(worker: number, max: number, memory: SharedArrayBuffer | undefined) {
    this.worker = memory === undefined ? 0 : worker;
    this.totals = new Int32Array(memory ?? new SharedArrayBuffer(gateBytes(1)));
    this.max = max;
    Atomics.store(this.totals, this.worker, 0);
  }

  connections(): Set<LiveConnection> {
    return new ConnectionSet(this.totals, this.worker);
  }

  /** Null: it is taken. */
  refusal(at: ListenerRuntime): 'overflow' | 'global-overflow' | null {
    if (at.connections.size >= at.config.limits.maxConnections) return 'overflow';
    return this.max > 0 && this.total >= this.max ? 'global-overflow' : null;
  }

  /**
   * One more UDP session. Addresses of datagrams can be made up, and a session of one costs a socket as a connection does: they get no
   * more than half of what the process takes, so that nobody is shut out by them.
   */
  takesSession(at: ListenerRuntime): boolean {
    return at.connections.size < at.config.limits.maxConnections && (this.max === 0 || this.total < this.max / 2);
  }

  /** Of all workers. */
  get total(): number {
    const { totals } = this;
    let sum = 0;
    for (let i = 0; i < totals.length; i++) sum += totals[i];
    return sum;
  }
}
