/** A backend that writes down what it is asked, for comparing what a client sent with what arrived. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { WebSocketServer } from 'ws';
import { portOf } from './raw.ts';

/** One request as node:http read it; headers in their order and case. */
export interface Witnessed {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  readonly trailers: readonly string[];
}

const text = 'The quick brown fox jumps over the lazy dog.\n'.repeat(50);
const page = `<!doctype html><title>wait</title><script>
const seen = [];
const socket = new WebSocket('ws://' + location.host + '/ws');
socket.onopen = () => socket.send('hello');
socket.onmessage = async ({ data }) => {
  seen.push(data);
  const post = await fetch('/echo', { method: 'POST', body: 'from the browser' });
  seen.push(await post.text());
  const part = await fetch('/text', { headers: { range: 'bytes=4-8' } });
  seen.push(await part.text());
  await fetch('/done', { method: 'POST', body: seen.join('|') });
};
</script>`;

export class Witness {
  readonly requests: Witnessed[] = [];
  readonly server: Server;
  /** Connections that were accepted. */
  connections = 0;
  port = 0;
  private readonly waiting: (() => void)[] = [];
  private readonly sockets = new WebSocketServer({ noServer: true, perMessageDeflate: { threshold: 0 } });

  private constructor() {
    this.server = createServer({ keepAliveTimeout: 30_000 }, (request, response) => this.take(request, response));
    this.server.on('connection', () => void this.connections++);
    this.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.sockets.handleUpgrade(request, socket, head, (client) => {
        client.on('message', (data, isBinary) => client.send(data, { binary: isBinary }));
        client.on('error', () => undefined);
      });
    });
  }

  static async start(): Promise<Witness> {
    const witness = new Witness();
    witness.server.listen(0, '127.0.0.1');
    await once(witness.server, 'listening');
    witness.port = portOf(witness.server);
    return witness;
  }

  private take(request: IncomingMessage, response: ServerResponse): void {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { method = '', url = '', rawHeaders, rawTrailers } = request;
      const headers = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name, rawHeaders[i + 1] ?? ''] as const] : []));
      const body = Buffer.concat(chunks).toString('latin1');
      this.requests.push({ method, url, headers, body, trailers: rawTrailers });
      for (const wake of this.waiting.splice(0)) wake();
      this.answer(request, response, body);
    });
  }

  private answer(request: IncomingMessage, response: ServerResponse, body: string): void {
    const path = (request.url ?? '').split('?')[0];
    if (path === '/page') return void response.setHeader('content-type', 'text/html').end(page);
    if (path === '/text') {
      const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
      if (range !== null) {
        const [from, to] = [Number(range[1]), Number(range[2])];
        response.writeHead(206, { 'content-range': `bytes ${from}-${to}/${text.length}` });
        return void response.end(text.slice(from, to + 1));
      }
      if (/gzip/.test(request.headers['accept-encoding'] ?? '')) {
        response.writeHead(200, { 'content-encoding': 'gzip', vary: 'accept-encoding' });
        return void response.end(gzipSync(text));
      }
      return void response.end(text);
    }
    const answer = JSON.stringify({ method: request.method, url: request.url, length: body.length });
    // Half of the answers in chunks.
    if (path.endsWith('/chunked')) response.flushHeaders();
    else response.setHeader('content-length', answer.length);
    response.end(answer);
  }

  /** The next request for this path, or one that came already. */
  async wait(path: string): Promise<Witnessed> {
    for (;;) {
      const found = this.requests.find(({ url }) => url === path);
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => this.waiting.push(resolve));
    }
  }

  /** What was asked since the last call. */
  splice(): Witnessed[] {
    return this.requests.splice(0);
  }

  close(): void {
    for (const client of this.sockets.clients) client.terminate();
    this.server.closeAllConnections();
    this.server.close();
  }
}

/** What a proxy adds, drops or frames anew: not part of the comparison. */
const ofTheHop = /^(connection|keep-alive|transfer-encoding|expect|te|x-forwarded-.*|x-request-id)$/i;

/** A request without what belongs to one hop; Host without its port, and one boundary for all multipart bodies. */
export function endToEnd({ headers, body, ...rest }: Witnessed): Witnessed {
  const kept = headers
    .filter(([name]) => !ofTheHop.test(name))
    .map(([name, value]) => [name, name.toLowerCase() === 'host' ? value.replace(/:\d+$/, '') : oneBoundary(value)] as const);
  return { ...rest, headers: kept, body: oneBoundary(body) };
}

function oneBoundary(text: string): string {
  return text.replaceAll(/-{24}[0-9A-Za-z]{16,22}/g, 'BOUNDARY');
}
