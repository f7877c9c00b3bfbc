/** Envoy's access-log operators (Envoy documentation, "Access logging: command operators") over an ExchangeRecord. */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { err, ok, type Result } from '../../base/result.ts';
import type { ExchangeRecord, RecordTls, RecordUpstreamTls } from '../record.ts';
import { flagNames } from './flags.ts';
import { isoTime, timeFormat } from './time.ts';

/**
 * Value of an operator; null, the empty string and negative numbers are written as `-`, other numbers rounded down.
 */
export type Read = (record: ExchangeRecord) => string | number | null;

/** What an operator reads beyond the record's own fields, gathered while compiling. */
export interface Needed {
  readonly requestHeaders: Set<string>;
  readonly responseHeaders: Set<string>;
  readonly responseTrailers: Set<string>;
  upstreamConnection: boolean;
}

type Compile = (argument: string | null, needed: Needed) => Result<Read, string>;

function host(address: string): string {
  const colon = address.lastIndexOf(':');
  return colon === -1 ? address : address.slice(0, colon);
}

function port(address: string): string {
  const colon = address.lastIndexOf(':');
  return colon === -1 ? '' : address.slice(colon + 1);
}

/** An operator without an argument. */
function plain(read: Read): Compile {
  return (argument) => (argument === null ? ok(read) : err('takes no argument'));
}

/** Empty where the connection is plain text, as in Envoy. */
const tls = (of: (tls: RecordTls) => string | null): Compile => plain((r) => (r.downstreamTls === null ? null : of(r.downstreamTls)));
const peer = (of: (certificate: NonNullable<RecordTls['certificate']>) => string): Compile =>
  tls(({ certificate }) => (certificate === null ? null : of(certificate)));

const time: (of: (record: ExchangeRecord) => number) => Compile = (of) => (argument) => {
  if (argument === null || argument === '') return ok((r) => isoTime(of(r)));
  const format = timeFormat(argument);
  if (!format.ok) return format;
  return ok((r) => format.value(of(r)));
};

const headerName = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const headerOrPseudo = /^:?[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function names(argument: string | null, valid: RegExp): Result<readonly string[], string> {
  const list = (argument ?? '').split('?');
  if (list.length > 2 || list.some((name) => !valid.test(name))) return err('wants a header name, or two as in (FIRST?SECOND)');
  return ok(list.map((name) => name.toLowerCase()));
}

function either(reads: readonly Read[]): Read {
  if (reads.length === 1) return reads[0];
  const [first, second] = reads;
  return (r) => {
    const value = first(r);
    return value === null || value === '' ? second(r) : value;
  };
}

const requestPseudo: Readonly<Record<string, Read>> = {
  ':method': (r) => r.method,
  ':path': (r) => r.path,
  ':authority': (r) => r.authority,
  ':scheme': (r) => (r.downstreamTls === null ? 'http' : 'https'),
  // Envoy sets it where a route rewrote the path.
  'x-envoy-original-path': (r) => (r.originalPath === r.path ? null : r.originalPath),
  // Weir makes one when the client sent none.
  'x-request-id': (r) => r.requestId,
};

const request: Compile = (argument, needed) => {
  const list = names(argument, headerOrPseudo);
  if (!list.ok) return list;
  const reads: Read[] = [];
  for (const name of list.value) {
    if (Object.hasOwn(requestPseudo, name)) reads.push(requestPseudo[name]);
    else if (name.startsWith(':')) return err(`there is no request pseudo-header ${name}`);
    else {
      needed.requestHeaders.add(name);
      reads.push((r) => r.requestHeader(name));
    }
  }
  return ok(either(reads));
};

const response: Compile = (argument, needed) => {
  const list = names(argument, headerOrPseudo);
  if (!list.ok) return list;
  const reads: Read[] = [];
  for (const name of list.value) {
    if (name === ':status') reads.push((r) => r.responseCode);
    else if (name.startsWith(':')) return err(`there is no response pseudo-header ${name}`);
    else {
      needed.responseHeaders.add(name);
      if (name === 'x-envoy-upstream-service-time') reads.push((r) => r.responseHeader(name) ?? r.upstreamServiceTimeMs);
      else reads.push((r) => r.responseHeader(name));
    }
  }
  return ok(either(reads));
};

const trailer: Compile = (argument, needed) => {
  const list = names(argument, headerName);
  if (!list.ok) return list;
  for (const name of list.value) needed.responseTrailers.add(name);
  return ok(either(list.value.map((name) => (r: ExchangeRecord) => r.responseTrailer(name))));
};

const grpcStatusNames = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const;

const grpcStatus: Compile = (argument, needed) => {
  const style = argument ?? 'CAMEL_STRING';
  if (style !== 'CAMEL_STRING' && style !== 'SNAKE_STRING' && style !== 'NUMBER') return err('wants CAMEL_STRING, SNAKE_STRING or NUMBER');
  needed.responseHeaders.add('grpc-status');
  needed.responseTrailers.add('grpc-status');
  return ok((r) => {
    const status = r.responseTrailer('grpc-status') ?? r.responseHeader('grpc-status');
    if (status === null || style === 'NUMBER') return status;
    const name = /^\d{1,2}$/.test(status) ? grpcStatusNames[Number(status)] : undefined;
    if (name === undefined) return status;
    return style === 'CAMEL_STRING' ? name : name.replace(/([a-z])([A-Z])/g, '$1_$2').toUpperCase();
  });
};

const environment: Compile = (argument) => {
  if (argument === null || argument === '') return err('wants the name of an environment variable');
  const value = process.env[argument] ?? null;
  return ok(() => value);
};

const queryParam: Compile = (argument) => {
  if (argument === null || argument === '') return err('wants the name of a query parameter');
  return ok((r) => {
    const mark = r.originalPath.indexOf('?');
    return mark === -1 ? null : new URLSearchParams(r.originalPath.slice(mark + 1)).get(argument);
  });
};

const path: Compile = (argument) => {
  const [query = 'WQ', which = 'ORIG_OR_PATH', ...rest] = (argument ?? '')
    .split(':')
    .map((word, i) => (word === '' ? ['WQ', 'ORIG_OR_PATH'][i] : word));
  if ((query !== 'WQ' && query !== 'NQ') || rest.length > 0) return err('wants WQ or NQ, then ORIG, PATH or ORIG_OR_PATH, as in (NQ:ORIG)');
  if (which !== 'ORIG' && which !== 'PATH' && which !== 'ORIG_OR_PATH') return err(`wants ORIG, PATH or ORIG_OR_PATH and not '${which}'`);
  return ok((r) => {
    const target = which === 'PATH' ? r.path : r.originalPath;
    const mark = query === 'NQ' ? target.indexOf('?') : -1;
    return mark === -1 ? target : target.slice(0, mark);
  });
};

/** Points of COMMON_DURATION that a record knows, ms after the start; -1 when the exchange never got there. */
const points: Readonly<Record<string, (r: ExchangeRecord) => number>> = {
  DS_RX_BEG: () => 0,
  DS_RX_END: (r) => r.requestDurationMs,
  US_TX_END: (r) =>
    r.responseDurationMs < 0 || r.upstreamServiceTimeMs < 0 ? -1 : Math.max(0, r.responseDurationMs - r.upstreamServiceTimeMs),
  US_RX_BEG: (r) => r.responseDurationMs,
  DS_TX_END: (r) => r.durationMs,
};
const precisions: Readonly<Record<string, number>> = { ms: 1, us: 1000, ns: 1_000_000 };

const commonDuration: Compile = (argument) => {
  const [from = '', to = '', unit = 'ms', ...rest] = (argument ?? '').split(':');
  if (rest.length > 0 || !Object.hasOwn(precisions, unit)) return err('wants START:END and ms, us or ns');
  for (const point of [from, to])
    if (!Object.hasOwn(points, point)) return err(`knows the points ${Object.keys(points).join(', ')} and not '${point}'`);
  const [begin, end, scale] = [points[from], points[to], precisions[unit]];
  return ok((r) => (begin(r) < 0 || end(r) < 0 ? null : Math.max(0, end(r) - begin(r)) * scale));
};

/** Envoy writes no protocol for layer 4. */
function isHttp(r: ExchangeRecord): boolean {
  return r.protocol.startsWith('HTTP');
}

const machine = hostname();
const withoutPort = (of: (r: ExchangeRecord) => string): Compile => plain((r) => host(of(r)));
const portOf = (of: (r: ExchangeRecord) => string): Compile => plain((r) => port(of(r)));

/** What the connection to the upstream must be asked for while it is open. */
const ofUpstream =
  (compile: Compile): Compile =>
  (argument, needed) => {
    needed.upstreamConnection = true;
    return compile(argument, needed);
  };
const upstreamTls = (of: (tls: RecordUpstreamTls) => string): Compile =>
  ofUpstream(plain((r) => (r.upstreamTls === null || r.upstreamTls === undefined ? null : of(r.upstreamTls))));
const upstreamTime = (of: (tls: RecordUpstreamTls) => number): Compile =>
  ofUpstream((argument, needed) => {
    const format = time((r) => (r.upstreamTls === null || r.upstreamTls === undefined ? -1 : of(r.upstreamTls)))(argument, needed);
    if (!format.ok) return format;
    return ok((r) => (r.upstreamTls === null || r.upstreamTls === undefined || of(r.upstreamTls) < 0 ? null : format.value(r)));
  });

/** Every operator that runs, by name. */
export const operators: Readonly<Record<string, Compile>> = {
  START_TIME: time((r) => r.startMs),
  EMIT_TIME: time(() => Date.now()),
  REQ: request,
  RESP: response,
  TRAILER: trailer,
  PROTOCOL: plain((r) => (isHttp(r) ? r.protocol : null)),
  UPSTREAM_PROTOCOL: plain((r) => (r.upstreamHost === '' || !isHttp(r) ? null : 'HTTP/1.1')),
  RESPONSE_CODE: plain((r) => r.responseCode),
  RESPONSE_CODE_DETAILS: plain((r) => r.responseCodeDetails),
  RESPONSE_FLAGS: plain((r) => r.responseFlags),
  RESPONSE_FLAGS_LONG: plain((r) => flagNames(r.responseFlags)),
  BYTES_RECEIVED: plain((r) => r.bytesReceived),
  BYTES_SENT: plain((r) => r.bytesSent),
  DURATION: plain((r) => r.durationMs),
  REQUEST_DURATION: plain((r) => r.requestDurationMs),
  RESPONSE_DURATION: plain((r) => r.responseDurationMs),
  RESPONSE_TX_DURATION: plain((r) => (r.responseDurationMs < 0 ? null : Math.max(0, r.durationMs - r.responseDurationMs))),
  COMMON_DURATION: commonDuration,
  ROUTE_NAME: plain((r) => r.routeName),
  VIRTUAL_HOST_NAME: plain((r) => r.virtualHost),
  UPSTREAM_HOST: plain((r) => r.upstreamHost),
  UPSTREAM_CLUSTER: plain((r) => r.upstreamCluster),
  UPSTREAM_CLUSTER_RAW: plain((r) => r.upstreamCluster),
  UPSTREAM_REMOTE_ADDRESS: plain((r) => r.upstreamHost),
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: withoutPort((r) => r.upstreamHost),
  UPSTREAM_REMOTE_PORT: portOf((r) => r.upstreamHost),
  UPSTREAM_LOCAL_ADDRESS: ofUpstream(plain((r) => r.upstreamLocalAddress)),
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: ofUpstream(withoutPort((r) => r.upstreamLocalAddress)),
  UPSTREAM_LOCAL_PORT: ofUpstream(portOf((r) => r.upstreamLocalAddress)),
  UPSTREAM_TLS_VERSION: upstreamTls(({ version }) => version),
  UPSTREAM_TLS_CIPHER: upstreamTls(({ cipher }) => cipher),
  UPSTREAM_TLS_SESSION_ID: upstreamTls(({ sessionId }) => sessionId),
  UPSTREAM_PEER_SUBJECT: upstreamTls(({ subject }) => subject),
  UPSTREAM_PEER_ISSUER: upstreamTls(({ issuer }) => issuer),
  UPSTREAM_PEER_CERT: upstreamTls(({ pem }) => encodeURIComponent(pem)),
  UPSTREAM_PEER_CERT_V_START: upstreamTime(({ validFromMs }) => validFromMs),
  UPSTREAM_PEER_CERT_V_END: upstreamTime(({ validToMs }) => validToMs),
  UPSTREAM_PEER_URI_SAN: upstreamTls(({ uriSans }) => uriSans.join(',')),
  UPSTREAM_PEER_DNS_SAN: upstreamTls(({ dnsSans }) => dnsSans.join(',')),
  UPSTREAM_PEER_IP_SAN: upstreamTls(({ ipSans }) => ipSans.join(',')),
  UPSTREAM_TRANSPORT_FAILURE_REASON: plain((r) => r.upstreamTransportFailureReason),
  UPSTREAM_REQUEST_ATTEMPT_COUNT: plain((r) => r.upstreamAttempts),
  DOWNSTREAM_REMOTE_ADDRESS: plain((r) => r.downstreamRemoteAddress),
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: withoutPort((r) => r.downstreamRemoteAddress),
  DOWNSTREAM_REMOTE_PORT: portOf((r) => r.downstreamRemoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: plain((r) => r.downstreamDirectRemoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: withoutPort((r) => r.downstreamDirectRemoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_PORT: portOf((r) => r.downstreamDirectRemoteAddress),
  DOWNSTREAM_LOCAL_ADDRESS: plain((r) => r.downstreamLocalAddress),
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: withoutPort((r) => r.downstreamLocalAddress),
  DOWNSTREAM_LOCAL_PORT: portOf((r) => r.downstreamLocalAddress),
  DOWNSTREAM_TLS_VERSION: tls(({ version }) => version),
  DOWNSTREAM_TLS_CIPHER: tls(({ cipher }) => cipher),
  DOWNSTREAM_TLS_SESSION_ID: tls(({ sessionId }) => sessionId),
  DOWNSTREAM_PEER_SUBJECT: peer(({ subject }) => subject),
  DOWNSTREAM_PEER_ISSUER: peer(({ issuer }) => issuer),
  DOWNSTREAM_PEER_URI_SAN: peer(({ uriSans }) => uriSans.join(',')),
  DOWNSTREAM_PEER_DNS_SAN: peer(({ dnsSans }) => dnsSans.join(',')),
  DOWNSTREAM_PEER_SERIAL: peer(({ serial }) => serial),
  DOWNSTREAM_PEER_FINGERPRINT_256: peer(({ fingerprint256 }) => fingerprint256),
  DOWNSTREAM_TRANSPORT_FAILURE_REASON: plain((r) => r.downstreamTransportFailure),
  REQUESTED_SERVER_NAME: plain((r) => r.requestedServerName),
  CONNECTION_ID: plain((r) => r.connectionId),
  STREAM_ID: plain((r) => r.requestId),
  UNIQUE_ID: plain(() => randomUUID()),
  TRACE_ID: plain((r) => r.traceId),
  GRPC_STATUS: grpcStatus,
  GRPC_STATUS_NUMBER: (argument, needed) => (argument === null ? grpcStatus('NUMBER', needed) : err('takes no argument')),
  HOSTNAME: plain(() => machine),
  ACCESS_LOG_TYPE: plain(() => 'DownstreamEnd'),
  ENVIRONMENT: environment,
  QUERY_PARAM: queryParam,
  PATH: path,
  // Weir's own, named as in the JSON line.
  REVISION: plain((r) => r.revision),
  PRINCIPAL: plain((r) => r.principal),
  CONSUMER: plain((r) => r.consumer),
};

/** Envoy's operators that Weir knows and cannot fill yet. */
export const unavailable: ReadonlySet<string> = new Set([
  'CEL',
  'CLUSTER_METADATA',
  'CONNECTION_TERMINATION_DETAILS',
  'CUSTOM_FLAGS',
  'DOWNSTREAM_HEADER_BYTES_RECEIVED',
  'DOWNSTREAM_HEADER_BYTES_SENT',
  'DOWNSTREAM_WIRE_BYTES_RECEIVED',
  'DOWNSTREAM_WIRE_BYTES_SENT',
  'DYNAMIC_METADATA',
  'FILTER_CHAIN_NAME',
  'FILTER_STATE',
  'LOCAL_REPLY_BODY',
  'REQUEST_TX_DURATION',
  'UPSTREAM_FILTER_STATE',
  'UPSTREAM_HEADER_BYTES_RECEIVED',
  'UPSTREAM_HEADER_BYTES_SENT',
  'UPSTREAM_METADATA',
  'UPSTREAM_WIRE_BYTES_RECEIVED',
  'UPSTREAM_WIRE_BYTES_SENT',
  'VIRTUAL_CLUSTER_NAME',
]);
