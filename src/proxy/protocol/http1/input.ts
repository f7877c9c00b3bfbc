import { type ReadBuffers, smallBytes } from '../../upstream/buffers.ts';

/** Bytes received on one connection and not yet read: `buffer[from, to)`. */
export class Input {
  buffer: Buffer | null = null;
  from = 0;
  to = 0;
  /** `buffer` is ours and has spare room behind `to`; otherwise it is a chunk as the socket gave it. */
  private owned = false;
  private small: Buffer | null = null;
  private readonly reads: ReadBuffers;

  constructor(reads: ReadBuffers) {
    this.reads = reads;
  }

  get isEmpty(): boolean {
    return this.buffer === null;
  }

  /** Appends a chunk; a lone one is kept as it is, without a copy. */
  take(chunk: Buffer): void {
    const { buffer } = this;
    if (buffer === null) {
      this.buffer = chunk;
      this.from = 0;
      this.to = chunk.length;
      return;
    }
    if (!this.owned || buffer.length - this.to < chunk.length) this.own(chunk.length);
    if (this.buffer !== null) chunk.copy(this.buffer, this.to);
    this.to += chunk.length;
  }

  /** Takes bytes out of the worker's read buffer. The first ones of a request go into a small buffer that is used again and again. */
  takeShared(shared: Buffer, bytes: number): void {
    const isFirst = this.buffer === null && this.small === null && bytes <= smallBytes;
    const buffer = isFirst ? this.reads.takeSmall() : Buffer.allocUnsafe(bytes);
    // A call into the runtime costs as much as a loop over this many.
    if (bytes <= 160) for (let i = 0; i < bytes; i++) buffer[i] = shared[i];
    else shared.copy(buffer, 0, 0, bytes);
    if (!isFirst) return this.take(buffer);
    this.small = buffer;
    this.buffer = buffer;
    this.owned = true;
    this.from = 0;
    this.to = bytes;
  }

  /** The exchange is over and its head let go: nothing refers to the small buffer, unless bytes of the next request are in it. */
  release(): void {
    if (this.small === null || this.buffer === this.small) return;
    this.reads.giveSmall(this.small);
    this.small = null;
  }

  /** Moves what is left into a buffer of our own, twice as large: a head that trickles in stays linear. */
  private own(more: number): void {
    const { buffer } = this;
    if (buffer === null) return;
    const have = this.to - this.from;
    const larger = Buffer.allocUnsafe(Math.max(1024, (have + more) * 2));
    buffer.copy(larger, 0, this.from, this.to);
    this.buffer = larger;
    this.owned = true;
    this.from = 0;
    this.to = have;
  }

  /** Lets go of the buffer once all of it is read. A head parsed from it keeps its own reference. */
  settle(): void {
    if (this.from === this.to) this.drop();
  }

  drop(): void {
    this.buffer = null;
    this.owned = false;
    this.from = 0;
    this.to = 0;
  }
}
