/** TLS of one listener: its certificates, and what it asks of client certificates. */
import type { Secret, ServerTls } from '../../model/tls.ts';
import { defaultServerTls } from '../../model/tls.ts';
import type { Path, Resource } from '../dialect.ts';
import { permitted, report, type Context } from './context.ts';
import { gatewayGroup, type SecretRef } from './schema/common.ts';
import { coreProtocol, type Gateway, type GatewayListener } from './schema/gateway.ts';

/** Reason and message of a condition that is False. */
export interface Problem {
  readonly reason: string;
  readonly message: string;
}

export interface ListenerTls {
  /** Null: no connection can be served. */
  readonly server: ServerTls | null;
  /** First reference that does not resolve. */
  readonly refs: Problem | null;
  /** Set: the listener is not accepted. */
  readonly refused: Problem | null;
  /** Clients without a valid certificate are let through (AllowInsecureFallback). */
  readonly insecure: boolean;
}

/** Authorities for client certificates, resolved once for all listeners that share them. */
export interface Validation {
  /** Name of the secret; null: none of the references is valid. */
  readonly ca: string | null;
  readonly mode: 'AllowValidOnly' | 'AllowInsecureFallback';
  readonly problem: Problem | null;
}

export interface GatewayTls {
  readonly context: Context;
  readonly resource: Resource;
  readonly namespace: string;
  readonly spec: Gateway['spec'];
  /** By the object that stands in the Gateway. */
  readonly validations: Map<object, Validation>;
}

/** Null: the listener has no TLS that ends here. */
export function readListenerTls(gateway: GatewayTls, listener: GatewayListener, path: Path): ListenerTls | null {
  const protocol = coreProtocol(listener.protocol);
  if ((protocol !== 'HTTPS' && protocol !== 'TLS') || listener.tls?.mode === 'Passthrough') return null;
  const { context, resource } = gateway;
  if (listener.tls?.options !== undefined)
    report(
      context,
      'WR0108',
      resource,
      [...path, 'tls', 'options'],
      'options do not run yet: they belong to other implementations, and TLS 1.2 and 1.3 with safe ciphers are spoken',
    );
  const { names, problem } = certificates(gateway, listener, path);
  const validation = protocol === 'HTTPS' ? validationOf(gateway, listener, path) : null;
  const refs = problem ?? validation?.problem ?? null;
  const refused =
    validation !== null && validation.ca === null
      ? { reason: 'NoValidCACertificate', message: 'no authority for client certificates is valid: nobody could be let in' }
      : null;
  if (names.length === 0 || refused !== null) return { server: null, refs, refused, insecure: false };
  const insecure = validation?.mode === 'AllowInsecureFallback';
  return {
    server: {
      ...defaultServerTls,
      certificates: names,
      clientCertificate: validation === null ? 'none' : insecure ? 'ask' : 'require',
      ca: validation?.ca ?? null,
      alpn: protocol === 'HTTPS' ? ['h2', 'http/1.1'] : [],
    },
    refs,
    refused,
    insecure,
  };
}

/** Names of the secrets that are good; a bad one among them is told and left out. */
function certificates(
  gateway: GatewayTls,
  listener: GatewayListener,
  path: Path,
): { readonly names: readonly string[]; readonly problem: Problem | null } {
  const { context, resource } = gateway;
  const refs = listener.tls?.certificateRefs ?? [];
  if (refs.length === 0) {
    const problem = { reason: 'InvalidCertificateRef', message: `listener '${listener.name}' names no certificate` };
    report(
      context,
      'WR0319',
      resource,
      path,
      problem.message,
      'write tls: {certificateRefs: [{name: <Secret of type kubernetes.io/tls>}]}',
    );
    return { names: [], problem };
  }
  let problem: Problem | null = null;
  const names = new Set<string>();
  for (const [index, ref] of refs.entries()) {
    const found = certificate(gateway, ref, [...path, 'tls', 'certificateRefs', index], 'InvalidCertificateRef');
    if (typeof found === 'string') names.add(found);
    else problem ??= found;
  }
  return { names: [...names], problem };
}

/** Name of the secret with certificate and key, or the problem, which has been reported. */
export function certificate(gateway: Omit<GatewayTls, 'validations'>, ref: SecretRef, path: Path, reason: string): string | Problem {
  const { context, resource } = gateway;
  const namespace = ref.namespace ?? gateway.namespace;
  const fail = (problem: Problem, hint: string): Problem => {
    report(context, problem.reason === 'RefNotPermitted' ? 'WR0306' : 'WR0319', resource, path, problem.message, hint);
    return problem;
  };
  if (ref.group !== '' || ref.kind !== 'Secret')
    return fail({ reason, message: `${ref.kind} '${ref.name}' is not a Secret` }, 'write kind: Secret, or leave kind and group out');
  if (!isPermitted(gateway, { ...ref, namespace })) return fail(...forbidden('Secret', namespace, ref.name));
  const found = context.index.keyPair(namespace, ref.name);
  if (!found.ok)
    return fail({ reason, message: found.message }, 'the Secret holds tls.crt and tls.key, as kubectl create secret tls writes them');
  return keep(context, found.secret);
}

function keep(context: Context, secret: Secret): string {
  context.secrets.set(secret.name, secret);
  return secret.name;
}

function isPermitted(
  { context, namespace }: Pick<GatewayTls, 'context' | 'namespace'>,
  ref: { readonly group: string; readonly kind: string; readonly namespace: string; readonly name: string },
): boolean {
  return permitted(context, { group: gatewayGroup, kind: 'Gateway', namespace }, ref);
}

function forbidden(kind: string, namespace: string, name: string): [Problem, string] {
  const message = `no ReferenceGrant lets this Gateway refer to ${kind} ${namespace}/${name}`;
  return [{ reason: 'RefNotPermitted', message }, `add a ReferenceGrant to namespace ${namespace}`];
}

interface Written {
  readonly caCertificateRefs: readonly CaRef[];
  readonly mode: Validation['mode'];
}

interface CaRef {
  readonly group: string;
  readonly kind: string;
  readonly name: string;
  readonly namespace?: string | undefined;
}

/** The listener's own (experimental until v1.4), else that of its port, else the Gateway's default; a port's own stands in for the default even when it is empty. */
function validationOf(gateway: GatewayTls, listener: GatewayListener, path: Path): Validation | null {
  const { frontend } = gateway.spec.tls ?? {};
  const own = listener.tls?.frontendValidation;
  if (own !== undefined)
    return resolve(gateway, own, { caCertificateRefs: own.caCertificateRefs ?? [], mode: 'AllowValidOnly' }, [
      ...path,
      'tls',
      'frontendValidation',
    ]);
  const port = frontend?.perPort?.findIndex((one) => one.port === listener.port) ?? -1;
  const written = port < 0 ? frontend?.default.validation : frontend?.perPort?.[port].tls.validation;
  if (written === undefined) return null;
  const at = port < 0 ? ['default'] : ['perPort', port, 'tls'];
  return resolve(gateway, written, written, ['spec', 'tls', 'frontend', ...at, 'validation']);
}

function resolve(gateway: GatewayTls, key: object, written: Written, path: Path): Validation {
  const known = gateway.validations.get(key);
  if (known !== undefined) return known;
  const { context, resource } = gateway;
  let problem: Problem | null = null;
  const found: Secret[] = [];
  for (const [index, ref] of written.caCertificateRefs.entries()) {
    const one = authorities(gateway, ref);
    if ('name' in one) {
      found.push(one);
      continue;
    }
    const code = one.reason === 'RefNotPermitted' ? 'WR0306' : 'WR0323';
    report(context, code, resource, [...path, 'caCertificateRefs', index], one.message, caHint);
    problem ??= one;
  }
  if (written.caCertificateRefs.length === 0) {
    problem = { reason: 'InvalidCACertificateRef', message: 'no authority for client certificates is named' };
    report(context, 'WR0323', resource, path, problem.message, caHint);
  }
  if (written.mode === 'AllowInsecureFallback')
    report(
      context,
      'WR0324',
      resource,
      [...path, 'mode'],
      'clients without a valid certificate are let through: the backend alone decides about them',
      'write mode: AllowValidOnly',
    );
  const ca = bundle(context, found, `${resource.key}/${path.join('.')}`, resource);
  const validation = { ca, mode: written.mode, problem };
  gateway.validations.set(key, validation);
  return validation;
}

const caHint = 'name a ConfigMap with the PEM text of the authorities under ca.crt';

function authorities(gateway: GatewayTls, ref: CaRef): Secret | Problem {
  const namespace = ref.namespace ?? gateway.namespace;
  const { kind } = ref;
  if (ref.group !== '' || (kind !== 'ConfigMap' && kind !== 'Secret'))
    return { reason: 'InvalidCACertificateKind', message: `${kind} '${ref.name}' holds no authorities: only a ConfigMap or a Secret does` };
  if (!isPermitted(gateway, { ...ref, namespace })) return forbidden(kind, namespace, ref.name)[0];
  const found = gateway.context.index.authorities(kind, namespace, ref.name);
  return found.ok ? found.secret : { reason: 'InvalidCACertificateRef', message: found.message };
}

/** One secret that holds the authorities of all; null for none. */
export function bundle(context: Context, secrets: readonly Secret[], name: string, resource: Resource): string | null {
  const [first] = secrets;
  if (first === undefined) return null;
  if (secrets.length === 1) return keep(context, first);
  const lists = secrets.flatMap(({ crl }) => crl ?? []);
  return keep(context, {
    name,
    certificate: null,
    privateKey: null,
    ca: secrets.map(({ ca }) => ca ?? '').join('\n'),
    ...(lists.length === 0 ? {} : { crl: lists.join('\n') }),
    origin: resource.origin,
  });
}

/** Entries of perPort that no listener looks at: a mistyped port would leave one open. */
export function reportUnusedPorts({ context, resource, spec }: GatewayTls): void {
  for (const [index, { port }] of (spec.tls?.frontend?.perPort ?? []).entries())
    if (!spec.listeners.some((one) => one.port === port && coreProtocol(one.protocol) === 'HTTPS'))
      report(
        context,
        'WR0325',
        resource,
        ['spec', 'tls', 'frontend', 'perPort', index, 'port'],
        `no HTTPS listener stands on port ${port}: this has no effect`,
        'write the port of an HTTPS listener',
      );
}
