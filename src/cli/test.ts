import { styleText } from 'node:util';
import { type Command, Option } from 'commander';
import { callerOf } from '../dialects/caller.ts';
import { compileFiles, defaultOptions } from '../dialects/compile.ts';
import type { Resource } from '../dialects/dialect.ts';
import { type RouteTestCase, routeTests } from '../dialects/weir/route-test.ts';
import type { Origin } from '../model/origin.ts';
import type { Route } from '../model/route.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { explainerOf, type Explainer, type ExplainResult } from '../proxy/explain.ts';
import { diagnosticText, exitCode, fileOption, parseLabels, print, wantsColor } from './shared.ts';
import { compare } from './expectation.ts';

interface Options {
  readonly file: readonly string[];
  readonly format: 'text' | 'json';
  readonly labels?: Readonly<Record<string, string>>;
}

interface CaseResult {
  readonly test: string;
  readonly name: string;
  readonly passed: boolean;
  /** What was expected and what came, one sentence each. */
  readonly problems: readonly string[];
  readonly file: string;
  readonly line: number;
  readonly reason: string;
}

interface Unreached {
  readonly route: string;
  readonly rule: number;
  readonly origin: Origin;
}

/** `weir test -f PATH …`. */
export function register(program: Command): void {
  program
    .command('test')
    .description('run the RouteTest documents found in the configuration')
    .addOption(fileOption())
    .addOption(new Option('--format <format>', 'how the report is printed').choices(['text', 'json']).default('text').env('WEIR_FORMAT'))
    .addOption(
      new Option('--labels <k=v,...>', 'which Istio Gateway selectors are served (default: all)').argParser(parseLabels).env('WEIR_LABELS'),
    )
    .action(async (options: Options) => {
      process.exitCode = await testCommand(options);
    });
}

/** Returns the exit code: 0, or 1 when a case fails or the configuration has errors. */
export async function testCommand(options: Options): Promise<number> {
  const { snapshot, diagnostics, resources } = await compileFiles(options.file, { ...defaultOptions, labels: options.labels ?? null });
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error');
  for (const diagnostic of errors) process.stderr.write(diagnosticText(diagnostic, wantsColor(process.stderr)));
  const { results, unreached } = await runRouteTests(snapshot, resources);
  const json = options.format === 'json';
  await print(
    process.stdout,
    json ? `${JSON.stringify(summary(results, unreached), null, 2)}\n` : reportText(results, unreached, wantsColor(process.stdout)),
  );
  if (results.length === 0) process.stderr.write('weir test: no RouteTest document found\n');
  return errors.length > 0 || results.some((result) => !result.passed) ? exitCode.findings : exitCode.success;
}

/** Runs every case against the snapshot; tells which rules none of them reached. */
export async function runRouteTests(
  snapshot: Snapshot,
  resources: readonly Resource[],
): Promise<{ readonly results: readonly CaseResult[]; readonly unreached: readonly Unreached[] }> {
  const explainer = explainerOf(snapshot);
  const results: CaseResult[] = [];
  const reached = new Set<string>();
  for (const one of routeTests(resources)) {
    const result = await explainCase(explainer, one, resources);
    if (typeof result !== 'string' && result.route !== null) reached.add(result.route.id);
    const problems = typeof result === 'string' ? [result] : compare(one.expect, result);
    const { name, file, line } = one;
    results.push({
      test: one.resource.name,
      name,
      passed: problems.length === 0,
      problems,
      file,
      line,
      reason: typeof result === 'string' ? '' : result.reason,
    });
  }
  const unreached = snapshot.routes
    .filter((route) => !reached.has(route.id) && !isImplied(route))
    .map(({ name, rule, origin }) => ({ route: name, rule, origin }));
  return { results, unreached: [...unreached, ...unreachedForwards(snapshot, reached)] };
}

/** The route that a declared service has in the mesh by itself: nobody wrote it. */
function isImplied({ origin }: Route): boolean {
  return origin.kind === 'ServiceEntry' || origin.kind === 'Service';
}

/** Layer 4 routes; several chains may lead to one. What only closes connections is no rule of anybody's. */
function unreachedForwards({ listeners }: Snapshot, reached: ReadonlySet<string>): readonly Unreached[] {
  const forwards = listeners.flatMap(({ chains = [] }) => chains.flatMap(({ forward }) => forward ?? []));
  const byName = new Map(forwards.filter(({ blocked }) => blocked === undefined).map((forward) => [forward.route, forward]));
  return [...byName.values()].filter(({ route }) => !reached.has(route)).map(({ route, origin }) => ({ route, rule: 0, origin }));
}

async function explainCase(explainer: Explainer, one: RouteTestCase, resources: readonly Resource[]): Promise<ExplainResult | string> {
  const { from, ...request } = one.request;
  const caller = from === null ? null : callerOf(from, resources);
  if (caller !== null && !caller.ok) return caller.error;
  return explainer.explain({ ...request, caller: caller === null ? null : caller.value });
}

function summary(results: readonly CaseResult[], unreached: readonly Unreached[]): unknown {
  const passed = results.filter((result) => result.passed).length;
  return { passed, failed: results.length - passed, cases: results, unreached };
}

function reportText(results: readonly CaseResult[], unreached: readonly Unreached[], color: boolean): string {
  const paint = (style: 'green' | 'red' | 'yellow' | 'dim', text: string): string =>
    color ? styleText(style, text, { validateStream: false }) : text;
  const lines: string[] = [];
  for (const { passed, test, name, file, line, problems, reason } of results) {
    lines.push(`${passed ? paint('green', 'ok  ') : paint('red', 'FAIL')} ${test}: ${name}${passed ? '' : `  ${file}:${line}`}`);
    for (const problem of problems) lines.push(`       ${problem}`);
    if (!passed && reason !== '') lines.push(paint('dim', `       the decision was: ${reason}`));
  }
  if (unreached.length > 0) {
    lines.push('', paint('yellow', `Rules that no test reached: ${unreached.length}`));
    for (const { route, rule, origin } of unreached) lines.push(`  ${route} (rule ${rule})  ${origin.file}:${origin.line}`);
  }
  const failed = results.filter((result) => !result.passed).length;
  lines.push('', `${results.length - failed} passed, ${failed} failed`);
  return `${lines.join('\n')}\n`;
}
