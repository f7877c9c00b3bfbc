/**
 * Random configuration in each dialect's own words and random requests: what explain says, what the client gets and
 * what reaches the upstream are the same thing. WEIR_PROPERTY_RUNS sets the configurations per dialect,
 * WEIR_PROPERTY_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { compileSources } from '../../src/dialects/compile.ts';
import type { RouteMatch } from '../../src/model/match.ts';
import type { MatchEntry, WeightedDestination } from '../../src/model/route.ts';
import type { Snapshot } from '../../src/model/snapshot.ts';
import { explainerOf } from '../../src/proxy/explain.ts';
import { difference } from '../support/explained.ts';
import { Traffic } from '../support/traffic.ts';
import { gatewayApiConfig, gatewayApiHosts } from './generate/gateway-api.ts';
import { istioConfig, istioHosts } from './generate/istio.ts';
import { kongConfig, kongHosts, kongKeys } from './generate/kong.ts';
import { bytesOf, requests, type GeneratedRequest } from './generate/request.ts';
import type { GeneratedConfig } from './generate/text.ts';

const seed = Number(process.env['WEIR_PROPERTY_SEED'] ?? Date.now() % 2 ** 31);
const runs = Number(process.env['WEIR_PROPERTY_RUNS'] ?? 0);
/** Wall clock per dialect when no number of runs is asked for. */
const budgetMs = 5_000;

const traffic = await Traffic.start(4, [80, 8000, 8080]);
const backends = traffic.backends.map(({ port }) => port);

interface DialectCase {
  readonly name: string;
  readonly config: fc.Arbitrary<GeneratedConfig>;
  readonly request: fc.Arbitrary<GeneratedRequest>;
  /** Outcomes that must come up, or the generator aims past its configuration. */
  readonly outcomes: readonly string[];
}

const dialects: readonly DialectCase[] = [
  {
    name: 'Istio',
    config: istioConfig(backends),
    request: requests(istioHosts),
    outcomes: ['forward', 'redirect', 'direct-response', 'not-found', 'error'],
  },
  {
    name: 'Gateway API',
    config: gatewayApiConfig(backends),
    request: requests(gatewayApiHosts),
    outcomes: ['forward', 'redirect', 'not-found', 'error'],
  },
  {
    name: 'Kong',
    config: kongConfig(backends),
    request: requests(kongHosts, kongKeys),
    outcomes: ['forward', 'redirect', 'denied', 'not-found', 'error'],
  },
];

interface Options {
  /** What traffic is served from: the snapshot itself, or a broken variant of it. */
  readonly served?: (snapshot: Snapshot) => Snapshot;
  readonly parameters: fc.Parameters<[GeneratedConfig, GeneratedRequest[]]>;
  readonly seen?: Map<string, number>;
}

async function compare(dialect: DialectCase, { served = (same) => same, parameters, seen = new Map() }: Options) {
  const property = fc.asyncProperty(
    dialect.config,
    fc.array(dialect.request, { minLength: 10, maxLength: 30, size: 'max' }),
    async ({ text, port }, list) => {
      const { snapshot } = await compileSources([{ file: 'generated.yaml', text }], { bind: '127.0.0.1', labels: null }, null);
      await traffic.serve(served(snapshot));
      const explainer = explainerOf(snapshot);
      if (!traffic.listens(port)) return;
      for (const request of list) {
        const { method, target, host, headers } = request;
        const explained = await explainer.explain({
          method,
          url: `http://gateway.test:${port}${target}`,
          headers: [['Host', host], ...headers],
        });
        const exchanged = await traffic.send(port, bytesOf(request));
        seen.set(explained.outcome, (seen.get(explained.outcome) ?? 0) + 1);
        const found = difference(explained, headers, exchanged);
        if (found !== null)
          throw new Error(`${found}\n${bytesOf(request)}\nexplained by ${explained.route?.id ?? 'no route'}: ${explained.reason}\n${text}`);
      }
    },
  );
  // A request without an answer is a counterexample too.
  return fc.check(property, { timeout: 10_000, ...parameters });
}

function withMatches(change: (matches: readonly MatchEntry[]) => readonly MatchEntry[]): (snapshot: Snapshot) => Snapshot {
  return (snapshot) => ({
    ...snapshot,
    listeners: snapshot.listeners.map((listener) => ({
      ...listener,
      virtualHosts: listener.virtualHosts.map((host) => ({ ...host, matches: change(host.matches) })),
    })),
  });
}

function withMatch(change: (match: RouteMatch) => RouteMatch): (snapshot: Snapshot) => Snapshot {
  return withMatches((matches) => matches.map((entry) => ({ ...entry, match: change(entry.match) })));
}

function withDestinations(change: (destination: WeightedDestination, all: readonly WeightedDestination[]) => WeightedDestination) {
  return (snapshot: Snapshot): Snapshot => ({
    ...snapshot,
    routes: snapshot.routes.map((route) =>
      route.action.kind === 'forward'
        ? { ...route, action: { ...route.action, destinations: route.action.destinations.map((one, _, all) => change(one, all)) } }
        : route,
    ),
  });
}

function looseValues(match: RouteMatch): RouteMatch {
  if (match.headers === undefined) return match;
  return {
    ...match,
    headers: match.headers.map((header) => ({
      ...header,
      values: header.values.map((value) => (value.kind === 'present' ? value : { ...value, ignoreCase: true })),
    })),
  };
}

const bugs: readonly { readonly name: string; readonly dialect: number; readonly served: (snapshot: Snapshot) => Snapshot }[] = [
  {
    name: 'the first two matches of a host are swapped',
    dialect: 0,
    served: withMatches(([a, b, ...rest]) => (b === undefined ? (a === undefined ? [] : [a]) : [b, a, ...rest])),
  },
  { name: 'header values are compared without regard to case', dialect: 0, served: withMatch(looseValues) },
  {
    name: 'withoutHeaders is forgotten',
    dialect: 0,
    served: withMatch((match) =>
      match.headers === undefined ? match : { ...match, headers: match.headers.filter(({ invert }) => invert !== true) },
    ),
  },
  {
    name: 'prefixes end at whole path elements',
    dialect: 0,
    served: withMatch((match) =>
      match.path?.kind === 'prefix' ? { ...match, path: { kind: 'path-prefix', value: match.path.value } } : match,
    ),
  },
  {
    name: 'a weight of 0 takes its share',
    dialect: 0,
    served: withDestinations((destination) => ({ ...destination, weight: Math.max(1, destination.weight) })),
  },
  {
    name: 'prefixes end anywhere',
    dialect: 1,
    served: withMatch((match) =>
      match.path?.kind === 'path-prefix' ? { ...match, path: { kind: 'prefix', value: match.path.value } } : match,
    ),
  },
  {
    name: 'the last of two ties wins',
    dialect: 1,
    served: withMatches((matches) => matches.toSorted((a, b) => Number(a.rankReason === b.rankReason) * (b.route - a.route))),
  },
  {
    name: 'hosts of a route are not looked at',
    dialect: 2,
    served: withMatch(({ hosts: _, ...match }) => match),
  },
  {
    name: 'a prefix stands before a regular expression',
    dialect: 2,
    served: withMatches((matches) =>
      matches.toSorted((a, b) => Number(a.match.path?.kind === 'regex') - Number(b.match.path?.kind === 'regex')),
    ),
  },
];
await test('random configuration', async (all) => {
  all.after(async () => {
    await traffic.close();
    assert.deepEqual(traffic.rig.faults, [], 'no bug was caught by a guard');
  });
  for (const dialect of dialects) {
    await all.test(`${dialect.name}: explain, answer and upstream agree`, async (t) => {
      const seen = new Map<string, number>();
      const until = performance.now() + budgetMs;
      let details: fc.RunDetails<[GeneratedConfig, GeneratedRequest[]]>;
      let batch = seed;
      let done = 0;
      // Whole batches: an interrupted property would go on in the background, on the gateway of the next one.
      do {
        details = await compare(dialect, { parameters: { seed: batch++, numRuns: 20 }, seen });
        done += details.numRuns;
      } while (!details.failed && (runs > 0 ? done < runs : performance.now() < until));
      const total = [...seen.values()].reduce((sum, count) => sum + count, 0);
      t.diagnostic(`seed ${seed}: ${done} configurations, ${total} requests, ${JSON.stringify(Object.fromEntries(seen))}`);
      assert.ok(
        !details.failed,
        `${details.errorInstance instanceof Error ? details.errorInstance.message : ''}\nseed ${details.seed}, path ${details.counterexamplePath ?? ''}`,
      );
      assert.deepEqual(
        dialect.outcomes.filter((outcome) => !seen.has(outcome)),
        [],
        'outcomes that no request had',
      );
    });
  }
  for (const bug of bugs) {
    await all.test(`a planted bug is found: ${dialects[bug.dialect].name}, ${bug.name}`, async () => {
      const details = await compare(dialects[bug.dialect], {
        served: bug.served,
        parameters: { seed: 1, numRuns: 300, endOnFailure: true },
      });
      assert.equal(details.failed, true);
      assert.match(details.errorInstance instanceof Error ? details.errorInstance.message : '', /explained/);
    });
  }
});
