import type { L4Forward } from '../../model/chain.ts';
import type { LocalReply } from '../../filters/define.ts';
import type { FilterVerdict } from '../chain/chain.ts';
import type { RequestContext } from '../chain/request-context.ts';
import type { Failure } from '../failure.ts';
import { failureReply, grpcStatusFor, statusFor } from '../reply.ts';
import type { ListenerTable } from '../route/tables.ts';
import type { RouteHit, RouteRuntime } from '../runtime.ts';
import { listCandidates, maxCandidates, routeName } from './candidates.ts';
import { mergeChanges, noChanges } from './recorder.ts';
import type { Candidate, ExplainedDestination, ExplainResult, HeaderChanges, Outcome } from './types.ts';

/** What is found out on the way. */
export class Report {
  private readonly method: string;
  private table: ListenerTable<RouteRuntime> | null = null;
  private forward: L4Forward | null = null;
  private candidates: readonly Candidate[] = [];
  private omitted = 0;
  authority: string;
  path: string;
  /** Replies of the proxy's own are in gRPC's words. */
  isGrpc = false;
  virtualHost: string | null = null;
  hit: RouteHit | null = null;
  requestChanges: HeaderChanges = noChanges;
  responseChanges: HeaderChanges = noChanges;
  destinations: readonly ExplainedDestination[] = [];
  readonly trail: FilterVerdict[] = [];
  readonly conditions: string[] = [];

  constructor(method: string, authority: string, path: string) {
    this.method = method;
    this.authority = authority;
    this.path = path;
  }

  at(table: ListenerTable<RouteRuntime>): void {
    this.table = table;
  }

  /** Chains of the listener; candidates while no route of HTTP is looked for. */
  chainsConsidered(candidates: readonly Candidate[]): void {
    this.candidates = candidates.slice(0, maxCandidates);
    this.omitted = candidates.length - this.candidates.length;
  }

  /** Layer 4 has it. */
  passes(forward: L4Forward): void {
    this.forward = forward;
  }

  routed(context: RequestContext, table: ListenerTable<RouteRuntime>, hit: RouteHit | null): void {
    this.hit = hit;
    this.virtualHost = table.lookupVirtualHost(context)?.name ?? null;
    const list = listCandidates(table, context, hit);
    this.candidates = list.candidates;
    this.omitted = list.omitted;
  }

  stop(
    outcome: Outcome,
    status: number | null,
    reason: string,
    flags: readonly string[] = [],
    location: string | null = null,
  ): ExplainResult {
    const { table, hit, forward } = this;
    const config = table?.config;
    const served = this.served(status, flags[0] ?? '');
    const pending = [
      ...(config?.pending ?? []).map((field) => ({ ...field, origin: config?.origin })),
      ...(forward?.pending ?? []).map((field) => ({ ...field, origin: forward?.origin })),
      ...(hit?.route.pending ?? []).map((field) => ({ ...field, origin: hit?.route.origin })),
      ...(hit?.payload.destinations ?? []).flatMap(({ cluster }) =>
        (cluster?.config.pending ?? []).map((field) => ({ ...field, origin: cluster?.config.origin })),
      ),
    ].flatMap(({ origin, ...field }) => (origin === undefined ? [] : [{ ...field, origin }]));
    return {
      outcome,
      status: served,
      reason,
      listener: config === undefined ? null : { address: config.name, origin: config.origin },
      virtualHost: this.virtualHost,
      route:
        hit === null
          ? forward === null
            ? null
            : { name: forward.route, id: forward.route, rule: 0, match: 0, origin: forward.origin }
          : {
              name: routeName(hit.route, hit.entry),
              id: hit.route.id,
              rule: hit.route.rule,
              match: hit.entry.index,
              origin: hit.route.origin,
            },
      request: { method: this.method, authority: this.authority, path: this.path, headers: this.requestChanges },
      destinations: this.destinations,
      response: { location, headers: this.responseChanges },
      filters: this.trail,
      candidates: this.candidates,
      candidatesOmitted: this.omitted,
      flags,
      pending,
      conditions: this.conditions,
    };
  }

  /** The status as the client reads it (renderFor in reply.ts); null where none is sent. */
  private served(status: number | null, flag: string): number | null {
    if (status === null) return null;
    if (!this.isGrpc) return statusFor(status, flag, this.hit?.route.replyStyle ?? this.table?.config.replyStyle ?? 'envoy');
    const code = this.responseChanges.set['grpc-status'] ?? String(grpcStatusFor(status, flag));
    const set = { 'content-type': 'application/grpc', 'grpc-status': code };
    this.responseChanges = mergeChanges(this.responseChanges, { set, add: {}, remove: [] });
    return 200;
  }

  /** Ends with a reply of the proxy's own. */
  reply(reply: LocalReply, refused: Outcome): ExplainResult {
    const location = reply.headers.find(([name]) => name.toLowerCase() === 'location')?.[1] ?? null;
    const outcome =
      location !== null && reply.status >= 300 && reply.status < 400 ? 'redirect' : reply.status >= 400 ? refused : 'direct-response';
    const set = Object.fromEntries(reply.headers.filter(([name]) => name.toLowerCase() !== 'location'));
    this.responseChanges = mergeChanges(this.responseChanges, { set, add: {}, remove: [] });
    if (reply.conditional !== undefined) this.conditions.push(reply.conditional);
    const said = this.trail.at(-1);
    const reason = said !== undefined && said.verdict !== 'continue' ? `${said.name}: ${said.reason}` : reply.details;
    return this.stop(outcome, reply.status, reason, reply.flag === '' ? [] : [reply.flag], location);
  }

  fail(failure: Failure, reason: string = failure.details): ExplainResult {
    return this.reply(failureReply(failure, reason), 'error');
  }
}
