/** AI plugins of Kong 3.9. Those that guard prompts, or send a request to a model in place of the upstream, fail closed. */
import { z } from 'zod';
import { flag, number, plugin, required, text, texts, together, url, whole, type PluginFamily } from './fields.ts';

const providers = ['openai', 'azure', 'anthropic', 'cohere', 'mistral', 'llama2', 'gemini', 'bedrock', 'huggingface'] as const;

const llm = () =>
  z.strictObject({
    route_type: z.enum(['llm/v1/chat', 'llm/v1/completions', 'preserve']),
    auth: z
      .strictObject({
        header_name: text.optional(),
        header_value: text.optional(),
        param_name: text.optional(),
        param_value: text.optional(),
        param_location: z.enum(['query', 'body']).optional(),
        azure_use_managed_identity: flag(false),
        azure_client_id: text.optional(),
        azure_client_secret: text.optional(),
        azure_tenant_id: text.optional(),
        gcp_use_service_account: flag(false),
        gcp_service_account_json: text.optional(),
        aws_access_key_id: text.optional(),
        aws_secret_access_key: text.optional(),
        allow_override: flag(false),
      })
      .check(together('header_name', 'header_value'))
      .check(together('param_name', 'param_value', 'param_location'))
      .optional(),
    model: z.strictObject({
      provider: z.enum(providers),
      name: text.optional(),
      options: z
        .strictObject({
          max_tokens: z.int().optional(),
          input_cost: z.number().positive().optional(),
          output_cost: z.number().positive().optional(),
          temperature: number(0, 5).optional(),
          top_p: number(0, 1).optional(),
          top_k: whole(0, 500).optional(),
          anthropic_version: text.optional(),
          azure_instance: text.optional(),
          azure_api_version: text.default('2023-05-15'),
          azure_deployment_id: text.optional(),
          llama2_format: z.enum(['raw', 'openai', 'ollama']).optional(),
          mistral_format: z.enum(['openai', 'ollama']).optional(),
          upstream_url: url.optional(),
          upstream_path: text.optional(),
          gemini: z.strictObject({ api_endpoint: text.optional(), project_id: text.optional(), location_id: text.optional() }).optional(),
          bedrock: z.strictObject({ aws_region: text.optional() }).optional(),
          huggingface: z.strictObject({ use_cache: z.boolean().optional(), wait_for_model: z.boolean().optional() }).optional(),
        })
        .optional(),
    }),
    logging: z.strictObject({ log_statistics: flag(false), log_payloads: flag(false) }).optional(),
  });

const proxy = {
  response_streaming: z.enum(['allow', 'deny', 'always']).default('allow'),
  max_request_body_size: z.int().positive().default(8192),
  model_name_header: flag(true),
};

const transport = {
  http_timeout: z.int().default(60_000),
  https_verify: flag(true),
  http_proxy_host: text.optional(),
  http_proxy_port: whole(0, 65_535).optional(),
  https_proxy_host: text.optional(),
  https_proxy_port: whole(0, 65_535).optional(),
  max_request_body_size: z.int().positive().default(8192),
};

const message = z.strictObject({ role: z.enum(['system', 'assistant', 'user']).default('system'), content: text.max(100_000) });

export const aiPlugins: PluginFamily = {
  'ai-proxy': plugin(770, true, () => z.strictObject({ ...llm().shape, ...proxy }), ['consumer']),
  'ai-prompt-guard': plugin(771, true, () =>
    z
      .strictObject({
        allow_patterns: texts.max(10).optional(),
        deny_patterns: texts.max(10).optional(),
        allow_all_conversation_history: flag(false),
        max_request_body_size: z.int().positive().default(8192),
        match_all_roles: flag(false),
      })
      .check(required('allow_patterns', 'deny_patterns')),
  ),
  'ai-prompt-decorator': plugin(772, false, () =>
    z.strictObject({
      prompts: z.strictObject({ prepend: z.array(message).max(15).optional(), append: z.array(message).max(15).optional() }),
      max_request_body_size: z.int().positive().default(8192),
    }),
  ),
  'ai-prompt-template': plugin(773, true, () =>
    z.strictObject({
      templates: z.array(z.strictObject({ name: text, template: text })).min(1),
      allow_untemplated_requests: flag(true),
      log_original_request: flag(false),
      max_request_body_size: z.int().positive().default(8192),
    }),
  ),
  'ai-request-transformer': plugin(777, true, () =>
    z.strictObject({
      prompt: text,
      transformation_extract_pattern: text.optional(),
      ...transport,
      llm: llm(),
    }),
  ),
  'ai-response-transformer': plugin(768, true, () =>
    z.strictObject({
      prompt: text,
      transformation_extract_pattern: text.optional(),
      parse_llm_response_json_instructions: flag(false),
      ...transport,
      llm: llm(),
    }),
  ),
};
