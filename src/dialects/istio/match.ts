/** HTTPMatchRequest → RouteMatch. Conditions on gateways and, at gateways, on the port are decided here, not per request. */
import { compileRegex } from '../../decide/regex.ts';
import type { HeaderMatcher, PathMatcher, QueryMatcher, RouteMatch, StringMatcher } from '../../model/match.ts';
import type { StringMatch } from './schema/common.ts';
import type { HttpMatch } from './schema/virtual-service.ts';

/** Where a rule is looked at: one socket of gateways, or the mesh. */
export type Viewpoint =
  | {
      readonly kind: 'gateway';
      /** `namespace/name` of the Gateways through which the VirtualService is reached here. */
      readonly gateways: ReadonlySet<string>;
      readonly port: number;
      /** Labels and namespace of the gateway's workload, as far as they are known. */
      readonly labels: Readonly<Record<string, string>>;
      readonly namespace: string | null;
    }
  | { readonly kind: 'mesh' };

export interface Translated {
  readonly match: RouteMatch;
  /** Conditions that do not run yet and restrict access: the rule answers 503 when the others hold. */
  readonly blocked: string | null;
}

const claims = '@request.auth.claims';
/** Keys of `headers` that Istio's reference says are ignored. */
export const ignoredHeaderKeys: ReadonlySet<string> = new Set(['uri', 'scheme', 'method', 'authority']);

/** Null when the match cannot hold at this viewpoint. `gatewayName` makes `namespace/name` of a name in `gateways`. */
export function translateMatch(match: HttpMatch | undefined, at: Viewpoint, gatewayName: (name: string) => string): Translated | null {
  if (match === undefined) return { match: {}, blocked: null };
  if (whyRuledOut(match, at, gatewayName) !== null) return null;
  const headers: HeaderMatcher[] = [];
  const methods: StringMatcher[] = match.method === undefined ? [] : [text(match.method)];
  let authority = match.authority === undefined ? undefined : foldCase(text(match.authority));
  let blocked: string | null = null;
  for (const [key, value] of Object.entries(match.headers ?? {})) {
    const name = key.toLowerCase();
    if (name.startsWith(claims)) blocked = `match on JWT claim ${key} does not run yet`;
    else if (name === ':method') methods.push(text(value));
    else if (name === ':authority') authority ??= foldCase(text(value));
    else if (!ignoredHeaderKeys.has(name)) headers.push({ name, values: [text(value)] });
  }
  for (const [key, value] of Object.entries(match.withoutHeaders ?? {})) {
    const name = key.toLowerCase();
    if (name.startsWith(claims)) blocked = `match on JWT claim ${key} does not run yet`;
    else headers.push(...without(name, value));
  }
  const query = Object.entries(match.queryParams ?? {}).map(([name, value]): QueryMatcher => ({ name, value: text(value) }));
  const path = pathOf(match);
  // Two conditions on the method cannot both be alternatives of one list.
  const [method, other] = methods;
  if (method !== undefined && other !== undefined && JSON.stringify(method) !== JSON.stringify(other)) return null;
  const mesh = at.kind === 'mesh' && !match.gateways?.length;
  return {
    match: {
      ...(path === undefined ? {} : { path }),
      ...(method === undefined ? {} : { methods: [method] }),
      ...(match.scheme === undefined ? {} : { scheme: text(match.scheme) }),
      ...(authority === undefined ? {} : { authority }),
      ...(headers.length === 0 ? {} : { headers: headers.toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0)) }),
      ...(query.length === 0 ? {} : { query }),
      ...(at.kind === 'mesh' && match.port !== undefined ? { ports: [match.port] } : {}),
      ...(mesh && match.sourceLabels !== undefined && Object.keys(match.sourceLabels).length > 0
        ? { sourceLabels: match.sourceLabels }
        : {}),
      ...(mesh && match.sourceNamespace ? { sourceNamespace: match.sourceNamespace } : {}),
    },
    blocked,
  };
}

/**
 * Why the match can hold for no request at this socket; null when it can. Istio looks at source labels and namespace only
 * where the match names no gateways.
 */
export function whyRuledOut(match: HttpMatch, at: Viewpoint, gatewayName: (name: string) => string): string | null {
  if (match.gateways?.length) {
    if (!match.gateways.some((name) => (at.kind === 'mesh' ? name === 'mesh' : name !== 'mesh' && at.gateways.has(gatewayName(name)))))
      return `gateways: this one is none of ${match.gateways.join(', ')}`;
  } else if (at.kind === 'gateway') {
    for (const [name, value] of Object.entries(match.sourceLabels ?? {}))
      if (at.labels[name] !== value) return `source label ${name}: the gateway's is not ${value}`;
    if (match.sourceNamespace && match.sourceNamespace !== at.namespace)
      return `source namespace: the gateway's is not ${match.sourceNamespace}`;
  }
  if (at.kind === 'mesh' || match.port === undefined || match.port === at.port) return null;
  return `port: ${at.port} is not ${match.port}`;
}

function pathOf(match: HttpMatch): PathMatcher | undefined {
  const fold = match.ignoreUriCase === true ? { ignoreCase: true } : {};
  if (match.uri?.exact !== undefined) return { kind: 'exact', value: match.uri.exact, ...fold };
  if (match.uri?.prefix) return { kind: 'prefix', value: match.uri.prefix, ...fold };
  if (match.uri?.regex) return { kind: 'regex', value: match.uri.regex, anchor: 'full' };
  return undefined;
}

/** An empty StringMatch, and the pseudo expression `*`, ask for presence alone. */
function text(match: StringMatch): StringMatcher {
  if (match.exact !== undefined) return { kind: 'exact', value: match.exact };
  if (match.prefix !== undefined) return { kind: 'prefix', value: match.prefix };
  if (match.regex !== undefined && match.regex !== '*') return { kind: 'regex', value: match.regex, anchor: 'full' };
  return { kind: 'present' };
}

/** Authorities reach the matcher in lower case. */
function foldCase(matcher: StringMatcher): StringMatcher {
  return matcher.kind === 'present' ? matcher : { ...matcher, ignoreCase: true };
}

/** Envoy compares an absent header as an empty one here: where the value would match it, the header must be there and differ. */
function without(name: string, value: StringMatch): HeaderMatcher[] {
  const matcher = text(value);
  const inverted: HeaderMatcher = { name, values: [matcher], invert: true };
  return matchesEmpty(matcher) ? [{ name, values: [{ kind: 'present' }] }, inverted] : [inverted];
}

function matchesEmpty(matcher: StringMatcher): boolean {
  if (matcher.kind === 'present') return false;
  if (matcher.kind !== 'regex') return matcher.value === '';
  const compiled = compileRegex(matcher.value, { anchor: 'full' });
  return compiled.ok && compiled.value.test('');
}

/** Whether it holds for every request, whatever its path, headers and caller. */
export function isCatchAll(match: RouteMatch): boolean {
  const { path, ...others } = match;
  return Object.keys(others).length === 0 && coversEveryPath(path);
}

function coversEveryPath(path: PathMatcher | undefined): boolean {
  return path === undefined || (path.kind === 'prefix' && path.value === '/') || (path.kind === 'regex' && path.value === '.*');
}

/** For explain: the rank of a match is its place. */
export function rankReason(rule: number, index: number): string {
  return `rule ${rule}, match ${index}, in the order of the VirtualService`;
}
