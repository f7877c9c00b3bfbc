/** Kong entities → model: listeners on 8000 and 8443 with one virtual host, whose matches stand in Kong's order, and the ports of stream routes. */
import { defaultLimits, edgeCanonicalisation, type Listener } from '../../model/listener.ts';
import type { Cluster } from '../../model/cluster.ts';
import type { FilterConfig } from '../../model/filter.ts';
import type { PendingField, RouteAction, VirtualHost } from '../../model/route.ts';
import { emptyFragment, type Condition, type ResourceStatus } from '../../model/snapshot.ts';
import type { TranslateInput, Translation } from '../dialect.ts';
import { buildServiceIndex } from '../services.ts';
import { CertificateBook } from './certificates.ts';
import { terminatingChains } from './chains.ts';
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
import { certificateHint, isStream, socketName, streamPorts, streamProtocols, type StreamRoute } from './stream.ts';

/** Kong's `proxy_listen`: plain text, and TLS. */
const proxyPort = 8000;
const securePort = 8443;

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
    book: new CertificateBook(directory, resources[0].origin),
    report,
    upstreams: new Map(),
  };
  reportUpstreams(clusters);
  const services = translateServices(clusters);
  const plugins = translatePlugins(directory, report);
  const placed: PlacedRoute[] = [];
  const streams: StreamRoute[] = [];
  /** Where, by key of the resource. */
  const served = new Map<string, string>();
  for (const located of directory.all('Route')) {
    const parsed = located.entity.fields === null ? null : routeSchema().safeParse(located.entity.fields);
    if (parsed === null || !parsed.success || directory.leadsNowhere(located)) continue;
    const reference = located.entity.refs.service;
    const owner = reference === undefined ? null : directory.find('Service', reference);
    const service = owner === null ? null : (services.get(owner.entity.id) ?? null);
    // A disabled service takes its routes along (Kong); so does a broken one that never was sound.
    if (owner !== null && service === null) continue;
    const scope = [located.entity.id, owner?.entity.id ?? null] as const;
    if (isStream(parsed.data)) {
      // What stands in it is no condition of a chain: without it the route would take what it must not.
      if (parsed.data.expression !== undefined) {
        report.add(
          'WR0408',
          located.resource,
          ['expression'],
          'the route is left out: expressions of stream routes do not run yet',
          'write snis, sources and destinations',
        );
        continue;
      }
      streams.push({
        located,
        route: parsed.data,
        service: service === null ? null : streamService(service),
        blocked: plugins.stream(...scope),
      });
      continue;
    }
    const route = placeRoute(located, parsed.data, { service: service?.parts ?? null, ...plugins.http(...scope) }, report);
    if (route !== null) placed.push(route);
  }
  for (const { resource, entity } of directory.all('Service')) if (services.has(entity.id)) served.set(resource.key, '');
  const ports = streamPorts(streams, clusters.book, report);
  const ranked = rankEntries(placed);
  const used = new Set([
    ...placed.flatMap(({ route }) => (route.action.kind === 'forward' ? route.action.destinations.map((one) => one.cluster) : [])),
    ...ports.flatMap(({ chains }) => chains.flatMap(({ forward }) => forward?.destinations.map((one) => one.cluster) ?? [])),
  ]);
  const consumers = translateConsumers(directory, report);
  reportUnused(directory, report);
  const first = resources.find((resource) => resource.kind === 'Route') ?? resources[0];
  const origin = { ...first.origin, kind: 'Document', name: 'kong', ...first.document.locate([]) };
  const hosts: readonly VirtualHost[] = [{ name: '*', domains: ['*'], origin: first.origin, matches: ranked.entries, filters: [] }];
  const { bind } = input.options;
  const httpsName = socketName(bind, securePort);
  const base = { name: 'kong/https', sources: [], destinations: [], forward: null, origin };
  const https = terminatingChains(clusters.book, base, []);
  tellDevelopment(clusters, placed);
  const http = { ...httpBase, address: bind, origin, virtualHosts: hosts };
  const where = `${socketName(bind, proxyPort)}, ${httpsName}`;
  for (const { resource } of placed) served.set(resource.key, where);
  for (const { located } of streams) {
    const open = ports.filter(({ chains }) =>
      chains.some(({ forward }) => forward?.route === located.resource.name && forward.blocked === undefined),
    );
    if (open.length > 0) served.set(located.resource.key, open.map(({ port, udp }) => socketName(bind, port, udp)).join(', '));
  }
  return {
    fragment: {
      // Upstreams alone are endpoints for other dialects: there is nothing to listen for.
      listeners: resources.some((one) => one.kind !== 'Upstream' && one.kind !== 'Target')
        ? [
            { ...http, name: socketName(bind, proxyPort), port: proxyPort },
            { ...http, name: httpsName, port: securePort, chains: https },
            ...ports.map(({ port, udp, chains, located }) => ({
              ...httpBase,
              name: socketName(bind, port, udp),
              address: bind,
              port,
              protocol: udp ? ('udp' as const) : ('tcp' as const),
              chains,
              origin: located.resource.origin,
              virtualHosts: [],
            })),
          ]
        : [],
      routes: ranked.routes,
      clusters: [...services.values()].flatMap(({ cluster }) => (used.has(cluster.name) ? [cluster] : [])),
      consumers,
      ...(clusters.book.secrets.length === 0 ? {} : { secrets: clusters.book.secrets }),
      status: statusOf(directory, served),
    },
    diagnostics: report.diagnostics,
  };
}

/** Told where TLS is meant: a route for https alone, or certificates. */
function tellDevelopment({ book, directory, report }: ClusterContext, placed: readonly PlacedRoute[]): void {
  if (book.hasDefault) return;
  const secure = placed.find(({ route }) => route.httpsRedirect !== undefined);
  const sni = directory.all('SNI').find(({ resource }) => !resource.broken);
  const place = secure === undefined ? sni : { resource: secure.resource };
  if (place !== undefined)
    report.add(
      'WR0410',
      place.resource,
      secure === undefined ? [] : ['protocols'],
      `on port ${securePort} names without a certificate are shown one that Weir signed itself, which no client trusts`,
      certificateHint,
    );
}

const httpBase = {
  kind: 'gateway',
  protocol: 'http',
  dialect: 'kong',
  // Kong decodes what is not reserved, resolves dot segments and merges slashes; %2F stays as it is.
  canonicalisation: { ...edgeCanonicalisation, escapedSlashes: 'keep', underscores: 'allow' },
  limits: defaultLimits,
  trustedHops: 0,
  trustedCidrs: [],
  replyStyle: 'kong',
  kongHeaders: true,
  filters: [],
  pending: [],
} as const satisfies Partial<Listener>;

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
        protocol: service.protocol,
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

function streamService({ parts }: TranslatedService): StreamRoute['service'] {
  const { cluster, host, port, readTimeoutMs, writeTimeoutMs } = parts;
  return { cluster, host, port, idleTimeoutMs: Math.max(readTimeoutMs, writeTimeoutMs) };
}

type Contribution = Pick<RouteParts, 'filters' | 'pending' | 'action'>;

interface Plugins {
  http(route: string, service: string | null): Contribution;
  /** Why connections of a stream route are closed; null: nothing restricts them. */
  stream(route: string, service: string | null): string | null;
}

/** For a route and its service, by id: what its plugins do. Routes that no plugin names share one answer. */
function translatePlugins(directory: Directory, report: Report): Plugins {
  const table = new PluginTable<Effect>();
  const stream = new PluginTable<StreamBlock>();
  const told = new Set<string>();
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
    const closes = resource.restricts ? streamBlock(located) : null;
    if (closes !== null) stream.add(plugin.name, ids, { located, reason: closes });
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
  return {
    http(route, service) {
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
    },
    stream(route, service) {
      const block = stream.winners(route, service)[0]?.[0]?.instance;
      if (block === undefined) return null;
      const { resource, entity } = block.located;
      if (entity.fields !== null && !told.has(resource.key))
        report.add(
          'WR0109',
          resource,
          ['name'],
          `${block.reason}; the stream routes in its scope are closed`,
          'remove it, or leave tcp, tls and udp out of its protocols',
        );
      told.add(resource.key);
      return block.reason;
    },
  };
}

interface StreamBlock {
  readonly located: Located;
  readonly reason: string;
}

/**
 * No plugin runs for connections yet: one that restricts closes them. Of Kong's own only ip-restriction is for them
 * where nothing else is written.
 */
function streamBlock({ entity }: Located): string | null {
  const { fields, plugin } = entity;
  const name = plugin?.name ?? '';
  if (fields === null) return name === 'ip-restriction' || pluginSpec(name) === null ? `plugin '${name}' is quarantined` : null;
  const protocols: readonly unknown[] = Array.isArray(fields.protocols) ? fields.protocols : [];
  const isDefault = protocols.join() === 'grpc,grpcs,http,https';
  const runs = protocols.some((one) => streamProtocols.some((protocol) => protocol === one)) || (isDefault && name === 'ip-restriction');
  return runs ? `plugin '${name}' does not run for connections yet` : null;
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

/** `served`: where a route is served; services that are sound have an entry too. */
function statusOf(directory: Directory, served: ReadonlyMap<string, string>): readonly ResourceStatus[] {
  // One object for each outcome: a status of a hundred thousand routes must not weigh more than the routes.
  const conditions = (status: 'True' | 'False', reason: string, message: string): readonly Condition[] => [
    { type: 'Accepted', status, reason, message },
  ];
  const see = 'see the diagnostics of this resource';
  const invalid = conditions('False', 'Invalid', see);
  const left = conditions('False', 'NotServed', see);
  const sound = new Map<string, readonly Condition[]>();
  const soundAt = (where: string): readonly Condition[] => {
    let known = sound.get(where);
    if (known === undefined) sound.set(where, (known = conditions('True', 'Accepted', where === '' ? '' : `served on ${where}`)));
    return known;
  };
  return ['Service', 'Route', 'Upstream', 'Plugin', 'Consumer', 'Certificate', 'SNI', 'CACertificate'].flatMap((kind) =>
    directory.all(kind).map(({ resource, entity }): ResourceStatus => {
      const where = served.get(resource.key);
      const open = where !== undefined || (kind !== 'Service' && kind !== 'Route');
      return {
        kind,
        namespace: null,
        name: resource.name,
        origin: resource.origin,
        quarantined: resource.broken || resource.stale === true,
        conditions: entity.fields === null ? invalid : !open ? left : soundAt(where ?? ''),
        listeners: [],
        parents: [],
      };
    }),
  );
}
