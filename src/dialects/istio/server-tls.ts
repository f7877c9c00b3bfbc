/** `tls` of a Gateway's server → TLS that ends at the listener (Istio ServerTLSSettings). */
import type { z } from 'zod';
import { tls as nodeTls } from '../../base/late.ts';
import { defaultServerTls, type ServerTls, type TlsVersion } from '../../model/tls.ts';
import { nearest } from '../../base/text.ts';
import { fieldName } from '../check.ts';
import type { Path, Resource } from '../dialect.ts';
import type { Credentials } from './credentials.ts';
import type { Reporter } from './report.ts';
import type { serverTls as schema } from './schema/common.ts';

export type ServerTlsSettings = z.output<ReturnType<typeof schema>>;

const versions = {
  TLS_AUTO: null,
  TLSV1_0: 'TLSv1',
  TLSV1_1: 'TLSv1.1',
  TLSV1_2: 'TLSv1.2',
  TLSV1_3: 'TLSv1.3',
} as const satisfies Record<string, TlsVersion | null>;
const order: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

const certificateFields = ['credentialName', 'credentialNames', 'serverCertificate', 'privateKey', 'tlsCertificates'] as const;
const clientFields = [
  'caCertificates',
  'caCrl',
  'caCertCredentialName',
  'subjectAltNames',
  'verifyCertificateSpki',
  'verifyCertificateHash',
] as const;
const handshakeFields = ['minProtocolVersion', 'maxProtocolVersion', 'cipherSuites'] as const;

interface Place {
  readonly resource: Resource;
  readonly path: Path;
  readonly report: Reporter;
}

/** Fields that say nothing in the server's mode: somebody expects something of them. */
export function noticeUnused(tls: ServerTlsSettings, place: Place): void {
  const { mode = 'PASSTHROUGH' } = tls;
  const passed = mode === 'PASSTHROUGH' || mode === 'AUTO_PASSTHROUGH';
  const unused: readonly (keyof ServerTlsSettings)[] = [
    ...(passed || mode === 'ISTIO_MUTUAL' ? certificateFields : []),
    ...(passed || mode === 'SIMPLE' ? clientFields : []),
    ...(passed ? handshakeFields : []),
  ];
  for (const field of unused) {
    const value = tls[field];
    if (value === undefined || (Array.isArray(value) && value.length === 0)) continue;
    place.report.add('WR0216', place.resource, [...place.path, field], `tls.${field} has no effect in mode ${mode}`, {
      key: true,
      hint:
        tls.mode === undefined ? 'write mode: SIMPLE; without a mode TLS is passed through' : `write another mode, or leave ${field} out`,
    });
  }
  for (const [index, pair] of (tls.tlsCertificates ?? []).entries())
    if (pair.caCertificates && mode !== 'MUTUAL' && mode !== 'OPTIONAL_MUTUAL')
      place.report.add(
        'WR0216',
        place.resource,
        [...place.path, 'tlsCertificates', index, 'caCertificates'],
        `caCertificates has no effect in mode ${mode}`,
        { key: true, hint: 'write mode: MUTUAL, or leave caCertificates out' },
      );
}

/**
 * For every mode but the two that pass TLS through. Whatever is missing or wrong is an error, and the result has no
 * certificate then: handshakes fail, nothing is served in plain text or without the check that was asked for.
 */
export function endTls(tls: ServerTlsSettings, alpn: readonly string[], place: Place, credentials: Credentials): ServerTls {
  const { mode = 'PASSTHROUGH' } = tls;
  const closed = (): ServerTls => ({ ...defaultServerTls, certificates: [], alpn });
  if (mode === 'ISTIO_MUTUAL') {
    place.report.add(
      'WR0109',
      place.resource,
      [...place.path, 'mode'],
      "ISTIO_MUTUAL needs the mesh's certificates, which do not run yet",
      {
        hint: 'handshakes with this server fail; write mode: MUTUAL with a credentialName',
      },
    );
    return closed();
  }
  const certificates = certificatesOf(tls, place, credentials);
  const range = versionRange(tls, place);
  const ciphers = cipherSuites(tls, place);
  const mutual = mode === 'MUTUAL' || mode === 'OPTIONAL_MUTUAL';
  const ca = mutual ? authoritiesOf(tls, place, credentials) : null;
  if (certificates.length === 0 || range === null || ciphers === null || (mutual && ca === null)) return closed();
  return {
    ...defaultServerTls,
    ...range,
    certificates,
    cipherSuites: ciphers,
    alpn,
    clientCertificate: mode === 'MUTUAL' ? 'require' : mutual ? 'optional' : 'none',
    ca,
    ...(mutual
      ? {
          subjectAltNames: tls.subjectAltNames ?? [],
          certificateHashes: (tls.verifyCertificateHash ?? []).map((hash) => hash.replaceAll(':', '').toLowerCase()),
          certificateSpki: tls.verifyCertificateSpki ?? [],
        }
      : {}),
  };
}

/** Istio takes the first source of: names, one name, files in a list, files. */
function certificatesOf(tls: ServerTlsSettings, { resource, path, report }: Place, credentials: Credentials): readonly string[] {
  const at = (...more: Path): { resource: Resource; path: Path; namespaces: readonly string[] } => ({
    resource,
    path: [...path, ...more],
    namespaces: [resource.namespace ?? 'default'],
  });
  if (tls.credentialNames?.length)
    return tls.credentialNames.flatMap((name, index) => credentials.keyPair(name, at('credentialNames', index)) ?? []);
  if (tls.credentialName) return [credentials.keyPair(tls.credentialName, at('credentialName'))].filter((name) => name !== null);
  const pairs = tls.tlsCertificates?.length
    ? tls.tlsCertificates.map((pair, index) => ({ ...pair, at: ['tlsCertificates', index] }))
    : [{ serverCertificate: tls.serverCertificate, privateKey: tls.privateKey, at: [] }];
  return pairs.flatMap(({ serverCertificate, privateKey, at: part }) => {
    if (serverCertificate && privateKey)
      return [credentials.files({ certificate: serverCertificate, privateKey }, resource, [...path, ...part, 'serverCertificate'])];
    const missing = serverCertificate ? 'privateKey' : privateKey ? 'serverCertificate' : 'credentialName';
    report.add('WR0106', resource, [...path, ...part], `${fieldName([...path, ...part, missing])} is required: TLS ends here`, {
      hint: 'name a Secret with credentialName, or files with serverCertificate and privateKey',
    });
    return [];
  });
}

function authoritiesOf(tls: ServerTlsSettings, { resource, path, report }: Place, credentials: Credentials): string | null {
  const namespaces = [resource.namespace ?? 'default'];
  if (tls.caCertCredentialName)
    return credentials.bundle(tls.caCertCredentialName, { resource, path: [...path, 'caCertCredentialName'], namespaces });
  const listed = tls.tlsCertificates?.findIndex((pair) => pair.caCertificates) ?? -1;
  const file = tls.caCertificates || tls.tlsCertificates?.[listed]?.caCertificates;
  if (file) {
    const at = tls.caCertificates ? ['caCertificates'] : ['tlsCertificates', listed, 'caCertificates'];
    return credentials.files({ ca: file, ...(tls.caCrl ? { crl: tls.caCrl } : {}) }, resource, [...path, ...at]);
  }
  const [index, name] = tls.credentialNames?.length ? [0, tls.credentialNames[0]] : [null, tls.credentialName];
  if (tls.caCrl)
    report.add('WR0216', resource, [...path, 'caCrl'], 'tls.caCrl has no effect without caCertificates', {
      key: true,
      hint: 'put the list into the Secret, as ca.crl beside ca.crt',
    });
  if (name)
    return credentials.authorities(name, {
      resource,
      path: [...path, ...(index === null ? ['credentialName'] : ['credentialNames', index])],
      namespaces,
    });
  report.add(
    'WR0106',
    resource,
    path,
    `${fieldName([...path, 'caCertificates'])} is required: mode ${tls.mode ?? ''} checks client certificates`,
    {
      hint: 'name the authorities with caCertificates, caCertCredentialName, or within the Secret',
    },
  );
  return null;
}

function versionRange(tls: ServerTlsSettings, { resource, path, report }: Place): Pick<ServerTls, 'minVersion' | 'maxVersion'> | null {
  const minVersion = versions[tls.minProtocolVersion ?? 'TLS_AUTO'] ?? defaultServerTls.minVersion;
  const maxVersion = versions[tls.maxProtocolVersion ?? 'TLS_AUTO'] ?? defaultServerTls.maxVersion;
  if (order.indexOf(minVersion) <= order.indexOf(maxVersion)) return { minVersion, maxVersion };
  const field = tls.maxProtocolVersion === undefined ? 'minProtocolVersion' : 'maxProtocolVersion';
  report.add('WR0105', resource, [...path, field], `no version of TLS lies from ${minVersion} to ${maxVersion}`, {
    hint:
      tls.minProtocolVersion === undefined
        ? `write minProtocolVersion, too; without it ${minVersion} is the lowest`
        : 'raise maxProtocolVersion',
  });
  return null;
}

/** Null when suites were asked for and none of them is known. */
function cipherSuites(tls: ServerTlsSettings, { resource, path, report }: Place): readonly string[] | null {
  if (!tls.cipherSuites?.length) return [];
  const known = nodeTls()
    .getCiphers()
    .map((name) => name.toUpperCase());
  const kept = tls.cipherSuites.filter((name, index) => {
    const suite = name.toUpperCase();
    if (suite.startsWith('TLS_')) {
      report.add('WR0216', resource, [...path, 'cipherSuites', index], `the suites of TLS 1.3 are not chosen, ${name} among them`, {
        hint: 'list suites of TLS 1.2 alone, or leave the field out',
      });
      return false;
    }
    if (known.includes(suite)) return true;
    const near = nearest(suite, known);
    report.add('WR0105', resource, [...path, 'cipherSuites', index], `'${name}' is no cipher suite that OpenSSL has`, {
      hint: near === null ? 'write a name as openssl ciphers lists it: ECDHE-RSA-AES128-GCM-SHA256' : `did you mean '${near}'?`,
    });
    return false;
  });
  const only13 = tls.cipherSuites.every((name) => name.toUpperCase().startsWith('TLS_'));
  return kept.length > 0 || only13 ? kept.map((name) => name.toUpperCase()) : null;
}
