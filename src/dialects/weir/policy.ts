import { filters } from '../../filters/index.ts';
import { diagnose, type MessageCode } from '../../analysis/messages.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import type { FilterConfig } from '../../model/filter.ts';
import type { Condition, ResourceStatus, Snapshot } from '../../model/snapshot.ts';
import { check, isRecord } from '../check.ts';
import type { Path, Resource, TranslateInput } from '../dialect.ts';
import { attach, type Attachment } from './attach.ts';
import { filterKey, type Policy, policyKind, targetRefSchema, type TargetRef } from './kinds.ts';
import { closeLayer4, type Layer4Attachment } from './layer4.ts';
import { level, type Selection, Targets } from './targets.ts';

export interface Applied {
  readonly snapshot: Snapshot;
  readonly diagnostics: readonly Diagnostic[];
}

const nameOfKey: ReadonlyMap<string, string> = new Map(filters.map((filter) => [filterKey(filter.name), filter.name]));

/** Filters without which nobody gets further than with them. */
const harmless: ReadonlySet<string> = new Set(['header-modifier']);

/** Name of the stand-in that closes the scope of a broken Policy. */
const closed = 'policy';

/** Attaches every Policy to the joined snapshot of all dialects. */
export function applyPolicies(snapshot: Snapshot, input: TranslateInput): Applied {
  const policies = input.resources.filter((resource) => resource.dialect === 'weir' && resource.kind === 'Policy');
  if (policies.length === 0) return { snapshot, diagnostics: [] };
  const targets = new Targets(snapshot, input.resources);
  const diagnostics: Diagnostic[] = [];
  const attachments: Attachment[] = [];
  const layer4: Layer4Attachment[] = [];
  const problems = new Map<Resource, Condition>();
  const lost = (policy: Resource, reason: string, code: MessageCode, path: Path, message: string, hint?: string): void => {
    if (!problems.has(policy)) problems.set(policy, { type: 'Accepted', status: 'False', reason, message });
    diagnostics.push(report(policy, code, path, message, hint));
  };
  for (const policy of policies.toSorted((a, b) => createdAt(a) - createdAt(b))) {
    const value = policyKind.of(policy);
    if (value === null) {
      const { scope, told } = closedScope(policy, targets);
      const filter = closingFilter(policy);
      for (const selection of scope) {
        attachments.push({ selection, filter, replaceable: false, target: '', owner: policy.key, lost: () => undefined });
        layer4.push({ holds: selection.chains, reason: filter.blocked?.reason ?? '', closed: () => undefined });
      }
      diagnostics.push(report(policy, 'WR0503', [], `Policy ${policy.name} is broken: ${told} 503`, 'mend the errors of this Policy'));
      continue;
    }
    for (const [index, ref] of (value.spec.targetRefs ?? []).entries()) {
      const path = ['spec', 'targetRefs', index];
      const found = targets.find(ref, policy.namespace ?? 'default');
      if ('problem' in found) {
        const closes = found.scope === undefined ? '' : `; all of ${ref.kind} ${ref.name} answers 503`;
        lost(policy, 'TargetNotFound', 'WR0501', path, `TargetNotFound: ${found.problem}${closes}`, hintFor(ref, targets, policy));
        // The part that was to be guarded is somewhere in there.
        if (found.scope !== undefined) {
          const filter = closingFilter(policy, `names a section of ${ref.kind} ${ref.name} that does not exist`);
          attachments.push({ selection: found.scope, filter, replaceable: false, target: '', owner: policy.key, lost: () => undefined });
          layer4.push({ holds: found.scope.chains, reason: filter.blocked?.reason ?? '', closed: () => undefined });
        }
        continue;
      }
      const told = new Set<FilterConfig>();
      const target = targetKey(ref, policy);
      for (const filter of filterConfigs(policy, value, target)) {
        if (spreads(filter, found, snapshot))
          diagnostics.push(
            report(
              policy,
              'WR0507',
              path,
              `${filter.name} runs for every request of the routes that lead to ${ref.kind} ${ref.name}, their other destinations included`,
            ),
          );
        if (!harmless.has(filter.name))
          layer4.push({
            holds: found.chains,
            reason: `${filter.name} of Policy ${policy.namespace ?? ''}/${policy.name} acts on requests alone`,
            closed: () => {
              const message = `${filter.name} acts on requests; connections that ${ref.kind} ${ref.name} only forwards are closed`;
              diagnostics.push(report(policy, 'WR0109', path, message, 'name a target that carries HTTP alone'));
            },
          });
        attachments.push({
          selection: found,
          filter,
          replaceable: true,
          target,
          owner: policy.key,
          lost: (to) => {
            if (told.has(to)) return;
            told.add(to);
            const other = to.origin;
            lost(
              policy,
              'Conflicted',
              'WR0502',
              path,
              `Conflicted: Policy ${other.namespace ?? ''}/${other.name} (${other.file}:${other.line}) already brings ${filter.name} to the same target`,
              'remove one of the two, or name a narrower target',
            );
          },
        });
      }
    }
  }
  const attached = closeLayer4(attach(snapshot, attachments), layer4);
  const status = policies.map((policy) => statusOf(policy, problems.get(policy)));
  return { snapshot: { ...attached, status: [...attached.status, ...status] }, diagnostics };
}

/**
 * Filters of the Policy that a route names by ExtensionRef (Gateway API); null when it is no sound `weir.dev` Policy of
 * that namespace, and the rule must then fail. `user` names the place that refers to it: each has its own counters.
 */
export function extensionFilters(
  resources: readonly Resource[],
  group: string,
  kind: string,
  namespace: string,
  name: string,
  user: string,
): readonly FilterConfig[] | null {
  if (group !== 'weir.dev' || kind !== 'Policy') return null;
  const policy = resources.find((one) => one.dialect === 'weir' && one.kind === kind && one.namespace === namespace && one.name === name);
  const value = policy === undefined ? null : policyKind.of(policy);
  return policy === undefined || value === null ? null : filterConfigs(policy, value, user);
}

function filterConfigs(policy: Resource, { spec }: Policy, target: string): readonly FilterConfig[] {
  return spec.filters.flatMap((entry, index) =>
    Object.entries(entry).flatMap(([key, config]) => {
      const name = nameOfKey.get(key);
      if (name === undefined) return [];
      const origin = { ...policy.origin, ...policy.document.locate([...policy.path, 'spec', 'filters', index]) };
      return [{ name, config, origin, stateKey: `weir/Policy/${policy.namespace ?? ''}/${policy.name}/${name}/${target}` }];
    }),
  );
}

function hintFor(ref: TargetRef, targets: Targets, policy: Resource): string {
  const names = targets.namesLike(ref, policy.namespace ?? 'default');
  return names.length === 0 ? 'check kind, name, namespace and sectionName' : `there are: ${names.join(', ')}`;
}

function closingFilter(policy: Resource, why = 'is broken and has no earlier version'): FilterConfig {
  const reason = `Policy ${policy.namespace ?? ''}/${policy.name} ${why}`;
  return {
    name: closed,
    config: {},
    origin: policy.origin,
    stateKey: `weir/Policy/${policy.namespace ?? ''}/${policy.name}/${closed}`,
    blocked: { status: 503, reason },
  };
}

/** What a broken Policy would have protected: its targets as far as they can be read, else its namespace. */
function closedScope(policy: Resource, targets: Targets): { readonly scope: readonly Selection[]; readonly told: string } {
  const namespace = policy.namespace ?? 'default';
  const spec: unknown = isRecord(policy.value) ? policy.value.spec : null;
  const refs: unknown = isRecord(spec) ? spec.targetRefs : null;
  const readable = Array.isArray(refs)
    ? refs.map((ref: unknown) => check(targetRefSchema(), ref, policy.document, policy.path, null).value)
    : [];
  const found = readable.map((ref) => (ref === null ? null : targets.find(ref, namespace)));
  const scope = found.map((one) => (one === null || 'problem' in one ? null : one));
  const complete = scope.filter((one) => one !== null);
  if (complete.length > 0 && complete.length === scope.length) return { scope: complete, told: 'what it names in targetRefs answers' };
  const everything: Selection = {
    level: level.match,
    routes: targets.namespaceRoutes(namespace),
    entry: null,
    clusters: null,
    chains: targets.namespaceChains(namespace),
  };
  return { scope: [...complete, everything], told: `its targets cannot be read, so the routes of namespace '${namespace}' answer` };
}

/** True: a filter meant for one service is decided before it is known which of several is chosen. */
function spreads(filter: FilterConfig, { level: narrow, clusters, routes }: Selection, snapshot: Snapshot): boolean {
  if (narrow !== level.service || clusters === null || clusters.size === 0 || filter.name === 'header-modifier') return false;
  return routes.some((index) => {
    const { action } = snapshot.routes[index];
    return action.kind === 'forward' && action.destinations.some(({ cluster }) => cluster !== null && !clusters.has(cluster));
  });
}

function targetKey(ref: TargetRef, policy: Resource): string {
  // Kong's routes have no namespace: whoever names one means the same.
  const namespace = ref.kind === 'Route' ? '' : (ref.namespace ?? policy.namespace ?? '');
  return [ref.kind, namespace, ref.name, ref.sectionName ?? ''].join('/');
}

/** Older Policies win. Without a time a Policy keeps its place in the files. */
function createdAt(policy: Resource): number {
  const metadata: unknown = isRecord(policy.value) ? policy.value.metadata : null;
  const time = isRecord(metadata) && typeof metadata.creationTimestamp === 'string' ? Date.parse(metadata.creationTimestamp) : Number.NaN;
  return Number.isNaN(time) ? Number.MAX_SAFE_INTEGER : time;
}

function report(policy: Resource, code: MessageCode, path: Path, message: string, hint?: string): Diagnostic {
  const { kind, namespace, name, document } = policy;
  return diagnose(
    code,
    { file: document.file, ...document.locate([...policy.path, ...path]) },
    { kind, namespace, name },
    message,
    hint === undefined ? {} : { hint },
  );
}

function statusOf(policy: Resource, problem: Condition | undefined): ResourceStatus {
  const { kind, namespace, name, origin, broken } = policy;
  const invalid: Condition = { type: 'Accepted', status: 'False', reason: 'Invalid', message: 'The Policy has errors.' };
  const accepted: Condition = { type: 'Accepted', status: 'True', reason: 'Accepted', message: '' };
  return {
    kind,
    namespace,
    name,
    origin,
    quarantined: broken,
    conditions: [broken ? invalid : (problem ?? accepted)],
    listeners: [],
    parents: [],
  };
}
