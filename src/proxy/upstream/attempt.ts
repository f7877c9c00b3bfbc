import { failures, type Failure } from '../failure.ts';
import { onAttemptFailed } from '../pipeline.ts';
import type { Exchange } from '../protocol/exchange.ts';
import { grpcTimeout } from '../protocol/grpc/status.ts';
import type { Trailers } from '../protocol/http1/trailers.ts';
import type { ClusterState } from './cluster-state.ts';
import type { EndpointState } from './endpoint.ts';
import { Http1Try } from './http1-try.ts';
import { Http2Try } from './http2/try.ts';
import type { UpstreamTry } from './try.ts';

/** Tries per exchange: the first and one more where nothing was lost. */
const maxTries = 2;
/** Tries where connections end in good order: a server that takes so many requests on each may end several in a row. */
const maxMoves = 5;
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/**
 * What an exchange does to get a response: chooses an endpoint, tries it in the protocol that it speaks, and tries
 * again where no request is sent twice. One object per `Exchange`.
 */
export class Attempt {
  private readonly x: Exchange;
  private cluster: ClusterState | null = null;
  private endpoint: EndpointState | null = null;
  private failedEndpoint: EndpointState | null = null;
  private http1: Http1Try | null = null;
  private http2: Http2Try | null = null;
  private current: UpstreamTry | null = null;
  private patchMark = 0;
  tries = 0;
  /** The current try must not use a connection that served before. */
  freshOnly = false;
  /** The current try's request head left, or waits to be written. */
  headSent = false;
  /** Body bytes of the request were handed to the current try: they cannot be had again. */
  bodySent = false;

  constructor(x: Exchange) {
    this.x = x;
  }

  get inTunnel(): boolean {
    return this.current !== null && this.current.inTunnel;
  }

  get isActive(): boolean {
    return this.current !== null;
  }

  /** The upstream's bytes are not read, as the client takes none. */
  get waitsForClient(): boolean {
    return this.current !== null && this.current.paused;
  }

  /** The request head is on its way: body bytes may follow. */
  get takesBody(): boolean {
    return this.current !== null && this.current.takesBody;
  }

  /** Begins the first try. */
  start(cluster: ClusterState): void {
    this.cluster = cluster;
    this.tries = 0;
    this.freshOnly = false;
    this.failedEndpoint = null;
    this.patchMark = this.x.head.mark();
    this.next();
  }

  private next(): void {
    const { x, cluster } = this;
    if (cluster === null) return;
    const now = x.lastActivity;
    const endpoint = cluster.pick(now, this.failedEndpoint);
    if (endpoint === null) {
      onAttemptFailed(x, cluster.resolveFailure === null ? failures.noHealthyUpstream : failures.nameNotResolved);
      return;
    }
    this.tries++;
    this.headSent = false;
    this.bodySent = false;
    this.endpoint = endpoint;
    endpoint.active++;
    endpoint.requests++;
    cluster.activeTotal++;
    x.upstreamAttempts = this.tries;
    x.upstreamHost = endpoint.key;
    this.current = this.tryFor(cluster, endpoint, now);
    this.current.begin(cluster, endpoint, now);
  }

  private tryFor(cluster: ClusterState, endpoint: EndpointState, now: number): UpstreamTry {
    const { protocol } = cluster.config;
    const isHttp2 = protocol === 'http2' || (protocol === 'alpn' && this.mayAsk(endpoint, now));
    return isHttp2 ? (this.http2 ??= new Http2Try(this.x, this)) : (this.http1 ??= new Http1Try(this.x, this));
  }

  /** Without TLS there is no ALPN; and a server that takes WebSockets takes them in HTTP/1.1, in HTTP/2 a few do. */
  private mayAsk(endpoint: EndpointState, now: number): boolean {
    return endpoint.transport.tls !== null && this.x.upgradeTo === '' && endpoint.http2?.speaksHttp1(now) !== true;
  }

  /** For the try, which holds nothing yet: the endpoint is to be spoken to in another way. */
  beginAgain(): void {
    const { cluster, endpoint } = this;
    if (cluster === null || endpoint === null) return;
    const now = this.x.lastActivity;
    this.current = this.tryFor(cluster, endpoint, now);
    this.current.begin(cluster, endpoint, now);
  }

  /** For the try: what each one does before it writes the head. Changes of an earlier try are taken back. */
  prepare(now: number): void {
    const { x } = this;
    x.sentAt = now;
    if (this.tries > 1) x.head.rollback(this.patchMark);
    const { destination } = x;
    if (destination !== null && destination.chain.hasAttempt) destination.chain.attempt(x.context);
    // The upstream is told what is left of the time, as Envoy does where it caps a gRPC deadline.
    if (x.isGrpc && x.timeoutMs > 0) x.head.set('grpc-timeout', grpcTimeout(x.startedAt + x.timeoutMs - now));
  }

  /** For the try: it holds no connection or stream any more. */
  over(): void {
    if (this.current === null) return;
    this.current = null;
    if (this.endpoint !== null) this.endpoint.active--;
    if (this.cluster !== null) this.cluster.activeTotal--;
  }

  /** For the try: no connection could be made. Others are preferred for a while. */
  connectFailed(): void {
    this.endpoint?.onConnectFailure(performance.now());
    this.avoidEndpoint();
  }

  /** For the try: the next one is made elsewhere, where there is an elsewhere. */
  avoidEndpoint(): void {
    this.failedEndpoint = this.endpoint;
  }

  /**
   * For the try, after `over`: another try where no request is sent twice, else the exchange fails. `isStale`: it used a
   * connection that had served before and nothing came back.
   */
  failed(failure: Failure, details: string | undefined, isStale: boolean): void {
    const { x } = this;
    if (!x.responseStarted && this.tries < (failure.retry === 'moved' ? maxMoves : maxTries) && this.mayRepeat(failure, isStale)) {
      this.freshOnly = failure.retry !== 'if-unsent';
      x.touch(performance.now());
      this.next();
      return;
    }
    onAttemptFailed(x, failure, details);
  }

  private mayRepeat(failure: Failure, isStale: boolean): boolean {
    switch (failure.retry) {
      case 'no':
        return false;
      case 'if-unsent':
        return !this.headSent && (this.cluster?.endpoints.length ?? 0) > 1;
      case 'unprocessed':
      case 'moved':
        return !this.bodySent;
      case 'safe':
        // A kept connection that its server had just closed: nothing came back, and the method may be repeated.
        return isStale && !this.bodySent && this.x.head.bodyKind === 'none' && safeMethods.has(this.x.method);
    }
  }

  /**
   * Request body bytes, unframed. `keep`: nobody writes to them any more, so that they need not be copied. False: wait for
   * `Downstream.resumeBody`.
   */
  sendBody(buffer: Buffer, start: number, end: number, keep = false): boolean {
    return this.current === null || end === start || this.current.sendBody(buffer, start, end, keep);
  }

  /** The request body is complete. */
  endBody(trailers: Trailers | null): void {
    this.current?.endBody(trailers);
  }

  /** Ends the write of body bytes that arrived in this event. */
  flushBody(): void {
    this.current?.flushBody();
  }

  /** The client takes response bytes again. */
  onDownstreamDrain(): void {
    this.current?.onDownstreamDrain();
  }

  /** The last slice given to `Downstream.writeBody` is still queued at the client's socket. */
  lend(): void {
    this.current?.lend();
  }

  /** The client is gone or was answered otherwise. */
  cancel(): void {
    this.current?.cancel();
  }

  /** Client bytes of a tunnel, which are valid during the call only. False: wait for `Downstream.resumeBody`. */
  tunnel(chunk: Buffer): boolean {
    if (this.current === null) return true;
    this.x.bytesReceived += chunk.length;
    return this.current.tunnel(chunk);
  }

  /** The client closed its side of the tunnel. */
  endTunnel(): void {
    this.current?.endTunnel();
  }
}
