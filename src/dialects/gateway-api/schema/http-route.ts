import { z } from 'zod';
import { issue, lazily } from '../../check.ts';
import { defineKind } from '../../kubernetes-kinds.ts';
import { kubernetesHead } from '../../kubernetes-object.ts';
import { backendRefWith, commonRoute, duration, durationMs, gatewayGroup, hostname, sectionName, sessionPersistence } from './common.ts';
import { filterListProblems, httpFilter, type HttpFilter } from './filters.ts';

const headerMatch = lazily(() =>
  z.strictObject({
    type: z.enum(['Exact', 'RegularExpression']).default('Exact'),
    name: z
      .string()
      .min(1)
      .max(256)
      .regex(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/, "a header name is a token: letters, digits and !#$%&'*+-.^_`|~"),
    value: z.string().min(1).max(4096),
  }),
);

const queryMatch = lazily(() =>
  z.strictObject({
    type: z.enum(['Exact', 'RegularExpression']).default('Exact'),
    name: z
      .string()
      .min(1)
      .max(256)
      .regex(/^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/, "a parameter name is letters, digits and !#$%&'*+-.^_`|~"),
    value: z.string().min(1).max(1024),
  }),
);

const plainPath = /^(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})+$/;

/** HTTPPathMatch: what the CRD refuses in Exact and PathPrefix values, in the words of the user. */
function pathProblem(type: string, value: string): string | null {
  if (type === 'RegularExpression') return null;
  if (!value.startsWith('/')) return "a path starts with '/'";
  if (value.includes('//')) return "a path cannot contain '//'";
  if (/\/\.{1,2}(?:\/|$)/.test(value)) return "a path cannot contain '/./' or '/../'";
  if (/%2f/i.test(value)) return "a path cannot contain an encoded slash '%2F'";
  if (value.includes('#')) return "a path cannot contain '#'";
  return plainPath.test(value) ? null : "a path holds letters, digits, -._~!$&'()*+,;=:@/ and %XX only; encode the rest";
}

const pathMatch = lazily(() =>
  z
    .strictObject({
      type: z.enum(['Exact', 'PathPrefix', 'RegularExpression']).default('PathPrefix'),
      value: z.string().max(1024).default('/'),
    })
    .check((context) => {
      const message = pathProblem(context.value.type, context.value.value);
      if (message !== null) context.issues.push({ code: 'custom', input: context.value.value, path: ['value'], message });
    }),
);

const match = lazily(() =>
  z.strictObject({
    path: pathMatch().optional(),
    headers: z.array(headerMatch()).max(16).default([]),
    queryParams: z.array(queryMatch()).max(16).default([]),
    method: z.enum(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']).optional(),
  }),
);
export type HttpMatch = z.output<ReturnType<typeof match>>;

const rule = lazily(() =>
  z
    .strictObject({
      name: sectionName().optional(),
      matches: z.array(match()).max(64).optional(),
      filters: z.array(httpFilter()).max(16).default([]),
      backendRefs: z.array(backendRefWith(httpFilter())).max(16).default([]),
      timeouts: z.strictObject({ request: duration().optional(), backendRequest: duration().optional() }).optional(),
      retry: z
        .strictObject({
          codes: z.array(z.int().min(400).max(599)).optional(),
          attempts: z.int().min(0).optional(),
          backoff: duration().optional(),
        })
        .optional(),
      sessionPersistence: sessionPersistence().optional(),
    })
    .check((context) => {
      const { filters, backendRefs, timeouts } = context.value;
      const problem = (path: (string | number)[], message: string, hint?: string): void => {
        context.issues.push({
          code: 'custom',
          input: context.value,
          path,
          message,
          ...(hint === undefined ? {} : { params: issue({ hint }) }),
        });
      };
      for (const found of filterListProblems(filters)) problem(['filters', found.index], found.message);
      for (const [index, backend] of backendRefs.entries())
        for (const found of filterListProblems(backend.filters)) problem(['backendRefs', index, 'filters', found.index], found.message);
      const redirects = filters.findIndex((filter) => filter.type === 'RequestRedirect');
      if (redirects >= 0 && backendRefs.length > 0)
        problem(
          ['filters', redirects],
          'RequestRedirect and backendRefs exclude one another',
          'remove backendRefs from this rule, or the redirect',
        );
      for (const path of prefixReplacements(context.value))
        if (!onePrefix(context.value.matches))
          problem(path, 'ReplacePrefixMatch needs exactly one match, of type PathPrefix', 'split the rule in two');
      const request = timeouts?.request === undefined ? 0 : durationMs(timeouts.request);
      if (request > 0 && timeouts?.backendRequest !== undefined && durationMs(timeouts.backendRequest) > request)
        problem(['timeouts', 'backendRequest'], 'backendRequest must not be longer than request');
    }),
);
export type HttpRule = z.output<ReturnType<typeof rule>>;

function prefixReplacements(value: {
  readonly filters: readonly HttpFilter[];
  readonly backendRefs: readonly { readonly filters: readonly HttpFilter[] }[];
}): (string | number)[][] {
  const found: (string | number)[][] = [];
  const collect = (filters: readonly HttpFilter[], base: (string | number)[]): void => {
    for (const [index, filter] of filters.entries()) {
      if (filter.type === 'RequestRedirect' && filter.requestRedirect.path?.type === 'ReplacePrefixMatch')
        found.push([...base, index, 'requestRedirect', 'path']);
      if (filter.type === 'URLRewrite' && filter.urlRewrite.path?.type === 'ReplacePrefixMatch')
        found.push([...base, index, 'urlRewrite', 'path']);
    }
  };
  collect(value.filters, ['filters']);
  for (const [index, backend] of value.backendRefs.entries()) collect(backend.filters, ['backendRefs', index, 'filters']);
  return found;
}

/** An absent list of matches is one match of the prefix `/`. */
function onePrefix(matches: readonly HttpMatch[] | undefined): boolean {
  if (matches === undefined || matches.length === 0) return true;
  return matches.length === 1 && (matches[0].path?.type ?? 'PathPrefix') === 'PathPrefix';
}

/** Limits over all rules of one route (CRD: 128 matches). */
export const maxMatches = 128;

export const httpRouteKind = defineKind({
  kind: 'HTTPRoute',
  group: gatewayGroup,
  versions: ['v1', 'v1beta1'],
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
export type HttpRoute = z.output<ReturnType<typeof httpRouteKind.schema>>;

/** Rule names are unique, and the matches of all rules together are bounded. */
export function ruleLimits(
  rules: readonly { readonly name?: string | undefined; readonly matches?: readonly unknown[] | undefined }[],
  problem: (path: (string | number)[], message: string) => void,
): void {
  const names = new Set<string>();
  let matches = 0;
  for (const [index, one] of rules.entries()) {
    matches += one.matches?.length ?? 0;
    if (one.name === undefined) continue;
    if (names.has(one.name)) problem(['rules', index, 'name'], `two rules are named '${one.name}'`);
    names.add(one.name);
  }
  if (matches > maxMatches) problem(['rules'], `the rules of one route hold at most ${maxMatches} matches, not ${matches}`);
}
