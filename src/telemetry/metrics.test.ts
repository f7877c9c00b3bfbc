import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { MetricsAggregator } from './aggregate.ts';
import { bucketIndex, scales } from './buckets.ts';
import { ExchangeMetrics } from './exchange-metrics.ts';
import { WorkerMetrics } from './metrics.ts';
import { blankRecord } from '../../tests/support/record.ts';

function worker(aggregator: MetricsAggregator, limit?: number) {
  const { id, buffer } = aggregator.attach();
  return { id, metrics: new WorkerMetrics(buffer, (first, descriptors) => aggregator.series(id, first, descriptors), limit) };
}

describe('buckets', () => {
  for (const scale of ['milliseconds', 'bytes'] as const) {
    it(`puts every value into the first bucket whose bound holds it: ${scale}`, () => {
      const bounds: readonly number[] = scales[scale];
      fc.assert(
        fc.property(fc.oneof(fc.double({ min: 0, max: 1e10, noNaN: true }), fc.constantFrom(...bounds)), (value) => {
          const linear = bounds.findIndex((bound) => value <= bound);
          assert.equal(bucketIndex(scale, value), linear === -1 ? bounds.length : linear);
        }),
        { numRuns: 5000 },
      );
    });
  }
});

describe('MetricsAggregator', () => {
  it('sums one series over workers and keeps what a dead worker counted', () => {
    const aggregator = new MetricsAggregator();
    const [a, b] = [worker(aggregator), worker(aggregator)];
    a.metrics.counter('envoy_cluster_upstream_rq_total', { envoy_cluster_name: 'x' }).add(3);
    b.metrics.counter('envoy_cluster_upstream_rq_total', { envoy_cluster_name: 'x' }).add(4);
    a.metrics.gauge('envoy_cluster_upstream_cx_active', { envoy_cluster_name: 'x' }).add(2);
    b.metrics.gauge('envoy_cluster_upstream_cx_active', { envoy_cluster_name: 'x' }).add(1);
    a.metrics.flush();
    b.metrics.flush();
    assert.equal(aggregator.value('envoy_cluster_upstream_rq_total', { envoy_cluster_name: 'x' }), 7);
    aggregator.retire(a.id);
    aggregator.retire(a.id);
    assert.equal(aggregator.value('envoy_cluster_upstream_rq_total', { envoy_cluster_name: 'x' }), 7);
    assert.equal(aggregator.value('envoy_cluster_upstream_cx_active', { envoy_cluster_name: 'x' }), 1);
    const c = worker(aggregator);
    c.metrics.counter('envoy_cluster_upstream_rq_total', { envoy_cluster_name: 'x' }).add(1);
    c.metrics.flush();
    assert.equal(aggregator.value('envoy_cluster_upstream_rq_total', { envoy_cluster_name: 'x' }), 8);
  });

  it('gives one handle to one label set, in whatever order its labels are written', () => {
    const { metrics } = worker(new MetricsAggregator());
    assert.equal(metrics.counter('a_total', { x: '1', y: '2' }), metrics.counter('a_total', { y: '2', x: '1' }));
    assert.notEqual(metrics.counter('a_total', { x: '1', y: '2' }), metrics.counter('a_total', { x: '1', y: '3' }));
  });

  it('counts in the overflow series when there are too many label sets, and keeps the known ones exact', () => {
    const aggregator = new MetricsAggregator();
    const { metrics } = worker(aggregator, 10);
    for (let i = 0; i < 100; i++) metrics.counter('a_total', { i: String(i) }).add(1);
    metrics.histogram('h', 'bytes', {}).observe(1);
    metrics.gauge('g').set(1);
    metrics.flush();
    assert.equal(aggregator.total('a_total'), 10);
    assert.equal(aggregator.total('weir_metrics_overflow_total'), 92);
  });

  it('ignores descriptors that are none and workers it does not know', () => {
    const aggregator = new MetricsAggregator();
    const { id } = aggregator.attach();
    aggregator.series(id, 0, ['{', '[]']);
    aggregator.series(99, 0, ['{"name":"x","type":"counter","labels":{}}']);
    assert.doesNotMatch(aggregator.prometheus(), /^x/m);
  });

  it('writes exposition format 0.0.4 with hostile label values', () => {
    const aggregator = new MetricsAggregator();
    const { metrics } = worker(aggregator);
    metrics.counter('a_total', { path: 'q"uo\\te\nline' }).add(1.5);
    const histogram = metrics.histogram('h_milliseconds', 'milliseconds', { le_like: 'x' });
    for (const value of [0.05, 0.1, 3, 1e9, -1]) histogram.observe(value);
    metrics.flush();
    const text = aggregator.prometheus();
    checkExposition(text);
    assert.match(text, /^a_total\{path="q\\"uo\\\\te\\nline"\} 1\.5$/m);
    assert.match(text, /^h_milliseconds_bucket\{le_like="x",le="0\.1"\} 3$/m);
    assert.match(text, /^h_milliseconds_bucket\{le_like="x",le="\+Inf"\} 5$/m);
    assert.match(text, /^h_milliseconds_count\{le_like="x"\} 5$/m);
  });

  it('sets collected gauges at each reading', () => {
    const aggregator = new MetricsAggregator();
    let now = 0;
    const uptime = aggregator.local.gauge('envoy_server_uptime');
    aggregator.onCollect(() => uptime.set(++now));
    assert.match(aggregator.prometheus(), /^envoy_server_uptime 1$/m);
    assert.match(aggregator.stats('uptime'), /^envoy_server_uptime: 2$/m);
  });

  it('estimates quantiles within the bucket', () => {
    const aggregator = new MetricsAggregator();
    const histogram = aggregator.local.histogram('h', 'milliseconds');
    for (let i = 0; i < 100; i++) histogram.observe(7);
    assert.match(aggregator.stats('h'), /^h: count=100 sum=700 P50=7\.5 P90=9\.5 P99=9\.95$/m);
    assert.deepEqual(JSON.parse(aggregator.statsJson('h')).stats[0].histogram.count, 100);
  });
});

describe('ExchangeMetrics', () => {
  it("records Istio's and Envoy's standard metrics", () => {
    const aggregator = new MetricsAggregator();
    const { metrics } = worker(aggregator);
    const exchanges = new ExchangeMetrics(metrics, { workload: 'edge', namespace: 'infra' });
    const forwarded = blankRecord({
      listener: '0.0.0.0:80',
      upstreamCluster: 'c',
      upstreamService: 's.n',
      upstreamServiceNamespace: 'n',
      responseCode: 200,
      upstreamServiceTimeMs: 2,
      upstreamAttempts: 2,
      bytesSent: 100,
    });
    exchanges.record(forwarded);
    exchanges.record(forwarded);
    exchanges.record({ ...forwarded, responseCode: 504, responseFlags: 'UT', upstreamAttempts: 1 });
    exchanges.record(blankRecord({ listener: '0.0.0.0:80', responseCode: 404, responseFlags: 'NR' }));
    metrics.flush();
    const text = aggregator.prometheus();
    checkExposition(text);
    assert.match(
      text,
      /^istio_requests_total\{[^}]*destination_service="s\.n"[^}]*response_code="200",response_flags="-",[^}]*source_workload="edge"[^}]*\} 2$/m,
    );
    assert.match(text, /^istio_requests_total\{[^}]*destination_service="unknown"[^}]*response_code="404",response_flags="NR"[^}]*\} 1$/m);
    assert.equal(aggregator.value('envoy_cluster_upstream_rq_total', { envoy_cluster_name: 'c' }), 3);
    assert.equal(aggregator.value('envoy_cluster_upstream_rq_retry', { envoy_cluster_name: 'c' }), 2);
    assert.equal(aggregator.value('envoy_cluster_upstream_rq_timeout', { envoy_cluster_name: 'c' }), 1);
    assert.equal(aggregator.value('envoy_cluster_upstream_rq_xx', { envoy_cluster_name: 'c', envoy_response_code_class: '2' }), 2);
    assert.equal(aggregator.value('envoy_http_downstream_rq_total', { envoy_http_conn_manager_prefix: '0.0.0.0:80' }), 4);
    assert.equal(aggregator.value('envoy_http_no_route', { envoy_http_conn_manager_prefix: '0.0.0.0:80' }), 1);
  });

  it('tells gRPC calls apart by their status', () => {
    const aggregator = new MetricsAggregator();
    const { metrics } = worker(aggregator);
    const exchanges = new ExchangeMetrics(metrics);
    const call = blankRecord({
      upstreamCluster: 'c',
      upstreamService: 's.n',
      upstreamServiceNamespace: 'n',
      isGrpc: true,
      grpcStatus: 0,
      requestMessages: 2,
      responseMessages: 5,
    });
    exchanges.record(call);
    exchanges.record(call);
    exchanges.record({ ...call, grpcStatus: 12 });
    exchanges.record({ ...call, grpcStatus: -1, responseFlags: 'UR' });
    exchanges.record({ ...call, isGrpc: false, grpcStatus: -1 });
    metrics.flush();
    const text = aggregator.prometheus();
    checkExposition(text);
    const series = (status: string, flags: string, protocol: string, count: number): RegExp =>
      new RegExp(
        `^istio_requests_total\\{[^}]*grpc_response_status="${status}"[^}]*request_protocol="${protocol}"[^}]*response_flags="${flags}"[^}]*\\} ${count}$`,
        'm',
      );
    assert.match(text, series('0', '-', 'grpc', 2));
    assert.match(text, series('12', '-', 'grpc', 1));
    const messages = (name: string): number => aggregator.total(name);
    assert.deepEqual([messages('istio_request_messages_total'), messages('istio_response_messages_total')], [8, 20]);
    assert.match(text, series('', 'UR', 'grpc', 1));
    assert.match(text, series('', '-', 'http', 1));
  });

  it('takes any status without making room for it for ever', () => {
    const aggregator = new MetricsAggregator();
    const { metrics } = worker(aggregator);
    const exchanges = new ExchangeMetrics(metrics);
    for (const responseCode of [0, 99, 999, 1e9, -5]) exchanges.record(blankRecord({ responseCode }));
    metrics.flush();
    assert.equal(aggregator.total('envoy_http_downstream_rq_total'), 5);
  });
});

/** What promtool's parser insists on: HELP and TYPE once and before the samples, names and labels well formed, no series twice. */
function checkExposition(text: string): void {
  const declared = new Map<string, string>();
  const seen = new Set<string>();
  assert.ok(text.endsWith('\n'));
  for (const line of text.slice(0, -1).split('\n')) {
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      assert.ok(!declared.has(type[1]), `TYPE twice: ${line}`);
      declared.set(type[1], type[2]);
      continue;
    }
    if (/^# HELP [a-zA-Z_:][a-zA-Z0-9_:]* /.test(line)) continue;
    const sample = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)+\})? (\S+)$/.exec(line);
    assert.ok(sample !== null, `not a sample: ${line}`);
    const family = sample[1].replace(/_(bucket|sum|count)$/, '');
    assert.ok(declared.has(sample[1]) || declared.get(family) === 'histogram', `sample before its TYPE: ${line}`);
    assert.ok(!Number.isNaN(Number(sample[3])), line);
    const identity = `${sample[1]}${sample[2] ?? ''}`;
    assert.ok(!seen.has(identity), `series twice: ${identity}`);
    seen.add(identity);
  }
}
