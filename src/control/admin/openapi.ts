/** Description of `/api/v1`, for client generators and people. */
export function openApi(version: string): unknown {
  const answer = (description: string, schema: unknown) => ({ 200: { description, content: { 'application/json': { schema } } } });
  return {
    openapi: '3.1.0',
    info: { title: 'Weir admin API', version, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    security: [{}, { token: [] }],
    paths: {
      '/api/v1/status': {
        get: {
          operationId: 'getStatus',
          summary: 'The revision that serves, its listeners, and the status of every resource',
          responses: answer('Status', { $ref: '#/components/schemas/Status' }),
        },
      },
      '/api/v1/diagnostics': {
        get: {
          operationId: 'getDiagnostics',
          summary: 'Problems of the files, the sockets and DNS',
          responses: answer('Diagnostics', {
            type: 'object',
            properties: {
              revision: { type: 'integer' },
              diagnostics: { type: 'array', items: { $ref: '#/components/schemas/Diagnostic' } },
            },
          }),
        },
      },
      '/api/v1/overview': {
        get: { operationId: 'getOverview', summary: 'Live counts', responses: answer('Counts', { type: 'object' }) },
      },
      '/api/v1/explain': {
        post: {
          operationId: 'explain',
          summary: 'What would happen to a request, and why; nothing is sent',
          requestBody: {
            required: true,
            content: {
              'application/json': {
                schema: {
                  type: 'object',
                  required: ['url'],
                  additionalProperties: false,
                  properties: {
                    method: { type: 'string', default: 'GET' },
                    url: { type: 'string', description: 'Absolute URL; its port picks the listener' },
                    headers: { type: 'array', items: { type: 'array', items: { type: 'string' }, minItems: 2, maxItems: 2 } },
                    from: { type: ['string', 'null'], description: 'SPIFFE ID of a mesh caller' },
                    address: { type: ['string', 'null'], description: 'HOST:PORT of the listener, instead of the port of the URL' },
                    bodyBytes: { type: 'integer', minimum: 0, default: 0, description: 'Length of the body the request would have' },
                  },
                },
              },
            },
          },
          responses: {
            ...answer('The decision, as `weir explain --format json` prints it', { type: 'object' }),
            400: { description: 'The request cannot be read' },
          },
        },
      },
    },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer', description: 'Asked for when the admin address is not a loopback one' } },
      schemas: {
        Diagnostic: {
          type: 'object',
          required: ['code', 'severity', 'message', 'file', 'line', 'column', 'resource', 'docs'],
          properties: {
            code: { type: 'string', pattern: '^WR\\d{4}$' },
            severity: { enum: ['error', 'warning', 'info'] },
            message: { type: 'string' },
            hint: { type: 'string' },
            file: { type: 'string' },
            line: { type: 'integer', minimum: 0 },
            column: { type: 'integer', minimum: 0 },
            resource: {
              type: ['object', 'null'],
              properties: { kind: { type: 'string' }, namespace: { type: ['string', 'null'] }, name: { type: 'string' } },
            },
            docs: { type: 'string' },
          },
        },
        Status: {
          type: 'object',
          properties: {
            revision: { type: 'integer' },
            appliedAt: { type: ['string', 'null'], format: 'date-time' },
            ready: { type: 'boolean' },
            draining: { type: 'boolean' },
            workers: { type: 'integer' },
            quarantined: { type: 'integer' },
            listeners: { type: 'array', items: { type: 'object' } },
            resources: {
              type: 'array',
              items: { type: 'object', description: 'kind, namespace, name, origin, quarantined, conditions, listeners, parents' },
            },
          },
        },
      },
    },
  };
}
