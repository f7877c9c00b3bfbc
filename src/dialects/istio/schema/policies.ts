/** security.istio.io: understood, and as they do not run yet their scope is closed (policies.ts). */
import { z } from 'zod';
import { issue, lazily } from '../../check.ts';
import { defineKind } from '../../kubernetes-kinds.ts';
import { kubernetesHead } from '../../kubernetes-object.ts';
import { duration, matchLabels, strings } from './common.ts';

const targetRef = lazily(() =>
  z.strictObject({ group: z.string().optional(), kind: z.string().min(1), name: z.string().min(1), namespace: z.string().optional() }),
);

/** Where a policy applies: labels of workloads or up to 16 targets, not both. */
const scope = lazily(() => ({
  selector: matchLabels().optional(),
  targetRef: targetRef().optional(),
  targetRefs: z.array(targetRef()).max(16).optional(),
}));

const lists = (names: readonly string[]) =>
  Object.fromEntries(
    names.flatMap((name) => [name, `not${name.charAt(0).toUpperCase()}${name.slice(1)}`]).map((name) => [name, strings().optional()]),
  );

/** Keys of `when`; an unknown one is an error, where Istio itself ignores it silently. */
const conditionKey =
  /^(request\.headers\[[^\]]+\]|source\.ip|remote\.ip|source\.namespace|source\.principal|source\.serviceAccount|request\.auth\.principal|request\.auth\.audiences|request\.auth\.presenter|request\.auth\.claims(\[[^\]]+\])+|destination\.ip|destination\.port|connection\.sni|experimental\.envoy\.filters\..+)$/;

const rule = lazily(() =>
  z.strictObject({
    from: z
      .array(
        z.strictObject({
          source: z
            .strictObject(
              lists(['principals', 'requestPrincipals', 'namespaces', 'serviceAccounts', 'ipBlocks', 'remoteIpBlocks', 'trustDomains']),
            )
            .optional(),
        }),
      )
      .optional(),
    to: z.array(z.strictObject({ operation: z.strictObject(lists(['hosts', 'ports', 'methods', 'paths'])).optional() })).optional(),
    when: z
      .array(
        z.strictObject({
          key: z.string().superRefine((key, context) => {
            if (!conditionKey.test(key))
              context.addIssue({
                code: 'custom',
                message: `'${key}' is not a condition`,
                params: issue({ hint: 'for example request.headers[x-team], source.ip or request.auth.claims[iss]' }),
              });
          }),
          values: strings().optional(),
          notValues: strings().optional(),
        }),
      )
      .optional(),
  }),
);

const securityVersions: readonly string[] = ['v1', 'v1beta1'];

export const authorizationPolicyKind = defineKind({
  kind: 'AuthorizationPolicy',
  group: 'security.istio.io',
  versions: securityVersions,
  namespaced: true,
  restricts: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z
        .strictObject({
          ...scope(),
          action: z.enum(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM']).optional(),
          provider: z.strictObject({ name: z.string().optional() }).optional(),
          rules: z.array(rule()).optional(),
        })
        .optional(),
    }),
});

const mtls = lazily(() => z.strictObject({ mode: z.enum(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT']).optional() }));

export const peerAuthenticationKind = defineKind({
  kind: 'PeerAuthentication',
  group: 'security.istio.io',
  versions: securityVersions,
  namespaced: true,
  restricts: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z
        .strictObject({
          selector: matchLabels().optional(),
          mtls: mtls().optional(),
          portLevelMtls: z.record(z.string().regex(/^\d+$/), mtls()).optional(),
        })
        .optional(),
    }),
});

export const requestAuthenticationKind = defineKind({
  kind: 'RequestAuthentication',
  group: 'security.istio.io',
  versions: securityVersions,
  namespaced: true,
  restricts: true,
  schema: () =>
    z.strictObject({
      ...kubernetesHead(),
      spec: z
        .strictObject({
          ...scope(),
          jwtRules: z
            .array(
              z.strictObject({
                issuer: z.string().min(1),
                audiences: strings().optional(),
                jwksUri: z.string().optional(),
                jwks_uri: z.string().optional(),
                jwks: z.string().optional(),
                fromHeaders: z.array(z.strictObject({ name: z.string().min(1), prefix: z.string().optional() })).optional(),
                fromParams: strings().optional(),
                fromCookies: strings().optional(),
                outputPayloadToHeader: z.string().optional(),
                outputClaimToHeaders: z.array(z.strictObject({ header: z.string().min(1), claim: z.string().min(1) })).optional(),
                forwardOriginalToken: z.boolean().optional(),
                timeout: duration().optional(),
                spaceDelimitedClaims: strings().optional(),
              }),
            )
            .optional(),
        })
        .optional(),
    }),
});

export type AuthorizationPolicy = z.output<ReturnType<typeof authorizationPolicyKind.schema>>;
export type PeerAuthentication = z.output<ReturnType<typeof peerAuthenticationKind.schema>>;
export type RequestAuthentication = z.output<ReturnType<typeof requestAuthenticationKind.schema>>;
