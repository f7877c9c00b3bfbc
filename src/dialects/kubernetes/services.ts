import type { Resource } from '../dialect.ts';
import type { ServiceDefinition } from '../services.ts';

export function kubernetesServices(_resources: readonly Resource[]): readonly ServiceDefinition[] {
  return [];
}
