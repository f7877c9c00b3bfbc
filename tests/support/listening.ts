/** Servers that independent backends are made of. */
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { Server } from 'node:net';
import type { TestContext } from 'node:test';
import { TLSSocket } from 'node:tls';
import { pem } from './pem.ts';
import { portOf } from './raw.ts';

/** Listens on loopback; resolves with the port. The server and its connections end with the test. */
export async function listening(t: TestContext, server: Server): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return portOf(server);
}

/** HTTPS that says `secure`, the server name it was asked for, and the subject of the client's certificate: `nobody` without one that the tests' authority made. */
export function secureBackend(t: TestContext, pair: 'backend' | 'other' = 'backend'): Promise<number> {
  const options = { cert: pem(`${pair}.crt`), key: pem(`${pair}.key`), ca: pem('ca.crt'), requestCert: true, rejectUnauthorized: false };
  const server = createServer(options, (request, response) => {
    const { socket } = request;
    if (!(socket instanceof TLSSocket)) return response.destroy();
    const client = socket.authorized ? String(socket.getPeerCertificate().subject.CN) : 'nobody';
    return response.end(`secure ${String(socket.servername)} ${client}`);
  });
  return listening(t, server);
}
