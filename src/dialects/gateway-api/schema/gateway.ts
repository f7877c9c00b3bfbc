import { z } from 'zod';
import { lazily } from '../../check.ts';
import { defineKind } from '../../kubernetes-kinds.ts';
import { kubernetesHead } from '../../kubernetes-object.ts';
import {
  allowedRoutes,
  gatewayGroup,
  groupName,
  hostname,
  kindName,
  labelSelector,
  namespaceName,
  objectName,
  portNumber,
  secretRef,
  sectionName,
} from './common.ts';

export const gatewayClassKind = defineKind({
  kind: 'GatewayClass',
  group: gatewayGroup,
  versions: ['v1', 'v1beta1'],
  retired: ['v1alpha2'],
  namespaced: false,
  schema: lazily(() =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        controllerName: z
          .string()
          .min(1)
          .max(253)
          .regex(
            /^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/,
            "a controllerName is like 'example.com/controller'",
          ),
        parametersRef: z
          .strictObject({ group: groupName(), kind: kindName(), name: objectName(), namespace: namespaceName().optional() })
          .optional(),
        description: z.string().max(64).optional(),
      }),
    }),
  ),
});

const listenerTls = lazily(() =>
  z.strictObject({
    mode: z.enum(['Terminate', 'Passthrough']).default('Terminate'),
    certificateRefs: z.array(secretRef()).max(64).default([]),
    options: z.record(z.string(), z.string().max(4096)).optional(),
    // Experimental until v1.4; moved to Gateway.spec.tls.frontend.
    frontendValidation: z.strictObject({ caCertificateRefs: z.array(secretRef()).max(8).optional() }).optional(),
  }),
);

const protocol = lazily(() =>
  z
    .string()
    .min(1)
    .max(255)
    .regex(
      /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$|^[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?\/[A-Za-z0-9]+$/,
      'a protocol is HTTP, HTTPS, TLS, TCP, UDP or example.com/name',
    ),
);

/** Core protocols are compared without regard to case; others stay as they are. */
export function coreProtocol(protocol: string): string {
  const upper = protocol.toUpperCase();
  return /^(?:HTTPS?|TLS|TCP|UDP)$/.test(upper) ? upper : protocol;
}

/** One entry of Gateway.spec.listeners; ListenerSet entries have the same fields. */
export const listener = lazily(() =>
  z.strictObject({
    name: sectionName(),
    hostname: hostname().optional(),
    port: portNumber(),
    protocol: protocol(),
    tls: listenerTls().optional(),
    allowedRoutes: allowedRoutes().optional(),
  }),
);
export type GatewayListener = z.output<ReturnType<typeof listener>>;

/** CRD rules over one list of listeners. */
export function listenerProblems(
  listeners: readonly GatewayListener[],
  problem: (path: (string | number)[], message: string) => void,
): void {
  const names = new Set<string>();
  for (const [index, one] of listeners.entries()) {
    if (names.has(one.name)) problem([index, 'name'], `two listeners are named '${one.name}'`);
    names.add(one.name);
    const protocol = coreProtocol(one.protocol);
    if (/^(?:HTTP|TCP|UDP)$/.test(protocol) && one.tls !== undefined)
      problem([index, 'tls'], `tls does not go with protocol ${one.protocol}`);
    if (protocol === 'HTTPS' && one.tls?.mode === 'Passthrough')
      problem([index, 'tls', 'mode'], 'protocol HTTPS terminates TLS; write protocol: TLS for Passthrough');
    if (protocol === 'TLS' && one.tls === undefined) problem([index], 'protocol TLS needs tls.mode');
    if (/^(?:TCP|UDP)$/.test(protocol) && one.hostname !== undefined)
      problem([index, 'hostname'], `hostname does not go with protocol ${one.protocol}`);
  }
}

const frontendTls = lazily(() =>
  z.strictObject({
    validation: z
      .strictObject({
        caCertificateRefs: z
          .array(z.strictObject({ group: groupName(), kind: kindName(), name: objectName(), namespace: namespaceName().optional() }))
          .min(1)
          .max(8),
        mode: z.enum(['AllowValidOnly', 'AllowInsecureFallback']).default('AllowValidOnly'),
      })
      .optional(),
  }),
);

export const gatewayKind = defineKind({
  kind: 'Gateway',
  group: gatewayGroup,
  versions: ['v1', 'v1beta1'],
  retired: ['v1alpha2'],
  namespaced: true,
  schema: lazily(() =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        gatewayClassName: objectName(),
        listeners: z
          .array(listener())
          .min(1)
          .max(64)
          .check((context) =>
            listenerProblems(context.value, (path, message) =>
              context.issues.push({ code: 'custom', input: context.value, path, message }),
            ),
          ),
        addresses: z
          .array(z.strictObject({ type: z.string().min(1).max(253).default('IPAddress'), value: z.string().min(1).max(253).optional() }))
          .max(16)
          .default([]),
        infrastructure: z
          .strictObject({
            labels: z.record(z.string(), z.string()).optional(),
            annotations: z.record(z.string(), z.string()).optional(),
            parametersRef: z.strictObject({ group: groupName(), kind: kindName(), name: objectName() }).optional(),
          })
          .optional(),
        allowedListeners: z
          .strictObject({
            namespaces: z
              .strictObject({ from: z.enum(['All', 'Selector', 'Same', 'None']).default('None'), selector: labelSelector().optional() })
              .optional(),
          })
          .optional(),
        tls: z
          .strictObject({
            backend: z.strictObject({ clientCertificateRef: secretRef().optional() }).optional(),
            frontend: z
              .strictObject({
                default: frontendTls(),
                perPort: z
                  .array(z.strictObject({ port: portNumber(), tls: frontendTls() }))
                  .max(64)
                  .check((context) => {
                    for (const [index, { port }] of context.value.entries())
                      if (context.value.findIndex((one) => one.port === port) < index)
                        context.issues.push({ code: 'custom', input: port, path: [index, 'port'], message: `port ${port} is there twice` });
                  })
                  .optional(),
              })
              .optional(),
          })
          .optional(),
        defaultScope: z.enum(['All', 'None']).optional(),
      }),
    }),
  ),
});
export type Gateway = z.output<ReturnType<typeof gatewayKind.schema>>;
