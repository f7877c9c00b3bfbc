import { sendableAuthority } from '../../decide/authority.ts';
import type { HostRewrite } from '../../model/route.ts';
import type { Exchange } from '../protocol/exchange.ts';
import type { ClusterState } from './cluster-state.ts';
import type { EndpointState } from './endpoint.ts';

/** Puts the request's head, as the upstream gets it, into the worker's staging buffer. */
export function stageRequestHead(x: Exchange, cluster: ClusterState | null, endpoint: EndpointState | null): void {
  const { head, worker, context } = x;
  const staging = worker.staging;
  const host = hostToSend(x, cluster, endpoint);
  if (host !== null) head.drop('host');
  // Answered by the downstream once its body is wanted.
  if (head.expectContinue) head.drop('expect');
  const kong = x.at.takeForwarding(head, x, context);
  // Piece by piece: joining strings and flattening them again costs more than the loops.
  staging.appendText(x.method);
  staging.appendText(' ');
  staging.appendText(x.path);
  staging.appendText(' HTTP/1.1\r\n');
  if (host !== null) {
    staging.appendText('host: ');
    staging.appendText(host);
    staging.appendText('\r\n');
  }
  staging.reserve(head.headersLength);
  const at = head.writeHeaders(staging.buffer, staging.length);
  if (at >= 0) staging.length = at;
  x.forwarding.write(staging, x.requestId);
  if (kong !== '') staging.appendText(kong);
  if (head.bodyKind === 'chunked') staging.appendText('transfer-encoding: chunked\r\n');
  const { upgradeTo } = x;
  if (head.trailersAllowed)
    staging.appendText(upgradeTo === '' ? 'connection: te\r\nte: trailers\r\n' : 'connection: te, upgrade\r\nte: trailers\r\n');
  else if (upgradeTo !== '') staging.appendText('connection: upgrade\r\n');
  staging.appendText(upgradeTo === '' ? '\r\n' : `upgrade: ${upgradeTo}\r\n\r\n`);
}

/** Null: the client's Host line goes on as it is. */
export function hostToSend(x: Exchange, cluster: ClusterState | null, endpoint: EndpointState | null): string | null {
  const host = hostOf(x, cluster, endpoint);
  return host === null ? null : sendableAuthority(host);
}

function hostOf(x: Exchange, cluster: ClusterState | null, endpoint: EndpointState | null): string | null {
  const rewrite: HostRewrite | undefined = x.destination?.spec.hostRewrite ?? x.hit?.payload.forward?.hostRewrite;
  const config = cluster?.config;
  // An HTTP/1.0 client may name no host; what we send is HTTP/1.1 and must.
  if (rewrite === undefined) return x.sentHost ?? (x.head.hasHost ? null : (config?.service ?? ''));
  if (rewrite.kind === 'literal') return rewrite.value;
  return config?.hostHeader ?? endpoint?.authority ?? x.sentHost;
}
