import type { UpstreamContext } from '../connection.ts';
import type { EndpointState } from '../endpoint.ts';
import type { Purpose } from '../transport.ts';
import { type SessionOwner, type SessionStream, UpstreamSession } from './session.ts';

/** Connections to one endpoint and worker of one purpose; of all purposes together those that serve nobody make room from here on … */
const maxSessions = 128;
/** … and no more than these are made: names in SNI may be the clients' own, and those who are served must not keep others waiting. */
const maxAllSessions = 4096;
/** Exchanges of one endpoint and worker that wait for a stream (Envoy max_pending_requests). */
const maxWaiting = 1024;
/** How long an endpoint that agreed on HTTP/1.1 is not asked again, ms. */
const relearnMs = 300_000;

/** An exchange that wants a stream. */
export interface SessionUser extends SessionStream {
  /** A stream is kept for it: `UpstreamSession.take` has been called. */
  onSession(session: UpstreamSession): void;
  /** No connection could be made. */
  onSessionFailed(session: UpstreamSession): void;
  /** The endpoint speaks HTTP/1.1 after all, or is reached in another way from now on: ask anew. */
  onChanged(): void;
}

interface Waiting {
  readonly user: SessionUser;
  readonly purpose: Purpose;
}

/** The HTTP/2 connections of one endpoint in one worker, and who waits for one. */
export class SessionPool implements SessionOwner {
  private readonly endpoint: EndpointState;
  private readonly context: UpstreamContext;
  private readonly sessions: UpstreamSession[] = [];
  private waiting: Waiting[] = [];
  private connectTimeoutMs = 0;
  /** Monotonic ms until which `alpn` means HTTP/1.1 here. */
  private http1Until = 0;

  constructor(endpoint: EndpointState, context: UpstreamContext) {
    this.endpoint = endpoint;
    this.context = context;
  }

  /** Whether the last handshake with `alpn` agreed on HTTP/1.1. */
  speaksHttp1(now: number): boolean {
    return this.http1Until > now;
  }

  /** Calls back at once, or when a stream is free. False: too many wait already. */
  acquire(user: SessionUser, purpose: Purpose, connectTimeoutMs: number, now: number): boolean {
    const { key } = purpose;
    for (let i = 0; i < this.sessions.length; i++) {
      const session = this.sessions[i];
      if (session.key !== key || !session.hasRoom) continue;
      session.take(user);
      user.onSession(session);
      return true;
    }
    if (this.waiting.length >= maxWaiting) return false;
    this.connectTimeoutMs = connectTimeoutMs;
    this.waiting.push({ user, purpose });
    this.open(key, now);
    return true;
  }

  /** The user does not wait any longer. */
  forget(user: SessionUser): void {
    const at = this.waiting.findIndex((entry) => entry.user === user);
    if (at >= 0) this.waiting.splice(at, 1);
  }

  /** The endpoint is gone, or is connected to in another way from now on: what is under way finishes. */
  retire(): void {
    this.http1Until = 0;
    for (const session of [...this.sessions]) session.leave();
    this.sendAway();
  }

  /** One connection more, unless one is on its way, or has not said yet for how many it has room. */
  private open(key: string, now: number): void {
    if (this.wanting(key) === undefined) return;
    // Full: the connection that has been there longest and serves nobody makes room, for this one or another.
    if (this.sessions.length >= maxSessions) this.sessions.find((session) => session.active === 0 && session.connected)?.leave();
    const first = this.wanting(key);
    if (first === undefined || this.sessions.length >= maxAllSessions) return;
    const options = { purpose: first.purpose, connectTimeoutMs: this.connectTimeoutMs };
    this.sessions.push(new UpstreamSession(this.endpoint, this.context, this, options, now));
  }

  /** Who is to have a connection more of this purpose; undefined: nobody, or one is on its way, or there are enough. */
  private wanting(key: string): Waiting | undefined {
    let made = 0;
    for (const session of this.sessions) {
      if (session.key !== key) continue;
      if (!session.settled || ++made === maxSessions) return undefined;
    }
    return this.waiting.find((entry) => entry.purpose.key === key);
  }

  /** Streams for those who wait, oldest first; a further connection where they are too many. */
  private serve(session: UpstreamSession): void {
    while (session.hasRoom) {
      const at = this.waiting.findIndex((entry) => entry.purpose.key === session.key);
      if (at < 0) break;
      const [next] = this.waiting.splice(at, 1);
      session.take(next.user);
      next.user.onSession(session);
    }
    if (this.waiting.length === 0) return;
    const now = performance.now();
    this.open(session.key, now);
    if (this.waiting.length > 0) this.open(this.waiting[0].purpose.key, now);
  }

  /** A stream of the session is free again. */
  release(session: UpstreamSession, user: SessionUser, now: number): void {
    session.release(user, now);
    if (this.waiting.length > 0) this.serve(session);
  }

  onReady(session: UpstreamSession): void {
    if (session.agreed === '' || session.agreed === 'h2') {
      const isHttp1 = session.agreed === '' && session.transport.tls?.alpn.includes('http/1.1') === true;
      if (!isHttp1) return this.serve(session);
    }
    this.http1Until = performance.now() + relearnMs;
    session.destroy();
    this.sendAway();
  }

  private sendAway(): void {
    for (const { user } of this.waiting.splice(0)) user.onChanged();
  }

  onSettings(session: UpstreamSession): void {
    if (this.waiting.length > 0) this.serve(session);
  }

  onLeaving(session: UpstreamSession): void {
    const at = this.sessions.indexOf(session);
    if (at < 0) return;
    const wasFull = this.sessions.length >= maxSessions;
    this.sessions.splice(at, 1);
    if (wasFull && this.waiting.length > 0) this.open(this.waiting[0].purpose.key, performance.now());
  }

  onClosed(session: UpstreamSession): void {
    this.onLeaving(session);
    if (session.connected || session.isRetired) {
      if (this.waiting.length > 0) this.open(session.key, performance.now());
      return;
    }
    this.endpoint.onConnectFailure(performance.now());
    const failed = this.waiting.filter((entry) => entry.purpose.key === session.key);
    this.waiting = this.waiting.filter((entry) => entry.purpose.key !== session.key);
    for (const { user } of failed) user.onSessionFailed(session);
  }
}
