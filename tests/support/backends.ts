/** Backends that load is checked against: each says its name, so that a mixed up exchange shows. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { crc32 } from 'node:zlib';
import { WebSocketServer } from 'ws';
import { portOf } from './raw.ts';

/** A block with no short period: shifted, dropped or repeated bytes change the checksum. */
export const block: Buffer = Buffer.alloc(64 * 1024, Buffer.from(Array.from({ length: 8191 }, (_, i) => (i * 31 + (i >> 3)) & 0xff)));

/** `bytes` of the pattern: whole blocks, then a part of one. */
export function checksum(bytes: number): number {
  let sum = 0;
  for (let left = bytes; left > 0; left -= block.length) sum = crc32(left >= block.length ? block : block.subarray(0, left), sum);
  return sum;
}

export class TestBackend {
  readonly name: string;
  readonly server: Server;
  private readonly sockets: WebSocketServer;
  port = 0;
  requests = 0;

  private constructor(name: string) {
    this.name = name;
    this.server = createServer({ keepAliveTimeout: 60_000 }, (request, response) => this.serve(request, response));
    this.server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
      this.sockets.handleUpgrade(request, socket, head, (client) => {
        client.on('message', (data, isBinary) => client.send(data, { binary: isBinary }));
        client.on('error', () => undefined);
      });
    });
    this.sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  }

  static async start(name: string): Promise<TestBackend> {
    const backend = new TestBackend(name);
    backend.server.listen(0, '127.0.0.1');
    await once(backend.server, 'listening');
    backend.port = portOf(backend.server);
    return backend;
  }

  private serve(request: IncomingMessage, response: ServerResponse): void {
    this.requests++;
    const { method, url = '/' } = request;
    if (method === 'POST') return this.sink(request, response);
    const bytes = /[?&]bytes=(\d+)/.exec(url)?.[1];
    if (bytes !== undefined) return this.source(response, Number(bytes));
    const wait = Number(/[?&]wait=(\d+)/.exec(url)?.[1] ?? 0);
    const text = `${this.name} ${url}`;
    const answer = (): void => {
      response.writeHead(200, { 'content-length': text.length }).end(text);
    };
    if (wait > 0) setTimeout(answer, wait).unref();
    else answer();
  }

  private sink(request: IncomingMessage, response: ServerResponse): void {
    let sum = 0;
    let length = 0;
    request.on('data', (chunk: Buffer) => {
      sum = crc32(chunk, sum);
      length += chunk.length;
    });
    request.on('end', () => {
      const text = `${this.name} ${length} ${sum}`;
      response.writeHead(200, { 'content-length': text.length }).end(text);
    });
  }

  private source(response: ServerResponse, bytes: number): void {
    response.writeHead(200, { 'content-length': bytes });
    let left = bytes;
    const more = (): void => {
      while (left > 0) {
        const part = left >= block.length ? block : block.subarray(0, left);
        left -= part.length;
        if (!response.write(part)) {
          response.once('drain', more);
          return;
        }
      }
      response.end();
    };
    more();
  }

  close(): void {
    for (const client of this.sockets.clients) client.terminate();
    this.server.closeAllConnections();
    this.server.close();
  }
}
