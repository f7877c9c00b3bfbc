/** Kong entities → model: one listener on 8000 with one virtual host, whose matches stand in Kong's order. */
import { isIP } from 'node:net';
import { defaultLimits, edgeCanonicalisation, type Listener } from '../../model/listener.ts';
import type { Cluster } from '../../model/cluster.ts';
import type { FilterConfig } from '../../model/filter.ts';
import type { PendingField, RouteAction } from '../../model/route.ts';
import { emptyFragment, type Condition, type ResourceStatus } from '../../model/snapshot.ts';
import type { TranslateInput, Translation } from '../dialect.ts';
import { buildServiceIndex } from '../services.ts';
import { reportUpstreams, serviceCluster, type ClusterContext } from './clusters.ts';
import { translateConsumers } from './consumers.ts';
import { Directory } from './directory.ts';
import { pluginEffect, type Effect } from './effects.ts';
import type { Located } from './entity.ts';
import { pluginSpec } from './plugins/index.ts';
import { Report } from './report.ts';
import { placeRoute, rankEntries, type PlacedRoute, type RouteParts } from './routes.ts';
import { routeSchema, serviceSchema, pluginSchema } from './schemas.ts';
import { PluginTable } from './scope.ts';
import { kongUpstreamServices } from './services.ts';

/** Kong's `proxy_listen` for plain text. */
const proxyPort = 8000;

export function translate(input: TranslateInput): Translation {
  const resources = input.resources.filter((resource) => resource.dialect === 'kong');
  if (resources.length === 0) return { fragment: emptyFragment, diagnostics: [] };
  const directory = new Directory(resources);
  const report = new Report();
  report.diagnostics.push(...directory.dangling());
  const clusters: ClusterContext = {
    directory,
    services: buildServiceIndex(input.resources),
    upstreamsByHost: new Map(directory.all('Upstream').map((one) => [one.entity.label?.toLowerCase() ?? one.resource.key, one])),
    targets: new Map(kongUpstreamServices(resources).map((one) => [one.host, one])),
    report,
    upstreams: new Map(),
  };
  reportUpstreams(clusters);
  const services = translateServices(clusters);
  const plugins = translatePlugins(directory, report);
  const placed: PlacedRoute[] = [];
  const served = new Set<string>();
  for (const located of directory.all('Route')) {
    const parsed = located.entity.fields === null ? null : routeSchema().safeParse(located.entity.fields);
    if (parsed === null || !parsed.success || directory.leadsNowhere(located)) continue;
    const reference = located.entity.refs.service;
    const owner = reference === undefined ? null : directory.find('Service', reference);
    const service = owner === null ? null : (services.get(owner.entity.id) ?? null);
    // A disabled service takes its routes along (Kong); so does a broken one that never was sound.
    if (owner !== null && service === null) continue;
    const contributed = plugins(located.entity.id, owner?.entity.id ?? null);
    const route = placeRoute(located, parsed.data, { service: service?.parts ?? null, ...contributed }, report);
    if (route === null) continue;
    placed.push(route);
    served.add(located.resource.key);
  }
  for (const { resource, entity } of directory.all('Service')) if (services.has(entity.id)) served.add(resource.key);
  const used = new Set(
    placed.flatMap(({ route }) => (route.action.kind === 'forward' ? route.action.destinations.map((one) => one.cluster) : [])),
  );
  const consumers = translateConsumers(directory, report);
  reportUnused(directory, report);
  const first = resources.find((resource) => resource.kind === 'Route') ?? resources[0];
  const listener: Listener = {
    name: `${isIP(input.options.bind) === 6 ? `[${input.options.bind}]` : input.options.bind}:${proxyPort}`,
    kind: 'gateway',
    address: input.options.bind,
    port: proxyPort,
    protocol: 'http',
    dialect: 'kong',
    origin: { ...first.origin, kind: 'Document', name: 'kong', ...first.document.locate([]) },
    // Kong decodes what is not reserved, resolves dot segments and merges slashes; %2F stays as it is.
    canonicalisation: { ...edgeCanonicalisation, escapedSlashes: 'keep', underscores: 'allow' },
    limits: defaultLimits,
    trustedHops: 0,
    trustedCidrs: [],
    replyStyle: 'kong',
    kongHeaders: true,
    virtualHosts: [{ name: '*', domains: ['*'], origin: first.origin, matches: rankEntries(placed), filters: [] }],
    filters: [],
    pending: [],
  };
  return {
    fragment: {
      // Upstreams alone are endpoints for other dialects: there is nothing to listen for.
      listeners: resources.some((one) => one.kind !== 'Upstream' && one.kind !== 'Target') ? [listener] : [],
      routes: placed.map(({ route }) => route),
      clusters: [...services.values()].flatMap(({ cluster }) => (used.has(cluster.name) ? [cluster] : [])),
      consumers,
      status: statusOf(directory, served, listener.name),
    },
    diagnostics: report.diagnostics,
  };
}

interface TranslatedService {
  readonly cluster: Cluster;
  readonly parts: NonNullable<RouteParts['service']>;
}

/** By id of the service; without those that are broken or disabled. */
function translateServices(context: ClusterContext): ReadonlyMap<string, TranslatedService> {
  const services = new Map<string, TranslatedService>();
  for (const located of context.directory.all('Service')) {
    const { resource, entity } = located;
    const parsed = entity.fields === null ? null : serviceSchema().safeParse(entity.fields);
    if (parsed === null || !parsed.success || services.has(entity.id)) continue;
    const service = parsed.data;
    if (!service.enabled) {
      context.report.add('WR0413', resource, ['enabled'], `service '${resource.name}' is disabled: its routes do not exist`);
      continue;
    }
    const cluster = serviceCluster(located, service, context);
    services.set(entity.id, {
      cluster,
      parts: {
        cluster: cluster.name,
        host: service.host,
        port: service.port,
        path: service.path ?? '/',
        readTimeoutMs: service.read_timeout,
        writeTimeoutMs: service.write_timeout,
      },
    });
  }
  return services;
}

type Contribution = Pick<RouteParts, 'filters' | 'pending' | 'action'>;

/** For a route and its service, by id: what its plugins do. Routes that no plugin names share one answer. */
function translatePlugins(directory: Directory, report: Report): (route: string, service: string | null) => Contribution {
  const table = new PluginTable<Effect>();
  for (const written of [...directory.all('Plugin'), ...directory.all('FilterChain')]) {
    const located = withoutRefusedConsumer(written);
    const { resource, entity } = located;
    const { plugin, refs } = entity;
    if (plugin === null || !plugin.enabled || (resource.broken && !resource.restricts)) continue;
    const ids = {
      route: idOf(directory, 'Route', located, 'route'),
      service: idOf(directory, 'Service', located, 'service'),
      consumer: idOf(directory, 'Consumer', located, 'consumer'),
    };
    // The entity that it was made for is in no document: WR0401 has said so, and there is nothing to protect.
    if ((refs.route && ids.route === null) || (refs.service && ids.service === null) || (refs.consumer && ids.consumer === null)) continue;
    if (!servesHttp(located)) continue;
    const added = table.add(plugin.name, ids, pluginEffect(located, ids.consumer, { directory, report }));
    if (!added)
      report.add(
        'WR0406',
        resource,
        [],
        `plugin '${plugin.name}' has an instance of this scope already; the first one counts`,
        'remove one of the two, or give it another route, service or consumer',
      );
  }
  return (route, service) => {
    const filters: FilterConfig[] = [];
    const pending: PendingField[] = [];
    let action: { readonly rank: number; readonly action: RouteAction } | null = null;
    for (const winners of table.winners(route, service))
      for (const { instance } of winners) {
        if (instance.filter !== null) filters.push(instance.filter);
        pending.push(...instance.pending);
        if (instance.action !== null && (action === null || instance.rank > action.rank))
          action = { rank: instance.rank, action: instance.action };
      }
    return { filters, pending, action: action?.action ?? null };
  };
}

/**
 * A plugin that cannot be made for a consumer is broken; nothing of a request is known to belong to that consumer, so
 * it closes the rest of its scope.
 */
function withoutRefusedConsumer(located: Located): Located {
  const { plugin, refs } = located.entity;
  if (plugin === null || refs.consumer === undefined || pluginSpec(plugin.name)?.not.includes('consumer') !== true) return located;
  const { consumer: _consumer, ...rest } = refs;
  return { ...located, entity: { ...located.entity, refs: rest } };
}

function idOf(directory: Directory, kind: string, { entity }: Located, field: string): string | null {
  const reference = entity.refs[field];
  return reference === undefined ? null : (directory.find(kind, reference)?.entity.id ?? null);
}

/** Kong runs a plugin for every HTTP request when any of its protocols is HTTP or gRPC. */
function servesHttp({ entity }: Located): boolean {
  const parsed = entity.fields === null ? null : pluginSchema().safeParse(entity.fields);
  return (
    parsed === null ||
    !parsed.success ||
    parsed.data.protocols.some((protocol) => ['http', 'https', 'grpc', 'grpcs', 'ws', 'wss'].includes(protocol))
  );
}

/** Kinds that are checked and have no part in routing yet: told once for each kind. */
function reportUnused(directory: Directory, report: Report): void {
  const kinds = [
    'BasicAuthCredential',
    'HMACAuthCredential',
    'JWTSecret',
    'OAuth2Credential',
    'OAuth2Token',
    'OAuth2AuthorizationCode',
    'CACertificate',
    'KeySet',
    'Key',
    'ACMEStorage',
    'Session',
  ];
  for (const kind of kinds) {
    const sound = directory.all(kind).filter((one) => !one.resource.broken);
    if (sound.length > 0)
      report.add(
        'WR0108',
        sound[0].resource,
        [],
        `${sound.length} ${sound.length === 1 ? 'entity' : 'entities'} of kind ${kind}: checked, not used yet`,
      );
  }
  for (const { resource, entity } of directory.all('Vault'))
    if (entity.fields !== null && entity.fields.name !== 'env')
      report.add(
        'WR0108',
        resource,
        ['name'],
        `vault '${resource.name}' does not run yet: only env does`,
        'references to it quarantine their entities',
      );
  const certificates = [...directory.all('Certificate'), ...directory.all('SNI')].filter((one) => !one.resource.broken);
  if (certificates.length > 0)
    report.add(
      'WR0410',
      certificates[0].resource,
      [],
      'certificates and server names are checked and not used: port 8443 does not run yet',
    );
  const filled = new Set(directory.all('Target').map((one) => directory.find('Upstream', one.entity.refs.upstream ?? {})?.resource));
  for (const { resource, entity } of directory.all('Upstream'))
    if (entity.fields !== null && !filled.has(resource))
      report.add(
        'WR0415',
        resource,
        [],
        `upstream '${resource.name}' has no targets; its services answer 503`,
        'add targets: [{target: "host:port"}]',
      );
}

function statusOf(directory: Directory, accepted: ReadonlySet<string>, listener: string): readonly ResourceStatus[] {
  // One object for each outcome: a status of a hundred thousand routes must not weigh more than the routes.
  const conditions = (status: 'True' | 'False', reason: string, message: string): readonly Condition[] => [
    { type: 'Accepted', status, reason, message },
  ];
  const see = 'see the diagnostics of this resource';
  const served = conditions('True', 'Accepted', `served on ${listener}`);
  const sound = conditions('True', 'Accepted', '');
  const invalid = conditions('False', 'Invalid', see);
  const left = conditions('False', 'NotServed', see);
  return ['Service', 'Route', 'Upstream', 'Plugin', 'Consumer'].flatMap((kind) =>
    directory.all(kind).map(({ resource, entity }): ResourceStatus => {
      const open = accepted.has(resource.key) || (kind !== 'Service' && kind !== 'Route');
      return {
        kind,
        namespace: null,
        name: resource.name,
        origin: resource.origin,
        quarantined: resource.broken || resource.stale === true,
        conditions: entity.fields === null ? invalid : !open ? left : kind === 'Route' ? served : sound,
        listeners: [],
        parents: [],
      };
    }),
  );
}
