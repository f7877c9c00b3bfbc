/** Kinds that are checked and do not run yet, and kinds that are refused because they program Envoy itself. */
import { z } from 'zod';
import { lazily } from '../../check.ts';
import { defineKind } from '../../kubernetes-kinds.ts';
import { kubernetesHead } from '../../kubernetes-object.ts';
import { destination, matchLabels, portNumber, serverTls, stringMap, strings } from './common.ts';
import { workload } from './service-entry.ts';
import { networkingVersions } from './virtual-service.ts';

const open = lazily(() => z.record(z.string(), z.unknown()));
const sidecarPort = lazily(() =>
  z.strictObject({
    number: portNumber().optional(),
    name: z.string().optional(),
    protocol: z.string().optional(),
    targetPort: portNumber().optional(),
  }),
);
const captureMode = lazily(() => z.enum(['DEFAULT', 'IPTABLES', 'NONE']));
const labelsOnly = lazily(() => z.strictObject({ labels: stringMap().optional() }));

export const sidecarKind = defineKind({
  kind: 'Sidecar',
  group: 'networking.istio.io',
  versions: networkingVersions,
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        workloadSelector: labelsOnly().optional(),
        ingress: z
          .array(
            z.strictObject({
              port: sidecarPort(),
              bind: z.string().optional(),
              captureMode: captureMode().optional(),
              defaultEndpoint: z.string().optional(),
              tls: serverTls().optional(),
              connectionPool: open().optional(),
            }),
          )
          .optional(),
        egress: z
          .array(
            z.strictObject({
              port: sidecarPort().optional(),
              bind: z.string().optional(),
              captureMode: captureMode().optional(),
              hosts: strings(),
            }),
          )
          .optional(),
        inboundConnectionPool: open().optional(),
        outboundTrafficPolicy: z
          .strictObject({ mode: z.enum(['REGISTRY_ONLY', 'ALLOW_ANY']).optional(), egressProxy: destination().optional() })
          .optional(),
      }),
    }),
});

export const workloadGroupKind = defineKind({
  kind: 'WorkloadGroup',
  group: 'networking.istio.io',
  versions: networkingVersions,
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        metadata: z.strictObject({ labels: stringMap().optional(), annotations: stringMap().optional() }).optional(),
        template: workload(),
        probe: z
          .strictObject({
            initialDelaySeconds: z.int().min(0).optional(),
            timeoutSeconds: z.int().min(0).optional(),
            periodSeconds: z.int().min(0).optional(),
            successThreshold: z.int().min(0).optional(),
            failureThreshold: z.int().min(0).optional(),
            httpGet: z
              .strictObject({
                path: z.string().optional(),
                port: portNumber(),
                host: z.string().optional(),
                scheme: z.string().optional(),
                httpHeaders: z.array(z.strictObject({ name: z.string(), value: z.string().optional() })).optional(),
              })
              .optional(),
            tcpSocket: z.strictObject({ host: z.string().optional(), port: portNumber() }).optional(),
            exec: z.strictObject({ command: strings() }).optional(),
            grpc: z.strictObject({ port: portNumber().optional(), service: z.string().optional() }).optional(),
          })
          .optional(),
      }),
    }),
});

export const proxyConfigKind = defineKind({
  kind: 'ProxyConfig',
  group: 'networking.istio.io',
  versions: ['v1beta1', 'v1'],
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        selector: matchLabels().optional(),
        concurrency: z.int().min(0).optional(),
        environmentVariables: stringMap().optional(),
        image: z.strictObject({ imageType: z.string().optional() }).optional(),
      }),
    }),
});

const provider = lazily(() => z.strictObject({ name: z.string().min(1) }));
const mode = lazily(() => z.enum(['CLIENT_AND_SERVER', 'CLIENT', 'SERVER']));

export const telemetryKind = defineKind({
  kind: 'Telemetry',
  group: 'telemetry.istio.io',
  versions: ['v1', 'v1alpha1'],
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        selector: matchLabels().optional(),
        targetRef: open().optional(),
        targetRefs: z.array(open()).max(16).optional(),
        accessLogging: z
          .array(
            z.strictObject({
              match: z.strictObject({ mode: mode().optional() }).optional(),
              providers: z.array(provider()).optional(),
              disabled: z.boolean().optional(),
              filter: z.strictObject({ expression: z.string().optional() }).optional(),
            }),
          )
          .optional(),
        metrics: z
          .array(
            z.strictObject({
              providers: z.array(provider()).optional(),
              overrides: z
                .array(
                  z.strictObject({
                    match: z
                      .strictObject({ metric: z.string().optional(), customMetric: z.string().optional(), mode: mode().optional() })
                      .optional(),
                    disabled: z.boolean().optional(),
                    tagOverrides: z
                      .record(
                        z.string(),
                        z.strictObject({ operation: z.enum(['UPSERT', 'REMOVE']).optional(), value: z.string().optional() }),
                      )
                      .optional(),
                  }),
                )
                .optional(),
              reportingInterval: z.string().optional(),
            }),
          )
          .optional(),
        tracing: z
          .array(
            z.strictObject({
              match: z.strictObject({ mode: mode().optional() }).optional(),
              providers: z.array(provider()).optional(),
              randomSamplingPercentage: z.number().min(0).max(100).optional(),
              disableSpanReporting: z.boolean().optional(),
              enableIstioTags: z.boolean().optional(),
              customTags: z.record(z.string(), open()).optional(),
              useRequestIdForTraceSampling: z.boolean().optional(),
            }),
          )
          .optional(),
      }),
    }),
});

const refused = (kind: string, group: string, versions: readonly string[]) =>
  defineKind({ kind, group, versions, namespaced: true, schema: () => z.looseObject({ ...kubernetesHead() }) });

export const envoyFilterKind = refused('EnvoyFilter', 'networking.istio.io', networkingVersions);
export const wasmPluginKind = refused('WasmPlugin', 'extensions.istio.io', ['v1alpha1']);
export const trafficExtensionKind = refused('TrafficExtension', 'extensions.istio.io', ['v1alpha1']);
