/** TLSRoute, TCPRoute and UDPRoute: connections and datagrams to backends by weight. */
import type { L4Destination, L4Forward } from '../../model/chain.ts';
import type { Resource } from '../dialect.ts';
import { describe, resolveBackend, withClientCertificate, withoutTls, type RefProblem } from './backends.ts';
import { originAt, report, type Context } from './context.ts';
import type { L4Rule } from './schema/others.ts';

export type L4Kind = 'TLSRoute' | 'TCPRoute' | 'UDPRoute';

export interface CompiledL4 {
  readonly forward: L4Forward;
  readonly problems: readonly RefProblem[];
}

/** Envoy's defaults for connections and UDP sessions, ms. */
const tcpIdleMs = 3_600_000;
const udpIdleMs = 60_000;

/** Nothing tells two rules of one route apart: the first takes every connection. */
export function compileL4(context: Context, resource: Resource, kind: L4Kind, rules: readonly L4Rule[]): CompiledL4 {
  const problems: RefProblem[] = [];
  const destinations: L4Destination[] = [];
  const [rule] = rules;
  for (const index of rules.keys())
    if (index > 0)
      report(
        context,
        'WR0328',
        resource,
        ['spec', 'rules', index],
        `rule ${index} is never reached: rule 0 of this ${kind} takes every connection`,
        'put its backendRefs into the first rule, with weights, or make it a route of its own',
      );
  for (const [index, ref] of (rule?.backendRefs ?? []).entries()) {
    const path = ['spec', 'rules', 0, 'backendRefs', index];
    const found = resolveBackend(context, resource, ref, path, kind === 'UDPRoute' ? 'udp' : 'tcp');
    const written = { ...describe(resource, ref), subset: null };
    if ('reason' in found) {
      problems.push(found);
      destinations.push({ ...written, cluster: null, invalidReason: found.message });
      continue;
    }
    context.clusters.set(found.name, found);
    destinations.push({ ...written, cluster: found.name });
  }
  if (destinations.every(({ weight }) => weight === 0))
    report(
      context,
      'WR0314',
      resource,
      ['spec', 'rules', 0, 'backendRefs'],
      `every backend has weight 0: what comes to this ${kind} is closed`,
    );
  return {
    problems,
    forward: {
      route: `${resource.namespace ?? 'default'}/${resource.name}/${rule?.name ?? 0}`,
      destinations,
      idleTimeoutMs: kind === 'UDPRoute' ? udpIdleMs : tcpIdleMs,
      maxConnections: 0,
      origin: originAt(resource, ['spec', 'rules', 0]),
      pending: [],
    },
  };
}

/** The route as one listener carries it: bytes that pass through are TLS already, others may need the Gateway's certificate. */
export function forwardOn(
  context: Context,
  { forward }: CompiledL4,
  listener: { readonly passthrough: boolean; readonly gateway: string; readonly certificate: string | null },
): L4Forward {
  const { certificate, gateway } = listener;
  const place = (cluster: string): string =>
    listener.passthrough
      ? withoutTls(context, cluster)
      : certificate === null
        ? cluster
        : withClientCertificate(context, cluster, gateway, certificate);
  return {
    ...forward,
    destinations: forward.destinations.map((one) => (one.cluster === null ? one : { ...one, cluster: place(one.cluster) })),
  };
}
