/** Traffic-control plugins of Kong 3.9. */
import { z } from 'zod';
import {
  exclusive,
  flag,
  flatRedis,
  headerName,
  number,
  periods,
  periodsInOrder,
  plugin,
  redis,
  text,
  texts,
  url,
  whole,
  type PluginFamily,
} from './fields.ts';

const countedAt = {
  policy: z.enum(['local', 'cluster', 'redis']).default('local'),
  fault_tolerant: flag(true),
  hide_client_headers: flag(false),
  redis: redis().optional(),
  ...flatRedis,
};

function redisHost(value: { policy: string; redis?: { host?: string | undefined } | undefined; redis_host?: string | undefined }): boolean {
  return value.policy !== 'redis' || value.redis?.host !== undefined || value.redis_host !== undefined;
}

export const rateLimitingConfig = () =>
  z
    .strictObject({
      ...periods,
      limit_by: z.enum(['consumer', 'credential', 'ip', 'service', 'header', 'path']).default('consumer'),
      header_name: headerName.optional(),
      path: z.string().startsWith('/').optional(),
      ...countedAt,
      error_code: z.int().min(100).max(599).default(429),
      error_message: z.string().min(1).default('API rate limit exceeded'),
      sync_rate: z.number().default(-1),
    })
    .check(periodsInOrder)
    .refine((value) => value.limit_by !== 'header' || value.header_name !== undefined, {
      path: ['header_name'],
      error: 'is required with limit_by: header',
    })
    .refine((value) => value.limit_by !== 'path' || value.path !== undefined, { path: ['path'], error: 'is required with limit_by: path' })
    .refine(redisHost, { path: ['redis'], error: 'host is required with policy: redis' });

export const requestTerminationConfig = () =>
  z
    .strictObject({
      status_code: z.int().min(100).max(599).default(503),
      message: z.string().optional(),
      echo: flag(false),
      content_type: text.optional(),
      body: z.string().optional(),
      trigger: headerName.optional(),
    })
    .check(exclusive('message', 'body'))
    .check(exclusive('message', 'content_type'))
    .refine((value) => value.content_type === undefined || value.body !== undefined, {
      path: ['body'],
      error: 'is required with content_type',
    });

export const redirectConfig = () =>
  z.strictObject({
    status_code: z.int().min(100).max(599).default(301),
    location: url,
    keep_incoming_path: flag(false),
  });

export const trafficPlugins: PluginFamily = {
  'rate-limiting': plugin(910, true, rateLimitingConfig),
  'response-ratelimiting': plugin(900, true, () =>
    z
      .strictObject({
        header_name: text.default('x-kong-limit'),
        limit_by: z.enum(['consumer', 'credential', 'ip']).default('consumer'),
        ...countedAt,
        block_on_first_violation: flag(false),
        limits: z.record(z.string(), z.strictObject(periods).check(periodsInOrder)),
      })
      .refine((value) => Object.keys(value.limits).length > 0, { path: ['limits'], error: 'at least one limit is required' })
      .refine(redisHost, { path: ['redis'], error: 'host is required with policy: redis' }),
  ),
  'request-size-limiting': plugin(951, true, () =>
    z.strictObject({
      allowed_payload_size: z.int().default(128),
      size_unit: z.enum(['megabytes', 'kilobytes', 'bytes']).default('megabytes'),
      require_content_length: flag(false),
    }),
  ),
  'request-termination': plugin(2, true, requestTerminationConfig),
  redirect: plugin(779, true, redirectConfig),
  'proxy-cache': plugin(100, false, () =>
    z.strictObject({
      response_code: z.array(whole(100, 900)).min(1).default([200, 301, 404]),
      request_method: z.array(z.enum(['HEAD', 'GET', 'POST', 'PATCH', 'PUT'])).default(['GET', 'HEAD']),
      content_type: texts.default(['text/plain', 'application/json']),
      cache_ttl: number(1, 2 ** 31 - 1).default(300),
      strategy: z.enum(['memory']),
      cache_control: flag(false),
      ignore_uri_case: flag(false),
      storage_ttl: z.int().optional(),
      memory: z.strictObject({ dictionary_name: text.default('kong_db_cache') }).optional(),
      vary_query_params: texts.optional(),
      vary_headers: texts.optional(),
      response_headers: z.strictObject({ age: flag(true), 'X-Cache-Status': flag(true), 'X-Cache-Key': flag(true) }).optional(),
    }),
  ),
};
