import type { HttpLimits } from '../../../model/listener.ts';
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
  const { requestTimeoutMs, maxUpgradeMs } = x.at.config.limits;
  const forward = isTunnel ? null : (x.hit?.payload.forward ?? null);
  const routeAt = isTunnel ? Infinity : due(x.startedAt, x.timeoutMs);
  const readAt = requestDone && x.sentAt > 0 ? due(Math.max(x.lastActivity, x.sentAt), forward?.readTimeoutMs) : Infinity;
  const writeAt = !requestDone && x.sentAt > 0 ? due(x.lastActivity, forward?.writeTimeoutMs) : Infinity;
  // A gRPC call may send for as long as it lives: its deadline and the idle time bound it.
  const requestAt = requestDone || isTunnel || x.isGrpc ? Infinity : due(x.startedAt, requestTimeoutMs);
  const idleAt = due(x.lastActivity, idleLimit(x, requestDone, isTunnel));
  const upgradeAt = isTunnel ? due(x.firstByteAt, maxUpgradeMs) : Infinity;
  if (now >= routeAt) return failures.routeTimeout;
  if (now >= readAt) return failures.readTimeout;
  if (now >= requestAt) return failures.requestTimeout;
  if (now >= writeAt) return failures.readTimeout;
  if (now >= idleAt) return failures.streamIdle;
  if (now >= upgradeAt) return failures.upgradeTimeout;
  return Math.min(routeAt, readAt, writeAt, requestAt, idleAt, upgradeAt);
}

/** Longest time without a byte in either direction, ms; 0: none. A wait that the configuration states is none, while it is the upstream that is waited for. */
function idleLimit(x: Exchange, requestDone: boolean, isTunnel: boolean): number {
  const { streamIdleTimeoutMs, upgradeIdleTimeoutMs } = x.at.config.limits;
  const readTimeoutMs = x.hit?.payload.forward?.readTimeoutMs;
  if (isTunnel) return upgradeIdleTimeoutMs ?? readTimeoutMs ?? streamIdleTimeoutMs;
  if (streamIdleTimeoutMs === 0 || !requestDone || x.attempt.waitsForClient) return streamIdleTimeoutMs;
  return Math.max(streamIdleTimeoutMs, readTimeoutMs ?? 0, x.timeoutMs);
}

/** Idle for this long, a connection keeps no more than its seat, ms. */
const parkMs = 500;

/** How soon an idle connection is looked at: to be parked, or before that to be closed or to have taken its last answer. */
export function idleLookMs({ idleTimeoutMs, streamIdleTimeoutMs, headTimeoutMs }: HttpLimits): number {
  return Math.min(parkMs, due(0, idleTimeoutMs), due(0, streamIdleTimeoutMs), due(0, headTimeoutMs));
}

/** What is known of an idle connection. */
export interface Idle {
  readonly since: number;
  /** It never had a request. */
  readonly isFresh: boolean;
  /** Its time is over then. */
  readonly closeAt: number;
  /** Bytes of its last answer that the client has not taken. */
  readonly unsent: number;
  /** The same when it was looked at before; -1: never. */
  readonly untaken: number;
}

/**
 * Whether an idle connection ends, is cut because its client takes nothing of its last answer, or when to look again: such a one
 * does not hold our buffers until it has been idle for long enough.
 */
export function idleVerdict(at: ListenerRuntime, { since, isFresh, closeAt, unsent, untaken }: Idle, now: number): 'end' | 'cut' | number {
  const end = Math.min(idleAt(at, since, isFresh), closeAt);
  if (now >= end) return 'end';
  if (unsent === 0) return end;
  return unsent === untaken ? 'cut' : Math.min(end, due(now, at.config.limits.streamIdleTimeoutMs));
}

/** When a connection that waits for its next request since `since` is closed; for its first one, `isFresh`, it has no longer than for a head. */
export function idleAt(at: ListenerRuntime, since: number, isFresh = false): number {
  const { idleTimeoutMs, headTimeoutMs } = at.config.limits;
  return Math.min(due(since, idleTimeoutMs), isFresh ? due(since, headTimeoutMs) : Infinity);
}
