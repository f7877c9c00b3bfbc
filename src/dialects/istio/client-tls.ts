/** `trafficPolicy.tls` of a DestinationRule → TLS towards the service (Istio ClientTLSSettings). */
import type { ClientTls } from '../../model/tls.ts';
import type { Path, Resource } from '../dialect.ts';
import type { Credentials } from './credentials.ts';
import type { Reporter } from './report.ts';
import type { PolicySettings } from './schema/destination-rule.ts';

export type ClientTlsSettings = NonNullable<PolicySettings['tls']>;

export interface ClientTlsPlace {
  readonly resource: Resource;
  /** Of the `tls` block. */
  readonly path: Path;
  /** Where Secrets are looked for. */
  readonly namespaces: readonly string[];
}

/** Null: plain text. `blocked`: what was asked for cannot be done, and plain text must not go in its place. */
export function clientTls(
  settings: ClientTlsSettings,
  place: ClientTlsPlace,
  credentials: Credentials,
  report: Reporter,
): ClientTls | { readonly blocked: string } | null {
  const { mode = 'DISABLE' } = settings;
  const { resource, path, namespaces } = place;
  const rule = `DestinationRule ${resource.namespace}/${resource.name}`;
  if (mode === 'DISABLE') return null;
  if (mode === 'ISTIO_MUTUAL') {
    report.add('WR0109', resource, path, "tls mode ISTIO_MUTUAL needs the mesh's certificates and does not run yet; requests answer 503", {
      hint: 'without TLS: write mode: DISABLE',
      key: true,
    });
    return { blocked: `${rule} asks for TLS (ISTIO_MUTUAL), which does not run yet` };
  }
  const blocked = { blocked: `${rule} asks for TLS (${mode}) with a certificate that cannot be used` };
  const at = (field: string) => ({ resource, path: [...path, field], namespaces });
  let certificate: string | null = null;
  if (mode === 'MUTUAL') {
    certificate = clientCertificate(settings, place, credentials, report);
    if (certificate === null) return blocked;
  }
  const verify = settings.insecureSkipVerify !== true;
  if (!verify)
    report.add(
      'WR0218',
      resource,
      [...path, 'insecureSkipVerify'],
      'the certificate of the service is not looked at: anyone on the way may answer',
      {
        key: true,
        hint: 'name its authorities with caCertificates or credentialName',
      },
    );
  let ca: string | null = null;
  if (settings.caCertificates) {
    const crl = settings.caCrl ? { crl: settings.caCrl } : {};
    ca = credentials.files({ ca: settings.caCertificates, ...crl }, resource, [...path, 'caCertificates']);
  } else if (settings.credentialName && verify) {
    ca = credentials.authorities(settings.credentialName, at('credentialName'));
    if (ca === null) return blocked;
  }
  if (settings.caCrl && !settings.caCertificates) {
    report.add('WR0109', resource, [...path, 'caCrl'], 'caCrl needs caCertificates beside it; requests answer 503', {
      hint: 'name the authorities of the list with caCertificates',
      key: true,
    });
    return { blocked: `${rule} has a revocation list without authorities` };
  }
  return {
    sni: settings.sni || null,
    verify,
    ca,
    subjectAltNames: settings.subjectAltNames ?? [],
    certificate,
  };
}

function clientCertificate(
  settings: ClientTlsSettings,
  { resource, path, namespaces }: ClientTlsPlace,
  credentials: Credentials,
  report: Reporter,
): string | null {
  if (settings.credentialName)
    return credentials.keyPair(settings.credentialName, { resource, path: [...path, 'credentialName'], namespaces });
  const { clientCertificate: certificate, privateKey } = settings;
  if (certificate && privateKey) return credentials.files({ certificate, privateKey }, resource, [...path, 'clientCertificate']);
  const missing = certificate ? 'privateKey' : privateKey ? 'clientCertificate' : 'credentialName';
  report.add('WR0106', resource, path, `tls.${missing} is required: mode MUTUAL shows a client certificate; requests answer 503`, {
    hint: 'name a Secret with credentialName, or files with clientCertificate and privateKey',
    key: true,
  });
  return null;
}

/** Namespaces of Secrets that a DestinationRule names: its own, then those of the gateways (Istio: the proxy's own). */
export function secretNamespaces(rule: Resource, resources: readonly Resource[]): readonly string[] {
  const gateways = resources
    .filter(({ kind, dialect }) => kind === 'Gateway' && dialect === 'istio')
    .map(({ namespace }) => namespace ?? 'default');
  return [...new Set([rule.namespace ?? 'default', ...gateways])];
}
