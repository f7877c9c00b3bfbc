import type { Command } from 'commander';
import { Option } from 'commander';
import { count } from '../base/text.ts';
import type { Diagnostic } from '../model/diagnostic.ts';
import { countBy, diagnosticText, exitCode, fileOption, parseLabels, print, wantsColor } from './shared.ts';

interface ValidateOptions {
  readonly file: readonly string[];
  readonly format: 'text' | 'json' | 'sarif';
  readonly strict?: true;
  readonly labels?: Readonly<Record<string, string>>;
  readonly bind: string;
}

export function register(program: Command): void {
  program
    .command('validate')
    .description('check configuration without running it; exit 0 clean or warnings only, 1 errors')
    .addOption(fileOption())
    .addOption(
      new Option('--format <format>', 'how findings are printed').choices(['text', 'json', 'sarif']).default('text').env('WEIR_FORMAT'),
    )
    .addOption(new Option('--strict', 'warnings fail too').env('WEIR_STRICT'))
    .addOption(
      new Option('--labels <k=v,...>', 'which Istio Gateway selectors are served (default: all)').argParser(parseLabels).env('WEIR_LABELS'),
    )
    .addOption(new Option('--bind <address>', 'address of listeners that name none').default('::').env('WEIR_BIND'))
    .action(validate);
}

async function validate(options: ValidateOptions): Promise<void> {
  const [{ compileFiles }, { routeCount }] = await Promise.all([import('../dialects/compile.ts'), import('../dialects/summary.ts')]);
  const { snapshot, diagnostics } = await compileFiles(options.file, { bind: options.bind, labels: options.labels ?? null });
  const errors = countBy(diagnostics, 'error');
  const warnings = countBy(diagnostics, 'warning');
  const failed = errors > 0 || (options.strict === true && warnings > 0);
  const summary = {
    errors,
    warnings,
    infos: countBy(diagnostics, 'info'),
    listeners: snapshot.listeners.filter(({ kind }) => kind === 'gateway').length,
    mesh: snapshot.listeners.some(({ kind }) => kind === 'mesh'),
    routes: routeCount(snapshot),
    clusters: snapshot.clusters.length,
  };
  if (options.format === 'json') {
    await print(process.stdout, `${JSON.stringify({ valid: !failed, summary, diagnostics, status: snapshot.status }, null, 2)}\n`);
  } else if (options.format === 'sarif') {
    const { sarif } = await import('./sarif.ts');
    await print(process.stdout, `${JSON.stringify(sarif(diagnostics), null, 2)}\n`);
  } else {
    await print(process.stdout, report(diagnostics, summary));
  }
  process.exitCode = failed ? exitCode.findings : exitCode.success;
}

function report(
  diagnostics: readonly Diagnostic[],
  summary: {
    readonly errors: number;
    readonly warnings: number;
    readonly listeners: number;
    /** There is something to see for callers inside the mesh, too. */
    readonly mesh: boolean;
    readonly routes: number;
    readonly clusters: number;
  },
): string {
  const color = wantsColor(process.stdout);
  const findings = diagnostics.map((diagnostic) => diagnosticText(diagnostic, color)).join('');
  const { errors, warnings, listeners, mesh, routes, clusters } = summary;
  const places = [...(listeners > 0 || !mesh ? [count(listeners, 'listener')] : []), ...(mesh ? ['the mesh'] : [])].join(' and ');
  const parts = `${places}, ${count(routes, 'route')}, ${count(clusters, 'cluster')}`;
  const verdict = errors + warnings === 0 ? 'valid' : `${count(errors, 'error')}, ${count(warnings, 'warning')}`;
  return `${findings}${verdict}: ${parts}\n`;
}
