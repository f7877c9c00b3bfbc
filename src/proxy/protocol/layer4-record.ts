import { joinAddress } from '../../base/ip.ts';
import type { L4Forward } from '../../model/chain.ts';
import type { ExchangeRecord, RecordTls, RecordUpstreamTls } from '../../telemetry/record.ts';
import type { Failure } from '../failure.ts';
import type { PeerTls } from '../listen/client.ts';
import { principalOf } from '../listen/client-cert-header.ts';
import type { ClusterState } from '../upstream/cluster-state.ts';
import type { EndpointState } from '../upstream/endpoint.ts';

let connections = 0;

/** What is known of a connection or session that is not HTTP: the fields of requests stay empty. */
export class Layer4Record implements ExchangeRecord {
  startMs = Date.now();
  readonly revision: number;
  readonly method = '';
  readonly authority = '';
  readonly originalPath = '';
  readonly path = '';
  readonly protocol: 'TCP' | 'TLS' | 'UDP';
  readonly responseCode = 0;
  responseFlags = '';
  responseCodeDetails = '';
  bytesReceived = 0;
  bytesSent = 0;
  durationMs = 0;
  readonly requestDurationMs = -1;
  readonly responseDurationMs = -1;
  readonly upstreamServiceTimeMs = -1;
  upstreamHost = '';
  upstreamLocalAddress = '';
  upstreamTls: RecordUpstreamTls | null = null;
  upstreamCluster = '';
  upstreamService = '';
  upstreamServiceNamespace = '';
  upstreamTransportFailureReason = '';
  readonly downstreamTransportFailure: string = '';
  upstreamAttempts = 0;
  readonly routeName: string;
  readonly virtualHost = '';
  readonly listener: string;
  readonly downstreamRemoteAddress: string;
  readonly downstreamDirectRemoteAddress: string;
  readonly downstreamLocalAddress: string;
  readonly requestedServerName: string;
  readonly connectionId = ++connections;
  readonly downstreamTls: RecordTls | null;
  readonly requestId = '';
  readonly traceId = '';
  readonly principal: string;
  readonly consumer = '';
  private readonly startedAt = performance.now();

  constructor(protocol: 'TCP' | 'TLS' | 'UDP', revision: number, listener: string, forward: Pick<L4Forward, 'route'>, ends: Layer4Ends) {
    this.protocol = protocol;
    this.revision = revision;
    this.listener = listener;
    this.routeName = forward.route;
    this.downstreamRemoteAddress = joinAddress(ends.remoteAddress, ends.remotePort);
    this.downstreamDirectRemoteAddress = joinAddress(ends.directRemoteAddress, ends.directRemotePort);
    this.downstreamLocalAddress = joinAddress(ends.localAddress, ends.localPort);
    this.downstreamTls = ends.tls;
    this.principal = principalOf(ends.tls);
    this.requestedServerName = ends.tls?.serverName ?? ends.serverName;
  }

  to(cluster: ClusterState): void {
    this.upstreamCluster = cluster.name;
    this.upstreamService = cluster.config.service;
    this.upstreamServiceNamespace = cluster.config.serviceNamespace ?? '';
  }

  at(endpoint: EndpointState): void {
    this.upstreamHost = endpoint.key;
    this.upstreamAttempts++;
  }

  /** Writes down a flag and its reason; the first reason stays. */
  fail(failure: Pick<Failure, 'flag' | 'details'>, details = failure.details): void {
    if (failure.flag !== '' && !this.responseFlags.split(',').includes(failure.flag))
      this.responseFlags = this.responseFlags === '' ? failure.flag : `${this.responseFlags},${failure.flag}`;
    if (this.responseCodeDetails === '') this.responseCodeDetails = details;
  }

  end(): void {
    this.durationMs = performance.now() - this.startedAt;
  }

  requestHeader(): null {
    return null;
  }
  responseHeader(): null {
    return null;
  }
  responseTrailer(): null {
    return null;
  }
}

/** Both ends of a connection from a client, as the listener took it. */
export interface Layer4Ends {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly directRemoteAddress: string;
  readonly directRemotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
  readonly tls: PeerTls | null;
  /** SNI of what is passed through; '' without. */
  readonly serverName: string;
}
