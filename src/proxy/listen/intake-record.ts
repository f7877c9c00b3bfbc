import type { ConnectionChain } from '../../model/chain.ts';
import { Layer4Record, type Layer4Ends } from '../protocol/layer4-record.ts';

/** The log line of a connection that was turned away before it spoke its protocol. */
export class IntakeRecord extends Layer4Record {
  override readonly downstreamTransportFailure: string;

  constructor(
    revision: number,
    listener: string,
    ends: Layer4Ends & { readonly chain: ConnectionChain | null },
    reason: string,
    startedAt: number,
  ) {
    const { chain } = ends;
    super(chain?.tls === null || chain === null ? 'TCP' : 'TLS', revision, listener, { route: chain?.forward?.route ?? '' }, ends);
    this.downstreamTransportFailure = reason;
    this.responseCodeDetails = `connection_refused{${reason}}`;
    this.responseFlags = chain === null ? 'NR' : 'DPE';
    this.durationMs = performance.now() - startedAt;
    this.startMs = Date.now() - Math.round(this.durationMs);
  }
}
