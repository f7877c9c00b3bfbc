import { constants, createHash } from 'node:crypto';
import type { SecureContextOptions } from 'node:tls';
import type { Secret, ServerTls } from '../../../model/tls.ts';
import { readCertificate, type ServerCertificate } from './certificates.ts';

export type ReadSecret = (name: string) => Secret | null;

/** TLS 1.2 with forward secrecy and authenticated encryption, nothing else; our order holds. */
const defaultCiphers = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
];
/** TLS 1.0 and 1.1 have nothing better, and OpenSSL allows them at its lowest level only. */
const oldCiphers = ['ECDHE-ECDSA-AES128-SHA', 'ECDHE-RSA-AES128-SHA', 'ECDHE-ECDSA-AES256-SHA', 'ECDHE-RSA-AES256-SHA', '@SECLEVEL=0'];

/** How long a session can be resumed, seconds; the ticket keys live as long. */
const sessionTimeoutS = 3600;

/** One chain's TLS with everything that it names. */
export interface TlsMaterial {
  readonly config: ServerTls;
  readonly certificates: readonly ServerCertificate[];
  readonly ca: Secret | null;
  /** Changes with any of it. */
  readonly id: string;
}

/** Reads what a chain names; a text is the reason why it cannot serve. */
export function readMaterial(config: ServerTls, secret: ReadSecret): TlsMaterial | string {
  const hash = createHash('sha256').update(JSON.stringify(config));
  const certificates: ServerCertificate[] = [];
  for (const name of config.certificates) {
    const found = secret(name);
    const certificate = found === null ? null : readCertificate(found);
    if (found === null || certificate === null) continue;
    certificates.push(certificate);
    hash.update(`\0${found.certificate ?? ''}\0${found.privateKey ?? ''}`);
  }
  if (certificates.length === 0) return 'the listener has no usable certificate';
  const ca = config.ca === null ? null : secret(config.ca);
  if (config.ca !== null && (ca === null || ca.ca === null)) return 'the authorities for client certificates are missing';
  hash.update(`\0${ca?.ca ?? ''}\0${ca?.crl ?? ''}`);
  return { config, certificates, ca, id: hash.digest('hex') };
}

/** What OpenSSL is told for one set of certificates. Throws when it refuses them. */
export function contextOptions(
  { config, ca, id }: TlsMaterial,
  shown: readonly ServerCertificate[],
  ticketKeys: Buffer,
): SecureContextOptions {
  const isOld = config.minVersion === 'TLSv1' || config.minVersion === 'TLSv1.1';
  const ciphers =
    config.cipherSuites.length > 0
      ? [...config.cipherSuites, ...(isOld ? ['@SECLEVEL=0'] : [])]
      : [...defaultCiphers, ...(isOld ? oldCiphers : [])];
  return {
    cert: shown.map(({ chain }) => chain),
    key: shown.map(({ key }) => key),
    // An empty list trusts nobody; without the option Node trusts its own.
    ca: ca?.ca === null || ca?.ca === undefined ? [] : [ca.ca],
    ...(ca?.crl === null || ca?.crl === undefined ? {} : { crl: ca.crl }),
    // TLS 1.3's own suites stay as OpenSSL has them: the list names them so that Node does not take its defaults for 1.2 too.
    ciphers: ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256', ...ciphers].join(':'),
    minVersion: config.minVersion,
    maxVersion: config.maxVersion,
    honorCipherOrder: true,
    secureOptions: constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_COMPRESSION | constants.SSL_OP_CIPHER_SERVER_PREFERENCE,
    sessionIdContext: id.slice(0, 32),
    sessionTimeout: sessionTimeoutS,
    ticketKeys,
  };
}
