/** Long names of Envoy's response flags. */
const long: Readonly<Record<string, string>> = {
  UH: 'NoHealthyUpstream',
  UF: 'UpstreamConnectionFailure',
  UO: 'UpstreamOverflow',
  NR: 'NoRouteFound',
  URX: 'UpstreamRetryLimitExceeded',
  NC: 'NoClusterFound',
  DT: 'DurationTimeout',
  DC: 'DownstreamConnectionTermination',
  LH: 'FailedLocalHealthCheck',
  UT: 'UpstreamRequestTimeout',
  LR: 'LocalReset',
  UR: 'UpstreamRemoteReset',
  UC: 'UpstreamConnectionTermination',
  DI: 'DelayInjected',
  FI: 'FaultInjected',
  RL: 'RateLimited',
  UAEX: 'UnauthorizedExternalService',
  RLSE: 'RateLimitServiceError',
  IH: 'InvalidEnvoyRequestHeaders',
  SI: 'StreamIdleTimeout',
  DPE: 'DownstreamProtocolError',
  UPE: 'UpstreamProtocolError',
  UMSDR: 'UpstreamMaxStreamDurationReached',
  RFCF: 'ResponseFromCacheFilter',
  NFCF: 'NoFilterConfigFound',
  OM: 'OverloadManagerTerminated',
  DF: 'DnsResolutionFailed',
  DO: 'DropOverload',
};

/** `UF,URX` → `UpstreamConnectionFailure,UpstreamRetryLimitExceeded`; an unknown flag stays as it is. */
export function flagNames(flags: string): string {
  return flags === ''
    ? ''
    : flags
        .split(',')
        .map((flag) => (Object.hasOwn(long, flag) ? long[flag] : flag))
        .join(',');
}
