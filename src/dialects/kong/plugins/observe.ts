/** Metrics and tracing plugins of Kong 3.9. */
import { z } from 'zod';
import { flag, headerName, host, milliseconds, number, plugin, port, queue, text, texts, url, type PluginFamily } from './fields.ts';

const identifier = z.enum(['consumer_id', 'custom_id', 'username']);
const statType = z.enum(['counter', 'gauge', 'histogram', 'meter', 'set', 'timer', 'distribution']);
const oldQueue = { retry_count: z.int().optional(), queue_size: z.int().optional(), flush_timeout: z.number().optional() };
const headerTypes = ['preserve', 'ignore', 'b3', 'b3-single', 'w3c', 'jaeger', 'ot', 'aws', 'gcp', 'datadog', 'instana'] as const;
const formats = z.array(z.enum(['w3c', 'b3', 'b3-single', 'jaeger', 'ot', 'aws', 'gcp', 'datadog', 'instana']));
const propagation = (first: 'w3c' | 'b3') =>
  z
    .strictObject({
      extract: formats.optional(),
      clear: texts.optional(),
      inject: z.array(z.enum(['preserve', 'w3c', 'b3', 'b3-single', 'jaeger', 'ot', 'aws', 'gcp', 'datadog', 'instana'])).optional(),
      default_format: z.enum(['w3c', 'b3', 'b3-single', 'jaeger', 'ot', 'aws', 'gcp', 'datadog', 'instana']).default(first),
    })
    .optional();

const datadogNames = ['kong_latency', 'latency', 'request_count', 'request_size', 'response_size', 'upstream_latency'] as const;
const statsdNames = [
  ...datadogNames,
  'request_per_user',
  'status_count',
  'status_count_per_user',
  'unique_users',
  'status_count_per_workspace',
  'status_count_per_user_per_route',
  'shdict_usage',
  'cache_datastore_hits_total',
  'cache_datastore_misses_total',
] as const;

export const observePlugins: PluginFamily = {
  statsd: plugin(11, false, () =>
    z.strictObject({
      host: host.default('localhost'),
      port: port.default(8125),
      prefix: text.default('kong'),
      metrics: z
        .array(
          z.strictObject({
            name: z.enum(statsdNames),
            stat_type: statType,
            sample_rate: z.number().positive().optional(),
            consumer_identifier: identifier.optional(),
            service_identifier: z.enum(['service_id', 'service_name', 'service_host', 'service_name_or_host']).optional(),
            workspace_identifier: z.enum(['workspace_id', 'workspace_name']).optional(),
          }),
        )
        .optional(),
      allow_status_codes: z.array(z.string().regex(/^\d+-\d+$/, 'a range of status codes, as in 200-299')).optional(),
      udp_packet_size: number(0, 65_507).default(0),
      use_tcp: flag(false),
      hostname_in_prefix: flag(false),
      consumer_identifier_default: identifier.default('custom_id'),
      service_identifier_default: z
        .enum(['service_id', 'service_name', 'service_host', 'service_name_or_host'])
        .default('service_name_or_host'),
      workspace_identifier_default: z.enum(['workspace_id', 'workspace_name']).default('workspace_id'),
      tag_style: z.enum(['dogstatsd', 'influxdb', 'librato', 'signalfx']).optional(),
      ...oldQueue,
      queue: queue().optional(),
    }),
  ),
  datadog: plugin(10, false, () =>
    z.strictObject({
      host: host.default('localhost'),
      port: port.default(8125),
      prefix: text.default('kong'),
      service_name_tag: text.default('name'),
      status_tag: text.default('status'),
      consumer_tag: text.default('consumer'),
      metrics: z
        .array(
          z.strictObject({
            name: z.enum(datadogNames),
            stat_type: statType,
            tags: texts.optional(),
            sample_rate: number(0, 1).optional(),
            consumer_identifier: identifier.optional(),
          }),
        )
        .optional(),
      ...oldQueue,
      queue: queue().optional(),
    }),
  ),
  prometheus: plugin(13, false, () =>
    z.strictObject({
      per_consumer: flag(false),
      status_code_metrics: flag(false),
      ai_metrics: flag(false),
      latency_metrics: flag(false),
      bandwidth_metrics: flag(false),
      upstream_health_metrics: flag(false),
      wasm_metrics: flag(false),
    }),
  ),
  opentelemetry: plugin(14, false, () =>
    z.strictObject({
      endpoint: url.optional(),
      traces_endpoint: url.optional(),
      logs_endpoint: url.optional(),
      headers: z.record(headerName, z.string()).optional(),
      resource_attributes: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
      batch_span_count: z.int().optional(),
      batch_flush_delay: z.int().optional(),
      queue: queue().optional(),
      connect_timeout: milliseconds.default(1000),
      send_timeout: milliseconds.default(5000),
      read_timeout: milliseconds.default(5000),
      http_response_header_for_traceid: text.optional(),
      header_type: z.enum(headerTypes).default('preserve'),
      sampling_rate: number(0, 1).optional(),
      sampling_strategy: z
        .enum(['parent_drop_probability_fallback', 'parent_probability_fallback'])
        .default('parent_drop_probability_fallback'),
      propagation: propagation('w3c'),
    }),
  ),
  zipkin: plugin(100_000, false, () =>
    z.strictObject({
      local_service_name: text.default('kong'),
      http_endpoint: url.optional(),
      sample_ratio: number(0, 1).default(0.001),
      default_service_name: text.optional(),
      include_credential: flag(true),
      traceid_byte_count: z.union([z.literal(8), z.literal(16)]).default(16),
      header_type: z.enum(headerTypes).default('preserve'),
      default_header_type: z.enum(headerTypes).default('b3'),
      tags_header: text.default('Zipkin-Tags'),
      static_tags: z.array(z.strictObject({ name: text, value: text })).optional(),
      connect_timeout: milliseconds.default(2000),
      send_timeout: milliseconds.default(5000),
      read_timeout: milliseconds.default(5000),
      http_span_name: z.enum(['method', 'method_path']).default('method'),
      http_response_header_for_traceid: text.optional(),
      phase_duration_flavor: z.enum(['annotations', 'tags']).default('annotations'),
      queue: queue().optional(),
      propagation: propagation('b3'),
    }),
  ),
};
