import { isIP } from 'node:net';
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

/** `127.0.0.1:8080`, `unix:///run/app.sock` or `unix://@abstract` (Istio Server.default_endpoint). */
const endpoint = () =>
  z.string().superRefine((text, context) => {
    if (parseEndpoint(text) === null)
      context.addIssue({
        code: 'custom',
        message: `'${text}' is not an endpoint`,
        params: issue({ hint: 'write 127.0.0.1:PORT, unix:///path/to/socket or unix://@name' }),
      });
  });

/** Address and port of an endpoint; port 0 for a Unix socket. Null: it is none. */
export function parseEndpoint(text: string): { readonly address: string; readonly port: number } | null {
  const path = unixPath(text);
  if (path !== null) return { address: path, port: 0 };
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(text);
  if (match === null) return null;
  const address = match[1] ?? match[2];
  const port = Number(match[3]);
  return isIP(address) === 0 || port === 0 || port > 65_535 ? null : { address, port };
}

/** Path of `unix:///path`, or `@name` of `unix://@name`; null: it is no Unix socket. */
export function unixPath(text: string): string | null {
  return /^unix:\/\/((?:\/|@).{1,106})$/.exec(text)?.[1] ?? null;
}

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
            z
              .strictObject({
                name: z.string().optional(),
                bind: z.string().min(1).optional(),
                port: z.strictObject({
                  number: z.int().min(0).max(65535),
                  name: z.string().min(1),
                  protocol: z
                    .string()
                    .transform((text) => text.toUpperCase())
                    .pipe(z.enum(['HTTP', 'HTTPS', 'GRPC', 'GRPC-WEB', 'HTTP2', 'MONGO', 'TCP', 'TLS'])),
                  targetPort: portNumber().optional(),
                }),
                hosts: z.array(serverHost()).min(1),
                tls: serverTls().optional(),
                defaultEndpoint: endpoint().optional(),
              })
              .superRefine((server, context) => {
                if (server.port.number === 0 && server.bind?.startsWith('unix://') !== true)
                  context.addIssue({
                    code: 'custom',
                    path: ['port', 'number'],
                    message: 'a port is a number from 1 to 65535',
                    params: issue({ hint: 'only a server on a Unix socket (bind: unix:///…) has port 0' }),
                  });
              }),
          )
          .min(1),
      }),
    }),
});

export type Gateway = z.output<ReturnType<typeof gatewayKind.schema>>;
export type Server = Gateway['spec']['servers'][number];
