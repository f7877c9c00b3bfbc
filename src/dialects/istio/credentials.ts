/** Certificates that Istio resources name: Secrets (`credentialName`) and files. */
import type { Secret } from '../../model/tls.ts';
import type { Path, Resource } from '../dialect.ts';
import { secretsIndex, type SecretLookup } from '../kubernetes/secrets.ts';
import { fileSecret } from '../secrets.ts';
import { originAt, type Reporter } from './report.ts';

/** Each function gives the name of a secret, or null after an error that says why there is none. */
export interface Credentials {
  /** Everything that was found, for the fragment. */
  readonly secrets: ReadonlyMap<string, Secret>;
  /** Chain and key of a Secret in the first of the namespaces that has it. */
  keyPair(name: string, at: CredentialPlace): string | null;
  /** Authorities for `credentialName`: the Secret `NAME-cacert`, else those within the Secret itself. */
  authorities(name: string, at: CredentialPlace): string | null;
  /** `caCertCredentialName`: a Secret or a ConfigMap. */
  bundle(name: string, at: CredentialPlace): string | null;
  files(files: NonNullable<Secret['files']>, resource: Resource, path: Path): string;
}

export interface CredentialPlace {
  readonly resource: Resource;
  readonly path: Path;
  /** Where Secrets are looked for, the best first. */
  readonly namespaces: readonly string[];
}

export function createCredentials(resources: readonly Resource[], report: Reporter): Credentials {
  const index = secretsIndex(resources);
  const secrets = new Map<string, Secret>();
  const take = (secret: Secret): string => {
    if (!secrets.has(secret.name)) secrets.set(secret.name, secret);
    return secret.name;
  };
  const search = (name: string, at: CredentialPlace, look: (namespace: string, name: string) => SecretLookup): string | null => {
    const located = locate(name, at.namespaces);
    if (located === null) {
      report.add('WR0333', at.resource, at.path, `'${name}' is no Secret that Weir can look up`, { hint: 'write the name of a Secret' });
      return null;
    }
    let failure: Extract<SecretLookup, { readonly ok: false }> | null = null;
    for (const namespace of located.namespaces) {
      const found = look(namespace, located.name);
      if (found.ok) return take(found.secret);
      // A Secret that is there and of no use says more than that there is none elsewhere.
      if (failure === null || (failure.reason === 'missing' && found.reason === 'invalid')) failure = found;
    }
    report.add('WR0333', at.resource, at.path, failure?.message ?? `there is no Secret '${name}'`, {
      hint: "add the Secret (kind: Secret, type: kubernetes.io/tls) in the Gateway's namespace",
    });
    return null;
  };
  return {
    secrets,
    keyPair: (name, at) => search(name, at, (namespace, secret) => index.keyPair(namespace, secret)),
    authorities: (name, at) =>
      search(name, at, (namespace, secret) => {
        const own = index.authorities('Secret', namespace, `${secret}-cacert`);
        return own.ok || own.reason === 'invalid' ? own : index.authorities('Secret', namespace, secret);
      }),
    bundle: (name, at) =>
      search(name, at, (namespace, secret) => {
        const found = index.authorities('Secret', namespace, secret);
        return found.ok || found.reason === 'invalid' ? found : index.authorities('ConfigMap', namespace, secret);
      }),
    files: (files, resource, path) => take(fileSecret(resource.document.file, files, originAt(resource, path))),
  };
}

/** `name`, `kubernetes://name` or `kubernetes-gateway://namespace/name` (Istio's names of secrets towards its proxies). */
function locate(name: string, namespaces: readonly string[]): { readonly namespaces: readonly string[]; readonly name: string } | null {
  const scheme = /^([a-z-]+):\/\/(.*)$/.exec(name);
  if (scheme === null) return { namespaces, name };
  const [, kind, rest] = scheme;
  if (kind === 'kubernetes') return { namespaces, name: rest };
  const slash = rest.indexOf('/');
  return kind === 'kubernetes-gateway' && slash > 0 ? { namespaces: [rest.slice(0, slash)], name: rest.slice(slash + 1) } : null;
}
