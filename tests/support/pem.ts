/**
 * Certificates for tests, valid for a hundred years, of one authority: `server` (ECDSA) and `rsa` for example.com and *.example.com,
 * `other` for other.example.org, `backend` for backend.internal and spiffe://example.com/backend, `client` for
 * spiffe://example.com/ann.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = join(import.meta.dirname, '..', 'fixtures', 'tls');

export type PemName = 'ca.crt' | `${'server' | 'rsa' | 'other' | 'backend' | 'client'}.${'crt' | 'key'}`;

export function pemPath(name: PemName): string {
  return join(folder, name);
}

export function pem(name: PemName): string {
  return readFileSync(pemPath(name), 'utf8');
}

/** A Secret of type kubernetes.io/tls as a YAML document. */
export function tlsSecret(namespace: string, name: string, pair: 'server' | 'other' | 'backend' | 'client'): string {
  const data = Object.entries({ 'tls.crt': pem(`${pair}.crt`), 'tls.key': pem(`${pair}.key`) });
  const lines = data.map(([key, text]) => `  ${key}: ${Buffer.from(text).toString('base64')}`).join('\n');
  return `---\napiVersion: v1\nkind: Secret\nmetadata: {name: ${name}, namespace: ${namespace}}\ntype: kubernetes.io/tls\ndata:\n${lines}\n`;
}

/** A ConfigMap with the authority under `ca.crt`, as a YAML document. */
export function caConfigMap(namespace: string, name: string): string {
  return `---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: ${namespace}}\ndata:\n  ca.crt: |\n${pem('ca.crt').trimEnd().replace(/^/gm, '    ')}\n`;
}
