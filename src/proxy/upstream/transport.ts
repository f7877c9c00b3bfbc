import { isIP } from 'node:net';
import type { SecureContext } from 'node:tls';
import type { Cluster } from '../../model/cluster.ts';
import { clientContext, contextKey } from './tls/context.ts';
import type { Expected } from './tls/identity.ts';
import type { Secrets } from './tls/secrets.ts';

/** The client's connection that one towards an upstream is made for. */
export interface ClientEnds {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localAddress: string;
  readonly localPort: number;
}

/** TLS as every connection of a cluster uses it. */
export interface TransportTls {
  readonly context: SecureContext;
  /** Null: the authority of the request. */
  readonly sni: string | null;
  readonly verify: boolean;
  readonly subjectAltNames: Expected;
  /** Best first. */
  readonly alpn: readonly string[];
}

/**
 * How sockets towards a cluster's endpoints are made. A new object whenever settings or the bytes of a secret change: a
 * connection that was made with another one is not used again.
 */
export interface Transport {
  /** Of two transports with the same fingerprint one can serve for the other. */
  readonly fingerprint: string;
  readonly tls: TransportTls | null;
  readonly proxyProtocol: 'v1' | 'v2' | null;
  /** Any connection serves any request. Else one with the same `Purpose.key`. */
  readonly isShared: boolean;
  /** Left out of an authority: 80, with TLS 443. */
  readonly defaultPort: number;
  /** Set: why nothing can be connected to (a secret is missing or broken). Every connect fails with it. */
  readonly failure: string | null;
}

export const plaintext: Transport = { fingerprint: '', tls: null, proxyProtocol: null, isShared: true, defaultPort: 80, failure: null };

/** The transport of a cluster's settings; `before` itself where nothing changed. */
export function transportOf(config: Cluster, secrets: Secrets, before: Transport): Transport {
  const { tls } = config;
  const proxyProtocol = config.proxyProtocol ?? null;
  if (config.transport === 'plaintext') {
    if (proxyProtocol === null) return plaintext;
    return before.fingerprint === proxyProtocol ? before : { ...plaintext, fingerprint: proxyProtocol, proxyProtocol, isShared: false };
  }
  const alpn = alpnOf(config.protocol);
  const context = tls === undefined ? '' : contextKey(tls, secrets);
  const fingerprint = JSON.stringify([proxyProtocol, alpn, tls?.sni, tls?.subjectAltNames, tls?.verify, context]);
  // What failed is tried again: the secret's text is the same, the reason may not be.
  if (fingerprint === before.fingerprint && before.failure === null) return before;
  const isShared = proxyProtocol === null && tls?.sni !== null;
  const none = { fingerprint, tls: null, proxyProtocol, isShared, defaultPort: 443 };
  if (tls === undefined) return { ...none, failure: 'no_tls_settings' };
  const made = clientContext(tls, secrets, context);
  if (!made.ok) return { ...none, failure: made.error };
  const { sni, verify, subjectAltNames } = tls;
  return { ...none, tls: { context: made.value, sni, verify, subjectAltNames, alpn }, failure: null };
}

function alpnOf(protocol: Cluster['protocol']): readonly string[] {
  if (protocol === 'http2') return ['h2'];
  return protocol === 'alpn' ? ['h2', 'http/1.1'] : ['http/1.1'];
}

/** Tells connections of one endpoint apart that serve different requests: by the name in SNI, and by the client in a PROXY header. */
function connectionKey(transport: Transport, authority: string, client: ClientEnds | null): string {
  if (transport.isShared) return '';
  const name = transport.tls?.sni === null ? hostOf(authority) : '';
  if (transport.proxyProtocol === null || client === null) return name;
  return `${name} ${client.remoteAddress} ${client.remotePort} ${client.localAddress} ${client.localPort}`;
}

/** Which connections serve a request, and what a new one is told. */
export interface Purpose {
  /** Connections with another one serve others: another name in SNI, another client in the PROXY header. */
  readonly key: string;
  readonly authority: string;
  readonly client: ClientEnds | null;
}

/** Of every request where the transport `isShared`. */
export const anyPurpose: Purpose = { key: '', authority: '', client: null };

export function purposeOf(transport: Transport, authority: string, client: ClientEnds | null): Purpose {
  return transport.isShared ? anyPurpose : { key: connectionKey(transport, authority, client), authority, client };
}

/** Host of an authority: without port and brackets, lower case, without the dot at its end. */
export function hostOf(authority: string): string {
  const bracket = authority.startsWith('[') ? authority.indexOf(']') : -1;
  if (bracket > 0) return authority.slice(1, bracket).toLowerCase();
  const colon = authority.indexOf(':');
  const host = colon >= 0 && colon === authority.lastIndexOf(':') ? authority.slice(0, colon) : authority;
  return (host.endsWith('.') ? host.slice(0, -1) : host).toLowerCase();
}

/** What is sent as SNI: never an address (RFC 6066 §3), never what is no host name. */
export function serverNameOf(host: string): string {
  return isIP(host) !== 0 || !/^[a-z0-9_-][a-z0-9._-]{0,254}$/i.test(host) ? '' : host;
}
