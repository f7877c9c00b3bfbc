import { Int32List } from '../../base/growable.ts';

/** Texts written one after the other, in UTF-8. */
export class PoolWriter {
  private data = Buffer.allocUnsafe(1 << 16);
  private length = 0;

  /** Writes the JSON of each value; returns their offsets, one more than there are values. At most 2 GB in all. */
  writeAll(values: Iterable<unknown>): Int32Array {
    const offsets = new Int32List();
    for (const value of values) {
      offsets.push(this.length);
      this.write(JSON.stringify(value));
    }
    offsets.push(this.length);
    return offsets.view();
  }

  finish(): SharedArrayBuffer {
    const shared = new SharedArrayBuffer(this.length);
    new Uint8Array(shared).set(this.data.subarray(0, this.length));
    return shared;
  }

  private write(text: string): void {
    const most = this.length + text.length * 3;
    if (most > this.data.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.data.length * 2, most));
      this.data.copy(grown, 0, 0, this.length);
      this.data = grown;
    }
    this.length += this.data.write(text, this.length, 'utf8');
  }
}

/** Texts of one kind in the pool. */
export class PoolTexts {
  readonly count: number;
  private readonly pool: Buffer;
  private readonly offsets: Int32Array;

  constructor(pool: Buffer, offsets: Int32Array) {
    this.pool = pool;
    this.offsets = offsets;
    this.count = offsets.length - 1;
  }

  text(i: number): string {
    return this.pool.toString('utf8', this.offsets[i], this.offsets[i + 1]);
  }
}
