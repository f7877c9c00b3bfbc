import { randomBytes } from 'node:crypto';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import { refusal } from './guard.ts';
import type { AdminSource, Answer, Endpoint } from './endpoints.ts';
import { adminEndpoints } from './endpoints.ts';

export interface AdminOptions {
  readonly address: string;
  readonly port: number;
  readonly token: string | null;
}

export interface AdminServer {
  /** The real one, where 0 was asked. */
  readonly port: number;
  close(): void;
}

/** Body of a POST; more is 413. */
const maxBodyBytes = 1024 * 1024;
const maxConnections = 256;

/** Listens on the admin address. Rejects with the system's error when it is taken. */
export function startAdmin(source: AdminSource, options: AdminOptions): Promise<AdminServer> {
  const endpoints = adminEndpoints(source);
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000, maxHeaderSize: 16 * 1024 }, (request, response) => {
    respond(endpoints, options, request, response).catch(() => {
      if (!response.headersSent)
        send(response, { status: 500, type: 'text/plain', body: 'the admin server failed; its log line says why\n' }, false);
      else response.destroy();
    });
  });
  server.maxConnections = maxConnections;
  return listen(server, options);
}

function listen(server: Server, { address, port }: AdminOptions): Promise<AdminServer> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, exclusive: true }, () => {
      const bound = server.address();
      resolve({
        port: typeof bound === 'object' && bound !== null ? bound.port : port,
        close: () => {
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}

async function respond(
  endpoints: ReadonlyMap<string, Endpoint>,
  options: AdminOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const method = request.method ?? 'GET';
  const withoutBody = method === 'HEAD';
  const target = URL.parse(request.url ?? '/', 'http://admin');
  if (target === null || !request.url?.startsWith('/')) return send(response, text(400, 'the request target is not valid'), withoutBody);
  const { host, origin, authorization } = request.headers;
  const secFetchSite = request.headers['sec-fetch-site'];
  const refused = refusal(
    {
      method,
      path: target.pathname,
      host,
      origin,
      authorization,
      secFetchSite: typeof secFetchSite === 'string' ? secFetchSite : undefined,
    },
    options,
  );
  if (refused !== null)
    return send(
      response,
      { ...text(refused.status, refused.message), ...(refused.headers === undefined ? {} : { headers: refused.headers }) },
      withoutBody,
    );
  const endpoint = endpoints.get(target.pathname);
  if (endpoint === undefined) return send(response, text(404, 'no such page; the first page is /'), withoutBody);
  const wanted = endpoint.method;
  if (method !== wanted && !(method === 'HEAD' && wanted === 'GET')) {
    const allow = wanted === 'GET' ? 'GET, HEAD' : wanted;
    return send(response, { ...text(405, `${target.pathname} takes ${wanted}`), headers: { allow } }, withoutBody);
  }
  const body = wanted === 'POST' ? await readBody(request) : '';
  if (body === null)
    return send(response, { ...text(413, `the body is larger than ${maxBodyBytes} bytes`), headers: { connection: 'close' } }, withoutBody);
  const nonce = randomBytes(16).toString('base64');
  const answer = await endpoint.answer({ query: target.searchParams, body, nonce });
  send(response, answer, withoutBody, nonce);
}

function text(status: number, message: string): Answer {
  return { status, type: 'text/plain', body: `${message}\n` };
}

function send(response: ServerResponse, answer: Answer, withoutBody: boolean, nonce = ''): void {
  const body = Buffer.from(answer.body);
  const page = answer.type === 'text/html';
  response.writeHead(answer.status, {
    'content-type': answer.type.includes(';') ? answer.type : `${answer.type}; charset=utf-8`,
    'content-length': body.length,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'content-security-policy': page
      ? `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
      : "default-src 'none'; frame-ancestors 'none'",
    ...answer.headers,
  });
  response.end(withoutBody ? undefined : body);
  answer.after?.();
}

async function readBody(request: IncomingMessage): Promise<string | null> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > maxBodyBytes) return null;
    chunks.push(bytes);
  }
  return Buffer.concat(chunks).toString('utf8');
}
