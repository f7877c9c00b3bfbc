import type { HeaderMatcher, HostMatcher, PathMatcher, QueryMatcher, RouteMatch, StringMatcher } from '../model/match.ts';
import { describeHost, hostMatches, parseHostPattern } from './host.ts';
import { compileRegex } from './regex.ts';
import type { RequestView } from './request.ts';
import { compileString, equalsFoldedAt, lowerAscii, noRegex, type StringTest } from './strings.ts';

/** One condition: `test` decides, `why` is asked only after it said no. */
interface Condition {
  test(view: RequestView): boolean;
  why(view: RequestView): string;
}

/** A path condition knows how much of the path it covered; -1 when it does not hold. */
interface PathCondition extends Condition {
  covered(path: string): number;
}

/** A compiled RouteMatch. Traffic asks `matches`, explain asks `explain`; both walk the same conditions in the same order. */
export class Matcher {
  private readonly conditions: readonly Condition[];
  private readonly path: PathCondition | null;

  constructor(match: RouteMatch) {
    const conditions: Condition[] = [];
    this.path = match.path === undefined ? null : pathCondition(match.path);
    if (match.hosts !== undefined) conditions.push(hostCondition('host', match.hosts));
    if (this.path !== null) conditions.push(this.path);
    if (match.methods !== undefined) conditions.push(methodCondition(match.methods));
    if (match.scheme !== undefined) conditions.push(stringCondition('scheme', match.scheme, (view) => view.scheme));
    if (match.authority !== undefined) conditions.push(stringCondition('authority', match.authority, (view) => view.authority));
    for (const header of match.headers ?? []) conditions.push(headerCondition(header));
    for (const query of match.query ?? []) conditions.push(queryCondition(query));
    if (match.snis !== undefined) conditions.push(hostCondition('sni', match.snis));
    if (match.ports !== undefined) conditions.push(portCondition(match.ports));
    if (match.sourceNamespace !== undefined) conditions.push(namespaceCondition(match.sourceNamespace));
    if (match.sourceLabels !== undefined && Object.keys(match.sourceLabels).length > 0) conditions.push(labelCondition(match.sourceLabels));
    this.conditions = conditions;
  }

  matches(view: RequestView): boolean {
    return this.firstFailure(view) === null;
  }

  /** Null when the request matches, else the first condition that does not hold, for people. */
  explain(view: RequestView): string | null {
    return this.firstFailure(view)?.why(view) ?? null;
  }

  /** Characters of the path that the path condition covered: what a prefix rewrite replaces. 0 without a path condition. */
  matchedLength(path: string): number {
    return this.path === null ? 0 : Math.max(0, this.path.covered(path));
  }

  private firstFailure(view: RequestView): Condition | null {
    const { conditions } = this;
    for (let i = 0; i < conditions.length; i++) if (!conditions[i].test(view)) return conditions[i];
    return null;
  }
}

/** Value of a path-prefix as it is compared: without a trailing slash, so `/` is empty. */
export function pathPrefixStem(value: string): string {
  return value.endsWith('/') ? value.slice(0, -1) : value;
}

function pathOf(covered: (path: string) => number, relation: string): PathCondition {
  return { covered, test: (view) => covered(view.path) >= 0, why: (view) => `path: ${relation} '${view.path}'` };
}

function pathCondition(matcher: PathMatcher): PathCondition {
  const { value } = matcher;
  switch (matcher.kind) {
    case 'exact': {
      if (matcher.ignoreCase !== true) return pathOf((path) => (path === value ? path.length : -1), `'${value}' is not exactly`);
      const lower = lowerAscii(value);
      return pathOf(
        (path) => (path.length === lower.length && equalsFoldedAt(path, 0, lower) ? path.length : -1),
        `'${value}' (ignoring case) is not exactly`,
      );
    }
    case 'prefix': {
      if (matcher.ignoreCase !== true)
        return pathOf((path) => (path.startsWith(value) ? value.length : -1), `'${value}' is not a prefix of`);
      const lower = lowerAscii(value);
      return pathOf((path) => (equalsFoldedAt(path, 0, lower) ? lower.length : -1), `'${value}' (ignoring case) is not a prefix of`);
    }
    case 'path-prefix': {
      const stem = pathPrefixStem(value);
      const covered = (path: string): number => {
        if (!path.startsWith(stem)) return -1;
        return path.length === stem.length || path.charCodeAt(stem.length) === 0x2f ? stem.length : -1;
      };
      return pathOf(covered, `'${value}' is not a prefix of whole path elements of`);
    }
    case 'regex': {
      const compiled = compileRegex(value, { anchor: matcher.anchor });
      const regex = compiled.ok ? compiled.value : noRegex;
      const what = compiled.ok ? `regular expression '${value}'` : `invalid regular expression '${value}' (${compiled.error})`;
      const how = matcher.anchor === 'full' ? 'does not match the whole of' : 'does not match the beginning of';
      return {
        covered: (path) => regex.matchLength(path),
        test: (view) => regex.test(view.path),
        why: (view) => `path: ${what} ${how} '${view.path}'`,
      };
    }
  }
}

function hostCondition(what: 'host' | 'sni', matchers: readonly HostMatcher[]): Condition {
  const patterns = matchers.map((matcher) => ({ ...parseHostPattern(matcher.pattern), port: matcher.port ?? null }));
  const wanted = matchers.map(describeHost).join(', ');
  if (what === 'sni') {
    // Kong: without TLS there is no server name, and the criterion is not looked at.
    return {
      test: (view) => view.scheme === 'http' || patterns.some((pattern) => hostMatches(pattern, view.sni ?? '')),
      why: (view) => `sni: ${view.sni === null ? 'none' : `'${view.sni}'`} is none of ${wanted}`,
    };
  }
  return {
    test: (view) => {
      for (let i = 0; i < patterns.length; i++) {
        const pattern = patterns[i];
        if ((pattern.port === null || pattern.port === view.authorityPort) && hostMatches(pattern, view.host)) return true;
      }
      return false;
    },
    why: (view) => `host: '${view.host}'${view.authorityPort === null ? '' : ` with port ${view.authorityPort}`} is none of ${wanted}`,
  };
}

function methodCondition(matchers: readonly StringMatcher[]): Condition {
  const tests = matchers.map(compileString);
  const simple = matchers.every((matcher) => matcher.kind === 'exact' && matcher.ignoreCase !== true);
  const values = matchers.map((matcher) => (matcher.kind === 'present' ? '' : matcher.value));
  return {
    test: simple ? (view) => values.includes(view.method) : (view) => anyTest(tests, view.method),
    why: (view) => `method: ${view.method} is not ${simple ? values.join(' or ') : wantedOf(tests)}`,
  };
}

function anyTest(tests: readonly StringTest[], value: string): boolean {
  for (let i = 0; i < tests.length; i++) if (tests[i].test(value)) return true;
  return false;
}

function wantedOf(tests: readonly StringTest[]): string {
  return tests.map((test) => test.wanted).join(' or ');
}

function stringCondition(name: string, matcher: StringMatcher, read: (view: RequestView) => string): Condition {
  const compiled = compileString(matcher);
  return { test: (view) => compiled.test(read(view)), why: (view) => `${name}: '${read(view)}' is not ${compiled.wanted}` };
}

/** Envoy joins several lines with a bare comma. */
function joined(view: RequestView, name: string): string | null {
  const value = view.headers.get(name);
  if (value === null || !value.includes(', ')) return value;
  const lines = view.headers.lines(name);
  return lines.length > 1 ? lines.join(',') : value;
}

function headerCondition(matcher: HeaderMatcher): Condition {
  const { name } = matcher;
  const tests = matcher.values.map(compileString);
  const broken = tests.find((test) => test.invalid !== null);
  const invert = matcher.invert === true;
  const holds = (view: RequestView): boolean => {
    if (matcher.eachLine === true) return view.headers.lines(name).some((line) => anyTest(tests, line));
    const value = joined(view, name);
    return value !== null && anyTest(tests, value);
  };
  const shown = (view: RequestView): string => {
    const lines = view.headers.lines(name);
    return lines.length === 0 ? 'absent' : lines.map((line) => `'${line}'`).join(', ');
  };
  return {
    // A pattern that cannot be read must not open an inverted condition.
    test: broken === undefined ? (view) => holds(view) !== invert : () => false,
    why: (view) => {
      if (broken !== undefined) return `header ${name}: ${broken.wanted}`;
      if (invert) return `header ${name}: ${shown(view)} must not be ${wantedOf(tests)}`;
      return `header ${name}: ${shown(view)} is not ${wantedOf(tests)}`;
    },
  };
}

/** First value of a query parameter as it stands in the target, not decoded (Envoy); null when there is none, empty for `?name`. */
export function queryValue(query: string, name: string): string | null {
  let at = 0;
  while (at <= query.length) {
    let end = query.indexOf('&', at);
    if (end < 0) end = query.length;
    if (query.startsWith(name, at)) {
      const after = at + name.length;
      if (after === end) return '';
      if (after < end && query.charCodeAt(after) === 0x3d) return query.slice(after + 1, end);
    }
    at = end + 1;
  }
  return null;
}

function queryCondition(matcher: QueryMatcher): Condition {
  const { name } = matcher;
  const compiled = compileString(matcher.value);
  return {
    test: (view) => {
      const value = queryValue(view.query, name);
      return value !== null && compiled.test(value);
    },
    why: (view) => {
      const value = queryValue(view.query, name);
      return `query ${name}: ${value === null ? 'absent' : `'${value}'`} is not ${compiled.wanted}`;
    },
  };
}

function portCondition(ports: readonly number[]): Condition {
  return { test: (view) => ports.includes(view.localPort), why: (view) => `port: ${view.localPort} is not ${ports.join(' or ')}` };
}

function namespaceCondition(namespace: string): Condition {
  return {
    test: (view) => view.caller !== null && view.caller.namespace === namespace,
    why: (view) => {
      if (view.caller === null) return 'source namespace: the caller is not a mesh workload';
      return `source namespace: '${view.caller.namespace}' is not '${namespace}'`;
    },
  };
}

function labelCondition(labels: Readonly<Record<string, string>>): Condition {
  const wanted = Object.entries(labels);
  const missing = (view: RequestView): readonly [string, string] | undefined => {
    const { caller } = view;
    return caller === null ? ['', ''] : wanted.find(([key, value]) => caller.labels[key] !== value);
  };
  return {
    test: (view) => missing(view) === undefined,
    why: (view) => {
      if (view.caller === null) return 'source labels: the caller is not a mesh workload';
      const [key, value] = missing(view) ?? ['', ''];
      const has = view.caller.labels[key];
      return `source label ${key}: ${has === undefined ? 'absent' : `'${has}'`} is not '${value}'`;
    },
  };
}
