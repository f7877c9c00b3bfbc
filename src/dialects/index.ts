import type { DialectName } from '../model/origin.ts';
import type { Dialect, LocatedDocument } from './dialect.ts';

type Loader = () => Promise<Dialect>;

/**
 * The only list of dialects, in the order in which they translate and finish. Each is loaded when a document of its
 * kind occurs: a file of one dialect does not pay for the start of the others.
 */
export const dialects: readonly { readonly name: DialectName; readonly load: Loader }[] = [
  { name: 'istio', load: async () => (await import('./istio/index.ts')).istio },
  { name: 'gateway-api', load: async () => (await import('./gateway-api/index.ts')).gatewayApi },
  { name: 'kubernetes', load: async () => (await import('./kubernetes/index.ts')).kubernetes },
  { name: 'kong', load: async () => (await import('./kong/index.ts')).kong },
  { name: 'weir', load: async () => (await import('./weir/index.ts')).weir },
];

/** Which dialect a document's header names, without loading it; null when none does. */
export function dialectOf(document: LocatedDocument): DialectName | null {
  const { value } = document;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  if (Object.hasOwn(value, '_format_version')) return 'kong';
  const apiVersion: unknown = Reflect.get(value, 'apiVersion');
  if (typeof apiVersion !== 'string') return null;
  const group = apiVersion.includes('/') ? apiVersion.slice(0, apiVersion.indexOf('/')) : '';
  if (group === 'weir.dev') return 'weir';
  if (group.endsWith('.istio.io')) return 'istio';
  if (group === 'gateway.networking.k8s.io' || group === 'gateway.networking.x-k8s.io') return 'gateway-api';
  if (group === '' || group.endsWith('.k8s.io') || group === 'apps' || group === 'batch') return 'kubernetes';
  return null;
}
