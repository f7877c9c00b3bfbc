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
