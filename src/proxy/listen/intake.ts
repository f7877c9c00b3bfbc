import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { plainAddress } from '../../base/ip.ts';
import { Deadline } from '../../base/wheel.ts';
import { type Beginning, hostsOnTls } from '../../decide/chain.ts';
import type { ConnectionChain } from '../../model/chain.ts';
import type { Refusal } from '../../telemetry/listener-metrics.ts';
import type { WorkerRuntime } from '../runtime.ts';
import type { ClientConnection, LiveConnection, PeerTls } from './client.ts';
import { ClientHelloReader, type ClientHelloRead } from './client-hello.ts';
import { looksLike } from './detect.ts';
import { dispatch } from './dispatch.ts';
import type { ListenerRuntime } from './listener-runtime.ts';
import { readProxyHeader } from './proxy-protocol.ts';
import { IntakeRecord } from './intake-record.ts';
import type { VerifyFailure } from './tls/client-certificate.ts';
import type { Tls } from './tls/peer.ts';
import type { HandshakeUser, TlsTerminator } from './tls/terminator.ts';

/** Longest time to the end of a handshake (Envoy listener_filters_timeout, transport_socket_connect_timeout), ms. */
const maxIntakeMs = 15_000;
/** Connections of a listener that go on being forwarded to layer 4 while memory is tight: what was used may never be given back. */
const fewConnections = 8;

/**
 * An accepted connection of a listener with chains or PROXY headers, until it is known who serves it: PROXY header, a look at
 * the first bytes where the choice of the chain needs one, the chain, TLS. What waits here is bounded by time and by the readers' limits.
 */
export class Intake implements LiveConnection, HandshakeUser {
  socket: Socket;
  remoteAddress: string;
  remotePort: number;
  readonly directRemoteAddress: string;
  readonly directRemotePort: number;
  localAddress: string;
  localPort: number;
  tls: PeerTls | null = null;
  serverName = '';
  chain: ConnectionChain | null = null;
  private readonly worker: WorkerRuntime;
  private readonly at: ListenerRuntime;
  private readonly startedAt = performance.now();
  private readonly deadline: Deadline;
  private stage: 'proxy' | 'look' | 'tls' | 'done' = 'proxy';
  private bytes: Buffer | null = null;
  /** Of `bytes`, what was the PROXY header's. */
  private from = 0;
  private hello: ClientHelloReader | null = null;
  /** Of `bytes`, what the reader has had. */
  private helloAt = 0;
  private lookingSince = 0;
  private isListening = false;
  /** The ClientHello was read. */
  private isGreeted = false;

  constructor(worker: WorkerRuntime, at: ListenerRuntime, socket: Socket) {
    this.worker = worker;
    this.at = at;
    this.socket = socket;
    this.directRemoteAddress = plainAddress(socket.remoteAddress ?? '');
    this.directRemotePort = socket.remotePort ?? 0;
    this.remoteAddress = this.directRemoteAddress;
    this.remotePort = this.directRemotePort;
    this.localAddress = plainAddress(socket.localAddress ?? '');
    this.localPort = socket.localPort ?? 0;
    this.deadline = new Deadline((now) => this.onDeadline(now));
  }

  begin(): void {
    const { at, socket, worker } = this;
    at.connections.add(this);
    socket.on('error', this.onError);
    socket.on('close', this.onClose);
    const now = performance.now();
    worker.wheel.arm(this.deadline, now + this.limitMs);
    try {
      if (at.expectsProxyHeader(this.directRemoteAddress)) this.listen();
      else this.choose(now);
    } catch (error) {
      worker.onFault(error);
      this.close();
    }
  }

  /** Nothing of an exchange yet: may be closed without loss. */
  get isIdle(): boolean {
    return this.bytes === null && this.stage !== 'tls';
  }

  private get peeked(): Buffer | null {
    const { bytes } = this;
    if (bytes === null || this.from === bytes.length) return null;
    return this.from === 0 ? bytes : bytes.subarray(this.from);
  }

  close(): void {
    this.settle();
    this.socket.destroy();
  }

  /** Nothing is waited for any more. */
  private settle(): void {
    this.stage = 'done';
    this.at.connections.delete(this);
    this.worker.wheel.remove(this.deadline);
  }

  private get limitMs(): number {
    const { headTimeoutMs } = this.at.config.limits;
    return headTimeoutMs > 0 ? Math.min(headTimeoutMs, maxIntakeMs) : maxIntakeMs;
  }

  private listen(): void {
    const { socket } = this;
    if (this.isListening) return;
    this.isListening = true;
    socket.on('data', this.onData);
    socket.on('end', this.onEnd);
    socket.resume();
  }

  private readonly onError = (): void => undefined;
  private readonly onEnd = (): void => this.refuse('closed', 'the client closed the connection before it said what it wants');
  private readonly onClose = (): void => {
    if (this.stage === 'look' || this.stage === 'proxy') this.onEnd();
  };

  private readonly onData = (chunk: Buffer): void => {
    this.bytes = this.bytes === null ? chunk : Buffer.concat([this.bytes, chunk]);
    try {
      if (this.stage === 'proxy') this.readProxy();
      else if (this.stage === 'look') this.look();
    } catch (error) {
      this.worker.onFault(error);
      this.close();
    }
  };

  private readProxy(): void {
    const { bytes, at } = this;
    if (bytes === null) return;
    const read = readProxyHeader(bytes, 0, bytes.length);
    if (read.kind === 'more') return;
    if (read.kind === 'error') return this.refuse('proxy-header', read.details);
    if (read.kind === 'absent') {
      if (at.config.proxyProtocol === 'required') return this.refuse('proxy-header', 'proxy_protocol.missing');
    } else {
      this.from = read.bytes;
      if (read.command === 'proxy' && (read.family === 'inet' || read.family === 'inet6')) {
        this.remoteAddress = plainAddress(read.sourceAddress);
        this.remotePort = read.sourcePort;
        this.localAddress = plainAddress(read.destinationAddress);
        this.localPort = read.destinationPort;
      }
    }
    this.choose(performance.now());
  }

  /** The addresses are known. */
  private choose(now: number): void {
    const { chains } = this.at;
    if (chains === null) return this.ready();
    const early = chains.early(this);
    if (early === null) return this.refuse('no-chain', 'no chain is for these addresses');
    if (early !== 'look') return this.take(early);
    this.stage = 'look';
    this.lookingSince = now;
    const { detectTimeoutMs } = this.at.config;
    if (detectTimeoutMs !== undefined && detectTimeoutMs > 0)
      this.worker.wheel.arm(this.deadline, now + Math.min(detectTimeoutMs, this.limitMs));
    this.listen();
    this.look();
  }

  private look(): void {
    const { bytes } = this;
    if (bytes === null || bytes.length === this.from) return;
    if (this.helloAt < this.from) this.helloAt = this.from;
    this.hello ??= new ClientHelloReader();
    const read = this.hello.read(bytes, this.helloAt, bytes.length);
    this.helloAt = bytes.length;
    if (read.kind === 'more') return;
    if (read.kind === 'error') return this.refuse('client-hello', read.details);
    if (this.chain !== null) return this.greet(this.chain, read);
    if (read.kind === 'hello') {
      this.isGreeted = true;
      this.serverName = read.serverName;
      return this.chooseBy('tls');
    }
    if (this.at.config.detectTimeoutMs === undefined) return this.chooseBy('plain');
    const kind = looksLike(bytes, this.from, bytes.length);
    if (kind !== 'need-more') this.chooseBy(kind === 'http1' || kind === 'http2-preface' ? 'http' : 'other');
  }

  private chooseBy(begins: Beginning): void {
    const { serverName, remoteAddress, remotePort, localAddress, localPort } = this;
    const chain = this.at.chains?.choose({ begins, serverName, remoteAddress, remotePort, localAddress, localPort }) ?? null;
    if (chain !== null) return this.take(chain);
    this.refuse(
      'no-chain',
      begins === 'tls' ? `no chain is for the server name '${serverName}'` : 'no chain is for connections without TLS',
    );
  }

  /** The first bytes did not come, or not all of them: a server that speaks first may be waited for. */
  private onDeadline(now: number): void {
    const { at, stage } = this;
    if (stage === 'look' && this.chain === null && this.helloAt === 0) {
      const { remoteAddress, remotePort, localAddress, localPort } = this;
      const begins = at.config.detectTimeoutMs === undefined ? 'plain' : 'other';
      const chain = at.chains?.choose({ begins, serverName: '', remoteAddress, remotePort, localAddress, localPort }) ?? null;
      if (chain !== null && chain.forward !== null) return this.take(chain);
    } else if (
      stage === 'look' &&
      this.chain === null &&
      at.config.detectTimeoutMs !== undefined &&
      this.hello?.read(empty, 0, 0).kind === 'not-tls'
    )
      return this.chooseBy('other');
    const end = this.lookingSince + this.limitMs;
    if (stage === 'look' && now < end) return this.worker.wheel.arm(this.deadline, end);
    if (stage === 'tls') this.refuse('handshake-timeout', 'the handshake took too long');
    else this.refuse('timeout', 'the first bytes took too long');
  }

  private take(chain: ConnectionChain): void {
    this.chain = chain;
    if (chain.tls === null) return this.ready();
    const terminator = this.at.terminator(chain);
    if (typeof terminator === 'string') return this.refuse('handshake', terminator);
    if (!terminator.needsName || this.isGreeted) return this.endTls(terminator);
    // Its chain is known, its certificate is not.
    this.stage = 'look';
    this.lookingSince = performance.now();
    this.listen();
    this.look();
  }

  private greet(chain: ConnectionChain, read: ClientHelloRead): void {
    if (read.kind !== 'hello') return this.refuse('client-hello', 'the connection does not begin with a TLS handshake');
    this.isGreeted = true;
    this.serverName = read.serverName;
    this.take(chain);
  }

  private endTls(terminator: TlsTerminator): void {
    const { socket, peeked } = this;
    this.stage = 'tls';
    this.stopListening();
    socket.off('close', this.onClose);
    if (peeked !== null) socket.unshift(peeked);
    this.bytes = null;
    try {
      terminator.accept(socket, this.serverName, this);
    } catch (error) {
      this.refuse('handshake', error instanceof Error ? error.message : String(error));
    }
  }

  private stopListening(): void {
    this.socket.off('data', this.onData);
    this.socket.off('end', this.onEnd);
    this.socket.pause();
  }

  onSecure(socket: TLSSocket, tls: Tls): void {
    if (this.stage !== 'tls') return void socket.destroy();
    this.worker.telemetry.handshake(this.at.name, tls, socket.isSessionReused());
    this.socket = socket;
    this.tls = tls;
    this.ready();
  }

  get hosts(): ReturnType<typeof hostsOnTls> {
    return hostsOnTls(this.at.config.dialect);
  }

  onHandshakeFailed(failure: VerifyFailure | 'handshake' | 'handshake-closed', reason: string): void {
    if (this.stage !== 'tls') return;
    this.refuse(failure === 'handshake' || failure === 'handshake-closed' ? failure : `verify-${failure}`, reason);
  }

  /** Leaves the connection to the code that speaks its protocol. */
  private ready(): void {
    const { at, worker, socket } = this;
    if (this.stage !== 'tls') {
      this.stopListening();
      socket.off('close', this.onClose);
      socket.off('error', this.onError);
    }
    this.settle();
    if (socket.destroyed) return;
    if (worker.overloaded && this.chain !== null && this.chain.forward !== null && at.connections.size > fewConnections)
      return this.turnAway('overload', 'memory is tight');
    try {
      dispatch(worker, at, this.asClient());
    } catch (error) {
      worker.onFault(error);
      socket.destroy();
    }
  }

  /** What the connection's own code keeps, without what was only needed here. */
  private asClient(): ClientConnection {
    const { socket, remoteAddress, remotePort, directRemoteAddress, directRemotePort, localAddress, localPort, tls, serverName, chain } =
      this;
    return {
      socket,
      remoteAddress,
      remotePort,
      directRemoteAddress,
      directRemotePort,
      localAddress,
      localPort,
      tls,
      serverName,
      chain,
      peeked: this.peeked,
    };
  }

  private refuse(refusal: Refusal, reason: string): void {
    if (this.stage === 'done') return;
    this.settle();
    this.turnAway(refusal, reason);
  }

  private turnAway(refusal: Refusal, reason: string): void {
    const { at, worker, socket } = this;
    socket.destroy();
    // A client that comes and goes without a word is no failure: health checks do.
    if (refusal === 'closed' && this.bytes === null) return worker.telemetry.connectionRefused(at.name, 'closed');
    worker.telemetry.connectionRefused(at.name, refusal);
    worker.telemetry.log4(new IntakeRecord(worker.revision, at.name, this, { refusal, reason, startedAt: this.startedAt }));
  }
}

const empty = Buffer.alloc(0);
