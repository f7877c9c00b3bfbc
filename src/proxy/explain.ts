/**
 * What would happen to a request, and why. Walks the stages of pipeline.ts with the same parser, canonicaliser,
 * tables, chains and deciders, on a limit store that takes nothing; sends nothing.
 */
import { sendableAuthority } from '../decide/authority.ts';
import { applyUnderscores, canonicalise } from '../decide/canonical.ts';
import { reaches } from '../decide/chain.ts';
import { type LimitStore, OfflineLimitStore } from '../decide/limit.ts';
import { rewritePath } from '../decide/rewrite.ts';
import type { Result } from '../base/result.ts';
import type { ConnectionChain } from '../model/chain.ts';
import type { FlatTables } from '../model/events.ts';
import type { HostRewrite } from '../model/route.ts';
import type { Snapshot } from '../model/snapshot.ts';
import { buildChain, type Chain, type ChainContext, noteFor } from './chain/chain.ts';
import { ListHeaders } from './chain/list-headers.ts';
import { RequestContext, ResponseContext } from './chain/request-context.ts';
import { routeName } from './explain/candidates.ts';
import { chooseChain, endpointText, explainForward, peer, servesName, sniOf } from './explain/connection.ts';
import { mergeChanges, noChanges, RecordingHeaders } from './explain/recorder.ts';
import { Report } from './explain/report.ts';
import type { ExplainedDestination, ExplainRequest, ExplainResult, HeaderChanges } from './explain/types.ts';
import { explainedTransport, transportFailure } from './explain/upstream-tls.ts';
import { type Layer4Url, type PlainUrl, requestBytes, splitLayer4Url, splitUrl } from './explain/wire.ts';
import { failures } from './failure.ts';
import { ListenerRuntime } from './listen/listener-runtime.ts';
import { materialise } from './materialise.ts';
import { directReply, httpsRedirect, redirectReply } from './pipeline.ts';
import { isGrpcType } from './protocol/grpc/status.ts';
import { RequestHead } from './protocol/http1/head.ts';
import { compileTables } from './route/compile.ts';
import { type ListenerTable, RouteTables } from './route/tables.ts';
import type { DestinationRuntime, RouteHit, RouteRuntime } from './runtime.ts';
import { ClusterSet } from './upstream/cluster-state.ts';

export type { ExplainRequest, ExplainResult } from './explain/types.ts';

/** What live state explain may look at; offline there is none. */
export interface ExplainState {
  /** A store that answers and takes nothing. */
  readonly limits: LimitStore;
  /** Addresses and health of a cluster as they are now; null: as configured. */
  readonly endpoints: (cluster: string) => readonly { readonly address: string; readonly healthy: boolean }[] | null;
}

const offline: ExplainState = { limits: new OfflineLimitStore(), endpoints: () => null };

/** Explains requests against one compiled snapshot. */
export class Explainer {
  private readonly tables: RouteTables<RouteRuntime>;
  private readonly chainContext: ChainContext;
  private readonly state: ExplainState;

  constructor(flat: FlatTables, revision: number, state: ExplainState = offline) {
    this.state = state;
    const clusters = new ClusterSet((name) => this.tables.secret(name));
    const tables: RouteTables<RouteRuntime> = new RouteTables<RouteRuntime>(flat, revision, (context) =>
      materialise({ chainContext: this.chainContext, clusters }, tables, context),
    );
    this.tables = tables;
    this.chainContext = {
      limits: state.limits,
      findKey: (sha256) => tables.findKey(sha256),
      findConsumer: (idOrName) => tables.findConsumer(idOrName),
      replyStyle: 'envoy',
    };
  }

  /** Never throws on what a request holds; an outcome `error` says what is wrong with it. */
  async explain(request: ExplainRequest): Promise<ExplainResult> {
    const bytesUrl = splitLayer4Url(request.url);
    if (bytesUrl !== null) return this.explainBytes(request, bytesUrl);
    const url = splitUrl(request.url);
    if (!url.ok) return new Report(request.method, '', '').stop('error', null, url.error);
    const report = new Report(request.method, url.value.authority, url.value.target);
    const bytes = requestBytes(request, url.value);
    if (!bytes.ok) return report.stop('error', null, bytes.error);
    const table = this.pickListener(request, url.value);
    if (typeof table === 'string') return report.stop('error', null, table);
    report.at(table);
    let chain: ConnectionChain | null = null;
    if (table.config.kind === 'gateway') {
      const chosen = chooseChain(this.tables, table, url.value, report);
      if ('refused' in chosen) return chosen.refused;
      chain = chosen.chain;
      if (chain !== null && chain.forward !== null) return explainForward(chain, chain.forward, this.tables, this.state.endpoints, report);
    }
    const walk = new Walk(this.tables, this.chainContext, this.state, table, report, chain);
    return walk.run(request, url.value, bytes.value);
  }

  /** A connection of which only its addresses and its SNI are known. */
  private explainBytes(request: ExplainRequest, url: Result<Layer4Url, string>): ExplainResult {
    if (!url.ok) return new Report('', '', '').stop('error', null, url.error);
    const { scheme, authority } = url.value;
    const report = new Report(scheme.toUpperCase(), authority, '');
    const table = this.pickListener({ ...request, caller: null }, url.value);
    if (typeof table === 'string') return report.stop('error', null, table);
    report.at(table);
    const chosen = chooseChain(this.tables, table, url.value, report);
    if ('refused' in chosen) return chosen.refused;
    const { chain } = chosen;
    if (chain !== null && chain.forward !== null) return explainForward(chain, chain.forward, this.tables, this.state.endpoints, report);
    const name = chain === null ? 'the listener' : `chain '${chain.name}'`;
    const instead = scheme === 'tls' ? 'https' : 'http';
    return report.stop('error', null, `${name} speaks HTTP: ask for ${instead}://${authority}/`);
  }

  private pickListener(request: ExplainRequest, url: PlainUrl | Layer4Url): ListenerTable<RouteRuntime> | string {
    const all = this.tables.listenerNames().flatMap((name) => this.tables.listener(name) ?? []);
    if (request.caller !== undefined && request.caller !== null) {
      return all.find((table) => table.config.kind === 'mesh') ?? 'nothing in the configuration applies to mesh callers';
    }
    const isUdp = url.scheme === 'udp';
    const gateways = all.filter(({ config }) => config.kind === 'gateway' && (config.protocol === 'udp') === isUdp);
    const address = request.address ?? null;
    const port = address === null ? url.port : Number(/:(\d{1,5})$/.exec(address)?.[1] ?? Number.NaN);
    const host = address === null ? url.authority.replace(/:\d+$/, '') : address.replace(/:\d+$/, '');
    const onPort = gateways.filter((table) => table.config.port === port);
    const bare = host.replace(/^\[|\]$/g, '');
    const exact = onPort.find((table) => table.config.address === bare);
    const wildcard = onPort.find((table) => table.config.address === '::' || table.config.address === '0.0.0.0');
    const found = exact ?? wildcard ?? (address === null ? onPort[0] : undefined);
    if (found !== undefined) return found;
    const names = gateways.map((table) => table.config.name).join(', ');
    return `nothing listens on ${address === null ? `port ${port}` : address}; listeners: ${names === '' ? 'none' : `${names} (the port of the URL or --address picks one)`}`;
  }
}

/** Explains against a snapshot without a running gateway. */
export function explainerOf(snapshot: Snapshot): Explainer {
  return new Explainer(compileTables(snapshot), 0);
}

/** One request on its way through the stages. */
class Walk {
  private readonly tables: RouteTables<RouteRuntime>;
  private readonly chainContext: ChainContext;
  private readonly state: ExplainState;
  private readonly table: ListenerTable<RouteRuntime>;
  private readonly report: Report;
  private readonly head: RequestHead;
  private recorder: RecordingHeaders;
  private readonly context: RequestContext;
  /** Of the connection; null: plain HTTP. */
  private readonly chain: ConnectionChain | null;

  constructor(
    tables: RouteTables<RouteRuntime>,
    chainContext: ChainContext,
    state: ExplainState,
    table: ListenerTable<RouteRuntime>,
    report: Report,
    chain: ConnectionChain | null,
  ) {
    this.chain = chain;
    this.tables = tables;
    this.chainContext = chainContext;
    this.state = state;
    this.table = table;
    this.report = report;
    this.head = new RequestHead(table.config.limits);
    this.recorder = new RecordingHeaders(this.head);
    this.context = new RequestContext(this.recorder);
    this.context.note = (reason) => noteFor(this.context, reason);
    this.context.startMs = Date.now();
  }

  async run(request: ExplainRequest, url: PlainUrl, bytes: Buffer): Promise<ExplainResult> {
    const { report, table, context, head } = this;
    const { config } = table;
    head.reset();
    const parsed = head.parse(bytes, 0, bytes.length);
    if (parsed <= 0)
      return report.stop('error', parsed === 0 ? 400 : -parsed, head.error === '' ? 'the request head is not complete' : head.error, [
        'DPE',
      ]);
    report.isGrpc = isGrpcType(head.get('content-type'));
    const refused = this.canonicalise(request, url);
    if (refused !== null) return refused;
    if (config.limits.maxBodyBytes > 0 && (request.bodyBytes ?? 0) > config.limits.maxBodyBytes) return report.fail(failures.bodyTooLarge);

    const listenerChain = buildChain(config.filters, 'listener', { ...this.chainContext, replyStyle: config.replyStyle });
    context.remoteAddress = new ListenerRuntime(table, listenerChain).clientAddress(head, peer);
    const early = await listenerChain.run('onListener', context, report.trail);
    report.requestChanges = this.recorder.changes();
    if (early !== undefined) return report.reply(early, 'denied');

    const hit = table.lookup(context);
    report.routed(context, table, hit);
    const virtualHost = hit?.virtualHost ?? table.lookupVirtualHost(context);
    if (virtualHost !== null && !reaches(this.chain, virtualHost.name))
      return report.fail(failures.misdirected, 'the connection is for other hosts: misdirected_request');
    if (hit === null) return this.notFound();
    context.routeName = hit.payload.name;
    context.serviceName = hit.payload.serviceName;
    const { httpsRedirect: status } = hit.route;
    if (status !== undefined && context.scheme === 'http') return report.reply(httpsRedirect({ context }, status), 'direct-response');

    const verdict = await hit.payload.chain.run('onRequest', context, report.trail);
    report.requestChanges = this.recorder.changes();
    for (const [i, name] of context.responseHeaders.names.entries()) this.willSet(name, context.responseHeaders.values[i] ?? '');
    if (verdict !== undefined) return report.reply(verdict, 'denied');
    return this.act(hit, listenerChain);
  }

  private willSet(name: string, value: string): void {
    this.report.responseChanges = mergeChanges(this.report.responseChanges, { set: { [name]: value }, add: {}, remove: [] });
  }

  /** Null: go on. */
  private canonicalise(request: ExplainRequest, url: PlainUrl): ExplainResult | null {
    const { report, context, head } = this;
    const { config } = this.table;
    const underscored = applyUnderscores(config.canonicalisation.underscores, head);
    if (underscored !== null) return report.stop('error', underscored.status, underscored.details, ['DPE']);
    const localPort = config.kind === 'mesh' ? url.port : config.port;
    const canonical = canonicalise(head.method, head.target, head.host, config.canonicalisation, url.scheme, localPort);
    if (canonical.kind === 'reject') return report.stop('error', canonical.status, canonical.details, ['DPE']);
    if (canonical.kind === 'redirect') {
      return report.stop(
        'redirect',
        canonical.status,
        'the path has escaped slashes; the client is sent to the form that is matched',
        [],
        canonical.location,
      );
    }
    if (this.chain !== null && canonical.host !== '' && !servesName(this.tables, config, this.chain, sniOf(url), canonical.host))
      return report.fail(failures.misdirected, `the connection's certificate is not for '${canonical.host}'`);
    context.method = head.method;
    context.scheme = url.scheme;
    context.localPort = localPort;
    context.authority = canonical.authority;
    context.host = canonical.host;
    context.authorityPort = canonical.port;
    context.path = canonical.path;
    context.query = canonical.query;
    context.sentQuery = canonical.query;
    context.sni = url.scheme === 'https' && sniOf(url) !== '' ? sniOf(url) : null;
    context.caller = request.caller ?? null;
    report.authority = canonical.authority;
    report.path = withQuery(canonical.path, canonical.query);
    return null;
  }

  private notFound(): ExplainResult {
    const { report, context } = this;
    const why =
      report.virtualHost === null ? `no virtual host has '${context.host}'` : `no route of virtual host '${report.virtualHost}' matches`;
    return report.stop('not-found', failures.routeNotFound.status, why, [failures.routeNotFound.flag]);
  }

  private act(hit: RouteHit, listenerChain: Chain): ExplainResult {
    const { report, context } = this;
    const { action } = hit.route;
    switch (action.kind) {
      case 'redirect':
        this.responseFilters([hit.payload.chain]);
        return this.because(report.reply(redirectReply({ context }, hit, action), 'error'), hit, 'redirected');
      case 'direct-response': {
        this.responseFilters([hit.payload.chain]);
        const result = report.reply(directReply(action), 'direct-response');
        return { ...this.because(result, hit, 'answered'), outcome: 'direct-response' };
      }
      case 'blocked':
        return report.fail({ ...failures.routeBlocked, status: action.status }, `route_blocked{${action.reason}}`);
      case 'forward':
        return this.forward(hit, listenerChain);
    }
  }

  private because(result: ExplainResult, hit: RouteHit, what: string): ExplainResult {
    return { ...result, reason: `${what} by route '${routeName(hit.route, hit.entry)}': ${hit.entry.rankReason}` };
  }

  private forward(hit: RouteHit, listenerChain: Chain): ExplainResult {
    const { report } = this;
    const { destinations, forward } = hit.payload;
    if (forward === null) return report.fail(failures.bug);
    const total = destinations.reduce((sum, { spec }) => sum + spec.weight, 0);
    const taking = destinations.filter(({ spec }) => spec.weight > 0);
    const main = taking[0] ?? destinations[0];
    report.path = this.pathFor(hit, main);
    report.authority = this.authorityFor(hit, main);
    const shown = destinations.map((destination) => this.destination(hit, destination, destination === main && taking.length === 1));
    report.destinations = shown;
    if (total === 0) return report.fail({ ...failures.invalidBackend, status: forward.allZeroStatus }, 'weights_are_all_zero');
    const live = shown.filter((one) => one.weight > 0);
    const [first] = live;
    if (live.every((one) => one.location !== undefined)) {
      return report.stop('redirect', first?.status ?? null, first?.reason ?? '', [], first?.location ?? null);
    }
    if (live.every((one) => one.status !== undefined))
      return report.stop('error', first?.status ?? null, first?.reason ?? '', this.flagsOf(taking));
    // Filters of the response see what an upstream answered, not a failure of ours.
    this.responseFilters([...(taking.length === 1 ? [main.chain] : []), hit.payload.chain, listenerChain]);
    const parts = live.map(
      (one) =>
        `${one.host}${one.port === null ? '' : `:${one.port}`}${live.length > 1 ? ` (${Math.round((one.weight / total) * 1000) / 10} %)` : ''}`,
    );
    for (const one of live)
      if (one.status !== undefined && one.reason !== undefined)
        report.conditions.push(`the share of ${one.host} is answered ${one.status}: ${one.reason}`);
    return report.stop('forward', null, `to ${parts.join(', ')} by route '${routeName(hit.route, hit.entry)}': ${hit.entry.rankReason}`);
  }

  private pathFor(hit: RouteHit, destination: DestinationRuntime | undefined): string {
    const { context } = this;
    const rewrite = destination?.spec.pathRewrite ?? hit.payload.forward?.pathRewrite;
    // An empty query leaves as it came; a rewritten path has none.
    if (rewrite === undefined && context.sentQuery === '' && context.query === '' && this.head.target.endsWith('?'))
      return `${context.path}?`;
    const path = rewrite === undefined ? context.path : rewritePath(rewrite, context.path, hit.matcher.matchedLength(context.path));
    return withQuery(path, context.sentQuery);
  }

  private authorityFor(hit: RouteHit, destination: DestinationRuntime | undefined): string {
    return sendableAuthority(this.namedAuthority(hit, destination));
  }

  private namedAuthority(hit: RouteHit, destination: DestinationRuntime | undefined): string {
    const rewrite: HostRewrite | undefined = destination?.spec.hostRewrite ?? hit.payload.forward?.hostRewrite;
    // Host leaves as it came: only routing folds its case and drops a last dot.
    const { host } = this.head;
    if (rewrite === undefined) return host;
    if (rewrite.kind === 'literal') return rewrite.value;
    const cluster = destination?.cluster;
    // Several endpoints may go by several names; that of the first in use stands for them.
    const used = cluster?.endpoints.find(({ weight }) => weight > 0);
    return cluster?.config.hostHeader ?? used?.authority ?? cluster?.config.service ?? host;
  }

  private destination(hit: RouteHit, destination: DestinationRuntime, only: boolean): ExplainedDestination {
    const { report, context, head } = this;
    const { spec, cluster } = destination;
    // Per-destination changes are undone after each: another destination does not carry them.
    const mark = head.mark();
    const before = this.recorder;
    const own = new RecordingHeaders(head);
    context.headers = own;
    if (only) destination.chain.attempt(context, report.trail);
    else destination.chain.attempt(context);
    context.headers = before;
    head.rollback(mark);
    if (only) report.requestChanges = mergeChanges(report.requestChanges, own.changes());
    const path = this.pathFor(hit, destination);
    const authority = this.authorityFor(hit, destination);
    const back = only ? noChanges : this.responseChangesOf([destination.chain]);
    const { host, port, subset, weight } = spec;
    const base = {
      cluster: spec.cluster,
      host,
      port,
      subset,
      weight,
      endpoints: cluster === null ? [] : this.endpointsOf(cluster.config.name),
      ...(cluster === null ? {} : explainedTransport(cluster.config, authority, 'http')),
      origin: cluster?.config.origin ?? null,
      ...(path === report.path ? {} : { path }),
      ...(authority === report.authority ? {} : { authority }),
      ...(only || own.isEmpty ? {} : { headers: own.changes() }),
      ...(back === noChanges ? {} : { responseHeaders: back }),
    };
    if (spec.redirect !== undefined) {
      const reply = redirectReply({ context }, hit, spec.redirect);
      const location = reply.headers.find(([name]) => name === 'location')?.[1] ?? '';
      return { ...base, status: reply.status, reason: 'redirect', location };
    }
    if (cluster === null) {
      const status = spec.cluster === null ? (spec.invalidStatus ?? 500) : failures.clusterNotFound.status;
      return { ...base, status, reason: spec.invalidReason ?? `cluster '${spec.cluster ?? ''}' does not exist` };
    }
    const { config } = cluster;
    if (config.blocked !== undefined) return { ...base, status: failures.clusterBlocked.status, reason: config.blocked };
    const broken = transportFailure(config, (name) => this.tables.secret(name));
    if (broken !== null) return { ...base, status: failures.connectFailure.status, reason: `${host}: ${broken}` };
    if (base.endpoints.length === 0 && config.declared) {
      return { ...base, status: failures.noHealthyUpstream.status, reason: `'${host}' has no endpoint` };
    }
    if (head.upgrade === 'websocket' && config.protocol === 'http2')
      report.conditions.push(`'${host}' speaks HTTP/2: a WebSocket goes there if it allows extended CONNECT (RFC 8441), else 503 UPE`);
    if (config.declared) return base;
    if (this.state.endpoints(config.name)?.length === 0) {
      return {
        ...base,
        status: failures.nameNotResolved.status,
        reason: `'${host}' is not in the configuration, and DNS has no address for it`,
      };
    }
    if (base.endpoints.length === 0) {
      report.conditions.push(
        `'${host}' is not in the configuration: it is looked up in DNS, and 503 NC is the answer if it has no address`,
      );
    }
    return base;
  }

  private endpointsOf(name: string): ExplainedDestination['endpoints'] {
    const live = this.state.endpoints(name);
    if (live !== null) return live;
    const config = this.tables.cluster(name);
    // An undeclared name is looked up in DNS by traffic and not by explain.
    if (config === null || !config.declared) return [];
    return config.endpoints
      .filter((endpoint) => endpoint.weight > 0)
      .map(({ address, port }) => ({ address: endpointText(address, port), healthy: true }));
  }

  private flagsOf(taking: readonly DestinationRuntime[]): readonly string[] {
    const flags = taking.map(({ cluster, spec }) => {
      if (cluster === null) return spec.cluster === null ? failures.invalidBackend.flag : failures.clusterNotFound.flag;
      if (cluster.config.blocked !== undefined) return failures.clusterBlocked.flag;
      if (cluster.transport.failure !== null) return failures.connectFailure.flag;
      return cluster.config.declared ? failures.noHealthyUpstream.flag : failures.nameNotResolved.flag;
    });
    return [...new Set(flags)];
  }

  /** What filters would do to the response, as far as it is known without one. */
  private responseFilters(chains: readonly Chain[]): void {
    this.report.responseChanges = mergeChanges(this.report.responseChanges, this.responseChangesOf(chains));
  }

  private responseChangesOf(chains: readonly Chain[]): HeaderChanges {
    const recorder = new RecordingHeaders(new ListHeaders([]), true);
    const response = new ResponseContext(recorder, this.context);
    response.status = 200;
    for (const chain of chains) if (chain.hasResponse) chain.response(response);
    return recorder.isEmpty ? noChanges : recorder.changes();
  }
}

function withQuery(path: string, query: string): string {
  return query === '' ? path : `${path}?${query}`;
}
