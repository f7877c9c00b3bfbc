import type { Resource } from '../dialect.ts';
import type { ServiceDefinition } from '../services.ts';

export function kongUpstreamServices(_resources: readonly Resource[]): readonly ServiceDefinition[] {
  return [];
}
