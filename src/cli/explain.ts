import { statSync } from 'node:fs';
import { type Command, Option } from 'commander';
import { callerOf } from '../dialects/caller.ts';
import { compileFiles } from '../dialects/compile.ts';
import { explainerOf, type ExplainResult } from '../proxy/explain.ts';
import { splitLayer4Url } from '../proxy/explain/wire.ts';
import { explainText } from './explain-text.ts';
import { diagnosticText, exitCode, fileOption, parseLabels, print, wantsColor } from './shared.ts';

interface Options {
  readonly file?: readonly string[];
  readonly header: readonly string[];
  readonly format: 'text' | 'json';
  readonly labels?: Readonly<Record<string, string>>;
  readonly bind: string;
  readonly from?: string;
  readonly address?: string;
  readonly body?: string;
  readonly server?: string;
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

/** `weir explain -f PATH … [METHOD] URL`. */
export function register(program: Command): void {
  program
    .command('explain')
    .description('say what would happen to a request, and why, without sending anything')
    .argument('<request...>', '[METHOD] URL; the port of the URL picks the listener; tcp://, tls:// and udp:// URLs ask for connections')
    .addOption(fileOption().makeOptionMandatory(false))
    .option('-H, --header <line>', "header line 'name: value'; repeats", collect, [])
    .option('--from <spiffe-id>', 'east-west caller, spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT')
    .option('--address <host:port>', 'listener, when it is not the port of the URL')
    .option('--body <file>', 'body of the request')
    .option('--server <host:port>', 'ask a running admin API instead of -f (token from WEIR_TOKEN)')
    .addOption(new Option('--format <format>', 'how the answer is printed').choices(['text', 'json']).default('text').env('WEIR_FORMAT'))
    .addOption(
      new Option('--labels <k=v,...>', 'which Istio Gateway selectors are served (default: all)').argParser(parseLabels).env('WEIR_LABELS'),
    )
    .addOption(new Option('--bind <address>', 'address of listeners that name none').default('::').env('WEIR_BIND'))
    .action(async (request: readonly string[], options: Options) => {
      process.exitCode = await explainCommand(request, options);
    });
}

/** Returns the exit code. */
export async function explainCommand(request: readonly string[], options: Options): Promise<number> {
  const asked = readRequest(request, options);
  if (typeof asked === 'string') return fail(asked, exitCode.usage);
  const result = options.server === undefined ? await offline(asked, options) : await remote(asked, options.server);
  if (!('outcome' in result)) return fail(result.error, result.code);
  await print(
    process.stdout,
    options.format === 'json'
      ? `${JSON.stringify(result, null, 2)}
`
      : explainText(result, wantsColor(process.stdout)),
  );
  return 0;
}

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly from: string | null;
  readonly address: string | null;
  readonly bodyBytes: number;
}

function readRequest(request: readonly string[], options: Options): Asked | string {
  if (request.length > 2) return `one [METHOD] URL is explained at a time, not '${request.join(' ')}'`;
  const [first = '', second] = request;
  const headers: (readonly [string, string])[] = [];
  for (const line of options.header) {
    const colon = line.indexOf(':');
    if (colon <= 0) return `-H '${line}' is not of the form 'name: value'`;
    headers.push([line.slice(0, colon).trim(), line.slice(colon + 1).trim()]);
  }
  let bodyBytes = 0;
  if (options.body !== undefined) {
    const stat = statSync(options.body, { throwIfNoEntry: false });
    if (stat === undefined || !stat.isFile()) return `--body ${options.body} is not a file`;
    bodyBytes = stat.size;
  }
  const url = second ?? first;
  const method = second === undefined ? (bodyBytes > 0 ? 'POST' : 'GET') : first;
  const isBytes = /^(?:tcp|tls|udp):\/\//i.test(url);
  if (!isBytes && !/^https?:\/\//i.test(url))
    return /^[a-z][a-z0-9+.-]*:\/\//i.test(url)
      ? `'${url}' is not an http, https, tcp, tls or udp URL`
      : `'${url}' is not a URL; write http://${url.replace(/^\/+/, 'host/')}`;
  const problem = isBytes ? bytesUrlProblem(url) : urlProblem(url);
  if (problem !== null) return problem;
  if (options.server === undefined && (options.file ?? []).length === 0)
    return 'give the configuration with -f PATH, or a running gateway with --server HOST:PORT';
  const address = options.address ?? null;
  if (!isBytes) return { method, url, headers, from: options.from ?? null, address, bodyBytes };
  const ignored = [
    ...(second === undefined ? [] : [`the method ${first}`]),
    ...(headers.length === 0 ? [] : ['-H']),
    ...(options.from === undefined ? [] : ['--from']),
    ...(options.body === undefined ? [] : ['--body']),
  ];
  if (ignored.length > 0) process.stderr.write(`weir explain: ${url} is no HTTP request: ${ignored.join(', ')} ignored\n`);
  return { method: 'GET', url, headers: [], from: null, address, bodyBytes: 0 };
}

/** A connection that is not HTTP is known by host and port alone. */
function bytesUrlProblem(url: string): string | null {
  const split = splitLayer4Url(url);
  return split === null || split.ok ? null : split.error;
}

/** What no client could send; everything else is for the gateway to judge. */
function urlProblem(url: string): string | null {
  const authority = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1] ?? '';
  if (authority === '') return `'${url}' has no host; write http://host/path`;
  if (authority.includes('@')) return `'${url}' holds user information, which is not sent in requests; write -H 'authorization: …'`;
  const port = /:(\d+)$/.exec(authority)?.[1];
  return port !== undefined && (Number(port) > 65_535 || Number(port) === 0) ? `'${url}': port ${port} is not one; write 1 to 65535` : null;
}

interface Failed {
  readonly error: string;
  readonly code: number;
}

async function offline(asked: Asked, options: Options): Promise<ExplainResult | Failed> {
  const { snapshot, diagnostics, resources } = await compileFiles(options.file ?? [], {
    bind: options.bind,
    labels: options.labels ?? null,
  });
  const errors = diagnostics.filter((diagnostic) => diagnostic.severity === 'error');
  const unreadable = errors.filter((diagnostic) => diagnostic.code === 'WR0102');
  if (unreadable.length > 0)
    return { error: unreadable.map((diagnostic) => diagnosticText(diagnostic, false).trimEnd()).join('\n'), code: exitCode.findings };
  for (const diagnostic of errors) process.stderr.write(diagnosticText(diagnostic, wantsColor(process.stderr)));
  const caller = asked.from === null ? null : callerOf(asked.from, resources);
  if (caller !== null && !caller.ok) return { error: `--from: ${caller.error}`, code: exitCode.usage };
  return explainerOf(snapshot).explain({ ...asked, caller: caller === null ? null : caller.value });
}

/** Longest wait for the admin API, ms. */
const serverTimeoutMs = 10_000;

async function remote(asked: Asked, server: string): Promise<ExplainResult | Failed> {
  const token = process.env['WEIR_TOKEN'];
  const headers = { 'content-type': 'application/json', ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) };
  const base = /^https?:\/\//.test(server) ? server : `http://${server}`;
  try {
    const response = await fetch(`${base.replace(/\/$/, '')}/api/v1/explain`, {
      method: 'POST',
      headers,
      body: JSON.stringify(asked),
      signal: AbortSignal.timeout(serverTimeoutMs),
    });
    const text = await response.text();
    if (!response.ok) return { error: `${server} answers ${response.status}: ${text.slice(0, 500)}`, code: exitCode.unavailable };
    const result: unknown = JSON.parse(text);
    if (isResult(result)) return result;
    return { error: `${server} does not answer as a Weir admin API`, code: exitCode.unavailable };
  } catch (error) {
    // fetch hides the reason ("connection refused") in its cause.
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    const text = cause instanceof Error ? cause.message || ('code' in cause ? String(cause.code) : cause.name) : String(cause);
    return { error: `${server} cannot be asked: ${text}; is weir running with --admin ${server}?`, code: exitCode.unavailable };
  }
}

/** What another Weir answers is trusted to be whole once it bears the marks. */
function isResult(value: unknown): value is ExplainResult {
  return typeof value === 'object' && value !== null && 'outcome' in value && 'candidates' in value && 'request' in value;
}

function fail(message: string, code: number): number {
  process.stderr.write(`weir explain: ${message}\n`);
  return code;
}
