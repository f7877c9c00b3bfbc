import { canonicalise } from '../../../src/decide/canonical.ts';
import type { Canonicalisation } from '../../../src/model/listener.ts';
import type { Message, Reading } from '../message.ts';
import { oracleRequests, oracleResponse } from '../oracle.ts';
import type { Served } from './backend.ts';
import type { ProxyCase } from './case.ts';
import { canonicalisations, LISTENER_PORT, type Ended, type Outcome } from './engine.ts';
import { splitResponses } from './split.ts';

/** What is wrong with an outcome, '' when nothing is. Both sides are read by llhttp. */
export async function judge(given: ProxyCase, outcome: Outcome): Promise<string> {
  if (outcome.faults.length !== 0) return `fault: ${outcome.faults[0]}`;
  const input = Buffer.from(given.pieces.join(''), 'latin1');
  const asked = await readAsked(input);
  const forwarded = await readForwarded(outcome.peers, outcome.ended);
  if (typeof forwarded === 'string') return forwarded;
  const sent = judgeForwarded(canonicalisations[given.listener], asked, outcome.ended, forwarded);
  const ids = new Set(outcome.ended.map(({ requestId }) => requestId));
  for (const id of forwarded.keys()) if (!ids.has(id)) return `a request upstream that nobody logged: ${id}`;
  if (sent !== '') return sent;
  const tunnel = judgeTunnel(input, outcome);
  if (tunnel !== '') return tunnel;
  const got = await judgeResponses(outcome, forwarded);
  return got !== '' ? got : await judgeWaiting(asked, outcome, forwarded);
}

/** Requests as llhttp reads them from the client's bytes; the second reading is to be tried where the first does not agree. */
export async function readAsked(input: Buffer): Promise<Reading[]> {
  const readings = [await oracleRequests(input)];
  // At the preface of HTTP/2 node:http tears the connection down before it has delivered what it read before.
  const preface = input.lastIndexOf('PRI ');
  if (preface > 0) readings.push(await oracleRequests(input.subarray(0, preface)));
  return readings;
}

/** A request at the backend: as llhttp reads it, and what was answered. */
export interface Forwarded {
  readonly message: Message;
  readonly served: Served;
}

/** One upstream connection as the backend saw it. */
export interface PeerView {
  readonly received: Buffer;
  readonly served: readonly Served[];
  /** It was closed while a part of what was written last had not left. */
  readonly isCut?: boolean;
}

/** A client's connection when it is over. */
export interface ClientView {
  readonly ended: readonly Ended[];
  readonly client: Buffer;
  readonly clientReset: boolean;
  readonly clientFinished: boolean;
}

/** Requests as llhttp reads them from what reached the backend, by their id; a text when it does not read what the backend was asked. */
export async function readForwarded(peers: readonly PeerView[], ended: readonly Ended[]): Promise<Map<string, Forwarded[]> | string> {
  const out = new Map<string, Forwarded[]>();
  for (const peer of peers) {
    let bytes = peer.received;
    const last = peer.served.at(-1);
    const switched = last !== undefined && ended.some(({ requestId, responseCode }) => requestId === last.id && responseCode === 101);
    if (switched) bytes = bytes.subarray(0, last.headEnd);
    if (bytes.length === 0) continue;
    const { messages, error } = await oracleRequests(bytes);
    if (error !== '' && !(CUT.test(error) && (last?.complete === false || peer.isCut === true))) {
      return `llhttp refuses what was sent upstream (${error}): ${quote(bytes)}`;
    }
    if (messages.length !== peer.served.length)
      return `llhttp reads ${messages.length} requests upstream, we sent ${peer.served.length}: ${quote(bytes)}`;
    for (const [i, message] of messages.entries()) {
      const served = peer.served[i];
      if (i < messages.length - 1 && !message.complete) return `an unfinished request was followed by another: ${quote(bytes)}`;
      const id = message.headers.find(([name]) => name.toLowerCase() === 'x-request-id')?.[1] ?? '';
      if (id !== served.id || id === '') return `a request upstream without its own id: ${quote(bytes)}`;
      const list = out.get(id) ?? [];
      list.push({ message, served });
      out.set(id, list);
    }
  }
  return out;
}

/** Every request that reached the backend is one that the client made, in the same framing. */
export function judgeForwarded(
  rules: Canonicalisation,
  asked: readonly Reading[],
  ended: readonly Ended[],
  forwarded: ReadonlyMap<string, readonly Forwarded[]>,
): string {
  for (const [k, record] of ended.entries()) {
    const tries = forwarded.get(record.requestId) ?? [];
    if (record.requestId === '' || tries.length === 0) continue;
    const differences = asked.map(({ messages, error }) => compareTries(rules, messages[k], tries, error));
    if (!differences.includes('')) return `request ${k}: ${differences.join(', or ')}`;
  }
  return '';
}

function compareTries(rules: Canonicalisation, mine: Message | undefined, tries: readonly Forwarded[], error: string): string {
  if (mine === undefined) return `sent on, llhttp refuses it (${error})`;
  if (tries.length > 2) return `sent ${tries.length} times`;
  if (tries.length === 2 && (mine.body !== '' || /^(POST|PATCH) /.test(mine.start))) return `repeated: ${mine.start}`;
  for (const { message } of tries) {
    const difference = compareForwarded(rules, mine, message);
    if (difference !== '') return difference;
  }
  return '';
}

const ADDED: ReadonlySet<string> = new Set([
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-request-id',
  'transfer-encoding',
  'connection',
  'te',
  'upgrade',
  'host',
]);
const HOP: ReadonlySet<string> = new Set([...ADDED, 'keep-alive', 'proxy-connection', 'http2-settings', 'proxy', 'expect', 'trailer']);

function compareForwarded(rules: Canonicalisation, mine: Message, sent: Message): string {
  const space = mine.start.indexOf(' ');
  const method = mine.start.slice(0, space);
  const target = mine.start.slice(space + 1);
  const host = mine.headers.find(([name]) => name.toLowerCase() === 'host')?.[1] ?? '';
  const canonical = canonicalise(method, target, host, rules, 'http', LISTENER_PORT);
  if (canonical.kind !== 'ok') return `sent on, though the canonicaliser says ${canonical.kind}`;
  const path = canonical.query === '' && !target.endsWith('?') ? canonical.path : `${canonical.path}?${canonical.query}`;
  if (sent.start !== `${method} ${path}`) return `start ${quote(sent.start)} ≠ ${quote(`${method} ${path}`)}`;
  if (sent.headers.filter(([name]) => name.toLowerCase() === 'host').length !== 1)
    return `not one Host: ${quote(JSON.stringify(sent.headers))}`;
  const chunked = mine.headers.some(([name]) => name.toLowerCase() === 'transfer-encoding');
  if (chunked !== sent.headers.some(([name]) => name.toLowerCase() === 'transfer-encoding')) return 'another framing';
  const named = new Set(
    mine.headers.filter(([name]) => name.toLowerCase() === 'connection').flatMap(([, value]) => value.toLowerCase().split(/[ \t]*,[ \t]*/)),
  );
  const have = new Set(sent.headers.map(([name, value]) => `${name}\0${value}`));
  for (const [name, value] of mine.headers) {
    const lower = name.toLowerCase();
    if (!HOP.has(lower) && !named.has(lower) && !have.has(`${name}\0${value}`)) return `header lost: ${quote(`${name}: ${value}`)}`;
  }
  const known = new Set(mine.headers.map(([name, value]) => `${name}\0${value}`));
  for (const [name, value] of sent.headers) {
    if (!ADDED.has(name.toLowerCase()) && !known.has(`${name}\0${value}`)) return `header made up: ${quote(`${name}: ${value}`)}`;
  }
  if (sent.complete) {
    if (!mine.complete || sent.body !== mine.body) return `body ${quote(sent.body)} ≠ ${quote(mine.body)}`;
  } else if (!mine.body.startsWith(sent.body)) return `body begins ${quote(sent.body)} ≠ ${quote(mine.body)}`;
  const trailers = new Set(mine.trailers.map(([name, value]) => `${name}\0${value}`));
  const odd = sent.trailers.find(([name, value]) => !trailers.has(`${name}\0${value}`));
  return odd === undefined ? '' : `trailer made up: ${quote(odd.join(': '))}`;
}

/** Behind an upgrade the client's bytes go on as they are. */
function judgeTunnel(input: Buffer, { peers, ended }: Outcome): string {
  for (const { served, received } of peers) {
    const last = served.at(-1);
    if (last === undefined || !ended.some(({ requestId, responseCode }) => requestId === last.id && responseCode === 101)) continue;
    // What follows the request, body included.
    const rest = received.subarray(last.complete ? last.end : last.headEnd);
    if (!input.includes(rest)) return `a tunnel carried ${quote(rest)}, which the client did not send`;
  }
  return '';
}

/** Each response is the one that the backend gave to this very request, or ours, or visibly cut. */
export async function judgeResponses(
  { ended, client, clientReset, clientFinished }: ClientView,
  forwarded: ReadonlyMap<string, readonly Forwarded[]>,
): Promise<string> {
  const pieces = splitResponses(client.toString('latin1'), ended);
  if (typeof pieces === 'string') return `the client got ${pieces}: ${quote(client)}`;
  // A reset takes with it what the client had not read yet: what stands behind the first cut is nobody's.
  const lastSeen = clientReset ? pieces.length - 1 : ended.length - 1;
  for (const [k, record] of ended.entries()) {
    const piece = pieces[k];
    if (piece === undefined || piece.bytes === '') {
      if (k < lastSeen) return `response ${k} is missing, and ${ended.length - 1 - k} exchanges followed`;
      continue;
    }
    const where = `response ${k} (${record.responseCodeDetails})`;
    const method = record.method === '-' ? 'GET' : record.method;
    const { messages, error } = await oracleResponse(Buffer.from(piece.bytes, 'latin1'), method);
    const got = messages.find(isFinal);
    if (got === undefined) {
      if (piece.whole || k < lastSeen || (error !== '' && !CUT.test(error)))
        return `${where}: llhttp refuses (${error}) ${quote(piece.bytes)}`;
      continue;
    }
    if (record.responseCode === 101) {
      if (got.start !== '101') return `${where}: not 101: ${quote(piece.bytes)}`;
      continue;
    }
    // A body that ends with the connection is whole when the end was in good order.
    const whole = piece.whole && got.complete && !(piece.untilClose && (clientReset || !clientFinished));
    if (piece.whole && !piece.untilClose && !got.complete) return `${where}: whole for us, not for llhttp: ${quote(piece.bytes)}`;
    if (!whole && k < lastSeen) return `${where}: not whole, and more exchanges followed`;
    const served = (forwarded.get(record.requestId) ?? []).at(-1)?.served;
    const isOurs = got.headers.every(([name]) => OUR_NAMES.has(name.toLowerCase())) && Number(got.start) >= 400;
    if (record.responseCodeDetails !== 'via_upstream' && isOurs) {
      if (got.start !== String(record.responseCode)) return `${where}: logged ${record.responseCode}: ${quote(piece.bytes)}`;
      if (!whole && clientFinished) return `${where}: our own answer is cut: ${quote(piece.bytes)}`;
      continue;
    }
    if (served === undefined) {
      if (record.responseCode === 307 || record.responseCode < 400) continue;
      return `${where}: an answer of nobody: ${quote(piece.bytes)}`;
    }
    const finding = await judgeCarried(served, got, whole, method);
    if (finding !== '') return `${where}: ${finding}: client ${quote(piece.bytes)}, upstream ${quote(served.sent)}`;
  }
  return '';
}

const OUR_NAMES: ReadonlySet<string> = new Set(['date', 'content-type', 'content-length', 'connection', 'location']);

const isFinal = ({ start }: Message): boolean => !/^1(?!01)/.test(start);
/** What llhttp says of bytes that end too early. */
const CUT = /^(ECONNRESET|HPE_INVALID_EOF_STATE)$/;

async function judgeCarried(served: Served, got: Message, whole: boolean, method: string): Promise<string> {
  const theirs = (await oracleResponse(Buffer.from(served.sent, 'latin1'), method)).messages.find(isFinal);
  if (theirs === undefined) return 'llhttp reads no response from the upstream';
  if (got.start !== theirs.start) return `status ${got.start} ≠ ${theirs.start}`;
  const trailers = new Set(theirs.trailers.map(([name, value]) => `${name}\0${value}`));
  if (got.trailers.some(([name, value]) => !trailers.has(`${name}\0${value}`))) return 'trailer made up';
  if (!whole) return theirs.body.startsWith(got.body) ? '' : 'the beginning of another body';
  if (!theirs.complete) return 'looks whole, the upstream was cut';
  return got.body === theirs.body ? '' : 'another body';
}

/** When both sides have said everything, every whole request must be over, or wait for an answer that is not whole. */
async function judgeWaiting(
  asked: readonly Reading[],
  { ended, settled, waited }: Outcome,
  forwarded: ReadonlyMap<string, readonly Forwarded[]>,
): Promise<string> {
  if (settled === -1 || !asked.every(({ messages }) => messages[settled]?.complete === true)) return '';
  if (!waited) return ended.some(({ responseCode }) => responseCode === 101) ? '' : `request ${settled} was whole and is not looked at`;
  const record = ended[settled];
  if (record === undefined || record.responseCode === 101) return '';
  // A second try was made when the backend closed.
  const served = forwarded.get(record.requestId)?.[0]?.served;
  if (served === undefined) return `request ${settled} was whole and went nowhere`;
  if (!served.complete) return `request ${settled} was whole and did not go on to its end`;
  const { messages } = await oracleResponse(Buffer.from(served.sent, 'latin1'), record.method);
  const theirs = messages.find(isFinal);
  const isFramed = theirs?.headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name)) === true;
  return isFramed && theirs.complete ? `request ${settled} was answered, and the answer did not go on: ${quote(served.sent)}` : '';
}

function quote(bytes: Buffer | string): string {
  const text = JSON.stringify(typeof bytes === 'string' ? bytes : bytes.toString('latin1'));
  return text.length > 1500 ? `${text.slice(0, 1500)}…` : text;
}
