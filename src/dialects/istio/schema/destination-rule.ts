import { z } from 'zod';
import { defineKind } from '../../kubernetes-kinds.ts';
import { kubernetesHead } from '../../kubernetes-object.ts';
import { issue, lazily } from '../../check.ts';
import { count, duration, exportTo, hostPattern, matchLabels, portNumber, positiveDuration, stringMap, strings } from './common.ts';
import { networkingVersions } from './virtual-service.ts';

const percent = () => z.number().min(0).max(100);

const loadBalancer = lazily(() =>
  z
    .strictObject({
      simple: z.enum(['UNSPECIFIED', 'LEAST_CONN', 'LEAST_REQUEST', 'ROUND_ROBIN', 'RANDOM', 'PASSTHROUGH']).optional(),
      consistentHash: z
        .strictObject({
          httpHeaderName: z.string().min(1).optional(),
          httpCookie: z
            .strictObject({
              name: z.string().min(1),
              path: z.string().optional(),
              ttl: duration().optional(),
              attributes: z.array(z.strictObject({ name: z.string(), value: z.string().optional() })).optional(),
            })
            .optional(),
          useSourceIp: z.boolean().optional(),
          httpQueryParameterName: z.string().min(1).optional(),
          minimumRingSize: count().optional(),
          ringHash: z.strictObject({ minimumRingSize: count().optional() }).optional(),
          maglev: z.strictObject({ tableSize: count().optional() }).optional(),
        })
        .optional(),
      localityLbSetting: z
        .strictObject({
          distribute: z
            .array(z.strictObject({ from: z.string().optional(), to: z.record(z.string(), z.int().min(0).max(100)).optional() }))
            .optional(),
          failover: z.array(z.strictObject({ from: z.string().optional(), to: z.string().optional() })).optional(),
          failoverPriority: strings().optional(),
          enabled: z.boolean().optional(),
        })
        .optional(),
      zoneAwareLbSetting: z.record(z.string(), z.unknown()).optional(),
      warmupDurationSecs: duration().optional(),
      warmup: z
        .strictObject({ duration: duration(), minimumPercent: percent().optional(), aggression: z.number().min(1).optional() })
        .optional(),
    })
    .superRefine((value, context) => {
      if (value.simple !== undefined && value.consistentHash !== undefined)
        context.addIssue({ code: 'custom', message: 'simple and consistentHash exclude one another' });
    }),
);

const connectionPool = lazily(() =>
  z.strictObject({
    tcp: z
      .strictObject({
        maxConnections: count().optional(),
        connectTimeout: positiveDuration().optional(),
        maxConnectionDuration: positiveDuration().optional(),
        idleTimeout: duration().optional(),
        tcpKeepalive: z
          .strictObject({ probes: count().optional(), time: positiveDuration().optional(), interval: positiveDuration().optional() })
          .optional(),
      })
      .optional(),
    http: z
      .strictObject({
        http1MaxPendingRequests: count().optional(),
        http2MaxRequests: count().optional(),
        maxRequestsPerConnection: count().optional(),
        maxRetries: count().optional(),
        idleTimeout: duration().optional(),
        h2UpgradePolicy: z.enum(['DEFAULT', 'DO_NOT_UPGRADE', 'UPGRADE']).optional(),
        useClientProtocol: z.boolean().optional(),
        maxConcurrentStreams: count().optional(),
        http2KeepAlive: z.strictObject({ interval: positiveDuration().optional(), timeout: positiveDuration().optional() }).optional(),
      })
      .optional(),
  }),
);

const outlierDetection = lazily(() =>
  z.strictObject({
    consecutiveErrors: count().optional(),
    splitExternalLocalOriginErrors: z.boolean().optional(),
    consecutiveLocalOriginFailures: count().optional(),
    consecutiveGatewayErrors: count().optional(),
    consecutive5xxErrors: count().optional(),
    interval: positiveDuration().optional(),
    baseEjectionTime: positiveDuration().optional(),
    maxEjectionPercent: percent().optional(),
    minHealthPercent: percent().optional(),
    outlierDetectionHttpErrorCodes: z.array(z.unknown()).optional(),
  }),
);

const clientTls = lazily(() =>
  z.strictObject({
    mode: z.enum(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL']).optional(),
    clientCertificate: z.string().optional(),
    privateKey: z.string().optional(),
    caCertificates: z.string().optional(),
    credentialName: z.string().optional(),
    subjectAltNames: strings().optional(),
    sni: z.string().optional(),
    insecureSkipVerify: z.boolean().optional(),
    caCrl: z.string().optional(),
  }),
);

const settings = lazily(() => ({
  loadBalancer: loadBalancer().optional(),
  connectionPool: connectionPool().optional(),
  outlierDetection: outlierDetection().optional(),
  tls: clientTls().optional(),
}));

const trafficPolicy = lazily(() =>
  z.strictObject({
    ...settings(),
    portLevelSettings: z
      .array(z.strictObject({ port: z.strictObject({ number: portNumber() }), ...settings() }))
      .max(4096)
      .optional(),
    tunnel: z
      .strictObject({ protocol: z.enum(['CONNECT', 'POST']).optional(), targetHost: z.string().min(1), targetPort: portNumber() })
      .optional(),
    proxyProtocol: z.strictObject({ version: z.enum(['V1', 'V2']).optional() }).optional(),
    retryBudget: z
      .strictObject({ percent: percent().optional(), minRetryConcurrency: count().optional(), budgetInterval: duration().optional() })
      .optional(),
  }),
);

export const destinationRuleKind = defineKind({
  kind: 'DestinationRule',
  group: 'networking.istio.io',
  versions: networkingVersions,
  namespaced: true,
  // It may ask for TLS to its host.
  restricts: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        host: hostPattern(),
        trafficPolicy: trafficPolicy().optional(),
        subsets: z
          .array(z.strictObject({ name: z.string().min(1), labels: stringMap().optional(), trafficPolicy: trafficPolicy().optional() }))
          .superRefine((subsets, context) => {
            const seen = new Set<string>();
            for (const [index, { name }] of subsets.entries()) {
              if (seen.has(name))
                context.addIssue({
                  code: 'custom',
                  path: [index, 'name'],
                  message: `there are two subsets '${name}'`,
                  params: issue({ hint: 'give each subset its own name' }),
                });
              seen.add(name);
            }
          })
          .optional(),
        exportTo: exportTo().optional(),
        workloadSelector: matchLabels().optional(),
      }),
    }),
});

export type DestinationRule = z.output<ReturnType<typeof destinationRuleKind.schema>>;
export type TrafficPolicy = NonNullable<DestinationRule['spec']['trafficPolicy']>;
export type PolicySettings = Pick<TrafficPolicy, 'loadBalancer' | 'connectionPool' | 'outlierDetection' | 'tls'>;
