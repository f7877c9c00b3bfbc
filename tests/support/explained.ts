/** Compares what explain says with what traffic did. */
import type { ExplainResult } from '../../src/proxy/explain.ts';
import type { ExplainedDestination, HeaderChanges } from '../../src/proxy/explain/types.ts';
import { backendHeaders, type Arrival, type Exchanged, type Message } from './traffic.ts';

type Lines = readonly (readonly [name: string, value: string])[];

/** What every request gets on its way, and what differs from one to the next (RFC 9110 section 7.6.1). */
const ownRequestHeaders =
  /^(host|connection|keep-alive|x-forwarded-.*|x-real-ip|x-request-id|traceparent|tracestate|content-length|transfer-encoding)$/;
const ownResponseHeaders =
  /^(date|connection|content-length|content-type|via|x-kong-.*|location|(x-)?ratelimit-.*|retry-after|transfer-encoding|upgrade)$/;

/** Null when they agree, else where they differ. */
export function difference(explained: ExplainResult, sent: Lines, { answer, arrivals }: Exchanged): string | null {
  const total = explained.destinations.reduce((sum, { weight }) => sum + weight, 0);
  const live = total === 0 ? [] : explained.destinations.filter(({ weight }) => weight > 0);
  const [arrival] = arrivals;
  if (arrivals.length > 1) return `${arrivals.length} requests reached backends`;
  if (arrival !== undefined) {
    if (explained.outcome !== 'forward') return `reached backend ${arrival.port}, explained: ${explained.outcome}`;
    const open = live.filter(
      ({ status, endpoints }) => status === undefined && endpoints.some(({ address }) => portOf(address) === arrival.port),
    );
    if (open.length === 0) return `reached port ${arrival.port}, which is no endpoint of an explained destination`;
    const found = open.map((destination) => forwarded(explained, destination, sent, arrival, answer));
    return found.includes(null) ? null : (found[0] ?? null);
  }
  const shares = live.filter(({ status }) => status !== undefined);
  if (explained.outcome === 'forward' || shares.length > 1) {
    const share = shares.find(({ status, location }) => status === answer.status && (location ?? null) === valueOf(answer, 'location'));
    return share === undefined ? `answered ${answer.status}, which is no explained share's` : null;
  }
  if (answer.status !== explained.status) return `answered ${answer.status}, explained: ${explained.status ?? 'none'}`;
  if (valueOf(answer, 'location') !== explained.response.location)
    return `location ${valueOf(answer, 'location') ?? 'none'}, explained: ${explained.response.location ?? 'none'}`;
  return shown(explained.response.headers, answer);
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

function valueOf(message: Message, name: string): string | null {
  return message.headers.find(([key]) => key.toLowerCase() === name)?.[1] ?? null;
}

/** A request that was passed on: its bytes, and the answer's headers. */
function forwarded(explained: ExplainResult, to: ExplainedDestination, sent: Lines, arrival: Arrival, answer: Message): string | null {
  const { request, response } = explained;
  const line = `${request.method} ${to.path ?? request.path} HTTP/1.1`;
  if (arrival.start !== line) return `sent '${arrival.start}', explained: '${line}'`;
  const host = arrival.headers.filter(([name]) => name.toLowerCase() === 'host').map(([, value]) => value);
  const named = to.authority ?? request.authority;
  // Where the endpoint names the host, explain tells the first one's; each endpoint goes by its own.
  const byEndpoint = to.endpoints.some(({ address }) => address === named);
  const authority = byEndpoint ? (to.endpoints.find(({ address }) => portOf(address) === arrival.port)?.address ?? named) : named;
  if (host.length !== 1 || host[0] !== authority) return `sent Host ${host.join(' and ')}, explained: ${authority}`;
  const changes = [request.headers, ...(to.headers === undefined ? [] : [to.headers])];
  const back = [...(to.responseHeaders === undefined ? [] : [to.responseHeaders]), response.headers];
  return (
    sameHeaders('request', changed(sent, changes), arrival.headers, ownRequestHeaders) ??
    sameHeaders('response', changed(backendHeaders, back), answer.headers, ownResponseHeaders)
  );
}

/** Lines by lower-case name, changed in turn. */
function changed(lines: Lines, changes: readonly HeaderChanges[]): Map<string, string[]> {
  const result = grouped(lines);
  for (const { set, add, remove } of changes) {
    for (const name of remove) result.delete(name.toLowerCase());
    for (const [name, value] of Object.entries(set)) result.set(name.toLowerCase(), [value]);
    for (const [name, values] of Object.entries(add)) {
      const key = name.toLowerCase();
      result.set(key, [...(result.get(key) ?? []), ...(typeof values === 'string' ? [values] : values)]);
    }
  }
  return result;
}

function grouped(lines: Lines): Map<string, string[]> {
  const result = new Map<string, string[]>();
  for (const [name, value] of lines) result.set(name.toLowerCase(), [...(result.get(name.toLowerCase()) ?? []), value]);
  return result;
}

function sameHeaders(what: string, expected: Map<string, string[]>, lines: Lines, ignored: RegExp): string | null {
  const actual = grouped(lines);
  for (const name of new Set([...expected.keys(), ...actual.keys()])) {
    if (ignored.test(name)) continue;
    const [a, b] = [actual.get(name)?.join(' | ') ?? 'absent', expected.get(name)?.join(' | ') ?? 'absent'];
    if (a !== b) return `${what} header ${name}: ${a}, explained: ${b}`;
  }
  return null;
}

/** An answer of the proxy's own has what explain says; explain does not know all of it. */
function shown(changes: HeaderChanges, answer: Message): string | null {
  const actual = grouped(answer.headers);
  for (const [name, value] of Object.entries(changes.set)) {
    const key = name.toLowerCase();
    if (!ownResponseHeaders.test(key) && actual.get(key)?.[0] !== value)
      return `answer header ${key}: ${actual.get(key)?.join(' | ') ?? 'absent'}, explained: ${value}`;
  }
  for (const [name, values] of Object.entries(changes.add))
    for (const value of typeof values === 'string' ? [values] : values)
      if (actual.get(name.toLowerCase())?.includes(value) !== true) return `answer header ${name}: '${value}' is missing`;
  for (const name of changes.remove)
    if (!ownResponseHeaders.test(name) && actual.has(name) && changes.set[name] === undefined && changes.add[name] === undefined)
      return `answer header ${name} is there, explained: removed`;
  return null;
}
