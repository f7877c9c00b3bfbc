/** ExtensionRef: filters that a weir.dev Policy of the route's namespace names. */
import type { Context } from './context.ts';
import type { ResolveExtension } from './filters.ts';

export function resolveExtensions(_context: Context): ResolveExtension {
  return () => null;
}
