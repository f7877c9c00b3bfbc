/** Certificates, keys and lists of authorities as PEM text: whether they can be used, said without a byte of a key. */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { crypto, tls } from '../base/late.ts';

/** PEM texts of one secret; null: it has none. */
export interface PemTexts {
  /** Chain, leaf first. */
  readonly certificate: string | null;
  readonly privateKey: string | null;
  readonly ca: string | null;
  readonly crl: string | null;
}

export interface PemProblem {
  readonly part: keyof PemTexts;
  /** A warning serves all the same. */
  readonly severity: 'error' | 'warning';
  /** Continues a sentence that begins with the name of the part: `is expired since …`. */
  readonly message: string;
  readonly hint: string;
}

/** A certificate as `/certs` and metrics tell of it. */
export interface CertificateFacts {
  readonly subject: string;
  /** `DNS:shop.example.com, IP Address:…` as OpenSSL writes them; empty: none. */
  readonly subjectAltNames: readonly string[];
  /** Hex. */
  readonly serial: string;
  /** ms since 1970. */
  readonly validFrom: number;
  readonly validTo: number;
}

/** Bytes of one PEM text; a bundle of all public authorities has a quarter of that. */
export const maxPemBytes = 1024 * 1024;
const maxCertificates = 1000;
const block = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----/g;
const day = 86_400_000;

interface Verdict {
  readonly problems: readonly PemProblem[];
  readonly chain: readonly CertificateFacts[];
  readonly authorities: readonly CertificateFacts[];
}

/** Verdicts by content: the same secrets come with each change of anything else. */
const known = new Map<string, Verdict>();
const maxKnown = 4096;

/** What is wrong with the texts at the time `now` (ms since 1970). Never throws, and no message quotes a text. */
export function examine(texts: PemTexts, now: number): readonly PemProblem[] {
  const { problems, chain, authorities } = verdictOf(texts);
  const late: PemProblem[] = [];
  for (const [index, facts] of chain.entries()) {
    const problem = validity(facts, now);
    if (problem !== null)
      late.push({
        part: 'certificate',
        severity: 'warning',
        message: index === 0 ? problem : `has an issuer, number ${index + 1}, that ${problem}`,
        hint: 'renew it: clients will refuse it',
      });
  }
  // Of a bundle some are always old; one that is good is enough.
  if (authorities.length > 0 && authorities.every((facts) => validity(facts, now) !== null))
    late.push({
      part: 'ca',
      severity: 'warning',
      message: validity(authorities[0], now) ?? '',
      hint: 'renew it: nothing that it signed is trusted',
    });
  return [...problems, ...late];
}

/** Facts of each certificate of a chain or bundle, in order; what cannot be read is left out. */
export function factsOf(pem: string): readonly CertificateFacts[] {
  return (pem.match(block) ?? []).slice(0, maxCertificates).flatMap((text) => {
    const certificate = parse(text);
    return certificate === null ? [] : [describe(certificate)];
  });
}

function validity({ validFrom, validTo }: CertificateFacts, now: number): string | null {
  if (now > validTo) return `is expired since ${dateOf(validTo)}`;
  return now < validFrom ? `is not valid before ${dateOf(validFrom)}` : null;
}

function dateOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, ms % day === 0 ? 10 : 19);
}

function verdictOf(texts: PemTexts): Verdict {
  const hash = crypto().createHash('sha256');
  for (const text of [texts.certificate, texts.privateKey, texts.ca, texts.crl])
    hash.update(text === null ? '-' : `${text.length}:${text}`);
  const key = hash.digest('base64');
  const before = known.get(key);
  if (before !== undefined) return before;
  const verdict = judge(texts);
  if (known.size >= maxKnown) known.clear();
  known.set(key, verdict);
  return verdict;
}

function judge({ certificate, privateKey, ca, crl }: PemTexts): Verdict {
  const problems: PemProblem[] = [];
  const add = (part: keyof PemTexts, message: string, hint: string): void => {
    problems.push({ part, severity: 'error', message, hint });
  };
  const chain = certificate === null ? [] : certificates('certificate', certificate, add);
  const authorities = ca === null ? [] : certificates('ca', ca, add);
  const key = privateKey === null ? null : keyOf(privateKey, add);
  if (certificate !== null && privateKey === null) add('privateKey', 'is missing', 'put the key beside its certificate');
  if (privateKey !== null && certificate === null) add('certificate', 'is missing', 'put the certificate beside its key');
  if (chain.length > 0 && key !== null && !chain[0].checkPrivateKey(key)) {
    const other = chain.findIndex((one) => one.checkPrivateKey(key));
    if (other > 0)
      add(
        'certificate',
        `begins with another certificate than the key's, which is number ${other + 1}`,
        "put the server's own certificate first, then its issuers",
      );
    else add('privateKey', 'does not belong to the certificate', 'replace both at once');
  }
  if (crl !== null && !crl.includes('-----BEGIN X509 CRL-----'))
    add('crl', 'holds no revocation list', 'write PEM: -----BEGIN X509 CRL-----');
  // The last word is OpenSSL's: a key may be too short, a signature too weak.
  if (problems.length === 0) {
    if (certificate !== null && privateKey !== null) accepted('certificate', { cert: certificate, key: privateKey }, add);
    if (ca !== null) accepted('ca', { ca }, add);
    if (crl !== null) accepted('crl', { crl }, add);
  }
  return { problems, chain: chain.map(describe), authorities: authorities.map(describe) };
}

type Add = (part: keyof PemTexts, message: string, hint: string) => void;

function certificates(part: 'certificate' | 'ca', text: string, add: Add): readonly X509Certificate[] {
  const blocks = text.length > maxPemBytes ? null : text.match(block);
  if (blocks === null || blocks.length === 0) {
    if (text.length > maxPemBytes) add(part, `has more than ${maxPemBytes} bytes`, 'leave out what is not needed');
    else if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) add(part, 'holds a private key and no certificate', 'the two are exchanged');
    else if (text.includes('-----BEGIN'))
      add(part, 'is cut off: its text has no end', 'write all of the PEM text, to -----END CERTIFICATE-----');
    else add(part, 'is no PEM text', 'write -----BEGIN CERTIFICATE----- …, in `data` as base64, in `stringData` as it is');
    return [];
  }
  if (blocks.length > maxCertificates) {
    add(part, `holds more than ${maxCertificates} certificates`, 'leave out what is not needed');
    return [];
  }
  const parsed: X509Certificate[] = [];
  for (const [index, one] of blocks.entries()) {
    const certificate = parse(one);
    if (certificate === null)
      add(
        part,
        `cannot be read${blocks.length === 1 ? '' : `: number ${index + 1} of ${blocks.length}`}`,
        'issue it anew, or copy it once more',
      );
    else parsed.push(certificate);
  }
  return parsed.length === blocks.length ? parsed : [];
}

function parse(pem: string): X509Certificate | null {
  try {
    return new (crypto().X509Certificate)(pem);
  } catch {
    return null;
  }
}

function keyOf(text: string, add: Add): KeyObject | null {
  if (text.length > maxPemBytes) {
    add('privateKey', `has more than ${maxPemBytes} bytes`, 'write the key alone');
    return null;
  }
  if (/-----BEGIN ENCRYPTED PRIVATE KEY-----|Proc-Type: 4,ENCRYPTED/.test(text)) {
    add('privateKey', 'is encrypted', 'decrypt it first: openssl pkey -in key.pem -out plain.pem');
    return null;
  }
  try {
    return crypto().createPrivateKey(text);
  } catch {
    if (text.includes('-----BEGIN CERTIFICATE')) add('privateKey', 'holds a certificate and no key', 'the two are exchanged');
    else add('privateKey', 'cannot be read', 'write PEM: -----BEGIN PRIVATE KEY-----');
    return null;
  }
}

function accepted(
  part: keyof PemTexts,
  options: { readonly cert?: string; readonly key?: string; readonly ca?: string; readonly crl?: string },
  add: Add,
): void {
  try {
    tls().createSecureContext({ ...options });
  } catch (error) {
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';
    if (/KEY_TOO_SMALL/.test(code)) add(part, 'has a key that is too short to be safe', 'use RSA of 2048 bits or more, or ECDSA P-256');
    else if (/MD_TOO_WEAK/.test(code)) add(part, 'is signed with a digest that is not safe', 'have it signed with SHA-256');
    else add(part, `is refused by OpenSSL${/^[A-Z0-9_]+$/.test(code) ? ` (${code})` : ''}`, 'issue it anew');
  }
}

function describe(certificate: X509Certificate): CertificateFacts {
  return {
    subject: certificate.subject.replaceAll('\n', ', '),
    subjectAltNames: certificate.subjectAltName?.split(', ') ?? [],
    serial: certificate.serialNumber.toLowerCase(),
    validFrom: Date.parse(certificate.validFrom),
    validTo: Date.parse(certificate.validTo),
  };
}
