import { Socket } from 'node:net';

/**
 * Node reads accepted sockets through the stream machinery only: a buffer and a `data` event for each read. Sockets that
 * we make ourselves may read into a buffer of ours (`onread`). So an accepted socket's handle moves into a socket of
 * our own. The handle is no documented property: where it is not there, `data` events serve, only slower
 * (docs/decisions/0007).
 *
 * `onBytes` is called with bytes that are valid during the call only.
 */
export function readInto(accepted: Socket, buffer: Buffer, onBytes: (bytes: number) => void): Socket | null {
  const handle: unknown = Reflect.get(accepted, '_handle');
  if (typeof handle !== 'object' || handle === null || !('useUserBuffer' in handle)) return null;
  Reflect.set(accepted, '_handle', null);
  const options = {
    handle,
    allowHalfOpen: true,
    readable: true,
    writable: true,
    onread: {
      buffer,
      callback: (bytes: number): boolean => {
        onBytes(bytes);
        return !own.isPaused();
      },
    },
  };
  const own: Socket = Reflect.construct(Socket, [options]);
  return own;
}
