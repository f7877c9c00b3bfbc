/** Secrets and ConfigMaps with certificates, for Istio, Gateway API and Weir alike. */
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Secret } from '../../model/tls.ts';
import { diagnose } from '../../analysis/messages.ts';
import { examine, type PemTexts } from '../certificates.ts';
import type { Resource } from '../dialect.ts';
import { configMapKind, secretKind } from './schema.ts';

/** `missing`: there is no such resource. `invalid`: it is broken or does not hold what is asked for. */
export type SecretLookup =
  | { readonly ok: true; readonly secret: Secret }
  | { readonly ok: false; readonly reason: 'missing' | 'invalid'; readonly message: string };

/**
 * Certificates by namespace and name. What is found goes into `Fragment.secrets`, and its `name` into `ServerTls` or
 * `ClientTls`. Broken text has been replaced by its last good version before.
 */
export interface SecretsIndex {
  /** Chain and key: `tls.crt`/`tls.key`, or Istio's `cert`/`key`. The Secret's authorities are left out. */
  keyPair(namespace: string, name: string): SecretLookup;
  /** Authorities and revocation list: `ca.crt` or `cacert`, `ca.crl` or `crl`. Without chain and key. */
  authorities(kind: 'Secret' | 'ConfigMap', namespace: string, name: string): SecretLookup;
}

export function secretsIndex(resources: readonly Resource[]): SecretsIndex {
  const byName = new Map<string, Resource>();
  for (const resource of resources)
    if (resource.dialect === 'kubernetes' && (resource.kind === 'Secret' || resource.kind === 'ConfigMap'))
      byName.set(`${resource.kind}/${resource.namespace}/${resource.name}`, resource);
  const find = (
    kind: 'Secret' | 'ConfigMap',
    namespace: string,
    name: string,
  ): { readonly resource: Resource; readonly texts: PemTexts } | Failure => {
    const resource = byName.get(`${kind}/${namespace}/${name}`);
    if (resource === undefined) return { ok: false, reason: 'missing', message: `there is no ${kind} '${namespace}/${name}'` };
    const texts = textsOf(resource);
    if (texts === null) return { ok: false, reason: 'invalid', message: `${kind} '${namespace}/${name}' has errors` };
    return { resource, texts };
  };
  return {
    keyPair(namespace, name) {
      const found = find('Secret', namespace, name);
      if ('ok' in found) return found;
      const { certificate, privateKey } = found.texts;
      if (certificate === null || privateKey === null)
        return invalid(`Secret '${namespace}/${name}' holds no certificate with its key (tls.crt and tls.key, or cert and key)`);
      return {
        ok: true,
        secret: { name: `kubernetes/Secret/${namespace}/${name}`, certificate, privateKey, ca: null, origin: found.resource.origin },
      };
    },
    authorities(kind, namespace, name) {
      const found = find(kind, namespace, name);
      if ('ok' in found) return found;
      const { ca, crl } = found.texts;
      if (ca === null)
        return invalid(`${kind} '${namespace}/${name}' holds no authorities (ca.crt${kind === 'Secret' ? ', or cacert' : ''})`);
      // A ConfigMap may be of any use: only here it is known to be one of certificates.
      const problem =
        kind === 'ConfigMap' ? examine({ certificate: null, privateKey: null, ca, crl }, Date.now()).find(isError) : undefined;
      if (problem !== undefined) return invalid(`ca.crt of ConfigMap '${namespace}/${name}' ${problem.message}`);
      return {
        ok: true,
        secret: {
          name: `kubernetes/${kind}/${namespace}/${name}#ca`,
          certificate: null,
          privateKey: null,
          ca,
          ...(crl === null ? {} : { crl }),
          origin: found.resource.origin,
        },
      };
    },
  };
}

type Failure = Extract<SecretLookup, { readonly ok: false }>;

function invalid(message: string): Failure {
  return { ok: false, reason: 'invalid', message };
}

function isError({ severity }: { readonly severity: string }): boolean {
  return severity === 'error';
}

const fields = {
  certificate: ['tls.crt', 'cert'],
  privateKey: ['tls.key', 'key'],
  ca: ['ca.crt', 'cacert'],
  crl: ['ca.crl', 'crl'],
} as const satisfies Record<keyof PemTexts, readonly string[]>;

type Values = ReadonlyMap<string, string>;

function textsOf(resource: Resource): PemTexts | null {
  const secret = secretKind.of(resource);
  if (secret !== null) return pemOf(valuesOf(secret.data, secret.stringData));
  const map = configMapKind.of(resource);
  if (map === null) return null;
  return { certificate: null, privateKey: null, ca: map.data?.['ca.crt'] || null, crl: map.data?.['ca.crl'] || null };
}

/** `stringData` overrides `data` (Kubernetes, core/v1 Secret). */
function valuesOf(data: Readonly<Record<string, string>> | undefined, text: Readonly<Record<string, string>> | undefined): Values {
  const values = new Map<string, string>();
  for (const [key, value] of Object.entries(data ?? {})) values.set(key, Buffer.from(value, 'base64').toString('latin1'));
  for (const [key, value] of Object.entries(text ?? {})) values.set(key, value);
  return values;
}

/** Of Kubernetes' and Istio's names a whole pair counts before a half one. */
function pemOf(values: Values): PemTexts {
  const kubernetes = values.has('tls.crt') || values.has('tls.key') || !values.has('cert');
  const [certificate, privateKey] = kubernetes ? (['tls.crt', 'tls.key'] as const) : (['cert', 'key'] as const);
  const first = (names: readonly string[]): string | null => names.map((name) => values.get(name)).find(Boolean) ?? null;
  return {
    certificate: values.get(certificate) || null,
    privateKey: values.get(privateKey) || null,
    ca: first(fields.ca),
    crl: first(fields.crl),
  };
}

/** Adds what is wrong with the certificates of a Secret; an error makes it broken, so that its last good version serves. */
export function checkedSecret(resource: Resource, now: number): Resource {
  if (resource.kind !== 'Secret') return resource;
  const secret = secretKind.of(resource);
  if (secret === null) return resource;
  const diagnostics: Diagnostic[] = [];
  const add = (code: 'WR0105' | 'WR0331' | 'WR0332', path: readonly string[], message: string, hint: string): void => {
    const place = { file: resource.document.file, ...resource.document.locate([...resource.path, ...path], true) };
    diagnostics.push(diagnose(code, place, { kind: 'Secret', namespace: resource.namespace, name: resource.name }, message, { hint }));
  };
  if (resource.name === '')
    add('WR0105', ['metadata', 'name'], 'metadata.name is no name of Kubernetes', 'write small letters, digits, - and .');
  for (const [key, value] of Object.entries(secret.data ?? {}))
    if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value))
      add('WR0105', ['data', key], `data["${key}"] is not base64`, 'put plain text under stringData');
  if (diagnostics.length === 0 && holdsCertificates(secret)) {
    const values = valuesOf(secret.data, secret.stringData);
    for (const { part, severity, message, hint } of examine(expected(secret.type, pemOf(values)), now)) {
      const key = fields[part].find((name) => values.has(name));
      const path = key === undefined ? [] : [secret.stringData?.[key] === undefined ? 'data' : 'stringData', key];
      add(
        severity === 'error' ? 'WR0331' : 'WR0332',
        path,
        `${key ?? (values.has('cert') ? fields[part][1] : fields[part][0])} ${message}`,
        hint,
      );
    }
  }
  return diagnostics.length === 0
    ? resource
    : { ...resource, diagnostics: [...resource.diagnostics, ...diagnostics], broken: diagnostics.some(isError) };
}

/** Other Secrets may hold anything under any name. */
function holdsCertificates({
  type,
  data,
  stringData,
}: {
  readonly type: string;
  readonly data?: object | undefined;
  readonly stringData?: object | undefined;
}): boolean {
  if (type === 'kubernetes.io/tls') return true;
  if (type !== 'Opaque' && type !== 'istio.io/cacert') return false;
  const has = (name: string): boolean =>
    (data !== undefined && Object.hasOwn(data, name)) || (stringData !== undefined && Object.hasOwn(stringData, name));
  return (has('cert') && has('key')) || has('tls.crt') || has('tls.key') || has('cacert') || has('ca.crt');
}

/** A Secret of type kubernetes.io/tls has both parts, even if they are empty. */
function expected(type: string, texts: PemTexts): PemTexts {
  return type === 'kubernetes.io/tls' ? { ...texts, certificate: texts.certificate ?? '', privateKey: texts.privateKey ?? '' } : texts;
}
