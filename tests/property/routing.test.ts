/**
 * Random configurations and requests: the compiled tables choose what a plain reading of the model chooses. The
 * reference below is written from the documentation of the model alone and shares no code with the router.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fixtureHeaders, fixtureSnapshot, fixtureView } from '../../src/decide/fixture.ts';
import type { RequestView } from '../../src/decide/request.ts';
import type { HeaderMatcher, PathMatcher, RouteMatch, StringMatcher } from '../../src/model/match.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { compileTables } from '../../src/proxy/route/compile.ts';
import { RouteTables } from '../../src/proxy/route/tables.ts';

// The reference.

function stringHolds(matcher: StringMatcher, value: string): boolean {
  if (matcher.kind === 'present') return true;
  if (matcher.kind === 'regex') {
    const source =
      matcher.anchor === 'full' ? `^(?:${matcher.value})$` : matcher.anchor === 'start' ? `^(?:${matcher.value})` : matcher.value;
    return new RegExp(source, `u${matcher.ignoreCase === true ? 'i' : ''}`).test(value);
  }
  const [a, b] = matcher.ignoreCase === true ? [value.toLowerCase(), matcher.value.toLowerCase()] : [value, matcher.value];
  return { exact: a === b, prefix: a.indexOf(b) === 0, suffix: a.endsWith(b), contains: a.includes(b) }[matcher.kind];
}

function pathHolds(matcher: PathMatcher, path: string): boolean {
  if (matcher.kind !== 'path-prefix') return stringHolds(matcher, path);
  const wanted = matcher.value.split('/').filter((part, i, all) => !(part === '' && i === all.length - 1));
  const given = path.split('/');
  return wanted.every((part, i) => part === given[i]);
}

function hostHolds(pattern: string, host: string): boolean {
  if (pattern === '*') return true;
  if (pattern.startsWith('*.')) return host.endsWith(pattern.slice(1)) && host !== pattern.slice(1);
  if (pattern.endsWith('.*')) return host.startsWith(pattern.slice(0, -1)) && host !== pattern.slice(0, -1);
  return host === pattern;
}

function headerHolds(matcher: HeaderMatcher, view: RequestView): boolean {
  const lines = view.headers.lines(matcher.name);
  const candidates = matcher.eachLine === true ? lines : lines.length === 0 ? [] : [lines.join(',')];
  const found = candidates.some((value) => matcher.values.some((one) => stringHolds(one, value)));
  return matcher.invert === true ? !found : found;
}

function queryHolds(name: string, matcher: StringMatcher, query: string): boolean {
  const pair = query.split('&').find((one) => one === name || one.startsWith(`${name}=`));
  return pair !== undefined && stringHolds(matcher, pair.slice(name.length + 1));
}

function holds(match: RouteMatch, view: RequestView): boolean {
  return (
    (match.path === undefined || pathHolds(match.path, view.path)) &&
    (match.hosts === undefined ||
      match.hosts.some((host) => hostHolds(host.pattern, view.host) && (host.port === undefined || host.port === view.authorityPort))) &&
    (match.methods === undefined || match.methods.some((method) => stringHolds(method, view.method))) &&
    (match.headers ?? []).every((header) => headerHolds(header, view)) &&
    (match.query ?? []).every((query) => queryHolds(query.name, query.value, view.query)) &&
    (match.ports === undefined || match.ports.includes(view.localPort))
  );
}

/** Exact first, then the longest suffix wildcard, then the longest prefix wildcard, then any. */
function specificity(pattern: string): number {
  if (pattern === '*') return 0;
  if (pattern.endsWith('.*')) return 1_000 + pattern.length;
  return pattern.startsWith('*.') ? 2_000 + pattern.length : 3_000;
}

function expected(snapshot: Snapshot, view: RequestView): number | null {
  const claims = snapshot.listeners[0].virtualHosts.flatMap((host) =>
    host.domains.filter((domain) => hostHolds(domain, view.host)).map((domain) => ({ host, domain })),
  );
  const best = claims.toSorted((a, b) => specificity(b.domain) - specificity(a.domain))[0];
  return best?.host.matches.find((entry) => holds(entry.match, view))?.route ?? null;
}

// What is generated: few words, so that everything overlaps.

const segment = fc.constantFrom('a', 'ab', 'b', 'A', '1');
const path = fc
  .array(segment, { maxLength: 3 })
  .chain((parts) => fc.constantFrom(`/${parts.join('/')}`, `/${parts.join('/')}/`, `/${parts.join('/')}b`));
const ignoreCase = fc.boolean();
const pathMatcher: fc.Arbitrary<PathMatcher> = fc.oneof(
  fc.record({ kind: fc.constant('exact' as const), value: path, ignoreCase }),
  fc.record({ kind: fc.constant('prefix' as const), value: fc.oneof(path, fc.constant('/'), fc.constant('')), ignoreCase }),
  fc.record({ kind: fc.constant('path-prefix' as const), value: fc.oneof(path, fc.constant('/')) }),
  fc.record({
    kind: fc.constant('regex' as const),
    value: fc.constantFrom('/a.*', '/(a|b)/.*', '/[ab]+', '/a/[0-9]', '.*/b', '/a|/b', '/ab?/?', '^/a(/.*)?$', '(/[a-z]+)+'),
    anchor: fc.constantFrom('full' as const, 'start' as const),
  }),
);
const words = ['x', 'xy', 'y', 'Y', ''];
const stringMatcher: fc.Arbitrary<StringMatcher> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('exact' as const, 'prefix' as const, 'suffix' as const, 'contains' as const),
    value: fc.constantFrom(...words),
    ignoreCase,
  }),
  fc.record({
    kind: fc.constant('regex' as const),
    value: fc.constantFrom('x.*', '[xy]+', 'y|xy'),
    anchor: fc.constantFrom('full' as const, 'start' as const, 'search' as const),
    ignoreCase,
  }),
  fc.constant({ kind: 'present' } as const),
);
const domain = fc.constantFrom('a.t', 'b.a.t', 'c.b.a.t', '*.t', '*.a.t', '*.b.a.t', 'a.*', 'b.a.*', '*');
const optional = <T>(value: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(value, { nil: undefined, freq: 3 });

const match: fc.Arbitrary<RouteMatch> = fc
  .record({
    path: fc.option(pathMatcher, { nil: undefined }),
    hosts: optional(
      fc.array(
        fc
          .record({ pattern: domain, port: fc.option(fc.constantFrom(80, 81), { nil: undefined }) })
          .map(({ pattern, port }) => (port === undefined ? { pattern } : { pattern, port })),
        { minLength: 1, maxLength: 2 },
      ),
    ),
    methods: optional(
      fc.array(fc.record({ kind: fc.constant('exact' as const), value: fc.constantFrom('GET', 'POST') }), { minLength: 1, maxLength: 2 }),
    ),
    headers: optional(
      fc.array(
        fc.record({
          name: fc.constantFrom('h', 'i'),
          values: fc.array(stringMatcher, { minLength: 1, maxLength: 2 }),
          invert: fc.boolean(),
          eachLine: fc.boolean(),
        }),
        { minLength: 1, maxLength: 2 },
      ),
    ),
    query: optional(fc.array(fc.record({ name: fc.constantFrom('q', 'qq'), value: stringMatcher }), { minLength: 1, maxLength: 1 })),
    ports: optional(fc.constantFrom([80], [81], [80, 81])),
  })
  .map((fields): RouteMatch => JSON.parse(JSON.stringify(fields)));

const snapshotOf = fc
  .array(fc.record({ domains: fc.array(domain, { minLength: 1, maxLength: 3 }), matches: fc.array(match, { maxLength: 12 }) }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((hosts) => {
    // Domains are unique in a listener.
    const taken = new Set<string>();
    return fixtureSnapshot(
      hosts.map((host) => ({ ...host, domains: [...new Set(host.domains)].filter((one) => !taken.has(one) && taken.add(one).size > 0) })),
    );
  });

const view = fc
  .record({
    path,
    host: fc.constantFrom('a.t', 'b.a.t', 'c.b.a.t', 'd.b.a.t', 't', 'x.t', 'a.u', 'b.a.u', '.t', ''),
    method: fc.constantFrom('GET', 'POST', 'PUT'),
    authorityPort: fc.constantFrom(null, 80, 81),
    localPort: fc.constantFrom(80, 81),
    query: fc.constantFrom('', 'q', 'q=x', 'qq=y&q=', 'q=xy&q=y', 'aq=1'),
    headers: fc.array(fc.tuple(fc.constantFrom('h', 'I'), fc.constantFrom(...words)), { maxLength: 3 }),
  })
  .map(({ headers, ...fields }) => fixtureView(fields.path, { ...fields, headers: fixtureHeaders(headers) }));

/** Compares the router, given `served`, with the reference, given the snapshot itself. */
function compare(served: (snapshot: Snapshot) => Snapshot, numRuns: number, seed?: number): fc.RunDetails<[Snapshot, RequestView[]]> {
  const property = fc.property(snapshotOf, fc.array(view, { minLength: 1, maxLength: 12 }), (snapshot, views) => {
    const table = new RouteTables(compileTables(served(snapshot)), 1, () => null).listener(':80');
    assert.ok(table !== null);
    for (const one of views) {
      const hit = table.lookup(one);
      assert.equal(hit?.routeIndex ?? null, expected(snapshot, one));
      if (hit !== null) assert.equal(hit.matcher.explain(one), null);
    }
  });
  return fc.check(property, { numRuns, ...(seed === undefined ? {} : { seed }) });
}

test('the tables choose what the model says', () => {
  const details = compare((snapshot) => snapshot, 1_500);
  assert.equal(details.failed, false, fc.defaultReportMessage(details) ?? '');
});

/** Changes every match of a snapshot: a router that reads the model wrongly. */
function withMatches(
  snapshot: Snapshot,
  change: (matches: Snapshot['listeners'][0]['virtualHosts'][0]['matches']) => typeof matches,
): Snapshot {
  return {
    ...snapshot,
    listeners: snapshot.listeners.map((listener) => ({
      ...listener,
      virtualHosts: listener.virtualHosts.map((host) => ({ ...host, matches: change(host.matches) })),
    })),
  };
}

const bugs: readonly { readonly name: string; readonly served: (snapshot: Snapshot) => Snapshot }[] = [
  {
    name: 'the longest path wins instead of the best rank',
    served: (snapshot) =>
      withMatches(snapshot, (matches) => matches.toSorted((a, b) => (b.match.path?.value.length ?? 0) - (a.match.path?.value.length ?? 0))),
  },
  {
    name: 'whole path elements are not looked at',
    served: (snapshot) =>
      withMatches(snapshot, (matches) =>
        matches.map((entry) =>
          entry.match.path?.kind === 'path-prefix'
            ? { ...entry, match: { ...entry.match, path: { kind: 'prefix' as const, value: entry.match.path.value } } }
            : entry,
        ),
      ),
  },
  {
    name: 'inverted headers are forgotten',
    served: (snapshot) =>
      withMatches(snapshot, (matches) =>
        matches.map((entry) =>
          entry.match.headers === undefined
            ? entry
            : { ...entry, match: { ...entry.match, headers: entry.match.headers.map((header) => ({ ...header, invert: false })) } },
        ),
      ),
  },
  {
    name: 'a regex is anchored at the start only',
    served: (snapshot) =>
      withMatches(snapshot, (matches) =>
        matches.map((entry) =>
          entry.match.path?.kind === 'regex'
            ? { ...entry, match: { ...entry.match, path: { ...entry.match.path, anchor: 'start' as const } } }
            : entry,
        ),
      ),
  },
  {
    name: 'hosts of a match are not looked at',
    served: (snapshot) =>
      withMatches(snapshot, (matches) =>
        matches.map((entry) => {
          const { hosts: _, ...rest } = entry.match;
          return { ...entry, match: rest };
        }),
      ),
  },
];
for (const bug of bugs) {
  test(`a planted bug is found: ${bug.name}`, () => assert.equal(compare(bug.served, 1_500).failed, true));
}
