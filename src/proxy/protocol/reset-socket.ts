import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Closes a socket with a reset where its transport has one: TLS and Unix sockets close without an end. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  // While its end is under way (shutdown behind bytes that wait) libuv refuses to reset, and Node loses the handle: it can only be closed.
  const isEnding = socket.writableEnded && !socket.writableFinished;
  if (isEnding || socket.connecting || socket instanceof TLSSocket || socket.remoteFamily === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
