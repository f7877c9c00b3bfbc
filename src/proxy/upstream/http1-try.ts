import { Deadline } from '../../base/wheel.ts';
import { failures, type Failure } from '../failure.ts';
import { onResponseHead, onResponseTrailers } from '../pipeline.ts';
import type { Exchange } from '../protocol/exchange.ts';
import { ChunkedDecoder } from '../protocol/http1/chunked.ts';
import { writeHex } from '../protocol/http1/encode.ts';
import { ResponseHead } from '../protocol/http1/head.ts';
import type { Trailers } from '../protocol/http1/trailers.ts';
import type { Attempt } from './attempt.ts';
import type { ClusterState } from './cluster-state.ts';
import { UpstreamConnection, type UpstreamUser } from './connection.ts';
import type { EndpointState } from './endpoint.ts';
import { stageRequestHead } from './request-head.ts';
import { requestPurpose } from './request-purpose.ts';
import { tlsDetails } from './tls/failure.ts';
import { anyPurpose } from './transport.ts';
import { maxInterim, responseLimits, type UpstreamTry } from './try.ts';

/** Request bodies up to this size are assembled with the head into one write. */
const copyBytes = 16 * 1024;
/** A body with more to come than this is read into private buffers and passed on without a copy. */
const privateFrom = 32 * 1024;
/** A response of this size whose body is not there yet waits for it, so that both leave in one write … */
const gatherBytes = 16 * 1024;
/** … but not much longer than this, ms (the wheel's tick). */
const gatherMs = 50;

/** `gather`: the head is there and waits for the first bytes of a small body. */
type Phase = 'idle' | 'connecting' | 'head' | 'gather' | 'body' | 'tunnel';

const crlf = Buffer.from('\r\n');
const lastChunk = Buffer.from('0\r\n\r\n');

/**
 * One try to send a request to an endpoint and to read its response, HTTP/1.1. One object per client connection; an
 * exchange uses it again for its second try.
 */
export class Http1Try implements UpstreamTry, UpstreamUser {
  private readonly x: Exchange;
  private readonly attempt: Attempt;
  private readonly head = new ResponseHead(responseLimits);
  private readonly decoder = new ChunkedDecoder();
  private readonly gathered = new Deadline(() => this.onGathered());
  private connection: UpstreamConnection | null = null;
  private cluster: ClusterState | null = null;
  private endpoint: EndpointState | null = null;
  private phase: Phase = 'idle';
  private remaining = 0;
  /** Head bytes that came in pieces. */
  private held: Buffer | null = null;
  private interims = 0;
  /** The connection had served before: its server may have closed it meanwhile. */
  private reused = false;
  private gotBytes = false;
  /** Count of the staging buffer's writes when the head was posted. */
  private postedAt = -1;
  paused = false;

  constructor(x: Exchange, attempt: Attempt) {
    this.x = x;
    this.attempt = attempt;
  }

  get inTunnel(): boolean {
    return this.phase === 'tunnel';
  }

  /** The request head is on its way: body bytes may follow. */
  get takesBody(): boolean {
    return this.attempt.headSent && (this.phase === 'head' || this.phase === 'gather' || this.phase === 'body');
  }

  begin(cluster: ClusterState, endpoint: EndpointState, now: number): void {
    const { x } = this;
    this.cluster = cluster;
    this.endpoint = endpoint;
    this.gotBytes = false;
    this.interims = 0;
    this.held = null;
    this.paused = false;
    const purpose = endpoint.transport.isShared ? anyPurpose : requestPurpose(x, cluster, endpoint);
    const pooled = this.attempt.freshOnly ? null : endpoint.take(purpose.key);
    this.reused = pooled !== null;
    if (pooled !== null) {
      this.connection = pooled;
      pooled.user = this;
      this.sendHead(now);
      return;
    }
    this.phase = 'connecting';
    const connection = new UpstreamConnection(endpoint, x.worker, cluster.config.connectTimeoutMs, now, purpose);
    connection.user = this;
    this.connection = connection;
  }

  onConnected(): void {
    this.x.touch(performance.now());
    this.sendHead(this.x.lastActivity);
  }

  private sendHead(now: number): void {
    const { x, connection } = this;
    if (connection === null) return;
    connection.requests++;
    x.sentOn(connection.socket);
    this.phase = 'head';
    this.head.reset(x.method);
    this.attempt.prepare(now);
    const { staging } = x.worker;
    stageRequestHead(x, this.cluster, this.endpoint);
    this.attempt.headSent = true;
    x.down.pumpBody();
    if (this.connection !== connection) return;
    this.postedAt = staging.post(connection.wire, true) ? staging.writes : -1;
  }

  sendBody(buffer: Buffer, start: number, end: number): boolean {
    const { connection, x } = this;
    if (connection === null) return true;
    this.attempt.bodySent = true;
    const staging = x.worker.staging;
    const length = end - start;
    const chunked = x.head.bodyKind === 'chunked';
    if (chunked) {
      staging.reserve(24);
      staging.length = writeHex(staging.buffer, staging.length, length);
      staging.append(crlf, 0, 2);
    }
    if (length <= copyBytes) staging.append(buffer, start, end);
    else {
      staging.flush(connection.wire);
      connection.wire.stream(buffer.subarray(start, end));
    }
    if (chunked) staging.append(crlf, 0, 2);
    return !connection.wire.isFull;
  }

  endBody(trailers: Trailers | null): void {
    const { x, connection } = this;
    if (connection === null || x.head.bodyKind !== 'chunked') return;
    const staging = x.worker.staging;
    if (trailers === null) return staging.append(lastChunk, 0, lastChunk.length);
    trailers.dropDecided(x.head);
    staging.reserve(trailers.headersLength + 16);
    staging.appendText('0\r\n');
    const at = trailers.writeHeaders(staging.buffer, staging.length);
    if (at >= 0) staging.length = at;
    staging.append(crlf, 0, 2);
  }

  flushBody(): void {
    const { connection } = this;
    if (connection !== null) this.x.worker.staging.flush(connection.wire);
  }

  onUpstreamDrain(): void {
    this.x.down.resumeBody();
  }

  /** The client takes response bytes again. */
  onDownstreamDrain(): void {
    if (!this.paused) return;
    this.paused = false;
    this.connection?.resume();
  }

  onUpstreamBytes(buffer: Buffer, start: number, end: number): void {
    const { x } = this;
    x.touch(performance.now());
    if (this.phase === 'head' && this.reused && this.postedAt === x.worker.staging.writes) return this.onEarlyBytes();
    this.gotBytes = true;
    if (this.phase === 'head') this.readHead(buffer, start, end);
    else if (this.phase === 'gather') this.respond(buffer, start, end, false);
    else if (this.phase === 'body') this.readBody(buffer, start, end);
    else if (this.phase === 'tunnel') {
      x.bytesSent += end - start;
      this.pass(buffer, start, end);
      x.down.out.post();
    }
  }

  /** Bytes before our request was written answer some other request: a desynchronised peer, as on an idle connection. */
  private onEarlyBytes(): void {
    this.fail({ ...failures.upstreamProtocol, retry: 'unprocessed' });
  }

  private readHead(buffer: Buffer, start: number, end: number): void {
    let from = start;
    let bytes = buffer;
    let to = end;
    if (this.held !== null) {
      bytes = Buffer.concat([this.held, buffer.subarray(start, end)]);
      from = 0;
      to = bytes.length;
      this.held = null;
    }
    const { x, head } = this;
    for (;;) {
      const used = head.parse(bytes, from, to);
      if (used < 0) return this.fail(failures.upstreamProtocol, `upstream_reset_before_response_started{${head.error}}`);
      if (used === 0) {
        if (to > from) this.held = Buffer.from(bytes.subarray(from, to));
        return;
      }
      from += used;
      if (head.status === 101) return this.switchProtocols(bytes, from, to);
      if (!head.interim) break;
      if (++this.interims > maxInterim)
        return this.fail(failures.upstreamProtocol, 'upstream_reset_before_response_started{too_many_interim_responses}');
      // Weir itself answered Expect: 100-continue.
      if (head.status !== 100 && x.head.minor === 1) x.down.out.interim(head);
      head.reset(x.method);
    }
    x.firstByteAt = x.lastActivity;
    const keepAlive = head.received('keep-alive');
    if (keepAlive !== null) this.learn(keepAlive);
    if (from === to && head.bodyKind === 'length' && head.contentLength <= gatherBytes) {
      head.keep();
      this.phase = 'gather';
      x.worker.wheel.arm(this.gathered, x.lastActivity + gatherMs);
    } else this.respond(bytes, from, to, bytes !== buffer);
  }

  /** The body did not come soon: its head does not wait any longer. */
  private onGathered(): void {
    if (this.phase === 'gather') this.respond(crlf, 0, 0, true);
  }

  /** Begins the client's response with the head that was read and the body bytes that came with it. */
  private respond(bytes: Buffer, from: number, to: number, owned: boolean): void {
    const { x, head } = this;
    this.phase = 'body';
    onResponseHead(x, head);
    if (!x.live || this.phase !== 'body') return;
    this.remaining = head.contentLength;
    if (head.bodyKind === 'none') this.endOfResponse(from < to, null);
    else if (head.bodyKind === 'tunnel') this.fail(failures.upstreamProtocol);
    else {
      if (head.bodyKind === 'chunked') this.decoder.reset();
      this.readBody(bytes, from, to, owned);
    }
  }

  private learn(keepAlive: string): void {
    const found = /timeout=(\d{1,6})/.exec(keepAlive);
    if (found !== null) this.endpoint?.announceIdle(Number(found[1]));
  }

  private switchProtocols(bytes: Buffer, from: number, to: number): void {
    const { x, head } = this;
    if (x.upgradeTo === '') return this.fail(failures.upstreamProtocol, 'upstream_reset_before_response_started{unexpected_upgrade}');
    // What is left of the request would become the other protocol's first bytes.
    if (!x.down.requestDone || this.postedAt === x.worker.staging.writes)
      return this.fail(failures.upstreamProtocol, 'upstream_reset_before_response_started{upgrade_before_request_end}');
    this.phase = 'tunnel';
    x.firstByteAt = performance.now();
    this.connection?.usePrivate(true);
    x.responseStarted = true;
    x.responseCode = 101;
    x.down.startTunnel(head);
    if (from < to) {
      x.bytesSent += to - from;
      x.down.writeBody(bytes, from, to, false);
    }
    x.down.out.flush();
  }

  /** `owned`: the bytes are this attempt's own copy, whatever mode the connection is in. */
  private readBody(buffer: Buffer, start: number, end: number, owned = false): void {
    const { x, head } = this;
    if (head.bodyKind === 'length') {
      const take = Math.min(this.remaining, end - start);
      this.remaining -= take;
      x.bytesSent += take;
      if (take > 0) this.pass(buffer, start, start + take, owned);
      if (!x.live) return;
      if (this.remaining === 0) return this.endOfResponse(start + take < end, null);
    } else if (head.bodyKind === 'chunked') {
      let at = start;
      while (at < end) {
        at = this.decoder.decode(buffer, at, end);
        if (this.decoder.failed) return this.fail(failures.upstreamProtocol, `upstream_protocol_error{${this.decoder.error}}`);
        if (this.decoder.dataEnd > this.decoder.dataStart) {
          x.bytesSent += this.decoder.dataEnd - this.decoder.dataStart;
          this.pass(buffer, this.decoder.dataStart, this.decoder.dataEnd, owned);
          if (!x.live) return;
        }
        if (this.decoder.done) return this.endOfResponse(at < end, this.decoder.trailers);
      }
    } else if (end > start) {
      x.bytesSent += end - start;
      this.pass(buffer, start, end, owned);
      if (!x.live) return;
    }
    this.connection?.usePrivate(head.bodyKind !== 'length' || this.remaining >= privateFrom);
    if (!x.down.out.flush()) this.pause();
  }

  /** Hands body bytes to the client and stops reading while it takes no more. */
  private pass(buffer: Buffer, start: number, end: number, owned = false): void {
    const { connection, x } = this;
    const isPrivate = connection !== null && connection.isPrivate;
    if (!x.down.writeBody(buffer, start, end, owned || isPrivate)) this.pause();
  }

  private pause(): void {
    if (this.connection === null || this.paused) return;
    this.paused = true;
    this.connection.pause();
  }

  /** A slice of the current read buffer is still queued at the client's socket. */
  lend(): void {
    this.connection?.lend();
  }

  private endOfResponse(surplus: boolean, trailers: Trailers | null): void {
    const { x, head } = this;
    if (trailers !== null) onResponseTrailers(x, head, trailers);
    x.down.out.end(trailers);
    x.down.out.post();
    // Servers differ on what follows a request that offered an upgrade they did not take.
    this.release(head.keepAlive && !surplus && x.upgradeTo === '' && x.down.requestDone && this.phase === 'body');
    x.down.finish();
  }

  /** Gives the connection back to its pool, or closes it. */
  private release(reuse: boolean): void {
    const { connection, endpoint } = this;
    this.phase = 'idle';
    this.connection = null;
    this.held = null;
    this.attempt.over();
    if (connection === null || endpoint === null) return;
    if (!reuse || connection.closed) {
      connection.destroy();
      return;
    }
    connection.usePrivate(false);
    if (this.paused) {
      this.paused = false;
      connection.resume();
    }
    endpoint.give(connection, this.x.lastActivity);
  }

  onUpstreamEnd(): void {
    this.x.touch(performance.now());
    if (this.phase === 'tunnel') {
      this.x.down.endTunnel();
      return;
    }
    if (this.phase === 'body' && this.head.bodyKind === 'until-close') {
      this.endOfResponse(false, null);
      return;
    }
    this.broken('', false);
  }

  onUpstreamClosed(code: string, timedOut: boolean): void {
    if (this.phase === 'body' && this.head.bodyKind === 'until-close' && code === '') {
      this.endOfResponse(false, null);
      return;
    }
    this.broken(code, timedOut);
  }

  private broken(code: string, timedOut: boolean): void {
    const { x } = this;
    if (this.phase === 'idle') return;
    x.touch(performance.now());
    if (this.phase === 'tunnel') {
      // Both sides have ended: the client may not have taken all of it yet.
      const isOver = code === '' && this.connection?.socket.readableEnded === true;
      if (code !== '') x.flag(failures.upstreamTruncated);
      this.release(false);
      if (isOver) x.down.endTunnel();
      else x.down.abort();
      return;
    }
    if (code !== '') x.upstreamTransportFailureReason = code;
    if (this.phase === 'connecting') {
      this.attempt.connectFailed();
      this.fail(
        timedOut ? failures.connectTimeout : failures.connectFailure,
        timedOut ? undefined : tlsDetails('remote_connection_failure', code),
      );
    } else if (this.phase === 'body' || this.phase === 'gather') this.fail(failures.upstreamTruncated);
    else this.fail(failures.upstreamReset, tlsDetails('connection_termination', code));
  }

  private fail(failure: Failure, details?: string): void {
    if (this.phase === 'idle') return;
    const isStale = this.reused && !this.gotBytes;
    this.x.worker.staging.discard();
    this.release(false);
    this.attempt.failed(failure, details, isStale);
  }

  /** The client is gone or was answered otherwise. */
  cancel(): void {
    if (this.phase === 'idle') return;
    this.release(false);
  }

  tunnel(chunk: Buffer): boolean {
    const { connection } = this;
    if (connection === null) return true;
    const { staging } = this.x.worker;
    if (chunk.length <= copyBytes) {
      staging.append(chunk, 0, chunk.length);
      staging.post(connection.wire, true);
      return !connection.wire.isFull;
    }
    staging.flushPosted();
    return connection.wire.stream(Buffer.from(chunk));
  }

  endTunnel(): void {
    this.x.worker.staging.flushPosted();
    this.connection?.socket.end();
  }
}
