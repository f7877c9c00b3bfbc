import type { Exchange } from '../protocol/exchange.ts';
import type { ClusterState } from './cluster-state.ts';
import type { EndpointState } from './endpoint.ts';
import { hostToSend } from './request-head.ts';
import { anyPurpose, type ClientEnds, type Purpose, purposeOf } from './transport.ts';

/** Which connections of the endpoint serve this request: all of them, unless SNI or a PROXY header say something of it. */
export function requestPurpose(x: Exchange, cluster: ClusterState | null, endpoint: EndpointState): Purpose {
  const { transport } = endpoint;
  if (transport.isShared) return anyPurpose;
  const client = transport.proxyProtocol === null ? null : clientEnds(x);
  // What the request's head will name, so that the server is asked for and verified under the name the request is for.
  return purposeOf(transport, hostToSend(x, cluster, endpoint) ?? x.head.host, client);
}

function clientEnds({ down }: Exchange): ClientEnds {
  const local = down.localAddress;
  const colon = local.lastIndexOf(':');
  const address = colon < 0 ? '' : local.slice(0, colon);
  return {
    remoteAddress: down.remoteAddress,
    remotePort: down.remotePort,
    localAddress: address.startsWith('[') ? address.slice(1, -1) : address,
    localPort: colon < 0 ? 0 : Number(local.slice(colon + 1)),
  };
}
