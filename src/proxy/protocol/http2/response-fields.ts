import type { OutgoingHttpHeaders } from 'node:http2';
import type { RenderedReply } from '../../reply.ts';
import type { Fields } from '../http1/fields.ts';
import { isToken, sentValue } from '../http1/fields.ts';
import { isConnectionHeader } from './request-lines.ts';

/** What an HTTP/2 response cannot carry: connection-specific fields, and TE, which is a request's (RFC 9113 §8.2.2). */
function isForbidden(name: string): boolean {
  return isConnectionHeader(name) || name === 'te';
}

/** An upstream's response head as name, value, name, value … for node:http2. */
export function responseFields(head: Fields, status: number, out: string[]): void {
  out.length = 0;
  out.push(':status', String(status));
  head.pairs(out);
  let kept = 2;
  for (let i = 2; i < out.length; i += 2) {
    if (isForbidden(out[i])) continue;
    if (kept !== i) {
      out[kept] = out[i];
      out[kept + 1] = out[i + 1];
    }
    kept += 2;
  }
  out.length = kept;
}

/** The same as an object, for node:http2's calls that take no list: interim responses and trailers. */
export function fieldsObject(fields: Fields, status: number): OutgoingHttpHeaders {
  const list: string[] = [];
  fields.pairs(list);
  const out: OutgoingHttpHeaders = {};
  if (status !== 0) out[':status'] = status;
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i];
    if (isForbidden(name)) continue;
    const known = out[name];
    if (known === undefined) out[name] = list[i + 1];
    else out[name] = Array.isArray(known) ? [...known, list[i + 1]] : [String(known), list[i + 1]];
  }
  return out;
}

/** A response of our own. `lines`: further header lines as HTTP/1.1 writes them. */
export function replyFields(reply: RenderedReply, lines: string, out: string[]): void {
  const { status, headers, body } = reply;
  out.length = 0;
  out.push(':status', String(status));
  for (const [name, value] of headers) push(out, name, value);
  for (const line of lines.split('\r\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) push(out, line.slice(0, colon), line.slice(colon + 1).trim());
  }
  if (status !== 204 && status !== 304) out.push('content-length', String(body.length));
}

function push(out: string[], name: string, value: string): void {
  const lower = name.toLowerCase();
  // A length of a filter's own making must not contradict the body's.
  const sent = sentValue(value);
  if (sent === null || !isToken(lower) || isForbidden(lower) || lower === 'content-length') return;
  out.push(lower, sent);
}
