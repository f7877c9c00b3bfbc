import { once } from 'node:events';
import type { Server } from 'node:http';
import { createServer } from 'node:http';
import { trafficAgent } from './traffic.ts';

export interface SampleServices {
  /** Port on 127.0.0.1 by service name. */
  readonly ports: Readonly<Record<SampleName, number>>;
  close(): void;
}

export type SampleName = 'shop' | 'reviews-v1' | 'reviews-v2' | 'orders';

const names: readonly SampleName[] = ['shop', 'reviews-v1', 'reviews-v2', 'orders'];

/** Four small HTTP services on free loopback ports; each tells who it is and what reached it. */
export async function startServices(): Promise<SampleServices> {
  const servers = await Promise.all(names.map(start));
  const ports = { shop: 0, 'reviews-v1': 0, 'reviews-v2': 0, orders: 0 };
  for (const { name, port } of servers) ports[name] = port;
  return {
    ports,
    close() {
      for (const { server } of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

async function start(name: SampleName): Promise<{ readonly name: SampleName; readonly server: Server; readonly port: number }> {
  const server = createServer((request, response) => {
    const seen = Object.fromEntries(
      ['host', 'x-consumer-username', 'x-from', 'x-request-id', 'x-forwarded-for'].flatMap((header) =>
        request.headers[header] === undefined ? [] : [[header, request.headers[header]]],
      ),
    );
    const body = `${JSON.stringify({ service: name, method: request.method, path: request.url, headers: seen })}\n`;
    // Reviews are a little slow and fail now and then, so that there is something to see; not to who tries the printed lines.
    const failing = name === 'reviews-v2' && request.headers['user-agent'] === trafficAgent && Math.random() < 0.05;
    setTimeout(
      () => {
        response.writeHead(failing ? 500 : 200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
        response.end(body);
      },
      name.startsWith('reviews') ? 5 + Math.random() * 20 : 0,
    );
    request.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return { name, server, port: typeof address === 'object' && address !== null ? address.port : 0 };
}
