/** What becomes of connections to a Weir Listener. */
import type { ConnectionChain } from '../../model/chain.ts';
import type { Cluster } from '../../model/cluster.ts';
import type { Listener } from '../../model/listener.ts';
import type { Secret } from '../../model/tls.ts';
import type { Path, Resource } from '../dialect.ts';
import type { SecretsIndex } from '../kubernetes/secrets.ts';
import type { ServiceIndex } from '../services.ts';
import { listenerForward } from './forward.ts';
import type { ListenerSpec } from './kinds.ts';
import { listenerTls, type TlsTools } from './listener-tls.ts';

export interface ChainTools {
  readonly secretsIndex: SecretsIndex;
  readonly services: ServiceIndex;
  readonly secrets: Map<string, Secret>;
  readonly clusters: Map<string, Cluster>;
  readonly report: TlsTools['report'];
}

/** A field that its protocol needs or does not know. */
export interface Misfit {
  readonly path: Path;
  readonly message: string;
  readonly hint: string;
}

/** Null: the spec fits together. */
export function misfit(spec: ListenerSpec): Misfit | null {
  const { address, port, protocol, tls, forward, detectTimeoutMs } = spec;
  const unix = address?.startsWith('unix://') === true;
  if ((port === 0) !== unix)
    return {
      path: ['port'],
      message: unix ? 'a Unix socket has no port' : 'a port is a number from 1 to 65535',
      hint: unix ? 'write port: 0' : 'port 0 is for Unix sockets',
    };
  if (unix && protocol === 'UDP') return { path: ['address'], message: 'UDP has no Unix sockets', hint: 'write an IP address' };
  const secure = protocol === 'HTTPS' || protocol === 'TLS';
  if (secure && tls === undefined)
    return {
      path: ['protocol'],
      message: `spec.tls is required on ${protocol}`,
      hint: 'write tls: {certificateRefs: [{name: …}]}, or another protocol',
    };
  if (!secure && tls !== undefined)
    return {
      path: ['tls'],
      message: `${protocol} has no TLS`,
      hint: protocol === 'HTTP' ? 'write protocol: HTTPS' : 'write protocol: TLS',
    };
  if (tls?.mode === 'Passthrough' && protocol === 'HTTPS')
    return { path: ['tls', 'mode'], message: 'HTTPS ends TLS: it cannot be passed through', hint: 'write protocol: TLS' };
  if (
    tls?.mode === 'Passthrough' &&
    (tls.certificateRefs ?? tls.certificateFiles ?? tls.development ?? tls.clientValidation ?? tls.cipherSuites) !== undefined
  )
    return {
      path: ['tls', 'mode'],
      message: 'TLS that is passed through has no certificate here',
      hint: 'write mode: Terminate, or leave the certificates out',
    };
  if (tls?.mode === 'Passthrough' && (tls.minVersion !== 'TLSv1.2' || tls.maxVersion !== 'TLSv1.3'))
    return {
      path: ['tls', tls.minVersion === 'TLSv1.2' ? 'maxVersion' : 'minVersion'],
      message: 'versions of TLS that is passed through are agreed on behind here',
      hint: 'write mode: Terminate, or leave the version out',
    };
  if (spec.proxyProtocol === 'optional' && spec.trustedCidrs.length === 0 && protocol !== 'UDP')
    return {
      path: ['proxyProtocol'],
      message: 'an optional PROXY header is believed of trustedCidrs, and there are none',
      hint: 'write trustedCidrs: [10.0.0.0/8] with the networks of your proxies, or proxyProtocol: required',
    };
  const layer4 = protocol === 'TCP' || protocol === 'TLS' || protocol === 'UDP';
  if (layer4 && forward === undefined)
    return {
      path: ['protocol'],
      message: `spec.forward is required on ${protocol}`,
      hint: 'write forward: {destinations: [{host: …, port: …}]}',
    };
  const inTls = forward === undefined ? 'detectTimeoutMs' : 'forward';
  if (protocol === 'HTTPS' && (forward !== undefined || detectTimeoutMs !== undefined))
    return {
      path: [inTls],
      message: `HTTPS makes no use of spec.${inTls}`,
      hint: 'inside TLS no protocol is looked for: write protocol: TLS to forward everything, or HTTP',
    };
  if (!layer4 && (forward === undefined) !== (detectTimeoutMs === undefined))
    return {
      path: [forward === undefined ? 'detectTimeoutMs' : 'forward'],
      message: 'forward and detectTimeoutMs go together on HTTP: what does not begin as HTTP is forwarded',
      hint: 'write both, or protocol: TCP to forward everything',
    };
  if (layer4 && detectTimeoutMs !== undefined)
    return { path: ['detectTimeoutMs'], message: `${protocol} has no protocol to look for`, hint: 'write protocol: HTTP' };
  return layer4 ? unusedOnLayer4(spec) : null;
}

/** A field that bytes and datagrams make no use of: nobody should trust in it. */
function unusedOnLayer4({ protocol, hostnames, http2, canonicalisation, limits = {}, ...spec }: ListenerSpec): Misfit | null {
  const { trustedHops, trustedCidrs, proxyProtocol } = spec;
  const isUdp = protocol === 'UDP';
  const limit = Object.keys(limits).find((name) => name !== 'maxConnections' && (isUdp || name !== 'headTimeoutMs'));
  const rows: readonly (readonly [unused: boolean, path: Path, hint: string])[] = [
    [protocol !== 'TLS' && hostnames !== undefined, ['hostnames'], 'names are told apart on HTTP, HTTPS and TLS'],
    [http2 !== undefined, ['http2'], 'leave it out'],
    [canonicalisation !== undefined, ['canonicalisation'], 'leave it out'],
    [isUdp && proxyProtocol !== undefined, ['proxyProtocol'], 'PROXY headers are read from connections: leave it out'],
    [trustedHops > 0, ['trustedHops'], 'it is about X-Forwarded-For: leave it out'],
    [trustedCidrs.length > 0 && (isUdp || proxyProtocol !== 'optional'), ['trustedCidrs'], 'it goes with proxyProtocol: optional'],
    [limit !== undefined, ['limits', limit ?? ''], 'idle time and connections of a route stand under forward'],
  ];
  const [, path, hint] = rows.find(([unused]) => unused) ?? [];
  return path === undefined || hint === undefined ? null : { path, message: `${protocol} makes no use of spec.${path.join('.')}`, hint };
}

/** The parts of the model's listener that TLS and layer 4 decide. */
export function chainsOf(
  resource: Resource,
  spec: ListenerSpec,
  tools: ChainTools,
): Pick<Listener, 'protocol' | 'chains' | 'detectTimeoutMs'> {
  const { protocol, tls, forward, detectTimeoutMs, http2 } = spec;
  const { name } = resource;
  const http = protocol === 'HTTP' || protocol === 'HTTPS';
  const bytes =
    forward === undefined ? null : listenerForward(resource, forward, protocol === 'UDP' ? 'udp' : 'tcp', tools.services, tools.clusters);
  const ends = tls !== undefined && tls.mode === 'Terminate';
  const alpn = http ? (http2 === false ? ['http/1.1'] : ['h2', 'http/1.1']) : [];
  const server = ends
    ? listenerTls(tls, alpn, {
        resource,
        hostnames: spec.hostnames ?? [],
        index: tools.secretsIndex,
        secrets: tools.secrets,
        report: tools.report,
      })
    : null;
  const chain = (more: Partial<ConnectionChain>): ConnectionChain => ({
    name,
    serverNames: [],
    sources: [],
    destinations: [],
    tls: server,
    forward: bytes,
    origin: resource.origin,
    ...more,
  });
  switch (protocol) {
    case 'HTTP':
    case 'HTTPS':
      if (bytes === null || detectTimeoutMs === undefined)
        return { protocol: 'http', ...(server === null ? {} : { chains: [chain({ isTls: true })] }) };
      return { protocol: 'http', detectTimeoutMs, chains: [chain({ forward: null }), chain({ name: `${name}/forward` })] };
    case 'TCP':
      return { protocol: 'tcp', chains: [chain({})] };
    case 'UDP':
      return { protocol: 'udp', chains: [chain({})] };
    case 'TLS':
      return { protocol: 'tcp', chains: [chain({ isTls: true, serverNames: serverNames(spec) })] };
  }
}

function serverNames({ hostnames }: ListenerSpec): readonly string[] {
  return hostnames === undefined || hostnames.includes('*') ? [] : hostnames;
}
