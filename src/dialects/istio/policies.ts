/**
 * security.istio.io policies do not run yet, extensions of Envoy never do: what they guard is closed. A policy may guard a gateway (its listener answers
 * 503) and the workloads of its namespace (requests to their clusters answer 503). Where its scope cannot be known, every
 * gateway that its labels do not exclude is closed: a policy must never be without effect because a label is not known.
 */
import type { Cluster } from '../../model/cluster.ts';
import type { FilterConfig } from '../../model/filter.ts';
import type { Listener } from '../../model/listener.ts';
import type { Snapshot } from '../../model/snapshot.ts';
import { isRecord } from '../check.ts';
import type { Resource, TranslateOptions } from '../dialect.ts';
import type { ServiceIndex } from '../services.ts';
import type { Reporter } from './report.ts';
import { gatewayKind } from './schema/gateway.ts';
import { authorizationPolicyKind, peerAuthenticationKind, requestAuthenticationKind } from './schema/policies.ts';
import { hasLabels } from './services.ts';

type Labels = Readonly<Record<string, string>>;

interface Target {
  readonly kind: string;
  readonly name: string;
  readonly namespace: string | null;
}

interface Policy {
  readonly resource: Resource;
  /** Null: every workload of the namespace. */
  readonly selector: Labels | null;
  readonly targets: readonly Target[];
  /** Mutual TLS is asked of workloads; a gateway's TLS is that of its servers. */
  readonly gateways: boolean;
  readonly reason: string;
}

/** Policies here hold for every namespace (Istio's default rootNamespace). */
const rootNamespace = 'istio-system';

export function closeScopes(
  snapshot: Snapshot,
  resources: readonly Resource[],
  index: ServiceIndex,
  options: TranslateOptions,
  report: Reporter,
): Snapshot {
  const policies = resources.flatMap((resource) => policyOf(resource, report) ?? []);
  if (policies.length === 0) return snapshot;
  const gateways = gatewayLabels(resources, options);
  const listenerFilters = new Map<string, FilterConfig[]>();
  const reasons = new Map<string, string>();
  const blocked = new Map<string, string>();
  for (const policy of policies) {
    let found = 0;
    const close = (listener: Listener): void => {
      found++;
      const filters = listenerFilters.get(listener.name) ?? [];
      filters.push(blockedFilter(policy));
      listenerFilters.set(listener.name, filters);
      reasons.set(listener.name, policy.reason);
    };
    for (const listener of snapshot.listeners) if (policy.gateways && guards(policy, listener, gateways)) close(listener);
    for (const cluster of snapshot.clusters) {
      if (!guardsCluster(policy, cluster, index)) continue;
      found++;
      blocked.set(cluster.name, policy.reason);
    }
    // Nothing has these labels: they may be those of the gateway itself.
    if (found === 0 && policy.gateways && policy.selector !== null && !isKnown(policy, resources))
      for (const listener of snapshot.listeners)
        if (listener.dialect === 'istio' && listener.kind === 'gateway' && !contradicts(policy.selector, gateways.get(listener.port) ?? []))
          close(listener);
  }
  return {
    ...snapshot,
    listeners: snapshot.listeners.map((listener) => {
      const filters = listenerFilters.get(listener.name);
      if (filters === undefined) return listener;
      return { ...listener, ...closedChains(listener, reasons.get(listener.name) ?? ''), filters: [...listener.filters, ...filters] };
    }),
    clusters: snapshot.clusters.map((cluster) => {
      const reason = blocked.get(cluster.name);
      return reason === undefined ? cluster : { ...cluster, blocked: cluster.blocked ?? reason };
    }),
  };
}

/** Filters see requests alone: what is no HTTP is closed by its chains. */
function closedChains({ chains }: Listener, reason: string): Pick<Listener, 'chains'> {
  if (chains === undefined) return {};
  return { chains: chains.map((chain) => (chain.forward === null ? chain : { ...chain, forward: { ...chain.forward, blocked: reason } })) };
}

function policyOf(resource: Resource, report: Reporter): Policy | null {
  const { kind, namespace, name } = resource;
  if (kind === 'EnvoyFilter' || kind === 'WasmPlugin' || kind === 'TrafficExtension') return extensionOf(resource, report);
  if (kind !== 'AuthorizationPolicy' && kind !== 'PeerAuthentication' && kind !== 'RequestAuthentication') return null;
  const gateways = kind !== 'PeerAuthentication';
  if (resource.broken) return { resource, gateways, ...looseScope(resource), reason: `${kind} ${namespace}/${name} is not valid` };
  const restriction = restrictionOf(resource);
  if (restriction === null) {
    report.add('WR0108', resource, ['kind'], `${kind} does not run yet; as it stands it lets everything through`);
    return null;
  }
  report.add('WR0109', resource, ['kind'], `${kind} does not run yet: ${restriction}`, {
    hint: 'its scope answers 503; take the policy out, or guard the routes with a weir.dev/v1 Policy',
  });
  return { resource, gateways, ...looseScope(resource), reason: `${kind} ${namespace}/${name} does not run yet` };
}

/** Envoy's filters that keep requests out, or may: by their names and types in a patch. */
const keepsOut =
  /rbac|ext_?authz|ext_?proc|jwt|oauth2|basic_?auth|api_?key|rate_?limit|csrf|geoip|admission|bandwidth|connection_?limit|lua|wasm|golang|dynamic_modules|credential/i;

/** Code and patches of Envoy's are never applied; those that may keep requests out close their scope. */
function extensionOf(resource: Resource, report: Reporter): Policy | null {
  const { kind, namespace, name } = resource;
  const spec = isRecord(resource.value) && isRecord(resource.value.spec) ? resource.value.spec : {};
  const restricting = kind === 'EnvoyFilter' ? keepsOut.test(JSON.stringify(spec.configPatches ?? '')) : spec.phase !== 'STATS';
  if (!restricting && !resource.broken) return null;
  const reason = `${kind} ${namespace}/${name} may restrict access and is not applied`;
  report.add('WR0109', resource, ['kind'], `${reason}: its scope answers 503`, {
    hint: 'take it out, or guard the routes with a weir.dev/v1 Policy',
  });
  return { resource, gateways: true, ...looseScope(resource), reason };
}

/** What the policy would refuse, or null when it refuses nothing. */
function restrictionOf(resource: Resource): string | null {
  const authorization = authorizationPolicyKind.of(resource);
  if (authorization !== null) {
    const { action = 'ALLOW', rules } = authorization.spec ?? {};
    if (action === 'AUDIT' || authorization.metadata.annotations?.['istio.io/dry-run'] === 'true') return null;
    // Without rules DENY never matches; a rule without conditions always does.
    if (action === 'DENY' && !rules?.length) return null;
    if (action === 'ALLOW' && rules?.some((rule) => !rule.from?.length && !rule.to?.length && !rule.when?.length)) return null;
    return `it decides who is let through (${action})`;
  }
  const peer = peerAuthenticationKind.of(resource);
  if (peer !== null) {
    const modes = [peer.spec?.mtls?.mode, ...Object.values(peer.spec?.portLevelMtls ?? {}).map((one) => one.mode)];
    return modes.includes('STRICT') ? 'it asks for mutual TLS' : null;
  }
  return requestAuthenticationKind.of(resource)?.spec?.jwtRules?.length ? 'it checks tokens' : null;
}

/** Read without the schema, so that a broken policy keeps its scope. */
function looseScope(resource: Resource): Pick<Policy, 'selector' | 'targets'> {
  const spec = isRecord(resource.value) && isRecord(resource.value.spec) ? resource.value.spec : {};
  const selector: Record<string, string> = {};
  const workloads = isRecord(spec.selector)
    ? spec.selector.matchLabels
    : isRecord(spec.workloadSelector)
      ? spec.workloadSelector.labels
      : null;
  if (isRecord(workloads)) for (const [name, value] of Object.entries(workloads)) if (typeof value === 'string') selector[name] = value;
  const listed: readonly unknown[] = Array.isArray(spec.targetRefs) ? spec.targetRefs : [];
  const targets = [spec.targetRef, ...listed].flatMap((target): Target[] =>
    isRecord(target) && typeof target.kind === 'string' && typeof target.name === 'string'
      ? [{ kind: target.kind, name: target.name, namespace: typeof target.namespace === 'string' ? target.namespace : resource.namespace }]
      : [],
  );
  return { selector: Object.keys(selector).length === 0 ? null : selector, targets };
}

interface GatewayLabels {
  readonly namespace: string | null;
  readonly labels: Labels;
}

/** Labels of the gateways that listen on each port, as far as they are known. */
function gatewayLabels(resources: readonly Resource[], options: TranslateOptions): ReadonlyMap<number, readonly GatewayLabels[]> {
  const byPort = new Map<number, GatewayLabels[]>();
  for (const resource of resources) {
    const gateway = resource.dialect === 'istio' ? gatewayKind.of(resource) : null;
    if (gateway === null) continue;
    const labels = options.labels ?? gateway.spec.selector ?? {};
    for (const server of gateway.spec.servers)
      byPort.set(server.port.number, [...(byPort.get(server.port.number) ?? []), { namespace: resource.namespace, labels }]);
  }
  return byPort;
}

function guards(policy: Policy, listener: Listener, gateways: ReadonlyMap<number, readonly GatewayLabels[]>): boolean {
  const { namespace } = policy.resource;
  if (listener.dialect === 'gateway-api') {
    const { name, namespace: home } = listener.origin;
    if (policy.targets.length > 0)
      return policy.targets.some(
        (target) =>
          (target.kind === 'Gateway' && target.name === name && target.namespace === home) ||
          (target.kind === 'GatewayClass' && namespace === rootNamespace),
      );
    if (namespace !== home && namespace !== rootNamespace) return false;
    return policy.selector === null || hasLabels({ 'gateway.networking.k8s.io/gateway-name': name }, policy.selector);
  }
  if (listener.dialect !== 'istio' || listener.kind !== 'gateway' || policy.targets.length > 0) return false;
  if (policy.selector === null && namespace === rootNamespace) return true;
  // The workload of a Gateway may live in another namespace than the resource: its labels alone decide.
  return (gateways.get(listener.port) ?? []).some((gateway) =>
    policy.selector === null ? gateway.namespace === namespace : hasLabels(gateway.labels, policy.selector),
  );
}

function guardsCluster(policy: Policy, cluster: Cluster, index: ServiceIndex): boolean {
  const { namespace } = policy.resource;
  if (policy.targets.length > 0) {
    return policy.targets.some((target) => {
      if (target.kind !== 'Service' && target.kind !== 'ServiceEntry') return false;
      if (target.kind === 'ServiceEntry')
        return (
          cluster.origin.kind === 'ServiceEntry' && cluster.origin.name === target.name && cluster.origin.namespace === target.namespace
        );
      return index.resolve(target.name, target.namespace)?.host === cluster.service || cluster.service === target.name;
    });
  }
  const home = cluster.serviceNamespace ?? cluster.origin.namespace;
  if (namespace !== rootNamespace && namespace !== home) return false;
  const { selector } = policy;
  if (selector === null) return true;
  return cluster.endpoints.some(({ labels }) => Object.keys(labels).length === 0 || hasLabels(labels, selector));
}

/** Whether some workload that the configuration names has the labels of the policy. */
function isKnown(policy: Policy, resources: readonly Resource[]): boolean {
  const { selector } = policy;
  if (selector === null) return true;
  return resources.some(({ kind, namespace, value }) => {
    if (kind !== 'Pod' && kind !== 'WorkloadEntry' && kind !== 'Service') return false;
    if (namespace !== policy.resource.namespace || !isRecord(value)) return false;
    const { metadata, spec } = value;
    const sets = [isRecord(metadata) ? metadata.labels : null, isRecord(spec) ? spec.labels : null, isRecord(spec) ? spec.selector : null];
    return sets.some((set) => isRecord(set) && Object.entries(selector).every(([name, wanted]) => set[name] === wanted));
  });
}

/** Whether a known label of every gateway has another value than the policy asks for. */
function contradicts(selector: Labels, gateways: readonly GatewayLabels[]): boolean {
  return (
    gateways.length > 0 &&
    gateways.every(({ labels }) => Object.entries(selector).some(([name, value]) => labels[name] !== undefined && labels[name] !== value))
  );
}

function blockedFilter(policy: Policy): FilterConfig {
  const { kind, key, origin } = policy.resource;
  const name = kind.replaceAll(/[a-z](?=[A-Z])/g, (letter) => `${letter}-`).toLowerCase();
  return { name, config: {}, origin, stateKey: `${key}/${name}`, blocked: { status: 503, reason: policy.reason } };
}
