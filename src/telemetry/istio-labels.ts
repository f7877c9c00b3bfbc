import type { Labels } from './metrics.ts';

/** Who this gateway is in Istio's `source_*` labels. */
export interface GatewayIdentity {
  readonly workload: string;
  readonly namespace: string;
}

/** Istio's standard labels of an HTTP exchange. `service`, `namespace`, `flags`: '' when there are none. `grpcStatus`: -1 for none, null for what is not gRPC. */
export function istioLabels(
  identity: GatewayIdentity,
  service: string,
  namespace: string,
  status: number,
  flags: string,
  grpcStatus: number | null,
): Labels {
  return {
    ...common(identity, service, namespace, flags),
    request_protocol: grpcStatus === null ? 'http' : 'grpc',
    response_code: String(status),
    grpc_response_status: grpcStatus === null || grpcStatus < 0 ? '' : String(grpcStatus),
  };
}

/** The same of a connection: there is no status. */
export function istioConnectionLabels(identity: GatewayIdentity, service: string, namespace: string, flags: string): Labels {
  return { ...common(identity, service, namespace, flags), request_protocol: 'tcp' };
}

function common(identity: GatewayIdentity, serviceName: string, serviceNamespace: string, flags: string): Labels {
  const service = serviceName === '' ? 'unknown' : serviceName;
  const namespace = serviceNamespace === '' ? 'unknown' : serviceNamespace;
  const short = service.split('.', 1)[0];
  return {
    reporter: 'source',
    source_workload: identity.workload,
    source_workload_namespace: identity.namespace,
    source_principal: 'unknown',
    source_app: identity.workload,
    source_version: 'unknown',
    source_cluster: 'unknown',
    source_canonical_service: identity.workload,
    source_canonical_revision: 'latest',
    destination_workload: 'unknown',
    destination_workload_namespace: namespace,
    destination_principal: 'unknown',
    destination_app: 'unknown',
    destination_version: 'unknown',
    destination_cluster: 'unknown',
    destination_service: service,
    destination_service_name: short,
    destination_service_namespace: namespace,
    destination_canonical_service: short,
    destination_canonical_revision: 'latest',
    response_flags: flags === '' ? '-' : flags,
    connection_security_policy: 'unknown',
  };
}
