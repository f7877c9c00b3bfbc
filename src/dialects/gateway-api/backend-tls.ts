/** BackendTLSPolicy: which connections to Services are TLS, and whom they trust. One that is not valid closes its Service. */
import type { Cluster } from '../../model/cluster.ts';
import type { Condition, ResourceStatus, Snapshot } from '../../model/snapshot.ts';
import type { ClientTls, Secret } from '../../model/tls.ts';
import { isRecord } from '../check.ts';
import type { Resource, TranslateInput } from '../dialect.ts';
import type { ServiceDefinition } from '../services.ts';
import { byAge, condition, createdAt, makeContext, report, type Context } from './context.ts';
import { bundle, type Problem } from './listener-tls.ts';
import { backendTlsPolicyKind, type BackendTlsPolicy } from './schema/others.ts';

/** What a policy does to the connections of its target. */
export type BackendTls = { readonly tls: ClientTls } | { readonly blocked: string };

export interface BackendTlsBook {
  /** There is no policy at all. */
  readonly isEmpty: boolean;
  /** Null: no policy is for this port of the Service. */
  find(host: string, port: number): BackendTls | null;
  readonly status: readonly ResourceStatus[];
}

interface Target {
  /** Host of the Service; `*.suffix` where the policy cannot be read. */
  readonly host: string;
  /** Null: every port. */
  readonly port: number | null;
  readonly policy: Policy;
}

interface Policy {
  readonly resource: Resource;
  readonly created: number;
  readonly key: string;
  readonly effect: BackendTls;
}

const books = new WeakMap<TranslateInput, BackendTlsBook>();

/** Policies of one translation; their problems are reported once. */
export function backendTls(context: Context): BackendTlsBook {
  let book = books.get(context.input);
  if (book === undefined) books.set(context.input, (book = readPolicies(context)));
  return book;
}

function readPolicies(context: Context): BackendTlsBook {
  const resources = context.input.resources.filter((one) => one.dialect === 'gateway-api' && one.kind === 'BackendTLSPolicy');
  const targets = new Map<string, Target>();
  const status: ResourceStatus[] = [];
  const sorted = resources
    .map((resource) => ({ resource, created: createdAt(resource), key: `${resource.namespace}/${resource.name}` }))
    .sort(byAge);
  // What nobody can read is taken first: no other policy may open what it was to guard.
  for (const head of sorted.toSorted((a, b) => Number(b.resource.broken) - Number(a.resource.broken))) {
    const value = head.resource.broken ? null : backendTlsPolicyKind.of(head.resource);
    if (value === null) {
      const policy: Policy = { ...head, effect: { blocked: `BackendTLSPolicy ${head.key} is broken` } };
      for (const host of hostsOfBroken(head.resource)) targets.set(`${host} `, { host, port: null, policy });
      continue;
    }
    status.push(readPolicy(context, head, value, targets));
  }
  const all = [...targets.values()];
  const broken = all.filter(({ host, policy }) => host.startsWith('*.') || policy.resource.broken);
  return {
    isEmpty: all.length === 0,
    status,
    find(host, port) {
      if (all.length === 0) return null;
      const closing = broken.find((one) => (one.host.startsWith('*.') ? host.endsWith(one.host.slice(1)) : one.host === host));
      return (closing ?? targets.get(`${host} ${port}`) ?? targets.get(`${host} `))?.policy.effect ?? null;
    },
  };
}

function readPolicy(
  context: Context,
  head: Omit<Policy, 'effect'>,
  { spec }: BackendTlsPolicy,
  targets: Map<string, Target>,
): ResourceStatus {
  const { resource, key } = head;
  const namespace = resource.namespace ?? 'default';
  const { tls, refs, refused } = validation(context, resource, spec.validation);
  const policy: Policy = {
    ...head,
    effect: refused === null && tls !== null ? { tls } : { blocked: `BackendTLSPolicy ${key}: ${refused?.message ?? 'not valid'}` },
  };
  if (spec.options !== undefined)
    report(context, 'WR0108', resource, ['spec', 'options'], 'options do not run yet: they belong to other implementations');
  let accepted: Problem | null = refused;
  for (const [index, ref] of spec.targetRefs.entries()) {
    const path = ['spec', 'targetRefs', index];
    const host = `${ref.name}.${namespace}.svc.cluster.local`.toLowerCase();
    const service = ref.group === '' && ref.kind === 'Service' ? context.services.resolve(host, null) : null;
    const port = ref.sectionName === undefined || service === null ? null : portNamed(service, ref.sectionName);
    const missing = targetProblem(ref, service, port, namespace);
    if (missing !== null) {
      accepted ??= { reason: 'TargetNotFound', message: missing };
      report(context, 'WR0326', resource, path, missing, 'name a Service of the namespace of the policy, and one of its ports by its name');
    }
    const place = `${host} ${port ?? ''}`;
    const holder = targets.get(place);
    if (holder === undefined) {
      const wrongKind = missing !== null && (ref.group !== '' || ref.kind !== 'Service');
      targets.set(place, {
        host,
        port,
        policy: wrongKind ? { ...policy, effect: { blocked: `BackendTLSPolicy ${key}: ${missing}` } } : policy,
      });
      continue;
    }
    if (holder.policy.resource === resource) continue;
    const message = `Service ${namespace}/${ref.name} has BackendTLSPolicy ${holder.policy.key} already, which is older: that one counts`;
    accepted ??= { reason: 'Conflicted', message };
    report(context, 'WR0327', resource, path, message, 'join the two, or name a port of its own with sectionName');
  }
  return statusOf(resource, accepted, refs);
}

function targetProblem(
  ref: BackendTlsPolicy['spec']['targetRefs'][number],
  service: ServiceDefinition | null,
  port: number | null,
  namespace: string,
): string | null {
  if (ref.group !== '' || ref.kind !== 'Service') return `${ref.kind} '${ref.name}' cannot be the target of a BackendTLSPolicy`;
  if (service === null) return `Service ${namespace}/${ref.name} is not in the configuration`;
  // A port of another name may be meant: all of them are TLS then.
  return ref.sectionName !== undefined && port === null ? `Service ${namespace}/${ref.name} has no port named '${ref.sectionName}'` : null;
}

function portNamed({ ports }: ServiceDefinition, name: string): number | null {
  return ports.find((port) => port.name === name)?.number ?? null;
}

type Validation = BackendTlsPolicy['spec']['validation'];

function validation(
  context: Context,
  resource: Resource,
  { caCertificateRefs = [], wellKnownCACertificates, hostname, subjectAltNames = [] }: Validation,
): { readonly tls: ClientTls | null; readonly refs: Problem | null; readonly refused: Problem | null } {
  const namespace = resource.namespace ?? 'default';
  const path = ['spec', 'validation'];
  const found: Secret[] = [];
  let refs: Problem | null = null;
  for (const [index, ref] of caCertificateRefs.entries()) {
    const one = authority(context, namespace, ref);
    if ('name' in one) {
      found.push(one);
      continue;
    }
    report(
      context,
      'WR0323',
      resource,
      [...path, 'caCertificateRefs', index],
      one.message,
      'name a ConfigMap of the namespace of the policy with the PEM text of the authorities under ca.crt',
    );
    refs ??= one;
  }
  if (wellKnownCACertificates !== undefined && wellKnownCACertificates !== 'System') {
    const refused = { reason: 'Invalid', message: `wellKnownCACertificates '${wellKnownCACertificates}' is not known` };
    report(context, 'WR0326', resource, [...path, 'wellKnownCACertificates'], refused.message, 'write System');
    return { tls: null, refs, refused };
  }
  if (wellKnownCACertificates === undefined && found.length === 0)
    return { tls: null, refs, refused: { reason: 'NoValidCACertificate', message: 'none of the authorities is valid' } };
  return {
    refs,
    refused: null,
    tls: {
      sni: hostname,
      verify: true,
      ca: bundle(context, found, `${resource.key}/ca`, resource),
      subjectAltNames: subjectAltNames.map((name) => (name.type === 'Hostname' ? name.hostname : name.uri)),
      certificate: null,
    },
  };
}

function authority(
  context: Context,
  namespace: string,
  ref: { readonly group: string; readonly kind: string; readonly name: string },
): Secret | Problem {
  const { group, kind, name } = ref;
  if (group !== '' || (kind !== 'ConfigMap' && kind !== 'Secret'))
    return { reason: 'InvalidKind', message: `${kind} '${name}' holds no authorities: only a ConfigMap or a Secret does` };
  const found = context.index.authorities(kind, namespace, name);
  return found.ok ? found.secret : { reason: 'InvalidCACertificateRef', message: found.message };
}

function statusOf(resource: Resource, accepted: Problem | null, refs: Problem | null): ResourceStatus {
  const { kind, namespace, name, origin } = resource;
  const conditions: readonly Condition[] = [
    accepted === null
      ? condition('Accepted', true, 'Accepted', 'connections to its targets are TLS')
      : condition('Accepted', false, accepted.reason, accepted.message),
    refs === null
      ? condition('ResolvedRefs', true, 'ResolvedRefs', 'all references resolve')
      : condition('ResolvedRefs', false, refs.reason, refs.message),
  ];
  return { kind, namespace, name, origin, quarantined: resource.stale === true, conditions, listeners: [], parents: [] };
}

/** Hosts that a broken policy names: a mistake in it must not open what it guards. */
function hostsOfBroken(resource: Resource): readonly string[] {
  const namespace = resource.namespace ?? 'default';
  const whole = `*.${namespace}.svc.cluster.local`;
  const { value } = resource;
  const spec = isRecord(value) && isRecord(value.spec) ? value.spec : null;
  if (spec === null || !Array.isArray(spec.targetRefs) || spec.targetRefs.length === 0) return [whole];
  return spec.targetRefs.map((ref: unknown) =>
    isRecord(ref) && typeof ref.name === 'string' ? `${ref.name}.${namespace}.svc.cluster.local`.toLowerCase() : whole,
  );
}

/** Clusters whose bytes are TLS of the client's own, end to end. */
export const passthrough = 'passthrough';

/** Brings the policies to clusters of every dialect that lead to their targets. */
export function applyBackendTls(snapshot: Snapshot, input: TranslateInput): Snapshot {
  const known = books.get(input);
  if (known !== undefined) return withPolicies(snapshot, known);
  const context = makeContext(input);
  const applied = withPolicies(snapshot, backendTls(context));
  return { ...applied, secrets: [...(applied.secrets ?? []), ...context.secrets.values()] };
}

function withPolicies(snapshot: Snapshot, book: BackendTlsBook): Snapshot {
  if (book.isEmpty) return snapshot;
  const clusters = snapshot.clusters.map((cluster) => {
    const [host, port, , variant] = cluster.name.split('|');
    // Other dialects' names hold no port: then policies for a whole Service count.
    const effect =
      variant === passthrough || variant === 'udp'
        ? null
        : book.find(cluster.service, host === cluster.service ? Number(port) : Number.NaN);
    return effect === null ? cluster : withTls(cluster, effect);
  });
  return { ...snapshot, clusters };
}

/** A client certificate that the cluster has stays: the policy says nothing of it. */
export function withTls(cluster: Cluster, effect: BackendTls): Cluster {
  if ('blocked' in effect) return { ...cluster, transport: 'tls', blocked: cluster.blocked ?? effect.blocked };
  return { ...cluster, transport: 'tls', tls: { ...effect.tls, certificate: cluster.tls?.certificate ?? null } };
}
