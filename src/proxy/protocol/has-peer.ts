import type { Socket } from 'node:net';

/** What Node's handle of a TCP or TLS socket says of the other end. No documented property: looked at before it is used. */
interface Handle {
  /** 0, or the system's error. */
  getpeername(out: object): number;
}

function isHandle(value: unknown): value is Handle {
  return typeof value === 'object' && value !== null && 'getpeername' in value && typeof value.getpeername === 'function';
}

/**
 * Whether the system still has a connection, when reading came to an end. It tells of a reset once: where a write of node:http2 has
 * heard of it, which says nothing of it, the next read looks like an end in good order.
 */
export function hasPeer(socket: Socket): boolean {
  const handle: unknown = Reflect.get(socket, '_handle');
  return !isHandle(handle) || handle.getpeername({}) === 0;
}
