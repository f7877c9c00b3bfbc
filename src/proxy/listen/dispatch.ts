import type { Socket } from 'node:net';
import { Seat } from '../protocol/http1/seat.ts';
import { serveHttp2 } from '../protocol/http2/server.ts';
import { serveTcp } from '../protocol/tcp/server.ts';
import type { WorkerRuntime } from '../runtime.ts';
import { readInto, socketOf } from './accepted.ts';
import type { ClientConnection } from './client.ts';
import type { ListenerRuntime } from './listener-runtime.ts';

/** Gives a connection to the code that speaks what is inside. HTTP/2 without ALPN shows itself by its preface, to HTTP/1's decoder. */
export function dispatch(worker: WorkerRuntime, at: ListenerRuntime, client: ClientConnection): void {
  const forward = client.chain?.forward ?? null;
  if (forward !== null) serveTcp(worker, at, client, forward);
  else if (client.tls?.alpn === 'h2') serveHttp2(worker, at, client);
  else serveHttp1(worker, at, client.socket, { ...client, peeked: null }, client.peeked);
}

/** `client` null: an accepted socket of which nothing more is known, and nothing was read. */
export function serveHttp1(
  worker: WorkerRuntime,
  at: ListenerRuntime,
  socket: Socket,
  client: ClientConnection | null,
  peeked: Buffer | null = null,
): void {
  const connection = at.connection(worker);
  const { shared } = worker.reads;
  // TLS gives its bytes by events only.
  const seat = new Seat(worker, at, client, connection);
  const own =
    client === null || client.tls === null ? readInto(socket, shared, (bytes) => (seat.connection ?? seat).onShared(shared, bytes)) : null;
  connection.attach(own ?? socket, client, seat);
  if (peeked !== null) connection.onChunk(peeked);
  if (own !== null) return;
  socket.on('data', (chunk: Buffer) => seat.onChunk(chunk));
  socket.resume();
}

/** A plain connection that node:net has made no socket of. A bug ends this one, not the worker. */
export function serveHandle(worker: WorkerRuntime, at: ListenerRuntime, handle: Parameters<typeof socketOf>[0]): void {
  try {
    const connection = at.connection(worker);
    const { shared } = worker.reads;
    const seat = new Seat(worker, at, null, connection);
    const own = socketOf(handle, shared, (bytes) => (seat.connection ?? seat).onShared(shared, bytes));
    connection.attach(own, null, seat);
  } catch (error) {
    worker.onFault(error);
    handle.close();
  }
}
