/**
 * Serverless plugins of Kong 3.9. Functions may refuse requests, and the cloud plugins take the place of the upstream:
 * a request that got past them would reach a service that was never meant to see it.
 */
import { z } from 'zod';
import { exclusive, flag, host, number, plugin, port, status, text, together, url, type PluginFamily } from './fields.ts';

const code = z.array(z.string()).default([]);
const functions = () =>
  z.strictObject({
    functions: z.array(z.string()).optional(),
    certificate: code,
    rewrite: code,
    access: code,
    header_filter: code,
    body_filter: code,
    log: code,
    ws_handshake: code,
    ws_client_frame: code,
    ws_upstream_frame: code,
    ws_close: code,
  });

export const serverlessPlugins: PluginFamily = {
  'pre-function': plugin(1_000_000, true, functions),
  'post-function': plugin(-1000, true, functions),
  'aws-lambda': plugin(750, true, () =>
    z
      .strictObject({
        timeout: z.number().default(60_000),
        keepalive: z.number().default(60_000),
        aws_key: z.string().optional(),
        aws_secret: z.string().optional(),
        aws_assume_role_arn: z.string().optional(),
        aws_role_session_name: text.default('kong'),
        aws_sts_endpoint_url: url.optional(),
        aws_region: host.optional(),
        function_name: text.optional(),
        qualifier: text.optional(),
        invocation_type: z.enum(['RequestResponse', 'Event', 'DryRun']).default('RequestResponse'),
        log_type: z.enum(['Tail', 'None']).default('Tail'),
        host: host.optional(),
        port: port.default(443),
        disable_https: flag(false),
        unhandled_status: status.optional(),
        forward_request_method: flag(false),
        forward_request_uri: flag(false),
        forward_request_headers: flag(false),
        forward_request_body: flag(false),
        is_proxy_integration: flag(false),
        awsgateway_compatible: flag(false),
        awsgateway_compatible_payload_version: z.enum(['1.0', '2.0']).default('1.0'),
        proxy_url: url.optional(),
        proxy_scheme: z.enum(['http', 'https']).optional(),
        skip_large_bodies: flag(true),
        base64_encode_body: flag(true),
        aws_imds_protocol_version: z.enum(['v1', 'v2']).default('v1'),
        empty_arrays_mode: z.enum(['legacy', 'correct']).default('legacy'),
      })
      .check(together('aws_key', 'aws_secret'))
      .check(exclusive('aws_region', 'host')),
  ),
  'azure-functions': plugin(749, true, () =>
    z.strictObject({
      timeout: number(0, 2 ** 31).default(600_000),
      keepalive: number(0, 2 ** 31).default(60_000),
      https: flag(true),
      https_verify: flag(false),
      apikey: z.string().optional(),
      clientid: z.string().optional(),
      appname: text,
      hostdomain: text.default('azurewebsites.net'),
      routeprefix: z.string().default('api'),
      functionname: text,
    }),
  ),
};
