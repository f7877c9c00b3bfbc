import { isIP } from 'node:net';
import { z } from 'zod';
import { issue, lazily } from '../../check.ts';
import { defineKind } from '../../kubernetes-kinds.ts';
import { kubernetesHead } from '../../kubernetes-object.ts';
import { count, exportTo, hostPattern, portNumber, stringMap, strings } from './common.ts';
import { networkingVersions } from './virtual-service.ts';

/** WorkloadEntry, alone or inside a ServiceEntry or WorkloadGroup. */
export const workload = lazily(() =>
  z.strictObject({
    address: z.string().optional(),
    ports: z.record(z.string(), portNumber()).optional(),
    labels: stringMap().optional(),
    network: z.string().optional(),
    locality: z.string().optional(),
    weight: count().optional(),
    serviceAccount: z.string().optional(),
  }),
);

export type Workload = z.output<ReturnType<typeof workload>>;

export const workloadEntryKind = defineKind({
  kind: 'WorkloadEntry',
  group: 'networking.istio.io',
  versions: networkingVersions,
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: workload().superRefine((value, context) => {
        if (!value.address && !value.network)
          context.addIssue({
            code: 'custom',
            path: ['address'],
            message: 'an address is required',
            params: issue({ diagnostic: 'WR0106', hint: 'write the IP address of the workload' }),
          });
      }),
    }),
});

export const serviceEntryKind = defineKind({
  kind: 'ServiceEntry',
  group: 'networking.istio.io',
  versions: networkingVersions,
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z
        .strictObject({
          hosts: z.array(hostPattern()).min(1),
          addresses: strings().optional(),
          ports: z
            .array(
              z.strictObject({
                number: portNumber(),
                name: z.string().min(1),
                protocol: z.string().optional(),
                targetPort: portNumber().optional(),
              }),
            )
            .optional(),
          location: z.enum(['MESH_EXTERNAL', 'MESH_INTERNAL']).optional(),
          resolution: z.enum(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS']).optional(),
          endpoints: z.array(workload()).optional(),
          workloadSelector: z.strictObject({ labels: stringMap().optional() }).optional(),
          exportTo: exportTo().optional(),
          subjectAltNames: strings().optional(),
        })
        .superRefine((value, context) => {
          const resolution = value.resolution ?? 'NONE';
          if (value.endpoints?.length && value.workloadSelector !== undefined)
            context.addIssue({ code: 'custom', path: ['workloadSelector'], message: 'endpoints and workloadSelector exclude one another' });
          if (value.endpoints?.length && resolution === 'NONE')
            context.addIssue({
              code: 'custom',
              path: ['endpoints'],
              message: 'resolution NONE takes no endpoints',
              params: issue({ hint: 'write resolution: STATIC for IP addresses, DNS for names' }),
            });
          if (value.workloadSelector !== undefined && (resolution === 'DNS_ROUND_ROBIN' || resolution === 'DYNAMIC_DNS'))
            context.addIssue({ code: 'custom', path: ['workloadSelector'], message: `resolution ${resolution} takes no workloadSelector` });
          if (resolution === 'DNS_ROUND_ROBIN' && (value.endpoints?.length ?? 0) > 1)
            context.addIssue({ code: 'custom', path: ['endpoints'], message: 'resolution DNS_ROUND_ROBIN takes one endpoint' });
          for (const [index, endpoint] of (value.endpoints ?? []).entries()) {
            const address = endpoint.address ?? '';
            if (resolution === 'STATIC' && isIP(address) === 0 && !address.startsWith('unix://'))
              context.addIssue({
                code: 'custom',
                path: ['endpoints', index, 'address'],
                message: `'${address}' is not an IP address, and resolution is STATIC`,
                params: issue({ hint: 'write an IP address, or resolution: DNS' }),
              });
            for (const name of Object.keys(endpoint.ports ?? {}))
              if (!value.ports?.some((port) => port.name === name))
                context.addIssue({
                  code: 'custom',
                  path: ['endpoints', index, 'ports', name],
                  message: `the ServiceEntry has no port named '${name}'`,
                  params: issue({ key: true }),
                });
          }
          if (resolution.startsWith('DNS') && !value.endpoints?.length && value.workloadSelector === undefined)
            for (const [index, host] of value.hosts.entries())
              if (host.includes('*'))
                context.addIssue({
                  code: 'custom',
                  path: ['hosts', index],
                  message: `a wildcard cannot be looked up in DNS`,
                  params: issue({ hint: 'list endpoints, or write resolution: NONE' }),
                });
          const seen = new Map<string, number>();
          for (const [index, port] of (value.ports ?? []).entries()) {
            for (const key of [port.name, String(port.number)]) {
              if (seen.has(key)) context.addIssue({ code: 'custom', path: ['ports', index], message: `port ${key} stands there twice` });
              seen.set(key, index);
            }
          }
        }),
    }),
});

export type ServiceEntry = z.output<ReturnType<typeof serviceEntryKind.schema>>;
