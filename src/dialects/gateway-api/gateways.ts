/** Gateways and their listeners: what binds, what conflicts, and which kinds of routes may attach. */
import { isIP } from 'node:net';
import type { Condition } from '../../model/snapshot.ts';
import type { Path, Resource } from '../dialect.ts';
import { byAge, condition, createdAt, permitted, report, type Context } from './context.ts';
import type { HostShare } from './hostnames.ts';
import type { CompiledRule } from './rules.ts';
import { gatewayGroup } from './schema/common.ts';
import { gatewayKind, type Gateway, type GatewayListener } from './schema/gateway.ts';

/** A route as it attaches to listeners. */
export interface RouteUnit {
  readonly resource: Resource;
  readonly kind: 'HTTPRoute' | 'GRPCRoute';
  readonly namespace: string;
  readonly created: number;
  readonly key: string;
  readonly rules: readonly CompiledRule[];
}

export interface Attachment {
  readonly unit: RouteUnit;
  readonly hosts: readonly HostShare[];
}

export interface ListenerUnit {
  readonly gateway: GatewayUnit;
  readonly index: number;
  readonly spec: GatewayListener;
  /** Null: every host. */
  readonly hostname: string | null;
  readonly supportedKinds: readonly string[];
  /** First problem of its references, null when they resolve. */
  readonly refs: { readonly reason: string; readonly message: string } | null;
  /** Set: the listener is not accepted. */
  refused: { readonly reason: string; readonly message: string } | null;
  conflicted: boolean;
  readonly attachments: Attachment[];
  readonly attachedKinds: Set<RouteUnit['kind']>;
  /** `address:port` of model listeners that carry it, empty when it is not served. */
  readonly sockets: string[];
}

export interface GatewayUnit {
  readonly resource: Resource;
  readonly spec: Gateway['spec'];
  readonly namespace: string;
  readonly created: number;
  readonly key: string;
  /** Addresses to bind; empty when none is usable. */
  readonly addresses: readonly string[];
  readonly addressProblem: { readonly reason: 'UnsupportedAddress' | 'AddressNotUsable'; readonly message: string } | null;
  readonly listeners: readonly ListenerUnit[];
}

/** Oldest first. */
export function readGateways(context: Context): readonly GatewayUnit[] {
  const gateways: GatewayUnit[] = [];
  for (const resource of context.input.resources) {
    if (resource.dialect !== 'gateway-api') continue;
    const gateway = gatewayKind.of(resource);
    if (gateway !== null) gateways.push(readGateway(context, resource, gateway.spec));
  }
  return gateways.sort(byAge);
}

function readGateway(context: Context, resource: Resource, spec: Gateway['spec']): GatewayUnit {
  const { addresses, problem } = readAddresses(context, resource, spec);
  const listeners: ListenerUnit[] = [];
  const unit: GatewayUnit = {
    resource,
    spec,
    namespace: resource.namespace ?? 'default',
    created: createdAt(resource),
    key: `${resource.namespace}/${resource.name}`,
    addresses,
    addressProblem: problem,
    listeners,
  };
  for (const [index, listener] of spec.listeners.entries()) listeners.push(readListener(context, unit, index, listener));
  findConflicts(context, unit);
  reportPending(context, unit);
  return unit;
}

function readAddresses(
  context: Context,
  resource: Resource,
  spec: Gateway['spec'],
): { addresses: readonly string[]; problem: GatewayUnit['addressProblem'] } {
  if (spec.addresses.length === 0) return { addresses: [context.input.options.bind], problem: null };
  const addresses = new Set<string>();
  let problem: GatewayUnit['addressProblem'] = null;
  for (const [index, { type, value }] of spec.addresses.entries()) {
    const path: Path = ['spec', 'addresses', index];
    if (type !== 'IPAddress') {
      problem ??= { reason: 'UnsupportedAddress', message: `addresses of type ${type} cannot be bound` };
      report(
        context,
        'WR0317',
        resource,
        [...path, 'type'],
        `addresses of type ${type} cannot be bound`,
        'write type: IPAddress, or remove addresses to listen on every interface',
      );
    } else if (value === undefined) addresses.add(context.input.options.bind);
    else if (isIP(value) !== 0) addresses.add(value.toLowerCase());
    else {
      problem ??= { reason: 'AddressNotUsable', message: `'${value}' is not an IP address` };
      report(context, 'WR0317', resource, [...path, 'value'], `'${value}' is not an IP address`);
    }
  }
  return { addresses: [...addresses], problem };
}

const routeKinds: Readonly<Record<string, readonly string[]>> = {
  HTTP: ['HTTPRoute', 'GRPCRoute'],
  HTTPS: ['HTTPRoute', 'GRPCRoute'],
  TLS: ['TLSRoute'],
  TCP: ['TCPRoute'],
  UDP: ['UDPRoute'],
};

function readListener(context: Context, gateway: GatewayUnit, index: number, spec: GatewayListener): ListenerUnit {
  const path: Path = ['spec', 'listeners', index];
  const { resource } = gateway;
  let refused: ListenerUnit['refused'] = null;
  const possible = routeKinds[spec.protocol] ?? [];
  if (!Object.hasOwn(routeKinds, spec.protocol)) {
    refused = { reason: 'UnsupportedProtocol', message: `protocol ${spec.protocol} is not supported` };
    report(context, 'WR0310', resource, [...path, 'protocol'], refused.message, 'write HTTP, HTTPS, TLS, TCP or UDP');
  } else if (spec.protocol !== 'HTTP') {
    report(
      context,
      'WR0108',
      resource,
      [...path, 'protocol'],
      `listener '${spec.name}': ${spec.protocol} does not run yet, port ${spec.port} is not opened for it`,
      'protocol HTTP runs',
    );
    if (spec.protocol === 'TCP' || spec.protocol === 'UDP')
      refused = { reason: 'UnsupportedProtocol', message: `protocol ${spec.protocol} does not run yet` };
  }
  let refs: ListenerUnit['refs'] = null;
  const wanted = spec.allowedRoutes?.kinds;
  const supportedKinds: string[] = [];
  if (wanted === undefined || wanted.length === 0) supportedKinds.push(...possible);
  else
    for (const [at, { group, kind }] of wanted.entries()) {
      if (group === gatewayGroup && possible.includes(kind)) supportedKinds.push(kind);
      else {
        refs ??= { reason: 'InvalidRouteKinds', message: `${kind} cannot attach to a listener of protocol ${spec.protocol}` };
        report(
          context,
          'WR0318',
          resource,
          [...path, 'allowedRoutes', 'kinds', at],
          `${kind} cannot attach to a listener of protocol ${spec.protocol}`,
          `possible: ${possible.join(', ') || 'none'}`,
        );
      }
    }
  refs ??= checkCertificates(context, gateway, spec, path);
  return {
    gateway,
    index,
    spec,
    hostname: spec.hostname ?? null,
    supportedKinds,
    refs,
    refused,
    conflicted: false,
    attachments: [],
    attachedKinds: new Set(),
    sockets: [],
  };
}

/** Certificates are not used before TLS runs; their references are checked all the same. */
function checkCertificates(context: Context, gateway: GatewayUnit, spec: GatewayListener, path: Path): ListenerUnit['refs'] {
  let first: ListenerUnit['refs'] = null;
  for (const [index, ref] of (spec.tls?.certificateRefs ?? []).entries()) {
    const namespace = ref.namespace ?? gateway.namespace;
    const at = [...path, 'tls', 'certificateRefs', index];
    const from = { group: gatewayGroup, kind: 'Gateway', namespace: gateway.namespace };
    if (ref.group !== '' || ref.kind !== 'Secret') {
      first ??= { reason: 'InvalidCertificateRef', message: `${ref.kind} '${ref.name}' is not a Secret` };
      report(context, 'WR0319', gateway.resource, at, `${ref.kind} '${ref.name}' is not a Secret`);
    } else if (!permitted(context, from, { ...ref, namespace })) {
      first ??= { reason: 'RefNotPermitted', message: `no ReferenceGrant lets this Gateway refer to Secret ${namespace}/${ref.name}` };
      report(context, 'WR0306', gateway.resource, at, first.message, `add a ReferenceGrant to namespace ${namespace}`);
    } else if (!context.objects.has(`Secret/${namespace}/${ref.name}`)) {
      first ??= { reason: 'InvalidCertificateRef', message: `Secret ${namespace}/${ref.name} is not in the configuration` };
      report(context, 'WR0319', gateway.resource, at, `Secret ${namespace}/${ref.name} is not in the configuration`);
    }
  }
  return first;
}

/** Protocols that share a port: the same one told apart by hostname, and HTTPS beside TLS. */
function excludes(a: string, b: string): boolean {
  return (a === 'HTTP') !== (b === 'HTTP');
}

/** Within one Gateway no conflicting listener is the winner: all of them are refused. */
function findConflicts(context: Context, { resource, listeners }: GatewayUnit): void {
  // Listeners of protocols that are never served take no place from others.
  const unsupported = new Set(listeners.filter((listener) => listener.refused !== null));
  for (const one of listeners)
    for (const other of listeners) {
      if (one === other || one.spec.port !== other.spec.port || one.conflicted) continue;
      if (unsupported.has(one) || unsupported.has(other)) continue;
      const protocol = excludes(one.spec.protocol, other.spec.protocol);
      if (!protocol && (one.spec.protocol !== other.spec.protocol || one.hostname !== other.hostname)) continue;
      const reason = protocol ? 'ProtocolConflict' : 'HostnameConflict';
      const message = `Conflicted: listeners '${one.spec.name}' and '${other.spec.name}' share port ${one.spec.port}${protocol ? ` with protocols ${one.spec.protocol} and ${other.spec.protocol}` : ` and hostname ${one.hostname ?? '(any)'}`}`;
      one.conflicted = true;
      one.refused ??= { reason, message };
      report(
        context,
        'WR0309',
        resource,
        ['spec', 'listeners', one.index],
        message,
        protocol ? 'give one of them another port' : 'give one of them another hostname or port',
      );
    }
}

function reportPending(context: Context, { resource, spec }: GatewayUnit): void {
  const pending = (field: string, effect: string): void =>
    report(context, 'WR0108', resource, ['spec', field], `${field} does not run yet: ${effect}`);
  if (spec.infrastructure !== undefined) pending('infrastructure', 'Weir creates no cluster objects that would carry it');
  if (spec.allowedListeners !== undefined) pending('allowedListeners', 'listeners of ListenerSets are not opened');
  if (spec.tls !== undefined) pending('tls', 'TLS listeners and client certificates are not used');
  if (spec.defaultScope === 'All') pending('defaultScope', 'routes attach by parentRefs only');
}

/** Conditions of one listener (Gateway.status.listeners[].conditions). */
export function listenerConditions(listener: ListenerUnit): readonly Condition[] {
  const { refused, conflicted, refs, sockets, spec } = listener;
  const programmed = sockets.length > 0;
  const waits = `${spec.protocol} does not run yet: the port is not opened`;
  return [
    refused === null
      ? condition('Accepted', true, 'Accepted', 'the listener is valid')
      : condition('Accepted', false, refused.reason, refused.message),
    conflicted && refused !== null
      ? condition('Conflicted', true, refused.reason, refused.message)
      : condition('Conflicted', false, 'NoConflicts', 'no other listener takes its place'),
    refs === null
      ? condition('ResolvedRefs', true, 'ResolvedRefs', 'all references resolve')
      : condition('ResolvedRefs', false, refs.reason, refs.message),
    programmed
      ? condition('Programmed', true, 'Programmed', `serves on ${sockets.join(', ')}`)
      : refused !== null
        ? condition('Programmed', false, 'Invalid', refused.message)
        : condition('Programmed', false, 'Pending', spec.protocol === 'HTTP' ? 'the Gateway has no usable address' : waits),
  ];
}

/** Conditions of a Gateway, from those of its listeners. */
export function gatewayConditions(gateway: GatewayUnit): readonly Condition[] {
  const { listeners, addressProblem, addresses } = gateway;
  const valid = listeners.filter((listener) => listener.refused === null);
  const programmed = listeners.filter((listener) => listener.sockets.length > 0);
  const names = (list: readonly ListenerUnit[]): string => list.map((listener) => listener.spec.name).join(', ');
  const refused = listeners.filter((listener) => listener.refused !== null);
  const usable = addresses.length > 0;
  return [
    addressProblem?.reason === 'UnsupportedAddress'
      ? condition('Accepted', usable && valid.length > 0, 'UnsupportedAddress', addressProblem.message)
      : refused.length > 0
        ? condition('Accepted', valid.length > 0, 'ListenersNotValid', `not valid: ${names(refused)}`)
        : condition('Accepted', true, 'Accepted', 'all listeners are valid'),
    addressProblem !== null
      ? condition(
          'Programmed',
          false,
          addressProblem.reason === 'AddressNotUsable' ? 'AddressNotUsable' : 'Invalid',
          addressProblem.message,
        )
      : programmed.length > 0
        ? condition('Programmed', true, 'Programmed', `serving: ${names(programmed)}`)
        : condition('Programmed', false, valid.length > 0 ? 'Pending' : 'Invalid', 'no listener is served'),
  ];
}
