/** ExtensionRef: filters that a weir.dev Policy of the route's namespace names. */
import { extensionFilters } from '../weir/policy.ts';
import type { Context } from './context.ts';
import type { ResolveExtension } from './filters.ts';

export function resolveExtensions(context: Context): ResolveExtension {
  const { resources } = context.input;
  return (group, kind, namespace, name, user) => extensionFilters(resources, group, kind, namespace, name, user);
}
