/** Which instance of each plugin runs for a route, and for which consumers (Kong: plugin precedence). */

/** Ids of the entities that a plugin is configured for; null: any. */
export interface Scope {
  readonly route: string | null;
  readonly service: string | null;
  readonly consumer: string | null;
}

export interface Winner<Instance> {
  readonly instance: Instance;
  /** Consumer id; null: every other consumer, and requests without one. */
  readonly consumer: string | null;
}

interface PluginScopes<Instance> {
  readonly byScope: Map<string, Instance>;
  readonly routes: Set<string>;
  readonly services: Set<string>;
  readonly consumers: Set<string>;
  readonly cache: Map<string, readonly Winner<Instance>[]>;
}

/** Instances of all plugins. Routes that no instance names share one answer. */
export class PluginTable<Instance> {
  readonly #plugins = new Map<string, PluginScopes<Instance>>();

  /** False when the plugin has an instance of this scope already. */
  add(name: string, scope: Scope, instance: Instance): boolean {
    let plugin = this.#plugins.get(name);
    if (plugin === undefined) {
      plugin = { byScope: new Map(), routes: new Set(), services: new Set(), consumers: new Set(), cache: new Map() };
      this.#plugins.set(name, plugin);
    }
    const key = scopeKey(scope.route, scope.service, scope.consumer);
    if (plugin.byScope.has(key)) return false;
    plugin.byScope.set(key, instance);
    if (scope.route !== null) plugin.routes.add(scope.route);
    if (scope.service !== null) plugin.services.add(scope.service);
    if (scope.consumer !== null) plugin.consumers.add(scope.consumer);
    return true;
  }

  /** One list of winners for each plugin that has any. */
  winners(route: string, service: string | null): readonly (readonly Winner<Instance>[])[] {
    const found: (readonly Winner<Instance>[])[] = [];
    for (const plugin of this.#plugins.values()) {
      const namedRoute = plugin.routes.has(route) ? route : null;
      const namedService = service !== null && plugin.services.has(service) ? service : null;
      const key = `${namedRoute ?? ''} ${namedService ?? ''}`;
      let winners = plugin.cache.get(key);
      if (winners === undefined) {
        winners = compute(plugin, namedRoute, namedService);
        plugin.cache.set(key, winners);
      }
      if (winners.length > 0) found.push(winners);
    }
    return found;
  }
}

function scopeKey(route: string | null, service: string | null, consumer: string | null): string {
  return `${route ?? ''}|${service ?? ''}|${consumer ?? ''}`;
}

/**
 * Most specific first: route+service+consumer, route+consumer, service+consumer, route+service, consumer, route,
 * service, everything.
 */
function compute<Instance>(plugin: PluginScopes<Instance>, route: string | null, service: string | null): readonly Winner<Instance>[] {
  const at = (r: string | null, s: string | null, c: string | null): Instance | undefined => plugin.byScope.get(scopeKey(r, s, c));
  const both = route !== null && service !== null ? at(route, service, null) : undefined;
  const anyone =
    both ??
    (route === null ? undefined : at(route, null, null)) ??
    (service === null ? undefined : at(null, service, null)) ??
    at(null, null, null);
  const winners: Winner<Instance>[] = [];
  for (const consumer of plugin.consumers) {
    const narrow =
      (route !== null && service !== null ? at(route, service, consumer) : undefined) ??
      (route === null ? undefined : at(route, null, consumer)) ??
      (service === null ? undefined : at(null, service, consumer)) ??
      (both === undefined ? at(null, null, consumer) : undefined);
    if (narrow !== undefined) winners.push({ instance: narrow, consumer });
  }
  if (anyone !== undefined) winners.push({ instance: anyone, consumer: null });
  return winners;
}
