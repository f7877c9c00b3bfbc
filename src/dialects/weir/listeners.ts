import { diagnose, type MessageCode } from '../../analysis/messages.ts';
import type { Cluster } from '../../model/cluster.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';
import { defaultLimits, edgeCanonicalisation, type Listener } from '../../model/listener.ts';
import type { VirtualHost } from '../../model/route.ts';
import type { ResourceStatus, Snapshot } from '../../model/snapshot.ts';
import type { Secret } from '../../model/tls.ts';
import type { Path, Resource, TranslateInput } from '../dialect.ts';
import { isRecord, lazily } from '../check.ts';
import { secretsIndex } from '../kubernetes/secrets.ts';
import { yields } from '../join.ts';
import { buildServiceIndex } from '../services.ts';
import { listenerKind, type ListenerSpec } from './kinds.ts';
import { chainsOf, misfit } from './listener-chains.ts';

/**
 * Bytes of head, body and time that a public port should bear: Envoy's edge guidance, and a request is over in 15 s
 * (DESIGN: defaults that Weir's own listeners change on purpose).
 */
export const weirLimits = { ...defaultLimits, headTimeoutMs: 15_000, requestTimeoutMs: 15_000 };

export interface WeirListeners {
  readonly listeners: readonly Listener[];
  readonly clusters: readonly Cluster[];
  readonly secrets: readonly Secret[];
  readonly status: readonly ResourceStatus[];
  readonly diagnostics: readonly Diagnostic[];
}

/** Listeners without routes; `serveRoutes` gives them theirs once every dialect has translated. */
export function weirListeners(input: TranslateInput): WeirListeners {
  const listeners = new Map<string, Listener>();
  const secrets = new Map<string, Secret>();
  const clusters = new Map<string, Cluster>();
  const status: ResourceStatus[] = [];
  const diagnostics: Diagnostic[] = [];
  const index = lazily(() => secretsIndex(input.resources));
  const services = lazily(() => buildServiceIndex(input.resources));
  for (const resource of input.resources) {
    const spec = listenerKind.of(resource)?.spec;
    if (spec === undefined) continue;
    const { name, address } = nameOf(spec, input.options.bind);
    const report = (code: MessageCode, path: Path, message: string, hint: string): void => {
      const place = { file: resource.document.file, ...resource.document.locate([...resource.path, 'spec', ...path]) };
      diagnostics.push(diagnose(code, place, refOf(resource), message, { hint }));
    };
    const holder = listeners.get(name);
    const wrong = misfit(spec);
    if (wrong !== null) {
      report('WR0504', wrong.path, wrong.message, wrong.hint);
      status.push(statusOf(resource, null, wrong.message));
      continue;
    }
    if (holder !== undefined) {
      const message = `Listener ${holder.origin.name} (${holder.origin.file}:${holder.origin.line}) already holds ${name}`;
      report('WR0505', ['port'], message, 'choose another port or address');
      status.push(statusOf(resource, null, message));
      continue;
    }
    const onlyKong = spec.routesFrom.length === 1 && spec.routesFrom[0] === 'kong';
    listeners.set(name, {
      name,
      kind: 'gateway',
      address,
      port: spec.port,
      ...chainsOf(resource, spec, { secretsIndex: index(), services: services(), secrets, clusters, report }),
      ...(spec.proxyProtocol === undefined ? {} : { proxyProtocol: spec.proxyProtocol }),
      ...(spec.http2 === undefined ? {} : { http2: spec.http2 }),
      dialect: 'weir',
      origin: resource.origin,
      canonicalisation: { ...edgeCanonicalisation, ...defined(spec.canonicalisation) },
      limits: { ...weirLimits, ...defined(spec.limits) },
      trustedHops: spec.trustedHops,
      trustedCidrs: spec.trustedCidrs,
      replyStyle: onlyKong ? 'kong' : 'envoy',
      kongHeaders: onlyKong,
      virtualHosts: [],
      filters: [],
      pending: [],
    });
    status.push(statusOf(resource, name, null));
  }
  return { listeners: [...listeners.values()], clusters: [...clusters.values()], secrets: [...secrets.values()], status, diagnostics };
}

/** Sockets of TCP and UDP of one number are two. */
function nameOf({ address, port, protocol }: ListenerSpec, bind: string): { readonly name: string; readonly address: string } {
  const written = address ?? bind;
  if (written.startsWith('unix://')) {
    const path = written.slice('unix://'.length);
    return { name: `unix:${path}`, address: path };
  }
  const name = `${written.includes(':') ? `[${written}]` : written}:${port}`;
  return { name: protocol === 'UDP' ? `${name}/udp` : name, address: written };
}

/** Fills the virtual hosts of Weir's listeners from those of other dialects, in the order of `routesFrom`. */
export function serveRoutes(
  snapshot: Snapshot,
  input: TranslateInput,
): { readonly snapshot: Snapshot; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics = [...parentProblems(input)];
  if (!snapshot.listeners.some((listener) => listener.dialect === 'weir')) return { snapshot, diagnostics };
  const specs = new Map(
    input.resources.flatMap((resource) => {
      const value = listenerKind.of(resource);
      return value === null ? [] : [[resource.origin, value.spec] as const];
    }),
  );
  const listeners = snapshot.listeners.map((listener) => {
    const spec = listener.dialect === 'weir' && listener.protocol === 'http' ? specs.get(listener.origin) : undefined;
    if (spec === undefined) return listener;
    const sources = spec.routesFrom.flatMap((from) =>
      from === 'kong'
        ? // Kong's two ports have the same routes.
          (snapshot.listeners.find((other) => other.dialect === 'kong' && other.kind === 'gateway' && other.protocol === 'http') ?? [])
        : snapshot.listeners.filter((other) => other.kind === 'mesh'),
    );
    return {
      ...listener,
      virtualHosts: joinHosts(
        sources.flatMap((source) => source.virtualHosts),
        spec.hostnames ?? ['*'],
      ),
    };
  });
  const kept = listeners.filter((kong) => {
    const taker = listeners.find((weir) => yields(kong, weir));
    if (taker === undefined) return true;
    if (specs.get(taker.origin)?.routesFrom.includes('kong') !== true)
      diagnostics.push(
        diagnose(
          'WR0602',
          kong.origin,
          refOf(kong.origin),
          `port ${kong.port} belongs to Listener ${taker.origin.name}, which serves no Kong routes`,
          {
            hint: 'write routesFrom: [kong] there, or give it another port',
          },
        ),
      );
    return false;
  });
  const attached = new Map(listeners.map((listener) => [listener.origin, routesOf(listener)]));
  const status = snapshot.status.map((entry) => {
    const count = attached.get(entry.origin);
    return count === undefined || entry.kind !== 'Listener'
      ? entry
      : { ...entry, listeners: entry.listeners.map((one) => ({ ...one, attachedRoutes: count })) };
  });
  return { snapshot: { ...snapshot, listeners: kept, status }, diagnostics };
}

function routesOf(listener: Listener): number {
  return new Set(listener.virtualHosts.flatMap((host) => host.matches.map((entry) => entry.route))).size;
}

/** Virtual hosts cut down to what `hostnames` cover; of two that claim one domain, the first one's matches come first. */
function joinHosts(hosts: readonly VirtualHost[], hostnames: readonly string[]): readonly VirtualHost[] {
  const joined: VirtualHost[] = [];
  const owners = new Map<string, number>();
  for (const host of hosts) {
    const domains = [...new Set(host.domains.flatMap((domain) => hostnames.flatMap((name) => intersect(domain, name))))];
    const free = domains.filter((domain) => !owners.has(domain));
    for (const domain of domains) {
      const owner = owners.get(domain);
      if (owner === undefined) continue;
      const held = joined[owner];
      joined[owner] = { ...held, domains: held.domains.filter((other) => other !== domain) };
      owners.set(domain, joined.length);
      joined.push({ ...held, domains: [domain], matches: [...held.matches, ...host.matches], filters: [...held.filters, ...host.filters] });
    }
    if (free.length === 0) continue;
    for (const domain of free) owners.set(domain, joined.length);
    joined.push({ ...host, domains: free });
  }
  return joined.filter((host) => host.domains.length > 0);
}

/** The narrower of two host patterns, or none when they share no host. */
export function intersect(a: string, b: string): readonly string[] {
  if (a === b || covers(b, a)) return [a];
  return covers(a, b) ? [b] : [];
}

/** Whether every host of `narrow` is one of `wide`. */
export function covers(wide: string, narrow: string): boolean {
  if (wide === '*' || wide === narrow) return true;
  if (wide.startsWith('*.')) return narrow !== '*' && narrow.endsWith(wide.slice(1)) && narrow.length > wide.length - 1;
  if (wide.endsWith('.*')) return narrow.startsWith(wide.slice(0, -1));
  return false;
}

/** A Gateway API route whose parent is a Listener would be served nowhere without a word. */
function parentProblems(input: TranslateInput): readonly Diagnostic[] {
  const diagnostics: Diagnostic[] = [];
  for (const resource of input.resources) {
    if (resource.dialect !== 'gateway-api' || !isRecord(resource.value) || !isRecord(resource.value.spec)) continue;
    const parents: unknown = resource.value.spec.parentRefs;
    if (!Array.isArray(parents)) continue;
    for (const [index, parent] of parents.entries()) {
      if (!isRecord(parent) || parent.group !== 'weir.dev') continue;
      const place = { file: resource.document.file, ...resource.document.locate([...resource.path, 'spec', 'parentRefs', index]) };
      diagnostics.push(
        diagnose('WR0506', place, refOf(resource), `${resource.kind} cannot attach to ${String(parent.kind)} ${String(parent.name)}`, {
          hint: 'attach it to a Gateway of gateway.networking.k8s.io',
        }),
      );
    }
  }
  return diagnostics;
}

function refOf({ kind, namespace, name }: Pick<Resource, 'kind' | 'namespace' | 'name'>): {
  readonly kind: string;
  readonly namespace: string | null;
  readonly name: string;
} {
  return { kind, namespace, name };
}

/** Without the keys that are undefined. */
function defined<T extends object>(value: T | undefined): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const kept: { [K in keyof T]?: Exclude<T[K], undefined> } = {};
  for (const key in value) {
    const inner = value[key];
    if (isDefined(inner)) kept[key] = inner;
  }
  return kept;
}

function isDefined<T>(value: T): value is Exclude<T, undefined> {
  return value !== undefined;
}

function statusOf(resource: Resource, listener: string | null, problem: string | null): ResourceStatus {
  const condition = (type: string) =>
    ({
      type,
      status: problem === null ? 'True' : 'False',
      reason: problem === null ? type : 'UnsupportedProtocol',
      message: problem ?? '',
    }) as const;
  const conditions = [condition('Accepted'), condition('Programmed')];
  return {
    ...refOf(resource),
    origin: resource.origin,
    quarantined: false,
    conditions,
    listeners: [{ name: resource.name, listener, attachedRoutes: 0, supportedKinds: ['Route', 'VirtualService'], conditions }],
    parents: [],
  };
}
