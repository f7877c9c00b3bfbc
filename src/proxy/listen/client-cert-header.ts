import type { PeerCertificate, PeerTls } from './client.ts';

/**
 * X-Forwarded-Client-Cert for a client whose certificate was verified (Envoy forward_client_cert_details SANITIZE_SET): Hash,
 * Subject and names; `By` when our own certificate names a URI, the certificate itself where the dialect's gateways send it (Istio).
 * Null: nothing is said, as for every client without one.
 */
export function clientCertHeader(tls: PeerTls | null, withCertificate: boolean): string | null {
  const certificate = tls?.certificate ?? null;
  if (tls === null || certificate === null || !certificate.verified) return null;
  const parts = [
    ...(tls.ownUri === '' ? [] : [`By=${plain(tls.ownUri)}`]),
    `Hash=${certificate.fingerprint256}`,
    ...(withCertificate ? [`Cert="${encodeURIComponent(pem(certificate))}"`] : []),
    `Subject="${escaped(certificate.subject)}"`,
    ...certificate.uriSans.map((uri) => `URI=${plain(uri)}`),
    ...certificate.dnsSans.map((name) => `DNS=${plain(name)}`),
  ];
  return parts.join(';');
}

/** Who a client is by its verified certificate: the first URI (SPIFFE), else the subject; '' for nobody. */
export function principalOf(tls: Pick<PeerTls, 'certificate'> | null): string {
  const certificate = tls?.certificate ?? null;
  if (certificate === null || !certificate.verified) return '';
  const [uri = certificate.subject] = certificate.uriSans;
  return uri;
}

function pem({ raw }: PeerCertificate): string {
  const lines = raw.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** Within quotes. What is no visible ASCII came from the certificate's maker and must not become a header of its own. */
function escaped(text: string): string {
  return text.replace(/["\\]/g, '\\$&').replace(/[^\x20-\x7e]/g, '?');
}

/** Without quotes: what separates elements is quoted. */
function plain(text: string): string {
  return /[,;="\\]/.test(text) || /[^\x21-\x7e]/.test(text) ? `"${escaped(text)}"` : text;
}
