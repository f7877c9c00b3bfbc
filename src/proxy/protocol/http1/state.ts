/** How much of an unwanted request body is read and thrown away so that the connection can go on. */
export const drainBytes = 256 * 1024;
/** Time for that, ms. */
export const drainMs = 5000;
/** How long a closing connection still reads, so that the client gets our last bytes and no reset, ms (Envoy delayed_close_timeout 1 s) … */
export const lingerMs = 1000;
/** … and while it goes on sending: many clients read no answer before all of their request is sent (nginx lingering_time). */
export const maxLingerMs = 30_000;

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

/**
 * A closing connection: what the client has not taken yet is still sent, however slowly it reads; then comes the linger time, which
 * begins anew with each byte of the client, up to a bound. A close with bytes unread is a reset, and takes our answer from the client.
 */
export class Linger {
  /** The client has sent something since the last look. */
  hasRead = false;
  private unsent = 0;
  private progressAt = 0;
  private until = 0;

  /** Our side was ended. Returns the monotonic time to look again. */
  begin(socket: ClosingSocket, now: number): number {
    this.unsent = socket.unsent;
    this.progressAt = now;
    this.hasRead = false;
    this.until = now + maxLingerMs;
    return now + lingerMs;
  }

  /** Closes the socket once all is sent and the client is still, or nothing has moved for `idleMs` (0: no limit). Returns when to look again. */
  next(socket: ClosingSocket, now: number, idleMs: number): number {
    const left = socket.unsent;
    const before = this.unsent;
    if (left < before) this.progressAt = now;
    this.unsent = left;
    const isStuck = left > 0 && idleMs > 0 && now - this.progressAt >= idleMs;
    const isStill = !this.hasRead || now >= this.until;
    this.hasRead = false;
    if (isStuck || (left === 0 && before === 0 && isStill)) {
      socket.destroy();
      return Infinity;
    }
    return now + lingerMs;
  }
}
