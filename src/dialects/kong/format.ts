/** The shape of a declarative Kong document: its collections and how they nest. Kong: `kong/db/declarative`. */

export const formatVersions = ['1.1', '2.1', '3.0'] as const;
export type FormatVersion = (typeof formatVersions)[number];

export interface Collection {
  /** Kind of the resources it holds. */
  readonly kind: string;
  /** Key under which entities of this collection know the enclosing one (`service`, `consumer` …). */
  readonly as: string | null;
  /** Fields that hold entities of other collections. */
  readonly nested: Readonly<Record<string, string>>;
}

const credentials = {
  keyauth_credentials: 'keyauth_credentials',
  basicauth_credentials: 'basicauth_credentials',
  hmacauth_credentials: 'hmacauth_credentials',
  jwt_secrets: 'jwt_secrets',
  oauth2_credentials: 'oauth2_credentials',
  acls: 'acls',
} as const;

/** Every top-level array of entities. */
export const collections: Readonly<Record<string, Collection>> = {
  services: { kind: 'Service', as: 'service', nested: { routes: 'routes', plugins: 'plugins', filter_chains: 'filter_chains' } },
  routes: { kind: 'Route', as: 'route', nested: { plugins: 'plugins', filter_chains: 'filter_chains' } },
  upstreams: { kind: 'Upstream', as: 'upstream', nested: { targets: 'targets' } },
  targets: { kind: 'Target', as: null, nested: {} },
  consumers: { kind: 'Consumer', as: 'consumer', nested: { ...credentials, plugins: 'plugins' } },
  plugins: { kind: 'Plugin', as: null, nested: {} },
  certificates: { kind: 'Certificate', as: 'certificate', nested: { snis: 'snis' } },
  snis: { kind: 'SNI', as: null, nested: {} },
  ca_certificates: { kind: 'CACertificate', as: null, nested: {} },
  key_sets: { kind: 'KeySet', as: 'set', nested: { keys: 'keys' } },
  keys: { kind: 'Key', as: null, nested: {} },
  vaults: { kind: 'Vault', as: null, nested: {} },
  filter_chains: { kind: 'FilterChain', as: null, nested: {} },
  keyauth_credentials: { kind: 'KeyAuthCredential', as: null, nested: {} },
  basicauth_credentials: { kind: 'BasicAuthCredential', as: null, nested: {} },
  hmacauth_credentials: { kind: 'HMACAuthCredential', as: null, nested: {} },
  jwt_secrets: { kind: 'JWTSecret', as: null, nested: {} },
  oauth2_credentials: { kind: 'OAuth2Credential', as: 'credential', nested: {} },
  oauth2_tokens: { kind: 'OAuth2Token', as: null, nested: {} },
  oauth2_authorization_codes: { kind: 'OAuth2AuthorizationCode', as: null, nested: {} },
  acls: { kind: 'ACL', as: null, nested: {} },
  acme_storage: { kind: 'ACMEStorage', as: null, nested: {} },
  sessions: { kind: 'Session', as: null, nested: {} },
};

/** Top-level fields that carry no configuration: deck's and Konnect's notes, comments. */
export const notes: ReadonlySet<string> = new Set([
  '_format_version',
  '_transform',
  '_comment',
  '_ignore',
  '_info',
  '_workspace',
  '_konnect',
]);
