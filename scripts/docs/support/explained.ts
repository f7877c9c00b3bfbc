/** Fields that change nothing here, each with its reason: what is neither honoured nor reported must be in this list. */
export interface Explained {
  /** `dialect kind`, or `*`. */
  readonly subject: string;
  /** Field, and all below it. */
  readonly field: string;
  readonly why: string;
}

const cluster = 'belongs to the cluster that the Service came from, not to a gateway';

export const explained: readonly Explained[] = [
  { subject: '*', field: 'metadata.labels{}', why: 'labels change nothing by themselves; selectors read them' },
  {
    subject: 'Istio Gateway',
    field: 'spec.selector{}',
    why: 'read where `--labels` says which gateways a process serves; without it, all',
  },
  { subject: 'Istio DestinationRule', field: 'spec.exportTo[]', why: 'shows only from another namespace' },
  { subject: 'Istio ServiceEntry', field: 'spec.location', why: 'decides about mTLS in a mesh, which does not run yet' },
  { subject: 'Gateway API GatewayClass', field: 'spec.description', why: 'a note' },
  {
    subject: 'Gateway API Gateway',
    field: 'spec.gatewayClassName',
    why: 'Weir serves every Gateway of its files, whatever its class is called',
  },
  { subject: 'Kubernetes Service', field: 'spec.ports[].nodePort', why: cluster },
  { subject: 'Kubernetes Service', field: 'spec.sessionAffinityConfig{}', why: 'part of `sessionAffinity`, which is reported' },
  { subject: 'Kubernetes Service', field: 'spec.clusterIP', why: cluster },
  { subject: 'Kubernetes Service', field: 'spec.externalIPs[]', why: cluster },
  { subject: 'Kubernetes Service', field: 'spec.externalTrafficPolicy', why: cluster },
  { subject: 'Kubernetes Service', field: 'spec.internalTrafficPolicy', why: cluster },
  { subject: 'Kubernetes Service', field: 'spec.ipFamil', why: cluster },
  { subject: 'Kubernetes Service', field: 'spec.loadBalancer', why: cluster },
  { subject: 'Kubernetes Service', field: 'spec.allocateLoadBalancerNodePorts', why: cluster },
  { subject: 'Kubernetes Service', field: 'spec.healthCheckNodePort', why: cluster },
  { subject: 'Kubernetes EndpointSlice', field: 'endpoints[].conditions.', why: '`ready` decides; these explain it' },
  { subject: 'Kubernetes EndpointSlice', field: 'endpoints[].hostname', why: 'for DNS in the cluster' },
  { subject: 'Kubernetes EndpointSlice', field: 'endpoints[].nodeName', why: 'where it runs' },
  { subject: 'Kubernetes EndpointSlice', field: 'endpoints[].targetRef', why: 'what it stands for' },
  { subject: 'Kubernetes EndpointSlice', field: 'endpoints[].deprecatedTopology{}', why: 'where it runs' },
  { subject: 'Kubernetes EndpointSlice', field: 'endpoints[].topology{}', why: 'where it runs' },
  { subject: 'Kubernetes EndpointSlice', field: 'ports[].appProtocol', why: "the Service's `appProtocol` counts" },
  { subject: 'Kubernetes Pod', field: 'status.', why: 'its `Ready` condition decides' },
  { subject: 'Kubernetes Pod', field: 'spec.serviceAccountName', why: 'who it is, for `weir explain --from`' },
  { subject: 'Kubernetes Namespace', field: 'spec.finalizers[]', why: 'a note of the API server' },
  { subject: 'Kubernetes Secret', field: 'type', why: 'what it holds is found by its keys' },
  { subject: 'Kubernetes Secret', field: 'immutable', why: 'a rule of the API server' },
  { subject: 'Kubernetes ConfigMap', field: 'immutable', why: 'a rule of the API server' },
  { subject: 'Kubernetes ConfigMap', field: 'binaryData{}', why: 'authorities are text, under `data`' },
  { subject: 'Kubernetes ServiceAccount', field: '', why: 'who a workload is; nothing reads it yet' },
  { subject: 'Weir Policy', field: 'spec.targetRefs[].group', why: 'the kinds of one name are told apart by `kind` and `namespace`' },
  { subject: 'Weir Policy', field: 'spec.targetRefs[].namespace', why: 'Kong knows no namespaces; for other kinds it decides' },
  { subject: 'Kong CACertificate', field: 'cert_digest', why: "Kong's own note: the digest of `cert`" },
  { subject: 'Kong Service', field: 'name', why: 'what others call it by' },
  { subject: 'Kong Upstream', field: 'name', why: 'what others call it by' },
  { subject: 'Kong Plugin', field: 'name', why: 'which plugin it is: see the table of plugins' },
  { subject: 'Kong Plugin', field: 'config', why: "the plugin's own fields: see the table of plugins" },
];

/** The reason for a field; null when there is none. */
export function explain(subject: string, field: string): Explained | null {
  return explained.find((row) => (row.subject === subject || row.subject === '*') && field.startsWith(row.field)) ?? null;
}
