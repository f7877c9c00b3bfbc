import { z } from 'zod';
import { parseNetwork } from '../../../decide/addresses.ts';
import { issue } from '../../check.ts';
import { defineKind } from '../../kubernetes-kinds.ts';
import { kubernetesHead } from '../../kubernetes-object.ts';
import {
  count,
  destination,
  duration,
  exportTo,
  headerOperations,
  hostPattern,
  percentage,
  portNumber,
  positiveDuration,
  regex,
  stringMap,
  stringMatch,
  strings,
  uriMatch,
} from './common.ts';

/** Every version that Istio serves. */
export const networkingVersions: readonly string[] = ['v1', 'v1beta1', 'v1alpha3'];

const httpMatch = () =>
  z.strictObject({
    name: z.string().optional(),
    uri: uriMatch().optional(),
    scheme: stringMatch().optional(),
    method: stringMatch().optional(),
    authority: stringMatch().optional(),
    headers: z.record(z.string().min(1), stringMatch()).optional(),
    withoutHeaders: z.record(z.string().min(1), stringMatch()).optional(),
    queryParams: z.record(z.string().min(1), stringMatch()).optional(),
    port: portNumber().optional(),
    sourceLabels: stringMap().optional(),
    sourceNamespace: z.string().optional(),
    gateways: strings().optional(),
    ignoreUriCase: z.boolean().optional(),
    statPrefix: z.string().optional(),
  });

const redirect = () =>
  z
    .strictObject({
      uri: z.string().optional(),
      prefixRewrite: z.string().optional(),
      authority: z.string().optional(),
      port: portNumber().optional(),
      derivePort: z.enum(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT']).optional(),
      scheme: z
        .string()
        .regex(/^[A-Za-z][A-Za-z0-9+.-]*$/, 'write http or https')
        .optional(),
      redirectCode: z.union([z.literal(301), z.literal(302), z.literal(303), z.literal(307), z.literal(308)]).optional(),
    })
    .superRefine((value, context) => {
      if (value.uri !== undefined && value.prefixRewrite !== undefined)
        context.addIssue({ code: 'custom', message: 'uri and prefixRewrite exclude one another' });
      if (value.port !== undefined && value.derivePort !== undefined)
        context.addIssue({ code: 'custom', message: 'port and derivePort exclude one another' });
      if (
        !value.uri &&
        !value.prefixRewrite &&
        !value.authority &&
        !value.scheme &&
        value.port === undefined &&
        value.derivePort === undefined
      )
        context.addIssue({
          code: 'custom',
          message: 'it changes nothing and would redirect for ever',
          params: issue({ hint: 'set uri, prefixRewrite, authority, scheme or port' }),
        });
    });

const directResponse = () =>
  z.strictObject({
    status: z.int().min(100).max(599),
    body: z
      .strictObject({ string: z.string().max(1_048_576).optional(), bytes: z.base64().max(1_398_104).optional() })
      .superRefine((value, context) => {
        if (value.string !== undefined && value.bytes !== undefined)
          context.addIssue({ code: 'custom', message: 'string and bytes exclude one another' });
      })
      .optional(),
  });

const rewrite = () =>
  z
    .strictObject({
      uri: z.string().optional(),
      authority: z.string().optional(),
      uriRegexRewrite: z.strictObject({ match: regex(), rewrite: z.string() }).optional(),
    })
    .superRefine((value, context) => {
      if (value.uri && value.uriRegexRewrite !== undefined)
        context.addIssue({ code: 'custom', message: 'uri and uriRegexRewrite exclude one another' });
      if (!value.uri && !value.authority && value.uriRegexRewrite === undefined)
        context.addIssue({ code: 'custom', message: 'it must set uri, uriRegexRewrite or authority' });
    });

const fault = () =>
  z.strictObject({
    delay: z
      .strictObject({
        fixedDelay: positiveDuration().optional(),
        exponentialDelay: positiveDuration().optional(),
        percent: z.int().min(0).max(100).optional(),
        percentage: percentage().optional(),
      })
      .optional(),
    abort: z
      .strictObject({
        httpStatus: z.int().min(200).max(600).optional(),
        grpcStatus: z.string().optional(),
        http2Error: z.string().optional(),
        percent: z.int().min(0).max(100).optional(),
        percentage: percentage().optional(),
      })
      .superRefine((value, context) => {
        const kinds = [value.httpStatus, value.grpcStatus, value.http2Error].filter((one) => one !== undefined);
        if (kinds.length !== 1)
          context.addIssue({ code: 'custom', message: 'exactly one of httpStatus, grpcStatus and http2Error must be set' });
      })
      .optional(),
  });

const retries = () =>
  z.strictObject({
    attempts: z.int().min(0).max(0x7fff_ffff).optional(),
    perTryTimeout: duration().optional(),
    retryOn: z.string().optional(),
    retryRemoteLocalities: z.boolean().optional(),
    retryIgnorePreviousHosts: z.boolean().optional(),
    backoff: duration().optional(),
  });

const corsPolicy = () =>
  z.strictObject({
    allowOrigin: strings().optional(),
    allowOrigins: z.array(stringMatch()).optional(),
    allowMethods: strings().optional(),
    allowHeaders: strings().optional(),
    exposeHeaders: strings().optional(),
    maxAge: duration().optional(),
    allowCredentials: z.boolean().optional(),
    unmatchedPreflights: z.enum(['UNSPECIFIED', 'FORWARD', 'IGNORE']).optional(),
  });

const httpRoute = () =>
  z
    .strictObject({
      name: z.string().optional(),
      match: z.array(httpMatch()).optional(),
      route: z
        .array(
          z.strictObject({
            destination: destination(),
            weight: z.int().min(0).max(0x7fff_ffff).optional(),
            headers: headerOperations().optional(),
          }),
        )
        .optional(),
      redirect: redirect().optional(),
      directResponse: directResponse().optional(),
      delegate: z.strictObject({ name: z.string().min(1), namespace: z.string().optional() }).optional(),
      rewrite: rewrite().optional(),
      timeout: duration().optional(),
      retries: retries().optional(),
      fault: fault().optional(),
      mirror: destination().optional(),
      mirrorPercent: count().optional(),
      mirror_percent: count().optional(),
      mirrorPercentage: percentage().optional(),
      mirrors: z.array(z.strictObject({ destination: destination(), percentage: percentage().optional() })).optional(),
      corsPolicy: corsPolicy().optional(),
      headers: headerOperations().optional(),
    })
    .superRefine((value, context) => {
      const actions = [
        value.route?.length ? 'route' : '',
        value.redirect ? 'redirect' : '',
        value.directResponse ? 'directResponse' : '',
        value.delegate ? 'delegate' : '',
      ].filter(Boolean);
      if (actions.length > 1) context.addIssue({ code: 'custom', message: `${actions.join(' and ')} exclude one another` });
      if (actions.length === 0)
        context.addIssue({
          code: 'custom',
          message: 'it must have one of route, redirect, directResponse and delegate',
          params: issue({ diagnostic: 'WR0106' }),
        });
      if (value.rewrite && (value.redirect || value.directResponse))
        context.addIssue({
          code: 'custom',
          path: ['rewrite'],
          message: `rewrite has no meaning beside ${value.redirect ? 'redirect' : 'directResponse'}`,
        });
      const destinations = value.route ?? [];
      if (destinations.length > 1 && destinations.every((one) => (one.weight ?? 0) === 0))
        context.addIssue({
          code: 'custom',
          path: ['route'],
          message: 'the weights add up to 0',
          params: issue({ hint: 'give each destination a weight, for example 50 and 50' }),
        });
    });

/** `10.0.0.0/8`, `10.1.2.3`, of either family. */
const subnet = () =>
  z.string().superRefine((text, context) => {
    const parsed = parseNetwork(text);
    if (parsed === null || parsed.port !== -1)
      context.addIssue({
        code: 'custom',
        message: `'${text}' is not a network`,
        params: issue({ hint: 'write an IP address, with the length of its prefix: 10.0.0.0/8' }),
      });
  });

const l4Match = {
  destinationSubnets: () => z.array(subnet()),
  port: portNumber,
  sourceLabels: stringMap,
  gateways: strings,
  sourceNamespace: () => z.string(),
};
const l4Destinations = () =>
  z
    .array(z.strictObject({ destination: destination(), weight: z.int().min(0).max(0x7fff_ffff).optional() }))
    .min(1)
    .superRefine((destinations, context) => {
      if (destinations.length > 1 && destinations.every((one) => (one.weight ?? 0) === 0))
        context.addIssue({
          code: 'custom',
          message: 'the weights add up to 0',
          params: issue({ hint: 'give each destination a weight, for example 50 and 50' }),
        });
    });

const tlsRoute = () =>
  z.strictObject({
    match: z
      .array(
        z.strictObject({
          sniHosts: z.array(hostPattern()).min(1),
          destinationSubnets: l4Match.destinationSubnets().optional(),
          port: l4Match.port().optional(),
          sourceLabels: l4Match.sourceLabels().optional(),
          gateways: l4Match.gateways().optional(),
          sourceNamespace: l4Match.sourceNamespace().optional(),
        }),
      )
      .min(1),
    route: l4Destinations(),
  });

const tcpRoute = () =>
  z.strictObject({
    match: z
      .array(
        z.strictObject({
          destinationSubnets: l4Match.destinationSubnets().optional(),
          port: l4Match.port().optional(),
          sourceSubnet: subnet().optional(),
          sourceLabels: l4Match.sourceLabels().optional(),
          gateways: l4Match.gateways().optional(),
          sourceNamespace: l4Match.sourceNamespace().optional(),
        }),
      )
      .optional(),
    route: l4Destinations(),
  });

export const virtualServiceKind = defineKind({
  kind: 'VirtualService',
  group: 'networking.istio.io',
  versions: networkingVersions,
  namespaced: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z
        .strictObject({
          hosts: z.array(hostPattern()).optional(),
          gateways: z.array(z.string().min(1)).optional(),
          exportTo: exportTo().optional(),
          http: z.array(httpRoute()).optional(),
          tls: z.array(tlsRoute()).optional(),
          tcp: z.array(tcpRoute()).optional(),
        })
        .superRefine((value, context) => {
          if (!value.http?.length && !value.tls?.length && !value.tcp?.length)
            context.addIssue({
              code: 'custom',
              message: 'it has no routes',
              params: issue({ diagnostic: 'WR0106', hint: 'add http, tls or tcp routes' }),
            });
          if (!value.hosts?.length && (value.gateways?.length || value.tls?.length || value.tcp?.length))
            context.addIssue({
              code: 'custom',
              message: 'hosts is required',
              params: issue({ diagnostic: 'WR0106', hint: 'only a delegate, with http routes alone and no gateways, has no hosts' }),
            });
        }),
    }),
});

export type VirtualService = z.output<ReturnType<typeof virtualServiceKind.schema>>;
export type HttpRoute = NonNullable<VirtualService['spec']['http']>[number];
export type HttpMatch = NonNullable<HttpRoute['match']>[number];
export type RouteDestination = NonNullable<HttpRoute['route']>[number];
export type Redirect = NonNullable<HttpRoute['redirect']>;
export type TcpRoute = NonNullable<VirtualService['spec']['tcp']>[number];
export type TlsRoute = NonNullable<VirtualService['spec']['tls']>[number];
export type TcpMatch = NonNullable<TcpRoute['match']>[number];
export type TlsMatch = TlsRoute['match'][number];
