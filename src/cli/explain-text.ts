import { styleText } from 'node:util';
import type { Origin } from '../model/origin.ts';
import type { Candidate, ExplainedDestination, ExplainedTls, ExplainResult, HeaderChanges } from '../proxy/explain/types.ts';

type Style = Parameters<typeof styleText>[0];
type Paint = (style: Style, text: string) => string;

const verbs = {
  forward: 'FORWARDED',
  redirect: 'REDIRECTED',
  'direct-response': 'ANSWERED',
  denied: 'DENIED',
  'not-found': 'NOT FOUND',
  error: 'ERROR',
} as const satisfies Readonly<Record<ExplainResult['outcome'], string>>;

const styles = {
  forward: 'green',
  redirect: 'cyan',
  'direct-response': 'cyan',
  denied: 'red',
  'not-found': 'yellow',
  error: 'red',
} as const satisfies Readonly<Record<ExplainResult['outcome'], Style>>;

/** For people: the decision, where it comes from, what happens to the request, and why the other routes lost. */
export function explainText(result: ExplainResult, color: boolean): string {
  const paint: Paint = (style, text) => (color ? styleText(style, text, { validateStream: false }) : text);
  const lines: string[] = [];
  const status = result.status === null ? '' : ` ${result.status}`;
  const flags = result.flags.length === 0 ? '' : ` [${result.flags.join(',')}]`;
  lines.push(`${paint(['bold', styles[result.outcome]], `${verbs[result.outcome]}${status}${flags}`)}  ${result.reason}`);
  const row = (title: string, text: string): void => void lines.push(`  ${paint('dim', title.padEnd(12))} ${text}`);
  if (result.route !== null) {
    const { name, rule, match, origin } = result.route;
    const within = isBytes(result) ? '' : `, rule ${rule}, match ${match}`;
    row('route', `${paint('bold', name)} (${resource(origin)}${within})  ${place(origin, paint)}`);
  }
  if (result.listener !== null) row('listener', `${result.listener.address}  ${place(result.listener.origin, paint)}`);
  if (result.virtualHost !== null) row('virtual host', result.virtualHost);
  row(isBytes(result) ? 'connection' : 'request', `${result.request.method} ${result.request.authority}${result.request.path}`);
  for (const change of changeLines(result.request.headers)) row('', change);
  for (const filter of result.filters) {
    const verdict = paint(filter.verdict === 'deny' ? 'red' : filter.verdict === 'respond' ? 'cyan' : 'green', filter.verdict);
    row('filter', `${filter.name}: ${verdict}, ${filter.reason}  ${place(filter.origin, paint)}`);
  }
  for (const one of result.destinations) row('destination', destinationText(one, paint));
  if (result.response.location !== null) row('location', result.response.location);
  const response = changeLines(result.response.headers);
  for (const [i, change] of response.entries()) row(i === 0 ? 'response' : '', change);
  for (const condition of result.conditions) row('depends', condition);
  for (const field of result.pending) {
    row(
      paint('yellow', 'not running'),
      `${field.field}${field.restricts ? ' (restricts access: its scope answers 503)' : ''}  ${place(field.origin, paint)}`,
    );
  }
  const losers = result.candidates.filter((candidate) => !candidate.matched);
  if (losers.length > 0) {
    lines.push('', paint('bold', 'Why not the others'));
    for (const one of losers) lines.push(candidateText(one, paint));
    if (result.candidatesOmitted > 0) lines.push(`  … and ${result.candidatesOmitted} more`);
  }
  return `${lines.join('\n')}\n`;
}

/** TCP, TLS and UDP are asked for by URLs of these names, and no method is called so. */
function isBytes({ request }: ExplainResult): boolean {
  return request.path === '' && ['TCP', 'TLS', 'UDP'].includes(request.method);
}

function candidateText(candidate: Candidate, paint: Paint): string {
  const name = candidate.route === null ? `virtual host ${candidate.virtualHost}` : candidate.route;
  return `  ${name}: ${candidate.because}  ${place(candidate.origin, paint)}`;
}

function destinationText(one: ExplainedDestination, paint: Paint): string {
  const subset = one.subset === null ? '' : ` subset ${one.subset}`;
  const addresses = one.endpoints.slice(0, 8).map(({ address, healthy }) => (healthy ? address : paint('red', `${address} (unhealthy)`)));
  const more = one.endpoints.length > 8 ? `, … ${one.endpoints.length} in all` : '';
  const where =
    one.status === undefined
      ? addresses.length === 0
        ? ''
        : ` → ${addresses.join(', ')}${more}`
      : ` → ${one.status === 0 ? 'closed' : one.status}: ${one.reason ?? ''}`;
  const own = [
    one.proxyProtocol === undefined ? '' : `PROXY ${one.proxyProtocol}`,
    one.tls === undefined ? '' : tlsText(one.tls),
    one.protocol === undefined ? '' : one.protocol === 'http2' ? 'HTTP/2' : 'HTTP/2 or HTTP/1.1 by ALPN',
    one.path === undefined ? '' : `path ${one.path}`,
    one.authority === undefined ? '' : `authority ${one.authority}`,
    ...(one.headers === undefined ? [] : changeLines(one.headers)),
  ];
  const different = own.filter((text) => text !== '');
  return `${one.host}${one.port === null ? '' : `:${one.port}`}${subset}, weight ${one.weight}${where}${different.length === 0 ? '' : ` (${different.join('; ')})`}`;
}

function tlsText({ serverName, verified, names, clientCertificate }: ExplainedTls): string {
  const asks = serverName === null ? '' : ` for ${serverName}`;
  const others = names.filter((name) => name !== serverName);
  const trusts = !verified ? ', not verified' : others.length === 0 ? '' : `, verified as ${others.join(' or ')}`;
  return `TLS${asks}${trusts}${clientCertificate ? ', with our certificate' : ''}`;
}

function changeLines(changes: HeaderChanges): string[] {
  return [
    ...Object.entries(changes.set).map(([name, value]) => `set ${name}: ${value}`),
    ...Object.entries(changes.add).flatMap(([name, value]) =>
      (typeof value === 'string' ? [value] : value).map((line) => `add ${name}: ${line}`),
    ),
    ...changes.remove.map((name) => `remove ${name}`),
  ];
}

function resource(origin: Origin): string {
  return `${origin.kind} ${origin.namespace === null ? '' : `${origin.namespace}/`}${origin.name}`;
}

function place(origin: Origin, paint: Paint): string {
  return paint('dim', `${origin.file}:${origin.line}`);
}
