import { createHash, type X509Certificate } from 'node:crypto';
import { type AltNames, altNames, dnsNameHolds } from '../../../base/alt-names.ts';
import type { ServerTls } from '../../../model/tls.ts';
import type { PeerCertificate } from '../client.ts';

/** Why a client's certificate is not accepted. Also the last part of Envoy's counter's name (`ssl.fail_verify_…`). */
export type VerifyFailure = 'no_cert' | 'error' | 'san' | 'cert_hash';

export type Verdict =
  | { readonly ok: true; readonly certificate: PeerCertificate | null }
  | { readonly ok: false; readonly failure: VerifyFailure; readonly reason: string };

type Demands = Pick<ServerTls, 'clientCertificate' | 'ca' | 'subjectAltNames' | 'certificateHashes' | 'certificateSpki'>;

/**
 * Whether a client may go on with the certificate it showed. `error`: OpenSSL's verdict on it, '' when a trusted authority stands
 * behind it.
 */
export function judgeClient(demands: Demands, shown: X509Certificate | undefined, error: string): Verdict {
  const { clientCertificate: mode } = demands;
  if (mode === 'none') return { ok: true, certificate: null };
  if (shown === undefined)
    return mode === 'require'
      ? { ok: false, failure: 'no_cert', reason: 'the client showed no certificate' }
      : { ok: true, certificate: null };
  const names = altNames(shown);
  const refused = refusal(demands, shown, names, error);
  if (refused !== null && mode !== 'ask') return refused;
  return { ok: true, certificate: new ShownCertificate(shown, names, refused === null) };
}

function refusal(
  demands: Demands,
  shown: X509Certificate,
  names: AltNames,
  error: string,
): Extract<Verdict, { readonly ok: false }> | null {
  const isPinned = demands.certificateHashes.length > 0 || demands.certificateSpki.length > 0;
  // Pins alone may do without an authority (Envoy: verify_certificate_hash without trusted_ca); nothing at all trusts nobody.
  if (demands.ca === null && !isPinned)
    return { ok: false, failure: 'error', reason: 'no authority for client certificates is configured' };
  if (demands.ca !== null && error !== '') return { ok: false, failure: 'error', reason: `client certificate: ${error}` };
  if (isPinned && !isKnown(demands, shown))
    return { ok: false, failure: 'cert_hash', reason: 'client certificate: not one of the pinned ones' };
  if (demands.subjectAltNames.length > 0 && !demands.subjectAltNames.some((wanted) => bears(names, wanted)))
    return { ok: false, failure: 'san', reason: 'client certificate: none of its names is accepted' };
  return null;
}

function isKnown({ certificateHashes, certificateSpki }: Demands, shown: X509Certificate): boolean {
  if (certificateHashes.length > 0) {
    const hash = createHash('sha256').update(shown.raw).digest('hex');
    if (certificateHashes.some((one) => one.replaceAll(':', '').toLowerCase() === hash)) return true;
  }
  if (certificateSpki.length === 0) return false;
  const spki = createHash('sha256')
    .update(shown.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64');
  return certificateSpki.includes(spki);
}

function bears({ dns, uri, ip, email }: AltNames, wanted: string): boolean {
  const lower = wanted.toLowerCase();
  return uri.includes(wanted) || dns.some((name) => dnsNameHolds(name, lower)) || ip.includes(wanted) || email.includes(wanted);
}

/** What of a certificate is asked for rarely is made when it is. */
class ShownCertificate implements PeerCertificate {
  readonly verified: boolean;
  readonly uriSans: readonly string[];
  readonly dnsSans: readonly string[];
  private readonly shown: X509Certificate;

  constructor(shown: X509Certificate, names: AltNames, verified: boolean) {
    this.shown = shown;
    this.verified = verified;
    this.uriSans = names.uri;
    this.dnsSans = names.dns;
  }

  get subject(): string {
    return rfc2253(this.shown.subject);
  }
  get issuer(): string {
    return rfc2253(this.shown.issuer);
  }
  get serial(): string {
    return this.shown.serialNumber;
  }
  get fingerprint256(): string {
    return this.shown.fingerprint256.replaceAll(':', '').toLowerCase();
  }
  get raw(): Buffer {
    return this.shown.raw;
  }
}

/** Node gives one attribute a line, values escaped as RFC 2253 has it, the first one first; RFC 2253 §2.1 begins with the last. */
export function rfc2253(lines: string): string {
  return lines.split('\n').toReversed().join(',');
}
