import type { Trailers } from '../protocol/http1/trailers.ts';
import type { ClusterState } from './cluster-state.ts';
import type { EndpointState } from './endpoint.ts';

/** Bounds for what an upstream may send as a head. */
export const responseLimits = { maxHeadBytes: 64 * 1024, maxHeaders: 200, maxTargetBytes: 0 };
/** Interim responses (1xx) one exchange may bring. */
export const maxInterim = 32;

/**
 * One try of an exchange at one endpoint, in one protocol. It ends in one of three ways: the response is complete
 * (`Attempt.over`, then `Downstream.finish`), it failed (`Attempt.over`, then `Attempt.failed`), or it was cancelled.
 */
export interface UpstreamTry {
  /** The request head is on its way: body bytes may follow. */
  readonly takesBody: boolean;
  readonly inTunnel: boolean;
  /** The upstream is not read: the client takes no more. */
  readonly paused: boolean;
  begin(cluster: ClusterState, endpoint: EndpointState, now: number): void;
  /** As in `Attempt`. */
  sendBody(buffer: Buffer, start: number, end: number, keep: boolean): boolean;
  endBody(trailers: Trailers | null): void;
  flushBody(): void;
  onDownstreamDrain(): void;
  lend(): void;
  /** Ends it without a word to the exchange. */
  cancel(): void;
  tunnel(chunk: Buffer): boolean;
  endTunnel(): void;
}
