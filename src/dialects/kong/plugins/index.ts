/** The open-source plugins of Kong 3.9 (reference: Kong plugin hub), by name. */
import { nearest } from '../../../base/text.ts';
import { aiPlugins } from './ai.ts';
import { authPlugins } from './auth.ts';
import type { PluginFamily, PluginSpec } from './fields.ts';
import { loggingPlugins } from './logging.ts';
import { observePlugins } from './observe.ts';
import { securityPlugins } from './security.ts';
import { serverlessPlugins } from './serverless.ts';
import { trafficPlugins } from './traffic.ts';
import { transformPlugins } from './transform.ts';

const plugins: PluginFamily = {
  ...authPlugins,
  ...securityPlugins,
  ...trafficPlugins,
  ...transformPlugins,
  ...loggingPlugins,
  ...observePlugins,
  ...serverlessPlugins,
  ...aiPlugins,
};

/** Null: no open-source plugin of that name. */
export function pluginSpec(name: string): PluginSpec | null {
  return Object.hasOwn(plugins, name) ? plugins[name] : null;
}

export function pluginNames(): readonly string[] {
  return Object.keys(plugins);
}

/** True when the plugin keeps requests out; one that is not known may. */
export function restricts(name: string): boolean {
  return pluginSpec(name)?.restricts ?? true;
}

const enterprise: ReadonlySet<string> = new Set([
  'canary',
  'degraphql',
  'exit-transformer',
  'forward-proxy',
  'graphql-proxy-cache-advanced',
  'graphql-rate-limiting-advanced',
  'header-cert-auth',
  'jq',
  'json-threat-protection',
  'jwe-decrypt',
  'jwt-signer',
  'kafka-log',
  'kafka-upstream',
  'key-auth-enc',
  'ldap-auth-advanced',
  'mocking',
  'mtls-auth',
  'oas-validation',
  'oauth2-introspection',
  'opa',
  'openid-connect',
  'proxy-cache-advanced',
  'rate-limiting-advanced',
  'request-transformer-advanced',
  'request-validator',
  'response-transformer-advanced',
  'route-by-header',
  'route-transformer-advanced',
  'saml',
  'service-protection',
  'statsd-advanced',
  'tls-handshake-modifier',
  'tls-metadata-headers',
  'upstream-oauth',
  'upstream-timeout',
  'vault-auth',
  'websocket-size-limit',
  'websocket-validator',
  'xml-threat-protection',
  'ai-proxy-advanced',
  'ai-semantic-cache',
  'ai-semantic-prompt-guard',
  'ai-rate-limiting-advanced',
  'ai-azure-content-safety',
]);

/** What to tell about a name that is not among the open-source plugins. */
export function unknownPluginHint(name: string): string {
  const near = nearest(name, pluginNames());
  if (near !== null && !enterprise.has(name)) return `did you mean '${near}'? Set enabled: false where it is not needed`;
  return enterprise.has(name) ? 'it is an Enterprise plugin of Kong; remove it or set enabled: false' : 'remove it or set enabled: false';
}
