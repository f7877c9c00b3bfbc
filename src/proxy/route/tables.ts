import { Matcher } from '../../decide/match.ts';
import type { RequestView } from '../../decide/request.ts';
import type { Cluster } from '../../model/cluster.ts';
import type { Consumer } from '../../model/consumer.ts';
import type { FlatTables } from '../../model/events.ts';
import type { Listener } from '../../model/listener.ts';
import type { MatchEntry, Route, VirtualHost } from '../../model/route.ts';
import type { Secret } from '../../model/tls.ts';
import { HostLookup } from './host-table.ts';
import { headerWords, hostTableWords, listenerWords, magic, sections, type SectionName, version, virtualHostWords } from './layout.ts';
import { findName } from './names.ts';
import { PoolTexts } from './pool.ts';
import { Candidates, walkTrie } from './trie.ts';

/** A listener without its virtual hosts: `virtualHosts` is always empty here, use ListenerTable. */
export type ListenerHead = Listener;
/** A virtual host without its matches: `matches` is always empty here. */
export type VirtualHostHead = VirtualHost;

/** What a route's payload is made from; the same route under two virtual hosts has two payloads. */
export interface RouteContext {
  readonly listener: ListenerHead;
  readonly virtualHost: VirtualHostHead;
  readonly route: Route;
  /** Index into Snapshot.routes. */
  readonly routeIndex: number;
}

/** A match entry made ready at its first use; the same object for every request that it wins. */
export interface Hit<R> extends RouteContext {
  readonly entry: MatchEntry;
  readonly matcher: Matcher;
  /** What the worker made of the route: chain, clusters. */
  readonly payload: R;
}

/** Candidates of one virtual host looked at in one request at most; more patterns of one host name than this cannot nest. */
const maxBuckets = 320;

/** A compiled snapshot as a worker sees it: mapped, not copied; bodies are parsed at first use and kept. */
export class RouteTables<R = null> {
  readonly revision: number;
  private readonly texts: Readonly<Record<'listener' | 'virtualHost' | 'entry' | 'route' | 'cluster' | 'consumer' | 'secret', PoolTexts>>;
  private readonly slots: Readonly<Record<'cluster' | 'consumer' | 'key' | 'secret', Int32Array>>;
  private readonly listeners = new Map<string, ListenerTable<R>>();
  private readonly routes: (Route | undefined)[];
  private readonly clusters = new Map<string, Cluster>();
  private readonly consumers = new Map<number, Consumer>();
  private readonly keys = new Map<string, { readonly consumer: Consumer; readonly credential: string }>();
  private names: readonly string[] | null = null;

  /** Throws when the buffers are not of this layout: a bug, not bad input. */
  constructor(flat: FlatTables, revision: number, materialise: (context: RouteContext) => R) {
    this.revision = revision;
    const header = new Int32Array(flat.index, 0, headerWords);
    if (header[0] !== magic || header[1] !== version) throw new Error('flat tables of another layout');
    const ints = (name: SectionName): Int32Array => {
      const at = 2 + sections.indexOf(name) * 2;
      return new Int32Array(flat.index, header[at] * 4, header[at + 1]);
    };
    const textAt = 2 + sections.indexOf('text') * 2;
    const text = new Uint16Array(flat.index, header[textAt] * 4, header[textAt + 1]);
    const pool = Buffer.from(flat.pool);
    this.texts = {
      listener: new PoolTexts(pool, ints('listenerTexts')),
      virtualHost: new PoolTexts(pool, ints('virtualHostTexts')),
      entry: new PoolTexts(pool, ints('entryTexts')),
      route: new PoolTexts(pool, ints('routeTexts')),
      cluster: new PoolTexts(pool, ints('clusterTexts')),
      consumer: new PoolTexts(pool, ints('consumerTexts')),
      secret: new PoolTexts(pool, ints('secretTexts')),
    };
    this.slots = { cluster: ints('clusterSlots'), consumer: ints('consumerSlots'), key: ints('keySlots'), secret: ints('secretSlots') };
    this.routes = new Array<Route | undefined>(this.texts.route.count).fill(undefined);
    const shared: Shared<R> = {
      listeners: ints('listeners'),
      virtualHosts: ints('virtualHosts'),
      buckets: ints('buckets'),
      nodes: ints('nodes'),
      lists: ints('lists'),
      entryRoutes: ints('entryRoutes'),
      text,
      hosts: new HostLookup(ints('hostSlots'), text),
      hits: new Array<Hit<R> | undefined>(this.texts.entry.count).fill(undefined),
      heads: new Array<VirtualHostHead | undefined>(this.texts.virtualHost.count).fill(undefined),
      payloads: new Map(),
      candidates: new Candidates(),
      bucketScratch: new Int32Array(maxBuckets),
      entry: (i) => parse<MatchEntry>(this.texts.entry.text(i)),
      virtualHost: (i) => parse<VirtualHostHead>(this.texts.virtualHost.text(i)),
      route: (i) => this.route(i),
      materialise,
    };
    for (let i = 0; i < this.texts.listener.count; i++) {
      const config = parse<ListenerHead>(this.texts.listener.text(i));
      if (!this.listeners.has(config.name)) this.listeners.set(config.name, new ListenerTable(config, i, shared));
    }
  }

  listener(name: string): ListenerTable<R> | null {
    return this.listeners.get(name) ?? null;
  }

  listenerNames(): readonly string[] {
    return [...this.listeners.keys()];
  }

  get routeCount(): number {
    return this.routes.length;
  }

  /** `i`: index into Snapshot.routes. */
  route(i: number): Route {
    return (this.routes[i] ??= parse<Route>(this.texts.route.text(i)));
  }

  cluster(name: string): Cluster | null {
    const known = this.clusters.get(name);
    if (known !== undefined) return known;
    const found = findName(this.slots.cluster, name, (i) => {
      const cluster = parse<Cluster>(this.texts.cluster.text(i));
      return cluster.name === name ? cluster : null;
    });
    if (found !== null) this.clusters.set(name, found);
    return found;
  }

  /** Parses every cluster at its first call; not for the data path. */
  clusterNames(): readonly string[] {
    if (this.names === null) {
      const names: string[] = [];
      for (let i = 0; i < this.texts.cluster.count; i++) names.push(parse<Cluster>(this.texts.cluster.text(i)).name);
      this.names = names;
    }
    return this.names;
  }

  /** Consumer that owns the key with this hex SHA-256, and the credential's id. */
  findKey(sha256: string): { readonly consumer: Consumer; readonly credential: string } | null {
    const known = this.keys.get(sha256);
    if (known !== undefined) return known;
    const found = findName(this.slots.key, sha256, (i) => {
      const consumer = this.consumer(i);
      const key = consumer.keys.find((candidate) => candidate.sha256 === sha256);
      return key === undefined ? null : { consumer, credential: key.id };
    });
    if (found !== null) this.keys.set(sha256, found);
    return found;
  }

  /** Certificates and keys by name; a new object each time. Keys stay in the shared tables. */
  secret(name: string): Secret | null {
    return findName(this.slots.secret, name, (i) => {
      const secret = parse<Secret>(this.texts.secret.text(i));
      return secret.name === name ? secret : null;
    });
  }

  /** By id, else by user name. */
  findConsumer(idOrName: string): Consumer | null {
    const byId = findName(this.slots.consumer, idOrName, (i) => (this.consumer(i).id === idOrName ? this.consumer(i) : null));
    return byId ?? findName(this.slots.consumer, idOrName, (i) => (this.consumer(i).username === idOrName ? this.consumer(i) : null));
  }

  private consumer(i: number): Consumer {
    const known = this.consumers.get(i);
    if (known !== undefined) return known;
    const consumer = parse<Consumer>(this.texts.consumer.text(i));
    this.consumers.set(i, consumer);
    return consumer;
  }
}

/** Reads what compile.ts wrote from checked model values. */
function parse<T>(text: string): T {
  return JSON.parse(text);
}

interface Shared<R> {
  readonly listeners: Int32Array;
  readonly virtualHosts: Int32Array;
  readonly buckets: Int32Array;
  readonly nodes: Int32Array;
  readonly lists: Int32Array;
  readonly entryRoutes: Int32Array;
  readonly text: Uint16Array;
  readonly hosts: HostLookup;
  readonly hits: (Hit<R> | undefined)[];
  readonly heads: (VirtualHostHead | undefined)[];
  /** By virtual host and route. */
  readonly payloads: Map<number, Map<number, R>>;
  readonly candidates: Candidates;
  readonly bucketScratch: Int32Array;
  readonly entry: (i: number) => MatchEntry;
  readonly virtualHost: (i: number) => VirtualHostHead;
  readonly route: (i: number) => Route;
  readonly materialise: (context: RouteContext) => R;
}

/** Routing of one listener. Look-ups allocate nothing once their entries are materialised. */
export class ListenerTable<R> {
  /** Without virtual hosts. */
  readonly config: ListenerHead;
  private readonly record: number;
  private readonly shared: Shared<R>;

  constructor(config: ListenerHead, index: number, shared: Shared<R>) {
    this.config = config;
    this.record = index * listenerWords;
    this.shared = shared;
  }

  /** The best entry of the one virtual host that the request's host picks, or null. */
  lookup(view: RequestView): Hit<R> | null {
    const host = this.pickVirtualHost(view.host);
    return host < 0 ? null : this.lookupIn(host, view);
  }

  /** Virtual host that the request's host picks, for listener-wide decisions and explain. */
  lookupVirtualHost(view: RequestView): VirtualHostHead | null {
    const host = this.pickVirtualHost(view.host);
    return host < 0 ? null : this.head(host);
  }

  /** Number of the virtual host for a host name, lower case and without port; -1 when none has it. */
  pickVirtualHost(host: string): number {
    const { shared } = this;
    return shared.hosts.best(shared.listeners, this.record, host);
  }

  /** Numbers of this listener's virtual hosts: from `first`, `count` of them. */
  virtualHosts(): { readonly first: number; readonly count: number } {
    const { listeners } = this.shared;
    return { first: listeners[this.record + hostTableWords], count: listeners[this.record + hostTableWords + 1] };
  }

  head(host: number): VirtualHostHead {
    return (this.shared.heads[host] ??= this.shared.virtualHost(host));
  }

  /** Match entries of a virtual host, best first: from `first`, `count` of them. */
  entries(host: number): { readonly first: number; readonly count: number } {
    const record = host * virtualHostWords + hostTableWords;
    return { first: this.shared.virtualHosts[record], count: this.shared.virtualHosts[record + 1] };
  }

  /** An entry by its number, materialised. */
  hit(entry: number, host: number): Hit<R> {
    return this.shared.hits[entry] ?? this.materialise(entry, host);
  }

  private lookupIn(host: number, view: RequestView): Hit<R> | null {
    const { hosts, virtualHosts, buckets, nodes, text, lists, candidates, bucketScratch, hits } = this.shared;
    candidates.count = 0;
    const { path } = view;
    const found = hosts.all(virtualHosts, host * virtualHostWords, view.host, bucketScratch);
    for (let i = 0; i < found; i++) {
      const bucket = bucketScratch[i] * 2;
      if (buckets[bucket] >= 0) walkTrie(nodes, text, buckets[bucket], path, false, candidates);
      if (buckets[bucket + 1] >= 0) walkTrie(nodes, text, buckets[bucket + 1], path, true, candidates);
    }
    const { count, starts, ends } = candidates;
    for (;;) {
      let best = -1;
      for (let i = 0; i < count; i++) {
        const at = starts[i];
        if (at < ends[i] && (best < 0 || lists[at] < best)) best = lists[at];
      }
      if (best < 0) return null;
      const hit = hits[best] ?? this.materialise(best, host);
      if (hit.matcher.matches(view)) return hit;
      // An entry of several hosts may stand in several lists.
      for (let i = 0; i < count; i++) if (starts[i] < ends[i] && lists[starts[i]] === best) starts[i]++;
    }
  }

  private materialise(entryNumber: number, host: number): Hit<R> {
    const { shared } = this;
    const entry = shared.entry(entryNumber);
    const virtualHost = this.head(host);
    const routeIndex = shared.entryRoutes[entryNumber];
    const context: RouteContext = { listener: this.config, virtualHost, route: shared.route(routeIndex), routeIndex };
    let payloads = shared.payloads.get(host);
    if (payloads === undefined) shared.payloads.set(host, (payloads = new Map()));
    let payload = payloads.get(routeIndex);
    if (payload === undefined) payloads.set(routeIndex, (payload = shared.materialise(context)));
    const hit: Hit<R> = { ...context, entry, matcher: new Matcher(entry.match), payload };
    shared.hits[entryNumber] = hit;
    return hit;
  }
}
