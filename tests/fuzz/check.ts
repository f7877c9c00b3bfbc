import type { Message, Reading } from './message.ts';
import { oracleRequests, oracleResponse } from './oracle.ts';
import { readRequests } from './subject-request.ts';
import { readResponse } from './subject-response.ts';

export type Target = 'request' | 'response' | 'chunked';

export const targets: readonly Target[] = ['request', 'response', 'chunked'];

const CHUNKED_HEAD = Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n');

/** Methods that responses are read for. */
export const methods: readonly string[] = ['GET', 'HEAD'];

/** The connection's bytes that an input of the corpus stands for. */
export function onTheWire(target: Target, input: Buffer): Buffer {
  return target === 'chunked' ? Buffer.concat([CHUNKED_HEAD, input]) : input;
}

/** Outcome of one execution: whether anything was accepted, and what is wrong ('' when nothing is). */
export interface Checked {
  reading: Reading;
  finding: string;
}

/** Reads `wire` with the codec and checks what needs no oracle: any split reads the same, and what is sent on is a fixed point. */
export function checkAlone(target: Target, wire: Buffer, splits: readonly (readonly number[])[], method: string): Checked {
  if (target === 'response') return checkResponseAlone(wire, splits, method);
  const whole = readRequests(wire, [wire.length], true);
  for (const split of splits) {
    const finding = sameReading(whole, readRequests(wire, split, false));
    if (finding !== '') return { reading: whole, finding: `split ${split.join()}: ${finding}` };
  }
  for (const [i, sent] of whole.forwarded.entries()) {
    const again = readRequests(sent, [sent.length], true);
    const text = JSON.stringify(sent.toString('latin1'));
    if (again.messages.length !== 1 || !again.messages[0].complete || again.error !== '') {
      return { reading: whole, finding: `sent on, but not readable (${again.error}): ${text}` };
    }
    if (!again.forwarded[0].equals(sent)) return { reading: whole, finding: `sent on, but not a fixed point: ${text}` };
    if (again.messages[0].body !== whole.messages[i].body) return { reading: whole, finding: `body changed: ${text}` };
    const hop = again.messages[0].headers.find(([name]) => HOP_BY_HOP.test(name));
    if (hop !== undefined) return { reading: whole, finding: `hop-by-hop header sent on: ${hop[0]}` };
  }
  return { reading: whole, finding: '' };
}

const HOP_BY_HOP = /^(connection|keep-alive|proxy-connection|te|upgrade|http2-settings)$/i;

function checkResponseAlone(wire: Buffer, splits: readonly (readonly number[])[], method: string): Checked {
  const whole = readResponse(wire, [wire.length], method);
  for (const split of splits) {
    const finding = sameReading(whole, readResponse(wire, split, method));
    if (finding !== '') return { reading: whole, finding: `split ${split.join()}: ${finding}` };
  }
  for (const sent of whole.forwarded) {
    const again = readResponse(sent, [sent.length], method);
    const text = JSON.stringify(sent.toString('latin1'));
    if (again.messages.length !== 1 || again.error !== '') return { reading: whole, finding: `sent on, but not readable: ${text}` };
    if (!again.forwarded[0].equals(sent)) return { reading: whole, finding: `sent on, but not a fixed point: ${text}` };
    const hop = again.messages[0].headers.find(([name]) => HOP_BY_HOP.test(name));
    if (hop !== undefined) return { reading: whole, finding: `hop-by-hop header sent on: ${hop[0]}` };
  }
  return { reading: whole, finding: '' };
}

/** Compares what was accepted with Node's own parser; '' when both read the same. */
export async function checkOracle(target: Target, wire: Buffer, reading: Reading, method: string): Promise<string> {
  if (target === 'response') return compare(reading, await oracleResponse(wire, method));
  let finding = compare(reading, await oracleRequests(wire));
  // At the preface of HTTP/2 node:http tears the connection down before it has delivered what it read before.
  for (let at = wire.lastIndexOf('PRI '); finding !== '' && at > 0; at = wire.lastIndexOf('PRI ', at - 1)) {
    const before = wire.subarray(0, at);
    finding = compare(readRequests(before, [before.length], false), await oracleRequests(before));
  }
  return finding;
}

/** The oracle must read what is sent on as one whole message too. */
export async function checkForwarded(wire: Buffer): Promise<string> {
  for (const sent of readRequests(wire, [wire.length], true).forwarded) {
    const theirs = await oracleRequests(sent);
    if (theirs.messages.length !== 1 || !theirs.messages[0].complete || theirs.error !== '') {
      return `sent on, but llhttp says ${theirs.error}: ${JSON.stringify(sent.toString('latin1'))}`;
    }
  }
  return '';
}

/** Everything that `ours` accepted, `theirs` must have accepted in the same way. */
export function compare(ours: Reading, theirs: Reading): string {
  for (const [i, mine] of ours.messages.entries()) {
    const other = theirs.messages[i];
    if (other === undefined) return `message ${i} refused by llhttp: ${theirs.error}`;
    const difference = compareMessage(mine, other, theirs.error);
    if (difference !== '') return `message ${i}: ${difference}`;
  }
  if (ours.error === '' && theirs.messages.length > ours.messages.length) {
    return `llhttp reads ${theirs.messages.length} messages, we wait after ${ours.messages.length}`;
  }
  return '';
}

function compareMessage(mine: Message, other: Message, error: string): string {
  if (mine.start !== other.start) return `start ${JSON.stringify(mine.start)} ≠ ${JSON.stringify(other.start)}`;
  const headers = JSON.stringify(mine.headers);
  if (headers !== JSON.stringify(other.headers)) return `headers ${headers} ≠ ${JSON.stringify(other.headers)}`;
  if (!mine.complete) {
    const agree = mine.body.startsWith(other.body) || other.body.startsWith(mine.body);
    return agree ? '' : `body begins ${JSON.stringify(mine.body)} ≠ ${JSON.stringify(other.body)}`;
  }
  if (mine.body !== other.body) return `body ${JSON.stringify(mine.body)} ≠ ${JSON.stringify(other.body)}`;
  if (!other.complete) return `complete for us, not for llhttp (${error})`;
  const trailers = JSON.stringify(mine.trailers);
  return trailers === JSON.stringify(other.trailers) ? '' : `trailers ${trailers} ≠ ${JSON.stringify(other.trailers)}`;
}

/** A split may tell a refusal later, but accepts neither more nor less. */
function sameReading(whole: Reading, split: Reading): string {
  if (whole.messages.length !== split.messages.length) {
    return `${whole.messages.length} messages in one piece, ${split.messages.length} in several (${whole.error} / ${split.error})`;
  }
  for (const [i, a] of whole.messages.entries()) {
    const b = split.messages[i];
    const same = a.start === b.start && a.body === b.body && a.complete === b.complete;
    if (!same || a.headers.length !== b.headers.length || JSON.stringify(a) !== JSON.stringify(b)) {
      return `${JSON.stringify(a)} ≠ ${JSON.stringify(b)}`;
    }
  }
  if ((whole.error === 'closed') !== (split.error === 'closed')) return `ends ${whole.error} ≠ ${split.error}`;
  return '';
}
