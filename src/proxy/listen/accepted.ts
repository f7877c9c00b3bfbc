import { Socket } from 'node:net';

/**
 * Node reads accepted sockets through the stream machinery only: a buffer and a `data` event for each read. Sockets that
 * we make ourselves may read into a buffer of ours (`onread`). So an accepted socket's handle moves into a socket of
 * our own. The handle is no documented property: where it is not there, `data` events serve, only slower
 * (docs/decisions/0007).
 *
 * `onBytes` is called with bytes that are valid during the call only. `buffer` as a function is asked for the buffer of the
 * next read after each one. `paused`: nothing is read before `resume`.
 */
export function readInto(
  accepted: Socket,
  buffer: Buffer | (() => Buffer),
  onBytes: (bytes: number, buffer: Uint8Array) => void,
  paused = false,
): Socket | null {
  const handle: unknown = Reflect.get(accepted, '_handle');
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return null;
  Reflect.set(accepted, '_handle', null);
  const options = {
    handle,
    allowHalfOpen: true,
    readable: true,
    writable: true,
    ...(paused ? { pauseOnCreate: true } : {}),
    onread: {
      buffer,
      callback: (bytes: number, into: Uint8Array): boolean => {
        onBytes(bytes, into);
        // Whoever pauses the socket stops the reading too.
        return true;
      },
    },
  };
  const own: Socket = Reflect.construct(Socket, [options]);
  return own;
}
