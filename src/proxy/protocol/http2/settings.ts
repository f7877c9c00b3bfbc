import type { ServerSessionOptions } from 'node:http2';
import type { HttpLimits } from '../../../model/listener.ts';

/** Request body bytes of one stream that a client may send ahead (Envoy's edge guidance). */
export const streamWindow = 64 * 1024;
/** The same of a whole connection. */
export const connectionWindow = 1024 * 1024;
/** Requests under way on one connection unless the listener says otherwise (Envoy's edge guidance). */
export const defaultStreams = 100;
/** What a connection may make node:http2 keep, MB: header blocks, frames not taken yet. */
const sessionMegabytes = 10;

/** A response's head at most, with 32 bytes a field: more than an upstream's may be, since node:http2 gives up the connection over it. */
const sendHeadBytes = 256 * 1024;

/** How node:http2 is to serve a connection of a listener. */
export function sessionOptions(limits: HttpLimits): ServerSessionOptions {
  const { maxConcurrentStreams = defaultStreams, maxHeadBytes, maxHeaders } = limits;
  return {
    maxSessionMemory: sessionMegabytes,
    // Cookie may come in parts: counted once they are joined.
    maxHeaderListPairs: maxHeaders + 64,
    maxSendHeaderBlockLength: sendHeadBytes,
    // Two lines of one name are the upstream's to send.
    strictSingleValueFields: false,
    settings: {
      enablePush: false,
      enableConnectProtocol: true,
      initialWindowSize: streamWindow,
      maxConcurrentStreams,
      // Counted with 32 bytes a field (RFC 9113 §6.5.2): the head parser's own limit is met first and answers 431.
      maxHeaderListSize: maxHeadBytes + 32 * maxHeaders,
    },
  };
}
