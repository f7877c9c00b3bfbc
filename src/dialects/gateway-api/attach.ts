/** Which listeners a route attaches to, and the status of each of its parents. */
import type { Condition, ResourceStatus } from '../../model/snapshot.ts';

import { condition, labelsOfNamespace, report, selects, type Context } from './context.ts';
import type { GatewayUnit, ListenerUnit, RouteUnit } from './gateways.ts';
import { intersectHosts, overlap, type HostShare } from './hostnames.ts';
import { gatewayGroup, type ParentRef } from './schema/common.ts';

interface Refusal {
  readonly code: 'WR0108' | 'WR0301' | 'WR0302' | 'WR0303' | 'WR0304' | 'WR0316';
  readonly reason: 'NoMatchingParent' | 'NotAllowedByListeners' | 'NoMatchingListenerHostname' | 'UnsupportedValue' | 'Pending';
  readonly message: string;
  readonly hint?: string;
}

export interface RouteSpec {
  readonly parentRefs: readonly ParentRef[];
  readonly useDefaultGateways?: 'All' | 'None' | undefined;
  /** Absent in routes of TCP and UDP. */
  readonly hostnames?: readonly string[];
}

/** Attaches one route to all its parents; returns the parents for its status. Routes come oldest first. */
export function attachRoute(
  context: Context,
  gateways: ReadonlyMap<string, GatewayUnit>,
  unit: RouteUnit,
  spec: RouteSpec,
): ResourceStatus['parents'] {
  const resolved = resolvedRefs(unit);
  if (spec.useDefaultGateways === 'All')
    report(
      context,
      'WR0108',
      unit.resource,
      ['spec', 'useDefaultGateways'],
      'useDefaultGateways does not run yet: the route attaches by parentRefs only',
    );
  if (spec.parentRefs.length === 0)
    report(
      context,
      'WR0301',
      unit.resource,
      ['spec'],
      `${unit.kind} ${unit.key} has no parentRefs: it is not served`,
      'write parentRefs: [{name: <Gateway>}]',
    );
  return spec.parentRefs.map((ref, index) => {
    const namespace = ref.namespace ?? unit.namespace;
    const refusal = attachParent(context, gateways, unit, spec, ref, namespace);
    if (refusal !== null) report(context, refusal.code, unit.resource, ['spec', 'parentRefs', index], refusal.message, refusal.hint);
    return {
      kind: ref.kind,
      namespace,
      name: ref.name,
      sectionName: ref.sectionName ?? null,
      port: ref.port ?? null,
      conditions: [accepted(unit, refusal), resolved, ...partlyInvalid(unit)],
    };
  });
}

function attachParent(
  context: Context,
  gateways: ReadonlyMap<string, GatewayUnit>,
  unit: RouteUnit,
  spec: RouteSpec,
  ref: ParentRef,
  namespace: string,
): Refusal | null {
  const what = `${ref.kind} ${namespace}/${ref.name}`;
  if (ref.group === '' && ref.kind === 'Service')
    return {
      code: 'WR0108',
      reason: 'Pending',
      message: `routes of a mesh (parent ${what}) do not run yet`,
      hint: 'attach the route to a Gateway',
    };
  if (ref.group === gatewayGroup && ref.kind === 'ListenerSet')
    return {
      code: 'WR0108',
      reason: 'Pending',
      message: `ListenerSets (parent ${what}) do not run yet`,
      hint: 'put the listeners into the Gateway',
    };
  if (ref.group !== gatewayGroup || ref.kind !== 'Gateway')
    return {
      code: 'WR0302',
      reason: 'NoMatchingParent',
      message: `${ref.kind}.${ref.group} cannot be the parent of a route`,
      hint: 'write kind: Gateway',
    };
  const gateway = gateways.get(`${namespace}/${ref.name}`);
  if (gateway === undefined)
    return {
      code: 'WR0301',
      reason: 'NoMatchingParent',
      message: `${what} is not in the configuration: the route is not served there`,
      hint: gateways.size === 0 ? 'add the Gateway to the -f paths' : `there are: ${[...gateways.keys()].slice(0, 10).join(', ')}`,
    };
  return attachGateway(context, gateway, unit, spec, ref);
}

function attachGateway(context: Context, gateway: GatewayUnit, unit: RouteUnit, spec: RouteSpec, ref: ParentRef): Refusal | null {
  const named = gateway.listeners.filter(
    (listener) =>
      (ref.sectionName === undefined || listener.spec.name === ref.sectionName) &&
      (ref.port === undefined || listener.spec.port === ref.port),
  );
  const wanted = [
    ...(ref.sectionName === undefined ? [] : [`named '${ref.sectionName}'`]),
    ...(ref.port === undefined ? [] : [`on port ${ref.port}`]),
  ].join(' ');
  if (named.length === 0)
    return {
      code: 'WR0302',
      reason: 'NoMatchingParent',
      message: `Gateway ${gateway.key} has no listener ${wanted}`,
      hint: `it has ${gateway.listeners.map((one) => `${one.spec.name} (${one.spec.port})`).join(', ')}`,
    };
  const usable = named.filter((listener) => listener.refused === null);
  if (usable.length === 0)
    return {
      code: 'WR0302',
      reason: 'NoMatchingParent',
      message: `no listener ${wanted ? `${wanted} ` : ''}of Gateway ${gateway.key} is valid: ${named[0].refused?.message ?? ''}`,
    };
  const allowing = usable.filter((listener) => allows(context, listener, unit));
  if (allowing.length === 0) {
    const kind = usable.some((listener) => listener.supportedKinds.includes(unit.kind));
    return {
      code: 'WR0303',
      // TLSRouteSpec.hostnames: a listener of another protocol has a reason of its own.
      reason: unit.kind === 'TLSRoute' && usable.every(({ protocol }) => protocol !== 'TLS') ? 'UnsupportedValue' : 'NotAllowedByListeners',
      message: kind
        ? `no listener of Gateway ${gateway.key} allows routes of namespace ${unit.namespace}`
        : `no listener of Gateway ${gateway.key} allows ${unit.kind}s`,
      hint: kind
        ? `add allowedRoutes: {namespaces: {from: All}} to the listener; without it only routes of namespace ${gateway.namespace} attach`
        : `a ${unit.kind} needs a listener of protocol ${protocolsFor[unit.kind]}, whose allowedRoutes.kinds hold it`,
    };
  }
  const hostnames = spec.hostnames ?? [];
  const fitting = allowing.flatMap((listener) => {
    const hosts = intersectHosts(hostnames, listener.hostname);
    return hosts === null ? [] : [{ listener, hosts }];
  });
  if (fitting.length === 0)
    return {
      code: 'WR0304',
      reason: 'NoMatchingListenerHostname',
      message: `hostnames ${hostnames.join(', ')} fit no listener of Gateway ${gateway.key} (${allowing.map((one) => one.hostname ?? 'any host').join(', ')})`,
    };
  let rival: RouteUnit | null = null;
  let attached = 0;
  for (const { listener, hosts } of fitting) {
    const other = otherKind(listener, unit, hosts);
    if (other !== null) {
      rival = other;
      continue;
    }
    attached++;
    // Routes come one by one: if this one is attached already, by another parentRef, it is the last.
    if (listener.attachments.at(-1)?.unit !== unit) listener.attachments.push({ unit, hosts });
    listener.attachedKinds.add(unit.kind);
  }
  if (attached > 0 || rival === null) return null;
  return {
    code: 'WR0316',
    reason: 'NotAllowedByListeners',
    message: `${rival.kind} ${rival.key} already serves these hostnames: a listener serves HTTPRoutes or GRPCRoutes on one hostname, not both`,
    hint: 'give the two routes different hostnames',
  };
}

/** GRPCRoute and HTTPRoute exclude one another on a hostname; the older one was attached before. */
function otherKind(listener: ListenerUnit, unit: RouteUnit, hosts: readonly HostShare[]): RouteUnit | null {
  if (unit.l4 !== null || listener.attachedKinds.size === 0 || (listener.attachedKinds.size === 1 && listener.attachedKinds.has(unit.kind)))
    return null;
  for (const one of listener.attachments) if (one.unit.kind !== unit.kind && overlap(one.hosts, hosts)) return one.unit;
  return null;
}

const protocolsFor: Readonly<Record<RouteUnit['kind'], string>> = {
  HTTPRoute: 'HTTP or HTTPS',
  GRPCRoute: 'HTTP or HTTPS',
  TLSRoute: 'TLS',
  TCPRoute: 'TCP or TLS',
  UDPRoute: 'UDP',
};

function allows(context: Context, listener: ListenerUnit, unit: RouteUnit): boolean {
  if (!listener.supportedKinds.includes(unit.kind)) return false;
  const { from, selector } = listener.spec.allowedRoutes?.namespaces ?? { from: 'Same' as const, selector: undefined };
  if (from === 'All') return true;
  if (from === 'Same') return unit.namespace === listener.gateway.namespace;
  return from === 'Selector' && selector !== undefined && selects(selector, labelsOfNamespace(context, unit.namespace));
}

function accepted(unit: RouteUnit, refusal: Refusal | null): Condition {
  if (refusal !== null) return condition('Accepted', refusal.reason === 'Pending' ? 'Unknown' : false, refusal.reason, refusal.message);
  const bad = unit.rules.filter((rule) => rule.unsupported !== null);
  return bad.length > 0 && bad.length === unit.rules.length
    ? condition('Accepted', false, 'UnsupportedValue', bad[0].unsupported ?? '')
    : condition('Accepted', true, 'Accepted', 'the route is attached');
}

function partlyInvalid(unit: RouteUnit): readonly Condition[] {
  const bad = unit.rules.filter((rule) => rule.unsupported !== null);
  if (bad.length === 0 || bad.length === unit.rules.length) return [];
  return [
    condition(
      'PartiallyInvalid',
      true,
      'UnsupportedValue',
      `rules left out: ${bad.map((rule) => rule.route.rule).join(', ')}; ${bad[0].unsupported}`,
    ),
  ];
}

function resolvedRefs(unit: RouteUnit): Condition {
  const problem = [...unit.rules, ...(unit.l4 === null ? [] : [unit.l4])].find(({ problems }) => problems.length > 0)?.problems[0];
  if (problem !== undefined) return condition('ResolvedRefs', false, problem.reason, problem.message);
  return condition('ResolvedRefs', true, 'ResolvedRefs', 'all references resolve');
}
