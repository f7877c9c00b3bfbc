import type { z } from 'zod';
import type { Headers, RequestView } from '../decide/request.ts';
import type { LimitStore } from '../decide/limit.ts';
import type { Consumer } from '../model/consumer.ts';
import type { ReplyStyle } from '../model/route.ts';

/** A response made by Weir itself. Only proxy/reply.ts turns it into bytes. */
export interface LocalReply {
  readonly status: number;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Public text: names no internals. In Kong style it becomes `{"message": …}`. */
  readonly message: string;
  /** Sent as it is instead of `message`; `headers` then name its type. */
  readonly body?: Uint8Array;
  /** Envoy response flag (`RL`, `UAEX` …) or empty. */
  readonly flag: string;
  /** response_code_details: for log and explain. */
  readonly details: string;
  /** Set: the outcome depends on live state that explain cannot know; what must be true for this reply ("once 100 a minute are used"). Never sent. */
  readonly conditional?: string;
}

/** What a request hook sees and may change. One object lives as long as the exchange. */
export interface FilterRequest extends RequestView {
  /** Changes apply to what is sent upstream; later filters see them. */
  readonly headers: Headers;
  /** Set by an authentication filter. */
  consumer: Consumer | null;
  /** Credential the consumer showed; id for the log, never the secret. */
  credential: string | null;
  /** Name of the route, its service (Kong) or cluster for limits by service. Empty before routing. */
  readonly routeName: string;
  readonly serviceName: string;
  /** Drops every pair of this name from the query sent upstream (hide_credentials). */
  removeQuery(name: string): void;
  /** Headers for the response, local replies included (rate-limit headers). Applied before onResponse hooks. */
  readonly responseHeaders: { set(name: string, value: string): void };
  /** Null unless somebody asked why: a hook tells its reason here and only here. */
  readonly note: ((reason: string) => void) | null;
  /** Milliseconds since the epoch when the request began. */
  readonly startMs: number;
}

export interface FilterResponse {
  readonly status: number;
  /** Changes apply to what is sent to the client. */
  readonly headers: Headers;
  readonly request: FilterRequest;
}

/** Nothing: go on. The common case returns undefined synchronously. */
export type HookResult = LocalReply | undefined | Promise<LocalReply | undefined>;

/** Only the hooks that are there cost anything. */
export interface FilterHooks {
  /** Attached to a listener: before routing. */
  onListener?(request: FilterRequest): HookResult;
  /** After routing, before an endpoint is chosen. */
  onRequest?(request: FilterRequest): HookResult;
  /** Per attempt, once the destination is known; header changes are undone before the next attempt. */
  onAttempt?(request: FilterRequest): void;
  onResponse?(response: FilterResponse): void;
  /** The exchange is over, however it ended. */
  onEnd?(request: FilterRequest, status: number): void;
}

/** What a filter may use. In explain the same names hold read-only stand-ins. */
export interface FilterContext {
  readonly scope: 'listener' | 'virtual-host' | 'route' | 'destination';
  readonly stateKey: string;
  readonly limits: LimitStore;
  /** Consumer that owns the key with this hex SHA-256, or null; with the credential's id. */
  readonly findKey: (sha256: string) => { readonly consumer: Consumer; readonly credential: string } | null;
  readonly findConsumer: (idOrName: string) => Consumer | null;
  readonly replyStyle: ReplyStyle;
}

/** Order of phases within the chain is by `rank` alone; the phase groups filters in docs and explain. */
export type Phase = 'authentication' | 'authorization' | 'traffic' | 'transformation' | 'observation';

export interface FilterSpec<Config> {
  /** Kebab case; one word for the thing in every dialect, log and page. */
  readonly name: string;
  readonly phase: Phase;
  /** Higher runs earlier on requests, later on responses. Kong's priorities where Kong has one. */
  readonly rank: number;
  readonly before?: readonly string[];
  readonly after?: readonly string[];
  /** True: where it cannot run, its scope answers 503. */
  readonly restricts: boolean;
  readonly schema: z.ZodType<Config>;
  /** Filters that need no body keep the raw byte path. */
  readonly body: 'none';
  /** Called when a route is materialised in a worker; never per request. */
  create(config: Config, context: FilterContext): FilterHooks;
}

/** A filter with its config type closed over. */
export interface Filter extends Omit<FilterSpec<never>, 'create' | 'schema'> {
  readonly schema: z.ZodType;
  /** Throws a ZodError when `config` is not of the schema; dialects check before. */
  instantiate(config: unknown, context: FilterContext): FilterHooks;
}

export function defineFilter<Config>(spec: FilterSpec<Config>): Filter {
  const { create, ...rest } = spec;
  return { ...rest, instantiate: (config, context) => create(spec.schema.parse(config), context) };
}
