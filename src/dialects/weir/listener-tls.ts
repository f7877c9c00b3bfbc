/** `tls` of a Weir Listener → TLS that ends there. */
import { tls as nodeTls } from '../../base/late.ts';
import { defaultServerTls, type Secret, type ServerTls, type TlsVersion } from '../../model/tls.ts';
import { developmentSecret } from '../development-certificate.ts';
import type { Path, Resource } from '../dialect.ts';
import type { SecretLookup, SecretsIndex } from '../kubernetes/secrets.ts';
import { fileSecret } from '../secrets.ts';
import type { ListenerSpec } from './kinds.ts';

export type ListenerTls = NonNullable<ListenerSpec['tls']>;

export interface TlsTools {
  readonly resource: Resource;
  readonly index: SecretsIndex;
  readonly secrets: Map<string, Secret>;
  readonly hostnames: readonly string[];
  /** `path` below `spec`. */
  readonly report: (code: 'WR0105' | 'WR0106' | 'WR0333' | 'WR0508', path: Path, message: string, hint: string) => void;
}

const order: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'];

/** Without certificates after an error: handshakes fail. */
export function listenerTls(tls: ListenerTls, alpn: readonly string[], tools: TlsTools): ServerTls {
  const certificates = certificatesOf(tls, tools);
  const client = tls.clientValidation === undefined ? null : clientValidation(tls.clientValidation, tools);
  const sound = [versionsFit(tls, tools), ciphersKnown(tls, tools), tls.clientValidation === undefined || client !== null];
  return {
    ...defaultServerTls,
    certificates: sound.includes(false) ? [] : certificates,
    minVersion: tls.minVersion,
    maxVersion: tls.maxVersion,
    cipherSuites: tls.cipherSuites?.map((name) => name.toUpperCase()) ?? [],
    alpn,
    ...client,
  };
}

function certificatesOf(tls: ListenerTls, { resource, index, secrets, report, hostnames }: TlsTools): readonly string[] {
  const names: string[] = [];
  for (const [place, { name }] of (tls.certificateRefs ?? []).entries()) {
    const found = index.keyPair(resource.namespace ?? 'default', name);
    const taken = take(found, secrets, (message) =>
      report('WR0333', ['tls', 'certificateRefs', place], message, 'add the Secret, of type kubernetes.io/tls'),
    );
    if (taken !== null) names.push(taken);
  }
  for (const [place, files] of (tls.certificateFiles ?? []).entries()) {
    const secret = fileSecret(resource.document.file, files, originOf(resource, ['tls', 'certificateFiles', place]));
    secrets.set(secret.name, secret);
    names.push(secret.name);
  }
  if (tls.development === true) {
    const hosts = hostnames.filter((one) => one !== '*');
    const secret = developmentSecret(hosts.length === 0 ? ['localhost'] : hosts, originOf(resource, ['tls', 'development']));
    secrets.set(secret.name, secret);
    names.push(secret.name);
    report(
      'WR0508',
      ['tls', 'development'],
      'clients are shown a certificate that Weir signed itself, which none of them trusts',
      'leave it out where others than developers connect',
    );
  } else if (tls.certificateRefs === undefined && tls.certificateFiles === undefined)
    report(
      'WR0106',
      ['tls'],
      'spec.tls.certificateRefs is required: TLS ends here',
      'name a Secret with certificateRefs, or files with certificateFiles; for trying out, write development: true',
    );
  return names;
}

function clientValidation(
  validation: NonNullable<ListenerTls['clientValidation']>,
  { resource, index, secrets, report }: TlsTools,
): Pick<ServerTls, 'clientCertificate' | 'ca' | 'subjectAltNames' | 'certificateHashes'> | null {
  const { caCertificateRef: ref, caCertificateFile: file, crlFile } = validation;
  const at = ['tls', 'clientValidation'];
  let ca: string | null = null;
  if (ref !== undefined) {
    const found = index.authorities(ref.kind, resource.namespace ?? 'default', ref.name);
    ca = take(found, secrets, (message) => report('WR0333', [...at, 'caCertificateRef'], message, `add the ${ref.kind} with ca.crt`));
  } else if (file !== undefined) {
    const secret = fileSecret(
      resource.document.file,
      { ca: file, ...(crlFile === undefined ? {} : { crl: crlFile }) },
      originOf(resource, [...at, 'caCertificateFile']),
    );
    secrets.set(secret.name, secret);
    ca = secret.name;
  } else {
    report(
      'WR0106',
      at,
      'spec.tls.clientValidation.caCertificateRef is required',
      'name the authorities with caCertificateRef or caCertificateFile',
    );
  }
  if (crlFile !== undefined && (file === undefined || ref !== undefined)) {
    report('WR0105', [...at, 'crlFile'], 'crlFile stands beside caCertificateFile alone', 'put the list into the Secret, as ca.crl');
    return null;
  }
  if (ca === null) return null;
  return {
    clientCertificate: validation.mode === 'Require' ? 'require' : 'optional',
    ca,
    subjectAltNames: validation.subjectAltNames ?? [],
    certificateHashes: (validation.certificateHashes ?? []).map((hash) => hash.replaceAll(':', '').toLowerCase()),
  };
}

function take(found: SecretLookup, secrets: Map<string, Secret>, failed: (message: string) => void): string | null {
  if (!found.ok) {
    failed(found.message);
    return null;
  }
  secrets.set(found.secret.name, found.secret);
  return found.secret.name;
}

function versionsFit({ minVersion, maxVersion }: ListenerTls, { report }: TlsTools): boolean {
  if (order.indexOf(minVersion) <= order.indexOf(maxVersion)) return true;
  report(
    'WR0105',
    ['tls', 'minVersion'],
    `no version of TLS lies from ${minVersion} to ${maxVersion}`,
    'lower minVersion or raise maxVersion',
  );
  return false;
}

function ciphersKnown({ cipherSuites }: ListenerTls, { report }: TlsTools): boolean {
  if (cipherSuites === undefined) return true;
  const known = new Set(
    nodeTls()
      .getCiphers()
      .map((name) => name.toUpperCase()),
  );
  const wrong = cipherSuites.findIndex((name) => !known.has(name.toUpperCase()) || /^TLS_/i.test(name));
  if (wrong < 0) return true;
  report(
    'WR0105',
    ['tls', 'cipherSuites', wrong],
    `'${cipherSuites[wrong]}' is no cipher suite of TLS 1.2 that OpenSSL has`,
    'write a name as openssl ciphers lists it: ECDHE-RSA-AES128-GCM-SHA256',
  );
  return false;
}

function originOf(resource: Resource, path: Path): Secret['origin'] {
  return { ...resource.origin, ...resource.document.locate([...resource.path, 'spec', ...path]) };
}
