import { bucketIndex, scales, type Scale } from './buckets.ts';

export type MetricType = 'counter' | 'gauge' | 'histogram';

export type Labels = Readonly<Record<string, string>>;

/** One series as told to the main thread, JSON text in `series` messages (model/events.ts). */
export interface SeriesDescriptor {
  readonly name: string;
  readonly type: MetricType;
  readonly labels: Labels;
  /** Histograms only. */
  readonly scale?: Scale;
}

/** Bytes of one worker's region. Untouched pages cost nothing, so this is a bound and not a price. */
export const metricsBytes = 16 * 1024 * 1024;

/** Series one worker may have; the rest is counted in `weir_metrics_overflow_total`. */
export const maxSeries = 100_000;

/** Slots a series takes in its worker's region. A histogram has its buckets, one above the last bound, and the sum. */
export function seriesWidth(descriptor: SeriesDescriptor): number {
  return descriptor.type === 'histogram' ? scales[descriptor.scale ?? 'milliseconds'].length + 2 : 1;
}

/** Monotonic count. One writer: the worker that owns the region. */
export class Counter {
  readonly #row: Float64Array;
  readonly #slot: number;

  constructor(row: Float64Array, slot: number) {
    this.#row = row;
    this.#slot = slot;
  }

  add(n: number): void {
    this.#row[this.#slot] += n;
  }

  get value(): number {
    return this.#row[this.#slot];
  }
}

/** A level that goes up and down; summed over workers. */
export class Gauge {
  readonly #row: Float64Array;
  readonly #slot: number;

  constructor(row: Float64Array, slot: number) {
    this.#row = row;
    this.#slot = slot;
  }

  add(n: number): void {
    this.#row[this.#slot] += n;
  }

  set(value: number): void {
    this.#row[this.#slot] = value;
  }

  get value(): number {
    return this.#row[this.#slot];
  }
}

/** Counts per bucket and their sum. */
export class Histogram {
  readonly #row: Float64Array;
  readonly #slot: number;
  readonly #sum: number;
  readonly #scale: Scale;

  constructor(row: Float64Array, slot: number, scale: Scale) {
    this.#row = row;
    this.#slot = slot;
    this.#sum = slot + scales[scale].length + 1;
    this.#scale = scale;
  }

  /** `value` in the scale's unit; negative values count as 0. */
  observe(value: number): void {
    const v = value > 0 ? value : 0;
    this.#row[this.#slot + bucketIndex(this.#scale, v)]++;
    this.#row[this.#sum] += v;
  }
}

/** Tells the main thread of new series; `first` is the slot of the first, the others follow it. */
export type OnSeries = (first: number, descriptors: readonly string[]) => void;

/**
 * The metrics of one worker (or of the main thread itself): hands out slots of a shared region for label sets. Asking
 * twice for one label set gives the same handle. Handles are kept by the caller: asking is not for the hot path.
 */
export class WorkerMetrics {
  readonly #row: Float64Array;
  readonly #onSeries: OnSeries;
  readonly #limit: number;
  readonly #handles = new Map<string, Counter | Gauge | Histogram>();
  readonly #overflowed: Counter;
  readonly #overflowGauge: Gauge;
  readonly #overflowHistogram: Map<Scale, Histogram> = new Map();
  #next = 0;
  #told: string[] = [];
  #toldFirst = 0;

  constructor(buffer: SharedArrayBuffer, onSeries: OnSeries, limit: number = maxSeries) {
    this.#row = new Float64Array(buffer);
    this.#onSeries = onSeries;
    this.#limit = limit;
    this.#overflowed = new Counter(this.#row, this.#allocate({ name: 'weir_metrics_overflow_total', type: 'counter', labels: {} }));
    // Sinks for what does not fit live outside the shared region: nobody reads them.
    const sink = new Float64Array(64);
    this.#overflowGauge = new Gauge(sink, 0);
    for (const scale of ['milliseconds', 'bytes'] as const) this.#overflowHistogram.set(scale, new Histogram(sink, 1, scale));
  }

  counter(name: string, labels: Labels = {}): Counter {
    const handle = this.#handle({ name, type: 'counter', labels }, (slot) => new Counter(this.#row, slot));
    return handle instanceof Counter ? handle : this.#overflowed;
  }

  gauge(name: string, labels: Labels = {}): Gauge {
    const handle = this.#handle({ name, type: 'gauge', labels }, (slot) => new Gauge(this.#row, slot));
    if (handle instanceof Gauge) return handle;
    this.#overflowed.add(1);
    return this.#overflowGauge;
  }

  histogram(name: string, scale: Scale, labels: Labels = {}): Histogram {
    const handle = this.#handle({ name, type: 'histogram', labels, scale }, (slot) => new Histogram(this.#row, slot, scale));
    if (handle instanceof Histogram) return handle;
    this.#overflowed.add(1);
    const sink = this.#overflowHistogram.get(scale);
    if (sink === undefined) throw new Error(`no overflow histogram for ${scale}`);
    return sink;
  }

  /** Sends what is new. Called by itself in a microtask; call it before a worker ends. */
  flush(): void {
    if (this.#told.length === 0) return;
    const told = this.#told;
    this.#told = [];
    this.#onSeries(this.#toldFirst, told);
  }

  #handle<H extends Counter | Gauge | Histogram>(
    descriptor: SeriesDescriptor,
    make: (slot: number) => H,
  ): Counter | Gauge | Histogram | null {
    const key = seriesKey(descriptor);
    const known = this.#handles.get(key);
    if (known !== undefined) return known;
    const full = this.#handles.size >= this.#limit || this.#next + seriesWidth(descriptor) > this.#row.length;
    if (full) return null;
    const handle = make(this.#allocate(descriptor));
    this.#handles.set(key, handle);
    return handle;
  }

  #allocate(descriptor: SeriesDescriptor): number {
    const slot = this.#next;
    this.#next += seriesWidth(descriptor);
    if (this.#told.length === 0) {
      this.#toldFirst = slot;
      queueMicrotask(() => this.flush());
    }
    this.#told.push(JSON.stringify(descriptor));
    return slot;
  }
}

/** Identity of a series: its name, type and labels in order of their names. */
export function seriesKey(descriptor: SeriesDescriptor): string {
  return `${descriptor.name}{${labelText(descriptor.labels)}}`;
}

/** `a="1",b="2"`, escaped as the exposition format wants it, in order of the names. */
export function labelText(labels: Labels): string {
  return Object.keys(labels)
    .sort()
    .map((name) => `${name}="${escapeLabel(labels[name])}"`)
    .join(',');
}

function escapeLabel(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
