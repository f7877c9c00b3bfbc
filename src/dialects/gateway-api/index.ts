import type { Diagnostic } from '../../model/diagnostic.ts';
import type { Route } from '../../model/route.ts';
import type { ResourceStatus, Snapshot } from '../../model/snapshot.ts';
import type { Dialect, Resource, TranslateInput, Translation } from '../dialect.ts';
import { kindTable } from '../kubernetes-kinds.ts';
import { attachRoute, type RouteSpec } from './attach.ts';
import { byAge, createdAt, makeContext, type Context } from './context.ts';
import { resolveExtensions } from './extensions.ts';
import { gatewayConditions, listenerConditions, readGateways, type GatewayUnit, type RouteUnit } from './gateways.ts';
import { buildListeners, placeListeners } from './listeners.ts';
import { blockTlsBackends, reportPolicies } from './policies.ts';
import { compileGrpcRule, compileHttpRule, type RouteHead } from './rules.ts';
import { gatewayClassKind, gatewayKind } from './schema/gateway.ts';
import { grpcRouteKind } from './schema/grpc-route.ts';
import { httpRouteKind, type HttpRule } from './schema/http-route.ts';
import { backendTlsPolicyKind, listenerSetKind, referenceGrantKind, tcpRouteKind, tlsRouteKind, udpRouteKind } from './schema/others.ts';
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

/** Kubernetes Gateway API: GatewayClass, Gateway, HTTPRoute, GRPCRoute and ReferenceGrant run; the other kinds are checked. */
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

  const routes: Route[] = [];
  const routeIndex = new Map<Route, number>();
  for (const { unit } of attachedOf(gateways, units))
    for (const { route } of unit.rules) {
      routeIndex.set(route, routes.length);
      routes.push(route);
    }
  status.unshift(...input.resources.flatMap((resource) => classStatus(context, resource)), ...gateways.map(gatewayStatus));
  reportUnused(context);
  status.push(...reportPolicies(context));
  return {
    fragment: { listeners: buildListeners(sockets, routeIndex), routes, clusters: [...context.clusters.values()], consumers: [], status },
    diagnostics: context.diagnostics,
  };
}

function finish(snapshot: Snapshot, input: TranslateInput): { readonly snapshot: Snapshot; readonly diagnostics: readonly Diagnostic[] } {
  return { snapshot: blockTlsBackends(snapshot, input), diagnostics: [] };
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
    if (grpc === null) continue;
    const rules = (grpc.spec.rules ?? []).map((rule, index) => compileGrpcRule(head, rule, index));
    units.push({ unit: routeUnit(resource, 'GRPCRoute', rules), spec: grpc.spec });
  }
  return units;
}

function routeUnit(resource: Resource, kind: RouteUnit['kind'], rules: RouteUnit['rules']): RouteUnit {
  const namespace = resource.namespace ?? 'default';
  return { resource, kind, namespace, created: createdAt(resource), key: `${namespace}/${resource.name}`, rules };
}

/** Routes that at least one listener took, oldest first. */
function attachedOf(gateways: readonly GatewayUnit[], units: readonly Unit[]): readonly Unit[] {
  const attached = new Set(
    gateways.flatMap((gateway) => gateway.listeners.flatMap((listener) => listener.attachments.map((one) => one.unit))),
  );
  return units.filter(({ unit }) => attached.has(unit));
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
