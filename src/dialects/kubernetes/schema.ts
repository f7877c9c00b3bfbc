/** Core Kubernetes kinds as far as a gateway reads them: strict where Weir looks, open where only a kubelet does. */
import { z } from 'zod';
import { defineKind } from '../kubernetes-kinds.ts';
import { kubernetesHead } from '../kubernetes-object.ts';

const strings = (): z.ZodRecord<z.ZodString, z.ZodString> => z.record(z.string(), z.string());
const portNumber = (): z.ZodInt => z.int().min(1).max(65535);
const transport = z.enum(['TCP', 'UDP', 'SCTP']);
const open = (): z.ZodRecord<z.ZodString, z.ZodUnknown> => z.record(z.string(), z.unknown());

export const serviceKind = defineKind({
  kind: 'Service',
  group: '',
  versions: ['v1'],
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).default('ClusterIP'),
        selector: strings().optional(),
        ports: z
          .array(
            z.strictObject({
              name: z.string().max(63).optional(),
              port: portNumber(),
              targetPort: z.union([portNumber(), z.string().min(1).max(63)]).optional(),
              protocol: transport.default('TCP'),
              appProtocol: z.string().max(253).optional(),
              nodePort: z.int().min(0).max(65535).optional(),
            }),
          )
          .default([]),
        externalName: z.string().min(1).max(253).optional(),
        publishNotReadyAddresses: z.boolean().default(false),
        sessionAffinity: z.enum(['None', 'ClientIP']).optional(),
        sessionAffinityConfig: open().optional(),
        trafficDistribution: z.string().optional(),
        clusterIP: z.string().optional(),
        clusterIPs: z.array(z.string()).optional(),
        externalIPs: z.array(z.string()).optional(),
        externalTrafficPolicy: z.enum(['Cluster', 'Local']).optional(),
        internalTrafficPolicy: z.enum(['Cluster', 'Local']).optional(),
        ipFamilies: z.array(z.string()).optional(),
        ipFamilyPolicy: z.string().optional(),
        loadBalancerClass: z.string().optional(),
        loadBalancerIP: z.string().optional(),
        loadBalancerSourceRanges: z.array(z.string()).optional(),
        allocateLoadBalancerNodePorts: z.boolean().optional(),
        healthCheckNodePort: z.int().optional(),
      }),
    }),
});

export const endpointSliceKind = defineKind({
  kind: 'EndpointSlice',
  group: 'discovery.k8s.io',
  versions: ['v1', 'v1beta1'],
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      addressType: z.enum(['IPv4', 'IPv6', 'FQDN']),
      endpoints: z
        .array(
          z.strictObject({
            addresses: z.array(z.string().min(1)).min(1).max(100),
            conditions: z
              .strictObject({ ready: z.boolean().optional(), serving: z.boolean().optional(), terminating: z.boolean().optional() })
              .optional(),
            hostname: z.string().optional(),
            nodeName: z.string().optional(),
            zone: z.string().optional(),
            targetRef: z.looseObject({ kind: z.string().optional(), name: z.string().optional() }).optional(),
            hints: open().optional(),
            deprecatedTopology: strings().optional(),
            topology: strings().optional(),
          }),
        )
        .max(1000)
        .default([]),
      ports: z
        .array(
          z.strictObject({
            name: z.string().max(63).optional(),
            port: portNumber().optional(),
            protocol: transport.default('TCP'),
            appProtocol: z.string().optional(),
          }),
        )
        .max(100)
        .default([]),
    }),
});

export const podKind = defineKind({
  kind: 'Pod',
  group: '',
  versions: ['v1'],
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z
        .looseObject({
          serviceAccountName: z.string().optional(),
          containers: z
            .array(
              z.looseObject({
                ports: z
                  .array(z.looseObject({ name: z.string().optional(), containerPort: portNumber(), protocol: transport.default('TCP') }))
                  .optional(),
              }),
            )
            .default([]),
        })
        .optional(),
      status: z
        .looseObject({
          podIP: z.string().optional(),
          phase: z.string().optional(),
          conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).default([]),
        })
        .optional(),
    }),
});

export const namespaceKind = defineKind({
  kind: 'Namespace',
  group: '',
  versions: ['v1'],
  namespaced: false,
  schema: () => z.strictObject({ ...kubernetesHead(), spec: z.strictObject({ finalizers: z.array(z.string()).optional() }).optional() }),
});

export const secretKind = defineKind({
  kind: 'Secret',
  group: '',
  versions: ['v1'],
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      type: z.string().default('Opaque'),
      data: strings().optional(),
      stringData: strings().optional(),
      immutable: z.boolean().optional(),
    }),
});

export const configMapKind = defineKind({
  kind: 'ConfigMap',
  group: '',
  versions: ['v1'],
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      data: strings().optional(),
      binaryData: strings().optional(),
      immutable: z.boolean().optional(),
    }),
});

export const serviceAccountKind = defineKind({
  kind: 'ServiceAccount',
  group: '',
  versions: ['v1'],
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      secrets: z.array(open()).optional(),
      imagePullSecrets: z.array(open()).optional(),
      automountServiceAccountToken: z.boolean().optional(),
    }),
});

export const ingressKind = defineKind({
  kind: 'Ingress',
  group: 'networking.k8s.io',
  versions: ['v1'],
  namespaced: true,
  schema: () => {
    const backend = z.strictObject({
      service: z
        .strictObject({
          name: z.string().min(1),
          port: z.strictObject({ number: portNumber().optional(), name: z.string().optional() }).optional(),
        })
        .optional(),
      resource: z.strictObject({ apiGroup: z.string().optional(), kind: z.string(), name: z.string() }).optional(),
    });
    return z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        ingressClassName: z.string().optional(),
        defaultBackend: backend.optional(),
        rules: z
          .array(
            z.strictObject({
              host: z.string().optional(),
              http: z
                .strictObject({
                  paths: z
                    .array(
                      z.strictObject({
                        path: z.string().startsWith('/').optional(),
                        pathType: z.enum(['Exact', 'Prefix', 'ImplementationSpecific']),
                        backend,
                      }),
                    )
                    .min(1),
                })
                .optional(),
            }),
          )
          .optional(),
        tls: z.array(z.strictObject({ hosts: z.array(z.string()).optional(), secretName: z.string().optional() })).optional(),
      }),
    });
  },
});

export const kubernetesKinds = [
  serviceKind,
  endpointSliceKind,
  podKind,
  namespaceKind,
  secretKind,
  configMapKind,
  serviceAccountKind,
  ingressKind,
];
