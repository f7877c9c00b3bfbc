import { canonicalise } from '../decide/canonical.ts';
import { pickDestination } from '../decide/balance.ts';
import { reaches } from '../decide/chain.ts';
import { redirectLocation } from '../decide/redirect.ts';
import { rewritePath } from '../decide/rewrite.ts';
import type { LocalReply } from '../filters/define.ts';
import type { DirectResponseAction, ForwardAction, RedirectAction } from '../model/route.ts';
import { type Chain, emptyChain } from './chain/chain.ts';
import { ListHeaders } from './chain/list-headers.ts';
import { ResponseContext } from './chain/request-context.ts';
import { failures, type Failure } from './failure.ts';
import { requestId } from './ids.ts';
import type { Exchange } from './protocol/exchange.ts';
import { grpcStatusOf, grpcTimeoutMs, isGrpcType } from './protocol/grpc/status.ts';
import type { ResponseHead } from './protocol/http1/head.ts';
import type { Trailers } from './protocol/http1/trailers.ts';
import { failureReply } from './reply.ts';
import type { RouteHit } from './runtime.ts';

/** The life of a request, stage by stage; ARCHITECTURE.md lists the same names. */
export const stages = [
  'accept',
  'decode',
  'canonicalise',
  'listener-chain',
  'route',
  'route-chain',
  'pick',
  'attempt',
  'send',
  'response',
  'encode',
  'log',
] as const;

/** Exchanges under way on a worker that refuses more. */
const fewActive = 8;

/** A decoded request enters: accept and decode are behind it (listen/, protocol/). */
export function onRequest(x: Exchange): void {
  // One form of method, authority and path for router, policies and logs: a second reading is a way around the first.
  if (!canonicaliseRequest(x)) return;
  // Memory is tight: what is under way comes first. A few are always let in, as memory once used may never be given back.
  if (x.worker.overloaded && x.worker.active > fewActive) {
    x.down.reply({ ...failureReply(failures.overload), headers: [['retry-after', '1']] });
    return;
  }
  // Listener-wide policies see requests that no route will match, and may set what routing looks at.
  const { chain } = x.at;
  if (chain.size === 0) return route(x);
  x.listenerChain = chain;
  proceed(x, chain.run('onListener', x.context, null), route);
}

function canonicaliseRequest(x: Exchange): boolean {
  const { at, context, head } = x;
  const { config } = at;
  if (config.canonicalisation.underscores !== 'allow' && head.hasUnderscore) {
    if (config.canonicalisation.underscores === 'reject') {
      x.authority = head.host;
      x.originalPath = head.target;
      reject(x, 400, 'http1.unexpected_underscore');
      return false;
    }
    head.dropUnderscored();
  }
  const { target, host } = head;
  const { tls } = x.down;
  const scheme = tls === null ? 'http' : 'https';
  x.originalPath = target;
  x.authority = host;
  const canonical = canonicalise(head.method, target, host, config.canonicalisation, scheme, config.port);
  if (canonical.kind === 'reject') {
    reject(x, canonical.status, canonical.details);
    return false;
  }
  context.method = head.method;
  context.scheme = scheme;
  context.sni = tls === null || tls.serverName === '' ? null : tls.serverName;
  context.localPort = config.port;
  context.remoteAddress = at.clientAddress(head, x.down.remoteAddress);
  x.requestId = at.isTrusted(x.down.remoteAddress) ? (head.get('x-request-id') ?? requestId()) : requestId();
  if (canonical.kind === 'redirect') {
    x.down.reply({ status: 307, headers: [['location', canonical.location]], message: '', flag: '', details: 'path_normalized' });
    return false;
  }
  // The connection was made for another host (RFC 9110 §15.5.20).
  if (tls !== null && canonical.host !== '' && !tls.servesName(canonical.host)) {
    x.down.reply(failureReply(failures.misdirected));
    return false;
  }
  context.authority = canonical.authority;
  context.host = canonical.host;
  context.authorityPort = canonical.port;
  context.path = canonical.path;
  context.query = canonical.query;
  context.sentQuery = canonical.query;
  if (target.charCodeAt(0) !== 47 && target !== '*') {
    // absolute-form: the target's authority wins over Host (RFC 9112 §3.2.2).
    x.sentHost = canonical.authority;
    x.authority = canonical.authority;
  }
  if (canonical.unchanged) x.path = target;
  else x.path = canonical.query === '' && !target.endsWith('?') ? canonical.path : `${canonical.path}?${canonical.query}`;
  return true;
}

function reject(x: Exchange, status: number, details: string): void {
  x.down.reply({ status, headers: [], message: status === 400 ? 'Bad Request' : 'Request refused', flag: 'DPE', details });
}

/** Runs what follows a chain, at once or when its promise settles and the request is still the one. */
function proceed(x: Exchange, result: LocalReply | undefined | Promise<LocalReply | undefined>, next: (x: Exchange) => void): void {
  if (result === undefined) return next(x);
  if (!(result instanceof Promise)) return x.down.reply(result);
  const { serial } = x;
  const settle = (reply: LocalReply | undefined): void => {
    if (x.serial !== serial || !x.live) return;
    x.touch(performance.now());
    if (reply === undefined) next(x);
    else x.down.reply(reply);
  };
  result.then(settle).catch((error: unknown) => {
    x.worker.onFault(error);
    settle(failureReply(failures.bug));
  });
}

/** The indexes prune, the rank decides. */
function route(x: Exchange): void {
  const { context } = x;
  const hit = x.at.table.lookup(context);
  if (hit === null) {
    const host = x.down.chain === null ? null : x.at.table.lookupVirtualHost(context);
    x.down.reply(failureReply(host === null || reaches(x.down.chain, host.name) ? failures.routeNotFound : failures.misdirected));
    return;
  }
  x.hit = hit;
  const runtime = hit.payload;
  x.routeName = runtime.name;
  x.virtualHost = hit.virtualHost.name;
  if (!reaches(x.down.chain, hit.virtualHost.name)) return x.down.reply(failureReply(failures.misdirected));
  context.routeName = runtime.name;
  context.serviceName = runtime.serviceName;
  if (runtime.route.httpsRedirect !== undefined && context.scheme === 'http') {
    x.down.reply(httpsRedirect(x, runtime.route.httpsRedirect));
    return;
  }
  const { chain } = runtime;
  if (chain.size === 0) return act(x);
  proceed(x, chain.run('onRequest', context, null), act);
}

/** Plain text came to a route for https only (Kong's https_redirect_status_code, Istio's httpsRedirect). */
export function httpsRedirect(
  x: { readonly context: { readonly host: string; readonly path: string; readonly query: string } },
  status: number,
): LocalReply {
  if (status === 426) {
    const headers = [
      ['connection', 'Upgrade'],
      ['upgrade', 'TLS/1.2, HTTP/1.1'],
    ] as const;
    return { status, headers, message: 'Please use HTTPS protocol', flag: '', details: 'https_required' };
  }
  const { host, path, query } = x.context;
  return {
    status,
    headers: [['location', `https://${host}${path}${query === '' ? '' : `?${query}`}`]],
    message: '',
    flag: '',
    details: 'https_redirect',
  };
}

/** The route's action: an answer of our own, or a destination. */
function act(x: Exchange): void {
  const hit = x.hit;
  if (hit === null) return;
  const { action } = hit.payload.route;
  switch (action.kind) {
    case 'forward':
      return pick(x, hit);
    case 'redirect':
      return x.down.reply(withResponseFilters(x, redirectReply(x, hit, action)));
    case 'direct-response':
      return x.down.reply(withResponseFilters(x, directReply(action)));
    case 'blocked':
      return x.down.reply(failureReply({ ...failures.routeBlocked, status: action.status }, `route_blocked{${action.reason}}`));
  }
}

export function redirectReply(
  x: Pick<Exchange, 'context'>,
  hit: Pick<RouteHit, 'entry' | 'matcher' | 'listener'>,
  action: RedirectAction,
): LocalReply {
  const location = redirectLocation(action, x.context, hit.matcher.matchedLength(x.context.path), hit.listener.port);
  return { status: action.status, headers: [['location', location]], message: '', flag: '', details: 'redirect' };
}

export function directReply(action: DirectResponseAction): LocalReply {
  const reply = { status: action.status, headers: action.headers, message: action.body, flag: '', details: 'direct_response' };
  return action.base64 === true ? { ...reply, message: '', body: Buffer.from(action.body, 'base64') } : reply;
}

/** A route's response header changes apply to its own answers too, as Envoy does. */
function withResponseFilters(x: Exchange, reply: LocalReply): LocalReply {
  const chain = x.hit?.payload.chain;
  if (chain === undefined || !chain.hasResponse) return reply;
  const headers = new ListHeaders(reply.headers);
  const response = new ResponseContext(headers, x.context);
  response.status = reply.status;
  runGuarded(x, chain, response);
  return { ...reply, headers: headers.entries };
}

/** One destination by weight, then its cluster. */
function pick(x: Exchange, hit: RouteHit): void {
  const { payload } = hit;
  const { forward } = payload;
  if (forward === null) return;
  const index = pickDestination(forward.destinations, forward.destinations.length === 1 ? 0 : Math.random());
  if (index < 0) {
    x.down.reply(failureReply({ ...failures.invalidBackend, status: forward.allZeroStatus }, 'weights_are_all_zero'));
    return;
  }
  const destination = payload.destinations[index];
  x.destination = destination;
  const { spec, cluster } = destination;
  if (spec.redirect !== undefined) return x.down.reply(redirectReply(x, hit, spec.redirect));
  if (cluster === null) {
    const failure = spec.cluster === null ? { ...failures.invalidBackend, status: spec.invalidStatus ?? 500 } : failures.clusterNotFound;
    x.down.reply(failureReply(failure, spec.invalidReason === undefined ? failure.details : `invalid_backend{${spec.invalidReason}}`));
    return;
  }
  x.upstreamCluster = cluster.name;
  x.upstreamService = cluster.config.service;
  x.upstreamServiceNamespace = cluster.config.serviceNamespace ?? '';
  if (cluster.config.blocked !== undefined) {
    x.down.reply(failureReply(failures.clusterBlocked, `cluster_blocked{${cluster.config.blocked}}`));
    return;
  }
  // A plain HTTP/1.1 exchange is not asked: nobody speaks gRPC there.
  if (cluster.config.protocol !== undefined || x.protocol === 'HTTP/2') x.isGrpc = isGrpcType(x.head.get('content-type'));
  rewrite(x, hit);
  limitTime(x, forward);
  const { upgrade } = x.head;
  if (upgrade !== '') x.upgradeTo = upgrade === 'websocket' || forward.upgrades?.includes(upgrade) === true ? upgrade : '';
  x.attempt.start(cluster);
}

/** The route's time limits join the connection's; the downstream looks at all of them when the first is due. */
function limitTime(x: Exchange, forward: ForwardAction): void {
  const { requestTimeoutMs } = x.at.config.limits;
  x.timeoutMs = forward.timeoutMs ?? 0;
  if (x.isGrpc) {
    const wanted = grpcTimeoutMs(x.head.get('grpc-timeout'));
    // The client's deadline, but no more than the route's (Envoy max_grpc_timeout as Istio sets it; 0 is none).
    if (wanted !== null && wanted > 0 && (x.timeoutMs === 0 || wanted < x.timeoutMs)) x.timeoutMs = wanted;
  }
  if (x.timeoutMs > 0) x.down.limitTime(x.startedAt + x.timeoutMs);
  if (forward.readTimeoutMs !== undefined && forward.readTimeoutMs > 0) x.down.limitTime(x.startedAt + forward.readTimeoutMs);
  if (!x.down.requestDone && !x.isGrpc && requestTimeoutMs > 0) x.down.limitTime(x.startedAt + requestTimeoutMs);
}

function rewrite(x: Exchange, hit: RouteHit): void {
  const { context } = x;
  const change = x.destination?.spec.pathRewrite ?? hit.payload.forward?.pathRewrite;
  if (change === undefined && context.sentQuery === context.query) return;
  const path = change === undefined ? context.path : rewritePath(change, context.path, hit.matcher.matchedLength(context.path));
  x.path = context.sentQuery === '' ? path : `${path}?${context.sentQuery}`;
}

/** The upstream's response head is here: filters backwards, then the client's encoder. */
export function onResponseHead(x: Exchange, head: ResponseHead): void {
  x.responseCode = head.status;
  if (x.responseCodeDetails === '') x.responseCodeDetails = 'via_upstream';
  // Without a body the head is gRPC's trailers too.
  if (x.isGrpc) x.grpcStatus = grpcStatusOf(head.get('grpc-status'));
  runResponseFilters(x, head);
  if (x.at.config.kongHeaders) x.at.addKongHeaders(x, head);
  capture(x, head);
  x.responseStarted = true;
  x.down.startResponse(head);
}

/** The upstream's response ends with trailers: as they came, less what may not be forwarded. */
export function onResponseTrailers(x: Exchange, head: ResponseHead, trailers: Trailers): void {
  trailers.dropDecided(head);
  const status = x.isGrpc ? trailers.get('grpc-status') : null;
  if (status !== null) x.grpcStatus = grpcStatusOf(status);
  const wanted = x.worker.telemetry.needs.responseTrailers;
  for (let i = 0; i < wanted.length; i++) {
    const value = trailers.get(wanted[i]);
    if (value !== null) x.capture(`trailer:${wanted[i]}`, value);
  }
}

function runResponseFilters(x: Exchange, head: ResponseHead): void {
  const { context } = x;
  const { names, values } = context.responseHeaders;
  for (let i = 0; i < names.length; i++) head.set(names[i], values[i]);
  const own = x.destination?.chain ?? emptyChain;
  const route = x.hit?.payload.chain ?? emptyChain;
  const listener = x.listenerChain ?? emptyChain;
  if (!own.hasResponse && !route.hasResponse && !listener.hasResponse) return;
  const response = responseContext(x, head);
  if (own.hasResponse) runGuarded(x, own, response);
  if (route.hasResponse) runGuarded(x, route, response);
  if (listener.hasResponse) runGuarded(x, listener, response);
}

function responseContext(x: Exchange, head: ResponseHead): ResponseContext {
  const response = new ResponseContext(head, x.context);
  response.status = head.status;
  return response;
}

function runGuarded(x: Exchange, chain: Chain, response: ResponseContext): void {
  try {
    chain.response(response);
  } catch (error) {
    x.worker.onFault(error);
  }
}

function capture(x: Exchange, head: ResponseHead): void {
  const wanted = x.worker.telemetry.needs.responseHeaders;
  for (let i = 0; i < wanted.length; i++) {
    const value = head.get(wanted[i]);
    if (value !== null) x.capture(wanted[i], value);
  }
}

/** No (more) try will bring a response: answer, or cut what had begun. */
export function onAttemptFailed(x: Exchange, failure: Failure, details?: string): void {
  if (!x.live) return;
  x.flag({ flag: failure.flag, details: details ?? failure.details });
  if (x.responseStarted) {
    x.responseCodeDetails = details ?? failures.upstreamTruncated.details;
    x.down.abort();
    return;
  }
  if (failure.status === 0) x.down.abort();
  else x.down.reply(failureReply(failure, details));
}
