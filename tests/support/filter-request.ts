import { OfflineLimitStore } from '../../src/decide/limit.ts';
import type { FilterContext, FilterHooks, FilterRequest, FilterResponse, LocalReply } from '../../src/filters/define.ts';
import type { Consumer } from '../../src/model/consumer.ts';
import { ListHeaders } from '../../src/proxy/chain/list-headers.ts';

export interface FakeRequest extends FilterRequest {
  readonly headers: ListHeaders;
  readonly notes: string[];
  readonly removedQuery: string[];
  readonly sent: Map<string, string>;
}

/** A request for filter tests; `fields` replaces what matters to the case. */
export function fakeRequest(
  fields: Partial<FilterRequest> & { readonly lines?: readonly (readonly [string, string])[] } = {},
): FakeRequest {
  const { lines, ...rest } = fields;
  const notes: string[] = [];
  const removedQuery: string[] = [];
  const sent = new Map<string, string>();
  return {
    method: 'GET',
    scheme: 'http',
    authority: 'shop.example.com',
    host: 'shop.example.com',
    authorityPort: null,
    path: '/',
    query: '',
    localPort: 80,
    sni: null,
    remoteAddress: '192.0.2.1',
    caller: null,
    consumer: null,
    credential: null,
    routeName: 'shop',
    serviceName: 'shop',
    startMs: Date.parse('2026-03-01T10:00:00Z'),
    ...rest,
    headers: new ListHeaders(lines ?? []),
    removeQuery: (name) => void removedQuery.push(name),
    responseHeaders: { set: (name, value) => void sent.set(name, value) },
    note: (reason) => void notes.push(reason),
    notes,
    removedQuery,
    sent,
  };
}

export function fakeResponse(
  request: FilterRequest,
  status: number,
  lines: readonly (readonly [string, string])[] = [],
): FilterResponse & { readonly headers: ListHeaders } {
  return { status, headers: new ListHeaders(lines), request };
}

/** A context whose consumers are `consumers`; their keys are looked up by digest. */
export function fakeContext(consumers: readonly Consumer[] = [], fields: Partial<FilterContext> = {}): FilterContext {
  return {
    scope: 'route',
    stateKey: 'test',
    limits: new OfflineLimitStore(),
    findKey: (sha256) => {
      for (const consumer of consumers) for (const key of consumer.keys) if (key.sha256 === sha256) return { consumer, credential: key.id };
      return null;
    },
    findConsumer: (idOrName) => consumers.find((consumer) => consumer.id === idOrName || consumer.username === idOrName) ?? null,
    replyStyle: 'kong',
    ...fields,
  };
}

/** Runs the request hook of a filter whose hooks are synchronous. */
export function ask(hooks: FilterHooks, request: FilterRequest): LocalReply | undefined {
  const reply = hooks.onRequest?.(request);
  if (reply instanceof Promise) throw new TypeError('the hook answered with a promise');
  return reply;
}
