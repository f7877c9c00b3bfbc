/** The authorities that the system trusts. */
import { readFileSync } from 'node:fs';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';

/** Where distributions keep their bundle: Debian and Alpine, Fedora, SUSE, older Red Hat. */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
];

function read(path: string): readonly string[] {
  try {
    return readFileSync(path, 'latin1').match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  } catch {
    return [];
  }
}

let loaded = false;

/**
 * Makes the system's bundle (or the file that SSL_CERT_FILE names) what contexts without authorities of their own trust in
 * this thread; where there is none, Mozilla's list as Node brings it. Parsed once, at first use: some 10 ms.
 */
export function loadSystemRoots(): void {
  if (loaded) return;
  loaded = true;
  const named = process.env['SSL_CERT_FILE'];
  const paths = named === undefined || named === '' ? bundles : [named];
  for (const path of paths) {
    const found = read(path);
    if (found.length === 0) continue;
    try {
      setDefaultCACertificates(found);
      return;
    } catch {
      // A bundle with a broken certificate: the next one.
    }
  }
  // A file that was named and is not there must not widen what is trusted.
  setDefaultCACertificates(named === undefined || named === '' ? getCACertificates('bundled') : []);
}
