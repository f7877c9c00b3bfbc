import { z } from 'zod';
import { lazily } from '../../check.ts';
import { defineKind } from '../../kubernetes-kinds.ts';
import { kubernetesHead } from '../../kubernetes-object.ts';
import { backendRefWith, commonRoute, gatewayGroup, hostname, sectionName, sessionPersistence } from './common.ts';
import { filterListProblems, grpcFilter } from './filters.ts';
import { ruleLimits } from './http-route.ts';

/** GRPCMethodMatch: service and method are path elements of an HTTP request. */
const methodMatch = lazily(() =>
  z
    .strictObject({
      type: z.enum(['Exact', 'RegularExpression']).default('Exact'),
      service: z.string().min(1).max(1024).optional(),
      method: z.string().min(1).max(1024).optional(),
    })
    .check((context) => {
      const { type, service, method } = context.value;
      const problem = (path: string[], message: string): void => {
        context.issues.push({ code: 'custom', input: context.value, path, message });
      };
      if (service === undefined && method === undefined) problem([], 'write a service, a method, or both');
      if (type !== 'Exact') return;
      if (service !== undefined && !/^(?:[a-zA-Z0-9_]+\.)*[a-zA-Z0-9_]+$/.test(service))
        problem(['service'], "a service is like 'package.Service'");
      if (method !== undefined && !/^[A-Za-z_][A-Za-z_0-9]*$/.test(method)) problem(['method'], 'a method is letters, digits and _');
    }),
);

const match = lazily(() =>
  z.strictObject({
    method: methodMatch().optional(),
    headers: z
      .array(
        z.strictObject({
          type: z.enum(['Exact', 'RegularExpression']).default('Exact'),
          name: z
            .string()
            .min(1)
            .max(256)
            .regex(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/, "a header name is a token: letters, digits and !#$%&'*+-.^_`|~"),
          value: z.string().min(1).max(4096),
        }),
      )
      .max(16)
      .default([]),
  }),
);
export type GrpcMatch = z.output<ReturnType<typeof match>>;

const rule = lazily(() =>
  z
    .strictObject({
      name: sectionName().optional(),
      matches: z.array(match()).max(64).optional(),
      filters: z.array(grpcFilter()).max(16).default([]),
      backendRefs: z.array(backendRefWith(grpcFilter())).max(16).default([]),
      sessionPersistence: sessionPersistence().optional(),
    })
    .check((context) => {
      const add = (path: (string | number)[], message: string): void => {
        context.issues.push({ code: 'custom', input: context.value, path, message });
      };
      for (const found of filterListProblems(context.value.filters)) add(['filters', found.index], found.message);
      for (const [index, backend] of context.value.backendRefs.entries())
        for (const found of filterListProblems(backend.filters)) add(['backendRefs', index, 'filters', found.index], found.message);
    }),
);
export type GrpcRule = z.output<ReturnType<typeof rule>>;

export const grpcRouteKind = defineKind({
  kind: 'GRPCRoute',
  group: gatewayGroup,
  versions: ['v1'],
  retired: ['v1alpha2'],
  namespaced: true,
  schema: lazily(() =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z
        .strictObject({
          ...commonRoute(),
          hostnames: z.array(hostname()).max(16).default([]),
          rules: z.array(rule()).min(1).max(16).optional(),
        })
        .check((context) =>
          ruleLimits(context.value.rules ?? [], (path, message) =>
            context.issues.push({ code: 'custom', input: context.value, path, message }),
          ),
        ),
    }),
  ),
});
export type GrpcRoute = z.output<ReturnType<typeof grpcRouteKind.schema>>;
