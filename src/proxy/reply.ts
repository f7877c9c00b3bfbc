/** The only place where a failure or a filter's verdict becomes a response. */
import { STATUS_CODES } from 'node:http';
import type { LocalReply } from '../filters/define.ts';
import type { ReplyStyle } from '../model/route.ts';
import type { Failure } from './failure.ts';
import type { Exchange } from './protocol/exchange.ts';
import { grpcMessage, grpcStatusOf, grpcStatusOfHttp, isGrpcType } from './protocol/grpc/status.ts';

/** A response ready for a protocol's encoder. */
export interface RenderedReply {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

const noBody = Buffer.alloc(0);

/** Turns a failure value into a reply. */
export function failureReply(failure: Failure, details = failure.details): LocalReply {
  return { status: failure.status, headers: [], message: failure.message, flag: failure.flag, details };
}

/** Kong's own texts for what its proxy answers (kong/error_handlers.lua has the same sense). */
const kongMessages: Readonly<Record<string, string>> = {
  NR: 'no Route matched with those values',
  UH: 'failure to get a peer from the ring-balancer',
  NC: 'name resolution failed',
  UF: 'An invalid response was received from the upstream server',
  UC: 'An invalid response was received from the upstream server',
  UPE: 'An invalid response was received from the upstream server',
  UT: 'The upstream server is timing out',
};

/** Kong answers a failed connect or a broken response with 502, not Envoy's 503. */
const kongStatuses: Readonly<Record<string, number>> = { UF: 502, UC: 502 };

const textType = ['content-type', 'text/plain; charset=utf-8'] as const;
const jsonType = ['content-type', 'application/json; charset=utf-8'] as const;
const problemType = ['content-type', 'application/problem+json'] as const;

/** Flags of time limits that a gRPC client is told of as its deadline. */
const deadlineFlags: ReadonlySet<string> = new Set(['UT', 'DT']);
const deadlineExceeded = 4;

/** What a gRPC client is told of a reply of ours. */
export function grpcStatusFor(status: number, flag: string): number {
  return deadlineFlags.has(flag) ? deadlineExceeded : grpcStatusOfHttp(status);
}

/** What another client is told. */
export function statusFor(status: number, flag: string, style: ReplyStyle): number {
  return style === 'kong' && status === 503 ? (kongStatuses[flag] ?? status) : status;
}

/** A local reply as this exchange's client reads it: in gRPC's words when the request speaks gRPC. */
export function renderFor(x: Exchange, reply: LocalReply): RenderedReply {
  const { head } = x;
  if (isGrpcType(head.get('content-type'))) {
    x.isGrpc = true;
    // A direct response may speak gRPC itself (Kong's on routes for grpcs).
    const own = reply.headers.find(([name]) => name === 'grpc-status');
    if (own !== undefined) {
      x.grpcStatus = grpcStatusOf(own[1]);
      return { status: 200, headers: reply.headers, body: noBody };
    }
    x.grpcStatus = grpcStatusFor(reply.status, reply.flag);
    return grpcReply(reply, x.grpcStatus);
  }
  return render(reply, x.hit?.payload.route.replyStyle ?? x.at.config.replyStyle, head.get('accept'), x.requestId);
}

/** Status 200 and no body, the outcome in the head ("Trailers-Only"): what gRPC clients read, whatever the dialect. */
export function grpcReply(reply: LocalReply, status: number): RenderedReply {
  const headers: (readonly [string, string])[] = reply.headers.filter(([name]) => name.toLowerCase() !== 'content-type');
  headers.push(['content-type', 'application/grpc'], ['grpc-status', String(status)]);
  if (reply.message !== '') headers.push(['grpc-message', grpcMessage(reply.message)]);
  return { status: 200, headers, body: noBody };
}

/**
 * Gives a local reply its body: Kong's JSON on Kong listeners, `application/problem+json` (RFC 9457) where the client
 * asks for it, else plain text. The body names no internals; the request id leads to the log line that does.
 */
export function render(reply: LocalReply, style: ReplyStyle, accept: string | null, requestId: string): RenderedReply {
  const status = statusFor(reply.status, reply.flag, style);
  if (status === 204 || status === 304 || status < 200) return { status, headers: reply.headers, body: noBody };
  if (reply.body !== undefined) return { status, headers: reply.headers, body: Buffer.from(reply.body) };
  const custom = reply.headers.some(([name]) => name.toLowerCase() === 'content-type');
  if (custom) return { status, headers: reply.headers, body: Buffer.from(reply.message, 'utf8') };
  if (style === 'kong') {
    const message = kongMessages[reply.flag] ?? reply.message;
    const body = requestId === '' ? { message } : { message, request_id: requestId };
    return { status, headers: [...reply.headers, jsonType], body: Buffer.from(JSON.stringify(body), 'utf8') };
  }
  if (accept !== null && accept.includes('application/problem+json')) {
    const body = {
      type: 'about:blank',
      title: STATUS_CODES[status] ?? 'Error',
      status,
      detail: reply.message,
      instance: requestId === '' ? undefined : `urn:uuid:${requestId}`,
    };
    return { status, headers: [...reply.headers, problemType], body: Buffer.from(JSON.stringify(body), 'utf8') };
  }
  return { status, headers: reply.message === '' ? reply.headers : [...reply.headers, textType], body: Buffer.from(reply.message, 'utf8') };
}
