import type { RouteTestCase } from '../dialects/weir/route-test.ts';
import type { ExplainedDestination, ExplainResult, HeaderChanges } from '../proxy/explain/types.ts';

type Expectation = RouteTestCase['expect'];

/** What of `expect` does not hold, one sentence each; only what is expected is compared. */
export function compare(expect: Expectation, result: ExplainResult): readonly string[] {
  const problems: string[] = [];
  const check = (what: string, wanted: string | number | null | undefined, got: readonly (string | number | null)[]): void => {
    if (wanted === undefined || got.includes(wanted)) return;
    const shown = [...new Set(got)].map((value) => (value === null ? 'none' : `'${value}'`));
    problems.push(`${what}: expected ${wanted === null ? 'none' : `'${wanted}'`}, got ${shown.length === 0 ? 'none' : shown.join(' or ')}`);
  };
  check('outcome', expect.outcome, [result.outcome]);
  check('status', expect.status, [result.status]);
  check('route', expect.route, result.route === null ? [null] : [result.route.name, result.route.origin.name, result.route.id]);
  check('virtual host', expect.virtualHost, [result.virtualHost]);
  check('destination', expect.destination, result.destinations.filter((one) => one.weight > 0).flatMap(namesOf));
  check('path', expect.path, [result.request.path]);
  check('authority', expect.authority, [result.request.authority]);
  check('location', expect.location, [result.response.location]);
  for (const [name, value] of Object.entries(expect.requestHeaders ?? {}))
    check(`request header ${name}`, value, valuesOf(result.request.headers, name));
  for (const [name, value] of Object.entries(expect.responseHeaders ?? {}))
    check(`response header ${name}`, value, valuesOf(result.response.headers, name));
  return problems;
}

/** As written and in full, with and without the port. */
function namesOf(destination: ExplainedDestination): string[] {
  const hosts = [...new Set([destination.host, ...(destination.cluster === null ? [] : [destination.cluster.split('|', 1)[0] ?? ''])])];
  return hosts.flatMap((host) => (destination.port === null ? [host] : [`${host}:${destination.port}`, host]));
}

function valuesOf(changes: HeaderChanges, name: string): string[] {
  const lower = name.toLowerCase();
  const of = (record: Readonly<Record<string, string | readonly string[]>>): string[] =>
    Object.entries(record)
      .filter(([key]) => key.toLowerCase() === lower)
      .flatMap(([, value]) => value);
  return [...of(changes.set), ...of(changes.add)];
}
