/** What becomes of a connection before anything of HTTP is read: its chain, and where layer 4 leads. */
import { isIP } from 'node:net';
import { type Beginning, ChainTable, type ConnectionView, hostsOnTls } from '../../decide/chain.ts';
import type { ConnectionChain, L4Destination, L4Forward } from '../../model/chain.ts';
import type { Listener } from '../../model/listener.ts';
import type { ServerTls } from '../../model/tls.ts';
import type { Failure } from '../failure.ts';
import { certificatesFor, certificatesHold, readCertificate } from '../listen/tls/certificates.ts';
import { readMaterial } from '../listen/tls/context.ts';
import { layer4Failures } from '../protocol/layer4-failures.ts';
import type { ListenerTable, RouteTables } from '../route/tables.ts';
import type { RouteRuntime } from '../runtime.ts';
import type { Report } from './report.ts';
import type { ExplainedDestination, ExplainResult } from './types.ts';
import { explainedTransport, transportFailure } from './upstream-tls.ts';
import type { Layer4Url, PlainUrl } from './wire.ts';

/** The peer that a connection is taken to come from. */
export const peer = '127.0.0.1';
/** As any client's port: chains rarely name one. */
const peerPort = 40_000;

/** Addresses and health of a cluster as they are now; null: as configured. */
type LiveEndpoints = (cluster: string) => ExplainedDestination['endpoints'] | null;

/** SNI of a client that connects for this URL: lower case, '' where it sends none. Addresses are never sent (RFC 6066 §3). */
export function sniOf({ scheme, authority }: PlainUrl | Layer4Url): string {
  const host = hostOf(authority);
  return (scheme === 'https' || scheme === 'tls') && isIP(host) === 0 ? host.toLowerCase().replace(/\.$/, '') : '';
}

function hostOf(authority: string): string {
  return authority.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}

/** Whether the certificate that such a connection shows is for this host: as PeerTls.servesName. */
export function servesName(
  tables: RouteTables<RouteRuntime>,
  listener: Listener,
  { tls }: ConnectionChain,
  serverName: string,
  host: string,
): boolean {
  if (tls === null) return true;
  const hosts = hostsOnTls(listener.dialect);
  if (hosts === 'any' || (hosts === 'server-name' && (serverName === '' || serverName === host))) return true;
  const certificates = tls.certificates.flatMap((name) => {
    const secret = tables.secret(name);
    return (secret === null ? null : readCertificate(secret)) ?? [];
  });
  return certificatesHold(certificatesFor(certificates, serverName), host);
}

/** What a client shows of itself when it connects for this URL. */
function viewOf(table: ListenerTable<RouteRuntime>, url: PlainUrl | Layer4Url): ConnectionView {
  const { config } = table;
  const isTls = url.scheme === 'https' || url.scheme === 'tls';
  const detects = config.detectTimeoutMs !== undefined;
  const begins: Beginning = isTls ? 'tls' : !detects ? 'plain' : url.scheme === 'http' ? 'http' : 'other';
  const host = hostOf(url.authority);
  const isWild = config.address === '::' || config.address === '0.0.0.0';
  return {
    begins,
    serverName: sniOf(url),
    remoteAddress: peer,
    remotePort: peerPort,
    localAddress: isIP(host) !== 0 ? host : isWild ? peer : config.address,
    localPort: config.port,
  };
}

/** The chain that takes the connection; a result where the listener turns it away, null for plain HTTP without chains. */
export function chooseChain(
  tables: RouteTables<RouteRuntime>,
  table: ListenerTable<RouteRuntime>,
  url: PlainUrl | Layer4Url,
  report: Report,
): { readonly chain: ConnectionChain | null } | { readonly refused: ExplainResult } {
  const { chains = [], detectTimeoutMs, protocol, proxyProtocol } = table.config;
  if (proxyProtocol === 'required') report.conditions.push('the connection is closed unless a PROXY header stands before everything else');
  const isTls = url.scheme === 'https' || url.scheme === 'tls';
  if (chains.length === 0) {
    if (protocol === 'http' && !isTls) return { chain: null };
    const why = isTls ? 'the listener speaks no TLS' : 'the listener has no chain';
    return { refused: report.stop('error', null, `${why}: the connection is closed`, ['NR']) };
  }
  const choices = new ChainTable(chains, detectTimeoutMs !== undefined);
  const view = viewOf(table, url);
  const reasons = choices.explain(view);
  report.chainsConsidered(
    reasons.map(({ chain, matched, because }) => ({
      route: chain.forward?.route ?? chain.name,
      virtualHost: chain.name,
      matched,
      because,
      origin: (chain.forward ?? chain).origin,
    })),
  );
  if (chains.some(({ sources }) => sources.length > 0))
    report.conditions.push(`chains of this listener are for certain sources; this is the answer to a client at ${peer}`);
  const chain = reasons.find(({ matched }) => matched)?.chain ?? null;
  if (chain !== null) {
    const broken = chain.tls === null ? null : handshakeProblem(chain.tls, tables, report);
    return broken === null ? { chain } : { refused: report.stop('error', null, `${broken}: the handshake fails`, ['DPE']) };
  }
  const named = view.serverName === '' ? '' : ` for server name '${view.serverName}'`;
  return { refused: report.stop('not-found', null, `no chain of the listener takes this connection${named}: it is closed`, ['NR']) };
}

/** Why no handshake can succeed; null: what it asks of the client is a condition. */
function handshakeProblem(tls: ServerTls, tables: RouteTables<RouteRuntime>, report: Report): string | null {
  const material = readMaterial(tls, (name) => tables.secret(name));
  if (typeof material === 'string') return material;
  const { clientCertificate, subjectAltNames, certificateHashes, certificateSpki } = tls;
  if (clientCertificate !== 'require') return null;
  const names = subjectAltNames.length === 0 ? '' : ` for ${subjectAltNames.join(' or ')}`;
  const pinned = certificateHashes.length + certificateSpki.length === 0 ? '' : ', one of those that are pinned';
  report.conditions.push(`the handshake fails unless the client shows a trusted certificate${names}${pinned}`);
  return null;
}

/** Bytes that are passed on as they are. */
export function explainForward(
  chain: ConnectionChain,
  forward: L4Forward,
  tables: RouteTables<RouteRuntime>,
  live: LiveEndpoints,
  report: Report,
): ExplainResult {
  report.passes(forward);
  if (forward.blocked !== undefined)
    return closed(report, layer4Failures.blocked, `route '${forward.route}' is closed: ${forward.blocked}`);
  const explained = forward.destinations.map((destination) => destinationOf(destination, tables, live));
  report.destinations = explained.map(({ shown }) => shown);
  const taking = explained.filter(({ shown }) => shown.weight > 0);
  const total = taking.reduce((sum, { shown }) => sum + shown.weight, 0);
  if (total === 0) return closed(report, layer4Failures.invalidBackend, `route '${forward.route}' has no destination with weight`);
  const [first] = taking;
  if (taking.every(({ failure }) => failure !== null) && first !== undefined && first.failure !== null)
    return closed(report, first.failure, first.shown.reason ?? '');
  for (const { shown, failure } of taking)
    if (failure !== null) report.conditions.push(`the share of ${shown.host} is closed (${failure.flag}): ${shown.reason ?? ''}`);
  if (forward.maxConnections > 0) report.conditions.push(`closed with UO while ${forward.maxConnections} others are open`);
  const parts = taking.map(
    ({ shown }) =>
      `${shown.host}${shown.port === null ? '' : `:${shown.port}`}${taking.length > 1 ? ` (${Math.round((shown.weight / total) * 1000) / 10} %)` : ''}`,
  );
  const how = chain.tls !== null ? ', decrypted' : '';
  return report.stop('forward', null, `to ${parts.join(', ')} as bytes${how} by route '${forward.route}'`);
}

type Reason = Pick<Failure, 'flag' | 'details'>;

function closed(report: Report, failure: Reason, reason: string): ExplainResult {
  return report.stop('error', null, `${reason}; the connection is closed`, failure.flag === '' ? [] : [failure.flag]);
}

function destinationOf(
  destination: L4Destination,
  tables: RouteTables<RouteRuntime>,
  live: LiveEndpoints,
): { readonly shown: ExplainedDestination; readonly failure: Reason | null } {
  const { cluster: name, host, port, subset, weight } = destination;
  const config = name === null ? null : tables.cluster(name);
  const endpoints = config === null ? [] : (live(config.name) ?? configured(config.declared, config.endpoints));
  const transport = config === null ? {} : explainedTransport(config, '', 'bytes');
  const shown = { cluster: name, host, port, subset, weight, endpoints, ...transport, origin: config?.origin ?? null };
  const fails = (failure: Reason, reason: string) => ({ shown: { ...shown, status: 0, reason }, failure });
  if (name === null) return fails(layer4Failures.invalidBackend, destination.invalidReason ?? 'the backend is invalid');
  if (config === null) return fails(layer4Failures.clusterNotFound, `cluster '${name}' does not exist`);
  if (config.blocked !== undefined) return fails(layer4Failures.clusterBlocked, config.blocked);
  const broken = transportFailure(config, (secret) => tables.secret(secret));
  if (broken !== null) return fails(layer4Failures.connectFailure, `${host}: ${broken}`);
  if (endpoints.length === 0 && config.declared) return fails(layer4Failures.noHealthyUpstream, `'${host}' has no endpoint`);
  if (live(config.name)?.length === 0)
    return fails(layer4Failures.nameNotResolved, `'${host}' is not in the configuration, and DNS has no address for it`);
  return { shown, failure: null };
}

function configured(
  declared: boolean,
  endpoints: readonly { readonly address: string; readonly port: number; readonly weight: number }[],
): ExplainedDestination['endpoints'] {
  // An undeclared name is looked up in DNS by traffic and not by explain.
  if (!declared) return [];
  return endpoints.filter(({ weight }) => weight > 0).map(({ address, port }) => ({ address: endpointText(address, port), healthy: true }));
}

/** `ip:port`, or the path of a Unix socket. */
export function endpointText(address: string, port: number): string {
  if (address.startsWith('/') || address.startsWith('@')) return address;
  return `${address.includes(':') ? `[${address}]` : address}:${port}`;
}
