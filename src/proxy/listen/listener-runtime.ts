import { BlockList, isIP } from 'node:net';
import { ChainTable } from '../../decide/chain.ts';
import type { ConnectionChain } from '../../model/chain.ts';
import type { Listener } from '../../model/listener.ts';
import type { Chain } from '../chain/chain.ts';
import type { RequestContext } from '../chain/request-context.ts';
import type { Exchange } from '../protocol/exchange.ts';
import type { RequestHead, ResponseHead } from '../protocol/http1/head.ts';
import type { ListenerTable } from '../route/tables.ts';
import type { LiveConnection } from './client.ts';
import type { TlsTerminator } from './tls/terminator.ts';
import type { TerminatorOf } from './tls/terminators.ts';
import { ServerConnection } from '../protocol/http1/server.ts';
import { idleLookMs } from '../protocol/http1/time-limits.ts';
import type { RouteRuntime, WorkerRuntime } from '../runtime.ts';

const maxFree = 256;
const noTls: TerminatorOf = () => 'TLS does not end here';

/** What connections of one listener read; a new revision replaces the parts in place, sockets stay. */
export class ListenerRuntime {
  readonly name: string;
  config: Listener;
  table: ListenerTable<RouteRuntime>;
  chain: Chain;
  readonly connections: Set<LiveConnection>;
  /** Closed connections' objects, ready for the next socket: making them is most of what a short connection costs. */
  private readonly free: ServerConnection[] = [];
  /** One object for all heads of this listener, so that a new revision's limits hold for connections that go on. */
  readonly headLimits: { maxHeadBytes: number; maxHeaders: number; maxTargetBytes: number };
  /** An idle connection is looked at after this, ms: parked, or closed. */
  idleLookMs: number;
  /** Exchanges under way. */
  active = 0;
  /** The configuration names it no more: answers carry `Connection: close`. */
  closing = false;
  /** Null: every connection is plain HTTP. */
  chains: ChainTable | null;
  /** Connections are plain HTTP from their first byte. */
  isPlain: boolean;
  private terminatorOf: TerminatorOf;
  private trusted: BlockList | null;

  constructor(
    table: ListenerTable<RouteRuntime>,
    chain: Chain,
    terminatorOf: TerminatorOf = noTls,
    connections = new Set<LiveConnection>(),
  ) {
    this.connections = connections;
    this.name = table.config.name;
    this.table = table;
    this.config = table.config;
    this.chain = chain;
    const { maxHeadBytes, maxHeaders, maxTargetBytes } = table.config.limits;
    this.headLimits = { maxHeadBytes, maxHeaders, maxTargetBytes };
    this.idleLookMs = idleLookMs(table.config.limits);
    this.terminatorOf = terminatorOf;
    this.chains = chainTable(table.config);
    this.isPlain = this.chains === null && table.config.proxyProtocol === undefined;
    this.trusted = blockList(table.config.trustedCidrs);
  }

  /** An object for an accepted socket. */
  connection(worker: WorkerRuntime): ServerConnection {
    return this.free.pop() ?? new ServerConnection(worker, this);
  }

  recycle(connection: ServerConnection): void {
    if (this.free.length < maxFree) this.free.push(connection);
  }

  apply(table: ListenerTable<RouteRuntime>, chain: Chain, terminatorOf: TerminatorOf = noTls): void {
    this.table = table;
    this.config = table.config;
    this.chain = chain;
    this.closing = false;
    this.idleLookMs = idleLookMs(table.config.limits);
    this.terminatorOf = terminatorOf;
    this.chains = chainTable(table.config);
    this.isPlain = this.chains === null && table.config.proxyProtocol === undefined;
    Object.assign(this.headLimits, {
      maxHeadBytes: this.config.limits.maxHeadBytes,
      maxHeaders: this.config.limits.maxHeaders,
      maxTargetBytes: this.config.limits.maxTargetBytes,
    });
    this.trusted = blockList(table.config.trustedCidrs);
  }

  /** What ends the TLS of a chain; a text is the reason why nothing can. */
  terminator(chain: ConnectionChain): TlsTerminator | string {
    return chain.tls === null ? 'the chain has no TLS' : this.terminatorOf(chain.tls);
  }

  /** Whether a connection from this address begins with a PROXY header, or may. */
  expectsProxyHeader(peer: string): boolean {
    const { proxyProtocol } = this.config;
    return proxyProtocol === 'required' || (proxyProtocol === 'optional' && this.isInTrustedNetwork(peer));
  }

  private isInTrustedNetwork(peer: string): boolean {
    const family = isIP(peer);
    // A Unix socket's peer has no address.
    return this.trusted !== null && family !== 0 && this.trusted.check(peer, family === 6 ? 'ipv6' : 'ipv4');
  }

  /** Whether the peer's forwarding headers and request id are believed. */
  isTrusted(peer: string): boolean {
    if (this.config.trustedHops > 0) return true;
    return this.isInTrustedNetwork(peer);
  }

  /**
   * The client's address. Trusted hops: the Nth entry from the right of X-Forwarded-For (Envoy xff_num_trusted_hops);
   * trusted networks: the rightmost entry that is in none of them. Without either, the peer.
   */
  clientAddress(head: RequestHead, peer: string): string {
    const { trustedHops } = this.config;
    if (trustedHops === 0 && this.trusted === null) return peer;
    if (!this.isTrusted(peer)) return peer;
    const forwarded = head.get('x-forwarded-for');
    if (forwarded === null) return peer;
    const entries = forwarded.split(',').map((entry) => entry.trim());
    if (trustedHops > 0) return valid(entries[entries.length - trustedHops] ?? '', peer);
    for (let i = entries.length - 1; i >= 0; i--) {
      const entry = entries[i];
      if (isIP(entry) === 0) return peer;
      if (i === 0 || !this.isTrusted(entry)) return entry;
    }
    return peer;
  }

  /** Drops the client's forwarding headers and settles what is sent in their place. Returns Kong's further ones as lines. */
  takeForwarding(head: RequestHead, x: Exchange, context: RequestContext): string {
    const peer = x.down.remoteAddress;
    const isTrusted = this.config.trustedHops > 0 || (this.trusted !== null && this.isTrusted(peer));
    const isIstio = this.config.dialect === 'istio';
    // Sidecars behind us take their retries, time limits and names of statistics from these, of whoever wrote them.
    if (isIstio && !isTrusted) head.dropPrefixed('x-envoy-');
    x.forwarding.take(head, isTrusted, peer, context.scheme, x.down.tls, isIstio);
    return this.config.kongHeaders ? this.kongRequestHeaders(head, x, context, isTrusted) : '';
  }

  /** What Kong adds to requests (X-Forwarded-Host, -Port, -Path, X-Real-IP). */
  private kongRequestHeaders(head: RequestHead, x: Exchange, context: RequestContext, isTrusted: boolean): string {
    const keep = (name: string, own: string): string => {
      const value = isTrusted ? (head.get(name) ?? own) : own;
      head.drop(name);
      return `${name}: ${value}\r\n`;
    };
    const path = x.originalPath.split('?', 1)[0];
    return (
      keep('x-forwarded-host', context.host) +
      keep('x-forwarded-port', String(this.config.port)) +
      keep('x-forwarded-path', path) +
      keep('x-real-ip', context.remoteAddress)
    );
  }

  /** What Kong adds to answers of its own, as header lines. */
  kongReplyHeaders(x: Exchange): string {
    const latency = Math.max(0, Math.round(performance.now() - x.startedAt));
    return `server: weir\r\nX-Kong-Response-Latency: ${latency}\r\nX-Kong-Request-Id: ${x.requestId}\r\n`;
  }

  /** What Kong adds to responses: Via, latencies, request id. */
  addKongHeaders(x: Exchange, head: ResponseHead): void {
    const service = Math.max(0, Math.round(x.firstByteAt - x.sentAt));
    const own = Math.max(0, Math.round(x.sentAt - x.startedAt));
    head.add('Via', '1.1 kong/3.9 (weir)');
    head.set('X-Kong-Upstream-Latency', String(service));
    head.set('X-Kong-Proxy-Latency', String(own));
    head.set('X-Kong-Request-Id', x.requestId);
  }
}

function chainTable({ chains, detectTimeoutMs }: Listener): ChainTable | null {
  return chains === undefined || chains.length === 0 ? null : new ChainTable(chains, detectTimeoutMs !== undefined);
}

function valid(entry: string, peer: string): string {
  return isIP(entry) === 0 ? peer : entry;
}

function blockList(cidrs: readonly string[]): BlockList | null {
  if (cidrs.length === 0) return null;
  const list = new BlockList();
  for (const cidr of cidrs) {
    const [address = '', bits] = cidr.split('/');
    const family = isIP(address);
    if (family === 0) continue;
    const type = family === 6 ? 'ipv6' : 'ipv4';
    list.addSubnet(address, bits === undefined ? (family === 6 ? 128 : 32) : Number(bits), type);
  }
  return list;
}
