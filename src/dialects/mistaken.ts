/** A policy whose header has a slip of the pen is no document of any dialect. It must not leave open what it was to guard. */
import { nearest } from '../base/text.ts';
import type { DialectName } from '../model/origin.ts';
import { isRecord } from './check.ts';
import type { LocatedDocument } from './dialect.ts';

interface Guard {
  readonly dialect: DialectName;
  readonly group: string;
  readonly version: string;
}

/** Kinds whose absence would open something. */
const guards: Readonly<Record<string, Guard>> = {
  AuthorizationPolicy: { dialect: 'istio', group: 'security.istio.io', version: 'v1' },
  RequestAuthentication: { dialect: 'istio', group: 'security.istio.io', version: 'v1' },
  PeerAuthentication: { dialect: 'istio', group: 'security.istio.io', version: 'v1' },
  DestinationRule: { dialect: 'istio', group: 'networking.istio.io', version: 'v1' },
  BackendTLSPolicy: { dialect: 'gateway-api', group: 'gateway.networking.k8s.io', version: 'v1' },
  Policy: { dialect: 'weir', group: 'weir.dev', version: 'v1' },
};

export interface Mistaken {
  readonly dialect: DialectName;
  /** With the header that was most likely meant. What is read from it is broken: nothing of it may run. */
  readonly document: LocatedDocument;
}

/** What a document that no dialect takes would have guarded; null when it does not look like a policy. */
export function mistakenPolicy(document: LocatedDocument): Mistaken | null {
  const { value } = document;
  if (!isRecord(value)) return null;
  if (Array.isArray(value.plugins) || Array.isArray(value.filter_chains))
    return { dialect: 'kong', document: { ...document, value: { ...value, _format_version: '3.0' } } };
  // `apiVersion:x` without its space swallows the next key.
  const written = value.kind ?? Object.entries(value).find(([key]) => key.endsWith(' kind'))?.[1];
  const kind = typeof written === 'string' ? nearest(written, Object.keys(guards)) : kindOfSpec(value.spec);
  if (kind === null) return null;
  const { dialect, group, version } = guards[kind];
  if (!meansGroup(value, group)) return null;
  return { dialect, document: { ...document, value: { ...value, apiVersion: `${group}/${version}`, kind } } };
}

/** Without an apiVersion the body must look like the policy: other programs have kinds of these names. */
function meansGroup({ apiVersion, spec }: Readonly<Record<string, unknown>>, group: string): boolean {
  if (typeof apiVersion !== 'string') return group !== 'weir.dev' || kindOfSpec(spec) === 'Policy';
  const slash = apiVersion.indexOf('/');
  const written = slash < 0 ? apiVersion : apiVersion.slice(0, slash);
  return nearest(written, [group]) !== null || (group.endsWith('.istio.io') && written.endsWith('.istio.io'));
}

/** Only Weir's own policies have both of these. */
function kindOfSpec(spec: unknown): string | null {
  return isRecord(spec) && spec.filters !== undefined && spec.targetRefs !== undefined ? 'Policy' : null;
}
