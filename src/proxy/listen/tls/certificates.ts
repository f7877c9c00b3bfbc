import { X509Certificate } from 'node:crypto';
import { altNames, dnsNameHolds } from '../../../base/alt-names.ts';
import type { Secret } from '../../../model/tls.ts';

/** A certificate that a listener can show. */
export interface ServerCertificate {
  /** PEM, leaf first. */
  readonly chain: string;
  readonly key: string;
  /** `rsa`, `ec`, `ed25519`: one context can hold one of each. */
  readonly keyType: string;
  /** Lower case; of the subject's common name when it has no alternative name. */
  readonly names: readonly string[];
  readonly addresses: readonly string[];
  readonly uriSans: readonly string[];
}

/** Null: no certificate with a key, or unreadable text. */
export function readCertificate({ certificate, privateKey }: Secret): ServerCertificate | null {
  if (certificate === null || privateKey === null) return null;
  try {
    const leaf = new X509Certificate(certificate);
    const { dns, ip, uri } = altNames(leaf);
    const common = /(?:^|\n)CN=([^\n]+)/.exec(leaf.subject)?.[1]?.toLowerCase();
    return {
      chain: certificate,
      key: privateKey,
      keyType: leaf.publicKey.asymmetricKeyType ?? '',
      names: dns.length === 0 && ip.length === 0 && common !== undefined ? [common] : dns,
      addresses: ip,
      uriSans: uri,
    };
  } catch {
    return null;
  }
}

/**
 * Which certificates are shown to a client that asks for `serverName` (lower case; '' without SNI): the first that names it exactly, else
 * the first whose wildcard fits, else the first of all; and beside it the first of each other kind of key that fits as well.
 */
export function certificatesFor(all: readonly ServerCertificate[], serverName: string): readonly ServerCertificate[] {
  const [first] = all;
  if (first === undefined) return [];
  const exact = serverName === '' ? [] : all.filter(({ names }) => names.includes(serverName));
  const fitting =
    exact.length > 0 || serverName === '' ? exact : all.filter(({ names }) => names.some((name) => dnsNameHolds(name, serverName)));
  // Without a name to go by: the first, and others that are for the same name.
  const usable = fitting.length > 0 ? fitting : all.filter((one) => one === first || one.names.some((name) => first.names.includes(name)));
  return usable.filter((one, i) => usable.findIndex(({ keyType }) => keyType === one.keyType) === i);
}

/** Whether one of the certificates is for this host (lower case, no port, IPv6 with or without brackets). */
export function certificatesHold(shown: readonly ServerCertificate[], host: string): boolean {
  const plain = host.startsWith('[') ? host.slice(1, -1) : host;
  return shown.some(
    ({ names, addresses }) => names.some((name) => dnsNameHolds(name, host)) || addresses.some((one) => sameAddress(one, plain)),
  );
}

/** Node writes IPv6 addresses of certificates in full and in upper case. */
function sameAddress(one: string, other: string): boolean {
  if (!one.includes(':') || !other.includes(':')) return one === other;
  return canonicalAddress(one) === canonicalAddress(other);
}

function canonicalAddress(address: string): string {
  return URL.parse(`http://[${address}]/`)?.hostname ?? address;
}
