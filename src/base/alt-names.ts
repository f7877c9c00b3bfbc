import type { X509Certificate } from 'node:crypto';

/** Subject alternative names of a certificate by type. DNS names in lower case. */
export interface AltNames {
  readonly dns: readonly string[];
  readonly uri: readonly string[];
  readonly ip: readonly string[];
  readonly email: readonly string[];
}

/**
 * Reads Node's text of a certificate's subject alternative names (`DNS:a, IP Address:1.2.3.4, URI:"…"`). Values that could be taken
 * for several are in JSON's quotes there (CVE-2021-44532).
 */
export function altNames(certificate: Pick<X509Certificate, 'subjectAltName'>): AltNames {
  const names = { dns: [] as string[], uri: [] as string[], ip: [] as string[], email: [] as string[] };
  for (const [kind, value] of entries(certificate.subjectAltName ?? '')) {
    if (value === '') continue;
    if (kind === 'DNS') names.dns.push(value.toLowerCase());
    else if (kind === 'URI') names.uri.push(value);
    else if (kind === 'IP Address') names.ip.push(value);
    else if (kind === 'email') names.email.push(value);
  }
  return names;
}

function entries(text: string): [kind: string, value: string][] {
  const found: [string, string][] = [];
  const entry = /([^:,]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/gy;
  for (let match = entry.exec(text); match !== null && match[0] !== ''; match = entry.exec(text)) {
    const [, kind = '', value = ''] = match;
    found.push([kind, value.startsWith('"') ? unquoted(value) : value]);
  }
  return found;
}

function unquoted(value: string): string {
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'string' ? parsed : '';
  } catch {
    return '';
  }
}

/** Whether a DNS name of a certificate holds for `host` (RFC 6125 §6.4.3): a `*` stands for the whole first label only. Both in lower case. */
export function dnsNameHolds(name: string, host: string): boolean {
  if (!name.startsWith('*.')) return name === host;
  const dot = host.indexOf('.');
  return dot > 0 && host.slice(dot) === name.slice(1);
}
