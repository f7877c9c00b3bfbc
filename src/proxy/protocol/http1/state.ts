/** How much of an unwanted request body is read and thrown away so that the connection can go on. */
export const drainBytes = 256 * 1024;
/** Time for that, ms. */
export const drainMs = 5000;
/** How long a closing connection still reads, so that the client gets our last bytes and no reset, ms (Envoy delayed_close_timeout 1 s). */
export const lingerMs = 1000;

/**
 * `idle`: between requests. `head`: a head has begun. `exchange`: one is under way. `drain`: reading off a body nobody
 * wants. `tunnel`: upgraded. `linger`: our side is closed.
 */
export type State = 'idle' | 'head' | 'exchange' | 'drain' | 'tunnel' | 'linger' | 'closed';

/** What is looked at of a socket that closes. */
export interface ClosingSocket {
  /** Bytes that the system has not taken yet. */
  readonly unsent: number;
  destroy(): unknown;
}

/** A closing connection: what the client has not taken yet is still sent, however slowly it reads; then comes the linger time. */
export class Linger {
  private unsent = 0;
  private progressAt = 0;

  /** Our side was ended. Returns the monotonic time to look again. */
  begin(socket: ClosingSocket, now: number): number {
    this.unsent = socket.unsent;
    this.progressAt = now;
    return now + lingerMs;
  }

  /** Closes the socket once all is sent, or nothing has moved for `idleMs` (0: no limit). Returns when to look again. */
  next(socket: ClosingSocket, now: number, idleMs: number): number {
    const left = socket.unsent;
    const before = this.unsent;
    if (left < before) this.progressAt = now;
    this.unsent = left;
    const isStuck = left > 0 && idleMs > 0 && now - this.progressAt >= idleMs;
    if (isStuck || (left === 0 && before === 0)) {
      socket.destroy();
      return Infinity;
    }
    return now + lingerMs;
  }
}
