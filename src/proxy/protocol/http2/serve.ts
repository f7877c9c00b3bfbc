import type { ClientConnection } from '../../listen/client.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import type { WorkerRuntime } from '../../runtime.ts';

/** Hands a connection that speaks HTTP/2 to its code. Nothing listens on the socket; `client.peeked` comes before its bytes. */
export function serveHttp2(_worker: WorkerRuntime, _at: ListenerRuntime, client: ClientConnection): void {
  client.socket.destroy();
}
