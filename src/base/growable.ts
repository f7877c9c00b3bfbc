/** Typed arrays that grow while a flat structure is built. */
export class Int32List {
  length = 0;
  private data = new Int32Array(256);

  push(value: number): number {
    this.reserve(1);
    this.data[this.length] = value;
    return this.length++;
  }

  /** Appends `count` words of `fill`; returns the position of the first. */
  extend(count: number, fill: number): number {
    this.reserve(count);
    const at = this.length;
    this.data.fill(fill, at, at + count);
    this.length += count;
    return at;
  }

  get(at: number): number {
    return this.data[at];
  }

  set(at: number, value: number): void {
    this.data[at] = value;
  }

  view(): Int32Array {
    return this.data.subarray(0, this.length);
  }

  private reserve(count: number): void {
    if (this.length + count <= this.data.length) return;
    const grown = new Int32Array(Math.max(this.data.length * 2, this.length + count));
    grown.set(this.data);
    this.data = grown;
  }
}

/** UTF-16 code units of many strings, one after the other. */
export class CodeUnitList {
  length = 0;
  private data = new Uint16Array(1_024);

  /** Returns the position of the first unit. */
  append(text: string, from = 0, to = text.length): number {
    const at = this.length;
    const need = at + to - from;
    if (need > this.data.length) {
      const grown = new Uint16Array(Math.max(this.data.length * 2, need));
      grown.set(this.data);
      this.data = grown;
    }
    for (let i = from; i < to; i++) this.data[at + i - from] = text.charCodeAt(i);
    this.length = need;
    return at;
  }

  get(at: number): number {
    return this.data[at];
  }

  view(): Uint16Array {
    return this.data.subarray(0, this.length);
  }
}
