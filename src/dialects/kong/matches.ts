/** Match conditions of classic Kong routes. */
import type { HeaderMatcher, HostMatcher, RouteMatch, StringMatcher } from '../../model/match.ts';
import { parseHost, parseSni } from './hosts.ts';
import { isRegexPath, normalizePath, regexOf } from './paths.ts';
import { groupPaths, routePriority, type Priority } from './priority.ts';
import type { Route } from './schemas.ts';

export interface RankedMatch {
  readonly match: RouteMatch;
  readonly priority: Priority;
  /** Index of the match in its route. */
  readonly index: number;
}

/** One entry for each path; the paths of one group share a priority. */
export function routeMatches(route: Route): readonly RankedMatch[] {
  const conditions = commonConditions(route);
  const ranked: RankedMatch[] = [];
  for (const group of groupPaths(route.paths)) {
    const priority = routePriority(route, group);
    if (group.paths.length === 0) ranked.push({ match: conditions, priority, index: 0 });
    for (const path of group.paths)
      ranked.push({
        match: {
          path: isRegexPath(path)
            ? { kind: 'regex', value: regexOf(path), anchor: 'start' }
            : { kind: 'prefix', value: normalizePath(path) },
          ...conditions,
        },
        priority,
        index: route.paths?.indexOf(path) ?? 0,
      });
  }
  return ranked;
}

function commonConditions(route: Route): RouteMatch {
  const hosts = (route.hosts ?? []).flatMap((host): readonly HostMatcher[] => {
    const parsed = parseHost(host);
    return parsed.ok ? [parsed.value] : [];
  });
  const snis = (route.snis ?? []).flatMap((sni): readonly HostMatcher[] => {
    const parsed = parseSni(sni);
    return parsed.ok ? [parsed.value] : [];
  });
  const ports = (route.destinations ?? []).flatMap((one) => (one.port === undefined ? [] : [one.port]));
  const headers = headerMatchers(route);
  return {
    ...(hosts.length === 0 ? {} : { hosts }),
    ...((route.methods ?? []).length === 0 ? {} : { methods: (route.methods ?? []).map((value) => ({ kind: 'exact' as const, value })) }),
    ...(headers.length === 0 ? {} : { headers }),
    ...(snis.length === 0 ? {} : { snis }),
    ...(ports.length === 0 ? {} : { ports }),
  };
}

/** Any value of each header, without regard to case; `~*` is a regular expression found anywhere. Each line stands alone. */
function headerMatchers(route: Route): readonly HeaderMatcher[] {
  const matchers: HeaderMatcher[] = Object.entries(route.headers ?? {}).map(([name, values]) => ({
    name: name.toLowerCase(),
    values: values.map((value): StringMatcher =>
      value.startsWith('~*')
        ? { kind: 'regex', value: regexOf(`~${value.slice(2)}`), anchor: 'search', ignoreCase: true }
        : { kind: 'exact', value, ignoreCase: true },
    ),
    eachLine: true,
  }));
  if (route.protocols.includes('ws') || route.protocols.includes('wss'))
    matchers.push({ name: 'upgrade', values: [{ kind: 'exact', value: 'websocket', ignoreCase: true }], eachLine: true });
  return matchers;
}
