import type { Origin } from './origin.ts';

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3';

/**
 * Certificates and keys as PEM text. Keys are never printed: dumps and logs go through `redacted`. What was in files is
 * read by the compile worker; its paths stay in `files` so that they are watched.
 */
export interface Secret {
  /** Unique in the snapshot and stable over revisions: dialect/kind/namespace/name, or the files' paths. */
  readonly name: string;
  /** Chain, leaf first; null in a bundle of authorities. */
  readonly certificate: string | null;
  readonly privateKey: string | null;
  /** Authorities that are trusted. */
  readonly ca: string | null;
  /** Revocation lists. */
  readonly crl?: string | null;
  /** Where the texts above are to be read from; a text of null is filled in. Absent: inline. */
  readonly files?: { readonly certificate?: string; readonly privateKey?: string; readonly ca?: string; readonly crl?: string };
  readonly origin: Origin;
}

/** TLS that ends at a listener (Envoy DownstreamTlsContext). */
export interface ServerTls {
  /** Names of secrets; RSA and ECDSA may stand beside each other. The first whose names fit the SNI serves, else the first. */
  readonly certificates: readonly string[];
  readonly minVersion: TlsVersion;
  readonly maxVersion: TlsVersion;
  /** OpenSSL names, in order of preference; empty: the defaults. TLS 1.3 has its own and they are not changed. */
  readonly cipherSuites: readonly string[];
  /** `require`: a handshake without a valid one fails. `optional`: none is fine, an invalid one fails. `ask`: an invalid one is let through and marked (Gateway API AllowInsecureFallback). */
  readonly clientCertificate: 'none' | 'optional' | 'require' | 'ask';
  /** Name of the secret with the authorities for client certificates. */
  readonly ca: string | null;
  /** One of them must be among the client certificate's subject alternative names; empty: any. */
  readonly subjectAltNames: readonly string[];
  /** Hex SHA-256 of the client certificate (Istio verifyCertificateHash, verifyCertificateSpki base64); empty: any. */
  readonly certificateHashes: readonly string[];
  readonly certificateSpki: readonly string[];
  /** Offered protocols, best first; empty: none is negotiated. */
  readonly alpn: readonly string[];
}

/** TLS towards an upstream (Envoy UpstreamTlsContext). */
export interface ClientTls {
  /** Null: the authority that is sent, without port. */
  readonly sni: string | null;
  /** False: the server's certificate is not looked at (Istio insecureSkipVerify, Kong tls_verify false). */
  readonly verify: boolean;
  /** Name of the secret with the authorities; null: the system's. */
  readonly ca: string | null;
  /** One must be among the certificate's names; empty: the SNI must. */
  readonly subjectAltNames: readonly string[];
  /** Name of the secret with the client certificate; null: none is shown. */
  readonly certificate: string | null;
  readonly minVersion?: TlsVersion;
  readonly maxVersion?: TlsVersion;
  readonly cipherSuites?: readonly string[];
}

export const defaultServerTls: Pick<
  ServerTls,
  'minVersion' | 'maxVersion' | 'cipherSuites' | 'clientCertificate' | 'ca' | 'subjectAltNames' | 'certificateHashes' | 'certificateSpki'
> = {
  minVersion: 'TLSv1.2',
  maxVersion: 'TLSv1.3',
  cipherSuites: [],
  clientCertificate: 'none',
  ca: null,
  subjectAltNames: [],
  certificateHashes: [],
  certificateSpki: [],
};

/** A secret as it may be shown: with its certificates, without its key. */
export function redacted(secret: Secret): Secret {
  return secret.privateKey === null ? secret : { ...secret, privateKey: '[redacted]' };
}
