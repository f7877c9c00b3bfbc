/** The shortest honest proxy that Node's own parts make: node:http in front, undici behind, streaming, forwarding headers. */
import { createServer, type IncomingMessage } from 'node:http';
import { Pool } from 'undici';

const [port, upstreamPort] = process.argv.slice(2).map(Number);
const pool = new Pool(`http://127.0.0.1:${upstreamPort}`, { connections: 256, pipelining: 1 });
const hopByHop = new Set(['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']);

function forwarded(request: IncomingMessage): string[] {
  const headers: string[] = [];
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    if (!hopByHop.has(request.rawHeaders[i].toLowerCase())) headers.push(request.rawHeaders[i], request.rawHeaders[i + 1]);
  }
  headers.push('x-forwarded-for', request.socket.remoteAddress ?? '', 'x-forwarded-proto', 'http');
  return headers;
}

createServer((request, response) => {
  const body = request.headers['content-length'] === undefined && request.headers['transfer-encoding'] === undefined ? null : request;
  pool
    .stream(
      { method: request.method === 'POST' ? 'POST' : 'GET', path: request.url ?? '/', headers: forwarded(request), body },
      ({ statusCode, headers }) => {
        for (const name of hopByHop) delete headers[name];
        response.writeHead(statusCode, headers);
        return response;
      },
    )
    .catch(() => {
      if (!response.headersSent) response.writeHead(502);
      response.end();
    });
}).listen(port, '127.0.0.1', 4096);
