/** Matches of VirtualServices as seen from a gateway's socket or from the mesh, in the order in which they are tried. */
import type { MatchEntry, Route, RuledOut } from '../../model/route.ts';
import { blockedRoute, rewritesMatchedPath, translateRule } from './actions.ts';
import { rulesOf, type Rule, type VirtualServiceItem } from './delegates.ts';
import type { DestinationBuilder } from './destinations.ts';
import { rankReason, translateMatch, whyRuledOut, type Translated, type Viewpoint } from './match.ts';
import { originAt, type Reporter } from './report.ts';
import type { HttpRoute } from './schema/virtual-service.ts';

/** Routes of the fragment; each rule becomes one route however many sockets reach it. */
export interface RouteTable {
  readonly routes: readonly Route[];
  rules(item: VirtualServiceItem): readonly Rule[];
  /** `ruledOut` is given the matches that can hold for no request there. */
  entries(item: VirtualServiceItem, at: Viewpoint, ruledOut?: RuledOut[]): MatchEntry[];
  add(route: Route): number;
}

export function createRouteTable(
  items: readonly VirtualServiceItem[],
  broken: ReadonlySet<string>,
  build: DestinationBuilder,
  report: Reporter,
): RouteTable {
  const routes: Route[] = [];
  const known = new Map<string, number>();
  const ruleCache = new Map<VirtualServiceItem, readonly Rule[]>();
  const byName = new Map(items.map((item) => [`${item.resource.namespace}/${item.resource.name}`, item]));

  const add = (route: Route): number => {
    const place = known.get(route.id);
    if (place !== undefined) return place;
    known.set(route.id, routes.length);
    return routes.push(route) - 1;
  };
  const rules = (item: VirtualServiceItem): readonly Rule[] => {
    let found = ruleCache.get(item);
    if (found === undefined) {
      found = rulesOf(
        item,
        (namespace, name) => byName.get(`${namespace}/${name}`) ?? (broken.has(`${namespace}/${name}`) ? 'broken' : null),
        report,
      );
      ruleCache.set(item, found);
    }
    return found;
  };
  const routeFor = (rule: Rule, name: string, port: number | null, variant: string, blocked: string | null): number => {
    const id = `${rule.id}${variant}${blocked === null ? '' : '!blocked'}`;
    const place = known.get(id);
    if (place !== undefined) return place;
    const route = translateRule(rule, name, port, variant, build, report);
    return add(blocked === null ? route : blockedRoute(route, blocked));
  };

  return {
    routes,
    rules,
    add,
    entries(item, at, ruledOut) {
      const entries: MatchEntry[] = [];
      for (const rule of rules(item)) {
        const matches = rule.route.match?.length ? rule.route.match : [undefined];
        const wholeRule = matches.map((match, index) => ({ match, index }));
        for (const { match, index } of wholeRule) {
          const named = (name: string): string => gatewayName(name, rule.owner.namespace);
          const translated = translateMatch(match, at, named);
          if (translated === null) {
            const because = match === undefined ? null : whyRuledOut(match, at, named);
            if (because !== null)
              ruledOut?.push({
                route: rule.route.name ?? item.resource.name,
                because,
                origin: originAt(rule.owner, [...rule.path, 'match', index]),
              });
            continue;
          }
          if (translated.blocked !== null)
            report.add('WR0109', rule.owner, [...rule.path, 'match', index], translated.blocked, {
              hint: 'the rule answers 503 when its other conditions hold',
            });
          const withPath =
            rewritesMatchedPath(rule.route) && translated.match.path === undefined
              ? { ...translated, match: { ...translated.match, path: { kind: 'prefix', value: '/' } as const } }
              : translated;
          for (const { port, variant, match: condition } of variants(rule.route, rule.owner.namespace, withPath, at, build)) {
            entries.push({
              route: routeFor(rule, item.resource.name, port, variant, translated.blocked),
              index,
              ...(match?.name ? { name: match.name } : {}),
              match: condition,
              rankReason: rankReason(rule.index, index),
            });
          }
        }
      }
      return entries;
    },
  };
}

interface Variant {
  readonly port: number | null;
  readonly variant: string;
  readonly match: Translated['match'];
}

/** A destination without a port takes the listener's: then each port of the mesh has its own route. */
function variants(route: HttpRoute, namespace: string | null, translated: Translated, at: Viewpoint, build: DestinationBuilder): Variant[] {
  const { match } = translated;
  const open = (route.route ?? []).map((one) => build.listenerPorts(one, namespace)).filter((ports) => ports !== null);
  if (open.length === 0) return [{ port: null, variant: '', match }];
  if (at.kind === 'gateway') return [{ port: at.port, variant: `@${at.port}`, match }];
  const ports = match.ports ?? [...new Set(open.flat())];
  if (ports.length === 0) return [{ port: null, variant: '', match }];
  return ports.map((port) => ({ port, variant: `@${port}`, match: { ...match, ports: [port] } }));
}

/** `namespace/name` of a Gateway as a VirtualService of `namespace` names it; `name.namespace.svc…` is an old form. */
export function gatewayName(name: string, namespace: string | null): string {
  if (name.includes('/')) return name.startsWith('./') ? `${namespace}/${name.slice(2)}` : name;
  return `${namespace}/${name}`;
}
