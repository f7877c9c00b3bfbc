import type { ConnectionChain } from '../../model/chain.ts';
import type { Refusal } from '../../telemetry/listener-metrics.ts';
import { Layer4Record, type Layer4Ends } from '../protocol/layer4-record.ts';

/** Envoy's flags, where it has one that says as much. */
const flags: Readonly<Partial<Record<Refusal, string>>> = {
  'no-chain': 'NR',
  timeout: 'DT',
  'handshake-timeout': 'DT',
  overload: 'OM',
  closed: 'DC',
  'handshake-closed': 'DC',
};

export interface TurnedAway {
  readonly refusal: Refusal;
  readonly reason: string;
  /** Monotonic ms. */
  readonly startedAt: number;
}

/** The log line of a connection that was turned away before it spoke its protocol. */
export class IntakeRecord extends Layer4Record {
  override readonly downstreamTransportFailure: string;

  constructor(
    revision: number,
    listener: string,
    ends: Layer4Ends & { readonly chain: ConnectionChain | null },
    { refusal, reason, startedAt }: TurnedAway,
  ) {
    const { chain } = ends;
    super(chain?.tls === null || chain === null ? 'TCP' : 'TLS', revision, listener, { route: chain?.forward?.route ?? '' }, ends);
    this.downstreamTransportFailure = reason;
    this.responseCodeDetails = refusal === 'no-chain' ? 'filter_chain_not_found' : `connection_refused{${refusal}}`;
    this.responseFlags = flags[refusal] ?? 'DPE';
    this.durationMs = performance.now() - startedAt;
    this.startMs = Date.now() - Math.round(this.durationMs);
  }
}
