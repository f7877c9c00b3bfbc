import { scales } from './buckets.ts';
import { metricInfo } from './metric-names.ts';
import { labelText, metricsBytes, seriesKey, seriesWidth, WorkerMetrics, type MetricType, type SeriesDescriptor } from './metrics.ts';

interface Source {
  readonly worker: number;
  readonly row: Float64Array;
  readonly slot: number;
}

interface Series {
  readonly name: string;
  readonly type: MetricType;
  readonly labels: string;
  readonly bounds: readonly number[];
  readonly width: number;
  /** What workers that are gone have counted: counters never go back. */
  readonly past: Float64Array;
  sources: Source[];
}

/** Sums the regions of all workers. Lives on the main thread; reading takes no message to a worker. */
export class MetricsAggregator {
  readonly #rows = new Map<number, Float64Array>();
  readonly #series = new Map<string, Series>();
  readonly #collectors: (() => void)[] = [];
  #nextWorker = 1;
  /** The main thread's own series. */
  readonly local: WorkerMetrics;

  constructor() {
    const buffer = new SharedArrayBuffer(metricsBytes);
    this.#rows.set(0, new Float64Array(buffer));
    this.local = new WorkerMetrics(buffer, (first, descriptors) => this.series(0, first, descriptors));
  }

  /** Makes the region of a new worker; `id` names it in `series` and `retire`. */
  attach(): { readonly id: number; readonly buffer: SharedArrayBuffer } {
    const id = this.#nextWorker++;
    const buffer = new SharedArrayBuffer(metricsBytes);
    this.#rows.set(id, new Float64Array(buffer));
    return { id, buffer };
  }

  /** Takes a `series` message (model/events.ts). Text that is no descriptor ends the message's reading: slots behind it are unknown. */
  series(worker: number, first: number, descriptors: readonly string[]): void {
    const row = this.#rows.get(worker);
    if (row === undefined) return;
    let slot = first;
    for (const text of descriptors) {
      const descriptor = parseDescriptor(text);
      if (descriptor === null) return;
      const key = seriesKey(descriptor);
      let series = this.#series.get(key);
      if (series === undefined) {
        series = {
          name: descriptor.name,
          type: descriptor.type,
          labels: labelText(descriptor.labels),
          bounds: descriptor.type === 'histogram' ? scales[descriptor.scale ?? 'milliseconds'] : [],
          width: seriesWidth(descriptor),
          past: new Float64Array(seriesWidth(descriptor)),
          sources: [],
        };
        this.#series.set(key, series);
      }
      series.sources.push({ worker, row, slot });
      slot += series.width;
    }
  }

  /** The worker is gone: its counts stay, its levels (gauges) go. Call it once, after the worker's exit. */
  retire(worker: number): void {
    if (!this.#rows.delete(worker)) return;
    for (const series of this.#series.values()) {
      for (const source of series.sources) {
        if (source.worker !== worker || series.type === 'gauge') continue;
        for (let i = 0; i < series.width; i++) series.past[i] += source.row[source.slot + i];
      }
      series.sources = series.sources.filter((source) => source.worker !== worker);
    }
  }

  /** Called before each reading: sets gauges that are only known when asked. */
  onCollect(collect: () => void): void {
    this.#collectors.push(collect);
  }

  /** Sum of one series over all workers; 0 when there is none. Histograms: how many observations. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number {
    const series = this.#series.get(seriesKey({ name, type: 'counter', labels }));
    if (series === undefined) return 0;
    const totals = sum(series);
    return series.type === 'histogram' ? totals.subarray(0, -1).reduce((a, b) => a + b, 0) : totals[0];
  }

  /** Sum over every label set of a name. */
  total(name: string): number {
    let total = 0;
    for (const series of this.#series.values()) if (series.name === name) total += sum(series)[0];
    return total;
  }

  /** Prometheus exposition format 0.0.4 (`text/plain; version=0.0.4; charset=utf-8`). */
  prometheus(): string {
    const out: string[] = [];
    for (const [name, family] of this.#families()) {
      const info = metricInfo(name);
      out.push(`# HELP ${name} ${info.help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${family[0].type}\n`);
      for (const series of family) pushSamples(out, series);
    }
    return out.join('');
  }

  /** Envoy-like `name: value` lines in order; `filter` keeps names that contain it. */
  stats(filter = ''): string {
    return this.#flat(filter)
      .map((stat) => `${stat.name}: ${statText(stat)}\n`)
      .join('');
  }

  /** Envoy's `/stats?format=json`: `{"stats": [{"name", "value"}]}`; histograms give their count, sum and estimated quantiles. */
  statsJson(filter = ''): string {
    return JSON.stringify({ stats: this.#flat(filter) });
  }

  #flat(filter: string): Stat[] {
    const stats: Stat[] = [];
    for (const [, family] of this.#families()) {
      for (const series of family) {
        const name = series.labels === '' ? series.name : `${series.name}{${series.labels}}`;
        if (filter !== '' && !name.includes(filter)) continue;
        const totals = sum(series);
        stats.push(series.type === 'histogram' ? { name, histogram: summary(series, totals) } : { name, value: totals[0] });
      }
    }
    return stats;
  }

  #families(): [string, Series[]][] {
    for (const collect of this.#collectors) collect();
    this.local.flush();
    const families = new Map<string, Series[]>();
    for (const series of this.#series.values()) {
      const family = families.get(series.name);
      if (family === undefined) families.set(series.name, [series]);
      else if (family[0].type === series.type) family.push(series);
    }
    const sorted = [...families].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [, family] of sorted) family.sort((a, b) => (a.labels < b.labels ? -1 : 1));
    return sorted;
  }
}

interface HistogramSummary {
  readonly count: number;
  readonly sum: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

type Stat = { readonly name: string; readonly value: number } | { readonly name: string; readonly histogram: HistogramSummary };

function statText(stat: Stat): string {
  if ('value' in stat) return String(stat.value);
  const h = stat.histogram;
  return `count=${h.count} sum=${round(h.sum)} P50=${round(h.p50)} P90=${round(h.p90)} P99=${round(h.p99)}`;
}

function round(n: number): number {
  return Math.round(n * 1000) / 1000;
}

function sum(series: Series): Float64Array {
  const totals = Float64Array.from(series.past);
  for (const { row, slot } of series.sources) for (let i = 0; i < series.width; i++) totals[i] += row[slot + i];
  return totals;
}

function pushSamples(out: string[], series: Series): void {
  const totals = sum(series);
  if (series.type !== 'histogram') {
    out.push(`${series.name}${series.labels === '' ? '' : `{${series.labels}}`} ${totals[0]}\n`);
    return;
  }
  const prefix = series.labels === '' ? '' : `${series.labels},`;
  let count = 0;
  for (let i = 0; i < series.bounds.length; i++) {
    count += totals[i];
    out.push(`${series.name}_bucket{${prefix}le="${series.bounds[i]}"} ${count}\n`);
  }
  count += totals[series.bounds.length];
  const labels = series.labels === '' ? '' : `{${series.labels}}`;
  out.push(`${series.name}_bucket{${prefix}le="+Inf"} ${count}\n`);
  out.push(`${series.name}_sum${labels} ${round(totals[series.bounds.length + 1])}\n${series.name}_count${labels} ${count}\n`);
}

function summary(series: Series, totals: Float64Array): HistogramSummary {
  const buckets = series.bounds.length;
  let count = 0;
  for (let i = 0; i <= buckets; i++) count += totals[i];
  return {
    count,
    sum: totals[buckets + 1],
    p50: quantile(series.bounds, totals, count, 0.5),
    p90: quantile(series.bounds, totals, count, 0.9),
    p99: quantile(series.bounds, totals, count, 0.99),
  };
}

/** Linear within the bucket; above the last bound, the last bound. */
function quantile(bounds: readonly number[], totals: Float64Array, count: number, q: number): number {
  let rest = q * count;
  for (let i = 0; i < bounds.length; i++) {
    if (totals[i] > 0 && rest <= totals[i]) {
      const low = i === 0 ? 0 : bounds[i - 1];
      return low + ((bounds[i] - low) * rest) / totals[i];
    }
    rest -= totals[i];
  }
  return count === 0 ? 0 : bounds[bounds.length - 1];
}

function parseDescriptor(text: string): SeriesDescriptor | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (typeof value !== 'object' || value === null || !('name' in value) || !('type' in value) || !('labels' in value)) return null;
  const { name, type, labels } = value;
  if (typeof name !== 'string' || (type !== 'counter' && type !== 'gauge' && type !== 'histogram')) return null;
  if (typeof labels !== 'object' || labels === null) return null;
  const checked: Record<string, string> = {};
  for (const [label, labelValue] of Object.entries(labels)) checked[label] = String(labelValue);
  const scale = 'scale' in value && value.scale === 'bytes' ? 'bytes' : 'milliseconds';
  return { name, type, labels: checked, ...(type === 'histogram' ? { scale } : {}) };
}
