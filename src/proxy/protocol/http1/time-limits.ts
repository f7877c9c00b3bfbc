import { failures, type Failure } from '../../failure.ts';
import type { ListenerRuntime } from '../../listen/listener-runtime.ts';
import type { Exchange } from '../exchange.ts';

function due(since: number, limit: number | undefined): number {
  return limit !== undefined && limit > 0 ? since + limit : Infinity;
}

/**
 * Which of an exchange's time limits has passed at `now`, or the monotonic time at which to look again. The listener's
 * limits hold for the client's side, the route's for the upstream's.
 */
export function timeLimits(x: Exchange, requestDone: boolean, isTunnel: boolean, now: number): Failure | number {
  const { streamIdleTimeoutMs, requestTimeoutMs } = x.at.config.limits;
  const forward = isTunnel ? null : (x.hit?.payload.forward ?? null);
  const routeAt = isTunnel ? Infinity : due(x.startedAt, x.timeoutMs);
  const readAt = requestDone && x.sentAt > 0 ? due(Math.max(x.lastActivity, x.sentAt), forward?.readTimeoutMs) : Infinity;
  const writeAt = !requestDone && x.sentAt > 0 ? due(x.lastActivity, forward?.writeTimeoutMs) : Infinity;
  // A gRPC call may send for as long as it lives: its deadline and the idle time bound it.
  const requestAt = requestDone || isTunnel || x.isGrpc ? Infinity : due(x.startedAt, requestTimeoutMs);
  const idleAt = due(x.lastActivity, streamIdleTimeoutMs);
  if (now >= routeAt) return failures.routeTimeout;
  if (now >= readAt) return failures.readTimeout;
  if (now >= requestAt) return failures.requestTimeout;
  if (now >= writeAt) return failures.readTimeout;
  if (now >= idleAt) return failures.streamIdle;
  return Math.min(routeAt, readAt, writeAt, requestAt, idleAt);
}

/** When a connection that waits for its next request since `since` is closed. */
export function idleAt(at: ListenerRuntime, since: number): number {
  return due(since, at.config.limits.idleTimeoutMs);
}
