/** Finished lines are this much, or older than a tick, when they are handed over. */
export const batchBytes = 128 * 1024;
/** A line that begins within the batch mostly ends here. */
const slotBytes = batchBytes + batchBytes / 8;
const slotCount = 4;
/** A word for each slot: 1 while it is in use. */
const headerBytes = slotCount * Int32Array.BYTES_PER_ELEMENT;

/**
 * Buffers for log lines in memory that the writing thread and the one that writes the file share: a batch allocates nothing, and the
 * collector of neither thread has work with it. Pages that were never used take no memory.
 */
export class LogSlots {
  readonly #memory = new SharedArrayBuffer(headerBytes + slotCount * slotBytes);
  readonly #states = new Int32Array(this.#memory, 0, slotCount);
  readonly #buffers: readonly Buffer[] = Array.from({ length: slotCount }, (_, slot) =>
    Buffer.from(this.#memory, headerBytes + slot * slotBytes, slotBytes),
  );

  /** The first buffer that nobody uses; `giveBack` frees it. Null: all wait to be written. */
  take(): Buffer | null {
    for (let slot = 0; slot < slotCount; slot++) if (Atomics.compareExchange(this.#states, slot, 0, 1) === 0) return this.#buffers[slot];
    return null;
  }
}

/** From any thread: nobody needs these lines any more. Lines in memory of their own are left to the collector. */
export function giveBack(lines: Uint8Array): void {
  const { buffer, byteOffset } = lines;
  if (buffer instanceof SharedArrayBuffer)
    Atomics.store(new Int32Array(buffer, 0, slotCount), Math.floor((byteOffset - headerBytes) / slotBytes), 0);
}
