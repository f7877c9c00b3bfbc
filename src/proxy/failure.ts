/**
 * What can go wrong with an exchange, as values. reply.ts alone turns one into a response; flags and details are
 * Envoy's (reference/envoy.md §10).
 */
export interface Failure {
  readonly kind: string;
  readonly source: 'downstream' | 'upstream' | 'internal';
  /** May the request be sent again? `if-unsent`: when no byte of it left; `safe`: when it is idempotent; `unprocessed`: yes, nobody looked at it; `moved`: the same, and a new connection will do better. */
  readonly retry: 'no' | 'safe' | 'if-unsent' | 'unprocessed' | 'moved';
  /** Response flag. */
  readonly flag: string;
  /** Status when no response has begun; 0: no response can be made. */
  readonly status: number;
  /** response_code_details. */
  readonly details: string;
  /** Public text. */
  readonly message: string;
}

const make = (
  kind: string,
  source: Failure['source'],
  retry: Failure['retry'],
  flag: string,
  status: number,
  details: string,
  message: string,
): Failure => ({ kind, source, retry, flag, status, details, message });

export const failures = {
  routeNotFound: make('route-not-found', 'downstream', 'no', 'NR', 404, 'route_not_found', 'Not Found'),
  routeBlocked: make('route-blocked', 'internal', 'no', 'UAEX', 503, 'route_blocked', 'Service unavailable'),
  invalidBackend: make('invalid-backend', 'internal', 'no', 'NC', 500, 'invalid_backend', 'Internal server error'),
  clusterNotFound: make('cluster-not-found', 'internal', 'no', 'NC', 503, 'cluster_not_found', 'Service unavailable'),
  clusterBlocked: make('cluster-blocked', 'internal', 'no', 'UAEX', 503, 'cluster_blocked', 'Service unavailable'),
  nameNotResolved: make('name-not-resolved', 'upstream', 'no', 'NC', 503, 'cluster_not_found{name_not_resolved}', 'Service unavailable'),
  noHealthyUpstream: make('no-healthy-upstream', 'upstream', 'no', 'UH', 503, 'no_healthy_upstream', 'no healthy upstream'),
  connectFailure: make(
    'connect-failure',
    'upstream',
    'if-unsent',
    'UF',
    503,
    'upstream_reset_before_response_started{connection_failure}',
    'upstream connect error',
  ),
  connectTimeout: make(
    'connect-timeout',
    'upstream',
    'if-unsent',
    'UF',
    503,
    'upstream_reset_before_response_started{connection_timeout}',
    'upstream connect error',
  ),
  upstreamReset: make(
    'upstream-reset',
    'upstream',
    'safe',
    'UC',
    503,
    'upstream_reset_before_response_started{connection_termination}',
    'upstream connection closed before a response',
  ),
  upstreamTruncated: make(
    'upstream-truncated',
    'upstream',
    'no',
    'UC',
    502,
    'upstream_reset_after_response_started{connection_termination}',
    'upstream response ended early',
  ),
  upstreamProtocol: make(
    'upstream-protocol',
    'upstream',
    'no',
    'UPE',
    502,
    'upstream_reset_before_response_started{protocol_error}',
    'invalid response from upstream',
  ),
  upstreamRemoteReset: make(
    'upstream-remote-reset',
    'upstream',
    'no',
    'UR',
    503,
    'upstream_reset_before_response_started{remote_reset}',
    'upstream reset the request',
  ),
  upstreamRefused: make(
    'upstream-refused',
    'upstream',
    'unprocessed',
    'UR',
    503,
    'upstream_reset_before_response_started{remote_refused_stream_reset}',
    'upstream refused the request',
  ),
  /** GOAWAY says that the request was left out. */
  upstreamLeft: make(
    'upstream-left',
    'upstream',
    'moved',
    'UR',
    503,
    'upstream_reset_before_response_started{remote_refused_stream_reset}',
    'upstream refused the request',
  ),
  upstreamOverflow: make(
    'upstream-overflow',
    'upstream',
    'no',
    'UO',
    503,
    'upstream_reset_before_response_started{overflow}',
    'too many requests wait for the upstream',
  ),
  upstreamNoUpgrade: make(
    'upstream-no-upgrade',
    'upstream',
    'no',
    'UPE',
    503,
    'upstream_reset_before_response_started{http2.no_extended_connect}',
    'upstream takes no upgrades',
  ),
  routeTimeout: make('route-timeout', 'upstream', 'no', 'UT', 504, 'response_timeout', 'upstream request timeout'),
  readTimeout: make('read-timeout', 'upstream', 'no', 'UT', 504, 'upstream_read_timeout', 'upstream request timeout'),
  streamIdle: make('stream-idle', 'downstream', 'no', 'SI', 408, 'stream_idle_timeout', 'stream timeout'),
  requestTimeout: make('request-timeout', 'downstream', 'no', 'DT', 408, 'request_overall_timeout', 'request timeout'),
  upgradeTimeout: make('upgrade-timeout', 'downstream', 'no', 'DT', 408, 'max_duration_timeout', 'upgraded connection timeout'),
  headTimeout: make('head-timeout', 'downstream', 'no', 'DT', 408, 'request_header_timeout', 'request header timeout'),
  bodyTooLarge: make('body-too-large', 'downstream', 'no', '', 413, 'request_payload_too_large', 'Payload Too Large'),
  misdirected: make('misdirected', 'downstream', 'no', '', 421, 'misdirected_request', 'Misdirected Request'),
  overload: make('overload', 'internal', 'no', 'OM', 503, 'overload', 'overloaded'),
  badHead: make('bad-head', 'downstream', 'no', 'DPE', 400, 'http1.codec_error', 'Bad Request'),
  badRequestBody: make('bad-request-body', 'downstream', 'no', 'DPE', 400, 'http1.codec_error', 'Bad Request'),
  downstreamGone: make('downstream-gone', 'downstream', 'no', 'DC', 0, 'downstream_remote_disconnect', ''),
  /** Cut when the time of a drain was up. */
  drained: make('drained', 'internal', 'no', '', 0, 'drained', ''),
  bug: make('bug', 'internal', 'no', '', 500, 'internal_error', 'Internal Server Error'),
} as const satisfies Readonly<Record<string, Failure>>;
