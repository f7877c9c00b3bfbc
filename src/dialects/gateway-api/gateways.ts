/** Gateways and their listeners: what binds, what conflicts, and which kinds of routes may attach. */
import { isIP } from 'node:net';
import type { Condition } from '../../model/snapshot.ts';
import type { Path, Resource } from '../dialect.ts';
import { byAge, condition, createdAt, report, type Context } from './context.ts';
import { intersectHost, type HostShare } from './hostnames.ts';
import type { CompiledL4, L4Kind } from './l4.ts';
import { certificate, readListenerTls, reportUnusedPorts, type GatewayTls, type ListenerTls, type Problem } from './listener-tls.ts';
import type { CompiledRule } from './rules.ts';
import { gatewayGroup } from './schema/common.ts';
import { coreProtocol, gatewayKind, type Gateway, type GatewayListener } from './schema/gateway.ts';

/** A route as it attaches to listeners. */
export interface RouteUnit {
  readonly resource: Resource;
  readonly kind: 'HTTPRoute' | 'GRPCRoute' | L4Kind;
  readonly namespace: string;
  readonly created: number;
  readonly key: string;
  /** Empty for routes of layer 4. */
  readonly rules: readonly CompiledRule[];
  readonly l4: CompiledL4 | null;
}

export interface Attachment {
  readonly unit: RouteUnit;
  readonly hosts: readonly HostShare[];
}

export interface ListenerUnit {
  readonly gateway: GatewayUnit;
  readonly index: number;
  readonly spec: GatewayListener;
  /** `HTTP`, `HTTPS`, `TLS`, `TCP`, `UDP`, or one that is not supported. */
  readonly protocol: string;
  /** Null: no TLS ends here. */
  readonly tls: ListenerTls | null;
  /** Null: every host. */
  readonly hostname: string | null;
  readonly supportedKinds: readonly string[];
  /** First problem of its references, null when they resolve. */
  readonly refs: Problem | null;
  /** Set: the listener is not accepted. */
  refused: Problem | null;
  conflicted: boolean;
  /** A listener beside it, whose hostname holds some of its names as well. */
  overlaps: ListenerUnit | null;
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
  /** Shown to backends that are reached by TLS: name of the secret, null for none, or why it cannot be used. */
  readonly clientCertificate: string | Problem | null;
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
  const namespace = resource.namespace ?? 'default';
  const tls: GatewayTls = { context, resource, namespace, spec, validations: new Map() };
  const ref = spec.tls?.backend?.clientCertificateRef;
  const unit: GatewayUnit = {
    resource,
    spec,
    namespace,
    created: createdAt(resource),
    key: `${resource.namespace}/${resource.name}`,
    addresses,
    addressProblem: problem,
    clientCertificate:
      ref === undefined ? null : certificate(tls, ref, ['spec', 'tls', 'backend', 'clientCertificateRef'], 'InvalidClientCertificateRef'),
    listeners,
  };
  for (const [index, listener] of spec.listeners.entries()) listeners.push(readListener(tls, unit, index, listener));
  reportUnusedPorts(tls);
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

/** Kinds that a listener serves; none: the protocol is not supported. */
function possibleKinds(protocol: string, spec: GatewayListener): readonly string[] {
  switch (protocol) {
    case 'HTTP':
    case 'HTTPS':
      return ['HTTPRoute', 'GRPCRoute'];
    case 'TLS':
      return spec.tls?.mode === 'Passthrough' ? ['TLSRoute'] : ['TLSRoute', 'TCPRoute'];
    case 'TCP':
      return ['TCPRoute'];
    case 'UDP':
      return ['UDPRoute'];
    default:
      return [];
  }
}

function readListener(tls: GatewayTls, gateway: GatewayUnit, index: number, spec: GatewayListener): ListenerUnit {
  const path: Path = ['spec', 'listeners', index];
  const { context, resource } = tls;
  const protocol = coreProtocol(spec.protocol);
  const possible = possibleKinds(protocol, spec);
  let refused: ListenerUnit['refused'] = null;
  if (possible.length === 0) {
    refused = { reason: 'UnsupportedProtocol', message: `protocol ${spec.protocol} is not supported` };
    report(context, 'WR0310', resource, [...path, 'protocol'], refused.message, 'write HTTP, HTTPS, TLS, TCP or UDP');
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
  const own = readListenerTls(tls, spec, path);
  refs ??= own?.refs ?? null;
  return {
    gateway,
    index,
    spec,
    protocol,
    tls: own,
    hostname: spec.hostname ?? null,
    supportedKinds,
    refs,
    refused: refused ?? own?.refused ?? null,
    conflicted: false,
    overlaps: null,
    attachments: [],
    attachedKinds: new Set(),
    sockets: [],
  };
}

/** Protocols of one family are told apart by hostname on a shared port; UDP has ports of its own. */
export function familyOf(protocol: string): string {
  return protocol === 'HTTPS' ? 'TLS' : protocol;
}

/** Why two listeners of one port cannot both serve; null: they can. */
export function clashOf(one: ListenerUnit, other: ListenerUnit): 'ProtocolConflict' | 'HostnameConflict' | null {
  const [a, b] = [one.protocol, other.protocol];
  if ((a === 'UDP') !== (b === 'UDP')) return null;
  if (familyOf(a) !== familyOf(b)) return 'ProtocolConflict';
  if (one.hostname !== other.hostname) return null;
  return a === b && a !== 'TCP' && a !== 'UDP' ? 'HostnameConflict' : 'ProtocolConflict';
}

/** Within one Gateway no conflicting listener is the winner: all of them are refused. */
function findConflicts(context: Context, { resource, listeners }: GatewayUnit): void {
  // Listeners of protocols that are never served take no place from others.
  const unsupported = new Set(listeners.filter((listener) => listener.refused?.reason === 'UnsupportedProtocol'));
  for (const one of listeners)
    for (const other of listeners) {
      if (one === other || one.spec.port !== other.spec.port || one.conflicted) continue;
      if (unsupported.has(one) || unsupported.has(other)) continue;
      const reason = clashOf(one, other);
      if (reason === null) {
        if (
          one.tls !== null &&
          other.tls !== null &&
          (one.hostname === null || other.hostname === null || intersectHost(one.hostname, other.hostname) !== null)
        )
          one.overlaps ??= other;
        continue;
      }
      const protocol = reason === 'ProtocolConflict';
      const message = `Conflicted: listeners '${one.spec.name}' and '${other.spec.name}' share port ${one.spec.port}${protocol ? ` with protocols ${one.spec.protocol} and ${other.spec.protocol}` : ` and hostname ${one.hostname ?? '(any)'}`}`;
      one.conflicted = true;
      one.refused = { reason, message };
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
  if (spec.defaultScope === 'All') pending('defaultScope', 'routes attach by parentRefs only');
}

/** Conditions of one listener (Gateway.status.listeners[].conditions). */
export function listenerConditions(listener: ListenerUnit): readonly Condition[] {
  const { refused, conflicted, refs, sockets, tls, overlaps } = listener;
  const programmed = sockets.length > 0;
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
        : tls?.server === null
          ? condition('Programmed', false, 'Invalid', refs?.message ?? 'no certificate can be used')
          : condition('Programmed', false, 'Pending', 'the Gateway has no usable address'),
    ...(overlaps === null
      ? []
      : [
          condition(
            'OverlappingTLSConfig',
            true,
            'OverlappingHostnames',
            `listener '${overlaps.spec.name}' holds some of the same names: a request for its hosts on a connection of this one is answered 421`,
          ),
        ]),
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
        : condition('Programmed', false, valid.some(({ tls }) => tls?.server !== null) ? 'Pending' : 'Invalid', 'no listener is served'),
    gatewayRefs(gateway),
    ...(listeners.some(({ tls }) => tls?.insecure === true)
      ? [condition('InsecureFrontendValidationMode', true, 'ConfigurationChanged', 'clients without a valid certificate are let through')]
      : []),
  ];
}

function gatewayRefs({ clientCertificate, listeners }: GatewayUnit): Condition {
  if (clientCertificate !== null && typeof clientCertificate !== 'string')
    return condition('ResolvedRefs', false, clientCertificate.reason, clientCertificate.message);
  const unresolved = listeners.filter(({ refs }) => refs !== null).map(({ spec }) => spec.name);
  return unresolved.length === 0
    ? condition('ResolvedRefs', true, 'ResolvedRefs', 'all references resolve')
    : condition('ResolvedRefs', false, 'ListenersNotResolved', `references of listeners do not resolve: ${unresolved.join(', ')}`);
}
