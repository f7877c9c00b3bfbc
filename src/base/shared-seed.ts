import { randomFillSync } from 'node:crypto';

const seedBytes = 32;

/**
 * Random bytes that all threads read and one replaces from time to time. The old ones are gone then: nothing that was derived
 * from them can be derived again.
 */
export class SharedSeed {
  readonly memory: SharedArrayBuffer;
  /** Odd while the bytes are being replaced. */
  private readonly epochs: Int32Array;
  private readonly bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer = fresh()) {
    this.memory = memory;
    this.epochs = new Int32Array(memory, 0, 1);
    this.bytes = new Uint8Array(memory, 4, seedBytes);
  }

  /** Changes with every `rotate`; odd while one is under way. */
  get epoch(): number {
    return Atomics.load(this.epochs, 0);
  }

  /** For the one thread that owns it. */
  rotate(): void {
    Atomics.add(this.epochs, 0, 1);
    this.bytes.set(randomFillSync(new Uint8Array(seedBytes)));
    Atomics.add(this.epochs, 0, 1);
  }

  /** A copy of the bytes; null while they are being replaced. */
  read(): Uint8Array | null {
    const before = this.epoch;
    const copy = this.bytes.slice();
    return before % 2 === 0 && this.epoch === before ? copy : null;
  }
}

function fresh(): SharedArrayBuffer {
  const memory = new SharedArrayBuffer(4 + seedBytes);
  new Uint8Array(memory, 4, seedBytes).set(randomFillSync(new Uint8Array(seedBytes)));
  return memory;
}
