/** Authentication plugins of Kong 3.9. All of them restrict access. */
import { z } from 'zod';
import { flag, headerName, host, milliseconds, number, plugin, port, text, texts, whole, type PluginFamily } from './fields.ts';

const anonymous = z.string().min(1).optional();

export const keyAuthConfig = () =>
  z.strictObject({
    key_names: z.array(headerName).min(1).default(['apikey']),
    hide_credentials: flag(false),
    anonymous,
    key_in_header: flag(true),
    key_in_query: flag(true),
    key_in_body: flag(false),
    run_on_preflight: flag(true),
    realm: z.string().optional(),
  });

export const authPlugins: PluginFamily = {
  'key-auth': plugin(1250, true, keyAuthConfig, ['consumer']),
  'basic-auth': plugin(
    1100,
    true,
    () => z.strictObject({ anonymous, hide_credentials: flag(false), realm: z.string().default('service') }),
    ['consumer'],
  ),
  'hmac-auth': plugin(
    1030,
    true,
    () =>
      z.strictObject({
        hide_credentials: flag(false),
        clock_skew: z.number().positive().default(300),
        anonymous,
        validate_request_body: flag(false),
        enforce_headers: texts.default([]),
        algorithms: z
          .array(z.enum(['hmac-sha1', 'hmac-sha256', 'hmac-sha384', 'hmac-sha512', 'hmac-sha224']))
          .default(['hmac-sha1', 'hmac-sha256', 'hmac-sha384', 'hmac-sha512']),
        realm: z.string().optional(),
      }),
    ['consumer'],
  ),
  jwt: plugin(
    1450,
    true,
    () =>
      z
        .strictObject({
          uri_param_names: texts.default(['jwt']),
          cookie_names: texts.default([]),
          key_claim_name: text.default('iss'),
          secret_is_base64: flag(false),
          claims_to_verify: z.array(z.enum(['exp', 'nbf'])).optional(),
          anonymous,
          run_on_preflight: flag(true),
          maximum_expiration: number(0, 31_536_000).default(0),
          header_names: texts.default(['authorization']),
          realm: z.string().optional(),
        })
        .refine((value) => value.maximum_expiration === 0 || (value.claims_to_verify ?? []).includes('exp'), {
          path: ['maximum_expiration'],
          error: "needs 'exp' among claims_to_verify",
        }),
    ['consumer'],
  ),
  oauth2: plugin(
    1400,
    true,
    () =>
      z
        .strictObject({
          scopes: texts.optional(),
          mandatory_scope: flag(false),
          provision_key: text.optional(),
          token_expiration: z.number().default(7200),
          enable_authorization_code: flag(false),
          enable_implicit_grant: flag(false),
          enable_client_credentials: flag(false),
          enable_password_grant: flag(false),
          hide_credentials: flag(false),
          accept_http_if_already_terminated: flag(false),
          anonymous,
          global_credentials: flag(false),
          auth_header_name: text.default('authorization'),
          refresh_token_ttl: number(0, 100_000_000).default(1_209_600),
          reuse_refresh_token: flag(false),
          persistent_refresh_token: flag(false),
          pkce: z.enum(['none', 'lax', 'strict']).default('lax'),
          realm: z.string().optional(),
        })
        .refine((value) => !value.mandatory_scope || (value.scopes ?? []).length > 0, {
          path: ['scopes'],
          error: 'is required with mandatory_scope',
        })
        .refine(
          (value) =>
            value.enable_authorization_code ||
            value.enable_implicit_grant ||
            value.enable_client_credentials ||
            value.enable_password_grant,
          'one of enable_authorization_code, enable_implicit_grant, enable_client_credentials, enable_password_grant must be true',
        ),
    ['consumer'],
  ),
  'ldap-auth': plugin(
    1200,
    true,
    () =>
      z
        .strictObject({
          ldap_host: host,
          ldap_port: port.default(389),
          ldaps: flag(false),
          start_tls: flag(false),
          verify_ldap_host: flag(false),
          base_dn: text,
          attribute: text,
          cache_ttl: z.number().min(0).default(60),
          hide_credentials: flag(false),
          timeout: milliseconds.default(10_000),
          keepalive: milliseconds.default(60_000),
          anonymous,
          header_type: text.default('ldap'),
          realm: z.string().optional(),
        })
        .refine((value) => !(value.ldaps && value.start_tls), { path: ['start_tls'], error: 'cannot be true beside ldaps' }),
    ['consumer'],
  ),
  session: plugin(
    1900,
    true,
    () =>
      z.strictObject({
        secret: text.optional(),
        storage: z.enum(['cookie', 'kong']).default('cookie'),
        audience: text.default('default'),
        idling_timeout: z.number().default(900),
        rolling_timeout: z.number().default(3600),
        absolute_timeout: z.number().default(86_400),
        stale_ttl: z.number().default(10),
        cookie_name: text.default('session'),
        cookie_path: text.default('/'),
        cookie_domain: text.optional(),
        cookie_same_site: z.enum(['Strict', 'Lax', 'None', 'Default']).default('Strict'),
        cookie_http_only: flag(true),
        cookie_secure: flag(true),
        remember: flag(false),
        remember_cookie_name: text.default('remember'),
        remember_rolling_timeout: z.number().default(604_800),
        remember_absolute_timeout: z.number().default(2_592_000),
        response_headers: z
          .array(z.enum(['id', 'audience', 'subject', 'timeout', 'idling-timeout', 'rolling-timeout', 'absolute-timeout']))
          .optional(),
        request_headers: z
          .array(z.enum(['id', 'audience', 'subject', 'timeout', 'idling-timeout', 'rolling-timeout', 'absolute-timeout']))
          .optional(),
        read_body_for_logout: flag(false),
        logout_methods: z.array(z.enum(['GET', 'POST', 'DELETE'])).default(['POST', 'DELETE']),
        logout_query_arg: text.default('session_logout'),
        logout_post_arg: text.default('session_logout'),
        hash_subject: flag(false),
        store_metadata: flag(false),
        cookie_persistent: flag(false),
        cookie_discard: whole(0, 2 ** 31 - 1).optional(),
      }),
    ['consumer'],
  ),
};
