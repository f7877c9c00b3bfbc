/** Security plugins of Kong 3.9 that are not authentication. */
import { z } from 'zod';
import {
  cidr,
  exclusive,
  flag,
  host,
  httpMethod,
  milliseconds,
  number,
  plugin,
  port,
  redis,
  required,
  text,
  texts,
  together,
  url,
  type PluginFamily,
} from './fields.ts';

const consul = {
  https: flag(false),
  host: host.optional(),
  port: port.optional(),
  kv_path: text.optional(),
  timeout: milliseconds.optional(),
  token: z.string().optional(),
};

export const securityPlugins: PluginFamily = {
  acl: plugin(
    950,
    true,
    () =>
      z
        .strictObject({
          allow: texts.optional(),
          deny: texts.optional(),
          hide_groups_header: flag(false),
          include_consumer_groups: flag(false),
          always_use_authenticated_groups: flag(false),
        })
        .check(exclusive('allow', 'deny'))
        .check(required('allow', 'deny')),
    ['consumer'],
  ),
  'ip-restriction': plugin(990, true, () =>
    z
      .strictObject({
        allow: z.array(cidr).optional(),
        deny: z.array(cidr).optional(),
        status: z.int().min(100).max(599).optional(),
        message: z.string().optional(),
      })
      .check(required('allow', 'deny')),
  ),
  'bot-detection': plugin(2500, true, () => z.strictObject({ allow: texts.default([]), deny: texts.default([]) }), ['consumer']),
  cors: plugin(
    2000,
    false,
    () =>
      z.strictObject({
        origins: texts.optional(),
        headers: texts.optional(),
        exposed_headers: texts.optional(),
        methods: z.array(httpMethod).default(['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE', 'OPTIONS', 'TRACE', 'CONNECT']),
        max_age: z.number().optional(),
        credentials: flag(false),
        private_network: flag(false),
        preflight_continue: flag(false),
        allow_origin_absent: flag(true),
      }),
    ['consumer'],
  ),
  'standard-webhooks': plugin(760, true, () => z.strictObject({ secret_v1: text, tolerance_second: number(0, 2 ** 31 - 1).default(300) }), [
    'consumer',
  ]),
  acme: plugin(
    1705,
    false,
    () =>
      z
        .strictObject({
          account_email: z.string().regex(/@/, 'an e-mail address'),
          account_key: z.strictObject({ key_id: text, key_set: text.optional() }).optional(),
          api_uri: url.default('https://acme-v02.api.letsencrypt.org/directory'),
          tos_accepted: flag(false),
          eab_kid: z.string().optional(),
          eab_hmac_key: z.string().optional(),
          cert_type: z.enum(['rsa', 'ecc']).default('rsa'),
          rsa_key_size: z.union([z.literal(2048), z.literal(3072), z.literal(4096)]).default(4096),
          renew_threshold_days: z.number().default(14),
          domains: texts.optional(),
          allow_any_domain: flag(false),
          fail_backoff_minutes: z.number().default(5),
          storage: z.enum(['kong', 'shm', 'redis', 'consul', 'vault']).default('shm'),
          storage_config: z
            .strictObject({
              shm: z.strictObject({ shm_name: text.default('kong') }).optional(),
              kong: z.strictObject({}).optional(),
              redis: z
                .strictObject({
                  ...redis().shape,
                  auth: z.string().optional(),
                  ssl_server_name: text.optional(),
                  namespace: z.string().optional(),
                  scan_count: z.number().optional(),
                  extra_options: z.strictObject({ namespace: z.string().default(''), scan_count: z.number().default(10) }).optional(),
                })
                .optional(),
              consul: z.strictObject(consul).optional(),
              vault: z
                .strictObject({
                  ...consul,
                  tls_verify: flag(true),
                  tls_server_name: text.optional(),
                  auth_method: z.enum(['token', 'kubernetes']).default('token'),
                  auth_path: text.optional(),
                  auth_role: text.optional(),
                  jwt_path: text.optional(),
                })
                .optional(),
            })
            .optional(),
          preferred_chain: text.optional(),
          enable_ipv4_common_name: flag(true),
        })
        .check(together('eab_kid', 'eab_hmac_key')),
    ['consumer', 'service', 'route'],
  ),
};
