import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { altNames } from '../../../base/alt-names.ts';

/** Whom a certificate must name: one of these. */
export type Expected = readonly string[];

/**
 * Whether the certificate names one of `expected` among its subject alternative names. What holds a `://` is compared with
 * URIs only (exact, as SPIFFE wants), an IP address with addresses only, everything else is a DNS name: case does not count,
 * and a wildcard of the certificate stands for its one label. The common name is not looked at (RFC 9525 §2).
 */
export function namesOne(certificate: X509Certificate, expected: Expected): boolean {
  let uris: readonly string[] | null = null;
  for (const name of expected) {
    if (name === '') continue;
    if (name.includes('://')) {
      uris ??= altNames(certificate).uri;
      if (uris.includes(name)) return true;
    } else if (isIP(name) !== 0) {
      if (certificate.checkIP(name) !== undefined) return true;
    } else if (certificate.checkHost(name, { subject: 'never', partialWildcards: false }) !== undefined) return true;
  }
  return false;
}

/** For `tls.connect`: the host name it is called with is not used, `expected` is. */
export function identityCheck(expected: Expected): (host: string, certificate: { readonly raw: Buffer }) => Error | undefined {
  return (_host, { raw }) => {
    try {
      if (namesOne(new X509Certificate(raw), expected)) return undefined;
    } catch {
      // A name that can be in no certificate, or a certificate that cannot be read.
    }
    return Object.assign(new Error('no expected name in the certificate'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  };
}
