import { failures, type Failure } from '../failure.ts';

type Reason = Pick<Failure, 'flag' | 'details'>;

/** Why a connection or session that is not HTTP ended early: nobody can be answered, so only flag and details. */
export const layer4Failures = {
  blocked: failures.routeBlocked,
  /** All weights are 0, or the backend is invalid. */
  invalidBackend: failures.invalidBackend,
  clusterNotFound: failures.clusterNotFound,
  clusterBlocked: failures.clusterBlocked,
  nameNotResolved: failures.nameNotResolved,
  noHealthyUpstream: failures.noHealthyUpstream,
  connectFailure: { flag: 'UF', details: 'upstream_connection_failure' },
  connectTimeout: { flag: 'UF', details: 'upstream_connection_timeout' },
  /** Envoy adds URX when no attempt is left (tcp_proxy max_connect_attempts). */
  noAttemptLeft: { flag: 'URX', details: '' },
  limited: { flag: 'UO', details: 'connection_limit' },
  /** Memory is tight. */
  overload: failures.overload,
  idle: { flag: 'SI', details: 'idle_timeout' },
  downstreamReset: { flag: 'DC', details: 'downstream_remote_disconnect' },
  upstreamReset: { flag: 'UC', details: 'upstream_connection_termination' },
  drained: failures.drained,
  bug: { flag: '', details: failures.bug.details },
} as const satisfies Readonly<Record<string, Reason>>;
