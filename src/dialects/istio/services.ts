import type { Resource } from '../dialect.ts';
import type { ServiceDefinition } from '../services.ts';

export function istioServices(_resources: readonly Resource[]): readonly ServiceDefinition[] {
  return [];
}
