/** One type-length-value of a version 2 header that is not decoded further. */
export interface ProxyTlv {
  readonly type: number;
  readonly value: Buffer;
}

/** What the sender says of TLS that ended at it (PP2_TYPE_SSL). */
export interface ProxyTls {
  /** PP2_CLIENT_SSL, PP2_CLIENT_CERT_CONN, PP2_CLIENT_CERT_SESS. */
  readonly client: number;
  /** A client certificate was shown and it was valid. */
  readonly verified: boolean;
  /** `TLSv1.3`; '' when not said, as the following. */
  readonly version: string;
  readonly cipher: string;
  readonly commonName: string;
}

/** A whole PROXY header. */
export interface ProxyHeader {
  readonly kind: 'header';
  readonly version: 1 | 2;
  /** `local`: the sender speaks for itself (health checks); the socket's own addresses hold. */
  readonly command: 'proxy' | 'local';
  /** The addresses below say something for `inet` and `inet6` (IP literals) and `unix` (paths, ports 0); for `unspec`, and with `local`, they are '' and 0. */
  readonly family: 'inet' | 'inet6' | 'unix' | 'unspec';
  readonly sourceAddress: string;
  /** 0–65535. */
  readonly sourcePort: number;
  readonly destinationAddress: string;
  readonly destinationPort: number;
  /** Host name that the client asked the sender for (SNI), lower case; '' when not said. */
  readonly authority: string;
  /** '' when not said. */
  readonly alpn: string;
  readonly tls: ProxyTls | null;
  /** Everything else, at most `maxTlvs`; copies. */
  readonly tlvs: readonly ProxyTlv[];
  /** Length of the header; what follows is the connection's. */
  readonly bytes: number;
}

/**
 * `more`: the header is not whole yet. `absent`: the connection does not begin with a PROXY header, which is known as soon as a
 * byte differs. `error`: it begins with one that is not valid.
 */
export type ProxyRead =
  | { readonly kind: 'more' }
  | { readonly kind: 'absent' }
  | { readonly kind: 'error'; readonly details: string }
  | ProxyHeader;

export const MORE: ProxyRead = { kind: 'more' };

/** A header that says nothing of addresses. */
export const nothingSaid: Omit<ProxyHeader, 'version' | 'bytes'> = {
  kind: 'header',
  command: 'proxy',
  family: 'unspec',
  sourceAddress: '',
  sourcePort: 0,
  destinationAddress: '',
  destinationPort: 0,
  authority: '',
  alpn: '',
  tls: null,
  tlvs: [],
};

export function proxyError(details: string): ProxyRead {
  return { kind: 'error', details };
}

/** Longest header that is read, bytes. Version 2 could say 65,551; senders stay below a few hundred, with a client certificate below 8 KiB. */
export const MAX_PROXY_HEADER_BYTES = 16 * 1024;
