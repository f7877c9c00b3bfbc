import type { Socket } from 'node:net';
import type { ConnectionChain } from '../../model/chain.ts';

/** A client certificate as it was shown. */
export interface PeerCertificate {
  /** False: shown, not valid, and let through all the same (`clientCertificate: ask`). */
  readonly verified: boolean;
  /** RFC 2253 text, as Envoy's `%DOWNSTREAM_PEER_SUBJECT%`. */
  readonly subject: string;
  readonly issuer: string;
  /** Hex without colons, upper case. */
  readonly serial: string;
  /** Lower-case hex SHA-256 of the DER form. */
  readonly fingerprint256: string;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  /** DER; for X-Forwarded-Client-Cert. */
  readonly raw: Buffer;
}

/** What is known of TLS that ended at the listener. */
export interface PeerTls {
  /** `TLSv1.3` */
  readonly version: string;
  /** OpenSSL name. */
  readonly cipher: string;
  /** SNI, lower case; '' without. */
  readonly serverName: string;
  /** '' when none was agreed on. */
  readonly alpn: string;
  /** Hex; '' without. */
  readonly sessionId: string;
  readonly certificate: PeerCertificate | null;
  /** The first URI among the names of our own certificate; '' without. */
  readonly ownUri: string;
  /**
   * Whether requests for this host (lower case, no port) belong on this connection: else 421. On `weir` listeners the certificate
   * that we showed must hold for it; elsewhere only for another host than the one the client asked for by SNI.
   */
  servesName(host: string): boolean;
}

/** An accepted connection on its way from the listening socket to the code that speaks its protocol. */
export interface ClientConnection {
  /** Plain, or the TLS socket on top of it. Paused. */
  readonly socket: Socket;
  /** Of the PROXY header where one is believed, else the socket's. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** The socket's own. */
  readonly directRemoteAddress: string;
  readonly directRemotePort: number;
  /** What the client connected to; of the PROXY header where one is believed. */
  readonly localAddress: string;
  readonly localPort: number;
  readonly tls: PeerTls | null;
  /** SNI of a TLS connection that is passed through; '' otherwise. */
  readonly serverName: string;
  /** The chain that was chosen; null: the listener has none, plain HTTP. */
  readonly chain: ConnectionChain | null;
  /** Bytes that were read to come this far and are the protocol's; null for none. */
  readonly peeked: Buffer | null;
}

/** A connection that a listener keeps count of, whatever it speaks. */
export interface LiveConnection {
  /** No exchange and no byte of one: may be closed without loss. */
  readonly isIdle: boolean;
  /** At once. */
  close(): void;
  /** No new exchange on it from now on, when the protocol can say so (HTTP/2 GOAWAY). */
  goAway?(): void;
}
