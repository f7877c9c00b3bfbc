import { type Server, Socket } from 'node:net';

/**
 * Node reads accepted sockets through the stream machinery only: a buffer and a `data` event for each read. Sockets that
 * we make ourselves may read into a buffer of ours (`onread`). So an accepted socket's handle moves into a socket of
 * our own, or becomes one before node:net has made its own of it. Handles are no documented property: where they are not as
 * expected, `data` events serve, only slower (docs/decisions/0007).
 */
interface Handle {
  useUserBuffer(buffer: Uint8Array): unknown;
  setNoDelay(on: boolean): unknown;
  close(): unknown;
}

/** Called with bytes that are valid during the call only. */
type OnBytes = (bytes: number, buffer: Uint8Array) => void;

function isHandle(value: unknown): value is Handle {
  if (typeof value !== 'object' || value === null) return false;
  return 'useUserBuffer' in value && 'setNoDelay' in value && 'close' in value && typeof value.close === 'function';
}

/**
 * An accepted socket's connection as a socket that reads into `buffer`, which as a function is asked for the buffer of the
 * next read after each one. `paused`: nothing is read before `resume`. Null: `accepted` stays what it was.
 */
export function readInto(accepted: Socket, buffer: Buffer | (() => Buffer), onBytes: OnBytes, paused = false): Socket | null {
  const handle: unknown = Reflect.get(accepted, '_handle');
  if (!isHandle(handle)) return null;
  Reflect.set(accepted, '_handle', null);
  return socketOf(handle, buffer, onBytes, paused);
}

/** The same for a connection that `takeHandles` brought. */
export function socketOf(handle: Handle, buffer: Buffer | (() => Buffer), onBytes: OnBytes, paused = false): Socket {
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

/**
 * Shows each connection that the server, which listens, accepts to `take` first. What that does not take becomes a socket of
 * node:net and a `connection` event as ever.
 */
export function takeHandles(server: Server, take: (handle: Handle) => boolean): void {
  const listening: unknown = Reflect.get(server, '_handle');
  if (typeof listening !== 'object' || listening === null) return;
  const make: unknown = Reflect.get(listening, 'onconnection');
  if (typeof make !== 'function') return;
  Reflect.set(listening, 'onconnection', (status: number, handle: unknown): void => {
    if (status !== 0 || !isHandle(handle) || !take(handle)) Reflect.apply(make, listening, [status, handle]);
  });
}
