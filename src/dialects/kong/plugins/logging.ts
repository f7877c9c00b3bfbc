/** Logging plugins of Kong 3.9. */
import { z } from 'zod';
import { flag, headerName, host, lua, milliseconds, plugin, port, queue, text, texts, url, type PluginFamily } from './fields.ts';

const custom_fields_by_lua = lua.optional();
const severity = (value: 'info') => z.enum(['debug', 'info', 'notice', 'warning', 'err', 'crit', 'alert', 'emerg']).default(value);
const severities = {
  log_level: severity('info'),
  successful_severity: severity('info'),
  client_errors_severity: severity('info'),
  server_errors_severity: severity('info'),
};

export const loggingPlugins: PluginFamily = {
  'http-log': plugin(12, false, () =>
    z.strictObject({
      http_endpoint: url,
      method: z.enum(['POST', 'PUT', 'PATCH']).default('POST'),
      content_type: z.enum(['application/json', 'application/json; charset=utf-8']).default('application/json'),
      timeout: z.number().default(10_000),
      keepalive: z.number().default(60_000),
      retry_count: z.int().optional(),
      queue_size: z.int().optional(),
      flush_timeout: z.number().optional(),
      headers: z.record(headerName, z.string()).optional(),
      queue: queue().optional(),
      custom_fields_by_lua,
    }),
  ),
  'tcp-log': plugin(7, false, () =>
    z.strictObject({
      host,
      port,
      timeout: z.number().default(10_000),
      keepalive: z.number().default(60_000),
      tls: flag(false),
      tls_sni: text.optional(),
      custom_fields_by_lua,
    }),
  ),
  'udp-log': plugin(8, false, () => z.strictObject({ host, port, timeout: z.number().default(10_000), custom_fields_by_lua })),
  'file-log': plugin(9, false, () => z.strictObject({ path: text, reopen: flag(false), custom_fields_by_lua })),
  syslog: plugin(4, false, () =>
    z.strictObject({
      ...severities,
      facility: z
        .enum([
          'auth',
          'authpriv',
          'cron',
          'daemon',
          'ftp',
          'kern',
          'lpr',
          'mail',
          'news',
          'syslog',
          'user',
          'uucp',
          'local0',
          'local1',
          'local2',
          'local3',
          'local4',
          'local5',
          'local6',
          'local7',
        ])
        .default('user'),
      custom_fields_by_lua,
    }),
  ),
  loggly: plugin(6, false, () =>
    z.strictObject({
      host: host.default('logs-01.loggly.com'),
      port: port.default(514),
      key: text,
      tags: texts.default(['kong']),
      ...severities,
      timeout: milliseconds.default(10_000),
      custom_fields_by_lua,
    }),
  ),
};
