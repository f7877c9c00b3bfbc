/** Transformation plugins of Kong 3.9. */
import { z } from 'zod';
import { flag, headerName, httpMethod, pairs, plugin, text, texts, type PluginFamily } from './fields.ts';

const names = texts.default([]);
const sides = { body: names, headers: names, querystring: names };
const values = { body: pairs, headers: pairs, querystring: pairs };
const types = z.array(z.enum(['boolean', 'number', 'string'])).default([]);

export const requestTransformerConfig = () =>
  z.strictObject({
    http_method: httpMethod.optional(),
    remove: z.strictObject(sides).optional(),
    rename: z.strictObject(values).optional(),
    replace: z.strictObject({ ...values, uri: z.string().optional() }).optional(),
    add: z.strictObject(values).optional(),
    append: z.strictObject(values).optional(),
  });

export const responseTransformerConfig = () =>
  z.strictObject({
    remove: z.strictObject({ json: names, headers: names }).optional(),
    rename: z.strictObject({ json: pairs, headers: pairs }).optional(),
    replace: z.strictObject({ json: pairs, json_types: types, headers: pairs }).optional(),
    add: z.strictObject({ json: pairs, json_types: types, headers: pairs }).optional(),
    append: z.strictObject({ json: pairs, json_types: types, headers: pairs }).optional(),
  });

export const transformPlugins: PluginFamily = {
  'request-transformer': plugin(801, false, requestTransformerConfig),
  'response-transformer': plugin(800, false, responseTransformerConfig),
  'correlation-id': plugin(100_001, false, () =>
    z.strictObject({
      header_name: headerName.default('Kong-Request-ID'),
      generator: z.enum(['uuid#counter', 'uuid', 'tracker']).default('uuid#counter'),
      echo_downstream: flag(false),
    }),
  ),
  'grpc-web': plugin(
    3,
    false,
    () => z.strictObject({ proto: text.optional(), pass_stripped_path: z.boolean().optional(), allow_origin_header: text.default('*') }),
    ['consumer'],
  ),
  'grpc-gateway': plugin(998, false, () => z.strictObject({ proto: text.optional() }), ['consumer']),
};
