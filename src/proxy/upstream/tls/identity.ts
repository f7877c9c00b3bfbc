import { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';

/** Whom a certificate must name: one of these. */
export type Expected = readonly string[];

/** Values of `URI:` in Node's text of subject alternative names; a value with `,` or `"` in it stands there as a JSON string. */
export function uriNames(text: string): readonly string[] {
  const found: string[] = [];
  let at = 0;
  while (at < text.length) {
    const colon = text.indexOf(':', at);
    if (colon < 0) break;
    const kind = text.slice(at, colon);
    let end = text.indexOf(', ', colon);
    if (text.charAt(colon + 1) === '"') {
      end = colon + 2;
      while (end < text.length && text.charAt(end) !== '"') end += text.charAt(end) === '\\' ? 2 : 1;
      end++;
      if (kind === 'URI') found.push(unquoted(text.slice(colon + 1, end)));
    } else {
      if (end < 0) end = text.length;
      if (kind === 'URI') found.push(text.slice(colon + 1, end));
    }
    at = end + 2;
  }
  return found;
}

/** '' for what is no JSON string: it names nobody. */
function unquoted(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'string' ? value : '';
  } catch {
    return '';
  }
}

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
      uris ??= uriNames(certificate.subjectAltName ?? '');
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
    if (namesOne(new X509Certificate(raw), expected)) return undefined;
    return Object.assign(new Error('no expected name in the certificate'), { code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  };
}
