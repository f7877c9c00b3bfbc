import { err, ok, type Result } from '../base/result.ts';
import type { Caller } from '../decide/request.ts';
import type { Resource } from './dialect.ts';

/**
 * A mesh workload by its SPIFFE id (`spiffe://trust-domain/ns/NAMESPACE/sa/ACCOUNT`). Its labels are those that every
 * Pod and WorkloadEntry of that service account in the configuration has; none when there is no such workload.
 */
export function callerOf(principal: string, resources: readonly Resource[]): Result<Caller, string> {
  const parts = /^spiffe:\/\/[^/]+\/ns\/([^/]+)\/sa\/([^/]+)$/.exec(principal);
  if (parts === null) return err(`'${principal}' is not of the form spiffe://TRUST-DOMAIN/ns/NAMESPACE/sa/ACCOUNT`);
  const [, namespace = '', account = ''] = parts;
  const found: Readonly<Record<string, string>>[] = [];
  for (const resource of resources) {
    if (resource.broken || (resource.namespace ?? 'default') !== namespace) continue;
    const labels = labelsOf(resource, account);
    if (labels !== null) found.push(labels);
  }
  const [first, ...others] = found;
  const common = Object.entries(first ?? {}).filter(([key, value]) => others.every((labels) => labels[key] === value));
  return ok({ principal, namespace, labels: Object.fromEntries(common) });
}

function labelsOf(resource: Resource, account: string): Readonly<Record<string, string>> | null {
  const spec = field(resource.value, 'spec');
  if (resource.kind === 'Pod' && (field(spec, 'serviceAccountName') ?? 'default') === account)
    return texts(field(field(resource.value, 'metadata'), 'labels'));
  if (resource.kind === 'WorkloadEntry' && (field(spec, 'serviceAccount') ?? 'default') === account) return texts(field(spec, 'labels'));
  return null;
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined;
}

function texts(value: unknown): Readonly<Record<string, string>> {
  if (typeof value !== 'object' || value === null) return {};
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, text]): [string, string][] => (typeof text === 'string' ? [[key, text]] : [])),
  );
}
