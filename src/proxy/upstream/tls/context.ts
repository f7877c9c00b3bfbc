import { createHash, X509Certificate } from 'node:crypto';
import { createSecureContext, type SecureContext } from 'node:tls';
import { err, ok, type Result } from '../../../base/result.ts';
import type { ClientTls } from '../../../model/tls.ts';
import { loadSystemRoots } from './roots.ts';
import type { Secrets } from './secrets.ts';

/** The suites of TLS 1.3 are not configured; naming others must not switch TLS 1.3 off. */
const tls13Suites = ['TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'];

const contexts = new Map<string, WeakRef<SecureContext>>();

/** Everything that goes into a context: two of the same are one. */
export function contextKey(tls: ClientTls, secrets: Secrets): string {
  const { verify, ca, certificate, minVersion, maxVersion, cipherSuites } = tls;
  const parts = [
    verify,
    ca === null ? null : secrets.digest(ca),
    certificate === null ? null : secrets.digest(certificate),
    minVersion,
    maxVersion,
    cipherSuites,
  ];
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64');
}

/**
 * What handshakes with an upstream use: authorities, our certificate, versions and suites. An error is a reason for the log,
 * without a word of any secret; the caller then connects to nobody.
 */
export function clientContext(tls: ClientTls, secrets: Secrets, key: string): Result<SecureContext, string> {
  const known = contexts.get(key)?.deref();
  if (known !== undefined) return ok(known);
  const made = make(tls, secrets);
  if (made.ok) {
    for (const [old, reference] of contexts) if (reference.deref() === undefined) contexts.delete(old);
    contexts.set(key, new WeakRef(made.value));
  }
  return made;
}

function make(tls: ClientTls, secrets: Secrets): Result<SecureContext, string> {
  const authorities = tls.ca === null ? null : secrets.find(tls.ca);
  if (tls.ca !== null && authorities === null) return err(`no_secret:${tls.ca}`);
  if (authorities !== null && (authorities.ca ?? '').trim() === '') return err(`no_authorities_in_secret:${tls.ca}`);
  // Node leaves out what it cannot read, and a bundle with half its authorities would look like a whole one.
  if (authorities !== null && !isReadable(authorities.ca ?? '')) return err(`bad_secret_or_setting:${tls.ca}`);
  const own = tls.certificate === null ? null : secrets.find(tls.certificate);
  if (tls.certificate !== null && own === null) return err(`no_secret:${tls.certificate}`);
  if (own !== null && (own.certificate === null || own.privateKey === null)) return err(`no_certificate_in_secret:${tls.certificate}`);
  const minVersion = tls.minVersion ?? 'TLSv1.2';
  try {
    if (tls.ca === null && tls.verify) loadSystemRoots();
    return ok(
      createSecureContext({
        ...(authorities === null ? {} : { ca: authorities.ca ?? '' }),
        ...(authorities?.crl === undefined || authorities.crl === null ? {} : { crl: authorities.crl }),
        ...(own === null ? {} : { cert: own.certificate ?? '', key: own.privateKey ?? '' }),
        ...ciphersOf(tls.cipherSuites ?? [], minVersion),
        minVersion,
        maxVersion: tls.maxVersion ?? 'TLSv1.3',
      }),
    );
  } catch (error) {
    const code = error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'ERR_TLS_CONTEXT';
    return err(`bad_secret_or_setting:${code}`);
  }
}

/** Whether every certificate in it is one. */
function isReadable(bundle: string): boolean {
  const blocks = bundle.match(/-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END (?:TRUSTED |X509 )?CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0 || blocks.length !== (bundle.match(/-----BEGIN [A-Z0-9 ]*CERTIFICATE-----/g) ?? []).length) return false;
  try {
    for (const block of blocks) new X509Certificate(block);
    return true;
  } catch {
    return false;
  }
}

function ciphersOf(suites: readonly string[], minVersion: string): { readonly ciphers?: string } {
  // OpenSSL's security level 1 knows no TLS 1.0 and 1.1: whoever asks for them asks for that.
  const isOld = minVersion === 'TLSv1' || minVersion === 'TLSv1.1';
  if (suites.length === 0) return isOld ? { ciphers: [...tls13Suites, 'DEFAULT@SECLEVEL=0'].join(':') } : {};
  const older = suites.filter((name) => !name.startsWith('TLS_'));
  const list = older.length === 0 ? suites : [...tls13Suites, ...older];
  return { ciphers: `${list.join(':')}${isOld ? ':@SECLEVEL=0' : ''}` };
}
