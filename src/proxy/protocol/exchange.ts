import type { Socket } from 'node:net';
import { joinAddress } from '../../base/ip.ts';
import type { LocalReply } from '../../filters/define.ts';
import type { ConnectionChain } from '../../model/chain.ts';
import type { ExchangeRecord, RecordUpstreamTls } from '../../telemetry/record.ts';
import { RequestContext } from '../chain/request-context.ts';
import type { Chain } from '../chain/chain.ts';
import type { Failure } from '../failure.ts';
import type { PeerTls } from '../listen/client.ts';
import { Forwarding } from '../listen/forwarding.ts';
import { principalOf } from '../listen/client-cert-header.ts';
import type { ListenerRuntime } from '../listen/listener-runtime.ts';
import type { DestinationRuntime, RouteHit, WorkerRuntime } from '../runtime.ts';
import { Attempt } from '../upstream/attempt.ts';
import { factsOf } from '../upstream/tls/facts.ts';
import type { RequestHead, ResponseHead } from './http1/head.ts';
import type { Trailers } from './http1/trailers.ts';

/** Parts of a response that need no decision of the connection. */
export interface ResponseOutput {
  /** A 1xx response. */
  interim(head: ResponseHead): void;
  /** The body is complete. */
  end(trailers: Trailers | null): void;
  /** Ends the assembled write of this event. False: the client takes no more until it drains. */
  flush(): boolean;
  /** The same, at the end of this turn: for small messages that are complete. */
  post(): void;
}

/**
 * The client's side of an exchange: what any protocol in front offers to the stages behind it. Nothing here waits;
 * a false return asks the caller to pause until `Attempt.onDownstreamDrain`.
 */
export interface Downstream {
  readonly out: ResponseOutput;
  /** The whole request, body included, has been received. */
  readonly requestDone: boolean;
  /** The client's address and port: of the PROXY header where one is believed, else the socket's. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** `ip:port` of our end. */
  readonly localAddress: string;
  /** `ip:port` of the socket's other end, whatever a PROXY header says. */
  readonly directRemoteAddress: string;
  readonly connectionId: number;
  /** TLS that ended at the listener; null for plain text. */
  readonly tls: PeerTls | null;
  /** The listener's chain that took the connection; null: it has none. */
  readonly chain: ConnectionChain | null;
  /** The upstream is ready: moves the body bytes that are here, and those to come, to `attempt.sendBody`. */
  pumpBody(): void;
  resumeBody(): void;
  /** A response of our own; the request's remaining body is drained or the connection closed. */
  reply(reply: LocalReply): void;
  /** Status and headers of the upstream's response. Body framing for this client is decided here. */
  startResponse(head: ResponseHead): void;
  /** Body bytes. `keep`: the slice stays valid until the write is done; `lend` is called when it is still pending. */
  writeBody(buffer: Buffer, start: number, end: number, keep: boolean): boolean;
  /** The exchange must be looked at again at this monotonic time. */
  limitTime(at: number): void;
  startTunnel(head: ResponseHead): void;
  endTunnel(): void;
  /** Cuts the connection: the response cannot be completed. */
  abort(): void;
  /** The exchange is over: log, then the next request. */
  finish(): void;
}

/** One request and its response, over whatever protocol. One object per client connection, filled anew each time. */
export class Exchange implements ExchangeRecord {
  readonly worker: WorkerRuntime;
  readonly at: ListenerRuntime;
  readonly down: Downstream;
  readonly head: RequestHead;
  readonly context: RequestContext;
  readonly attempt: Attempt;
  readonly forwarding = new Forwarding();
  /** Grows with each request: an answer that was waited for finds out whether its request is still the one. */
  serial = 0;
  live = false;
  responseStarted = false;
  hit: RouteHit | null = null;
  destination: DestinationRuntime | null = null;
  /** Listener chain and route chain that ran, for responses. */
  listenerChain: Chain | null = null;
  /** Protocol the client wants to switch to and the route allows; '' for none. */
  upgradeTo = '';
  /** Monotonic ms of the last byte in either direction. */
  lastActivity = 0;
  /** The request speaks gRPC; known once a cluster is chosen. */
  isGrpc = false;
  /** For the whole exchange, ms: the route's, or less where a gRPC client says so; 0: none. */
  timeoutMs = 0;
  /** `grpc-status` of the response; -1 while there is none. */
  grpcStatus = -1;
  /** Whole messages of gRPC that the client sent, and that it was sent. */
  requestMessages = 0;
  responseMessages = 0;
  /** Authority to send upstream when it differs from the client's. */
  sentHost: string | null = null;
  /** Path with query to send upstream. */
  path = '';
  originalPath = '';
  /** Monotonic ms. */
  startedAt = 0;
  requestReceivedAt = 0;
  sentAt = 0;
  firstByteAt = 0;

  startMs = 0;
  revision = 0;
  method = '';
  authority = '';
  protocol = 'HTTP/1.1';
  responseCode = 0;
  responseFlags = '';
  responseCodeDetails = '';
  bytesReceived = 0;
  bytesSent = 0;
  durationMs = 0;
  requestDurationMs = -1;
  responseDurationMs = -1;
  upstreamServiceTimeMs = -1;
  upstreamHost = '';
  upstreamLocalAddress = '';
  upstreamCluster = '';
  upstreamService = '';
  upstreamServiceNamespace = '';
  upstreamTransportFailureReason = '';
  upstreamTls: RecordUpstreamTls | null = null;
  upstreamAttempts = 0;
  routeName = '';
  virtualHost = '';
  requestId = '';
  private joinedAddress = '';
  private joinedPort = -1;
  private joined = '';
  /** Response headers and trailers that the log's format asks for, captured as they pass. */
  private readonly capturedNames: string[] = [];
  private readonly capturedValues: string[] = [];

  constructor(worker: WorkerRuntime, listener: ListenerRuntime, down: Downstream, head: RequestHead) {
    this.worker = worker;
    this.at = listener;
    this.down = down;
    this.head = head;
    this.context = new RequestContext(head);
    this.attempt = new Attempt(this);
  }

  begin(now: number): void {
    this.serial++;
    this.live = true;
    this.responseStarted = false;
    this.hit = null;
    this.destination = null;
    this.listenerChain = null;
    this.upgradeTo = '';
    this.isGrpc = false;
    this.timeoutMs = 0;
    this.grpcStatus = -1;
    this.requestMessages = 0;
    this.responseMessages = 0;
    this.lastActivity = now;
    this.sentHost = null;
    this.startedAt = now;
    this.requestReceivedAt = 0;
    this.sentAt = 0;
    this.firstByteAt = 0;
    this.startMs = Date.now();
    this.revision = this.worker.revision;
    this.method = this.head.method;
    this.authority = '';
    this.path = '';
    this.originalPath = '';
    this.protocol = this.head.minor === 1 ? 'HTTP/1.1' : 'HTTP/1.0';
    this.responseCode = 0;
    this.responseFlags = '';
    this.responseCodeDetails = '';
    this.bytesReceived = 0;
    this.bytesSent = 0;
    this.requestDurationMs = -1;
    this.responseDurationMs = -1;
    this.upstreamServiceTimeMs = -1;
    this.upstreamHost = '';
    this.upstreamLocalAddress = '';
    this.upstreamCluster = '';
    this.upstreamService = '';
    this.upstreamServiceNamespace = '';
    this.upstreamTransportFailureReason = '';
    this.upstreamTls = null;
    this.upstreamAttempts = 0;
    this.routeName = '';
    this.virtualHost = '';
    this.requestId = '';
    if (this.capturedNames.length > 0) {
      this.capturedNames.length = 0;
      this.capturedValues.length = 0;
    }
    this.context.reset();
    // Of a head that is refused nothing more is known, and the object had another client before.
    this.context.remoteAddress = this.down.remoteAddress;
    this.context.startMs = this.startMs;
    this.worker.active++;
    this.at.active++;
    this.worker.lastRequestAt = now;
  }

  touch(now: number): void {
    this.lastActivity = now;
  }

  /** Tells the log what it wants to know of the connection that the request goes out on. */
  sentOn(socket: Socket): void {
    if (this.worker.telemetry.needs.upstreamConnection !== true) return;
    const { localAddress, tls } = factsOf(socket);
    this.upstreamLocalAddress = localAddress;
    this.upstreamTls = tls;
  }

  /** Writes down a flag and its reason; the first reason stays. */
  flag(failure: Pick<Failure, 'flag' | 'details'>): void {
    if (failure.flag !== '' && !this.responseFlags.split(',').includes(failure.flag))
      this.responseFlags = this.responseFlags === '' ? failure.flag : `${this.responseFlags},${failure.flag}`;
    if (this.responseCodeDetails === '') this.responseCodeDetails = failure.details;
  }

  capture(name: string, value: string): void {
    this.capturedNames.push(name);
    this.capturedValues.push(value);
  }

  /** Over: counts and logs. Called once per request by the downstream. */
  end(now: number): void {
    if (!this.live) return;
    this.live = false;
    this.worker.active--;
    this.at.active--;
    this.durationMs = now - this.startedAt;
    if (this.requestReceivedAt > 0) this.requestDurationMs = this.requestReceivedAt - this.startedAt;
    if (this.firstByteAt > 0) {
      this.responseDurationMs = this.firstByteAt - this.startedAt;
      this.upstreamServiceTimeMs = this.firstByteAt - this.sentAt;
    }
    const chain = this.hit?.payload.chain;
    if (this.listenerChain?.hasEnd === true) this.listenerChain.end(this.context, this.responseCode);
    if (chain?.hasEnd === true) chain.end(this.context, this.responseCode);
    this.worker.telemetry.record(this);
  }

  get listener(): string {
    return this.at.name;
  }

  // What the log reads and nobody else computes.
  get downstreamRemoteAddress(): string {
    const { remoteAddress } = this.context;
    // The same for every request of a connection, unless a trusted hop says otherwise.
    if (remoteAddress !== this.joinedAddress || this.down.remotePort !== this.joinedPort) {
      this.joinedAddress = remoteAddress;
      this.joinedPort = this.down.remotePort;
      this.joined = joinAddress(remoteAddress, this.joinedPort);
    }
    return this.joined;
  }
  get downstreamDirectRemoteAddress(): string {
    return this.down.directRemoteAddress;
  }
  get downstreamLocalAddress(): string {
    return this.down.localAddress;
  }
  get connectionId(): number {
    return this.down.connectionId;
  }
  get downstreamTls(): PeerTls | null {
    return this.down.tls;
  }
  get downstreamTransportFailure(): string {
    return '';
  }
  get requestedServerName(): string {
    return this.down.tls?.serverName ?? '';
  }
  get traceId(): string {
    const parent = this.head.get('traceparent');
    return parent !== null && parent.length >= 55 && parent.charAt(2) === '-' ? parent.slice(3, 35) : '';
  }
  get principal(): string {
    return this.context.caller?.principal ?? principalOf(this.down.tls);
  }
  get consumer(): string {
    const consumer = this.context.consumer;
    return consumer === null ? '' : (consumer.username ?? consumer.customId ?? consumer.id);
  }
  requestHeader(name: string): string | null {
    return this.head.get(name);
  }
  responseHeader(name: string): string | null {
    const at = this.capturedNames.indexOf(name);
    if (at >= 0) return this.capturedValues[at];
    return null;
  }
  responseTrailer(name: string): string | null {
    return this.responseHeader(`trailer:${name}`);
  }
}
