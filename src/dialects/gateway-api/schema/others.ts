/** ReferenceGrant, routes of layer 4, BackendTLSPolicy, and ListenerSet, which is checked and does not run yet. */
import { z } from 'zod';
import { lazily } from '../../check.ts';
import { defineKind } from '../../kubernetes-kinds.ts';
import { kubernetesHead } from '../../kubernetes-object.ts';
import {
  backendRef,
  commonRoute,
  gatewayGroup,
  groupName,
  hostname,
  kindName,
  namespaceName,
  objectName,
  preciseHostname,
  sectionName,
} from './common.ts';
import { listener, listenerProblems } from './gateway.ts';

export const referenceGrantKind = defineKind({
  kind: 'ReferenceGrant',
  group: gatewayGroup,
  versions: ['v1', 'v1beta1'],
  retired: ['v1alpha2'],
  namespaced: true,
  schema: lazily(() =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        from: z
          .array(z.strictObject({ group: groupName(), kind: kindName(), namespace: namespaceName() }))
          .min(1)
          .max(16),
        to: z
          .array(z.strictObject({ group: groupName(), kind: kindName(), name: objectName().optional() }))
          .min(1)
          .max(16),
      }),
    }),
  ),
});

const l4Rules = lazily(() =>
  z
    .array(z.strictObject({ name: sectionName().optional(), backendRefs: z.array(backendRef()).min(1).max(16) }))
    .min(1)
    .max(16),
);

export const tlsRouteKind = defineKind({
  kind: 'TLSRoute',
  group: gatewayGroup,
  versions: ['v1', 'v1alpha3', 'v1alpha2'],
  namespaced: true,
  schema: lazily(() =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({ ...commonRoute(), hostnames: z.array(hostname()).max(1024).default([]), rules: l4Rules() }),
    }),
  ),
});

export type L4Rule = z.output<ReturnType<typeof l4Rules>>[number];

const l4Route = lazily(() => z.strictObject({ ...kubernetesHead(), spec: z.strictObject({ ...commonRoute(), rules: l4Rules() }) }));

export const tcpRouteKind = defineKind({
  kind: 'TCPRoute',
  group: gatewayGroup,
  versions: ['v1', 'v1alpha2'],
  namespaced: true,
  schema: l4Route,
});
export const udpRouteKind = defineKind({
  kind: 'UDPRoute',
  group: gatewayGroup,
  versions: ['v1', 'v1alpha2'],
  namespaced: true,
  schema: l4Route,
});

const targetRef = lazily(() =>
  z.strictObject({ group: groupName(), kind: kindName(), name: objectName(), sectionName: sectionName().optional() }),
);

export const backendTlsPolicyKind = defineKind({
  kind: 'BackendTLSPolicy',
  group: gatewayGroup,
  versions: ['v1', 'v1alpha3'],
  namespaced: true,
  restricts: true,
  schema: lazily(() =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        targetRefs: z
          .array(targetRef())
          .min(1)
          .max(16)
          .check((context) => {
            for (const [index, ref] of context.value.entries()) {
              const twin = context.value.findIndex(
                (one) =>
                  one.group === ref.group &&
                  one.kind === ref.kind &&
                  one.name === ref.name &&
                  ((one.sectionName === undefined) !== (ref.sectionName === undefined) || one.sectionName === ref.sectionName),
              );
              if (twin < index)
                context.issues.push({
                  code: 'custom',
                  input: ref,
                  path: [index],
                  message: 'two references to the same target must each name a different sectionName',
                });
            }
          }),
        validation: z
          .strictObject({
            caCertificateRefs: z
              .array(z.strictObject({ group: groupName(), kind: kindName(), name: objectName() }))
              .max(8)
              .optional(),
            wellKnownCACertificates: z.string().min(1).max(253).optional(),
            hostname: preciseHostname(),
            subjectAltNames: z
              .array(
                z.discriminatedUnion('type', [
                  z.strictObject({ type: z.literal('Hostname'), hostname: hostname() }),
                  z.strictObject({ type: z.literal('URI'), uri: z.string().min(1).max(253) }),
                ]),
              )
              .max(5)
              .optional(),
          })
          .refine(
            ({ caCertificateRefs, wellKnownCACertificates }) =>
              (caCertificateRefs?.length ?? 0) > 0 !== (wellKnownCACertificates !== undefined),
            'write either caCertificateRefs or wellKnownCACertificates',
          ),
        options: z.record(z.string(), z.string().max(4096)).optional(),
      }),
    }),
  ),
});
export type BackendTlsPolicy = z.output<ReturnType<typeof backendTlsPolicyKind.schema>>;

export const listenerSetKind = defineKind({
  kind: 'ListenerSet',
  group: gatewayGroup,
  versions: ['v1'],
  namespaced: true,
  schema: lazily(() =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z.strictObject({
        parentRef: z.strictObject({
          group: groupName().default(gatewayGroup),
          kind: kindName().default('Gateway'),
          name: objectName(),
          namespace: namespaceName().optional(),
        }),
        listeners: z
          .array(listener())
          .min(1)
          .max(64)
          .check((context) =>
            listenerProblems(context.value, (path, message) =>
              context.issues.push({ code: 'custom', input: context.value, path, message }),
            ),
          ),
      }),
    }),
  ),
});
