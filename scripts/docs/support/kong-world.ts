import { pluginNames, pluginSpec } from '../../../src/dialects/kong/plugins/index.ts';
import {
  consumerSchema,
  pluginSchema,
  routeSchema,
  serviceSchema,
  targetSchema,
  upstreamSchema,
} from '../../../src/dialects/kong/schemas.ts';
import { otherSchema } from '../../../src/dialects/kong/schemas-other.ts';
import type { z } from 'zod';
import type { Part, Subject } from './subject.ts';
import { pemText } from './pem.ts';
import { minimal } from './walk.ts';

type Entities = Readonly<Record<string, readonly object[]>>;

const certificateId = '0b5e1e5a-0000-4000-8000-000000000002';
const authorityId = '0b5e1e5a-0000-4000-8000-000000000003';
const certificate = { id: certificateId, cert: pemText('server.crt'), key: pemText('server.key') };
const sni = { name: 'a.example' };
const authority = { id: authorityId, cert: pemText('ca.crt') };
const service = { name: 's', host: 'up.example' };
const secured = { name: 'secured', protocol: 'https', host: '10.1.1.9', tls_verify: true, ca_certificates: [authorityId] };
const route = { name: 'r', service: { name: 's' }, paths: ['/m'] };
const upstream = { name: 'up.example' };
const target = { target: '10.1.1.1:8000', upstream: { name: 'up.example' } };
const consumer = { username: 'ann' };
const key = { key: 'secret', consumer: { username: 'ann' } };
const auth = { name: 'key-auth' };

const world: Entities = {
  services: [service, secured],
  routes: [route, { name: 'secured', service: { name: 'secured' }, paths: ['/secured'] }],
  certificates: [certificate],
  snis: [{ ...sni, certificate: { id: certificateId } }],
  ca_certificates: [authority],
  upstreams: [upstream],
  targets: [target, { target: '10.1.1.2:8000', upstream: { name: 'up.example' } }],
  consumers: [consumer],
  keyauth_credentials: [key],
  plugins: [auth],
};

/** Notes of the Admin API and deck. */
const header = /^(id|created_at|updated_at|tags\[\])$/;

interface KongKind {
  readonly kind: string;
  readonly collection: string;
  readonly schema: z.core.$ZodType;
  readonly bases: readonly object[];
  readonly values?: Readonly<Record<string, readonly unknown[]>>;
  /** Foreign keys of the entity: outside its schema, put back in each document. */
  readonly foreign?: object;
  readonly whole?: 'pending' | 'refused';
  readonly parts?: readonly Part[];
}

function subject(kind: KongKind): Subject {
  return {
    dialect: 'Kong',
    kind: kind.kind,
    schema: kind.schema,
    bases: kind.bases,
    ...(kind.values === undefined ? {} : { values: kind.values }),
    ...(kind.whole === undefined ? {} : { whole: kind.whole }),
    ...(kind.parts === undefined ? {} : { parts: kind.parts }),
    skip: (field) => header.test(field),
    documents(value) {
      const own = { ...(typeof value === 'object' && value !== null ? value : {}), ...kind.foreign };
      const rest = (world[kind.collection] ?? []).slice(1);
      return [{ _format_version: '3.0', ...world, [kind.collection]: [own, ...rest] }];
    },
  };
}

const noSchema = (kind: string): z.core.$ZodType => {
  const schema = otherSchema(kind);
  if (schema === null) throw new Error(`Kong has no schema for ${kind}`);
  return schema;
};

const core: readonly Subject[] = [
  subject({
    kind: 'Service',
    collection: 'services',
    schema: serviceSchema(),
    bases: [service, { ...service, protocol: 'https', tls_verify: true }],
    values: {
      name: ['s'],
      host: ['up.example', 'else.example'],
      'ca_certificates[]': [authorityId],
      protocol: ['https', 'wss', 'grpc', 'grpcs'],
    },
  }),
  subject({
    kind: 'Route',
    collection: 'routes',
    schema: routeSchema(),
    bases: [
      { name: 'r', paths: ['/m'] },
      { name: 'r', paths: ['~/m[0-9]+'] },
      { name: 'r', paths: ['/m'], protocols: ['https'] },
      { name: 'r', destinations: [{ port: 9000 }], protocols: ['tcp'] },
      { name: 'r', destinations: [{ port: 9000 }], protocols: ['tls'], snis: ['a.example'] },
    ],
    foreign: { service: { name: 's' } },
    values: { 'protocols[]': ['http', 'https', 'grpc', 'tcp', 'tls', 'udp', 'tls_passthrough', 'ws'] },
  }),
  subject({
    kind: 'Upstream',
    collection: 'upstreams',
    schema: upstreamSchema(),
    bases: [upstream],
    parts: [
      { prefix: 'healthchecks.active', state: 'pending', base: { ...upstream, healthchecks: { active: { healthy: { interval: 5 } } } } },
      {
        prefix: 'healthchecks.passive',
        state: 'pending',
        base: { ...upstream, healthchecks: { passive: { unhealthy: { http_failures: 3 } } } },
      },
    ],
    values: { name: ['up.example'] },
  }),
  subject({
    kind: 'Target',
    collection: 'targets',
    schema: targetSchema(),
    bases: [{ target: '10.1.1.1:8000' }],
    foreign: { upstream: { name: 'up.example' } },
    values: { target: ['10.1.1.9:9000'] },
  }),
  subject({ kind: 'Consumer', collection: 'consumers', schema: consumerSchema(), bases: [consumer], values: { username: ['ann', 'bob'] } }),
  subject({
    kind: 'KeyAuthCredential',
    collection: 'keyauth_credentials',
    schema: noSchema('KeyAuthCredential'),
    bases: [{ key: 'secret' }],
    foreign: { consumer: { username: 'ann' } },
  }),
  subject({
    kind: 'Certificate',
    collection: 'certificates',
    schema: noSchema('Certificate'),
    bases: [certificate, { ...certificate, cert_alt: pemText('rsa.crt'), key_alt: pemText('rsa.key') }],
  }),
  subject({
    kind: 'SNI',
    collection: 'snis',
    schema: noSchema('SNI'),
    bases: [sni],
    foreign: { certificate: { id: certificateId } },
  }),
  subject({ kind: 'CACertificate', collection: 'ca_certificates', schema: noSchema('CACertificate'), bases: [authority] }),
  subject({
    kind: 'Plugin',
    collection: 'plugins',
    schema: pluginSchema(),
    bases: [auth, { ...auth, config: {} }],
    values: { name: ['key-auth', 'rate-limiting'] },
  }),
];

const credentials: readonly (readonly [string, string, object, object])[] = [
  ['BasicAuthCredential', 'basicauth_credentials', { username: 'a', password: 'b' }, { consumer: { username: 'ann' } }],
  ['HMACAuthCredential', 'hmacauth_credentials', { username: 'a' }, { consumer: { username: 'ann' } }],
  ['JWTSecret', 'jwt_secrets', { key: 'a', secret: 'b' }, { consumer: { username: 'ann' } }],
  ['OAuth2Credential', 'oauth2_credentials', { name: 'a' }, { consumer: { username: 'ann' } }],
  ['KeySet', 'key_sets', { name: 'a' }, {}],
];

/** Values that a plugin's configuration must have. */
const required: Readonly<Record<string, object>> = {
  acl: { allow: ['a'] },
  acme: { account_email: 'a@b.example', tos_accepted: true },
  'ai-prompt-guard': { allow_patterns: ['a'] },
  'ip-restriction': { allow: ['10.0.0.0/8'] },
  oauth2: { enable_client_credentials: true },
  'response-ratelimiting': { limits: { video: { minute: 1 } } },
};

/** Plugins that run are probed field by field; of the others, what happens to a whole one. */
interface Running {
  readonly bases: readonly object[];
  readonly values?: Readonly<Record<string, readonly unknown[]>>;
  readonly parts?: readonly Part[];
}

const redis = { minute: 5, policy: 'redis', redis: { host: 'r.example' } };
const running: Readonly<Record<string, Running>> = {
  redirect: { bases: [{ location: 'http://b.example/x' }] },
  'request-termination': { bases: [{}, { body: 'x', content_type: 'text/plain' }, { message: 'x' }] },
  'request-transformer': { bases: [{}, { add: { headers: ['a:b'] } }] },
  'response-transformer': {
    bases: [{}],
    parts: ['add', 'append', 'replace'].map((verb) => ({ prefix: `${verb}.json`, state: 'pending', base: { [verb]: { json: ['a:1'] } } })),
  },
  'key-auth': { bases: [{}], values: { anonymous: ['ann'] } },
  'rate-limiting': {
    bases: [{ minute: 5 }, { minute: 5, limit_by: 'header', header_name: 'x-a' }, { minute: 5, limit_by: 'path', path: '/a' }, redis],
    parts: ['redis', 'sync_rate', 'fault_tolerant'].map((prefix) => ({ prefix, state: 'reported', base: redis })),
    values: { limit_by: ['consumer', 'credential', 'ip', 'service', 'header', 'path'] },
  },
};

function pluginSubject(name: string): Subject {
  const config = pluginSpec(name)?.config();
  if (config === undefined) throw new Error(`Kong has no plugin ${name}`);
  const known = running[name];
  const documents = (value: unknown): readonly object[] => [{ _format_version: '3.0', ...world, plugins: [{ name, config: value }] }];
  const whole = pluginSpec(name)?.restricts === true ? 'refused' : 'pending';
  const start: unknown = required[name] ?? minimal(config);
  return {
    dialect: 'Kong plugin',
    kind: name,
    schema: config,
    documents,
    bases: known?.bases ?? [typeof start === 'object' && start !== null ? start : {}],
    ...(known?.values === undefined ? {} : { values: known.values }),
    ...(known?.parts === undefined ? {} : { parts: known.parts }),
    ...(known === undefined ? { whole } : {}),
  };
}

export const kongSubjects: readonly Subject[] = [
  ...core,
  ...credentials.map(([kind, collection, base, foreign]) =>
    subject({ kind, collection, schema: noSchema(kind), bases: [base], foreign, whole: 'pending' }),
  ),
  ...pluginNames().toSorted().map(pluginSubject),
];
