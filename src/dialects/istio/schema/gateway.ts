import { z } from 'zod';
import { issue } from '../../check.ts';
import { defineKind } from '../../kubernetes-kinds.ts';
import { kubernetesHead } from '../../kubernetes-object.ts';
import { isHostPattern, portNumber, serverTls, stringMap } from './common.ts';
import { networkingVersions } from './virtual-service.ts';

/** `ns/dns` or `dns`. */
const serverHost = () =>
  z.string().superRefine((host, context) => {
    const dns = host.includes('/') ? host.slice(host.indexOf('/') + 1) : host;
    if (!isHostPattern(dns))
      context.addIssue({
        code: 'custom',
        message: `'${host}' is not a host name`,
        params: issue({ hint: 'write shop.example.com, *.example.com or *, with a namespace in front if needed: prod/*.example.com' }),
      });
  });

export const gatewayKind = defineKind({
  kind: 'Gateway',
  group: 'networking.istio.io',
  versions: networkingVersions,
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        selector: stringMap().optional(),
        servers: z
          .array(
            z.strictObject({
              name: z.string().optional(),
              bind: z.string().min(1).optional(),
              port: z.strictObject({
                number: portNumber(),
                name: z.string().min(1),
                protocol: z
                  .string()
                  .transform((text) => text.toUpperCase())
                  .pipe(z.enum(['HTTP', 'HTTPS', 'GRPC', 'GRPC-WEB', 'HTTP2', 'MONGO', 'TCP', 'TLS'])),
                targetPort: portNumber().optional(),
              }),
              hosts: z.array(serverHost()).min(1),
              tls: serverTls().optional(),
              defaultEndpoint: z.string().optional(),
            }),
          )
          .min(1),
      }),
    }),
});

export type Gateway = z.output<ReturnType<typeof gatewayKind.schema>>;
export type Server = Gateway['spec']['servers'][number];
