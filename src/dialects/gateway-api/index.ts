import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Route } from '../../model/route.ts';
import type { ResourceStatus, Snapshot } from '../../model/snapshot.ts';
import type { Dialect, Resource, TranslateInput, Translation } from '../dialect.ts';
import { kindTable } from '../kubernetes-kinds.ts';
import { attachRoute, type RouteSpec } from './attach.ts';
import { applyBackendTls, backendTls } from './backend-tls.ts';
import { withClientCertificate } from './backends.ts';
import { byAge, createdAt, makeContext, type Context } from './context.ts';
import { resolveExtensions } from './extensions.ts';
import { gatewayConditions, listenerConditions, readGateways, type GatewayUnit, type RouteUnit } from './gateways.ts';
import { compileL4, type L4Kind } from './l4.ts';
import { buildListeners, placeListeners, type RouteOn } from './listeners.ts';
import { compileGrpcRule, compileHttpRule, type RouteHead } from './rules.ts';
import { gatewayClassKind, gatewayKind } from './schema/gateway.ts';
import { grpcRouteKind } from './schema/grpc-route.ts';
import { httpRouteKind, type HttpRule } from './schema/http-route.ts';
import {
  backendTlsPolicyKind,
  listenerSetKind,
  referenceGrantKind,
  tcpRouteKind,
  tlsRouteKind,
  udpRouteKind,
  type L4Rule,
} from './schema/others.ts';
import { classStatus, reportUnused } from './unused.ts';

const table = kindTable('gateway-api', [
  gatewayClassKind,
  gatewayKind,
  httpRouteKind,
  grpcRouteKind,
  referenceGrantKind,
  tlsRouteKind,
  tcpRouteKind,
  udpRouteKind,
  backendTlsPolicyKind,
  listenerSetKind,
]);

/** Kubernetes Gateway API; ListenerSets are checked and do not run. */
export const gatewayApi: Dialect = { name: 'gateway-api', recognises: table.recognises, read: table.read, translate, finish };

interface Unit {
  readonly unit: RouteUnit;
  readonly spec: RouteSpec;
}

function translate(input: TranslateInput): Translation {
  const context = makeContext(input);
  const gateways = readGateways(context);
  const byName = new Map(gateways.map((gateway) => [gateway.key, gateway]));
  const sockets = placeListeners(context, gateways);
  const units = readRoutes(context).sort((a, b) => byAge(a.unit, b.unit));
  const status: ResourceStatus[] = [];
  for (const { unit, spec } of units) status.push(routeStatus(unit, attachRoute(context, byName, unit, spec)));

  const { routes, routeOn } = placeRoutes(context, gateways, units);
  const listeners = buildListeners(context, sockets, routeOn);
  status.unshift(...input.resources.flatMap((resource) => classStatus(context, resource)), ...gateways.map(gatewayStatus));
  reportUnused(context);
  status.push(...backendTls(context).status);
  return {
    fragment: {
      listeners,
      routes,
      clusters: [...context.clusters.values()],
      consumers: [],
      ...(context.secrets.size === 0 ? {} : { secrets: [...context.secrets.values()] }),
      status,
    },
    diagnostics: context.diagnostics,
  };
}

/** Routes that a listener took, oldest first; one for each client certificate with which their backends are asked. */
function placeRoutes(
  context: Context,
  gateways: readonly GatewayUnit[],
  units: readonly Unit[],
): { readonly routes: readonly Route[]; readonly routeOn: RouteOn } {
  const routes: Route[] = [];
  const places = new Map<Route, Map<GatewayUnit | null, number>>();
  const add = (route: Route): number => routes.push(route) - 1;
  for (const { unit, on } of attachedOf(gateways, units))
    for (const { route } of unit.rules) {
      const own = new Map<GatewayUnit | null, number>();
      places.set(route, own);
      for (const gateway of on) {
        const { clientCertificate } = gateway;
        const shown = typeof clientCertificate === 'string' ? showing(context, route, gateway, clientCertificate) : route;
        if (shown !== route) own.set(gateway, add(shown));
        else if (!own.has(null)) own.set(null, add(route));
      }
    }
  return {
    routes,
    routeOn: (route, gateway) => {
      const own = places.get(route);
      return own?.get(gateway) ?? own?.get(null);
    },
  };
}

/** The route with the Gateway's certificate towards backends that are reached by TLS; itself when there are none. */
function showing(context: Context, route: Route, { key }: GatewayUnit, certificate: string): Route {
  const { action } = route;
  if (action.kind !== 'forward') return route;
  let changed = false;
  const destinations = action.destinations.map((one) => {
    const cluster = one.cluster === null ? null : withClientCertificate(context, one.cluster, key, certificate);
    changed ||= cluster !== one.cluster;
    return { ...one, cluster };
  });
  return changed ? { ...route, id: `${route.id}@${key}`, action: { ...action, destinations } } : route;
}

function finish(snapshot: Snapshot, input: TranslateInput): { readonly snapshot: Snapshot; readonly diagnostics: readonly Diagnostic[] } {
  return { snapshot: applyBackendTls(snapshot, input), diagnostics: [] };
}

/** HTTPRouteSpec.rules defaults to one rule that matches every path and has no backend; GRPCRouteSpec.rules to none. */
const defaultRules: readonly HttpRule[] = [{ filters: [], backendRefs: [] }];

function readRoutes(context: Context): Unit[] {
  const resolve = resolveExtensions(context);
  const units: Unit[] = [];
  for (const resource of context.input.resources) {
    if (resource.dialect !== 'gateway-api') continue;
    const head: RouteHead = { context, resource, resolve };
    const http = httpRouteKind.of(resource);
    if (http !== null) {
      const rules = (http.spec.rules ?? defaultRules).map((rule, index) => compileHttpRule(head, rule, index));
      units.push({ unit: routeUnit(resource, 'HTTPRoute', rules), spec: http.spec });
      continue;
    }
    const grpc = grpcRouteKind.of(resource);
    if (grpc !== null) {
      const rules = (grpc.spec.rules ?? []).map((rule, index) => compileGrpcRule(head, rule, index));
      units.push({ unit: routeUnit(resource, 'GRPCRoute', rules), spec: grpc.spec });
      continue;
    }
    const l4 = l4Route(resource);
    if (l4 === null) continue;
    const compiled = compileL4(context, resource, l4.kind, l4.spec.rules);
    units.push({ unit: { ...routeUnit(resource, l4.kind, []), l4: compiled }, spec: l4.spec });
  }
  return units;
}

interface L4Route {
  readonly kind: L4Kind;
  readonly spec: RouteSpec & { readonly rules: readonly L4Rule[] };
}

function l4Route(resource: Resource): L4Route | null {
  const tls = tlsRouteKind.of(resource);
  if (tls !== null) return { kind: 'TLSRoute', spec: tls.spec };
  const tcp = tcpRouteKind.of(resource);
  if (tcp !== null) return { kind: 'TCPRoute', spec: tcp.spec };
  const udp = udpRouteKind.of(resource);
  return udp === null ? null : { kind: 'UDPRoute', spec: udp.spec };
}

function routeUnit(resource: Resource, kind: RouteUnit['kind'], rules: RouteUnit['rules']): RouteUnit {
  const namespace = resource.namespace ?? 'default';
  return { resource, kind, namespace, created: createdAt(resource), key: `${namespace}/${resource.name}`, rules, l4: null };
}

/** Routes that at least one listener took, oldest first, with the Gateways of those listeners. */
function attachedOf(
  gateways: readonly GatewayUnit[],
  units: readonly Unit[],
): readonly { unit: RouteUnit; on: ReadonlySet<GatewayUnit> }[] {
  const attached = new Map<RouteUnit, Set<GatewayUnit>>();
  for (const gateway of gateways)
    for (const { attachments } of gateway.listeners)
      for (const { unit } of attachments) {
        const on = attached.get(unit);
        if (on === undefined) attached.set(unit, new Set([gateway]));
        else on.add(gateway);
      }
  return units.flatMap(({ unit }) => {
    const on = attached.get(unit);
    return on === undefined ? [] : [{ unit, on }];
  });
}

function routeStatus({ resource, kind }: RouteUnit, parents: ResourceStatus['parents']): ResourceStatus {
  return { ...head(resource), kind, conditions: [], listeners: [], parents };
}

function gatewayStatus(gateway: GatewayUnit): ResourceStatus {
  return {
    ...head(gateway.resource),
    conditions: gatewayConditions(gateway),
    listeners: gateway.listeners.map((listener) => ({
      name: listener.spec.name,
      listener: listener.sockets[0] ?? null,
      attachedRoutes: listener.attachments.length,
      supportedKinds: listener.supportedKinds,
      conditions: listenerConditions(listener),
    })),
    parents: [],
  };
}

function head(resource: Resource): Pick<ResourceStatus, 'kind' | 'namespace' | 'name' | 'origin' | 'quarantined'> {
  const { kind, namespace, name, origin } = resource;
  return { kind, namespace, name, origin, quarantined: resource.stale === true };
}
